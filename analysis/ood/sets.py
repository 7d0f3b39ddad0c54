"""Sets of queries by which unusual-query scores are measured, built on a gallery of the bundled world.

Validation and test share no kind of unusual query and no clip: the clips of the gallery are halved.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from diffusionret import Gallery
from diffusionret.calibrate import ordinary_caption
from diffusionret.datasets.storybook import captions, truth, world
from diffusionret.datasets.storybook.captions import Caption

ORDINARY, SHIFTED, TERSE = "in-distribution", "covariate-shifted", "without articles"
PRESENT = "near, clip present"  # a composition that training never showed, and a clip of it in the gallery
CALM = (ORDINARY, SHIFTED, PRESENT)  # whose match is there
PRIMARY = ("near", "gallery-absent")  # the endpoint, fixed beforehand: their mean AUROC
IN_VOCABULARY = ("nonsense", "far, rebuilt")  # shown beside it
SHIFTS = ("a typing error", "keywords", "another style")  # of SHIFTED, in turn


@dataclass(frozen=True)
class Sets:
    """Queries of one kind. unit [query]: what the bootstrap draws (a clip, a scene, else the query itself).

    without: videos taken out of the gallery, bool [query video], None for none. gallery: another one than that of all,
    None for the same.
    """

    name: str
    texts: list[str]
    unit: list[int]
    without: Tensor | None = None
    gallery: Gallery | None = None


def gallery_scenes(shown: Sequence[str]) -> list[world.Scene]:
    """The scenes of clips by the captions that a gallery shows. Raises ValueError for a gallery of anything else."""
    scenes = {captions.canonical(scene).text: scene for scene in world.split("test")}
    if missing := [caption for caption in shown if caption not in scenes]:
        raise ValueError(f"The gallery is none of Storybook: it has no scene {missing[0]!r}.")
    return [scenes[caption] for caption in shown]


def captions_of(scenes: Sequence[world.Scene], clips: Iterable[int], times: int, rng: random.Random):
    """(clip, caption), `times` of each clip."""
    return [(int(clip), ordinary_caption(scenes[clip], rng)) for clip in clips for _ in range(times)]


def matches(written: Sequence[Caption], scenes: Sequence[world.Scene]) -> Tensor:
    return torch.from_numpy(truth.fit_matrix(written, scenes))


def ordinary(name: str, scenes: Sequence[world.Scene], clips: Iterable[int], times: int) -> Sets:
    """Ordinary captions of some clips of the gallery."""
    pairs = captions_of(scenes, clips, times, random.Random(f"{name} ordinary"))
    return Sets(ORDINARY, [c.text for _, c in pairs], [clip for clip, _ in pairs])


def fresh(scenes: Sequence[world.Scene], count: int, rng: np.random.Generator) -> list[str]:
    """Independent ordinary queries for a gallery: a clip at random, one of its captions at random."""
    source = random.Random(int(rng.integers(2**62)))
    return [ordinary_caption(scenes[int(i)], source).text for i in rng.integers(len(scenes), size=count)]


def fresh_scenes(count: int, rng: np.random.Generator) -> list[str]:
    """Independent ordinary captions of new scenes."""
    source = random.Random(int(rng.integers(2**62)))
    texts: list[str] = []
    while len(texts) < count:
        scene = world.draw_scene(source)
        if not scene.held_out:
            texts.append(ordinary_caption(scene, source).text)
    return texts
