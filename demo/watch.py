"""The Watch tab's first view: what the player in static/player.js needs to show one trajectory, and its sentences."""

from __future__ import annotations

import base64
import json

import numpy as np
from torch import Tensor

from diffusionret import Hit, Retriever, SearchResult
from diffusionret.readout import READOUT, Readout
from diffusionret.trajectory import Ensemble, Trajectory, settled

from .clips import clock, name_of
from .media import clip_url, poster_url
from .search import percent, probability

NO_GENERATOR = "This model has no generator, so there is nothing to watch: it ranks by similarity only."
NO_MATCH = "no match"
TEMPLATE = '<div class="dr-player"></div>'
# How many noises are tried beside the one that is played.
SEEDS = 16
# More columns than this cannot be told apart.
MOST_CANDIDATES = 128
MOST_SEEDS = 64  # of which the page asks at a time
MOST_SEED = 2**31 - 1  # the largest number of a noise
SCHEDULES = ("cosine", "linear")  # of the noise, to choose from
# Where the winner's shares over the seeds lie closer than this, the noise is said not to matter.
NO_WORDS = "There is nothing to watch: none of these words can be read."
HARDLY = 0.02


def show(retriever: Retriever, result: SearchResult) -> str:
    """The player's value for a result, whose hits must hold all candidates: search with k >= candidates."""
    if result.trajectory is None:
        return json.dumps({"message": NO_WORDS if result.reading.unreadable else NO_GENERATOR})
    sent = payload(result, noises(retriever, result))
    sent["forms"] = list(retriever.model.forms)
    sent["limits"] = {
        "steps": retriever.model.choose(result.trajectory.form).config.steps,
        "candidates": min(MOST_CANDIDATES, len(retriever.gallery)),
        "seed": MOST_SEED,
        "seeds": MOST_SEEDS,
        "schedules": SCHEDULES,
    }
    return json.dumps(sent)


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
    with the open-set generator one more follows, which `no_match` names.
    """
    played = result.trajectory
    assert played is not None
    drawn = candidates(result)
    ensemble = Ensemble.of(noises)
    return {
        "query": result.query,
        "form": noises.form,
        "quantity": quantity(noises.readout),
        "no_match": NO_MATCH if noises.readout.has_none else "",
        "sharpness": READOUT,
        "seed": result.settings.seed,
        "seeds": ensemble.seeds,
        "settings": {"candidates": result.settings.candidates, "steps": result.settings.steps},
        "sentence": sentence(drawn, ensemble),
        "candidates": [candidate(hit) for hit in drawn],
        **states(played),
        "mean": pack(ensemble.mean),
        "ensemble": pack_small(ensemble.share),
        "winner": ensemble.winner,
    }


def quantity(readout: Readout) -> str:
    """What a column has, in a word."""
    return "share" if readout.exclusive else "probability"


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


def sentence(drawn: list[Hit], ensemble: Ensemble) -> str:
    """What happens in this trajectory, what it changes, and how much of that the noise decides. Plain text."""
    parts = [_happens(drawn, ensemble), _changes(drawn), _noise(ensemble, len(drawn))]
    return " ".join(filter(None, parts))


def label(drawn: list[Hit], column: int) -> str:
    """A column's name in a sentence."""
    if column == len(drawn):
        return NO_MATCH
    hit = drawn[column]
    return f"“{name_of(hit.id, hit.caption).rstrip('.')}”"


def _happens(drawn: list[Hit], ensemble: Ensemble) -> str:
    steps, columns = ensemble.mean.shape
    together = columns > len(drawn)  # what is drawn: the mean over seeds (open-set), or the first seed
    leaders = ensemble.mean.argmax(dim=-1) if together else ensemble.leaders[:, 0]
    winner = int(leaders[-1])
    p = probability(float(ensemble.mean[-1, winner]))
    if winner == len(drawn):
        return f"Out of noise comes: no match here, {p}."
    step = int(settled(leaders))
    lead = "leads from the first step" if step == 1 else f"takes the lead for good at step {step} of {steps}"
    share = percent(float(ensemble.share[-1, 0, winner]))
    ends = f"matches with {p}" if together else f"ends with {share} of the share"
    return f"Out of noise, {label(drawn, winner)} {lead} and {ends}."


def _changes(drawn: list[Hit]) -> str:
    count = sum(hit.rank != hit.base_rank for hit in drawn)
    if not count:
        return f"Generation confirms the order that similarity gave to all {len(drawn)} candidates."
    first = min(drawn, key=lambda hit: hit.rank)
    moved = f"Generation moves {count} of the {len(drawn)} candidates"
    if first.base_rank == 1:
        return f"{moved}; the first place stays."
    return f"{moved}, the first from rank {first.base_rank}."


def _noise(ensemble: Ensemble, count: int) -> str:
    seeds = ensemble.seeds
    what = NO_MATCH if ensemble.winner == count else "the same clip"
    if seeds == 1:
        return ""
    least, most = ensemble.spread
    if ensemble.agree == seeds:
        if most - least < HARDLY:
            return f"The noise hardly matters: all {seeds} noises tried end alike."
        span = f"{percent(least)} to {percent(most)}"
        return f"The noise decides how clearly: all {seeds} tried end with {what}, at {span}."
    s = "s" if ensemble.agree == 1 else ""
    if ensemble.mean.shape[1] > count > ensemble.winner:  # several may match
        return f"The noise matters: of {seeds} tried, {ensemble.agree} say{s} that it matches."
    return f"The noise matters: of {seeds} tried, {ensemble.agree} end{s} with {what}."


# --- arrays ---------------------------------------------------------------------------------------------


def pack(values: Tensor) -> str:
    """Base64 of little-endian float32."""
    return base64.b64encode(values.numpy().astype(np.dtype("<f4")).tobytes()).decode("ascii")


def pack_small(values: Tensor) -> str:
    """Values in [0, 1] as base64 of little-endian uint16, in 65,535ths."""
    whole = (values.clamp(0, 1) * 65535).round().numpy().astype(np.dtype("<u2"))
    return base64.b64encode(whole.tobytes()).decode("ascii")
