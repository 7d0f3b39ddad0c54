"""The variants of the open-set generator: that they are what their names say, on a handful of clips."""

import math
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import CONFIG, features, tiny_model

from analysis.open_set_design import answers, comparison, networks, objectives, training, variants
from diffusionret.config import OpenSetConfig
from diffusionret.datasets.storybook import world
from diffusionret.datasets.storybook.clips import FAMILY
from diffusionret.generators.openset import OpenSetDenoiser
from diffusionret.training.openset_sets import SetConfig
from diffusionret.training.storybook_stages import PoolConfig, one_a_family

SMALL = OpenSetConfig(steps=50, width=16, layers=1, state_width=16, state_layers=1, heads=2)


@pytest.fixture(scope="module")
def shared(tmp_path_factory):
    """A stage of training on few clips, with its validation."""
    with pytest.MonkeyPatch.context() as patch:
        scenes = world.split("validation")[:12]
        patch.setattr(world, "split", lambda name, look="storybook": scenes)
        patch.setattr(training, "FAMILIES", 16)
        patch.setattr(training, "PRESET", replace(training.PRESET, batch=8))
        words = replace(CONFIG.clip, context_length=32)
        model = tiny_model(config=replace(CONFIG, words=32, clip=words, openset=SMALL, form="open-set"))
        model.requires_grad_(False)
        yield (
            training.build(small(variants.VARIANTS[0]), model, 0, None, tmp_path_factory.mktemp("clips")),
            model,
        )


def small(variant: variants.Variant) -> variants.Variant:
    layers = min(variant.config.layers, 1)
    return replace(variant, config=replace(SMALL, layers=layers, state_layers=variant.config.state_layers))


@pytest.mark.parametrize("variant", variants.VARIANTS, ids=lambda v: v.name)
def test_every_variant_trains_and_answers(shared, variant, tmp_path):
    first, model = shared
    stage = training.build(small(variant), model, 1, first, tmp_path)
    network = stage.model.openset
    assert type(network) is variant.network and stage.pools.sets.objective is variant.loss
    changes = {
        "always 32 candidates": PoolConfig(counts=(32,)),
        "pools of 256": PoolConfig(size=256),
        "relatives in the pools": PoolConfig(members=variants.any_clips),
        "always a match": PoolConfig(sets=SetConfig(absent=0.0)),
    }
    pools = changes.get(variant.name, PoolConfig())
    sets = replace(pools.sets, objective=variant.loss)
    assert stage.pools == replace(pools, directions=("t2v",), sets=sets)
    stage.loss(0).backward()
    silent = [n for n, p in network.named_parameters() if p.grad is None or not p.grad.any()]
    unused = {"direction.v2t"} | (
        {"before.weight"} if isinstance(network, networks.SelfConditioned) else set()
    )
    # Attention does not hear a bias of its keys; nor does the mean of what is all alike.
    assert {n for n in silent if "among" not in n} <= unused, silent
    training.train(stage, network, 2)
    found = answers.ask(stage, network, 3)
    assert (
        found.probability.shape == found.match.shape
        and ((found.probability >= 0) & (found.probability <= 1)).all()
    )
    again = answers.ask(stage, network, 3)
    assert (found.probability == again.probability).all() and (found.none == again.none).all()
    assert model.openset is not network  # the shared features keep their own generator


def figures(said: list, true: list) -> answers.Answers:
    said, true = np.array(said), np.array(true, float)
    return answers.Answers(said, true, (1 - said).prod(1))


def test_a_clear_difference_needs_the_interval_and_every_training_seed():
    true = [[1, 0]] * 20
    base = [figures([[0.8, 0.2]] * 20, true)] * 2
    row = comparison.row(variants.VARIANTS[0], base, base)
    assert row["over_base"] == 0.0 and comparison.clear(row) == 0
    assert row["log_loss"] == pytest.approx(-math.log(0.8)) and row["first_fits"] == 100.0
    better = [figures([[0.9, 0.1]] * 20, true)] * 2
    row = comparison.row(variants.VARIANTS[1], better, base)
    assert row["over_base"] == pytest.approx(math.log(0.8 / 0.9)) and comparison.clear(row) == -1
    mixed = [figures([[0.99, 0.01]] * 20, true), figures([[0.79, 0.21]] * 20, true)]
    row = comparison.row(variants.VARIANTS[1], mixed, base)
    assert row["interval"][1] < 0 and comparison.clear(row) == 0  # one of the seeds disagrees


def test_objectives_are_their_formulas():
    torch.manual_seed(0)
    network = OpenSetDenoiser(8, SMALL)
    context, match = torch.randn(3, 5, 16), torch.rand(3, 5) < 0.4
    u, noise = torch.rand(2, 3), torch.randn(2, 3, 5)
    bits = 2 * match.float() - 1
    squared = crossed = 0.0
    for draw in range(2):
        for q in range(3):
            a = math.cos(math.pi / 2 * math.sqrt(u[draw, q])) ** 2
            x = math.sqrt(a) * bits[q] + math.sqrt(1 - a) * noise[draw, q]
            p = network(context[q][None], x[None], torch.tensor([a]))[0].sigmoid()
            crossed -= torch.where(match[q], p.log(), (1 - p).log()).mean().item() / 6
            a = math.cos(math.pi / 2 * u[draw, q]) ** 2
            x = math.sqrt(a) * bits[q] + math.sqrt(1 - a) * noise[draw, q]
            p = network(context[q][None], x[None], torch.tensor([a]))[0].sigmoid()
            squared += ((2 * p - 1 - bits[q]) ** 2).mean().item() / 6
    assert objectives.noisier_loss(network, context, match, u, noise).item() == pytest.approx(
        crossed, rel=1e-4
    )
    assert objectives.squared_loss(network, context, match, u, noise).item() == pytest.approx(
        squared, rel=1e-4
    )
    other = networks.NoisePredicting(8, SMALL)
    assert other.read[1].bias.item() == 0.0
    assert 0.5 < objectives.noise_loss(other, context, match, u, noise).item() < 2.0  # noise has variance 1


def test_a_prediction_of_the_noise_implies_its_bits():
    network = networks.NoisePredicting(8, SMALL)
    context, x = torch.randn(3, 5, 16), torch.randn(3, 5)
    level = torch.tensor([0.9, 0.5, 0.1])
    said = network.noise(context, x, level)
    x0 = (network(context, x, level) / 2).tanh()
    implied = (x - (1 - level).sqrt()[:, None] * said) / level.sqrt()[:, None]
    assert torch.allclose(x0, implied.clamp(-networks.EDGE, networks.EDGE), atol=1e-4)


def test_self_conditioning_hears_the_last_guess():
    network = networks.SelfConditioned(8, SMALL)
    context, x, level = torch.randn(2, 5, 16), torch.randn(2, 5), torch.tensor([0.5, 0.2])
    alone = network(context, x, level)
    network.last = torch.ones(2, 5)
    assert not torch.allclose(alone, network(context, x, level))
    network.last = torch.zeros(2, 5)
    assert torch.allclose(alone, network(context, x, level))


def test_the_end_token_alone_is_deaf_to_the_other_words(shared):
    _, model = shared
    text, video = features(2, 6)
    other = text._replace(tokens=text.tokens.flip(-1))
    candidates = torch.arange(6).expand(2, -1)
    for network, hears in ((networks.EndTokenOnly, False), (OpenSetDenoiser, True)):
        torch.manual_seed(0)
        made = network(model.config.clip.embed_dim, SMALL)
        seen = [
            made.context(model.choose("open-set").pairs(t, video, candidates, "t2v"), "t2v")
            for t in (text, other)
        ]
        assert torch.allclose(*seen) != hears


def test_pools_hold_relatives_only_where_they_are_meant_to(shared):
    stage, _ = shared
    family = [i // FAMILY for i in one_a_family(stage.features.data, random.Random(0), 16)]
    assert len(set(family)) == 16
    related = [i // FAMILY for i in variants.any_clips(stage.features.data, random.Random(0), 16)]
    assert len(set(related)) < 16
