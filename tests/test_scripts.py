"""The scripts of one question run from end to end on a small model, with both generators."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from tiny import BOTH, CONFIG, tiny_model

from analysis import calibration_top1, generation_helps, ideas, measure, out_domain, sampler_settings
from diffusionret.datasets.storybook import world


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    """Where results go. Every look and split is of the same few scenes, drawn as noise."""
    clip = replace(CONFIG.clip, context_length=32)
    openset = replace(BOTH.openset, steps=4, seeds=2, sampling_steps=4)
    generator = replace(CONFIG.generator, steps=4)
    model = tiny_model(config=replace(BOTH, words=32, clip=clip, openset=openset, generator=generator))
    scenes = world.split("test")[:24]
    monkeypatch.setattr(world, "split", lambda name, look="storybook": scenes)
    frames = np.random.default_rng(0).integers(0, 255, (24, 4, 32, 32, 3), dtype=np.uint8)
    monkeypatch.setattr(measure.clips, "split_frames", lambda *_: frames)
    monkeypatch.setattr(measure, "load_model", lambda name: model)
    monkeypatch.setattr(measure, "RESULTS", tmp_path)
    monkeypatch.setattr(ideas, "CANDIDATES", 8)
    monkeypatch.setattr(sampler_settings, "SWEEPS", {"steps": (1, 4), "alpha": (1.0, 4.0)})
    setting = sampler_settings.Setting
    monkeypatch.setattr(sampler_settings, "Setting", lambda steps: setting(steps, candidates=8))
    return tmp_path


@pytest.mark.parametrize("script", [calibration_top1, generation_helps, ideas, out_domain, sampler_settings])
def test_a_script_answers_its_question(script, place, capsys):
    script.main()
    name = script.__name__.rpartition(".")[2]
    found = json.loads((place / f"{name}.json").read_text())
    assert found["rows"] and found["shows"] in capsys.readouterr().out
    assert found["command"] == f"python -m analysis.{name}"
    words = json.dumps(found)
    if script is ideas:
        assert "match head, calibrated alpha" in words
    elif script is not sampler_settings:  # which is of the published generator alone
        assert "open-set" in words and "published" in words
