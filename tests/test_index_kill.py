"""Indexing under kill -9 at twenty random moments: nothing is lost, nothing stands twice, features are those of a clean
run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import traceback
from pathlib import Path
from typing import Any

import numpy as np
from clips import write_clip

from diffusionret.gallery import LIGHT, TABLE, Gallery
from diffusionret.store import Store

ROOT = Path(__file__).resolve().parents[1]
KILLS = 20
SPANS = "4s"


def spans_of(gallery: Path) -> list[tuple[str, float]]:
    """File and start of every row, as stored; none where there is no table yet."""
    if not Store.exists(gallery / TABLE):
        return []
    return sorted((Path(row.uri).name, row.start) for row in Store.open(gallery / TABLE).rows(LIGHT))


def test_twenty_kills_lose_nothing_and_double_nothing(tmp_path):
    videos = tmp_path / "videos"
    videos.mkdir()
    for i in range(3):
        write_clip(videos / f"short{i}.mp4", count=20 + 5 * i)
    write_clip(videos / "long.mp4", count=100)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(videos), str(tmp_path)]
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split()[-1] == str(KILLS)
    clean = Gallery.open(tmp_path / "clean")
    rows = spans_of(tmp_path / "clean")
    assert [name for name, _ in rows] == [*["long.mp4"] * 3, "short0.mp4", "short1.mp4", "short2.mp4"]
    resumed = sorted(tmp_path.glob("killed*"))
    assert resumed
    for folder in resumed:
        assert spans_of(folder) == rows
        gallery = Gallery.open(folder)
        assert gallery.ids == clean.ids and not gallery.failures and not gallery.damage
        np.testing.assert_array_equal(gallery.features().frames.numpy(), clean.features().frames.numpy())
        np.testing.assert_array_equal(gallery.features().mask.numpy(), clean.features().mask.numpy())
        assert {path.stem for path in (folder / "posters").glob("*.jpg")} == set(clean.ids)


# --- the program that is killed -------------------------------------------------------------------------


def child(videos: Path, gallery: Path, model: Any, moment: int, count: Path | None = None) -> int:
    """Index in a process of its own, which kills itself at its `moment`-th call of a function, 0 for never; its wait
    status. count: a file that takes how many calls there were."""
    from diffusionret.index import index_folder

    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1]
    code = 1
    try:
        calls = 0

        def look(*_: object) -> None:
            nonlocal calls
            calls += 1
            if calls == moment:
                os.kill(os.getpid(), signal.SIGKILL)

        sys.setprofile(look)
        index_folder(videos, gallery, model, "tiny", shard=1, spans=SPANS)
        sys.setprofile(None)
        if count is not None:
            count.write_text(str(calls))
        code = 0
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def checked(gallery: Path) -> bool:
    """Whether no row of a killed run stands twice, and no file with a part of its spans. In a process of its own: one
    that has opened a table has threads, and must not be forked."""
    pid = os.fork()
    if pid:
        return os.waitpid(pid, 0)[1] == 0
    code = 1
    try:
        rows = spans_of(gallery)
        parts = sum(name == "long.mp4" for name, _ in rows)
        code = int(len(rows) != len(set(rows)) or parts not in (0, 3))
    except Exception:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


def main(videos: Path, place: Path) -> None:
    """A clean run, then runs that are killed and gone on with; a gallery that is whole is followed by a new one."""
    import torch
    from tiny import tiny_model

    torch.set_num_threads(1)
    model, choice = tiny_model(), random.Random(20)
    assert child(videos, place / "clean", model, 0, place / "calls") == 0
    calls, kills, number = int((place / "calls").read_text()), 0, 0
    whole = True
    while kills < KILLS:
        number += whole
        status = child(videos, place / f"killed{number}", model, choice.randrange(1, calls))
        whole = status == 0
        if not whole:
            assert os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL, status
            kills += 1
            assert checked(place / f"killed{number}")
    if not whole:
        assert child(videos, place / f"killed{number}", model, 0) == 0
    print(kills)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
