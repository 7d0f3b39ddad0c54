"""A word before it has a split."""

from __future__ import annotations

from dataclasses import dataclass

from diffusionret.datasets.storybook.words import Word


@dataclass(frozen=True)
class Entry:
    """A word, its forms, and its facts as (attribute, values) in order; `lacks` is the attribute whose place a word
    takes that the world lacks, `open` the one that an empty word is about without a value."""

    word: str
    forms: tuple[str, ...] = ()
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    lacks: str = ""
    source: str = "hand"
    open: str = ""

    @property
    def kind(self) -> str:
        return "lacks" if self.lacks else "says" if self.facts else "empty"

    @property
    def valueless(self) -> str:
        """The attribute that it is about without a value, "" mostly."""
        return self.lacks or self.open

    @property
    def attribute(self) -> str:
        """The attribute it is about; "" for a word that is about none."""
        return self.valueless or (self.facts[0][0] if self.facts else "")

    @property
    def written(self) -> str:
        """The facts as the file writes them."""
        if self.valueless:
            return f"{self.valueless}="
        return ";".join(f"{name}={'|'.join(values)}" for name, values in self.facts)

    def as_word(self, split: str) -> Word:
        facts = (
            {self.valueless: frozenset[str]()} if self.valueless else {n: frozenset(v) for n, v in self.facts}
        )
        return Word(self.word, self.forms, self.kind, facts, split, self.source)
