"""The hand-made tables: files of lines "name: item, item", # for remarks."""

from __future__ import annotations

from pathlib import Path

FOLDER = Path(__file__).parent / "tables"


def read(name: str) -> list[tuple[str, list[str]]]:
    """The lines of tables/NAME.txt in order, as (name, items); a name may come twice."""
    table = []
    for number, line in enumerate((FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            key, colon, items = line.partition(":")
            if not colon:
                raise ValueError(
                    f"Line {number} of {name}.txt has no colon: write a name, a colon and its words."
                )
            table.append((key.strip(), [item.strip() for item in items.split(",") if item.strip()]))
    return table


def values(names: str) -> tuple[str, ...]:
    """The names of a line that stands for several, as "cat, dog"."""
    return tuple(name.strip() for name in names.split(","))
