import numpy as np
import pytest
import torch
from tiny import BOTH, CONFIG, features, tiny_model

from diffusionret import evaluate
from diffusionret.datasets.storybook import clips, world
from diffusionret.fusion import fuse


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_generator_only_rank_candidates_first(model, direction):
    text, video = features(12, 12)
    scores = model.similarity(text, video)
    scores = scores if direction == "t2v" else scores.T.contiguous()
    walk = evaluate.generate(model, text, video, scores, direction, candidates=5)
    alone = fuse(model, text, video, scores, walk).alone(scores)
    for q in range(12):
        chosen = walk.candidates[q].tolist()
        by_x0 = [chosen[i] for i in walk.x0_raw[-1, q].argsort(descending=True)]
        rest = [i for i in scores[q].argsort(descending=True).tolist() if i not in chosen]
        assert alone[q].argsort(descending=True, stable=True).tolist() == by_x0 + rest


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
def test_a_match_head_ranks_without_a_draw(direction):
    """As in a search: similarity + alpha * p(match), whatever was drawn."""
    both, (text, video) = tiny_model(config=BOTH), features(12, 12)
    scores = both.similarity(text, video)
    scores = scores if direction == "t2v" else scores.T.contiguous()
    walks = [evaluate.generate(both, text, video, scores, direction, 5, seed=seed) for seed in (0, 9)]
    one, other = (fuse(both, text, video, scores, walk) for walk in walks)
    assert torch.equal(one.boost, other.boost) and not torch.equal(walks[0].x, walks[1].x)
    match = both.match(text, video, one.candidates, direction)
    assert torch.allclose(one.boost, both.config.openset.alpha * match.probability, atol=1e-6)
    added = one.added(scores)
    assert torch.allclose(added.gather(1, one.candidates), scores.gather(1, one.candidates) + one.boost)
    rest = torch.ones_like(scores).scatter(1, one.candidates, 0.0).bool()
    assert torch.equal(added[rest], scores[rest])
    for q in range(12):
        best = one.candidates[q][match.probability[q].argsort(descending=True)].tolist()
        assert one.alone(scores)[q].argsort(descending=True)[:5].tolist() == best


def test_compare_counts_what_moved(model):
    text, video = features(12, 12)
    row, records = evaluate.compare(model, text, video, "t2v")
    assert [r["rank_after"] < r["rank_before"] for r in records].count(True) == row["moved_up"]
    scores = model.similarity(text, video)
    walk = evaluate.generate(model, text, video, scores, "t2v")
    new = model.rerank(scores, walk)
    place = [(s.argsort(descending=True) == i).nonzero().item() for i, s in enumerate(scores)]
    after = [(s.argsort(descending=True) == i).nonzero().item() for i, s in enumerate(new)]
    assert row["moved_up"] == sum(b < a for a, b in zip(place, after, strict=True))
    assert row["moved_down"] == sum(b > a for a, b in zip(place, after, strict=True))
    assert row["after"]["R1"] == pytest.approx(100 * np.mean(np.array(after) == 0))
    assert row["gain_R1"][0] == pytest.approx(row["after"]["R1"] - row["before"]["R1"])


def test_noise_figures_see_a_generator_that_ignores_its_noise(model):
    text, video = features(12, 12)
    scores = model.similarity(text, video)
    walk = evaluate.generate(model, text, video, scores, "t2v")
    figures = evaluate.noise_figures(model, text, video, scores, walk)
    assert 0 <= figures["seed_variance"] <= 1 and 0 < figures["seeds_agree"] <= 1
    deaf = tiny_model()
    with torch.no_grad():  # attention logits so large that x_t cannot matter
        deaf.generator["t2v"].q_proj.weight.mul_(1e4)
    walk = evaluate.generate(deaf, text, video, scores, "t2v")
    silent = evaluate.noise_figures(deaf, text, video, scores, walk)
    assert silent["seed_variance"] < 1e-6 and silent["seeds_agree"] == 1 and silent["qk_std"] > 100


def test_a_whole_report_on_a_few_clips(monkeypatch, tmp_path):
    from dataclasses import replace

    model = tiny_model(config=replace(CONFIG, words=32, clip=replace(CONFIG.clip, context_length=32)))
    scenes, pairs = world.split("test")[:16], world.minimal_pairs("roles")[:4]
    monkeypatch.setattr(world, "split", lambda name, look="storybook": scenes)
    monkeypatch.setattr(world, "minimal_pairs", lambda kind, look="storybook": pairs)
    report = evaluate.evaluate_storybook(model, "test", tmp_path)
    assert set(report["pairs"]) == {"direction", "roles"} and report["queries"] == 16
    for direction in ("t2v", "v2t"):
        assert {"before", "after", "generator_only"} <= set(report[direction])
    natural = report["natural"]
    assert 0 < natural["ceiling_R1"] <= 100
    assert natural["before"]["of_ceiling"] == pytest.approx(natural["before"]["R1"] / natural["ceiling_R1"])
    assert "text to video, before" in evaluate.as_table(report)
    assert clips.frame_times(2) == [0.25, 0.75]
