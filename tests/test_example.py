"""Questions that are a picture or a clip: what is read, what is refused before any work, and what is most like it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from clips import stamped, write_clip
from PIL import Image
from tiny import features, tiny_model
from torch.nn.functional import normalize

from diffusionret import Gallery, Retriever, example
from diffusionret.index import index_folder
from diffusionret.video import VideoError, read_frames


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def own(tmp_path_factory, model) -> Path:
    """Three clips and their gallery."""
    place = tmp_path_factory.mktemp("own")
    (place / "videos").mkdir()
    for i, count in enumerate((20, 90, 200)):
        write_clip(place / "videos" / f"clip{i}.mp4", count=count)
    index_folder(place / "videos", place / "gallery", model, "tiny", spans="10s")
    return place


@pytest.fixture(scope="module")
def retriever(own, model) -> Retriever:
    return Retriever(model, Gallery.open(own / "gallery"))


def test_a_clip_of_the_gallery_finds_itself(own, retriever):
    first = retriever.search_video(own / "videos" / "clip1.mp4", k=100)
    assert len(first) == len(retriever.gallery) and first[0].id == "clip1"
    assert first[0].similarity == pytest.approx(1.0, abs=1e-3)  # the gallery keeps half precision
    assert [hit.rank for hit in first] == [*range(1, len(first) + 1)]
    assert all(hit.score == hit.similarity and hit.probability is None for hit in first)


def test_features_rank_by_the_cosine_of_pooled_features():
    _, video = features(1, 30, seed=4)
    retriever = Retriever(tiny_model(), Gallery.in_memory(video))
    _, asked = features(1, 1, seed=9)
    pooled = normalize(retriever.gallery.pooled, dim=-1)
    direction = normalize(normalize(asked.frames, dim=-1).mean(dim=1), dim=-1)[0]
    expected = (pooled @ direction).argsort(descending=True).tolist()
    hits = retriever.search_video(asked, k=30)
    assert [int(hit.id) for hit in hits] == expected
    few = ["0003", "0011", "0020"]
    assert {hit.id for hit in retriever.search_video(asked, 10, within=few)} == {*few}
    for wrong in ([], ["nobody"]):
        with pytest.raises(ValueError):
            retriever.search_video(asked, within=wrong)
    with pytest.raises(ValueError, match="features of one video"):
        retriever.search_video(video)
    with pytest.raises(ValueError, match="real frames"):
        retriever.search_video(asked._replace(mask=torch.zeros_like(asked.mask)))


def test_files_are_counted_where_they_are_asked_for(own, retriever):
    assert len(retriever.gallery) > retriever.gallery.file_count
    hits = retriever.search_video(own / "videos" / "clip2.mp4", k=3, per_file=True)
    assert len({hit.file for hit in hits}) == 3
    assert hits[0].file == "clip2.mp4"


@pytest.mark.parametrize("name", ["a.png", "b.jpg", "c.webp", "d.bin"])
def test_a_picture_is_a_video_of_one_frame(tmp_path, retriever, name):
    path, kind = tmp_path / name, {"b.jpg": "JPEG", "c.webp": "WEBP"}.get(name, "PNG")
    Image.fromarray(stamped(5)).save(path, kind)
    clip = read_frames(path, "published", 4, longest=60)
    assert clip.mask.tolist() == [True, False, False, False] and clip.duration == 1
    assert np.abs(clip.frames[0].astype(int) - stamped(5)).mean() < 12  # what JPEG loses
    assert len(retriever.search_video(path, k=2)) == 2
    with pytest.raises(VideoError):  # to the gallery a picture is no video
        read_frames(path)


def test_a_picture_is_upright_on_white_and_of_eight_bits(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6  # turned by a quarter
    Image.fromarray(stamped(5)[:, :32]).save(tmp_path / "turned.jpg", exif=exif)
    assert read_frames(tmp_path / "turned.jpg", n=1, longest=60).frames.shape == (1, 32, 64, 3)
    Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(tmp_path / "clear.png")
    assert read_frames(tmp_path / "clear.png", n=1, longest=60).frames.min() == 255
    Image.fromarray(np.full((40, 40), 40_000, np.uint16)).save(tmp_path / "deep.png")
    assert set(read_frames(tmp_path / "deep.png", n=1, longest=60).frames.flat) == {40_000 >> 8}


def test_limits_are_kept_before_work_begins(own, tmp_path, retriever, monkeypatch):
    def refusal(path: Path) -> str:
        with pytest.raises(ValueError) as refused:
            retriever.search_video(path)
        assert "\n" not in str(refused.value) and str(tmp_path) not in str(refused.value)
        return str(refused.value)

    (tmp_path / "torn.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(40))
    assert "damaged picture" in refusal(tmp_path / "torn.png")
    (tmp_path / "noise.mp4").write_bytes(b"this is no video at all")
    assert "no video" in refusal(tmp_path / "noise.mp4")
    assert "check the path" in refusal(tmp_path / "no\nbody.png")
    Image.new("1", (9000, 9000)).save(tmp_path / "wide.png")
    assert "9000 x 9000 pixels" in refusal(tmp_path / "wide.png")
    monkeypatch.setattr(example, "MOST_SECONDS", 5.0)
    assert "lasts 9 s: give a clip of at most 5 s" in refusal(own / "videos" / "clip1.mp4")
    monkeypatch.setattr(example, "MOST_BYTES", 100)
    assert "at most 0 MB" in refusal(own / "videos" / "clip1.mp4")


def test_a_video_is_described_by_the_captions_that_fit_best(monkeypatch):
    _, video = features(1, 12, seed=4)
    captions = [f"a boat number {i}" for i in range(11)] + [""]
    model = tiny_model()
    retriever = Retriever(model, Gallery.in_memory(video, captions=captions))
    with torch.no_grad():
        fit = model.similarity(model.encode_text(captions[:11]), retriever.gallery.features())
    _, asked = features(1, 1, seed=9)
    with torch.no_grad():
        other = model.similarity(model.encode_text(captions[:11]), asked)[:, 0]
    found = retriever.describe(asked, k=11)
    assert [text for text, _ in found] == [captions[i] for i in other.argsort(descending=True)]
    assert found[0].similarity == pytest.approx(other.max().item(), abs=1e-5)
    own = retriever.describe("0003", k=11)  # what its gallery says of it is no news
    expected = [i for i in fit[:, 3].argsort(descending=True).tolist() if i != 3]
    assert [text for text, _ in own] == [captions[i] for i in expected]
    assert len(retriever.describe("0011")) == 3
    for k in (0, 101):
        with pytest.raises(ValueError):
            retriever.describe("0003", k)
    with pytest.raises(ValueError, match="check the path"):
        retriever.describe("nobody")
    with pytest.raises(ValueError, match="No caption is known"):
        Retriever(model, Gallery.in_memory(video)).describe("0003")
