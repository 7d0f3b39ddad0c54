"""`python -m diffusionret train` on Storybook: records, what is refused, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
import torch

from diffusionret.cli import main
from diffusionret.datasets.storybook import world
from diffusionret.training import records
from diffusionret.training.records import LossRecord, ValidationRecord
from diffusionret.training.storybook_stages import FramePretraining


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """Three steps of the first stage on few clips."""
    scenes = world.split("validation")[:12]
    monkeypatch.setattr(world, "split", lambda name, look="storybook": scenes)
    line = "train --preset storybook-0 --families 6 --steps 3 --device cpu --cache"
    return [*line.split(), str(tmp_path / "cache")]


def test_what_is_said_is_what_is_kept(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    line = [*command, "--batch", "8", "--runs", str(tmp_path / "runs")]
    assert main(line) == 0
    folder = tmp_path / "runs" / "storybook-0"
    lines = capsys.readouterr().out.splitlines()
    assert lines == (folder / "records.jsonl").read_text().splitlines()
    assert set(json.loads(lines[0])) == {"step", "loss", "lr", "seconds_a_step", "minutes_left"}
    assert {"step", "minutes", "score", "best", "waited", "cast"} <= set(json.loads(lines[1]))
    assert [type(r) for r in records.read(folder)] == [LossRecord, ValidationRecord]
    assert main(line) == 0 and capsys.readouterr().out == ""  # nothing is left to do
    assert main([*line, "--batch", "4"]) == 2
    assert "holds a run with another batch" in capsys.readouterr().err
    assert main([*line, "--seed", "1"]) == 0  # in a folder of its own
    assert (tmp_path / "runs" / "storybook-0-seed1" / "best" / "config.json").is_file()


def test_interrupted_by_ctrl_c_it_goes_on_as_if_it_had_not_been(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    command += ["--batch", "8", "--runs"]
    assert main([*command, str(tmp_path / "whole")]) == 0
    loss = FramePretraining.loss

    def interrupted(self: FramePretraining, step: int) -> torch.Tensor:
        if step == 1:
            os.kill(os.getpid(), signal.SIGINT)
        return loss(self, step)

    with monkeypatch.context() as patch:
        patch.setattr(FramePretraining, "loss", interrupted)
        assert main([*command, str(tmp_path / "stopped")]) == 130
    assert "stopped at step 2; the same command goes on from there" in capsys.readouterr().err
    assert main([*command, str(tmp_path / "stopped")]) == 0
    states = [torch.load(tmp_path / runs / "storybook-0" / "last.pt") for runs in ("whole", "stopped")]
    for part in ("weights", "average"):
        for name, value in states[0][part].items():
            assert torch.allclose(value, states[1][part][name], atol=1e-6), name
    assert states[0]["progress"]["best"] == states[1]["progress"]["best"]
