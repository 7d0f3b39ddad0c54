"""`tokens`: the table of token vectors that the bundled model's text tower starts from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def tokens(
    runs: Annotated[Path, typer.Option(help="folder of trainings")] = Path("runs"),
    dim: Annotated[int, typer.Option(min=1, max=384, help="dimensions of a token's vector")] = 128,
) -> None:
    """Make the table of tokens that know English, once, for the training of a text tower.

    \b
    Example:
      python -m diffusionret tokens
    """
    from ..training.english import TOKENS, write_table

    write_table(runs / TOKENS, dim)
    print(f"{runs / TOKENS}: every token of CLIP's vocabulary in {dim} dimensions, at 8 bits")
