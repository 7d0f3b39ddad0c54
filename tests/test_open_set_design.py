"""The variants of the open-set generator: that they are what their names say, on a handful of clips."""

import random
from dataclasses import replace

import pytest
import torch
from tiny import CONFIG, tiny_model

from analysis import open_set_design as design
from diffusionret.config import OpenSetConfig
from diffusionret.datasets.storybook import world

pytest.importorskip("skia")
SMALL = OpenSetConfig(steps=50, width=16, layers=1, state_width=16, state_layers=1, heads=2)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A stage of training on few clips, with its validation."""
    with pytest.MonkeyPatch.context() as patch:
        scenes = world.split("validation")[:12]
        patch.setattr(world, "split", lambda name, look="storybook": scenes)
        patch.setattr(design, "FAMILIES", 16)
        patch.setattr(design, "PRESET", replace(design.PRESET, batch=8))
        words = replace(CONFIG.clip, context_length=32)
        model = tiny_model(config=replace(CONFIG, words=32, clip=words, openset=SMALL, form="open-set"))
        model.requires_grad_(False)
        yield design.build(small(design.VARIANTS[0]), model, 0, None, tmp_path_factory.mktemp("clips")), model


def small(variant: design.Variant) -> design.Variant:
    layers = min(variant.config.layers, 1)
    return replace(variant, config=replace(SMALL, layers=layers, state_layers=variant.config.state_layers))


@pytest.mark.parametrize("variant", design.VARIANTS, ids=lambda v: v.name)
def test_every_variant_trains_and_answers(shared, variant, tmp_path):
    first, model = shared
    stage = design.build(small(variant), model, 1, first, tmp_path)
    network = stage.model.openset
    before = [p.clone() for p in network.parameters()]
    design.train(stage, network, 2)
    assert any((p != old).any() for p, old in zip(network.parameters(), before, strict=True))
    found = design.ask(stage, network, 3)
    assert found.said.shape == found.true.shape and ((found.said >= 0) & (found.said <= 1)).all()
    again = design.ask(stage, network, 3)
    assert (found.said == again.said).all() and (found.none == again.none).all()
    row = design.row(variant, [found], [found])
    assert row["over_base"] == 0.0 and row["log_loss"] == pytest.approx(found.loss.mean())
    assert model.openset is not network  # the shared features keep their own generator


def test_a_prediction_of_the_noise_implies_its_bits():
    network = design.NoisePredicting(8, SMALL)
    context, x = torch.randn(3, 5, 16), torch.randn(3, 5)
    level = torch.tensor([0.9, 0.5, 0.1])
    said = network.noise(context, x, level)
    x0 = (network(context, x, level) / 2).tanh()
    implied = (x - (1 - level).sqrt()[:, None] * said) / level.sqrt()[:, None]
    assert torch.allclose(x0, implied.clamp(-design.EDGE, design.EDGE), atol=1e-4)


def test_self_conditioning_hears_the_last_guess():
    network = design.SelfConditioned(8, SMALL)
    context, x, level = torch.randn(2, 5, 16), torch.randn(2, 5), torch.tensor([0.5, 0.2])
    alone = network(context, x, level)
    network.last = torch.ones(2, 5)
    assert not torch.allclose(alone, network(context, x, level))
    network.last = torch.zeros(2, 5)
    assert torch.allclose(alone, network(context, x, level))


def test_pools_hold_relatives_only_where_they_are_meant_to(shared):
    stage, _ = shared
    family = [i // 4 for i in stage.members(random.Random(0), 16)]
    assert len(set(family)) == 16
    related = [i // 4 for i in design.Related.members(stage, random.Random(0), 16)]
    assert len(set(related)) < 16
