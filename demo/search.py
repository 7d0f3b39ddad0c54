"""The Search tab: the verdict, and the ranked clips."""

from __future__ import annotations

import json
from bisect import bisect
from collections.abc import Sequence
from dataclasses import replace
from html import escape
from itertools import pairwise
from typing import NamedTuple
from urllib.parse import quote

from diffusionret import Gallery, Hit, SearchResult, cutlist
from diffusionret.gallery import BUNDLED
from diffusionret.generators import OpenSetGenerator
from diffusionret.ood import report
from diffusionret.results import by_file
from diffusionret.spans import Span

from . import reading as read
from . import verdict as judged
from .clips import card, grid, name_of
from .example import Specimen
from .media import cut_url
from .timeline import timeline


class Example(NamedTuple):
    """A first query, and in a word or two what it shows, "" for nothing in particular."""

    query: str
    shows: str = ""


# First searches, by the world that the model was trained on; "" is for any other.
EXAMPLES = {
    "storybook": (
        Example("a dog", "several fit: the noise decides"),
        Example("a dog in the desert", "one word more: few fit"),
        Example("a green cat jumps over a blue elephant on the beach at sunset", "one clip"),
        Example("a dog but not at night", "leaves something out"),
        Example("a red fish", "no match here"),
        Example("a woman plays the piano", "outside this world"),
    ),
    "": tuple(
        map(
            Example,
            ("a person walking", "a car on a street", "an animal outdoors", "water", "something red"),
        )
    ),
}
SEEN = 0.01  # the least difference of two bars that can be seen
HALF = 0.5  # p(match) from which a clip counts among the matches


def examples(dataset: str) -> Sequence[Example]:
    """Example queries for a model trained on `dataset`."""
    return EXAMPLES.get(dataset, EXAMPLES[""])


# What there is to ask for, said where nobody can know it.
BUNDLED_SHOWS = (
    "Drawn clips: animals, vehicles and toys move about or meet, in a city, forest, field or desert, in the mountains "
    "or the sky, on a beach or at sea."
)


def chips(offered: Sequence[Example], shows: str = "") -> str:
    """Example queries as buttons, each with what it shows, and what the gallery shows."""
    buttons = "".join(_chip(example) for example in offered)
    said = f'<p class="dr-shows">{escape(shows)}</p>' if shows else ""
    return f'<div class="dr-chips" role="group" aria-label="Example queries">{buttons}</div>{said}'


def shows(gallery: Gallery) -> str:
    """What a gallery shows, where that is known: of the bundled one."""
    return (
        BUNDLED_SHOWS if gallery.folder is not None and gallery.folder.resolve() == BUNDLED.resolve() else ""
    )


def _chip(example: Example) -> str:
    query = escape(example.query, quote=True)
    shows = f" <small>{escape(example.shows)}</small>" if example.shows else ""
    return f'<button type="button" class="dr-chip" data-query="{query}">{query}{shows}</button>'


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


def order(result: SearchResult, k: int, size: int) -> str:
    """How the `k` files shown of `size` come in their order, and how generation changed it. Markup."""
    hits = [hit for hit, _ in shown(result, k)]
    name = escape(name_of(hits[0].id, hits[0].caption).rstrip("."))
    denied = result.verdict is not None and result.verdict.kind == "none"
    first = f"{'Nearest' if denied else 'First'} of {_count(size, 'clip')}: <strong>{name}</strong>"
    if not result.form:
        return f"{first}, ranked by similarity only, because this model has no generator."
    return f"{first}. {_moves(hits)}{'' if _in_order(hits) else ' ' + _weighed(result)}"


def _in_order(hits: Sequence[Hit]) -> bool:
    """Whether no bar is seen to be longer than that of a clip before it. A clip without one was no candidate."""
    bars = [hit.probability or 0.0 for hit in hits]
    return all(a > b - SEEN for a, b in pairwise(bars))


def _weighed(result: SearchResult) -> str:
    """Why the order is not that of the bars."""
    if not _is_open(result):
        return "The order is that of similarity and boost together, not of the shares alone."
    weight = next((h.boost / h.probability for h in result.hits if h.probability), 0.0)
    return f"The order is that of similarity + {weight:.3g} × p(match), not of p(match) alone."


def _is_open(result: SearchResult) -> bool:
    """Whether the bars say how probable a match is, and not a share among the candidates."""
    return result.form == OpenSetGenerator.form


def _moves(hits: Sequence[Hit]) -> str:
    """How generation changed the order of the hits shown, in one sentence."""
    best = hits[0]
    moved = sum(hit.rank != hit.base_rank for hit in hits)
    if not moved:
        return "Similarity alone gives the same order."
    if best.base_rank == 1:
        return f"It is first by similarity alone, too; the generator moved {moved} of the {len(hits)} shown."
    others = f" and moved {moved - 1} of the other {len(hits) - 1}" if moved > 1 else ""
    return f"The generator lifted it from rank {best.base_rank}{others}."


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
    """A probability of a match for reading, never 0 or 100 %, as the library writes it."""
    return report.percent(p).replace(" ", "\u00a0")


def _share(hit: Hit, candidates: int, form: str) -> str:
    """What the generator says of a hit: the probability of a match, or a share among the candidates."""
    if hit.probability is None or not form:
        return ""
    if form == OpenSetGenerator.form:
        called, value, title = (
            "p(match)",
            probability(hit.probability),
            "How probable it is that this clip matches",
        )
    else:
        called, value = "share", percent(hit.probability)
        title = f"The generator’s share among the {candidates} candidates"
    return (
        f'<div class="dr-share" title="{title}"><span>{called}</span>'
        f'<span class="dr-number">{value}</span>'
        f'<span class="dr-bar"><i style="width:{100 * hit.probability:.2f}%"></i></span></div>'
    )


def _numbers(hit: Hit, generates: bool) -> str:
    parts = [("similarity", f"{hit.similarity:.3f}")]
    if generates:
        parts += [("boost", f"+ {hit.boost:.3f}"), ("score", f"= {hit.score:.3f}")]
    cells = "".join(f"<div><dt>{label}</dt><dd>{value}</dd></div>" for label, value in parts)
    return f'<dl class="dr-numbers">{cells}</dl>'


def matching(best: Hit, spans: Sequence[Hit], k: int, form: str) -> list[Hit]:
    """Of the hits of a file those that its timeline marks: the best one, and each that probably matches, or where the
    generator does not say so, that is among the `k` best spans of all."""
    if form != OpenSetGenerator.form:
        return [hit for hit in spans if hit.id == best.id or hit.rank <= k]
    return [hit for hit in spans if hit.id == best.id or (hit.probability or 0.0) >= HALF]


def hit_card(
    hit: Hit, candidates: int, form: str, numbers: bool = True, spans: Sequence[Hit] = (), query: str = ""
) -> str:
    """The card of one hit. form: the name of the generator, "" without one. numbers: whether there is anything to
    count, for what cannot be read has none. spans: hits of its file, to be marked on its timeline. query: what was
    searched, for its cut lists."""
    above, below = f"<b>{hit.rank}</b>", ""
    if numbers:
        above += arrow(hit) if form else ""
        below = _share(hit, candidates, form) + _numbers(hit, bool(form))
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


def ending(result: SearchResult, k: int) -> int | None:
    """After how many of the `k` files shown the matches end: none that follows is more likely than not to match. None
    where nothing is to be divided, and where the verdict does not have that there are any."""
    verdict = result.verdict
    if not _is_open(result) or verdict is None or verdict.kind not in ("match", "unsure"):
        return None
    likely = [(hit.probability or 0.0) >= HALF for hit, _ in shown(result, k)]
    last = max((i for i, is_likely in enumerate(likely, 1) if is_likely), default=0)
    return last if 0 < last < len(likely) else None


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
    if result.form:
        chosen["generator"] = result.form
    return chosen


def page(result: SearchResult, k: int, size: int, exact: bool = False) -> str:
    """The whole tab for one result, a card a file. size: number of files in the gallery. exact: whether it was searched
    so."""
    here = f'<section class="dr-results" data-link="{escape(link(result, k, exact), quote=True)}">'
    remarks = read.lines(result.reading, _chosen(result, k))
    if not result.hits:
        return f"{here}{remarks}</section>"
    settings, readable = result.settings, result.verdict is None or result.verdict.kind != "unreadable"
    files = shown(result, k)
    cards = [
        hit_card(
            hit,
            settings.candidates,
            result.form,
            readable,
            matching(hit, spans, k, result.form),
            result.query,
        )
        for hit, spans in files
    ]
    end = ending(result, k)
    if end is not None:
        cards.insert(end, DIVIDER)
    ordered = f'<p class="dr-order" role="status">{order(result, k, size)}</p>' if readable else ""
    return (
        f"{here}{remarks}{judged.line(result.ood)}{ordered}{grid(cards)}"
        f'<p class="dr-foot">{_foot(result)}</p>{saving(result.query, [hit for hit, _ in files])}</section>'
    )


DIVIDER = (
    '<li class="dr-end"><b>Where the matches end</b> '
    "<span>Of the clips below, none is more likely than not to match.</span></li>"
)


def _foot(result: SearchResult) -> str:
    settings = result.settings
    foot = f"Answered in {result.timings.get('total', 0.0):.0f} ms"
    if not result.form:
        return foot
    if _is_open(result):
        means = "p(match) is how probable it is that a clip matches"
        if settings.candidates > 1:
            means += f": of the {settings.candidates:,} most similar ones several may, or none"
        return f"{foot}. {means}."
    last = settings.seed + settings.seeds - 1
    noise = f"noise {last}" if settings.seeds == 1 else f"the noises {settings.seed} to {last}"
    steps = _count(settings.steps, "step")
    what = f"A share is what a clip gets of the distribution over {_count(settings.candidates, 'candidate')}."
    return f"{foot} with {steps} of denoising from {noise}. {what}"


def similar_page(of: str, hits: Sequence[Hit]) -> str:
    """Clips like one clip. `of`: what that clip is called."""
    return _alike(
        f"Clips most like <strong>{escape(of.rstrip('.'))}</strong>.", [(hit, [hit]) for hit in hits]
    )


def example_page(example: Specimen, held: str, hits: Sequence[Hit], k: int) -> str:
    """The `k` files most like a picture or clip that somebody asks by, which is held under a name. hits: best first."""
    name = f'<bdi class="dr-like">{escape(example.name)}</bdi>'
    how = "<small>Compared by looks alone: whether a clip matches is not said.</small>"
    describe = (
        f'<button type="button" class="dr-plain dr-describe" data-example="{escape(held, quote=True)}">'
        f"Describe your {example.noun}</button>"
    )
    told = f"Most like your {example.noun} {name}. {how} {describe}"
    return _alike(
        told, [(replace(file.best, rank=i), file.spans) for i, file in enumerate(by_file(hits)[:k], 1)]
    )


def _alike(told: str, files: Sequence[tuple[Hit, Sequence[Hit]]]) -> str:
    """A card a file, of its best hit and those to be marked on its timeline. told: markup."""
    cards = (
        card(
            hit.id, hit.caption, hit.path, hit.poster, hit.moment,
            f"<b>{hit.rank}</b>", _numbers(hit, generates=False), similar=True, span=_part(hit),
            timeline=timeline(hit, spans), save=cut_url(hit.id, hit.path),
        )
        for hit, spans in files
    )  # fmt: skip
    return (
        f'<section class="dr-results"><p class="dr-verdict" role="status">{told} '
        f'<button type="button" class="dr-back">Back to the search</button></p>{grid(cards)}</section>'
    )
