"""The app without a browser: it builds over any retriever, escapes what it shows, and sends what it says."""

from __future__ import annotations

import csv
import inspect
import json
import re
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
from dataclasses import replace
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from urllib.parse import quote, unquote

import gradio as gr
import numpy as np
import pytest
import torch
from clips import write_clip
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from tiny import CONFIG, features, tiny_model

from demo import (
    app,
    batch,
    cuts,
    doors,
    evidence,
    gallery_state,
    limits,
    media,
    questions,
    search,
    theme,
    verdict,
    watch_look,
)
from demo import gallery as gallery_tab
from demo import map as worldmap
from demo import shelf as shelf_module
from demo.gallery_choice import Choice
from demo.gallery_job import State
from demo.gallery_routes import Tab
from demo.permission import Permission
from demo.shelf import Place, Shelf
from diffusionret import Gallery, Hit, Retriever, SearchResult
from diffusionret.config import CLIP, OpenSetConfig
from diffusionret.gallery import Failure
from diffusionret.ood.conformal import Calibration
from diffusionret.ood.report import Answer, Report
from diffusionret.ood.verdict import SENTENCES, Verdict
from diffusionret.query import MOST_CHARACTERS
from diffusionret.reading import Reading
from diffusionret.results import Settings
from diffusionret.store import Row
from diffusionret.video import probe

pytestmark = pytest.mark.usefixtures("loops")

ROOT = Path(__file__).resolve().parents[1]
NASTY = "<img src=x onerror=alert(1)> \" ' & ${value} {{value}} `"


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    _, video = features(1, 40, seed=3)
    return Retriever(tiny_model(), Gallery.in_memory(video, captions=[f"clip {i}" for i in range(40)]))


@pytest.fixture(scope="module")
def result(retriever) -> SearchResult:
    return retriever.search("a red boat", k=40, candidates=8, steps=10)


def hit(rank: int, base_rank: int, caption: str = "a boat", **changes) -> Hit:
    values = dict(
        id=f"v{rank}", rank=rank, base_rank=base_rank, similarity=0.25, boost=0.125, score=0.375,
        probability=0.5, moment=61.2, caption=caption, path=Path(f"/clips/{rank} a b.mp4"), poster=None,
        duration=90.0, file=f"{rank} a b.mp4", start=0.0, end=90.0,
    )  # fmt: skip
    return Hit(**(values | changes))


def found(*hits: Hit, form: str = "published", verdict: Verdict | None = None, **settings) -> SearchResult:
    """A result that fails where its trajectory is drawn: a search needs none."""

    def draw():
        raise AssertionError("the page draws while it searches")

    chosen = Settings(**(dict(k=10, candidates=32, steps=50, seed=0, seeds=1) | settings))
    report = None if verdict is None else Report("query", Answer(), Answer(), verdict)
    reading = Reading("query", "query")
    return SearchResult(
        "query", reading, list(hits), draw if form else None, form, report, "", {"total": 12.0}, chosen
    )


def said(kind: str, p: float | None) -> Verdict:
    return Verdict(kind, SENTENCES.get(kind, "I can read none of these words."), "", p)


class FakeRetriever:
    """What the app asks of a retriever, and no more."""

    generates = False
    device = torch.device("cpu")

    def __init__(self) -> None:
        self.gallery = Gallery.in_memory(
            features(1, 3)[1], ids=["a", "b", NASTY], captions=["one", "two", NASTY]
        )
        self.model = SimpleNamespace(config=SimpleNamespace(name=NASTY, dataset="", generator=None))

    def search(
        self,
        text,
        k=10,
        candidates=32,
        steps=50,
        seed=0,
        seeds=1,
        form=None,
        exact=False,
        within=None,
        per_file=False,
    ):
        if not text.strip():
            raise ValueError("The query is empty: describe what should be seen.")
        return found(hit(1, 1, NASTY), form="")

    def similar(self, id, k=10):
        return [hit(1, 1, NASTY)]


def function(page: gr.Blocks, name: str):
    return next(fn.fn for fn in page.fns.values() if getattr(fn.fn, "__name__", "") == name)


# --- the whole page -------------------------------------------------------------------------------------


def test_it_builds_over_a_fake_and_over_an_empty_gallery():
    assert isinstance(app.build(FakeRetriever()), gr.Blocks)
    empty = Gallery.in_memory(features(1, 0)[1])
    page = app.build(Retriever(tiny_model(), empty))
    trouble, cards, player = function(page, "answer")("a boat", 10, 32, 10, 0)
    assert "holds no videos" in trouble
    assert cards == player == gr.skip()
    tabs, text, *_, trouble, cards, player, _, _ = function(page, "first")(SimpleNamespace(query_params={}))
    assert (
        tabs.selected == "gallery" and trouble == "" == text and "add videos" in cards and player == gr.skip()
    )


def test_a_problem_leaves_the_results_alone():
    trouble, cards, player = function(app.build(FakeRetriever()), "answer")("  ", 10, 32, 10, 0)
    assert 'role="alert"' in trouble and "The query is empty" in trouble
    assert cards == player == gr.skip()


def test_the_address_chooses_the_first_search(retriever):
    first = function(app.build(retriever), "first")
    asked = {"q": "a dog", "k": "3", "seed": "5", "candidates": "16", "steps": "4", "tab": "watch"}
    tabs, text, *updates, typed, _, cards, player, _, _ = first(SimpleNamespace(query_params=asked))
    chosen = [update["value"] for update in updates]
    assert [update.get("maximum") for update in updates] == [40, 40, 10, None, None]
    assert (
        (text, chosen) == ("a dog", [3, 16, 4, 5, "published"]) and typed == "" and tabs.selected == "watch"
    )
    assert cards.count('class="dr-card"') == 3
    assert "?q=a+dog&amp;k=3&amp;seed=5&amp;candidates=16&amp;steps=4" in cards
    wanted = {"query": "a dog", "form": "published", "candidates": 16, "steps": 4, "seed": 5}
    assert json.loads(player) == wanted
    asked = {"k": "-1", "seed": "x", "steps": "9999", "candidates": "9999", "tab": "<b>"}
    tabs, text, *updates, _, _, _, _, _, _ = first(SimpleNamespace(query_params=asked))
    chosen = [update["value"] for update in updates]
    assert (text, chosen) == (
        search.EXAMPLES[""][0].query,
        [10, 40, 10, 0, "published"],
    ) and tabs.selected == "search"


def test_the_player_chooses_another_noise_and_keeps_the_rest(retriever):
    replayed = function(app.build(retriever), "replayed")
    event = SimpleNamespace(_data={"seed": 3})
    candidates, steps, seed, _, _, cards, player = replayed(event, "a dog", 5, 8, 10, 0)
    assert (candidates, steps, seed) == (8, 10, 3) and "seed=3" in cards
    assert json.loads(player)["seed"] == 3


def test_the_page_and_the_endpoint_rank_alike(retriever):
    page = app.build(retriever)
    assert [fn.api_name for fn in page.fns.values() if fn.api_visibility == "public"] == ["search"]
    answer = function(page, "endpoint")("a red boat", 5, 8, 10, 7)
    assert answer == json.loads(json.dumps(answer))
    assert set(answer) >= {"hits", "ood", "timings"}
    expected = retriever.search("a red boat", 5, 8, 10, 7)
    assert answer["hits"] == expected.to_dict()["hits"]
    _, cards, _ = function(page, "answer")("a red boat", 5, 8, 10, 7)
    places = [cards.index(f'data-name="{hit.id}"') for hit in expected.hits]
    assert places == sorted(places) and cards.count('class="dr-card"') == 5
    with pytest.raises(gr.Error, match="empty"):
        function(page, "endpoint")("", steps=10)


def served(gallery: Gallery, address: str, **headers: str) -> tuple[int, bytes, str]:
    """Status, body and kind of an answer of the app's own routes."""
    shelf = Shelf.of(SimpleNamespace(gallery=gallery))
    with TestClient(Starlette(routes=media.routes(shelf)), raise_server_exceptions=False) as client:
        answer = client.get(f"/{address}", headers=headers)
    return answer.status_code, answer.content, answer.headers["content-type"]


def test_only_the_gallerys_clips_are_served_and_by_id(tmp_path):
    """Beside them may lie anything; links to files are clips as well."""
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / ".ssh" / "id.mp4").write_bytes(b"a secret")
    (home / "clip.mp4").write_bytes(b"0123456789")
    (home / "what is #1?.webm").symlink_to(home / "clip.mp4")
    (tmp_path / "gallery" / "posters").mkdir(parents=True)
    (tmp_path / "gallery" / "posters" / "a.jpg").write_bytes(b"a picture")
    files = [
        ("a", str(home / "clip.mp4")),
        ("what is #1?", str(home / "what is #1?.webm")),
        ("gone", "gone.mp4"),
    ]
    rows = [Row(i, uri, 0, 0, duration=1.0, timestamps=[0.0]) for i, uri in files]
    gallery = Gallery(rows, folder=tmp_path / "gallery")
    address = {id: media.clip_url(id, gallery.path(i)) for i, id in enumerate(gallery.ids)}
    assert served(gallery, address["a"]) == (200, b"0123456789", "video/mp4")
    assert served(gallery, address["a"], Range="bytes=2-4")[:2] == (206, b"234")
    assert served(gallery, address["what is #1?"]) == (200, b"0123456789", "video/webm")
    assert served(gallery, media.poster_url("a", gallery.poster(0))) == (200, b"a picture", "image/jpeg")
    assert media.poster_url("gone", gallery.poster(2)) == media.clip_url("memory", None) == ""
    nothing = [address["gone"], "media/clips/other", "media/posters/gone", "media/clips/.ssh%2Fid.mp4"]
    nothing += [
        "media/clips/../../home/.ssh/id.mp4",
        f"media/clips/{quote(str(home / '.ssh' / 'id.mp4'), safe='')}",
    ]
    for other in nothing:
        status, body, _ = served(gallery, other)
        assert status == 404 and b"secret" not in body and str(tmp_path).encode() not in body, other
    assert served(gallery, media.PLOTLY_URL)[0] == 200
    serving = app.serving(Tab(Shelf.of(FakeRetriever()), Permission()))
    assert "allowed_paths" not in serving and serving["max_file_size"] == 0


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_without_end_is_refused(announced):
    async def length(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str(len(await request.body())))

    served = Starlette(routes=[Route("/", length, methods=["POST"])])
    with TestClient(limits.BodyLimit(served)) as client:
        assert client.post("/", content=b"x" * 1000).text == "1000"
        body = b"x" * (limits.MOST_BYTES + 1)
        answer = client.post("/", content=body if announced else (part for part in (body[:-9], body[-9:])))
        assert answer.status_code == 413 and answer.text == "A request may hold at most 8 megabytes."


def asked(panel: questions.Panel, request: object) -> list:
    """All that a panel answers to a question of the page."""
    with gr.Blocks() as page:
        questions.wire(lambda _: {"panel": panel})
    answer = function(page, "answer_panel")
    event = SimpleNamespace(_data={"number": 7, "panel": "panel", "request": request})
    return [json.loads(message) for message in answer(event)]


def test_a_panel_answers_bit_by_bit_and_refuses_in_a_sentence():
    def panel(request):
        yield f"{request} one"
        if request == "odd":
            raise ValueError("That is odd.")
        yield request["two"]

    assert asked(panel, {"two": 2}) == [
        {"number": 7, "content": "{'two': 2} one", "done": False},
        {"number": 7, "content": 2, "done": True},
    ]
    assert asked(panel, "odd")[-1] == {"number": 7, "problem": "That is odd.", "done": True}
    assert asked(panel, None)[-1]["problem"].startswith("The page asked for something unknown")


def test_nothing_is_computed_for_a_session_that_does_not_listen(monkeypatch):
    monkeypatch.setattr(doors, "WAIT", 0.05)
    with gr.Blocks() as page:
        questions.wire(lambda _: {"panel": lambda request: iter([request])})
    answer, session = function(page, "answer_panel"), SimpleNamespace(session_hash="a visitor")
    event = SimpleNamespace(_data={"number": 1, "panel": "panel", "request": 5})
    assert list(answer(event, session)) == []
    doors.READERS.open("a visitor")
    assert json.loads(next(answer(event, session)))["content"] == 5
    doors.READERS.close("a visitor")
    assert list(answer(event, session)) == []


def behind_doors() -> TestClient:
    async def echo(request: Request) -> PlainTextResponse:
        return PlainTextResponse(f"{request.url.path} {len(await request.body())}")

    methods = ["GET", "POST"]
    return TestClient(doors.Doors(Starlette(routes=[Route("/{path:path}", echo, methods=methods)])))


def test_gradios_own_doors_are_closed():
    with behind_doors() as client:
        closed = [
            "upload",
            "file=/etc/passwd",
            "file/x",
            "deep_link",
            "process_recording",
            "stream/x",
            "run/predict",
        ]
        closed += ["api/search", "component_server", "proxy=http://x", "custom_component/x", "vibe-code"]
        for path in closed:
            for method in ("get", "post"):
                assert getattr(client, method)(f"/gradio_api/{path}").status_code == 404, path
        assert client.get("/monitoring/summary").status_code == 404
        for path in (
            "/",
            "/config",
            "/media/clips/a",
            "/assets/x.js",
            "/gradio_api/info",
            "/gradio_api/heartbeat/x",
        ):
            assert client.get(path).status_code == 200, path
        body = json.dumps({"data": ["a red boat", 10]})
        answer = client.post("/gradio_api/call/search", content=body)
        assert answer.text == f"/gradio_api/call/search {len(body)}"


def test_a_body_that_names_files_is_refused():
    """Gradio would fetch an address, or look for a path."""
    file = {"path": "http://example.com/x", "meta": {"_type": "gradio.FileData"}}
    with behind_doors() as client:
        for content in ({"data": [file]}, {"data": [{"a": [[file]]}]}):
            answer = client.post("/gradio_api/call/search", json=content)
            assert (answer.status_code, answer.text) == (400, "Files are not taken here.")
        hidden = (
            json.dumps({"data": [file]}).replace("FileData", "File\\u0044ata").replace("meta", "met\\u0061")
        )
        assert client.post("/gradio_api/queue/join", content=hidden).status_code == 400
        assert client.post("/gradio_api/queue/join", content=b"{").status_code == 400
        assert client.post("/gradio_api/queue/join", content=b"[" * 100_000).status_code == 400


def test_who_reads_no_answers_gets_no_more(monkeypatch):
    def kept(**sessions: int) -> SimpleNamespace:
        queues = {name: SimpleNamespace(qsize=lambda n=n: n) for name, n in sessions.items()}
        return SimpleNamespace(
            blocks=SimpleNamespace(_queue=SimpleNamespace(pending_messages_per_session=queues))
        )

    app_ = kept(deaf=doors.UNREAD + 1, other=3)
    assert doors.unread(app_, "deaf") == doors.UNREAD + 1 and doors.unread(app_, "new") == 0
    assert doors.unread(None, "deaf") == 0
    app_ = kept(deaf=doors.MOST_UNREAD, listening=5)
    doors.READERS.open("listening")
    assert doors.unread(app_, "listening") == 5
    doors.READERS.close("listening")
    assert list(app_.blocks._queue.pending_messages_per_session) == ["listening"]
    monkeypatch.setattr(doors, "unread", lambda app, session: doors.UNREAD + (session == "deaf"))
    with behind_doors() as client:
        for path in ("queue/join", "call/search", "cancel"):
            assert client.post(f"/gradio_api/{path}", json={"session_hash": "deaf"}).status_code == 429
            assert client.post(f"/gradio_api/{path}", json={"session_hash": "b"}).status_code == 200
        assert client.post("/login", files={"a": b"x"}).status_code == 404
        assert client.post("/", content=b"x").status_code == 405


def test_an_error_of_a_panel_is_an_answer_too(capsys):
    def panel(request):
        raise RuntimeError("out of memory at /secret/place")
        yield

    (answer,) = asked(panel, None)
    assert answer["problem"] == "Something went wrong on the server: try again." and answer["done"]
    assert "out of memory" in capsys.readouterr().err


@pytest.mark.parametrize(
    "data", [None, 5, "abc", [1], {}, {"candidates": [1]}, {"candidates": None}, {"candidates": 10**9},
             {"steps": 10**30}, {"seed": float("nan")}, {"similar": ["x"]}, {"similar": {}}, {"form": 5},
             {"query": 5}, {"query": ""}, {"query": "x" * 9999, "exact": True}, {"query": "a boat", "exact": "yes"}],
    ids=str,
)  # fmt: skip
def test_a_forged_event_is_a_sentence_or_nothing(retriever, data):
    page = app.build(retriever)
    event = SimpleNamespace(_data=data)
    outputs = function(page, "replayed")(event, "a red boat", 5, 8, 10, 0, None)
    assert len(outputs) == 7 and (isinstance(outputs[4], str))
    assert len(function(page, "selected")(event, "a red boat", 5, 8, 10, 0, None)) == 5


def test_panels_wait_in_the_queue_and_end_with_their_visitor():
    """Functions outside the queue know no bound and no end; a generator is closed when its visitor leaves."""
    retriever = Retriever(tiny_model(), Gallery.in_memory(features(1, 12, seed=3)[1]))
    page = app.build(retriever)
    assert not any(getattr(getattr(block, name, None), "_is_server_fn", False)
                   for block in page.blocks.values() for name in vars(block))  # fmt: skip
    fn = next(fn for fn in page.fns.values() if fn.name == "answer_panel")
    assert (
        page.api_open is False
        and fn.queue
        and fn.concurrency_limit == questions.AT_ONCE
        and inspect.isgeneratorfunction(fn.fn)
    )
    assert all(fn.queue for fn in page.fns.values())


STRANGE = {"panel": "whole", "query": "a", "candidates": None, "steps": {}, "seed": [], "form": 1}


@pytest.mark.parametrize(
    "request_", [None, 5, [], {}, {"panel": "whole"}, STRANGE, ["a"], {"query": {"a": 1}}], ids=str
)
def test_a_strange_request_is_a_sentence(request_):
    retriever = Retriever(tiny_model(), Gallery.in_memory(features(1, 12, seed=3)[1]))
    for made in (verdict.inspection, watch_look.panel, worldmap.panel):
        (*_, last) = asked(made(retriever), request_)
        answered = (request_ is None and made is worldmap.panel) or (
            request_ is STRANGE and made is verdict.inspection
        )
        assert last.get("problem") or answered, made


@pytest.mark.parametrize("panel", ["inspection", "look", "map"])
def test_a_long_query_is_refused_by_every_panel(panel):
    retriever = Retriever(tiny_model(), Gallery.in_memory(features(1, 12, seed=3)[1]))
    long = "x" * (MOST_CHARACTERS + 1)
    made = {"inspection": verdict.inspection, "look": watch_look.panel, "map": worldmap.panel}[panel](
        retriever
    )
    look = {"query": long, "panel": "whole", "candidates": 8, "steps": 10, "seed": 0, "form": "published"}
    with pytest.raises(ValueError, match="2,001 characters"):
        list(made(long if panel == "map" else look))


def test_where_files_lie_is_not_told(tmp_path):
    gallery = Gallery.in_memory(features(1, 3)[1])
    gallery.failures = [Failure(str(tmp_path / "a.mp4"), "a.mp4 is no video.")]
    shelf = Shelf.of(Retriever(tiny_model(), gallery))
    said = json.dumps(gallery_state.state(shelf, shelf.place(None), State(), "", []))
    assert str(tmp_path) not in said and "a.mp4 is no video" in said
    for model, told in (
        (str(tmp_path / "weights"), "weights"),
        ("clip:ViT-B-32:/srv/secret/w.pt", "clip:ViT-B-32:w.pt"),
        ("C:\\srv\\m", "m"), ("clip:ViT-B-32:openai", "clip:ViT-B-32:openai"),
        ("owner/name", "owner/name"), ("", ""),
    ):  # fmt: skip
        assert gallery_tab.model_word(model) == told
    gallery = Gallery.create(tmp_path / "mine", tiny_model(), str(tmp_path / "weights"))
    with pytest.raises(ValueError, match="cannot be loaded") as caught:
        Shelf().open(Place("mine", "mine", gallery.folder))
    assert str(tmp_path) not in str(caught.value)


def test_nothing_is_fetched_from_outside():
    head = app.serving(Tab(Shelf.of(FakeRetriever()), Permission()))["head"]
    assert "http://www.w3.org/2000/svg" in head  # a name, not an address
    names = head.replace("http://www.w3.org/2000/svg", "").replace("http://www.w3.org/1998/Math/MathML", "")
    assert "http" not in names
    assert "url(" not in head and "@import" not in head
    assert not theme.theme()._stylesheets


# --- the command line -----------------------------------------------------------------------------------


class Launch:
    """What `main` opens and launches, without doing so."""

    def __init__(self, monkeypatch) -> None:
        self.options: dict = {}
        self.read_only: list[bool] = []
        self.tabs: list[Tab] = []
        monkeypatch.setattr(gr.Blocks, "launch", lambda page, **options: self.options.update(options))
        monkeypatch.setattr(app, "build", self.build)
        monkeypatch.setattr(shelf_module, "HOME", Path("/no such home"))
        monkeypatch.setattr(Shelf, "open", lambda shelf, place: FakeRetriever())
        serving = app.serving
        monkeypatch.setattr(app, "serving", lambda tab: self.tabs.append(tab) or serving(tab))

    def build(self, shelf: Shelf, read_only: bool) -> gr.Blocks:
        self.read_only.append(read_only)
        return gr.Blocks()

    def __call__(self, *arguments: str) -> Tab:
        app.main(arguments)
        return self.tabs[-1]


def test_every_option_arrives(monkeypatch, tmp_path):
    launch = Launch(monkeypatch)
    tab = launch()
    assert [place.folder for place in tab.shelf.places.values()] == [None]
    assert (tab.shelf.model, tab.shelf.device, tab.permission) == (None, "auto", Permission())
    assert (launch.options["server_name"], launch.options["server_port"]) == ("127.0.0.1", None)
    assert launch.options["auth"] is None and launch.options["share"] is False
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    galleries = ["--gallery", str(tmp_path / "one"), "--gallery", str(tmp_path / "two")]
    tab = launch(*galleries, "--model", "m", "--device", "cpu", "--port", "7999", "--host", "0.0.0.0")
    assert list(tab.shelf.places) == ["one", "two"]
    assert (tab.shelf.model, tab.shelf.device, tab.permission) == ("m", "cpu", Permission("0.0.0.0"))
    assert (launch.options["server_name"], launch.options["server_port"]) == ("0.0.0.0", 7999)
    assert launch.options["max_file_size"] == 0
    monkeypatch.setattr(shelf_module, "HOME", tmp_path / "home")
    made = tmp_path / "home" / "galleries" / "holiday-0123abcd"
    Gallery.create(made, tiny_model(), "m")
    shelves = [
        launch(*options).shelf.places.values() for options in ((), ("--host", "0.0.0.0"), ("--read-only",))
    ]
    assert [[place.name for place in places] for places in shelves] == [
        ["Storybook", "holiday"],
        *2 * [["Storybook"]],
    ]
    tab = launch("--videos", str(tmp_path / "one"))
    (place,) = tab.shelf.places.values()
    assert (
        place.name == "one"
        and place.folder.is_relative_to(tmp_path / "home")
        and tab.videos == tmp_path / "one"
    )


def test_who_may_edit_is_said_by_the_options(monkeypatch):
    launch = Launch(monkeypatch)
    monkeypatch.setenv("DIFFUSIONRET_AUTH", "ann:correct horse")
    assert launch("--read-only").permission.visitors
    assert not launch().permission.visitors
    assert launch("--share").permission.visitors and launch.options["share"] is True
    assert launch("--share", "--auth").permission == Permission(login=True)
    assert launch.options["auth"] == ("ann", "correct horse")
    monkeypatch.setenv("GRADIO_SERVER_NAME", "0.0.0.0")
    assert launch().permission == Permission("0.0.0.0")
    monkeypatch.setenv("SPACE_ID", "someone/diffusionret")  # visitors of a Space leave nothing behind either
    assert launch("--auth").permission.visitors
    assert launch.read_only == [True, False, True, False, False, True]


@pytest.mark.parametrize("secret", ["", "ann", ":password1", "ann:", "ann:short"])
def test_auth_without_a_password_is_one_sentence(monkeypatch, capsys, secret):
    monkeypatch.setenv("DIFFUSIONRET_AUTH", secret)
    with pytest.raises(SystemExit) as stop:
        app.main(["--auth"])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "DIFFUSIONRET_AUTH" in said and "ann:short" not in said


def test_the_page_takes_no_file():
    uploads = (gr.UploadButton, gr.File, gr.Video, gr.Image, gr.Audio)
    assert not [block for block in app.build(FakeRetriever()).blocks.values() if isinstance(block, uploads)]


def test_a_missing_gallery_is_one_sentence(tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        app.main(["--gallery", str(tmp_path / "none")])
    assert stop.value.code == 2
    assert "There is no gallery" in capsys.readouterr().err


def test_a_taken_port_is_one_sentence(monkeypatch, capsys):
    monkeypatch.setattr(Shelf, "open", lambda shelf, place: FakeRetriever())
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(SystemExit) as stop:
            app.main(["--port", str(port)])
    assert stop.value.code == 2
    assert capsys.readouterr().err == f"Port {port} is taken: choose another one with --port.\n"


@pytest.mark.parametrize("port", ["0", "65536", "-1", "http"])
def test_what_is_no_port_is_one_sentence(port, capsys):
    with pytest.raises(SystemExit) as stop:
        app.main([f"--port={port}"])
    assert stop.value.code == 2
    assert f"'{port}' is no port: choose one from 1 to 65535." in capsys.readouterr().err


@pytest.mark.parametrize("start", ["run_module('demo', ", "run_path('demo/app.py', "])
def test_an_interrupt_while_it_is_loaded_is_one_sentence(start):
    code = """
        import runpy, sys

        class Interrupt:
            def find_spec(self, name, *rest):
                if name == "torch":
                    raise KeyboardInterrupt

        sys.meta_path.insert(0, Interrupt())
        sys.path.insert(0, "")
        runpy."""
    command = [sys.executable, "-c", f"{textwrap.dedent(code)}{start}run_name='__main__')"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=600)
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


def test_it_starts_as_a_file_from_anywhere(tmp_path):
    command = [sys.executable, str(ROOT / "demo" / "app.py"), "--help"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr
    assert "--gallery" in done.stdout


# --- the Search tab -------------------------------------------------------------------------------------


def test_every_text_is_escaped():
    fake = FakeRetriever()
    nasty = found(hit(1, 1, NASTY, id=NASTY))
    nasty = replace(nasty, query=NASTY)
    parts = [
        search.page(nasty, 10, 3),
        search.similar_page(NASTY, nasty.hits),
        search.problem(NASTY),
        search.cut(NASTY),
        search.chips([search.Example(NASTY, NASTY)]),
        gallery_state.page(fake.gallery, Choice(), 60, True, True)["html"],
        gallery_state.page(fake.gallery, Choice(words=NASTY + "x"), 60, False, False)["html"],
        search.within(NASTY),
        app._header(fake),
    ]
    for part in parts:
        assert "<img src=x" not in part
        assert "onerror=alert(1)&gt;" in part or "onerror%3Dalert" in part


def test_arrows_say_how_generation_moved_a_clip():
    assert "unchanged" in search.arrow(hit(2, 2)) and "is-same" in search.arrow(hit(2, 2))
    assert "▲ 3" in search.arrow(hit(1, 4)) and "from 4" in search.arrow(hit(1, 4))
    assert "▼ 2" in search.arrow(hit(4, 2)) and "is-down" in search.arrow(hit(4, 2))


def test_a_card_shows_share_sum_and_moment():
    card = search.hit_card(hit(1, 4), 32, "published")
    assert ">share<" in card and "50\u00a0%" in card and "width:50.00%" in card
    assert "confidence" not in card and "p(match)" not in card
    assert "0.250" in card and "+ 0.125" in card and "= 0.375" in card
    assert 'data-moment="61.2"' in card and ">1:01<" in card
    assert 'data-video="media/clips/v1?of=' in card and "/clips/a" not in card
    card = search.hit_card(hit(1, 4, probability=0.999), 32, "open-set")
    assert ">p(match)<" in card and ">\u00a099\u00a0%" in card.replace("&gt;", ">") and ">share<" not in card


def test_without_a_generator_there_is_no_share_and_no_arrow():
    page = search.page(found(hit(1, 1, probability=None, boost=0.0), form=""), 10, 250)
    assert "similarity only" in page
    assert "dr-share" not in page and "dr-move" not in page and "boost" not in page


@pytest.mark.parametrize(
    ("hits", "says"),
    [
        ([hit(1, 1), hit(2, 2)], "Similarity alone gives the same order."),
        (
            [hit(1, 1), hit(2, 3), hit(3, 2)],
            "first by similarity alone, too; the generator moved 2 of the 3 shown",
        ),
        ([hit(1, 5), hit(2, 2)], "lifted it from rank 5."),
        ([hit(1, 3), hit(2, 1), hit(3, 2)], "lifted it from rank 3 and moved 2 of the other 2."),
    ],
)
def test_the_order_is_one_true_sentence(hits, says):
    order = search.order(found(*hits), 10, 250)
    assert order.startswith("First of 250 clips: <strong>a boat</strong>")
    assert says in order and "The order is that of" not in order


def test_an_order_against_the_bars_is_explained():
    hits = [hit(1, 1, probability=0.2, boost=0.02), hit(2, 2, probability=0.9, boost=0.09)]
    assert "similarity + 0.1 × p(match), not of p(match) alone." in search.order(
        found(*hits, form="open-set"), 10, 250
    )
    assert "similarity and boost together" in search.order(found(*hits), 10, 250)
    alike = [hit(1, 1, probability=0.994), hit(2, 2, probability=0.999)]  # no eye tells these apart
    assert "not of p(match)" not in search.order(found(*alike, form="open-set"), 10, 250)


@pytest.mark.parametrize(("kind", "p"), [("match", 0.97), ("unsure", 0.5), ("none", 0.05)])
def test_the_verdict_is_said_once_with_one_number(kind, p):
    hits = [hit(1, 1, probability=0.9 * p), hit(2, 2, probability=0.1 * p)]
    page = search.page(found(*hits, form="open-set", verdict=said(kind, p)), 10, 250)
    assert page.count(SENTENCES[kind]) == 1 and f'data-kind="{kind}"' in page
    assert f"p(match)\u00a0{100 * p:.0f}\u00a0%</b>" in page and "p\u00a0=" not in page
    assert page.count('class="dr-share"') == 2 and "No match here" not in page


def test_what_cannot_be_read_has_no_number():
    page = search.page(found(hit(1, 1), form="open-set", verdict=said("unreadable", None)), 10, 250)
    assert 'data-kind="unreadable"' in page and page.count('class="dr-card"') == 1
    assert all(
        part not in page for part in ("dr-chance", "dr-share", "dr-numbers", "dr-order", "p(match)\u00a0")
    )


@pytest.mark.parametrize(
    ("form", "kind", "bars", "end"),
    [
        ("open-set", "match", [0.9, 0.6, 0.2, 0.1], 2),
        ("open-set", "unsure", [0.5, 0.1], 1),
        ("open-set", "match", [0.9, 0.3, 0.7, None], 3),  # similarity may stand against the bars
        ("open-set", "none", [0.9, 0.2], None),  # the verdict has it that there are none
        ("open-set", "unreadable", [0.9, 0.2], None),
        ("open-set", "match", [0.4, 0.3], None),
        ("open-set", "match", [0.9, 0.8], None),
        ("published", "match", [0.9, 0.1], None),  # a share says nothing of a match
    ],
)
def test_matches_end_where_the_verdict_has_any(form, kind, bars, end):
    hits = [hit(i, i, probability=p) for i, p in enumerate(bars, 1)]
    result = found(*hits, form=form, verdict=said(kind, None if kind == "unreadable" else 0.9))
    assert search.ending(result, 10) == end
    page = search.page(result, 10, 250)
    assert ("Where the matches end" in page) == (end is not None)
    if end is not None:
        assert page.split("Where the matches end")[0].count('class="dr-card"') == end
    assert search.ending(replace(result, ood=None), 10) is None


def test_why_says_what_the_number_assumes(retriever):
    report = Report("a boat", Answer(0.5, 0.31, 250, note=""), Answer(), said("match", 0.9))
    panel = verdict.panel(retriever, report)
    assert "It assumes that 30\u00a0% of queries have no match." in panel
    levels = json.loads(unescape(re.findall(r'data-levels="([^"]*)"', panel)[0]))
    said_at = {level["absent"]: level["sentence"] for level in levels}
    assert (
        "p(match)\u00a095\u00a0%" not in said_at["50\u00a0%"]
        and "p(match)\u00a079\u00a0%" in said_at["50\u00a0%"]
    )
    assert "alpha" not in panel and "flag" not in panel and "p =" not in panel
    calibration = Calibration(np.linspace(0, 1, 99), np.full(99, 5), {}, {}, {}, {})
    answer = Answer(0.5, 0.31, 99, words=5, length="4 to 7 words")
    picture = verdict._picture("familiar", answer, calibration, report)
    assert (
        "30 of 99 ordinary queries of 4 to 7 words looked this unusual (p-value 0.31, n\u00a0=\u00a099)."
        in picture
    )
    assert "assumes" not in verdict.panel(retriever, replace(report, verdict=said("unsure", None)))


def test_a_search_draws_no_trajectory(monkeypatch):
    config = replace(CONFIG, openset=OpenSetConfig(steps=10, width=16, heads=2), form="open-set")
    retriever = Retriever(tiny_model(config=config), Gallery.in_memory(features(1, 12, seed=3)[1]))
    page = app.build(retriever)
    drawn = retriever.generation.trajectory
    monkeypatch.setattr(retriever.generation, "trajectory", lambda *a, **k: pytest.fail("drawn"))
    _, cards, player = function(page, "answer")("a boat", 5, 8, 10, 0)
    assert cards.count('class="dr-card"') == 5
    monkeypatch.setattr(retriever.generation, "trajectory", drawn)
    (content,) = watch_look.panel(retriever)({**json.loads(player), "panel": "play"})
    assert content["form"] == "open-set" and content["seeds"] == 16


@pytest.mark.parametrize(
    ("share", "text"), [(0, "< 0.1 %"), (0.004, "0.4 %"), (0.0994, "9.9 %"), (0.0996, "10 %"), (1, "100 %")]
)
def test_shares_are_readable(share, text):
    assert search.percent(share) == text.replace(" ", "\u00a0")


def test_a_long_query_shows_what_was_left_out(retriever):
    text = "a red boat and " * 12
    trouble, cards, _ = function(app.build(retriever), "answer")(text, 3, 8, 10, 0)
    assert "left out" in trouble and "boat and" in trouble
    assert cards.count('class="dr-card"') == 3


def test_the_first_queries_show_what_their_chips_say():
    """On the bundled model: one splits the draws, a word more gathers them, one is certain, one leaves something out,
    two have no match."""
    retriever = Retriever.bundled("cpu")
    clips, kinds = [], []
    for example in search.EXAMPLES["storybook"]:
        result = retriever.search(example.query)
        assert result.trajectory is not None and result.verdict is not None
        ends = result.trajectory.readout.columns(result.trajectory.predictions[-1, :, 0]).argmax(dim=-1)
        clips.append(len({int(end) for end in ends if end < 32}))
        kinds.append(result.verdict.kind)
    assert clips[0] > clips[1] > 1 and clips[2] == 1
    assert kinds == ["match", "match", "match", "match", "none", "none"]


# --- the Gallery and Evidence tabs ----------------------------------------------------------------------


def test_visitors_are_not_told_that_nothing_leaves_the_machine():
    assert "Nothing leaves the machine" in gallery_tab.frame(read_only=False)
    assert "Nothing leaves" not in gallery_tab.frame(read_only=True)
    assert "sent to the server" in gallery_tab.frame(read_only=True)


def test_own_videos_come_with_their_commands():
    text = gallery_tab.OWN_VIDEOS
    assert f"python -m diffusionret index FOLDER_OF_VIDEOS --gallery my-videos --model {CLIP}" in text
    assert "python -m demo --gallery my-videos" in text


def test_results_become_tables_with_their_commands(tmp_path):
    assert evidence.tables(tmp_path) == evidence.NOTHING
    table = {"before": {"R1": 91.5, "MnR": [1.2, 1.4]}, "after": {"R1": 92, "note": NASTY}}
    content = {"title": "Search", "command": "python -m x <y>", "clips": 1000, "t2v": table}
    (tmp_path / "a.json").write_text(json.dumps(content))
    (tmp_path / "b.json").write_text("{")
    (tmp_path / "c_d.json").write_text(json.dumps([{"step": 1, "loss": 0.25}]))
    shown = evidence.tables(tmp_path)
    assert "<h3>Search</h3>" in shown and "python -m x &lt;y&gt;" in shown and "<h4>t2v</h4>" in shown
    assert "<td>91.5</td>" in shown and "1.2 to 1.4" in shown and '<th scope="row">after</th>' in shown
    assert "b.json is not readable" in shown and "<h3>c d</h3>" in shown and "<td>0.25</td>" in shown
    assert "<img src=x" not in shown


def test_a_batch_shows_how_far_it_is():
    retriever = Retriever(tiny_model(), Gallery.in_memory(features(1, 12, seed=3)[1]))
    *steps, last = batch.check(retriever, [f"a boat {i}" for i in range(70)], 0.05)
    assert ["32 of 70 checked" in steps[0], "64 of 70 checked" in steps[1], len(steps)] == [True, True, 2]
    assert last.count("<tr>") == 71


def test_a_batch_says_the_verdict_of_each_row():
    kinds = [("match", 0.97), ("none", 0.04), ("unsure", 0.5), ("unreadable", None)]
    reports = [
        Report(
            f"query {kind}",
            Answer(0.1, 0.02, 99, flagged=True, in_batch=kind == "none"),
            Answer(),
            said(kind, p),
        )
        for kind, p in kinds
    ]
    table = batch.table(reports, 0.05)
    assert (
        "Of 4 queries: 1 with a match in this gallery, 1 perhaps with one, 1 without, 1 not readable" in table
        and "1 is unlike what the model learned" in table
    )
    for kind, _ in kinds[:3]:
        assert SENTENCES[kind] in table and f'class="is-{kind}"' in table
    assert "97 %" in table and table.count("<td>unlike</td>") == 1
    rows = list(csv.DictReader(unquote(table.split("charset=utf-8,")[1].split('"')[0]).splitlines()))
    assert [row["verdict"] for row in rows] == [kind for kind, _ in kinds]
    assert rows[0]["p_match"] == "0.97" and rows[3]["p_match"] == "" and "cell" not in rows[0]


def test_every_chip_says_what_it_shows():
    for world in search.EXAMPLES:
        chips = search.chips(search.examples(world))
        assert chips.count("data-query=") == len(search.examples(world)) in (5, 6)
    assert all(example.shows for example in search.EXAMPLES["storybook"])


def test_what_the_bundled_gallery_shows_is_said_and_of_no_other():
    said = search.chips(search.examples("storybook"), search.shows(Gallery.bundled()))
    assert said.endswith(f'<p class="dr-shows">{search.BUNDLED_SHOWS}</p>')
    other = Gallery.in_memory(features(1, 3)[1])
    assert search.shows(other) == "" and "dr-shows" not in search.chips(search.examples(""))


def test_one_candidate_is_not_several():
    for candidates, several in ((32, True), (1, False)):
        result = found(hit(1, 1), form="open-set")
        foot = search._foot(replace(result, settings=replace(result.settings, candidates=candidates)))
        assert ("several may, or none" in foot) == several and foot.endswith(".")


def test_the_model_card_comes_without_its_front_matter(tmp_path):
    assert evidence.model_card(tmp_path) == ""
    (tmp_path / "README.md").write_text("---\nlicense: x\n---\n# Card\n")
    assert evidence.model_card(tmp_path) == "# Card\n"


def test_both_generators_answer_and_the_address_names_the_other():
    _, video = features(1, 12, seed=3)
    config = replace(CONFIG, openset=OpenSetConfig(steps=10, width=16, heads=2))
    both = Retriever(tiny_model(config=config), Gallery.in_memory(video))
    page = app.build(both)
    event = SimpleNamespace(_data={"form": "open-set"})
    *_, form, _, cards, player = function(page, "replayed")(event, "a dog", 5, 8, 10, 0, "published")
    wanted = json.loads(player)
    assert form == wanted["form"] == "open-set"
    (sent,) = watch_look.panel(both)({**wanted, "panel": "play"})
    assert sent["form"] == "open-set" and sent["forms"] == ["published", "open-set"]
    assert "generator=open-set" in cards
    asked = {"q": "a dog", "generator": "open-set", "steps": "10"}
    *_, player, _, _ = function(page, "first")(SimpleNamespace(query_params=asked))
    assert json.loads(player)["form"] == "open-set"


def test_each_generator_takes_the_steps_that_it_needs():
    both = replace(
        CONFIG,
        generator=replace(CONFIG.generator, steps=10),
        openset=OpenSetConfig(steps=10, sampling_steps=4, width=16, heads=2),
        form="open-set",
    )
    retriever = Retriever(tiny_model(config=both), Gallery.in_memory(features(1, 12)[1]))
    page = app.build(retriever)
    steps = {"open-set": 4, "published": 10}
    for form, count in steps.items():
        asked = SimpleNamespace(query_params={"q": "a boat", "generator": form})
        *_, player, _, _ = function(page, "first")(asked)
        assert json.loads(player)["steps"] == count
        asked = function(page, "turned")("a boat", 5, 8, 7, 0, form)
        assert asked[0] == count and json.loads(asked[-1])["steps"] == count
    replayed = function(page, "replayed")
    other = SimpleNamespace(_data={"form": "published"})
    assert replayed(other, "a boat", 5, 8, 4, 0, "open-set")[1] == 10
    assert replayed(SimpleNamespace(_data={"seed": 2}), "a boat", 5, 8, 7, 0, "open-set")[1] == 7
    forged = SimpleNamespace(_data={"form": "no such generator"})
    assert replayed(forged, "a boat", 5, 8, 7, 0, "open-set")[:4] == (8, 7, 0, "open-set")
    told = SimpleNamespace(_data={"form": "published", "steps": 2})
    assert replayed(told, "a boat", 5, 8, 4, 0, "open-set")[1] == 2


# --- long videos ----------------------------------------------------------------------------------------


def part_hit(rank: int, start: float, end: float, **changes) -> Hit:
    changes = {"id": f"film@{int(start)}", "start": start, "end": end, "moment": start + 1} | changes
    base_rank = changes.pop("base_rank", rank)
    return hit(rank, base_rank, duration=3700.0, path=Path("/clips/film.mp4"), file="film.mp4", **changes)


def test_a_file_is_one_card_that_plays_its_best_part_and_marks_all():
    hits = [part_hit(1, 3600.0, 3630.0), hit(2, 2, "a whole clip"), part_hit(3, 0.0, 30.0)]
    page = search.page(found(*hits), 10, 2)
    assert page.count('class="dr-card"') == 2 and page.count('class="dr-timeline"') == 1
    first, second = page.split('class="dr-card"')[1:]
    assert 'data-start="3600" data-end="3630"' in first and ">1:00:00 – 1:00:30<" in first
    assert first.count('class="dr-mark') == 2 and first.count("is-best") == 1
    assert first.index('aria-label="Play 0:00 to 0:30"') < first.index(
        "Play 1:00:00 to 1:00:30, the best part"
    )
    assert (
        'style="left:97.297%;width:0.811%"' in first and 'aria-label="2 matching parts of 1:01:40"' in first
    )
    assert "data-start" not in second and "dr-timeline" not in second
    assert "<b>1</b>" in first and "<b>2</b>" in second
    assert 'href="media/cuts/film%403600?of=' in first
    assert "at 1:00:00" in page and "First of 2 clips" in page


def test_ranks_on_cards_count_files():
    hits = [
        part_hit(1, 0.0, 30.0, base_rank=2),
        part_hit(2, 30.0, 60.0, base_rank=3),
        hit(3, 1, "a clip that similarity had first"),
        hit(4, 4, "another", path=Path("/clips/c.mp4")),
    ]
    shown = search.shown(found(*hits), 10)
    assert [(best.rank, best.base_rank) for best, _ in shown] == [(1, 2), (2, 1), (3, 3)]
    assert [len(spans) for _, spans in shown] == [2, 1, 1] and len(search.shown(found(*hits), 2)) == 2


def test_what_probably_matches_is_marked():
    best = part_hit(1, 0.0, 30.0, probability=0.2)
    spans = [best, part_hit(3, 30.0, 60.0, probability=0.6), part_hit(2, 60.0, 90.0, probability=0.1)]
    spans.append(part_hit(40, 90.0, 120.0, probability=None))
    marked = {form: search.matching(best, spans, 2, form) for form in ("", "published", "open-set")}
    assert [hit.rank for hit in marked["open-set"]] == [1, 3]
    assert [hit.rank for hit in marked["published"]] == [hit.rank for hit in marked[""]] == [1, 2]


def test_lists_hold_what_is_shown_and_no_place():
    nasty = hit(1, 1, NASTY, file=f"{NASTY}.mp4", id="a", path=Path("/home/somebody/film.mp4"))
    page = search.page(found(nasty), 10, 1)
    assert page.count('download="results.') == 3 and "somebody" not in page and "<img src=x" not in page
    held = page.split('data-lists="')[1].split('"')[0]
    lists = json.loads(unescape(held))
    assert (
        list(lists) == ["csv", "edl", "json"] and json.loads(lists["json"])["moments"][0]["caption"] == NASTY
    )
    assert all(unquote(link.split(",", 1)[1].split('"')[0]) for link in page.split('href="data:')[1:])


def test_a_clip_is_cut_for_a_visitor_by_its_id_only(tmp_path, monkeypatch):
    write_clip(tmp_path / "film.mp4", count=60)
    rows = [
        Row(f"film@{i}", "film.mp4", 0, 0, duration=6.0, timestamps=[float(i)], start=float(i), end=i + 3.0)
        for i in (0, 3)
    ]
    gallery = Gallery(rows, folder=tmp_path)
    address = media.cut_url("film@3", gallery.path(1))
    status, body, kind = served(gallery, address)
    assert (status, kind) == (200, "video/mp4")
    (tmp_path / "part.mp4").write_bytes(body)
    assert probe(tmp_path / "part.mp4", 120.0).duration == pytest.approx(3.0, abs=0.11)
    for other in ("media/cuts/film", "media/cuts/film.mp4", "media/cuts/..%2Ffilm.mp4", "media/cuts/film@9"):
        assert served(gallery, other)[0] == 404
    assert media.cut_url("film@3", None) == ""

    kept = {folder.name for folder in Path(tempfile.gettempdir()).glob("diffusionret-*")}
    with monkeypatch.context() as patch:  # as many as may be are being cut
        patch.setattr(cuts, "_PLACES", threading.BoundedSemaphore(1))
        cuts._PLACES.acquire()
        assert served(gallery, address)[0] == 503
    with monkeypatch.context() as patch:
        patch.setattr(cuts, "MOST_SECONDS", 2.0)
        assert served(gallery, address)[0] == 413
    (tmp_path / "film.mp4").write_bytes(b"no video at all")
    status, body, _ = served(gallery, address)
    assert status == 422 and b"film.mp4 is no video" in body and str(tmp_path).encode() not in body
    assert {folder.name for folder in Path(tempfile.gettempdir()).glob("diffusionret-*")} == kept
