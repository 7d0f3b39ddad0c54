"""What is said of a query above its results: the verdict in a sentence, and, asked why, all that it rests on."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np
import torch

from diffusionret import Retriever
from diffusionret.generators.match import at_prior
from diffusionret.ood.conformal import Calibration, say_p
from diffusionret.ood.report import NOT_MEANT, Answer, Report, WordEffect, percent
from diffusionret.ood.verdict import Verdict
from diffusionret.query import check_query, words_of

from .gallery_choice import Choice
from .questions import Panel

ABSENT = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)  # shares without a match, which the slider offers
NAMES = {"familiar": "Like what the model learned?", "match": "Do the best clips stand out?"}
# What each kind of verdict looks like: a tick, a wave, a cross, a dash, on a square of 24.
SIGNS = {
    "match": "M6 12.5l4 4 8-9",
    "unsure": "M5.5 13c2.2-3.2 4.3-3.2 6.5 0s4.3 3.2 6.5 0",
    "none": "M7.5 7.5l9 9m0-9l-9 9",
    "unreadable": "M7 12h10",
}
KINDS = {"match": "A match", "unsure": "Perhaps a match", "none": "No match", "unreadable": "Not readable"}
DOTS, BINS = 100, 44  # of the picture of calibration scores
WIDE, HIGH = 420, 118  # pixels of a picture
SCRIPT = "window.DiffusionRet.mountVerdict(element);"


def line(report: Report | None) -> str:
    """The verdict of a search, as markup; "" where nothing is calibrated."""
    if report is None:
        return ""
    verdict = report.verdict
    why = (
        f'<button type="button" class="dr-plain dr-why" aria-expanded="false" '
        f'data-query="{escape(report.query, quote=True)}">Why?</button>'
    )
    advice = f" <span>{escape(verdict.advice)}</span>" if verdict.advice else ""
    return (
        f'<section class="dr-ood" data-kind="{verdict.kind}">{_sign(verdict)}'
        f'<p class="dr-judged" role="status"><strong>{escape(verdict.sentence)}</strong> {chance(verdict)}{advice} '
        f'{"" if report.rule else why}</p></section><div class="dr-inspection" hidden></div>'
    )


def _sign(verdict: Verdict) -> str:
    """The kind of a verdict as a sign in its colour."""
    return (
        f'<svg class="dr-sign" viewBox="0 0 24 24" role="img" aria-label="{KINDS[verdict.kind]}">'
        f'<circle cx="12" cy="12" r="12"/><path d="{SIGNS[verdict.kind]}"/></svg>'
    )


def chance(verdict: Verdict) -> str:
    """The number of a verdict, as markup; "" where it has none."""
    if verdict.p_match is None or verdict.kind == "unreadable":
        return ""
    return f'<b class="dr-chance">p(match)\u00a0{_percent(verdict.p_match)}</b>'


def _percent(p: float) -> str:
    return percent(p).replace(" ", "\u00a0")


def inspection(retriever: Retriever) -> Panel:
    """What "Why?" asks: {"query", "within": what demo/gallery_choice.py reads} in, markup out; at first without the
    effect of each word, which takes longest."""

    def inspect(asked: object) -> Iterator[str]:
        if not isinstance(asked, dict) or "query" not in asked:
            raise ValueError("There is no query to look at.")
        query, part = asked["query"], asked.get("within")
        choice = Choice.of(part if isinstance(part, dict) else {})
        within = None if choice.is_all else choice.ids_of(retriever.gallery)
        for report in retriever.inspect_steps(check_query(query, blank=True), exact=True, within=within):
            yield panel(retriever, report)

    return inspect


# --- the panel --------------------------------------------------------------------------------------------------


def panel(retriever: Retriever, report: Report) -> str:
    """All that a report rests on, as markup."""
    if report.rule:
        return f'<p class="dr-told">{escape(report.rule)} {escape(report.verdict.advice)}</p>'
    detector = retriever.detector
    calibrations = {"familiar": detector.familiar, "match": detector.match}
    pictures = "".join(
        _picture(name, getattr(report, name), calibration, report)
        for name, calibration in calibrations.items()
    )
    parts = [
        _prior(report),
        f'<div class="dr-grid">{pictures}</div>',
        _words(report),
        '<div class="dr-grid">',
        _neighbours(report),
        _similarities(report),
        "</div>",
        _stability(report),
        _foot(report),
    ]
    return "".join(parts)


def _picture(name: str, answer: Answer, calibration: Calibration | None, report: Report) -> str:
    heading = f"<h4>{NAMES[name]}</h4>"
    if answer.p_value is None or answer.score is None or calibration is None:
        return f'<figure class="dr-figure">{heading}<p class="dr-note">{escape(answer.note)}</p></figure>'
    ordinary = answer.null == "ordinary"
    count = answer.as_unusual or 0
    if ordinary:
        said = f"{count:,} of {answer.n:,} ordinary queries{answer.of_length} looked this unusual"
    else:
        said = f"{count:,} of {answer.n:,} queries about other things{answer.of_length} match as well as this one"
    said += f" (p-value {_bare(answer)}, n\u00a0=\u00a0{answer.n:,})."
    return (
        f'<figure class="dr-figure">{heading}<p class="dr-note">{said}</p>'
        f"{dots(calibration.like(answer.words).scores, answer.score, ordinary)}</figure>"
    )


def dots(scores: np.ndarray, score: float, ordinary: bool = True) -> str:
    """Calibration scores as dots, usual on the left, the query as a line; dots beyond it stand out. SVG.

    scores [n]: the picture shows their quantiles, at most 100. ordinary: larger scores stand out, else smaller.
    """
    count = min(DOTS, len(scores))
    shown = np.quantile(scores, (np.arange(count) + 0.5) / count)
    low, high = min(float(shown[0]), score), max(float(shown[-1]), score)
    reach = (high - low) or 1.0
    radius, floor = 3.4, HIGH - 24
    heights: dict[int, int] = {}
    parts = []
    for value in shown.tolist():
        column = round((value - low) / reach * (BINS - 1))
        heights[column] = heights.get(column, 0) + 1
        beyond = value >= score if ordinary else value <= score
        x = 10 + column / (BINS - 1) * (WIDE - 20)
        y = floor - 4 - (heights[column] - 1) * 2 * radius
        parts.append((x, y, beyond))
    squeeze = min(1.0, (floor - 8) / max(1.0, max(heights.values()) * 2 * radius))
    circles = "".join(
        f'<circle cx="{x:.1f}" cy="{floor - 4 - (floor - 4 - y) * squeeze:.1f}" r="{radius * max(squeeze, 0.6):.1f}" '
        f'class="{"is-beyond" if beyond else ""}"/>'
        for x, y, beyond in parts
    )
    at = 10 + (score - low) / reach * (WIDE - 20)
    anchor = "end" if at > WIDE - 60 else "start" if at < 60 else "middle"
    each = len(scores) / count
    legend = "a dot is one query" if each < 1.5 else f"a dot is {each:.0f} queries"
    return (
        f'<svg class="dr-dots" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="Calibration scores; {legend}">'
        f'<line x1="4" x2="{WIDE - 4}" y1="{floor}" y2="{floor}" class="is-axis"/>{circles}'
        f'<line x1="{at:.1f}" x2="{at:.1f}" y1="0" y2="{floor + 4}" class="is-query"/>'
        f'<text x="{at:.1f}" y="{HIGH - 6}" text-anchor="{anchor}" class="is-ink">this query</text>'
        f"{_ends(at)}</svg><p class='dr-note is-fine'>More unusual to the right; {legend}.</p>"
    )


def _ends(at: float) -> str:
    usual = f'<text x="4" y="{HIGH - 6}">usual</text>' if at > 130 else ""
    return usual + (
        f'<text x="{WIDE - 4}" y="{HIGH - 6}" text-anchor="end">unusual</text>' if at < WIDE - 140 else ""
    )


def _bare(answer: Answer) -> str:
    """A p-value without its letter, which is not that of a probability of a match."""
    assert answer.p_value is not None
    return say_p(answer.p_value, answer.n).removeprefix("p = ").removeprefix("p ")


def _prior(report: Report) -> str:
    """The number of a verdict and the share of queries without a match that it assumes, with a slider over that share,
    whose sentences all come along."""
    verdict = report.verdict
    p = verdict.p_match
    if p is None:
        return ""
    none = torch.tensor([max(1 - p / verdict.kept, 0.0)], dtype=torch.float64)
    shares = sorted({*ABSENT, verdict.absent})
    levels = [
        {
            "absent": _percent(share),
            "sentence": f"If {_percent(share)} of queries had no match: "
            f"p(match)\u00a0{_percent(verdict.kept * (1 - at_prior(none, share, verdict.absent).item()))}.",
        }
        for share in shares
    ]
    start = shares.index(verdict.absent)
    levels[start]["sentence"] = (
        f"p(match)\u00a0{_percent(p)} is how probable it is that any clip of this gallery matches. "
        f"It assumes that {_percent(verdict.absent)} of queries have no match."
    )
    return (
        f'<div class="dr-prior" data-levels="{escape(json.dumps(levels), quote=True)}">'
        f'<p class="dr-note is-ink" aria-live="polite">{levels[start]["sentence"]}</p>'
        f'<label>Queries without a match <input type="range" min="0" max="{len(shares) - 1}" value="{start}" '
        f'aria-label="Queries without a match"> <output>{levels[start]["absent"]}</output></label></div>'
    )


def effect(without: float | None, whole: float | None) -> float:
    """How much a word makes a query unusual, in [-1, 1]: a hundredfold change of p is the end of the scale."""
    if without is None or whole is None:
        return 0.0
    return max(-1.0, min(1.0, math.log10(without / whole) / 2))


def _words(report: Report) -> str:
    """The query's words, coloured by the change of p without them, and what was cut struck through."""
    rows = []
    for name in NAMES:
        answer = getattr(report, name)
        if not report.words or answer.p_value is None or answer.null != "ordinary":
            continue
        spans = " ".join(_word(word, getattr(word, name), answer, report) for word in report.words)
        title = {"familiar": "unfamiliar", "match": "hard to match"}[name]
        rows.append(f'<p class="dr-effects"><span>{title}</span>{spans}</p>')
    cut = (
        f' The model did not read <s class="dr-cut">{escape(report.truncated)}</s>.'
        if report.truncated
        else ""
    )
    if not (rows or cut):
        return ""
    how = (
        "The redder a word, the more it makes the query unusual: the p-value rises without it."
        if rows
        else ""
    )
    return (
        f'<div class="dr-figure"><h4>Word by word</h4>{"".join(rows)}<p class="dr-note">{how}{cut}</p></div>'
    )


def _word(word: WordEffect, without: float | None, answer: Answer, report: Report) -> str:
    share = effect(without, answer.p_value)
    unknown = set(report.reading.unknown if report.reading else ()).intersection(words_of(word.word))
    told = (
        ""
        if without is None or answer.p_value is None
        else f"p-value {without:.3f} without it, {answer.p_value:.3f} with it"
    )
    style = f"--effect:{max(share, 0):.2f}"
    new = " is-unknown" if unknown else ""
    return f'<span class="dr-word{new}" style="{style}" title="{told}">{escape(word.word)}</span>'


def _neighbours(report: Report) -> str:
    if not report.neighbours:
        return ""
    far = max(max(n.distance for n in report.neighbours), 0.3)
    rows = "".join(
        f'<li><span class="dr-far" style="--far:{n.distance / far:.3f}"></span>'
        f"<b>{n.distance:.2f}</b> {escape(n.text)}</li>"
        for n in report.neighbours
    )
    return (
        '<div class="dr-figure"><h4>Nearest training captions</h4><p class="dr-note">Distance of directions: '
        f'0 is the same, 1 unrelated.</p><ol class="dr-near">{rows}</ol></div>'
    )


def _similarities(report: Report) -> str:
    """Similarities of the candidates over the band of queries that are not about this gallery's clips."""
    values = report.similarities
    if not values:
        return ""
    heading = "<h4>How well the best clips match</h4>"
    if report.band is None:
        return f'<figure class="dr-figure">{heading}{_curve(values, None)}</figure>'
    low, middle, high = (row[: len(values)] for row in report.band)
    where = "above" if values[0] > high[0] else "below" if values[0] < low[0] else "inside"
    said = f"The best clip’s similarity, {values[0]:.3f}, lies {where} the band of queries written for other clips."
    picture = _curve(values, (low, middle, high))
    return f'<figure class="dr-figure">{heading}<p class="dr-note">{said}</p>{picture}</figure>'


def _curve(values: Sequence[float], band: tuple[Sequence[float], ...] | None) -> str:
    every = [*values, *(v for row in band or () for v in row)]
    low, high = min(every), max(every)
    reach = (high - low) or 1.0

    def place(i: int, value: float) -> str:
        x = 34 + i / max(len(values) - 1, 1) * (WIDE - 44)
        return f"{x:.1f},{6 + (high - value) / reach * (HIGH - 34):.1f}"

    area = ""
    if band is not None:
        lower, middle, upper = band
        there = [place(i, v) for i, v in enumerate(upper)]
        back = [place(i, v) for i, v in reversed(list(enumerate(lower)))]
        middle_line = " ".join(place(i, v) for i, v in enumerate(middle))
        area = f'<polygon points="{" ".join(there + back)}" class="is-band"/>'
        area += f'<polyline points="{middle_line}" class="is-middle"/>'
    own = " ".join(place(i, v) for i, v in enumerate(values))
    return (
        f'<svg class="dr-dots" viewBox="0 0 {WIDE} {HIGH}" role="img" aria-label="Similarities of the candidates">'
        f'{area}<polyline points="{own}" class="is-line"/><text x="0" y="12">{high:.2f}</text>'
        f'<text x="0" y="{HIGH - 26}">{low:.2f}</text><text x="34" y="{HIGH - 6}">best</text>'
        f'<text x="{WIDE - 10}" y="{HIGH - 6}" text-anchor="end">candidate {len(values)}</text></svg>'
    )


def _stability(report: Report) -> str:
    stability = report.stability
    if stability is None:
        return ""
    return (
        '<div class="dr-figure"><h4>Stability over noises</h4><p class="dr-note is-ink">'
        f"{round(stability.agreement * stability.seeds)} of {stability.seeds} noises end with the same winner; the "
        f"leader last changed at {stability.settled:.0%} of the steps. Stable is not the same as right: a query that "
        "several clips fit is not stable.</p></div>"
    )


def _foot(report: Report) -> str:
    gallery = f"Gallery {escape(report.gallery[:12])}. " if report.gallery else ""
    return (
        f'<p class="dr-foot">{gallery}The verdict follows from p(match) alone. {NOT_MEANT} A match may exist '
        "where none is reported.</p>"
    )
