"""Options that several commands share."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Annotated, Any

import typer


def choices(names: Collection[str]) -> dict[str, Any]:
    """What makes an option or argument take one of `names` only, and the shell complete them."""

    def complete(incomplete: str) -> list[str]:
        return [name for name in names if name.startswith(incomplete)]

    def check(value: str) -> str:
        if value not in names:
            raise typer.BadParameter(f"{value!r} is none of {', '.join(names)}.")
        return value

    return {"autocompletion": complete, "callback": check}


def _complete(*names: str) -> Callable[[str], list[str]]:
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda or mps", autocompletion=_complete("auto", "cpu", "cuda", "mps"))
]
Gallery = Annotated[
    str | None, typer.Option(help="a folder made by `index`", show_default="the bundled gallery")
]
GalleryModel = Annotated[
    str | None,
    typer.Option(
        help="bundled name, folder, Hub id, published .bin, or clip:ARCHITECTURE:WEIGHTS",
        show_default="the one the gallery was indexed with",
    ),
]
Model = Annotated[
    str, typer.Option(help="bundled name, folder, Hub id, published .bin, or clip:ARCHITECTURE:WEIGHTS")
]
Exact = Annotated[bool, typer.Option("--exact", help="search for what was typed, typing errors and all")]


def json_text(value: Any, indent: int | None = 2) -> str:
    """`value` as JSON, which knows no NaN and no infinity: null instead."""
    return json.dumps(_finite(value), indent=indent, allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


Json = Annotated[bool, typer.Option("--json", help="JSON on standard output, and nothing else there")]
Annotations = Annotated[
    Path | None, typer.Option(help="of a benchmark: folder of its annotation files", show_default=False)
]
Videos = Annotated[
    Path | None,
    typer.Option(help="of a benchmark: folder of its videos, looked for at any depth", show_default=False),
]
