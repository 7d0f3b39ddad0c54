import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import CONFIG, tiny_model

from diffusionret import DiffusionRet, VideoFeatures, stages
from diffusionret.config import PRESETS, GeneratorConfig, OpenSetConfig, TrainConfig
from diffusionret.datasets.storybook import lessons, world
from diffusionret.stages import shift
from diffusionret.train import Trainer, lr_scale, start_model

pytest.importorskip("skia")
TINY = replace(CONFIG, generator=None, words=32, clip=replace(CONFIG.clip, context_length=32))
STAGE = TrainConfig(
    name="tiny-0", stage=0, model=TINY, command="", minutes=0, reaches="", steps=4, batch=16, lr=1e-3,
    cls_weight=1.0, phrase_weight=0.25, evaluate_every=2,
)  # fmt: skip


@pytest.fixture
def few(monkeypatch):
    """Twelve clips to validate on instead of a thousand."""
    scenes = world.split("validation")[:12]
    monkeypatch.setattr(world, "split", lambda name, look="storybook": scenes)


def train(config, runs, tmp_path, **changes):
    config = replace(config, **changes)
    trainer = Trainer(
        config, start_model(config, runs, 0), runs / config.name, tmp_path / "cache", families=16
    )
    return trainer, list(trainer.records())


def test_the_learning_rate_rises_and_falls():
    scale = [lr_scale(i, 100, 0.1) for i in range(100)]
    assert scale[0] == pytest.approx(0.1) and scale[9] == pytest.approx(1.0) and max(scale) <= 1
    assert scale[10:] == sorted(scale[10:], reverse=True) and scale[-1] < 0.01


def test_three_stages_build_on_each_other(few, tmp_path):
    runs = tmp_path / "runs"
    _, records = train(STAGE, runs, tmp_path)
    assert [r["step"] for r in records if "cast" in r] == [2, 4]
    one = replace(STAGE, name="tiny-1", stage=1, init="tiny-0")
    _, records = train(one, runs, tmp_path)
    assert {"cls_R1", "full_R1", "natural_R1", "roles", "direction"} <= set(records[-1])
    two = replace(one, name="tiny-2", stage=2, init="tiny-1", negatives=7)
    _, records = train(two, runs, tmp_path)
    assert {"before_R1_t2v", "generator_R1_t2v", "after_R1_v2t"} <= set(records[-1])
    before = DiffusionRet.from_pretrained(runs / "tiny-1" / "best")
    after = DiffusionRet.from_pretrained(runs / "tiny-2" / "best")
    assert after.config.generator.candidates == 8 and before.generator is None
    for name, value in before.state_dict().items():  # features are frozen in stage 2
        assert torch.allclose(value, after.state_dict()[name], atol=1e-3), name
    with pytest.raises(FileNotFoundError, match="not trained yet"):
        start_model(replace(one, init="elsewhere"), runs, 0)


def test_killed_and_resumed_is_as_never_killed(few, tmp_path):
    whole, _ = train(STAGE, tmp_path / "a", tmp_path)
    config = replace(STAGE)
    trainer = Trainer(
        config,
        start_model(config, tmp_path, 0),
        tmp_path / "b" / config.name,
        tmp_path / "cache",
        families=16,
    )
    for record in trainer.records():
        if record["step"] == 2:
            break  # as a kill between two steps
    again, _ = train(STAGE, tmp_path / "b", tmp_path)
    for name, value in whole.whole.state_dict().items():
        assert torch.allclose(value, again.whole.state_dict()[name], atol=1e-5), name
    for name, value in whole.average.state_dict().items():
        assert torch.allclose(value, again.average.state_dict()[name], atol=1e-5), name


def test_twins_are_told_apart_by_the_fit_of_their_own_clip(few, tmp_path, monkeypatch):
    stage = Trainer(
        replace(STAGE, stage=1, fact_weight=1.0),
        start_model(STAGE, tmp_path, 0),
        tmp_path / "a",
        tmp_path / "cache",
        families=16,
    ).stage
    seen = []
    monkeypatch.setattr(DiffusionRet, "encode_text", lambda self, texts: seen.append(texts) or len(seen))
    video = VideoFeatures(torch.zeros(12, 2, 8), torch.ones(12, 2))
    for better, percent in ((1, 100.0), (2, 0.0)):  # the right captions are read first
        seen.clear()
        monkeypatch.setattr(
            stages, "pair_similarity", lambda m, t, v, b=better: torch.full((len(v.mask),), float(t == b))
        )
        assert stage._told_apart(stage.model, video, world.swapped) == percent
        right, wrong = seen
        assert len(right) == sum(scene.other is not None for scene in world.split("validation"))
        assert all(a != b for a, b in zip(right, wrong, strict=True))


def test_the_end_token_must_tell_every_fact(few, tmp_path):
    heads = stages.CaptionHeads(8)
    cls, facts = torch.randn(2, 8), [{"subject": "dog", "direction": "left"}, {"subject": "cat"}]
    expected = 0.0
    for name, rows in (("subject", [0, 1]), ("direction", [0])):
        shares = heads.facts[name](cls).log_softmax(1)
        values = lessons.values(name)
        expected -= sum(shares[i, values.index(facts[i][name])].item() for i in rows) / len(rows)
    assert heads.loss(cls, facts).item() == pytest.approx(expected, rel=1e-5)
    assert lessons.values("other_colour") == world.COLOURS
    one = replace(STAGE, name="tiny-told", stage=1, init="tiny-0", fact_weight=0.5)
    train(STAGE, tmp_path, tmp_path)
    trainer, records = train(one, tmp_path, tmp_path)
    assert isinstance(trainer.stage.heads, stages.CaptionHeads) and np.isfinite(records[-2]["loss"])
    kept = DiffusionRet.from_pretrained(tmp_path / "tiny-told" / "best").state_dict()
    assert not any("facts" in name for name in kept)  # what only trains is dropped


OPEN = OpenSetConfig(steps=10, width=16, layers=1, state_width=16, state_layers=1, heads=2)


def test_the_open_set_generator_joins_the_published_one(few, tmp_path, monkeypatch):
    monkeypatch.setattr("diffusionret.train.OpenSetConfig", lambda: OPEN)
    whole = replace(TINY, generator=GeneratorConfig(steps=10, candidates=8), openset=None)
    before = tiny_model(config=whole)
    before.save_pretrained(tmp_path / "tiny-2" / "best")
    config = replace(STAGE, name="tiny-open", stage=3, init="tiny-2", omit=0.7)
    trainer, records = train(config, tmp_path, tmp_path)
    figures = [r for r in records if "calibration_error" in r]
    assert [r["step"] for r in figures] == [2, 4] and all(
        np.isfinite(list(r.values())).all() for r in figures
    )
    after = DiffusionRet.from_pretrained(tmp_path / "tiny-open" / "best")
    assert after.forms == ("open-set", "published")
    assert after.config.openset.alpha in trainer.stage.ALPHAS  # the rule that validation chose goes along
    assert after.config.openset == replace(OPEN, alpha=after.config.openset.alpha)
    for name, value in before.state_dict().items():
        assert torch.allclose(value, after.state_dict()[name], atol=1e-3), name

    again = Trainer(
        config, start_model(config, tmp_path, 0), tmp_path / "again", tmp_path / "cache", families=16
    )
    for record in again.records():
        if record["step"] == 2:
            break  # as a kill between two steps
    resumed = Trainer(
        config, start_model(config, tmp_path, 0), tmp_path / "again", tmp_path / "cache", families=16
    )
    assert resumed.step == 2
    list(resumed.records())
    for name, value in trainer.whole.state_dict().items():
        assert torch.allclose(value, resumed.whole.state_dict()[name], atol=1e-5), name


def test_augmentation_moves_and_never_flips():
    ramp = torch.arange(16.0).expand(1, 1, 3, 16, 16)  # brighter to the right
    for seed in range(20):
        moved = shift(ramp, random.Random(seed))
        assert moved.shape == ramp.shape and (moved.diff(dim=-1) >= 0).all()


def test_presets_say_what_they_do():
    for name, preset in PRESETS.items():
        assert preset.name == name and name in preset.command and preset.minutes > 0 and preset.reaches
        assert preset.init is None or preset.init in PRESETS
        json.dumps(preset.model.to_dict())
