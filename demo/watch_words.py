"""Word by word: how each word of a query gathers what the generator draws, over the candidates of the whole query."""

from __future__ import annotations

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor

from diffusionret.composition import Composition

from .search import percent
from .watch import NO_MATCH, SEEDS, label, pack_small
from .watch_scene import Scene

MOST_WORDS = 24  # rows that can be read at a time
LEAST = 0.02  # of the shares: below it there is hardly a clip to count


def words(scene: Scene, request: dict) -> dict:
    """Shares over the candidates of the whole query after each of its words, and how many clips they are spread over.

    shares [word column] travel in 65,535ths; a column is a candidate, with the open-set generator one more follows for
    none. clips [word]: the effective number of clips, exp(entropy) of their shares among each other, None where there
    is hardly one. order: of the columns, by what they have in the end.
    """
    reading = scene.result.reading
    spoken = [*reading.searched.split(), *map(str, reading.parts)]
    if len(spoken) > MOST_WORDS:
        raise ValueError(f"Word by word works up to {MOST_WORDS} words; this query has {len(spoken)}.")
    count = len(spoken) - len(reading.parts)
    texts = [" ".join(spoken[: i + 1]) for i in range(count)]
    texts += [str(Composition(reading.searched, reading.parts[: i + 1])) for i in range(len(reading.parts))]
    share = shares(scene, texts)
    clips = [effective(row[: len(scene.drawn)]) for row in share]
    return {
        "sentence": _sentence(scene, spoken, share, clips),
        "note": _note(scene),
        "words": spoken,
        "shares": pack_small(share),
        "clips": clips,
        "order": share[-1].argsort(descending=True, stable=True).tolist(),
    }


def shares(scene: Scene, texts: list[str]) -> Float[Tensor, "text column"]:
    """The shares of texts over the scene's candidates. Open-set: those of the first step, from which the noise draws.
    Published: those of the last step, the mean over noises."""
    trajectory = scene.denoise(texts, seeds=SEEDS)
    step = 0 if scene.readout.has_none else -1
    return scene.readout.columns(trajectory.predictions[step]).mean(dim=0)


def effective(share: Float[Tensor, " candidate"]) -> float | None:
    """How many clips hold the share, as exp(entropy): 1 where one has it all, K where all have the same."""
    total = share.sum()
    if float(total) < LEAST:
        return None
    p = share / total
    return float((-torch.xlogy(p, p).sum()).exp())


def _sentence(scene: Scene, spoken: list[str], share: Tensor, clips: list[float | None]) -> str:
    last, end = clips[-1], int(share[-1].argmax())
    if end == len(scene.drawn):
        return f"In the end, {percent(float(share[-1, end]))} of the share is with {NO_MATCH}."
    leader = f"{label(scene.drawn, end)} has {percent(float(share[-1, end]))} of the share"
    known = [(i, number) for i, number in enumerate(clips) if number is not None]
    if last is None or len(spoken) == 1 or len(known) < 2:
        return f"With “{scene.result.query}”, {leader}."
    first, number = known[0]
    start = " ".join(spoken[: first + 1])
    ends = f"the whole query over {number_of(last)}"
    sentence = f"“{start}” is spread over {number_of(number)} of these clips, {ends}: {leader}."
    falls = [(after - before, j, before) for (_, before), (j, after) in pairwise(known)]
    fall, most, before = min(falls)
    if fall < -0.5:
        sentence += f" “{spoken[most]}” gathers most, from {number_of(before)} to {number_of(before + fall)}."
    return sentence


def number_of(clips: float) -> str:
    """An effective number for reading."""
    return f"{clips:.1f}"


def _note(scene: Scene) -> str:
    if scene.readout.has_none:
        return (
            "Each row is the query up to a word; a clip is as wide as its share of what the noise draws. The number is "
            "how many clips the shares are spread over, exp(entropy), as if one of them is meant."
        )
    return (
        "Each row is the query up to a word; a clip is as wide as its share, the mean over noises. The number is how "
        "many clips the shares are spread over, exp(entropy)."
    )
