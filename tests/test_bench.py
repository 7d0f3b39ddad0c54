"""The bench: its contenders compute the same, and its report says what was measured."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from unittest.mock import patch

import pytest
import torch
from tiny import features, tiny_model

from analysis import bench


@pytest.mark.parametrize("direction", ["t2v", "v2t"])
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_plain_loop_and_the_sampler_agree(direction: str, seeds: int) -> None:
    model, (text, video) = tiny_model(), features(40, 40)
    candidates = torch.stack([torch.randperm(40)[:8] for _ in range(40)])
    noise = torch.randn((seeds, 40, 8) if seeds > 1 else (40, 8))
    with patch.object(bench, "STEPS", 5):
        plain = bench.plain_loop(model, text, video, candidates, direction, noise)
    exact = model.generate(text, video, candidates, direction, steps=5, noise=noise).sample
    assert plain.shape == exact.shape and torch.allclose(plain, exact, atol=1e-4)


def test_contenders_take_turns_and_medians_are_compared() -> None:
    turns: list[str] = []

    def slow() -> None:
        turns.append("slow")
        time.sleep(0.05)

    found = bench.side_by_side(slow, lambda: turns.append("fast"), budget=0.12)
    assert turns.count("slow") == 3 and found["plain"] >= 0.05 > found["sampler"]
    assert {"fast"} == {turns[i + 1] for i, turn in enumerate(turns[:-1]) if turn == "slow"}


def test_random_features_have_the_models_sizes() -> None:
    model = tiny_model()
    text, video = bench.features(model, 3, 5)
    assert text.cls.shape == (3, 32) and video.frames.shape == (5, model.config.frames, 32)
    assert torch.allclose(video.frames.norm(dim=-1), torch.tensor(10.0))
    assert (text.mask.sum(dim=1) == bench.REAL_WORDS).all()


REPORT = {
    "sampling": [
        {"model": "512", "direction": d, "queries": q, "K": 32, "seeds": 1, "ratio": r}
        for d, q, r in (("t2v", 1, 301.0), ("v2t", 1, 250.0), ("t2v", 1000, 90.0), ("v2t", 1000, 91.0))
    ],
    "search": [
        {"generator": "published", "seeds": 1, "total": 9.04, "generation_share": 0.15},
        {"generator": "open-set", "seeds": 16, "total": 45.4, "generation_share": 0.8},
    ],
    "indexing": [{"ratio": 0.91}],
    "start": [{"again_seconds": 7.04}],
}


def test_the_summary_says_the_least_favourable_ratio_and_no_more_than_was_measured() -> None:
    said = bench.summary(REPORT)
    assert "250 x" in said and "301" not in said and "90 x" in said and "for 1,000 at a time" in said
    assert "9.0 ms, 15 %" in said and "45 ms with 16 seeds" in said and "91 %" in said and "7.0 s" in said
    assert bench.summary({"start": REPORT["start"]}) == "The app answers 7.0 s after its start."
    assert bench.summary({}) == ""


def test_a_run_writes_its_parts_its_command_and_the_machine(tmp_path: Path, capsys) -> None:
    out = tmp_path / "bench.json"
    answer = json.dumps({"found": [{"videos": 3, "ratio": 0.5}], "peak_memory_MB": 12.5})
    done = type("Done", (), {"stdout": f"noise\n{answer}\n".encode()})
    arguments = ["bench", "--parts", "indexing", "gpu", "--out", str(out)]
    with patch.object(sys, "argv", arguments), patch("subprocess.run", lambda *_, **__: done):
        bench.main()
    report = json.loads(out.read_text())
    assert report["indexing"] == [{"videos": 3, "ratio": 0.5}]
    assert report["command"] == "python -m analysis.bench --parts indexing gpu"
    assert report["machine"][0]["torch"] and [row["peak_memory_MB"] for row in report["processes"]] == [
        12.5,
        12.5,
    ]
    assert "50 %" in capsys.readouterr().out
