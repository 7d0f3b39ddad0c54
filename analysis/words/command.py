"""The command: all entries put together, split, and written to words.csv; counts printed."""

from __future__ import annotations

import argparse
import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from diffusionret.datasets.storybook import words as library

from . import colours, nouns, phrases, splits, tables, visitors, wordnet
from .entry import Entry

OUTPUT = Path(library.__file__).with_name("words.csv")


def collect(
    net: wordnet.WordNet, path: Path
) -> tuple[list[Entry], list[Entry], set[str], set[str], set[str]]:
    """The grammar's entries; all others; of these the fillers; the colours that hold a word of the grammar and so are
    not unseen; the visitors' words."""
    lexicon = list(phrases.lexicon())
    mended = {word: key for key, words in tables.read("mended") for word in words}
    asked = [_mend(entry, mended) for entry in visitors.read(path)]
    shades, empty = list(colours.entries()), list(phrases.empty())
    absent = list(phrases.lacking())  # so few that none are held out
    fillers = {entry.word for entry in (*absent, *(entry for entry, free in empty if not free))} | {
        w for _, ws in tables.read("trained") for w in ws
    }
    half_known = {entry.word for entry, unseen in shades if not unseen}
    rest = [
        *phrases.settings_and_deeds(), *absent, *nouns.entries(net),
        *(entry for entry, _ in shades), *(entry for entry, _ in empty),
    ]  # fmt: skip
    own = {(entry.attribute, entry.word) for entry in lexicon}
    kept: dict[tuple[str, str], Entry] = {}
    for entry in rest + asked:
        key = entry.attribute, entry.word
        if key in own:
            continue
        if key not in kept:
            kept[key] = entry
        elif kept[key].written != entry.written and entry.source != "visitors":
            raise ValueError(
                f"{entry.word!r} says {kept[key].written!r} and {entry.written!r}: keep one of them."
            )
    return lexicon, list(kept.values()), fillers, half_known, {entry.word for entry in asked}


def _mend(entry: Entry, mended: dict[str, str]) -> Entry:
    """The visitors' entry with the facts that tables/mended.txt gives it."""
    if entry.word not in mended:
        return entry
    attribute, _, values = mended[entry.word].partition("=")
    facts = ((attribute, tuple(values.split("|"))),) if values else ()
    return Entry(entry.word, entry.forms, facts, "" if values else attribute, "visitors")


def write(rows: Sequence[tuple[Entry, str]], path: Path) -> None:
    """The file: the grammar's words in its order, then the others by split, attribute and word."""
    order = {name: i for i, name in enumerate(library.SPLITS)}
    attributes = {name: i for i, name in enumerate((*library.ATTRIBUTES, ""))}

    def place(row: tuple[Entry, str]) -> tuple:
        entry, split = row
        return order[split], *((attributes[entry.attribute], entry.word) if split != "lexicon" else ())

    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file, lineterminator="\n")
        out.writerow(library.COLUMNS)
        for entry, split in sorted(rows, key=place):
            out.writerow((entry.word, "|".join(entry.forms), entry.kind, entry.written, split, entry.source))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write words.csv. Raises FileNotFoundError without WordNet or the visitors' list."""
    parser = argparse.ArgumentParser(prog="python -m analysis.words", description="The words of visitors.")
    parser.add_argument(
        "--wordnet", type=Path, default=wordnet.FOLDER, help="folder of data.noun, index.noun"
    )
    parser.add_argument("--visitors", type=Path, default=visitors.LIST, help="the visitors' list")
    parser.add_argument("--output", type=Path, default=OUTPUT)
    chosen = parser.parse_args(arguments)
    lexicon, entries, fillers, half_known, test = collect(wordnet.read(chosen.wordnet), chosen.visitors)
    unseen = [entry for entry in entries if entry.word not in half_known]
    drawn = list(zip(unseen, splits.draw(unseen, lexicon, fillers, test), strict=True))
    held_out = [entry for entry, split in drawn if split != "train"]
    half = [entry for entry in entries if entry.word in half_known]
    half = splits.without(half, held_out, [*entries, *lexicon])
    rows = [*((entry, "lexicon") for entry in lexicon), *drawn, *((entry, "train") for entry in half)]
    write(rows, chosen.output)
    counts = Counter((entry.attribute, entry.kind, split) for entry, split in rows)
    print(f"{'':24}" + "".join(f"{split:>12}" for split in library.SPLITS))
    for attribute, kind in dict.fromkeys((entry.attribute, entry.kind) for entry, _ in rows):
        numbers = "".join(f"{counts[attribute, kind, split]:>12}" for split in library.SPLITS)
        print(f"{attribute + ' ' + kind:24}{numbers}")
