"""What is found below a folder."""

from __future__ import annotations

import pytest
from PIL import Image

from diffusionret.listing import list_videos, walk


def test_videos_are_found_by_extension(tmp_path):
    for name in ("b.MP4", "a/c.webm", "a/.hidden.mp4", ".cache/d.mp4", "notes.txt", "e.mov/f.avi"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    paths = [tmp_path / "a/c.webm", tmp_path / "b.MP4", tmp_path / "e.mov/f.avi"]
    left_out = "1 file is left out, being no video by name: 1 .txt."
    assert list_videos(tmp_path) == (paths, [], [left_out])
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


def test_what_is_left_out_is_counted_by_its_ending(tmp_path):
    names = [
        "a.mp4",
        "b.vob",
        "c.MXF",
        "d.m2v",
        "e.mts",
        "captions.csv",
        "x.txt",
        "y.TXT",
        "z.part",
        "README",
    ]
    names += ["gallery.lance/data/1.lance", "posters/a.jpg", "indexing.json", "more/photo.jpg"]
    for name in names:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"RIFF")
    listing = list_videos(tmp_path)
    assert [path.name for path in listing.videos] == ["a.mp4", "b.vob", "c.MXF", "d.m2v", "e.mts"]
    assert listing.notes == [
        "1 file is left out, being no video by name: 1 .jpg."
    ]  # beside a gallery lies what is its
    (tmp_path / "gallery.lance").rename(tmp_path / "other")
    (note,) = list_videos(tmp_path).notes
    assert note.startswith("8 files are left out, being no video by name: ")
    assert {"2 .txt", "2 .jpg", "1 .part", "1 without an ending"} <= set(
        note.split(": ")[1].strip(".").split(", ")
    )
    for number in range(20):
        (tmp_path / f"a.{number}").touch()
    assert list_videos(tmp_path).notes[0].count(",") == 9


def test_only_moving_pictures_of_webp_are_videos(tmp_path):
    frames = [Image.new("RGB", (8, 8), (40 * i, 0, 0)) for i in range(3)]
    frames[0].save(tmp_path / "still.webp")
    frames[0].save(tmp_path / "moving.webp", save_all=True, append_images=frames[1:])
    listing = list_videos(tmp_path)
    assert [path.name for path in listing.videos] == ["moving.webp"]
    assert listing.notes == ["1 file is left out, being no video by name: 1 .webp."]
