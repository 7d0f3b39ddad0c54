"""A word before it has a split."""

from __future__ import annotations

from dataclasses import dataclass

from diffusionret.datasets.storybook.words import Word


@dataclass(frozen=True)
class Entry:
    """A word, its forms, and its facts as (attribute, values) in order; `lacks` is the attribute whose place a word
    takes that the world lacks."""

    word: str
    forms: tuple[str, ...] = ()
    facts: tuple[tuple[str, tuple[str, ...]], ...] = ()
    lacks: str = ""
    source: str = "hand"

    @property
    def kind(self) -> str:
        return "lacks" if self.lacks else "says" if self.facts else "empty"

    @property
    def attribute(self) -> str:
        """The attribute it is about; "" for an empty word."""
        return self.lacks or (self.facts[0][0] if self.facts else "")

    @property
    def written(self) -> str:
        """The facts as the file writes them."""
        if self.lacks:
            return f"{self.lacks}="
        return ";".join(f"{name}={'|'.join(values)}" for name, values in self.facts)

    def as_word(self, split: str) -> Word:
        facts = {self.lacks: frozenset[str]()} if self.lacks else {n: frozenset(v) for n, v in self.facts}
        return Word(self.word, self.forms, self.kind, facts, split, self.source)
