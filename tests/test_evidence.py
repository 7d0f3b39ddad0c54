"""The Evidence tab: results as pictures and tables, whatever a file holds; stored results, and some scripts."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import CONFIG, tiny_model

from analysis import ablations, generation_helps, measure
from demo import evidence
from diffusionret.config import OpenSetConfig
from diffusionret.datasets.storybook import world
from diffusionret.encoders import TextFeatures
from diffusionret.metrics import reliability


def test_a_result_is_a_sentence_a_picture_a_command_and_its_figures(tmp_path):
    rows = [{"name": "<b>", "gain": g, "interval": [g - 1, g + 1]} for g in (-2.0, 3.0)]
    content = {"title": "T & U", "command": "python -m x", "shows": "It <helps>.", "rows": rows}
    (tmp_path / "x.json").write_text(json.dumps(content))
    shown = evidence.tables(tmp_path)
    assert (
        "It &lt;helps&gt;." in shown and "python -m x" in shown and "<svg" in shown and "T &amp; U" in shown
    )
    assert "<b>" not in shown and "&lt;b&gt;" in shown and "+3.0" in shown and "-2.0" in shown
    assert shown.index("cx=") and "<details>" in shown


def test_rows_of_other_forms_have_no_picture():
    for rows in (None, [], [1], [{"a": 1}], [{"gain": 1.0}], [{"gain": None, "interval": [0, 1]}], "rows"):
        assert evidence.plot(rows) == ""
    points = [{"readout": "sharp", "share": 0.9, "right": 0.5, "count": 3}]
    assert 'cy="130.0"' in evidence.plot(points)


SCRIPTS = (
    "generation_helps",
    "sampler_settings",
    "calibration_top1",
    "out_domain",
    "moments",
    "ideas",
    "ablations",
    "open_set",
)


@pytest.mark.parametrize("name", SCRIPTS)
def test_stored_results_have_all_that_the_tab_shows(name):
    content = json.loads((measure.RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    assert content["command"] == f"python -m analysis.{name}" and content["shows"] and content["minutes"] >= 0
    assert evidence.plot(content["rows"])


def test_reliability_of_honest_and_of_boastful_shares():
    rng = np.random.default_rng(0)
    share = rng.random(20000)
    honest = reliability(share, rng.random(20000) < share)
    assert honest.error < 0.02 and honest.count.sum() == 20000 and len(honest.probability) == 10
    assert reliability(np.ones(10), np.zeros(10)).error == 1.0


def frozen(clips: int = 24, captions: int = 2, dim: int = 48) -> ablations.Frozen:
    """Clips whose frames are their captions' tokens, turned by one rotation: what is to be learnt is linear."""
    g = torch.Generator().manual_seed(0)
    turn = torch.linalg.qr(torch.randn(dim, dim, generator=g)).Q
    clip = torch.randn(clips, dim, generator=g)
    tokens = clip.repeat_interleave(captions, 0)[:, None] + 0.1 * torch.randn(
        clips * captions, 5, dim, generator=g
    )
    text = TextFeatures(tokens.mean(1), tokens, torch.ones(tokens.shape[:2]).long())
    return ablations.Frozen(text, (clip @ turn)[:, None].expand(-1, 3, -1).contiguous())


def test_an_objective_trains_what_it_should():
    data, small = frozen(), dict(steps=25, batch=16)
    test = data._replace(text=TextFeatures(*(part[::2] for part in data.text)))
    given = torch.stack([torch.arange(24).roll(-i)[:8] for i in range(24)])  # the first is right
    heads = ablations.Heads(48, 3, 0)
    before = ablations.right(heads, test, given)["given candidates", "similarity"].mean()
    ablations.train(heads, data, True, False, 0, **small)
    found = ablations.right(heads, test, given)
    assert found["given candidates", "similarity"].mean() > max(before, 0.5)
    both = ablations.then_generate(heads, data, 0, 7, **small)
    for name, value in both.state_dict().items():  # the features stay as L_D has made them
        same = torch.equal(value, heads.state_dict()[name])
        assert same or name.startswith("model.generator."), name
    again = ablations.right(both, test, given)
    assert np.array_equal(again["gallery", "similarity"], found["gallery", "similarity"])
    assert not torch.equal(
        both.model.generator["t2v"].q_proj.weight, heads.model.generator["t2v"].q_proj.weight
    )


def test_intervals_grow_with_the_spread_of_seeds():
    alike = np.tile(np.arange(200) % 2 == 0, (3, 1))
    apart = np.stack([np.zeros(200), np.arange(200) % 2, np.ones(200)])
    (mean, low, high), (other, worst, best) = ablations.spread(alike, 300), ablations.spread(apart, 300)
    assert mean == other == 50 and 0 <= worst < low < 50 < high < best <= 100


def test_groups_of_queries_are_of_both_generators(monkeypatch):
    small = OpenSetConfig(steps=4, seeds=2, width=16, layers=1, heads=2)
    clip = replace(CONFIG.clip, context_length=32)
    model = tiny_model(config=replace(CONFIG, words=32, clip=clip, openset=small, form="open-set")).eval()
    scenes = world.split("test")[:24]
    monkeypatch.setattr(world, "split", lambda name, look="storybook": scenes)
    frames = np.random.default_rng(0).integers(0, 255, (24, 4, 32, 32, 3), dtype=np.uint8)
    monkeypatch.setattr(measure.clips, "split_frames", lambda *_: frames)
    test = measure.load(model)
    for form in ("published", "open-set"):
        rows = generation_helps.measured(test, True, "t2v", form)
        assert rows[0]["queries"] == "all" and rows[0]["count"] == 24 and rows[0]["generator"] == form
        assert any(row["queries"].startswith("says the") for row in rows)
        assert rows[0]["R1_after"] - rows[0]["R1_before"] == pytest.approx(rows[0]["gain"])
