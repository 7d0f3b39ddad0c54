"""Asking the app by a picture: anybody may, nothing is kept, and names are text."""

from __future__ import annotations

import io
import tempfile
from dataclasses import replace
from html import escape
from pathlib import Path

import pytest
from clips import stamped, write_clip
from PIL import Image
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.testclient import TestClient
from tiny import features, tiny_model

from demo import doors, example, limits, search
from demo.example import HELD, Examples, Specimen, clean
from demo.shelf import Shelf
from diffusionret import Gallery, Retriever


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    _, video = features(1, 12, seed=3)
    return Retriever(tiny_model(), Gallery.in_memory(video, captions=[f"clip {i}" for i in range(12)]))


@pytest.fixture
def client(retriever) -> TestClient:
    middleware = [Middleware(limits.BodyLimit, example.ADDRESS), Middleware(doors.Doors)]
    return TestClient(Starlette(routes=example.routes(Shelf.of(retriever)), middleware=middleware))


def png() -> bytes:
    out = io.BytesIO()
    Image.fromarray(stamped(5)).save(out, "PNG")
    return out.getvalue()


def test_a_picture_is_held_once_and_leaves_no_file(client, retriever, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answer = client.post("/ask/example?name=boat.png", content=png())
    assert answer.status_code == 200 and answer.json()["noun"] == "picture"
    assert not list(tmp_path.iterdir())
    asked = HELD.take(answer.json()["example"], "gallery")
    assert len(retriever.search_video(asked.features, 5)) == 5
    with pytest.raises(ValueError, match="no longer held"):
        HELD.take(answer.json()["example"], "gallery")


def test_a_clip_is_taken_too(client, tmp_path):
    clip = write_clip(tmp_path / "a.mp4", count=12).read_bytes()
    assert client.post("/ask/example?name=a.mp4", content=clip).json()["noun"] == "clip"


@pytest.mark.parametrize(
    ("content", "status", "said"),
    [(b"", 400, "is empty"), (b"no picture", 409, "not a video"), (png()[:80], 409, "damaged picture")],
)
def test_what_cannot_be_read_is_refused_in_a_sentence(client, tmp_path, monkeypatch, content, status, said):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    answer = client.post("/ask/example?name=../../a%0Ab.png", content=content)
    assert answer.status_code == status and said in answer.json()["problem"]
    assert str(tmp_path) not in answer.json()["problem"] and not list(tmp_path.iterdir())


def test_what_is_too_large_is_refused_announced_or_not(client, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(example, "MOST_BYTES", 1000)
    for content in (bytes(2000), iter([bytes(600)] * 3)):
        answer = client.post("/ask/example?name=a.png", content=content)
        assert answer.status_code == 413 and "too large" in answer.json()["problem"]
    assert not list(tmp_path.iterdir())


def test_what_nobody_asks_by_is_forgotten(monkeypatch):
    monkeypatch.setattr(example, "MOST_HELD", 2)
    held = Examples()
    names = [held.hold(Specimen(features(1, 1)[1], "a", "clip", "mine")) for _ in range(3)]
    for name, key in ((names[0], "mine"), (names[1], "another"), (None, "mine"), ({}, "mine")):
        with pytest.raises(ValueError):
            held.take(name, key)
    assert held.take(names[2], "mine").name == "a"


def test_names_become_names_of_files():
    assert clean("a/b\\c: boat?.png") == "c boat .png"
    assert clean("../..") == "picture" and clean("") == "picture"
    assert len(clean("a" * 999 + ".png")) < 100 and clean("é" * 300 + ".jpg").endswith(".jpg")
    assert len(clean("漢" * 80 + ".png").encode()) <= 200
    assert Path(clean("x\0y\n.webp")).name == clean("x\0y\n.webp")


def test_the_page_says_what_it_is_like_and_gives_no_verdict(retriever):
    nasty = "<img src=x onerror=alert(1)>"
    asked = Specimen(features(1, 1, seed=8)[1], nasty, "picture", "gallery")
    hits = retriever.search_video(asked.features, 4, per_file=True)
    page = search.example_page(asked, "held", [replace(hit, caption=nasty) for hit in hits], 3)
    assert nasty not in page and escape(nasty) in page
    assert "Most like your picture" in page and page.count('class="dr-card"') == 3
    assert "p(match)" not in page and "boost" not in page


def test_a_clip_or_what_is_held_is_described(retriever):
    describe = example.description(retriever)
    (captions,) = describe({"id": "0003"})
    assert captions == [caption._asdict() for caption in retriever.describe("0003")]
    asked = features(1, 1, seed=8)[1]
    name = HELD.hold(Specimen(asked, "a", "clip", "gallery"))
    (captions,) = describe({"example": name})
    assert captions == [caption._asdict() for caption in retriever.describe(asked)]
    for wrong in ({"example": name}, {"id": __file__}, {"id": 3}, {}, None, "0003"):
        with pytest.raises(ValueError):
            next(describe(wrong))
