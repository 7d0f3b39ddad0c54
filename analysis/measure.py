"""What the analysis scripts share: the test split as features, and where results go."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from diffusionret import DiffusionRet
from diffusionret.checkpoint import load_model
from diffusionret.datasets.storybook import captions, clips, truth, world
from diffusionret.encoders import TextFeatures, VideoFeatures
from diffusionret.encoding import encode_clips
from diffusionret.evaluate import OMIT, generate
from diffusionret.trajectory import Trajectory

RESULTS = Path(__file__).resolve().parent / "results"


class Test(NamedTuple):
    """A model and a split of the bundled world. fits [caption clip]: whether the clip is as the caption says; written:
    the captions with what they say."""

    model: DiffusionRet
    text: TextFeatures
    video: VideoFeatures
    similarity: Tensor
    scenes: tuple
    fits: Tensor
    written: tuple[captions.Caption, ...]


def load(
    model: str | DiffusionRet = "storybook",
    look: str = "storybook",
    natural: bool = True,
    split: str = "test",
    video: VideoFeatures | None = None,
) -> Test:
    """natural: captions that leave circumstances out, as people do; otherwise full ones. video: features of the
    split's clips where they are known."""
    chosen = load_model(model) if isinstance(model, str) else model
    scenes = world.split(split, look)
    rng = random.Random(f"{'natural' if natural else 'full'} {look} {split}")
    written = [captions.write(s, rng, OMIT if natural else 0.0, style=look) for s in scenes]
    with torch.no_grad():
        video = _encode(chosen, split, look) if video is None else video
        text = chosen.encode_text([c.text for c in written])
        similarity = chosen.similarity(text, video)
    fits = torch.from_numpy(truth.fit_matrix(written, list(scenes)))
    return Test(chosen, text, video, similarity, scenes, fits, tuple(written))


def _encode(model: DiffusionRet, split: str, look: str) -> VideoFeatures:
    config = model.config
    drawn = clips.split_frames(split, clips.CACHE, config.frames, config.clip.image_size, look)
    return encode_clips(model, drawn)


def trajectory(
    test: Test, direction: str = "t2v", candidates: int = 32, seed: int = 0, form: str | None = "published"
) -> Trajectory:
    """The generation of every query at its generator's own settings. form: None for the generator that answers."""
    scores = test.similarity if direction == "t2v" else test.similarity.T.contiguous()
    generator = test.model.choose(form)
    return generate(
        test.model, test.text, test.video, scores, direction, candidates, seed=seed, generator=generator
    )


def store(name: str, title: str, shows: str, started: float, rows: list[dict], **more: object) -> None:
    """Write results/<name>.json. shows: what the figures say, in a sentence or two made from the figures."""
    content = {
        "title": title, "command": f"python -m analysis.{name}", "shows": shows,
        "minutes": round((time.monotonic() - started) / 60, 1), "rows": rows, **more,
    }  # fmt: skip
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    print(shows)
