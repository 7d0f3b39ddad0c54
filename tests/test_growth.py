"""Files that are still being written, on a clock that only the test moves."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from clips import write_clip

from diffusionret import growth
from diffusionret.video import VideoError, read_frames


class Clock(threading.Event):
    """Time that passes when somebody waits. happen: called with the seconds so far, after every wait."""

    def __init__(self, happen: Callable[[float], None] = lambda now: None) -> None:
        super().__init__()
        self.now, self.happen = 0.0, happen

    def monotonic(self) -> float:
        return self.now

    def time(self) -> float:
        return 1_700_000_000 + self.now

    def is_set(self) -> bool:
        return False

    def wait(self, timeout: float | None = None) -> bool:
        self.now += timeout or 0.0
        self.happen(self.now)
        return False


def touch(path: Path, clock: Clock) -> None:
    """The file grows by a byte, at the clock's time."""
    with path.open("ab") as file:
        file.write(b"x")
    os.utime(path, (clock.time(), clock.time()))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(growth, "time", clock)
    monkeypatch.setattr(growth, "QUIET", 2.0)
    return clock


def test_a_quiet_file_is_not_waited_for(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "a.mp4"
    touch(file, clock)
    for age in (2.0, 5000.0, -100.0):  # the last: from a machine whose clock is ahead
        os.utime(file, (clock.time() - age, clock.time() - age))
        assert growth.wait_until_quiet(file, 30.0, clock) and clock.now == 0
    assert growth.wait_until_quiet(tmp_path / "absent.mp4", 30.0, clock) and clock.now == 0


def test_a_file_that_grows_is_waited_for(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "a.mp4"
    touch(file, clock)
    clock.happen = lambda now: touch(file, clock) if now < 5 else None
    assert growth.wait_until_quiet(file, 30.0, clock)
    assert 6.5 < clock.now < 7.5


def test_one_that_never_ends_is_given_up(tmp_path: Path, clock: Clock) -> None:
    file = tmp_path / "a.mp4"
    touch(file, clock)
    clock.happen = lambda now: touch(file, clock)
    assert not growth.wait_until_quiet(file, 30.0, clock)
    assert 30 < clock.now < 31


def test_a_file_that_changes_while_it_is_read_is_read_again(tmp_path: Path, monkeypatch) -> None:
    whole = write_clip(tmp_path / "whole.mp4").read_bytes()
    file = tmp_path / "part.mp4"
    file.write_bytes(whole[: len(whole) // 2])
    looks = 0

    def state(path):
        nonlocal looks
        looks += 1
        if looks == 2:  # after the first reading
            file.write_bytes(whole)
        return growth.state(path)

    monkeypatch.setattr("diffusionret.video.state", state)
    assert read_frames(file, n=2).mask.all() and looks == 4


def test_a_file_that_is_still_written_is_said_to_be(tmp_path: Path, monkeypatch) -> None:
    file = write_clip(tmp_path / "rec.mp4")
    monkeypatch.setattr("diffusionret.video.wait_until_quiet", lambda path, limit, stop: False)
    with pytest.raises(
        VideoError, match=r"^rec.mp4 is still being written; index it again when it is complete\.$"
    ):
        read_frames(file)
