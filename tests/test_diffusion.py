import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from diffusionret.diffusion import add_noise, ddim, make_schedule


@given(st.sampled_from(["cosine", "linear"]), st.integers(21, 400))
def test_alpha_bar_falls_from_almost_one_to_almost_zero(name, steps):
    level = make_schedule(name, steps).alpha_bar
    assert (level.diff() < 0).all() and 0 < level[-1] < 0.01 < 0.9 < level[0] < 1


def test_cosine_is_the_formula():
    level = make_schedule("cosine", 50).alpha_bar
    f = [math.cos((i / 50 + 0.008) / 1.008 * math.pi / 2) ** 2 for i in range(51)]
    assert level[:-1].tolist() == pytest.approx([f[i + 1] / f[0] for i in range(49)])
    assert (level[-1] / level[-2]).item() == pytest.approx(0.001)  # the last beta is capped


def test_a_short_linear_schedule_is_refused():
    with pytest.raises(ValueError, match="beta >= 1"):
        make_schedule("linear", 20)
    with pytest.raises(ValueError, match="choose cosine or linear"):
        make_schedule("sigmoid", 50)


@given(st.integers(1, 60))
def test_respacing_keeps_the_noisiest_step_and_the_numbers(steps):
    full = make_schedule("cosine", 60)
    part = full.respaced(steps)
    assert part.steps == steps and part.timesteps[-1] == 59
    assert (part.timesteps.diff() > 0).all() and (steps == 1 or part.timesteps[0] == 0)
    assert torch.equal(part.alpha_bar, full.alpha_bar[part.timesteps])
    with pytest.raises(ValueError, match="cannot be respaced"):
        full.respaced(61)


def test_forward_noise_has_the_right_moments():
    g = torch.Generator().manual_seed(0)
    x0 = torch.full((20000, 1), 0.7)
    x = add_noise(x0, torch.randn(x0.shape, generator=g), torch.tensor(0.36))
    assert x.mean().item() == pytest.approx(0.42, abs=0.02)
    assert x.var().item() == pytest.approx(0.64, abs=0.02)


@pytest.mark.parametrize("eta", [0.0, 0.5, 1.0])
def test_a_perfect_denoiser_is_reached(eta):
    target = torch.tensor([[1.0, 0.0, 0.0, -1.0]])
    walk = list(
        ddim(
            lambda x, t: target,
            torch.randn(1, 4, generator=torch.Generator().manual_seed(1)),
            make_schedule("cosine", 50),
            eta=eta,
            generator=torch.Generator().manual_seed(2),
        )
    )
    assert len(walk) == 50 and [s.t for s in walk] == list(range(49, -1, -1))
    assert torch.allclose(walk[-1].x, target, atol=1e-6)


def test_ancestral_sampling_keeps_the_variance():
    """With a denoiser that knows the mean of N(0, 1) data given x_t, samples stay N(0, 1)."""
    plan = make_schedule("cosine", 200)
    level = {int(t): float(a) for t, a in zip(plan.timesteps, plan.alpha_bar, strict=True)}
    x = torch.randn(4000, 1, generator=torch.Generator().manual_seed(0)) * 0.3
    walk = ddim(
        lambda x, t: 0.3 * (0.3 * math.sqrt(level[t]) * x) / (0.09 * level[t] + 1 - level[t]),
        torch.randn(x.shape, generator=torch.Generator().manual_seed(3)),
        plan,
        eta=1.0,
        generator=torch.Generator().manual_seed(4),
    )
    *_, last = walk
    assert last.x.std().item() == pytest.approx(0.3, rel=0.1)


def test_randomness_is_an_argument():
    with pytest.raises(ValueError, match=r"torch\.Generator"):
        list(ddim(lambda x, t: x, torch.zeros(1, 2), make_schedule("cosine", 5), eta=0.5))
    with pytest.raises(ValueError, match="eta"):
        list(ddim(lambda x, t: x, torch.zeros(1, 2), make_schedule("cosine", 5), eta=1.5))
