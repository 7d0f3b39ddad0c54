"""Generators behind one interface: a third one is a class and its registration, and what all of them keep."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch
from tiny import CONFIG, features, tiny_model

from diffusionret import DiffusionRet, Gallery, Retriever, evaluate
from diffusionret.config import SETTINGS, GeneratorConfig, ModelConfig, OpenSetConfig
from diffusionret.fusion import fuse
from diffusionret.generators import GENERATORS, Generator, register
from diffusionret.model import NoGenerator
from diffusionret.readout import ONE_WINNER
from diffusionret.sampling import States

BOTH = replace(CONFIG, openset=OpenSetConfig(steps=10, width=16, heads=2), form="open-set")


class LastGenerator(Generator):
    """Believes in the last candidate, whatever is asked."""

    form, readout = "last", ONE_WINNER

    def sample(self, text, video, candidates, direction, schedule, noise, eta=0.0, generator=None) -> States:
        x0 = (
            (torch.arange(noise.shape[-1]) == noise.shape[-1] - 1)
            .to(noise)
            .expand(schedule.steps, *noise.shape)
        )
        return States(torch.cat([noise[None], x0]), x0, x0)

    def loss(self, text, video, candidates, match, direction, level, noise):
        return noise.new_zeros(())


@pytest.fixture
def third() -> Iterator[ModelConfig]:
    """The settings of a model that holds the three generators and answers with the third."""
    register(LastGenerator)
    yield replace(
        BOTH, others=(GeneratorConfig(form="last", steps=10, sampling_steps=4, seeds=2),), form="last"
    )
    del GENERATORS["last"], SETTINGS["last"]


def test_a_third_generator_is_a_class_and_a_registration(third, tmp_path):
    model = tiny_model(config=third)
    _, video = features(1, 12)
    retriever = Retriever(model, Gallery.in_memory(video))
    assert model.forms == ("last", "published", "open-set")
    found = retriever.search("a red boat", candidates=5)
    assert found.trajectory is not None and found.trajectory.form == "last"
    assert (
        found.trajectory.x.shape == (5, 2, 1, 5) and found.settings.steps == 4 and found.settings.seeds == 2
    )
    assert found.hits[0].base_rank == 5 and found.hits[0].probability == pytest.approx(1)
    assert retriever.search("a red boat", candidates=5, form="published").trajectory.form == "published"
    assert retriever.denoise(["a boat"], torch.tensor([[1, 2]]), form="last").shares.tolist()[0][1] > 0.99
    text, video = features(6, 6)
    figures, _ = evaluate.compare(model, text, video, "v2t")
    assert figures["noise"]["first_step_is_final"] == 1 and "generator_only" in figures
    # Its settings go with the weights.
    model.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "config.json").read_text())["others"][0]["form"] == "last"
    again = DiffusionRet.from_pretrained(tmp_path)
    assert again.config == third and again.forms == model.forms


def test_a_checkpoint_with_an_unknown_generator_says_so(third):
    values = third.to_dict() | {"form": "published"}
    values["others"] = [values["others"][0] | {"form": "other"}]
    with pytest.raises(ValueError, match=r"not registered.*other"):
        ModelConfig.from_dict(values)


def test_a_name_is_registered_once():
    class Other(LastGenerator):
        form = "published"

    with pytest.raises(ValueError, match="already"):
        register(Other)


def test_a_name_is_resolved_to_its_generator():
    model = tiny_model(config=BOTH)
    assert [g.form for g in model.generators.values()] == ["open-set", "published"]
    assert model.choose().form == "open-set" and model.choose("published").config is BOTH.generator
    assert model.choose("published").network is model.generator
    with pytest.raises(ValueError, match="no generator 'last': choose open-set or published"):
        model.choose("last")
    with pytest.raises(NoGenerator):
        tiny_model(config=replace(CONFIG, generator=None)).choose("published")
    assert "others" not in BOTH.to_dict()  # config.json says nothing of what is not there


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_a_published_generator_of_several_seeds_is_evaluated(direction):
    """The generator alone ranks by the mean over its seeds, and the noise is measured on as many as with one seed."""
    config = replace(CONFIG, generator=replace(CONFIG.generator, seeds=3))
    model, (text, video) = tiny_model(config=config), features(8, 8)
    figures, _ = evaluate.compare(model, text, video, direction)
    single, _ = evaluate.compare(tiny_model(), text, video, direction)
    for name in ("seed_variance", "seeds_agree", "first_step_is_final"):  # the six noises are the same
        assert figures["noise"][name] == pytest.approx(single["noise"][name], rel=1e-3)
    scores = model.similarity(text, video)
    scores = scores if direction == "t2v" else scores.T.contiguous()
    trajectory = evaluate.generate(model, text, video, scores, direction, candidates=5)
    assert trajectory.x0_raw.shape == (10, 3, 8, 5)
    alone = fuse(model, text, video, scores, trajectory).alone(scores)
    for q in range(8):
        best = trajectory.candidates[q][trajectory.x0_raw[-1, :, q].mean(dim=0).argsort(descending=True)]
        assert alone[q].argsort(descending=True)[:5].tolist() == best.tolist()
