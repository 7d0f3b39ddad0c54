"""`convert`: a checkpoint of the published code as a model folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def convert(
    checkpoint: Annotated[Path, typer.Argument(help="weights in the published format (.bin)")],
    out: Annotated[Path, typer.Argument(help="folder to write config.json and safetensors to")],
    attention_temperature: Annotated[
        float,
        typer.Option(help="of the attention over frames, which the published format does not record"),
    ] = 1.0,
) -> None:
    """Turn a published checkpoint into a model folder.

    \b
    Examples:
      python -m diffusionret convert checkpoint.bin msrvtt
      python -m diffusionret convert checkpoint.bin msrvtt --attention-temperature 0.5
    """
    from ..checkpoint import load_published

    load_published(checkpoint, attention_temperature).save_pretrained(out)
    print(f"Wrote {out}: pass it as --model.")
