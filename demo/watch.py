"""The Watch tab's first view: what the player in static/player.js needs to show one trajectory, and its sentences."""

from __future__ import annotations

import base64
import json
from collections import Counter

import numpy as np
from torch import Tensor

from diffusionret import Hit, Retriever, SearchResult
from diffusionret.readout import READOUT
from diffusionret.trajectory import Ensemble, Trajectory, seed_variance, settled

from .clips import clock, name_of
from .media import clip_url, poster_url
from .search import percent

NO_GENERATOR = "This model has no generator, so there is nothing to watch: it ranks by similarity only."
NO_WORDS = "There is nothing to watch: nothing in this query can be searched for."
NO_MATCH = "no clip"
# What the open-set generator's steps are, and are not.
ONE_PASS = (
    "No network runs in a step: one pass gives the shares, and the noise draws from them. Over many noises the draws "
    "equal the softmax of the first step, up to chance; the ranking takes nothing from them."
)
TEMPLATE = '<div class="dr-player"></div>'
# How many noises are tried beside the one that is played.
SEEDS = 16
# More columns than this cannot be told apart.
MOST_CANDIDATES = 128
MOST_SEEDS = 64  # of which the page asks at a time
MOST_SEED = 2**31 - 1  # the largest number of a noise
SCHEDULES = ("cosine", "linear")  # of the noise, to choose from
# Where the winner's shares over the seeds lie closer than this, the noise is said not to matter.
HARDLY = 0.02
MOSTLY = 0.75  # of the draws


def request(result: SearchResult) -> str:
    """What the player asks for once the page has its answer, as JSON; or why there is nothing to watch."""
    if not result.form:
        return json.dumps({"message": (result.reading.refusal and NO_WORDS) or NO_GENERATOR})
    settings = result.settings
    return json.dumps(
        {
            "query": result.query,
            "form": result.form,
            "candidates": settings.candidates,
            "steps": settings.steps,
            "seed": settings.seed,
        }
    )


def show(retriever: Retriever, result: SearchResult) -> dict:
    """What the player shows of a result, whose hits must hold all candidates: search with k >= candidates."""
    sent = payload(result, noises(retriever, result))
    sent["forms"] = list(retriever.model.forms)
    sent["limits"] = {
        "steps": retriever.model.choose(result.form).config.steps,
        "candidates": min(MOST_CANDIDATES, len(retriever.gallery)),
        "seed": MOST_SEED,
        "seeds": MOST_SEEDS,
        "schedules": SCHEDULES,
    }
    return sent


def noises(retriever: Retriever, result: SearchResult) -> Trajectory:
    """The result's trajectory from several noises, the first being its own."""
    played, settings = result.trajectory, result.settings
    assert played is not None
    if played.has_seeds:
        return played
    return retriever.denoise(
        [result.query], played.candidates, settings.steps, settings.seed, SEEDS, form=played.form
    )


def payload(result: SearchResult, noises: Trajectory) -> dict:
    """One result and what other noises make of it, as plain values.

    noises: the same query with a seed axis, the first seed being the one played. x [step+1 candidate] and x0_raw
    [step candidate] of that seed travel as base64 of little-endian float32: exact. So does mean [step column],
    over all seeds. ensemble [step seed column] is drawn small and travels in 65,535ths. A column is a candidate;
    with the open-set generator one more follows, which `none` names.
    """
    played = result.trajectory
    assert played is not None
    drawn = candidates(result)
    ensemble = Ensemble.of(noises)
    return {
        "query": result.query,
        "form": noises.form,
        "none": NO_MATCH if noises.readout.has_none else "",
        "note": ONE_PASS if noises.readout.has_none else "",
        "sharpness": READOUT,
        "seed": result.settings.seed,
        "seeds": ensemble.seeds,
        "settings": {"candidates": result.settings.candidates, "steps": result.settings.steps},
        "sentence": sentence(drawn, noises),
        "candidates": [candidate(hit) for hit in drawn],
        **states(played),
        "mean": pack(ensemble.mean),
        "ensemble": pack_small(ensemble.share),
        "winner": ensemble.winner,
    }


def states(trajectory: Trajectory) -> dict:
    """The first seed of one query's trajectory, exactly, and its noise levels."""
    x, x0_raw = trajectory.x, trajectory.x0_raw
    if trajectory.has_seeds:
        x, x0_raw = x[:, 0], x0_raw[:, 0]
    return {"x": pack(x[:, 0]), "x0_raw": pack(x0_raw[:, 0]), "alpha_bar": trajectory.alpha_bar.tolist()}


def candidates(result: SearchResult) -> list[Hit]:
    """The hits that were candidates, in the order of similarity: the order of the trajectory."""
    assert result.trajectory is not None
    return sorted(result.hits, key=lambda hit: hit.base_rank)[: result.trajectory.candidates.shape[1]]


def candidate(hit: Hit) -> dict:
    """What the player shows of a candidate."""
    return {
        "name": hit.id,
        "caption": name_of(hit.id, hit.caption),
        "poster": poster_url(hit.id, hit.poster),
        "video": clip_url(hit.id, hit.path),
        "moment": hit.moment,
        "clock": "" if hit.moment is None else clock(hit.moment),
        "base_rank": hit.base_rank,
        "rank": hit.rank,
        "similarity": hit.similarity,
        "boost": hit.boost,
        "score": hit.score,
        "probability": hit.probability,
    }


# --- sentences ------------------------------------------------------------------------------------------


def sentence(drawn: list[Hit], noises: Trajectory) -> str:
    """What the noise decides in this query. Plain text. drawn: the candidates. noises: of one query."""
    ensemble = Ensemble.of(noises)
    if noises.readout.has_none:
        return draws(drawn, ensemble.leaders[-1].tolist())
    parts = [_happens(drawn, ensemble), _changes(drawn), _noise(noises, ensemble)]
    return " ".join(filter(None, parts))


def label(drawn: list[Hit], column: int) -> str:
    """A column's name in a sentence."""
    if column == len(drawn):
        return NO_MATCH
    hit = drawn[column]
    return f"“{name_of(hit.id, hit.caption).rstrip('.')}”"


def draws(drawn: list[Hit], ends: list[int]) -> str:
    """What noises drew, which is one clip or none each. ends: the column of each, the last being none."""
    seeds, nothing = len(ends), ends.count(len(drawn))
    clips = Counter(end for end in ends if end < len(drawn)).most_common()
    if seeds == 1:
        return f"This noise drew {label(drawn, ends[0])}."
    if not clips:
        return f"All {seeds} noises drew no clip: nothing here is what is meant."
    (first, most), others = clips[0], f"{len(clips)} different clips"
    name = label(drawn, first)
    if len(clips) == 1:
        others = "the same clip" if most > 1 else "one clip"
    if nothing > seeds / 2:
        which = (
            f"{others}, {name} most often"
            if len(clips) > 1 and most > 1
            else name
            if len(clips) == 1
            else others
        )
        return f"{nothing} of {seeds} noises drew no clip, the other {seeds - nothing} drew {which}."
    also = f", and {nothing} drew no clip" if nothing else ""
    if len(clips) == 1:
        who = f"All {seeds} noises" if not nothing else f"{most} of {seeds} noises"
        return f"{who} drew the same clip, {name}{also}: there is little doubt which one is meant."
    if most >= MOSTLY * seeds:
        rest = seeds - most - nothing
        return (
            f"{most} of {seeds} noises drew {name}, {rest} another clip{also}: the query leaves little open."
        )
    often = "each once" if most == 1 else f"{name} most often, {most} times"
    drew = f"{seeds - nothing} noises drew {others}, {often}{also}"
    return f"{drew}: the query leaves open which one is meant."


def _happens(drawn: list[Hit], ensemble: Ensemble) -> str:
    steps = len(ensemble.mean)
    leaders = ensemble.leaders[:, 0]
    winner = int(leaders[-1])
    step = int(settled(leaders))
    lead = "leads from the first step" if step == 1 else f"takes the lead for good at step {step} of {steps}"
    share = percent(float(ensemble.share[-1, 0, winner]))
    return f"Out of noise, {label(drawn, winner)} {lead} and ends with {share} of the share."


def _changes(drawn: list[Hit]) -> str:
    count = sum(hit.rank != hit.base_rank for hit in drawn)
    if not count:
        return f"Generation confirms the order that similarity gave to all {len(drawn)} candidates."
    first = min(drawn, key=lambda hit: hit.rank)
    moved = f"Generation moves {count} of the {len(drawn)} candidates"
    if first.base_rank == 1:
        return f"{moved}; the first place stays."
    return f"{moved}, the first from rank {first.base_rank}."


def _noise(noises: Trajectory, ensemble: Ensemble) -> str:
    """How far the seeds of the published generator agree, and how much of the variance is theirs."""
    seeds = ensemble.seeds
    if seeds == 1:
        return ""
    least, most = ensemble.spread
    variance = f"{percent(seed_variance(noises.predictions[-1]))} of the variance of x̂₀ comes from the noise"
    if ensemble.agree == seeds:
        if most - least < HARDLY:
            return f"All {seeds} noises tried end alike; {variance}."
        span = f"{percent(least)} to {percent(most)}"
        return f"All {seeds} noises tried end with the same clip, at {span}; {variance}."
    s = "s" if ensemble.agree == 1 else ""
    return f"Of {seeds} noises tried, {ensemble.agree} end{s} with the same clip; {variance}."


# --- arrays ---------------------------------------------------------------------------------------------


def pack(values: Tensor) -> str:
    """Base64 of little-endian float32."""
    return base64.b64encode(values.numpy().astype(np.dtype("<f4")).tobytes()).decode("ascii")


def pack_small(values: Tensor) -> str:
    """Values in [0, 1] as base64 of little-endian uint16, in 65,535ths."""
    whole = (values.clamp(0, 1) * 65535).round().numpy().astype(np.dtype("<u2"))
    return base64.b64encode(whole.tobytes()).decode("ascii")
