"""Minimal pairs: does a caption prefer its own clip to its twin, by similarity and with what the head adds? Does a
clip prefer its colours to the same exchanged?"""

from __future__ import annotations

import random
from collections.abc import Sequence

import numpy as np
import torch

from diffusionret import DiffusionRet
from diffusionret.datasets.storybook import captions, clips, world
from diffusionret.encoders import VideoFeatures
from diffusionret.encoding import encode_clips
from diffusionret.metrics import bootstrap_interval, paired_bootstrap
from diffusionret.training.storybook_text import colour_similarity, exchanged_colours

from .targets import Target, figure

KINDS = ("direction", "roles")


@torch.no_grad()
def preferences(model: DiffusionRet, texts: list[str], video: VideoFeatures) -> tuple[np.ndarray, np.ndarray]:
    """Whether each caption prefers its own clip, bool [query], by similarity and with the match head. Clips stand in
    pairs, in the order of their captions; each pair is a gallery."""
    openset = model.choose("open-set")
    text = model.encode_text(texts)
    count = len(texts)
    own = torch.arange(count)
    pair = torch.stack([own, own ^ 1], dim=1)
    row = model.similarity(text, video).gather(1, pair)
    order = row.sort(dim=1, descending=True, stable=True).indices
    chosen = pair.gather(1, order)
    found = openset.match(text, video, chosen, row=row)
    fused = row + openset.config.alpha * torch.zeros_like(row).scatter(1, order, found.probability)
    return tuple((scores[:, 0] > scores[:, 1]).numpy() for scores in (row, fused))  # type: ignore[return-value]


def minimal_pairs(model: DiffusionRet, look: str, label: str) -> list[dict]:
    """The paired change by the head, in points, with its interval over pairs. label: the look's name in the table."""
    rows = []
    size, frames = model.config.clip.image_size, model.config.frames
    for kind in KINDS:
        scenes = [scene for pair in world.minimal_pairs(kind, look) for scene in pair]
        drawn = clips.render_scenes(
            scenes, clips.CACHE / f"{look}-pairs-{kind}-{frames}x{size}.npy", frames, size
        )
        rng = random.Random(f"pairs {kind} {look}")
        texts = [captions.write(scene, rng, 0.0, style=look).text for scene in scenes]
        before, after = preferences(model, texts, encode_clips(model, drawn))
        gain = paired_bootstrap(
            before.astype(float), after.astype(float), lambda v: 100 * float(np.mean(v)),
            groups=np.arange(len(texts)) // 2,
        )  # fmt: skip
        rows.append(
            figure(
                f"minimal pairs, {kind}, with the head",
                gain,
                Target(ahead=-1.0),
                look=label,
                questions="full captions",
            )
        )
    return rows


@torch.no_grad()
def colours(model: DiffusionRet, scenes: Sequence[world.Scene], video: VideoFeatures, label: str) -> dict:
    """Percent of the clips with two actors that fit "a red rocket" and "a blue cat" better than "a blue rocket" and "a
    red cat", by similarity: 50 where texts only tell that something is red, and some rocket there.

    scenes, video: of the same clips. label: the look's name in the table.
    """
    right = (1 + np.sign(exchanged_colours(colour_similarity(model, video), scenes))) / 2
    share = bootstrap_interval(right, lambda v: 100 * float(np.mean(v)))
    return figure("colours of two actors told apart, percent", share, look=label, questions="short phrases")
