"""`search`: the hits as a table or JSON."""

from __future__ import annotations

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Device, Exact, Gallery, GalleryModel, Json, json_text

if TYPE_CHECKING:
    from ..results import Hit, SearchResult


def search(
    text: Annotated[str, typer.Argument(help="what should be seen")],
    gallery: Gallery = None,
    model: GalleryModel = None,
    device: Device = "auto",
    k: Annotated[int, typer.Option(help="results, spans of long videos")] = 10,
    candidates: Annotated[int, typer.Option(help="videos the generator weighs")] = 32,
    steps: Annotated[
        int | None, typer.Option(help="steps of denoising", show_default="as the generator needs")
    ] = None,
    seed: Annotated[int, typer.Option(help="of the noise")] = 0,
    seeds: Annotated[
        int | None, typer.Option(help="average over so many seeds", show_default="the generator's own")
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(help="write the results as a cut list too: FILE.csv, .edl or .json", show_default=False),
    ] = None,
    exact: Exact = False,
    as_json: Json = False,
) -> None:
    """Rank the videos of a gallery by a sentence.

    \b
    Examples:
      python -m diffusionret search "a red boat"
      python -m diffusionret search "a dog runs" --gallery my_gallery --k 3 --json
      python -m diffusionret search "a dog runs" --gallery my_gallery --export dogs.edl
    """
    with redirect_stdout(sys.stderr):  # whatever a library has to say
        from .. import cutlist
        from ..retrieval import Retriever

        if export is not None:
            cutlist.kind_of(export)
        retriever = Retriever.open(gallery, model, device)
        if retriever.gallery.damage:
            print(retriever.gallery.damage, file=sys.stderr)
        result = retriever.search(text, k, candidates, steps, seed, seeds, exact=exact)
        if export is not None:
            cutlist.write(export, text, result.hits)
    if result.truncated:
        print(f'The model does not read the end of the query: "{result.truncated}".', file=sys.stderr)
    print(json_text(result.to_dict()) if as_json else table(result))


def table(result: SearchResult) -> str:
    """What was read of the query, the verdict, and the hits as lines of text: rank, move, similarity + boost = score,
    p(match) or the generator's share, moment, id and caption."""
    from ..ood.report import percent, say
    from ..video import printable

    lines = [printable(line) for line in result.reading.lines]
    verdict = result.verdict
    if verdict is not None and not result.reading.unreadable:  # which the reading has said already
        lines.append(say(verdict))
        if verdict.advice:
            lines.append(verdict.advice)
    if not result.hits:
        return "\n".join(lines)
    wide = max(len(hit.id) for hit in result.hits)
    part = "p(match)" if result.form == "open-set" else "share"
    divided = any(not hit.is_whole for hit in result.hits)
    span = f"{'span':>21}" if divided else ""
    lines += [f"{'':4}{'move':>5}  {'similarity + boost = score':28}{part:>9}{span}{'moment':>9}  video"]
    lines += [
        f"{hit.rank:3} {_move(hit):>5}  {f'{hit.similarity:.4f} + {hit.boost:.4f} = {hit.score:.4f}':28}"
        f"{'' if hit.probability is None else percent(hit.probability):>9}"
        f"{f'{hit.start:.1f} to {hit.end:.1f} s' if divided else '':>{len(span)}}{hit.moment:7.1f} s  "
        f"{hit.id:{wide}}  {printable(hit.caption)}".rstrip()
        for hit in result.hits
    ]
    settings = result.settings
    how = "similarity only: the model has no generator"
    if result.form == "open-set":  # which ranks without a draw
        how = f"{settings.candidates} candidates"
    elif result.form:
        how = f"{settings.candidates} candidates, {settings.steps} steps, seed {settings.seed}"
    return "\n".join([*lines, f"{how}; {result.timings['total']:.0f} ms"])


def _move(hit: Hit) -> str:
    """Places gained or lost by generation."""
    gained = hit.base_rank - hit.rank
    return f"↑{gained}" if gained > 0 else f"↓{-gained}" if gained < 0 else "·"
