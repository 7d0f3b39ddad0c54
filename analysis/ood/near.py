"""Captions of compositions that training never showed: some of them for validation, the others for the test."""

from __future__ import annotations

import random
from collections.abc import Sequence

import torch

from diffusionret import Gallery, Retriever
from diffusionret.calibrate import ordinary_caption
from diffusionret.datasets.storybook import clips, world
from diffusionret.datasets.storybook.captions import Caption
from diffusionret.encoders import VideoFeatures
from diffusionret.encoding import encode_clips

from .sets import PRESENT, Sets, matches

PARTS = ("validation", "test")
AMONG = 100  # clips of such compositions that join a gallery


def compositions(caption: Caption) -> list[tuple[str, str]]:
    """What a caption itself says that training never showed: subject with colour, or with motion."""
    said = caption.facts
    colours = [(said.get(f"{which}subject", ""), said.get(f"{which}colour", "")) for which in ("", "other_")]
    moves = (said.get("subject", ""), said.get("motion", ""))
    return [pair for pair in colours if pair in world.HELD_OUT_COLOURS] + [moves] * (
        moves in world.HELD_OUT_MOTIONS
    )


def part_of(subject: str) -> str:
    """To which of PARTS the compositions of a subject belong: two subjects of four each."""
    return PARTS[[str(name) for name in world.SUBJECTS].index(subject) % 4 // 2]


def written(part: str) -> list[tuple[int, Caption]]:
    """(scene of the near split, caption) of all captions that say compositions of a part, and none of the other."""
    rng = random.Random("ood near")
    found = []
    for number, scene in enumerate(world.split("near")):
        caption = ordinary_caption(scene, rng)
        said = compositions(caption)
        if said and all(part_of(subject) == part for subject, _ in said):
            found.append((number, caption))
    return found


def near(scenes: Sequence[world.Scene], size: int) -> Sets:
    """Of the test, true of no clip of the gallery."""
    found = [(n, c) for n, c in written("test") if not matches([c], scenes).any()]
    return Sets("near", [c.text for _, c in found][:size], [number for number, _ in found][:size])


def near_present(retriever: Retriever, part: str, size: int, name: str = PRESENT) -> Sets:
    """Of a part, with their own clips among those of the gallery."""
    found = written(part)[: min(size, AMONG)]
    numbers = [number for number, _ in found]
    model, gallery = retriever.model, retriever.gallery
    frames = clips.split_frames("near", clips.CACHE, model.config.frames, model.config.clip.image_size)
    video = encode_clips(model, frames[numbers])
    whole = gallery.features()
    both = VideoFeatures(
        *(torch.cat([a.cpu(), b.cpu().to(a.dtype)]) for a, b in zip(whole, video, strict=True))
    )
    ids = [*gallery.ids, *(f"near {number}" for number in numbers)]
    more = Gallery.in_memory(both, ids=ids)
    return Sets(name, [c.text for _, c in found], numbers, gallery=more)
