"""The Search tab: one sentence about what was found, and the ranked clips."""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from urllib.parse import quote

from diffusionret import Hit, SearchResult, cutlist
from diffusionret.readout import Readout
from diffusionret.spans import Span

from . import reading as read
from . import verdict as judged
from .clips import card, grid, name_of
from .media import cut_url
from .timeline import timeline

LIKELY = 0.5  # the probability from which a part counts as a match
# First searches, by the world that the model was trained on; "" is for any other.
EXAMPLES = {
    "storybook": (
        "a green cat jumps over a blue elephant on the beach at sunset",
        "a big orange frog by the sea at night",
        "a purple robot in the mountains in the snow",
        "a small orange dog bounces in the desert",
        "a yellow balloon in a field in the rain",
    ),
    "": ("a person walking", "a car on a street", "an animal outdoors", "water", "something red"),
}


def examples(dataset: str) -> Sequence[str]:
    """Example queries for a model trained on `dataset`."""
    return EXAMPLES.get(dataset, EXAMPLES[""])


def chips(texts: Sequence[str]) -> str:
    """Example queries as buttons."""
    buttons = (f'<button type="button" class="dr-chip">{escape(text)}</button>' for text in texts)
    return f'<div class="dr-chips" role="group" aria-label="Example queries">{"".join(buttons)}</div>'


NOTHING = '<p class="dr-empty">There is nothing to search yet: add videos in the Gallery tab.</p>'


def within(sentence: str) -> str:
    """What a search was held to, above its results, with the way back to all. Markup."""
    return (
        f'<p class="dr-within-note">{escape(sentence)} '
        '<button type="button" class="dr-plain dr-everything">Search all clips</button></p>'
    )


def problem(sentence: str) -> str:
    """An error in one sentence, for the place under the query box."""
    return f'<p class="dr-problem" role="alert">{escape(sentence)}</p>'


def cut(truncated: str) -> str:
    """What the model did not read of a long query, "" when it read all."""
    if not truncated:
        return ""
    left_out = f"Too long for this model, which left out <s>{escape(truncated)}</s>"
    return f'<p class="dr-problem is-mild" role="status">{left_out}</p>'


def shown(result: SearchResult, k: int) -> list[tuple[Hit, list[Hit]]]:
    """The `k` best files: the best hit of each, its ranks counted in files, and all of its hits by their start."""
    files = result.files
    first = [min(hit.base_rank for hit in file.spans) for file in files]
    # Before generation a file stands where its first span stood, not counting second spans of files before it.
    second = sorted({hit.base_rank for file in files for hit in file.spans} - set(first))
    place = [rank - bisect(second, rank) for rank in first]
    return [
        (replace(file.best, rank=i + 1, base_rank=place[i]), file.spans) for i, file in enumerate(files[:k])
    ]


def verdict(result: SearchResult, k: int, size: int) -> str:
    """What was found among `size` clips, and how generation changed the order of the `k` shown. Markup."""
    hits = [hit for hit, _ in shown(result, k)]
    best = hits[0]
    name = escape(name_of(best.id, best.caption).rstrip("."))
    found = f"Best match among {_count(size, 'clip')}: <strong>{name}</strong>"
    if result.no_match is not None:  # the open-set generator knows this answer too
        p = probability(result.no_match)
        if result.no_match >= 0.5:
            return f"<strong>No match here: {p}.</strong> Of {_count(size, 'clip')}, {name} comes nearest."
        return f"{found}. {_moves(hits)} No match here: {p}."
    if result.trajectory is None:
        return f"{found}, ranked by similarity only, because this model has no generator."
    return f"{found}. {_moves(hits)}"


def _moves(hits: Sequence[Hit]) -> str:
    """How generation changed the order of the hits shown, in one sentence."""
    best = hits[0]
    moved = sum(hit.rank != hit.base_rank for hit in hits)
    if not moved:
        return "Generation agrees with the order that similarity gave."
    if best.base_rank == 1:
        return f"It is first with and without generation, which moved {moved} of the {len(hits)} shown."
    others = f" and moved {moved - 1} of the other {len(hits) - 1}" if moved > 1 else ""
    return f"Generation lifted it from rank {best.base_rank}{others}."


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def arrow(hit: Hit) -> str:
    """How generation moved a hit, against its rank before. Markup."""
    up = hit.base_rank - hit.rank
    if not up:
        return '<span class="dr-move is-same">unchanged</span>'
    way, sign = ("up", "▲") if up > 0 else ("down", "▼")
    title = f"Moved {way} by {abs(up)}: rank {hit.base_rank} before generation"
    return (
        f'<span class="dr-move is-{way}" title="{title}" aria-label="{title}">{sign} {abs(up)}'
        f"<span> from {hit.base_rank}</span></span>"
    )


def percent(share: float) -> str:
    """A share in [0, 1] for reading: one digit after the point where it is small."""
    value = 100 * share
    digits = 1 if 0.1 <= value < 9.95 else 0
    return f"{value:.{digits}f}\u00a0%" if value >= 0.1 else "<\u00a00.1\u00a0%"


def probability(p: float) -> str:
    """A probability for reading, as p = 7.5 %."""
    value = percent(p)
    return f"p\u00a0{value}" if value.startswith("<") else f"p\u00a0=\u00a0{value}"


def _share(hit: Hit, candidates: int, readout: Readout) -> str:
    """What the generator says of a hit: a share among the candidates, or the probability of a match."""
    if hit.probability is None:
        return ""
    if not readout.exclusive:
        called, title = "p(match)", "How probable it is that this clip matches, the mean over samples"
    else:
        called, title = "generator’s share", f"The generator’s share among the {candidates} candidates"
    return (
        f'<div class="dr-share" title="{title}"><span>{called}</span>'
        f'<span class="dr-number">{percent(hit.probability)}</span>'
        f'<span class="dr-bar"><i style="width:{100 * hit.probability:.2f}%"></i></span></div>'
    )


def _numbers(hit: Hit, generates: bool) -> str:
    parts = [("similarity", f"{hit.similarity:.3f}")]
    if generates:
        parts += [("boost", f"+ {hit.boost:.3f}"), ("score", f"= {hit.score:.3f}")]
    cells = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in parts)
    return f'<dl class="dr-numbers">{cells}</dl>'


def matching(best: Hit, spans: Sequence[Hit], k: int, readout: Readout | None) -> list[Hit]:
    """Of the hits of a file those that its timeline marks: the best one, and each that probably matches, or where the
    generator does not say so, that is among the `k` best spans of all."""
    if readout is None or readout.exclusive:
        return [hit for hit in spans if hit.id == best.id or hit.rank <= k]
    return [hit for hit in spans if hit.id == best.id or (hit.probability or 0.0) >= LIKELY]


def hit_card(
    hit: Hit, candidates: int, readout: Readout | None, spans: Sequence[Hit] = (), query: str = ""
) -> str:
    """The card of one hit. readout: of the generator, None where there is none. spans: hits of its file, to be
    marked on its timeline. query: what was searched, for its cut lists."""
    generates = readout is not None
    move = arrow(hit) if generates else ""
    above = f"<b>{hit.rank}</b>{move}"
    below = (_share(hit, candidates, readout) if readout is not None else "") + _numbers(hit, generates)
    return card(
        hit.id, hit.caption, hit.path, hit.poster, hit.moment, above, below, similar=True, span=_part(hit),
        timeline=timeline(hit, spans), save=cut_url(hit.id, hit.path), lists=_lists(query, [hit]) if query else "",
    )  # fmt: skip


def _part(hit: Hit) -> Span | None:
    """The part of its file that a hit is, None where it is the whole."""
    return None if hit.is_whole else Span(hit.start, hit.end)


def _lists(query: str, hits: Sequence[Hit]) -> str:
    """Cut lists of hits by kind, as JSON. Where the files lie is not said."""
    return json.dumps({kind: cutlist.text(query, hits, kind) for kind in cutlist.KINDS})


def saving(query: str, hits: Sequence[Hit]) -> str:
    """Links that hold the results as a cut list of each kind."""
    links = (
        f'<a class="dr-plain" download="results.{kind}" href="data:text/plain;charset=utf-8,'
        f'{quote(cutlist.text(query, hits, kind))}">{kind.upper()}</a>'
        for kind in cutlist.KINDS
    )
    return f'<span class="dr-lists">Save the list as {" ".join(links)}</span>'


def link(result: SearchResult, k: int, exact: bool = False) -> str:
    """The query string that restores this search. exact: whether it is of what was typed, typing errors and all."""
    return read.address(result.reading.text, _chosen(result, k), exact)


def _chosen(result: SearchResult, k: int) -> dict[str, int | str]:
    """The settings of a search, as its address holds them."""
    settings = result.settings
    chosen: dict[str, int | str] = {
        "k": k,
        "seed": settings.seed,
        "candidates": settings.candidates,
        "steps": settings.steps,
    }
    if result.trajectory is not None:
        chosen["generator"] = result.trajectory.form
    return chosen


def page(result: SearchResult, k: int, size: int, exact: bool = False) -> str:
    """The whole tab for one result, a card a file. size: number of files in the gallery. exact: whether it was searched
    so."""
    here = f'<section class="dr-results" data-link="{escape(link(result, k, exact), quote=True)}">'
    said = read.lines(result.reading, _chosen(result, k))
    if not result.hits:
        return f"{here}{said}</section>"
    readout = None if result.trajectory is None else result.trajectory.readout
    settings = result.settings
    files = shown(result, k)
    cards = (
        hit_card(hit, settings.candidates, readout, matching(hit, spans, k, readout), result.query)
        for hit, spans in files
    )
    foot = f"Answered in {result.timings.get('total', 0.0):.0f} ms"
    if readout is not None:
        steps, rivals = _count(settings.steps, "step"), _count(settings.candidates, "candidate")
        last = settings.seed + settings.seeds - 1
        noise = f"noise {last}" if settings.seeds == 1 else f"the noises {settings.seed} to {last}"
        foot += f" with {steps} of denoising from {noise}. "
        foot += (
            f"The generator’s share is what a clip gets of the distribution over {rivals}."
            if readout.exclusive
            else f"p(match) is how probable it is that a clip matches: of {rivals}, several may, or none."
        )
    return (
        f"{here}{said}{judged.line(result.ood)}"
        f'<p class="dr-verdict" role="status">{verdict(result, k, size)}</p>'
        f'{grid(cards)}<p class="dr-foot">{foot}</p>{saving(result.query, [hit for hit, _ in files])}</section>'
    )


def similar_page(of: str, hits: Sequence[Hit]) -> str:
    """Clips like one clip. `of`: what that clip is called."""
    cards = (
        card(
            hit.id, hit.caption, hit.path, hit.poster, hit.moment,
            f"<b>{hit.rank}</b>", _numbers(hit, generates=False), similar=True, span=_part(hit),
            timeline=timeline(hit, [hit]), save=cut_url(hit.id, hit.path),
        )
        for hit in hits
    )  # fmt: skip
    return (
        '<section class="dr-results"><p class="dr-verdict" role="status">Clips most like '
        f"<strong>{escape(of.rstrip('.'))}</strong>. "
        f'<button type="button" class="dr-back">Back to the search</button></p>{grid(cards)}</section>'
    )
