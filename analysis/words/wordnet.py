"""The nouns of WordNet, read from its own two files (as Debian's wordnet-base installs them)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FOLDER = Path("/usr/share/wordnet")
_HYPONYMS = ("~", "~i")
_HYPERNYMS = ("@", "@i")


@dataclass(frozen=True)
class Synset:
    """One meaning: its lemmas as printed, and the offsets of the meanings below and above it."""

    lemmas: tuple[str, ...]
    hyponyms: tuple[int, ...]
    hypernyms: tuple[int, ...]
    instance: bool  # a named thing (an instance of its hypernym), not a kind


@dataclass
class WordNet:
    """Nouns by meaning. `senses` maps a lemma in lower case to its meanings, the most frequent first."""

    synsets: dict[int, Synset] = field(default_factory=dict)
    senses: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def sense(self, name: str) -> int:
        """The offset of "kite.3", the third sense of kite. Raises ValueError where WordNet has none."""
        lemma, _, number = name.rpartition(".")
        offsets = self.senses.get(lemma.replace(" ", "_"), ())
        if not number.isdigit() or not 1 <= int(number) <= len(offsets):
            raise ValueError(f"WordNet has no noun sense {name!r}: write a lemma and a number, as in kite.3.")
        return offsets[int(number) - 1]

    def below(self, offset: int, without: frozenset[int] = frozenset()) -> Iterator[int]:
        """The meaning itself and all kinds of it, each once; not those of `without` nor what lies below them."""
        seen, queue = set(without), [offset]
        while queue:
            offset = queue.pop(0)
            if offset in seen or self.synsets[offset].instance:
                continue
            seen.add(offset)
            yield offset
            queue += self.synsets[offset].hyponyms

    def names(self, offset: int) -> Iterator[str]:
        """The lemmas of a meaning that mean it first, with spaces, none of them a proper name."""
        for lemma in self.synsets[offset].lemmas:
            if lemma == lemma.lower() and self.senses[lemma][0] == offset:
                yield lemma.replace("_", " ")


def read(folder: Path = FOLDER) -> WordNet:
    """WordNet's nouns. Raises FileNotFoundError where the folder does not hold data.noun and index.noun."""
    net = WordNet()
    for name in ("data.noun", "index.noun"):
        if not (folder / name).is_file():
            raise FileNotFoundError(
                f"WordNet's {name} is not in {folder}: install it with `apt install wordnet-base`."
            )
    for line in _entries(folder / "data.noun"):
        # offset file kind count (lemma id)... count (pointer offset part source-target)... | gloss
        fields = line.split(" | ")[0].split()
        count = int(fields[3], 16)
        lemmas = tuple(fields[4 : 4 + 2 * count : 2])
        rest = fields[5 + 2 * count :]
        pointers = [(rest[i], int(rest[i + 1])) for i in range(0, len(rest) - 3, 4) if rest[i + 2] == "n"]
        net.synsets[int(fields[0])] = Synset(
            lemmas,
            tuple(target for kind, target in pointers if kind in _HYPONYMS),
            tuple(target for kind, target in pointers if kind in _HYPERNYMS),
            any(kind == "@i" for kind, _ in pointers),
        )
    for line in _entries(folder / "index.noun"):
        # lemma part senses count pointer... senses tagged offset...
        fields = line.split()
        net.senses[fields[0]] = tuple(int(offset) for offset in fields[-int(fields[2]) :])
    return net


def _entries(path: Path) -> Iterator[str]:
    """The lines behind the licence, which is indented."""
    with path.open(encoding="utf-8") as file:
        yield from (line for line in file if not line.startswith(" "))
