import json
import random
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from tiny import CONFIG, tiny_model

from analysis.text_towers import trials
from diffusionret import DiffusionRet, VideoFeatures
from diffusionret.config import (
    PRESETS,
    GeneratorConfig,
    OpenSetConfig,
    Optimisation,
    TokenTableConfig,
    TrainConfig,
)
from diffusionret.datasets.storybook import captions, lessons, queries, truth, world
from diffusionret.lexicon import Lexicon
from diffusionret.reading import Reader
from diffusionret.training import storybook_stages as stages
from diffusionret.training.augmentation import shift
from diffusionret.training.english import TOKENS
from diffusionret.training.loop import Duration, Loop
from diffusionret.training.openset_sets import ALPHAS
from diffusionret.training.optimiser import lr_scale
from diffusionret.training.records import values
from diffusionret.training.start import storybook_start
from diffusionret.training.storybook import storybook_stage
from diffusionret.training.storybook_heads import TextHeads
from diffusionret.training.storybook_text import StorybookText, colour_loss, query_loss

TINY = replace(CONFIG, generator=None, words=32, clip=replace(CONFIG.clip, context_length=32))
STAGE = TrainConfig(
    name="tiny-0", stage=0, model=TINY, command="", minutes=0, reaches="", steps=4, batch=16,
    optimisation=Optimisation(lr=1e-3, ema_rises=True), cls_weight=1.0, phrase_weight=0.25, evaluate_every=2,
)  # fmt: skip


@pytest.fixture
def few(monkeypatch):
    """Twelve clips to validate on instead of a thousand."""
    scenes = world.split("validation")[:12]
    monkeypatch.setattr(world, "split", lambda name, look="storybook": scenes)


def loop(config, runs, tmp_path, start=None, families=16):
    """The loop of a preset, on few clips. start: folder of the stages before, `runs` when None."""
    model = storybook_start(config, start or runs, 0)
    stage = storybook_stage(config, model, tmp_path / "cache", families)
    return Loop(stage, config.optimisation, Duration(config.steps, config.evaluate_every), runs / config.name)


def train(config, runs, tmp_path):
    """A finished loop and its records by name."""
    finished = loop(config, runs, tmp_path)
    return finished, [values(record) for record in finished.records()]


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
        storybook_start(replace(one, init="elsewhere"), runs, 0)


def test_killed_and_resumed_is_as_never_killed(few, tmp_path):
    whole, _ = train(STAGE, tmp_path / "a", tmp_path)
    for record in loop(STAGE, tmp_path / "b", tmp_path).records():
        if record.step == 2:
            break  # as a kill between two steps
    again, _ = train(STAGE, tmp_path / "b", tmp_path)
    for name, value in whole.weights.state_dict().items():
        assert torch.allclose(value, again.weights.state_dict()[name], atol=1e-5), name
    for name, value in whole.average.module.state_dict().items():
        assert torch.allclose(value, again.average.module.state_dict()[name], atol=1e-5), name


def test_another_batch_rate_or_number_of_clips_is_refused(few, tmp_path):
    train(replace(STAGE, steps=2), tmp_path / "a", tmp_path)
    faster = replace(STAGE, steps=2, optimisation=replace(STAGE.optimisation, lr=2e-3))
    for config, families, difference in (
        (replace(STAGE, steps=2, batch=8), 16, "batch"),
        (faster, 16, "lr"),
        (replace(STAGE, steps=2), 12, "families"),
        (replace(STAGE, steps=3, seed=1), 16, "steps, seed"),
    ):
        with pytest.raises(ValueError, match=f"holds a run with another {difference}: pass its settings"):
            loop(config, tmp_path / "a", tmp_path, families=families)
    same = replace(STAGE, steps=2, reaches="said in other words", minutes=7)
    assert loop(same, tmp_path / "a", tmp_path).is_over


def test_twins_are_told_apart_by_the_fit_of_their_own_clip(few, monkeypatch):
    model = tiny_model(config=TINY)
    captions = []
    monkeypatch.setattr(
        DiffusionRet, "encode_text", lambda self, texts: captions.append(texts) or len(captions)
    )
    video = VideoFeatures(torch.zeros(12, 2, 8), torch.ones(12, 2))
    for better, percent in ((1, 100.0), (2, 0.0)):  # the right captions are read first
        captions.clear()
        monkeypatch.setattr(
            stages, "aligned_similarity", lambda m, t, v, b=better: torch.full((len(v.mask),), float(t == b))
        )
        assert stages.twin_accuracy(model, video, world.swapped) == percent
        right, wrong = captions
        assert len(right) == sum(scene.other is not None for scene in world.split("validation"))
        assert all(a != b for a, b in zip(right, wrong, strict=True))


def test_the_end_token_must_tell_every_fact(few, tmp_path):
    heads = TextHeads(8)
    cls, facts = torch.randn(2, 8), [{"subject": "dog", "direction": "left"}, {"subject": "cat"}]
    written = [captions.Caption("", tuple(fact.items())) for fact in facts]
    expected = 0.0
    for name, rows in (("subject", [0, 1]), ("direction", [0])):
        shares = heads.facts[name](cls).log_softmax(1)
        choices = world.values(name)
        expected -= sum(shares[i, choices.index(facts[i][name])].item() for i in rows) / len(rows)
    assert heads.loss(cls, written).item() == pytest.approx(expected, rel=1e-5)
    assert world.values("other_colour") == world.COLOURS
    one = replace(STAGE, name="tiny-told", stage=1, init="tiny-0", fact_weight=0.5)
    train(STAGE, tmp_path, tmp_path)
    finished, records = train(one, tmp_path, tmp_path)
    assert isinstance(finished.stage.heads, TextHeads) and np.isfinite(records[-2]["loss"])
    kept = DiffusionRet.from_pretrained(tmp_path / "tiny-told" / "best").state_dict()
    assert not any("facts" in name for name in kept)  # what only trains is dropped


def test_the_end_token_must_tell_classes_and_what_is_lacking() -> None:
    heads, cls = TextHeads(8), torch.randn(2, 8)
    allowed = [truth.allow({"subject": ["dog", "cat"]}), truth.allow({"subject": []})]
    written = [queries.Query("", truth.Truth(part), "") for part in allowed]
    shares, choices = heads.facts["subject"](cls).log_softmax(1), world.values("subject")
    pets = [choices.index("dog"), choices.index("cat")]
    spread = -np.log(2) - shares[0, pets].mean().item()  # 0 where both have a half
    assert heads.loss(cls, written).item() == pytest.approx((spread - shares[1, -1].item()) / 2, rel=1e-5)


class Lengths:
    """Instead of the sentence encoder: vectors that depend on the length of a text only."""

    dim = 3

    def __init__(self, device: torch.device) -> None:
        self.device = device

    def encode(self, texts: list[str]) -> torch.Tensor:
        lengths = torch.tensor([[len(text), 10.0, 1.0] for text in texts])
        return torch.nn.functional.normalize(lengths, dim=1)


def the_sentence_encoder_may_teach(plain: StorybookText, monkeypatch) -> None:
    """One more objective, and every step has its clips and colours."""
    monkeypatch.setattr(trials, "SentenceEncoder", Lengths)
    taught = trials.DistilledText(plain.features)
    taught.heads.load_state_dict(plain.heads.state_dict(), strict=False)
    more = (taught.loss(0) - plain.loss(0)).item()
    assert 0 < more < 2 * trials.SENTENCE_WEIGHT
    taught.loss(0).backward()
    weight = taught.heads.get_submodule("sentence").weight
    assert weight.grad is not None and weight.grad.abs().sum() > 0
    held = plain.colours(0)[2]
    assert sorted(map(tuple, held.flatten(1).tolist())) == sorted(
        map(tuple, lessons.colour_truth(plain.features.data.scenes).reshape(len(held), -1).tolist())
    )


def test_a_text_tower_anew_keeps_what_sees(few, tmp_path, monkeypatch) -> None:
    runs = tmp_path / "runs"
    for config in (STAGE, replace(STAGE, name="tiny-1", stage=1, init="tiny-0")):
        train(config, runs, tmp_path)
    table = TokenTableConfig(8)
    save_file(
        dict(
            rows=torch.randint(-127, 128, (TINY.clip.vocab_size, 8), dtype=torch.int8),
            last=torch.zeros(TINY.clip.vocab_size, dtype=torch.bool),
            runs=torch.zeros(0, 1, dtype=torch.int32), run_rows=torch.zeros(0, 8, dtype=torch.int8),
        ),
        runs / TOKENS, {name: str(value) for name, value in asdict(table).items()},
    )  # fmt: skip
    text = replace(STAGE, name="tiny-text", stage=4, init="tiny-1", query_weight=1.0, fact_weight=0.5)
    finished, records = train(text, runs, tmp_path)
    assert isinstance(finished.stage, StorybookText)
    the_sentence_encoder_may_teach(finished.stage, monkeypatch)
    validations = [record for record in records if "queries" in record]
    assert [record["step"] for record in validations] == [2, 4] and "word_subject" in validations[0]
    before, after = (DiffusionRet.from_pretrained(runs / name / "best") for name in ("tiny-1", "tiny-text"))
    assert after.config.clip.token_table == table
    frames = torch.randn(2, 2, 3, TINY.clip.image_size, TINY.clip.image_size)
    mask = torch.ones(2, 2, dtype=torch.long)
    torch.testing.assert_close(after.encode_frames(frames, mask), before.encode_frames(frames, mask))


def test_the_match_head_learns_from_queries_as_a_search_reads_them() -> None:
    """What the reader mends or takes out never reaches the head, and what is left of a query is still true of its clip:
    the head is asked in the words that it was trained on."""
    reader, rng = Reader(Lexicon.bundled()), random.Random(0)
    scenes = world.split("validation")[:150]
    written = [stages.query_as_read(reader, scene, rng) for scene in scenes]
    again = [reader.read(query.text) for query in written]
    assert not any(reading.parts or reading.unheard or reading.refusal for reading in again)
    assert sum(reading.searched != query.text for query, reading in zip(written, again, strict=True)) < 3
    assert {query.kind for query in written} >= {"typing error", "keywords", "request", "plural"}
    for query, scene in zip(written, scenes, strict=True):
        assert truth.fits(query, scene) or query.kind in (
            "lacking noun",
            "lacking colour",
            "number",
            "typing error",
        )


def test_queries_spread_over_what_is_true() -> None:
    fits = torch.tensor([[True, True, False], [False, False, False], [False, False, True]])
    even = torch.where(fits, 0.0, -50.0)
    assert query_loss(even, fits).item() == pytest.approx(0, abs=1e-6)
    lured = even.clone()
    lured[1] = torch.tensor([3.0, -50.0, -50.0])  # it asks for what no clip shows, and one clip answers
    assert query_loss(lured, fits).item() > 0.1


def test_a_colour_belongs_to_its_subject() -> None:
    held = torch.zeros(3, 2, 2, dtype=torch.bool)  # [video subject colour]
    held[0, 0, 0] = held[0, 1, 1] = True  # a red rocket and a blue cat
    held[1, 0, 1] = held[1, 1, 0] = True  # a blue rocket and a red cat
    held[2, 0, 0] = True
    bound = torch.where(held.flatten(1).T, 0.0, -50.0)
    assert colour_loss(bound, held).item() == pytest.approx(0, abs=1e-6)
    either = torch.tensor([[0.0, 0.0, 0.0], [0.0, 0.0, 0.0], [0.0, 0.0, -50.0], [0.0, 0.0, -50.0]])
    assert colour_loss(either, held).item() > 0.5  # some rocket and something red


OPEN = OpenSetConfig(steps=10, width=16, layers=1, heads=2)


def test_the_open_set_generator_joins_the_published_one(few, tmp_path, monkeypatch):
    monkeypatch.setattr("diffusionret.training.start.OpenSetConfig", lambda: OPEN)
    whole = replace(TINY, generator=GeneratorConfig(steps=10, candidates=8), openset=None)
    before = tiny_model(config=whole)
    before.save_pretrained(tmp_path / "tiny-2" / "best")
    config = replace(STAGE, name="tiny-open", stage=3, init="tiny-2", omit=0.7)
    finished, records = train(config, tmp_path, tmp_path)
    figures = [r for r in records if "calibration_error" in r]
    assert [r["step"] for r in figures] == [2, 4] and all(
        np.isfinite(list(r.values())).all() for r in figures
    )
    after = DiffusionRet.from_pretrained(tmp_path / "tiny-open" / "best")
    assert after.forms == ("open-set", "published")
    assert after.config.openset.alpha in ALPHAS  # the rule that validation chose goes along
    assert after.config.openset == replace(OPEN, alpha=after.config.openset.alpha)
    for name, value in before.state_dict().items():
        assert torch.allclose(value, after.state_dict()[name], atol=1e-3), name

    for record in loop(config, tmp_path / "again", tmp_path, start=tmp_path).records():
        if record.step == 2:
            break  # as a kill between two steps
    resumed = loop(config, tmp_path / "again", tmp_path, start=tmp_path)
    assert resumed.step == 2
    list(resumed.records())
    for name, value in finished.weights.state_dict().items():
        assert torch.allclose(value, resumed.weights.state_dict()[name], atol=1e-4), name


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
