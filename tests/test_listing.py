"""What is found below a folder."""

from __future__ import annotations

import pytest

from diffusionret.listing import list_videos, walk


def test_videos_are_found_by_extension(tmp_path):
    for name in ("b.MP4", "a/c.webm", "a/.hidden.mp4", ".cache/d.mp4", "notes.txt", "e.mov/f.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    paths = [tmp_path / "a/c.webm", tmp_path / "b.MP4", tmp_path / "e.mov/f.avi"]
    assert list_videos(tmp_path) == (paths, [], [])
    assert list_videos(tmp_path / "notes.txt").videos == [tmp_path / "notes.txt"]
    with pytest.raises(FileNotFoundError, match="There is no folder"):
        list_videos(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="There are no videos"):
        list_videos(tmp_path / "empty")


def test_a_walk_is_in_order_and_leaves_out_what_is_hidden(tmp_path):
    for name in ("b/two", "b/.three", "a/one", ".hidden/four", "five"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    names = [[path.relative_to(tmp_path).as_posix() for path in paths] for _, paths in walk(tmp_path)]
    assert names == [["five"], ["a/one"], ["b/two"]]
    assert next(walk(tmp_path))[0] == [tmp_path / "a", tmp_path / "b"]
