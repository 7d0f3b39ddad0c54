"""Training sets of the open-set generator, the same for Storybook and the benchmarks."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from tiny import CONFIG, features, tiny_model
from torch import Tensor
from typechecks import unchecked

from diffusionret import DiffusionRet
from diffusionret.config import OpenSetConfig
from diffusionret.generators.openset import Answers, OpenSetNetwork
from diffusionret.pool import Pool, make_pool
from diffusionret.training import openset_sets as sets
from diffusionret.training.openset_sets import (
    SetConfig,
    absent_queries,
    gallery_size,
    mixed_candidates,
    set_loss,
    validate_sets,
)

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


def asked(pool: Pool, direction: str, monkeypatch: pytest.MonkeyPatch, **settings: float) -> list[tuple]:
    """(which candidates match, what the galleries hold, for which queries something matches) of several sets."""
    collected, seen = [], []

    def network(pairs, row, direction, there) -> Answers:
        count = max(pairs.text_of.shape[1], pairs.video_of.shape[1])
        seen.append(there)
        return Answers(torch.zeros(20, count), torch.zeros(20, count), torch.arange(20.0))

    def loss(answers: Answers, match: Tensor, some: Tensor) -> Tensor:
        collected.append((match, seen[-1], some, answers.none.long()))
        return answers.choice.sum()

    monkeypatch.setattr(sets, "match_loss", loss)
    queries = pool.queries(direction, torch.arange(20))
    own = queries.fits & torch.eye(20, dtype=torch.bool)
    for seed in range(40):
        with unchecked():
            set_loss(network, queries, own, 12, torch.Generator().manual_seed(seed), SetConfig(**settings))  # type: ignore[arg-type]
    return collected


@pytest.mark.parametrize("mixed", [0.0, 1.0])
def test_of_candidates_of_another_query_it_is_only_asked_whether_they_match(
    pool: Pool, mixed, monkeypatch
) -> None:
    monkeypatch.setattr(sets, "MIXED", mixed)
    said: list[Answers] = []

    def network(pairs, row, direction, there) -> Answers:
        shape = (20, pairs.video_of.shape[1])
        said.append(Answers(*(torch.zeros(size, requires_grad=True) for size in (shape, shape, shape[:1]))))
        return said[-1]

    for seed in range(10):
        queries = pool.queries("t2v", torch.arange(20))
        own = queries.fits & torch.eye(20, dtype=torch.bool)
        with unchecked():
            set_loss(network, queries, own, 12, torch.Generator().manual_seed(seed)).backward()  # type: ignore[arg-type]
    assert all(answers.match.grad is not None for answers in said)
    learned = sum(answers.choice.grad is not None and answers.none.grad is not None for answers in said)
    assert learned == 10 if not mixed else learned < 5, "only where the gallery is too small to mix"


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_a_share_of_the_queries_has_no_match(pool: Pool, direction: str, monkeypatch) -> None:
    fits = pool.queries(direction, torch.arange(20)).fits
    for match, there, some, rows in asked(pool, direction, monkeypatch, absent=0.0):
        assert some.all() and torch.equal(some, (fits & there).any(1)[rows])
        assert (match.sum(1) <= (fits & there).sum(1)[rows]).all()
    empty = []
    for match, there, some, rows in asked(pool, direction, monkeypatch, absent=0.6):
        assert not match[~some].any() and torch.equal(some, (fits & there).any(1)[rows])
        empty.append(1 - some.float().mean().item())
    assert 0.2 < sum(empty) / len(empty) < 0.4 and max(empty) > 0.4 > 0.2 > min(empty), (
        "each step its own share"
    )


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_galleries_of_all_sizes_are_asked(pool: Pool, direction: str, monkeypatch) -> None:
    sizes = [int(there.sum(1).max()) for _, there, _, _ in asked(pool, direction, monkeypatch)]
    assert min(sizes) == 1 and max(sizes) > 15 and len(set(sizes)) > 8
    assert [gallery_size(1, torch.Generator().manual_seed(s), 0.2) for s in range(5)] == [1] * 5


def test_candidates_of_the_next_query_stand_among_the_own_ones() -> None:
    scores = torch.rand(8, 30, generator=torch.Generator().manual_seed(0))
    there = torch.ones(8, 30, dtype=torch.bool)
    there[:, ::5] = False
    own = mixed_candidates(scores, there, 10, 0)
    mixed = mixed_candidates(scores, there, 10, 4)
    of_next = torch.where(there, scores, -1.0).roll(-1, dims=0)
    for q in range(8):
        assert set(own[q, :6].tolist()) <= set(mixed[q].tolist()) and len(set(mixed[q].tolist())) == 10
        rest = [v for v in of_next[q].argsort(descending=True).tolist() if v not in own[q, :6].tolist()]
        assert set(mixed[q].tolist()) == {*own[q, :6].tolist(), *rest[:4]}
    held = scores.gather(1, mixed)
    assert there.gather(1, mixed).all() and torch.equal(held, held.sort(dim=1, descending=True).values)
    few = torch.zeros(8, 30, dtype=torch.bool)
    few[:, :3] = True
    padded = mixed_candidates(scores, few, 10, 4)
    assert few.gather(1, padded)[:, :3].all(), "what the gallery does not hold comes last"
    assert all(len(set(row)) == 10 for row in padded.tolist())


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
    answers = [model.openset(pairs, queries.scores, direction) for pairs in (ours, theirs)]
    assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(*answers, strict=True))
    whole = pool.fits if direction == "t2v" else pool.fits.T
    assert (queries.fits == whole[rows]).all() and queries.scores.shape == (2, 20)


def test_three_of_ten_validation_queries_are_absent_and_never_all() -> None:
    assert absent_queries(500).sum() == 150 and absent_queries(20)[:10].tolist() == [True] * 3 + [False] * 7
    for count in range(1, 40):
        absent = absent_queries(count)
        assert absent.shape == (count,) and not absent.all()


@pytest.mark.parametrize(
    ("gap", "rival", "alpha"), [(0.02, -6.0, 10.0), (2.0, -6.0, 10.0), (-0.02, 0.0, 0.1)]
)
def test_validation_keeps_the_largest_alpha_that_costs_nothing_and_scores_by_geometric_mean(
    model: DiffusionRet, monkeypatch: pytest.MonkeyPatch, gap: float, rival: float, alpha: float
) -> None:
    """Every match is `gap` less similar than the best candidate. The head knows it for sure, or takes a rival for a
    little more probable."""
    own = torch.eye(20, dtype=torch.bool)
    pool = make_pool(model, *features(20, 20), own)
    pool = pool._replace(similarity=torch.where(own, 1.0 - gap, 1.0 - 0.001 * torch.arange(20.0)))

    def answers(self, pairs, row, direction, there=None) -> Answers:
        chosen = pairs.video_of if direction == "t2v" else pairs.text_of
        match = chosen == torch.arange(20)[:, None]
        held = match & there.gather(1, chosen)
        other = chosen == (torch.arange(20)[:, None] + 1) % 20
        odds = torch.where(match, 6.0 if rival < 0 else -0.4, torch.where(other, rival, -6.0))
        return Answers(torch.zeros(20, 20), odds, torch.where(held.any(1), -6.0, 6.0))

    monkeypatch.setattr(OpenSetNetwork, "forward", answers)
    wide = replace(model.config, openset=replace(SMALL, candidates=20))
    monkeypatch.setattr(model, "config", wide)
    score, figures = validate_sets(model, pool, torch.arange(20))
    assert figures["alpha"] == alpha and model.config.openset == replace(SMALL, candidates=20, alpha=alpha)
    assert figures["top1_fits_fused"] == 100.0 and (figures["top1_fits_similarity"] == 100.0) == (gap < 0)
    assert figures["no_match_error"] < 0.02 and figures["none_log_loss"] < 0.02
    assert (
        score == pytest.approx(math.exp(-figures["log_loss"] - figures["none_log_loss"])) and 0 < score <= 1
    )


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
