"""`search`: the hits as a table or JSON."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import redirect_stdout
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .options import Device, Exact, Gallery, GalleryModel, Json, json_text

if TYPE_CHECKING:
    from ..results import Hit, SearchResult


def search(
    text: Annotated[str | None, typer.Argument(help="what should be seen", show_default=False)] = None,
    like: Annotated[
        Path | None,
        typer.Option(help="instead of a text: a picture or a short clip", show_default=False),
    ] = None,
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
    """Rank the videos of a gallery by a sentence, or by how much they look like a picture or a short clip.

    \b
    Examples:
      python -m diffusionret search "a red boat"
      python -m diffusionret search "a dog runs" --gallery my_gallery --k 3 --json
      python -m diffusionret search "a dog runs" --gallery my_gallery --export dogs.edl
      python -m diffusionret search --like boat.jpg
    """
    if (text is None) == (like is None):
        raise ValueError("Give a text, or a picture or clip with --like: one of the two.")
    if like is not None and (candidates, steps, seed, seeds, exact) != (32, None, 0, None, False):
        raise ValueError(
            "--like compares pictures alone: it takes --k, --json and --export, and no generator."
        )
    with redirect_stdout(sys.stderr):  # whatever a library has to say
        from .. import cutlist
        from ..retrieval import Retriever
        from ..video import printable

        if export is not None:
            cutlist.kind_of(export)
        retriever = Retriever.open(gallery, model, device)
        if retriever.gallery.damage:
            print(retriever.gallery.damage, file=sys.stderr)
        if like is not None:
            hits = retriever.search_video(like, k)
            printed = {"like": printable(like.name), "hits": [hit.to_dict() for hit in hits]}
            shown = "\n".join(lines_of(hits, ""))
            query = like.name
        else:
            assert text is not None
            result = retriever.search(text, k, candidates, steps, seed, seeds, exact=exact)
            hits, printed, shown, query = result.hits, result.to_dict(), table(result), text
            if result.truncated:
                cut = f'The model does not read the end of the query: "{result.truncated}".'
                print(cut, file=sys.stderr)
        if export is not None:
            cutlist.write(export, query, hits)
    print(json_text(printed) if as_json else shown)


def table(result: SearchResult) -> str:
    """What was read of the query, the verdict, and the hits as lines of text: rank, move, similarity + boost = score,
    p(match) or the generator's share, moment, id and caption."""
    from ..ood.report import say
    from ..video import printable

    lines = [printable(line) for line in result.reading.lines]
    verdict = result.verdict
    if verdict is not None and not result.reading.unreadable:  # which the reading has said already
        lines.append(say(verdict))
        if verdict.advice:
            lines.append(verdict.advice)
    if not result.hits:
        return "\n".join(lines)
    lines += lines_of(result.hits, result.form)
    settings = result.settings
    how = "similarity only: the model has no generator"
    if result.form == "open-set":  # which ranks without a draw
        how = f"{settings.candidates} candidates"
    elif result.form:
        how = f"{settings.candidates} candidates, {settings.steps} steps, seed {settings.seed}"
    return "\n".join([*lines, f"{how}; {result.timings['total']:.0f} ms"])


def lines_of(hits: Sequence[Hit], form: str) -> list[str]:
    """One hit at least as lines of text, a head first. form: the name of the generator, "" without one."""
    from ..ood.report import percent
    from ..video import printable

    wide = max(len(hit.id) for hit in hits)
    part = "p(match)" if form == "open-set" else "share"
    divided = any(not hit.is_whole for hit in hits)
    span = f"{'span':>21}" if divided else ""
    head = f"{'':4}{'move':>5}  {'similarity + boost = score':28}{part:>9}{span}{'moment':>9}  video"
    lines = [
        f"{hit.rank:3} {_move(hit):>5}  {f'{hit.similarity:.4f} + {hit.boost:.4f} = {hit.score:.4f}':28}"
        f"{'' if hit.probability is None else percent(hit.probability):>9}"
        f"{f'{hit.start:.1f} to {hit.end:.1f} s' if divided else '':>{len(span)}}{hit.moment:7.1f} s  "
        f"{hit.id:{wide}}  {printable(hit.caption)}".rstrip()
        for hit in hits
    ]
    return [head, *lines]


def _move(hit: Hit) -> str:
    """Places gained or lost by generation."""
    gained = hit.base_rank - hit.rank
    return f"↑{gained}" if gained > 0 else f"↓{-gained}" if gained < 0 else "·"
