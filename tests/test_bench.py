"""The bench: its contenders compute the same, and its report says what was measured."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from tiny import CONFIG, features, tiny_model

from analysis.bench import command, precision, steps, timing, workload
from analysis.bench.evaluation import evaluate
from analysis.bench.figures import growth_plot
from analysis.bench.plain import plain_loop
from analysis.bench.queries import CaptionQueries
from analysis.bench.report import summary
from analysis.bench.search import searches
from analysis.model_card.speed import speed
from diffusionret import Gallery, Retriever
from diffusionret.config import GeneratorConfig, OpenSetConfig


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_plain_loop_and_the_sampler_agree(direction: str, seeds: int) -> None:
    model, (text, video) = tiny_model(), features(40, 40)
    candidates = torch.stack([torch.randperm(40)[:8] for _ in range(40)])
    noise = torch.randn((seeds, 40, 8) if seeds > 1 else (40, 8))
    plain = plain_loop(model, text, video, candidates, direction, noise, steps=5)
    exact = model.generate(text, video, candidates, direction, steps=5, noise=noise).sample
    assert plain.shape == exact.shape and torch.allclose(plain, exact, atol=1e-4)


@pytest.mark.parametrize(("taken", "turns", "times"), [(0.001, 3, 13), (0.02, 3, 1), (0.2, 1, 1)])
def test_contenders_take_turns_and_medians_are_compared(taken: float, turns: int, times: int) -> None:
    """taken: seconds of the fast one; of so many turns with so many times each."""
    ran: list[str] = []

    def pretend(work: Callable[[], object]) -> float:
        work()
        return 0.05 if ran[-1] == "slow" else taken

    with patch.object(timing, "seconds", pretend):
        found = timing.side_by_side(
            lambda: ran.append("slow"),
            {"a": lambda: ran.append("a"), "b": lambda: ran.append("b")},
            budget=0.12,
        )
    assert ran == ["slow", *["a"] * times, *["b"] * times] * turns
    assert found == {"plain": 0.05, "a": taken, "b": taken}


def test_random_features_have_the_models_sizes() -> None:
    model = tiny_model()
    text, video = workload.features(model, 3, 5)
    assert text.cls.shape == (3, 32) and video.frames.shape == (5, model.config.frames, 32)
    assert torch.allclose(video.frames.norm(dim=-1), torch.tensor(10.0))
    assert (text.mask.sum(dim=1) == workload.REAL_WORDS).all()


@pytest.fixture
def queries() -> CaptionQueries:
    small = OpenSetConfig(steps=3, width=16, heads=2)
    config = replace(CONFIG, generator=GeneratorConfig(steps=3), openset=small, form="open-set")
    model, (text, video) = tiny_model(config=config), features(12, 12)
    with torch.no_grad():
        similarity = model.similarity(text, video)
    return CaptionQueries(model, text, video, similarity, similarity.topk(8).indices, torch.randn(12, 8))


def test_fewer_steps_and_half_precision_are_judged_for_every_generator(queries: CaptionQueries) -> None:
    with patch.object(steps, "bundled", lambda quick: queries):
        counts = steps.steps_needed(quick=True)
    with patch.object(precision, "bundled", lambda quick: queries):
        halves = precision.half_precision(quick=True)
    assert {row["generator"] for row in counts} == {"published"}, "the match head ranks without steps"
    last = counts[-1]
    assert last["steps"] == 3 and last["first_is_the_same"] == last["first_ten_are_the_same"] == 100
    for form in ("open-set", "published"):
        half, brain = (row for row in halves if row["generator"] == form)
        assert 0 < half["score_moves"] < brain["score_moves"]
        assert half["provably_the_same"] <= half["first_is_the_same"]


def test_an_evaluation_has_parts_for_every_generator(queries: CaptionQueries) -> None:
    for form in queries.model.forms:
        row = evaluate(queries.model, form, 33, steps=3)
        assert list(row) == ["similarity", "generation", "ranks", "total"]
        assert row["total"] == pytest.approx(sum(list(row.values())[:-1])) and min(row.values()) > 0


def test_a_figure_shows_how_the_time_grows() -> None:
    rows = [{"K": k, "published": float(k), "open-set": 2.0 * k} for k in (8, 32)]
    lines = growth_plot(rows).data
    assert [line.name for line in lines] == ["published", "open-set"]
    assert lines[1].x == (8, 32) and lines[1].y == (16.0, 64.0)


REPORT = {
    "sampling": [
        {
            "model": "512",
            "direction": d,
            "queries": q,
            "K": 32,
            "seeds": 1,
            "sampler_ratio": r,
            "prepared_ratio": p,
        }
        for d, q, r, p in (
            ("t2v", 1, 301, 401),
            ("v2t", 1, 250, 371),
            ("t2v", 1000, 90, 98),
            ("v2t", 1000, 91, 97),
        )
    ],
    "search": [
        {
            "generator": "open-set",
            "seeds": 16,
            "total": 21.3,
            "drawing": 24.4,
            "times_text_tower": 2.93,
            "head_times_text_tower": 1.14,
        },
        {"generator": "published", "seeds": 1, "total": 9.04, "drawing": 0.0},
        {"generator": "published", "seeds": 16, "total": 14.8, "drawing": 0.0},
    ],
    "indexing": [{"clips": "short", "ratio": 0.61}, {"clips": "long", "ratio": 0.91}],
    "start": [{"again_seconds": 7.04}],
}


def test_a_search_and_what_it_draws_are_timed_apart() -> None:
    small = OpenSetConfig(steps=3, sampling_steps=3, width=16, heads=2)
    config = replace(CONFIG, generator=GeneratorConfig(steps=3), openset=small, form="open-set")
    retriever = Retriever(tiny_model(config=config), Gallery.in_memory(features(1, 12)[1]))
    texts = ["a red boat", "a dog"]
    head = searches(retriever, texts, "open-set", None, 9.0)
    assert head["seeds"] == small.seeds and head["draw"] == 0 < head["drawing"] and head["searches"] == 2
    assert head["times_text_tower"] == pytest.approx(head["total"] / head["encode"]) and head["generate"] > 0
    sampled = searches(retriever, texts, "published", 4, 9.0)
    assert sampled["draw"] > 0 == sampled["drawing"] and sampled["seeds"] == 4
    assert list(head) == list(sampled), "one table"


def test_the_summary_says_the_least_favourable_ratio_and_no_more_than_was_measured() -> None:
    said = summary(REPORT)
    assert "250 x" in said and "301" not in said and "90 x" in said and "for 1,000 at a time" in said
    assert "371 x where the gallery was prepared" in said and "401" not in said and "97 x" in said
    assert said.startswith("Sampling is 250 x") and said.endswith("after its start.")
    assert (
        "open-set generator takes 21.3 ms, 2.9 times as long as encoding its text, of which trunk and match head take "
        "1.1" in said
    )
    assert "drawing 16 noises, where somebody looks at them, takes 24.4 ms more" in said
    assert "published generator takes 9.0 ms with 1 noise" in said and "14.8 ms with 16 noises" in said
    assert "61 % (short) and 91 % (long) of" in said and "7.0 s" in said
    assert summary({"start": REPORT["start"]}) == "The app answers 7.0 s after its start."
    assert summary({}) == ""
    card = {"card": "A card", "sampler": 12.34, "ratio": 71.2, "reached": 0.51}
    said = summary({"gpu": [card]})
    assert said.startswith(
        "On a GPU (A card) 1,000 texts and 1,000 videos together take 12.3 ms, 71 x as fast"
    )
    assert "plain loop there and 51 %" in said


def test_the_readme_says_what_was_measured() -> None:
    report = json.loads(command.RESULTS.read_text(encoding="utf-8"))
    said = speed(report)
    assert said in (command.ROOT / "README.md").read_text(encoding="utf-8")


def test_a_run_writes_its_parts_its_command_and_the_machine(tmp_path: Path, capsys) -> None:
    out = tmp_path / "bench.json"
    answer = json.dumps({"figures": [{"clips": "short", "videos": 3, "ratio": 0.5}], "peak_memory_MB": 12.5})
    done = type("Done", (), {"stdout": f"noise\n{answer}\n".encode()})
    arguments = ["bench", "--parts", "indexing", "steps", "--out", str(out)]
    with patch.object(sys, "argv", arguments), patch("subprocess.run", lambda *_, **__: done):
        command.main()
    report = json.loads(out.read_text())
    assert report["indexing"] == [{"clips": "short", "videos": 3, "ratio": 0.5}]
    assert report["command"] == "python -m analysis.bench --parts indexing steps"
    assert report["minutes"] == 0 and report["machine"][0]["torch"]
    assert [row["peak_memory_MB"] for row in report["processes"]] == [12.5, 12.5]
    assert "50 %" in capsys.readouterr().out
