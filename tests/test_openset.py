"""The open-set generator: what its parts compute, that its samples mean what they say, and both forms in a model."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny import CONFIG, features, tiny_model
from torch import Tensor
from torch.nn.functional import normalize

from diffusionret import DiffusionRet, Gallery, Retriever
from diffusionret.config import GeneratorConfig, ModelConfig, OpenSetConfig
from diffusionret.diffusion import ddim, make_schedule
from diffusionret.gallery import fingerprint
from diffusionret.generators.openset import (
    CERTAIN,
    OpenSetDenoiser,
    Pairs,
    bit_loss,
    sample_bits,
    token_interaction,
)
from diffusionret.readout import BITS
from diffusionret.similarity import wti

SMALL = OpenSetConfig(steps=10, width=16, layers=1, state_width=16, state_layers=1, heads=2)
BOTH = replace(CONFIG, openset=SMALL, form="open-set")


@pytest.fixture(scope="module")
def model() -> DiffusionRet:
    return tiny_model(config=BOTH)


def denoiser(seed: int = 0, **changes) -> OpenSetDenoiser:
    torch.manual_seed(seed)
    return OpenSetDenoiser(32, replace(SMALL, **changes)).eval()


def cosines(pairs: Pairs) -> Tensor:
    tokens, frames = normalize(pairs.text.tokens, dim=-1), normalize(pairs.video.frames, dim=-1)
    return tokens[pairs.text_of] @ frames[pairs.video_of].transpose(-1, -2)


def noise(*shape: int, seed: int = 1) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


class Told(OpenSetDenoiser):
    """A perfect network where every bit is independent of the others: its log odds, and what x_t says."""

    def __init__(self, log_odds: Tensor) -> None:
        torch.nn.Module.__init__(self)  # without any of its layers
        self.said = log_odds

    def levels(self, alpha_bar: Tensor) -> tuple[Tensor, Tensor]:
        return 2 * alpha_bar.sqrt() / (1 - alpha_bar), alpha_bar.new_zeros(len(alpha_bar), 16)

    def log_odds(self, given: Tensor, x: Tensor, gain: Tensor | float) -> Tensor:
        return self.said + (gain * x).clamp(-CERTAIN, CERTAIN)


# --- the parts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_candidates_may_come_in_any_order(model, direction):
    text, video = features(6, 6)
    candidates = torch.stack(
        [torch.randperm(6, generator=torch.Generator().manual_seed(i)) for i in range(6)]
    )
    order, x = torch.tensor([3, 0, 5, 1, 4, 2]), noise(6, 6)
    walks = [
        model.generate(text, video, c, direction, steps=4, noise=n)
        for c, n in ((candidates, x), (candidates[:, order], x[:, order]))
    ]
    assert torch.allclose(walks[0].x0[..., order], walks[1].x0, atol=1e-5)


def test_the_similarity_of_pairs_is_the_models(model):
    text, video = features(5, 7)
    candidates = torch.arange(7).expand(5, -1)
    pairs = model.choose("open-set").pairs(text, video, candidates, "t2v")
    cosine = cosines(pairs)
    words = model.text_weights.weigh(text.tokens, text.mask)
    frames = model.video_weights.weigh(video.frames, video.mask)
    assert torch.allclose(token_interaction(cosine, pairs), wti(text, video, words, frames), atol=1e-5)
    mirrored = model.choose("open-set").pairs(text, video, torch.arange(5).expand(7, -1), "v2t")
    cosine = cosines(mirrored)
    assert torch.allclose(token_interaction(cosine, mirrored), model.similarity(text, video).T, atol=1e-5)


def test_padding_changes_nothing(model):
    text, video = features(4, 4)
    loud_text, loud_video = features(4, 4)
    loud_text.tokens[text.mask == 0] *= -3
    loud_video.frames[video.mask == 0] *= -3
    candidates, x = torch.arange(4).expand(4, -1), noise(4, 4)
    quiet = model.generate(text, video, candidates, steps=3, noise=x)
    assert torch.equal(quiet.x0, model.generate(loud_text, loud_video, candidates, steps=3, noise=x).x0)


def test_no_bit_is_certain_before_it_is_heard():
    """At pure noise x_t says nothing of its own bit, at no noise it says all."""
    network = denoiser()
    context, x = noise(2, 5, 16), noise(2, 5)
    silent = network(context, x, torch.zeros(2))
    assert silent.abs().max() < CERTAIN / 2
    clear = network(context, torch.tensor([[1.0, -1, 1, -1, -1]] * 2), torch.full((2,), 0.9999))
    assert torch.equal(clear > 0, torch.tensor([[True, False, True, False, False]] * 2))


def test_the_loss_is_the_cross_entropy_of_the_bits():
    context, match = torch.zeros(3, 4, 16), torch.tensor([[True, False, False, True]] * 3)
    network = Told(torch.tensor(0.7))
    u, z = torch.rand(2, 3, generator=torch.Generator().manual_seed(0)), noise(2, 3, 4)
    total = 0.0
    for d in range(2):
        for q in range(3):
            alpha_bar = torch.cos(u[d, q] * torch.pi / 2) ** 2
            for k in range(4):
                bit = 1.0 if match[q, k] else -1.0
                x = alpha_bar.sqrt() * bit + (1 - alpha_bar).sqrt() * z[d, q, k]
                said = (2 * alpha_bar.sqrt() * x / (1 - alpha_bar)).clamp(-CERTAIN, CERTAIN)
                total -= torch.nn.functional.logsigmoid(bit * (0.7 + said)).item()
    assert bit_loss(network, context, match, u, z).item() == pytest.approx(total / 24, rel=1e-4)


# --- samples mean what they say ---------------------------------------------------------------------------


@settings(max_examples=10, deadline=None)
@given(log_odds=st.floats(-3, 3), steps=st.sampled_from([8, 20, 50]))
def test_samples_of_a_perfect_network_have_its_probability(log_odds, steps):
    z = noise(4000, 1, 2, seed=3)
    schedule = make_schedule("cosine", 50).respaced(steps)
    _, x0 = sample_bits(Told(torch.tensor(log_odds)), torch.zeros(1, 2, 16), schedule, z)
    wanted = torch.sigmoid(torch.tensor(log_odds)).item()
    found = BITS.shares(x0[-1])
    assert found.mean().item() == pytest.approx(wanted, abs=0.03)
    neither = BITS.none(x0[-1]).mean().item()
    assert neither == pytest.approx((1 - wanted) ** 2, abs=0.03)


def test_one_step_gives_every_seed_the_same_answer():
    _, x0 = sample_bits(
        Told(torch.tensor(0.4)),
        torch.zeros(1, 3, 16),
        make_schedule("cosine", 50).respaced(1),
        noise(9, 1, 3),
    )
    assert x0[-1].std(0).max() < 0.05


def test_it_learns_which_bits_go_together():
    """Either the first two match, or the last, or (a third of the time) none: no product of marginals says that."""
    network = denoiser(state_width=32, state_layers=2).train()
    sets = torch.tensor([[True, True, False], [False, False, True], [False, False, False]])
    context = torch.eye(3, 32)[None].expand(96, -1, -1)  # tells the places apart, and nothing else
    optimizer = torch.optim.Adam(network.parameters(), 3e-3)
    g = torch.Generator().manual_seed(0)
    for _ in range(250):
        match = sets[torch.randint(3, (96,), generator=g)]
        loss = bit_loss(
            network, context, match, torch.rand(2, 96, generator=g), torch.randn(2, 96, 3, generator=g)
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    schedule = make_schedule("cosine", 50)
    _, x0 = sample_bits(network.eval(), context[:1], schedule, noise(600, 1, 3))
    drawn = x0[-1, :, 0] > 0
    shares = [(drawn == s).all(1).float().mean().item() for s in sets]
    assert sum(shares) > 0.93
    assert all(0.2 < share < 0.47 for share in shares)
    assert BITS.none(x0[-1]).mean().item() == pytest.approx(shares[2], abs=0.05)


# --- in a model -------------------------------------------------------------------------------------------


def test_a_model_holds_both_forms(model, tmp_path):
    assert model.forms == ("open-set", "published")
    assert tiny_model(config=replace(BOTH, form="published")).forms == ("published", "open-set")
    assert tiny_model(config=replace(BOTH, generator=None)).forms == ("open-set",)
    model.save_pretrained(tmp_path)
    again = DiffusionRet.from_pretrained(tmp_path)
    assert again.config == model.config and isinstance(again.config.openset, OpenSetConfig)
    text, video = features(2, 5)
    candidates, x = torch.arange(5).expand(2, -1), noise(2, 5)
    for form in model.forms:
        walks = [m.generate(text, video, candidates, steps=3, noise=x, form=form) for m in (model, again)]
        assert walks[0].form == form
        assert torch.allclose(walks[0].x0, walks[1].x0, atol=0.02)


def test_the_published_form_is_untouched_by_the_other(model):
    alone = tiny_model(config=CONFIG)
    alone.load_state_dict({k: v for k, v in model.state_dict().items() if not k.startswith("openset.")})
    text, video = features(3, 6)
    candidates, x = torch.arange(6).expand(3, -1), noise(2, 3, 6)
    a = model.generate(text, video, candidates, steps=5, noise=x, form="published")
    b = alone.generate(text, video, candidates, steps=5, noise=x)
    assert torch.equal(a.x0_raw, b.x0_raw) and a.no_match is None
    assert torch.equal(model.boost(a), alone.boost(b))


def test_a_gallery_outlives_another_generator(model):
    assert fingerprint(model) == fingerprint(tiny_model(config=CONFIG))


def test_what_is_not_there_is_said():
    with pytest.raises(ValueError, match="no generator 'open-set': choose published"):
        tiny_model(config=CONFIG).choose("open-set").config
    with pytest.raises(ValueError, match="wti"):
        replace(BOTH, interaction="cls")
    with pytest.raises(ValueError, match="published, open-set"):
        replace(BOTH, form="magic")
    assert ModelConfig.from_dict(BOTH.to_dict()) == BOTH
    assert type(BOTH.generator) is GeneratorConfig


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_seeds_run_together_as_alone(model, direction):
    text, video = features(4, 4)
    candidates, x = torch.arange(4).expand(4, -1), noise(3, 4, 4)
    walk = model.generate(text, video, candidates, direction, steps=5, noise=x)
    assert walk.x.shape == (6, 3, 4, 4) and walk.x0.shape == (5, 3, 4, 4)
    assert walk.x0.abs().max() <= 1 and torch.equal(walk.x0, walk.x0_raw)
    assert torch.equal(walk.sample, walk.x0[-1])
    for s in range(3):
        alone = model.generate(text, video, candidates, direction, steps=5, noise=x[s])
        assert torch.allclose(alone.x0, walk.x0[:, s], atol=1e-5)
    assert torch.allclose(walk.probability, ((walk.x0[-1] + 1) / 2).mean(0))
    assert torch.allclose(walk.no_match, ((1 - walk.x0[-1]) / 2).prod(-1).mean(0))


def test_the_boost_is_the_probability(model):
    text, video = features(2, 9)
    similarity = model.similarity(text, video)
    candidates = similarity.topk(4, dim=1).indices
    walk = model.generate(text, video, candidates, steps=5, noise=noise(3, 2, 4))
    new = model.rerank(similarity, walk, alpha=0.5)
    assert torch.allclose(
        new.gather(1, candidates) - similarity.gather(1, candidates), 0.5 * walk.probability
    )
    others = torch.ones_like(new).scatter(1, candidates, 0.0).bool()
    assert torch.equal(new[others], similarity[others])


def test_noise_added_on_the_way_can_be_repeated(model):
    text, video = features(2, 4)
    candidates, x = torch.arange(4).expand(2, -1), noise(2, 4)

    def walk(seed: int) -> Tensor:
        g = torch.Generator().manual_seed(seed)
        return model.generate(text, video, candidates, steps=5, noise=x, eta=1.0, generator=g).x

    assert torch.equal(walk(0), walk(0)) and not torch.equal(walk(0), walk(1))


# --- in a search ------------------------------------------------------------------------------------------


def test_a_search_says_how_probable_each_clip_is_and_that_there_is_none(model):
    _, video = features(1, 30, seed=3)
    retriever = Retriever(model, Gallery.in_memory(video))
    result = retriever.search("a red boat", k=12, candidates=8, steps=6, seeds=5)
    walk = result.trajectory
    assert walk is not None and walk.form == "open-set" and walk.x0.shape == (6, 5, 1, 8)
    assert result.no_match == pytest.approx(walk.no_match.item(), abs=1e-6)
    probability = {int(c): p for c, p in zip(walk.candidates[0], walk.probability[0].tolist(), strict=True)}
    for hit in result.hits:
        position = retriever.gallery.position(hit.id)
        if position in probability:
            assert hit.probability == pytest.approx(probability[position], abs=1e-6)
            assert hit.boost == pytest.approx(hit.probability * BOTH.openset.alpha, abs=1e-6)
        else:
            assert hit.probability is None and hit.boost == 0


def test_sampling_is_ddim_over_the_network():
    network, x = denoiser().eval(), noise(3, 2, 5)
    context = torch.randn(2, 5, 16, generator=torch.Generator().manual_seed(1))
    plan = make_schedule("cosine", 50).respaced(6)

    def denoise(x: Tensor, t: int) -> Tensor:
        wide, flat = context.expand(3, -1, -1, -1).flatten(0, 1), x.flatten(0, 1)
        level = plan.alpha_bar[plan.timesteps == t].float().expand(len(flat))
        return (network(wide, flat, level) / 2).tanh().view_as(x)

    with torch.no_grad():
        expected = torch.stack([step.x for step in ddim(denoise, x, plan)])
    assert torch.allclose(sample_bits(network, context, plan, x)[0][1:], expected, atol=1e-5)


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_padding_beyond_the_longest_text_changes_nothing(model, direction):
    text, video = features(6, 6)
    wide = text._replace(
        tokens=torch.cat([text.tokens, 7 * torch.ones(6, 3, 32)], dim=1),
        mask=torch.cat([text.mask, torch.zeros(6, 3).long()], dim=1),
    )
    candidates, x = torch.arange(6).expand(6, -1), noise(6, 6)
    walks = [model.generate(t, video, candidates, direction, steps=3, noise=x) for t in (text, wide)]
    assert torch.allclose(walks[0].x0, walks[1].x0, atol=1e-5)
