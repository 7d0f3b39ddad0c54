"""`inspect`: the two answers about one query, and why, as text or JSON."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from typing import Annotated

import typer

from .options import Device, Exact, Gallery, GalleryModel, Json, json_text


def inspect(
    text: Annotated[str, typer.Argument(help="the query")],
    gallery: Gallery = None,
    model: GalleryModel = None,
    device: Device = "auto",
    alpha: Annotated[
        float | None, typer.Option(help="false alarms accepted, for each answer", show_default="0.05")
    ] = None,
    exact: Exact = False,
    as_json: Json = False,
) -> None:
    """Say whether a query is familiar, and whether a gallery holds a match.

    \b
    Examples:
      python -m diffusionret inspect "a green cat plays chess on the beach"
      python -m diffusionret inspect "a red boat" --gallery my_gallery --alpha 0.01 --json
    """
    with redirect_stdout(sys.stderr):  # whatever a library has to say
        from ..ood.conformal import ALPHA
        from ..ood.report import as_text
        from ..retrieval import Retriever

        retriever = Retriever.open(gallery, model, device)
        report = retriever.inspect(text, ALPHA if alpha is None else alpha, exact)
    print(json_text(report.to_dict()) if as_json else as_text(report))
