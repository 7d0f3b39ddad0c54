"""Training sets of the open-set generator, the same for Storybook and the benchmarks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from tiny import CONFIG, features, tiny_model
from torch import Tensor
from typechecks import unchecked

from diffusionret import DiffusionRet
from diffusionret.config import OpenSetConfig
from diffusionret.generators.openset import OpenSetGenerator
from diffusionret.pool import Pool, make_pool
from diffusionret.training import openset_sets as sets
from diffusionret.training.openset_sets import SetConfig, absent_queries, set_loss, validate_sets

SMALL = OpenSetConfig(steps=10, candidates=6, width=16, layers=1, heads=2)


@pytest.fixture(scope="module")
def model() -> DiffusionRet:
    return tiny_model(config=replace(CONFIG, openset=SMALL, form="open-set"))


@pytest.fixture(scope="module")
def pool(model: DiffusionRet) -> Pool:
    """Twenty texts and videos; a text is true of its own video, and some of the next one too."""
    own = torch.eye(20, dtype=torch.bool)
    extra = own.roll(1, dims=1) & (torch.arange(20) % 3 == 0)[:, None]
    return make_pool(model, *features(20, 20), own | extra)


def matches(pool: Pool, direction: str, **settings: float) -> list[Tensor]:
    """Which candidates match, of several sets of all queries."""
    collected = []

    def objective(network, context, match, u, noise) -> Tensor:
        assert u.shape == (4, 20) and noise.shape == (4, *match.shape)
        quarter = torch.arange(4)[:, None] / 4
        assert ((u >= quarter) & (u <= quarter + 0.25)).all()
        collected.append(match)
        return context.sum()

    network = SimpleNamespace(context=lambda pairs, _: torch.zeros(1))
    queries = pool.queries(direction, torch.arange(20))
    own = queries.fits & torch.eye(20, dtype=torch.bool)
    for seed in range(20):
        config = SetConfig(objective=objective, **settings)
        with unchecked():
            set_loss(network, queries, own, 12, torch.Generator().manual_seed(seed), config)  # type: ignore[arg-type]
    return collected


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_a_share_of_the_queries_has_no_match(pool: Pool, direction: str) -> None:
    # A gallery may hold fewer than 12; absent matches would then fill the rest, so the similar ones are looked at.
    full = torch.stack(matches(pool, direction, absent=0.0, smallest=1.0))
    by_rank = pool.queries(direction, torch.arange(20))
    expected = by_rank.fits.gather(1, by_rank.scores.topk(12, dim=1).indices)
    assert (full == expected).all()
    assert not torch.stack(matches(pool, direction, absent=1.0, smallest=1.0)).any()
    part = torch.stack(matches(pool, direction, absent=0.3, smallest=1.0)).any(2)[:, expected.any(1)]
    assert 0.2 < 1 - part.float().mean() < 0.4


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_queries_carry_their_own_rows(model: DiffusionRet, pool: Pool, direction: str) -> None:
    rows, candidates = torch.tensor([3, 7]), torch.tensor([[1, 3, 5], [7, 2, 0]])
    queries = pool.queries(direction, rows)
    ours = queries.pairs(candidates)
    text, video = pool.text, pool.video
    if direction == "t2v":
        text = type(text)(*(part[rows] for part in text))
    else:
        video = type(video)(*(part[rows] for part in video))
    theirs = model.choose("open-set").pairs(text, video, candidates, direction)
    assert model.openset is not None
    contexts = [model.openset.context(pairs, direction) for pairs in (ours, theirs)]
    assert torch.allclose(*contexts, atol=1e-6)
    whole = pool.fits if direction == "t2v" else pool.fits.T
    assert (queries.fits == whole[rows]).all() and queries.scores.shape == (2, 20)


def test_three_of_ten_validation_queries_are_absent_and_never_all() -> None:
    assert absent_queries(500).sum() == 150 and absent_queries(20)[:10].tolist() == [True] * 3 + [False] * 7
    for count in range(1, 40):
        absent = absent_queries(count)
        assert absent.shape == (count,) and not absent.all()


@pytest.mark.parametrize(("gap", "alpha"), [(0.02, 0.03), (0.2, 0.3), (2.0, 3.0)])
def test_validation_keeps_the_smallest_alpha_that_is_right_and_scores_by_geometric_mean(
    model: DiffusionRet, monkeypatch: pytest.MonkeyPatch, gap: float, alpha: float
) -> None:
    """Every match is `gap` less similar than the best candidate, and the generator knows it for sure."""
    own = torch.eye(20, dtype=torch.bool)
    pool = make_pool(model, *features(20, 20), own)
    pool = pool._replace(similarity=torch.where(own, 1.0 - gap, 1.0 - 0.001 * torch.arange(20.0)))
    probability = []

    def generate(self, text, video, candidates, direction, *_, **__) -> SimpleNamespace:
        match = candidates == torch.arange(20)[:, None]
        probability.append(torch.where(match, 0.99, 0.01))
        return SimpleNamespace(probability=probability[-1], no_match=(~match.any(1)).float())

    monkeypatch.setattr(OpenSetGenerator, "generate", generate)
    wide = replace(model.config, openset=replace(SMALL, candidates=20))
    monkeypatch.setattr(model, "config", wide)
    score, figures = validate_sets(model, pool, torch.arange(20))
    assert figures["alpha"] == alpha and model.config.openset == replace(SMALL, candidates=20, alpha=alpha)
    assert figures["top1_fits_fused"] == 100.0 > figures["top1_fits_similarity"]
    # Where a query is absent its match is a candidate of the last rank, and is still called one.
    assert score == pytest.approx(math.exp(-figures["log_loss"])) and 0 < score <= 1


def test_both_trainings_choose_alpha_from_one_grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import test_training_benchmarks as benchmarks
    import test_training_storybook as storybook

    from diffusionret.datasets.storybook import world

    scenes = world.split("validation")[:12]
    monkeypatch.setattr(world, "split", lambda name, look="storybook": scenes)
    monkeypatch.setattr("diffusionret.training.start.OpenSetConfig", lambda: storybook.OPEN)
    monkeypatch.setattr(sets, "ALPHAS", (0.125,))
    tiny_model(config=replace(storybook.TINY, generator=CONFIG.generator)).save_pretrained(
        tmp_path / "tiny-2" / "best"
    )
    config = replace(storybook.STAGE, name="tiny-open", stage=3, init="tiny-2")
    (tmp_path / "clips").mkdir()
    trainings = (
        storybook.loop(config, tmp_path, tmp_path),
        benchmarks.job(tmp_path / "clips", tmp_path / "b", replace(benchmarks.JOB, stage=3, negatives=5)),
    )
    figures = []
    for training in trainings:
        model = training.average.module["model"].eval()
        figures.append(training.stage.validate(model, training.stage.heads).figures)
        assert model.config.openset.alpha == figures[-1]["alpha"] == 0.125
    assert figures[0].keys() <= figures[1].keys()
