"""The Gallery tab without a browser: who may edit, what is taken and kept, and which clips are meant."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import SimpleNamespace

import av
import pytest
import torch
from clips import write_clip
from starlette.applications import Starlette
from starlette.testclient import TestClient
from tiny import features, tiny_model

from demo import app, gallery_routes, gallery_upload, gallery_watch, login
from demo import shelf as shelf_module
from demo.gallery_choice import Choice, folders
from demo.gallery_copies import copy_file, is_playable, transcode
from demo.gallery_groups import Group, groups
from demo.gallery_routes import ACTIONS, Tab
from demo.permission import FORWARDING, Permission, loopback
from demo.shelf import Shelf
from diffusionret import Gallery, Retriever, VideoFeatures
from diffusionret.index import Progress
from diffusionret.store import Row

HERE = {"Host": "127.0.0.1:7860", "Origin": "http://127.0.0.1:7860"}
EDITING = sorted([*ACTIONS, "upload"])


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    place = tmp_path_factory.mktemp("tab") / "model"
    tiny_model().save_pretrained(place)
    return place


@pytest.fixture
def tab(tmp_path, model_folder, monkeypatch) -> Iterator[Tab]:
    """Over an empty gallery, for somebody at this machine."""
    monkeypatch.setattr(shelf_module, "HOME", tmp_path / "home")
    monkeypatch.setattr(shelf_module, "BUNDLED_MODEL", str(model_folder))
    (tmp_path / "gallery").mkdir()
    shelf = Shelf(device="cpu")
    shelf.add(tmp_path / "gallery")
    made = Tab(shelf, Permission())
    yield made
    made.close()


@pytest.fixture
def videos(tmp_path) -> Path:
    (tmp_path / "videos" / "below").mkdir(parents=True)
    write_clip(tmp_path / "videos" / "one.mp4", count=20)
    write_clip(tmp_path / "videos" / "below" / "two.mp4", count=40)
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"no video")
    return tmp_path / "videos"


def client(tab: Tab, **state: object) -> TestClient:
    served = Starlette(routes=gallery_routes.routes(tab))
    for name, value in state.items():
        setattr(served, name, value)
    return TestClient(served, raise_server_exceptions=False)


def post(tab: Tab, name: str, said: object = None, **headers: str):
    with client(tab) as asks:
        return asks.post(f"/gallery/{name}", content=json.dumps(said or {}), headers=HERE | headers)


def read(tab: Tab, name: str, **query: object) -> dict:
    with client(tab) as asks:
        return asks.get(f"/gallery/{name}", params=query, headers={"Host": HERE["Host"]}).json()


def indexed(tab: Tab, folder: Path, model: Path) -> None:
    assert post(tab, "index", {"folder": str(folder), "model": str(model)}).status_code == 200
    tab.jobs.wait(tab.shelf.place(None))


# --- who may edit ---------------------------------------------------------------------------------------

FOREIGN = {
    "a foreign Host": (Permission(), HERE | {"Host": "evil.example", "Origin": "http://evil.example"}),
    "a name that ends like ours": (Permission(), HERE | {"Host": "localhost.evil.example"}),
    "a foreign Origin": (Permission(), HERE | {"Origin": "http://evil.example"}),
    "another port's Origin": (Permission(), HERE | {"Origin": "http://127.0.0.1:9999"}),
    "an Origin of nowhere": (Permission(), HERE | {"Origin": "null"}),
    "no Origin": (Permission(), {"Host": HERE["Host"]}),
    "a public bind": (Permission("0.0.0.0"), HERE),
    "a public address": (Permission("192.168.0.5"), HERE),
    "visitors only": (Permission(visitors=True), HERE),
    "nobody logged in": (Permission(login=True), HERE),
    "visitors, logged in or not": (Permission(login=True, visitors=True), HERE),
} | {f"a proxy's {name}": (Permission(), HERE | {name: "10.0.0.1"}) for name in FORWARDING}


@pytest.mark.parametrize("name", EDITING)
def test_every_editing_endpoint_refuses_whoever_may_not(tab, name):
    """Before it looks at what is said: bodies are no JSON, and nothing is written."""
    before = sorted(Path(tab.shelf.place(None).folder).rglob("*"))
    for why, (permission, headers) in FOREIGN.items():
        asked = Tab(tab.shelf, permission)
        with client(asked) as asks:
            answer = asks.post(f"/gallery/{name}?name=a.mp4", content=b"{", headers=headers)
        assert answer.status_code == 403 and answer.json()["problem"], why
    assert sorted(Path(tab.shelf.place(None).folder).rglob("*")) == before
    assert list(tab.shelf.places) == ["gallery"]


def test_who_may_not_edit_is_offered_nothing(tab):
    for why, (permission, headers) in FOREIGN.items():
        if why == "no Origin":  # reading from one's own page has none
            continue
        with client(Tab(tab.shelf, permission)) as asks:
            said = asks.get("/gallery/state", headers=headers).json()
            assert not said["editable"] and said["refusal"] and said["job"] == {"running": False}, why
            assert not {"hidden", "watched", "models", "videos"} & set(said), why
            assert asks.get("/gallery/storage", headers=headers).status_code == 403, why
    assert read(tab, "state")["editable"]


def test_every_route_is_known_here(tab):
    """A new endpoint has to be an editing one above, or a reading one here."""
    names = {route.path.removeprefix("/gallery/"): route.methods for route in gallery_routes.routes(tab)}
    assert sorted(name for name, methods in names.items() if "POST" in methods) == EDITING
    assert {name for name, methods in names.items() if "POST" not in methods} == {"state", "clips", "storage"}


def test_behind_a_login_the_cookie_and_the_origin_count(tab):
    public = {"Host": "videos.example", "Origin": "https://videos.example", "X-Forwarded-For": "10.0.0.1"}
    asked = Tab(tab.shelf, Permission("0.0.0.0", login=True))
    with client(asked, tokens={"secret": "ann"}, cookie_id="7") as asks:
        asks.cookies.set("access-token-7", "secret")
        assert asks.post("/gallery/make", content=b"{}", headers=public).status_code == 200
        other = public | {"Origin": "https://evil.example"}
        assert asks.post("/gallery/make", content=b"{}", headers=other).status_code == 403
        asks.cookies.set("access-token-7", "guessed")
        assert asks.post("/gallery/make", content=b"{}", headers=public).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost", "LOCALHOST."])
def test_this_machine_is_known(host):
    assert loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example", "127.1.example"]
)
def test_another_machine_is_none_of_it(host):
    assert not loopback(host)


def test_a_login_guards_our_own_addresses_and_guesses_are_held_back(monkeypatch):
    async def anything(scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"here"})

    async def wrapped(scope, receive, send):
        scope["app"] = SimpleNamespace(tokens={"secret": "ann"}, cookie_id="7")
        await guard(scope, receive, send)

    guard, asks = login.Login(anything), TestClient(wrapped)
    for path in (
        "/media/clips/a",
        "/media/posters/a",
        "/media/plotly.min.js",
        "/gallery/state",
        "/gallery/make",
    ):
        assert asks.get(path).status_code == asks.post(path).status_code == 401, path
        assert asks.get(path, headers={"Cookie": "access-token-unsecure-7=secret"}).text == "here"
    assert [asks.post("/login").status_code for _ in range(login.TRIES + 1)] == [200] * login.TRIES + [429]
    monkeypatch.setattr(login, "SECONDS", 0.0)
    assert asks.post("/login/").status_code == 200


# --- from a folder to a search --------------------------------------------------------------------------


def test_a_folder_becomes_a_gallery_and_what_fails_is_listed(tab, videos, model_folder):
    empty = read(tab, "state")
    assert (empty["count"], empty["made"], empty["failed"]) == (0, False, 0)
    assert post(tab, "index", {"folder": str(videos)}).json()["problem"] == "Choose a model first."
    assert post(tab, "index", {"folder": "videos", "model": "x"}).status_code == 404
    indexed(tab, videos, model_folder)
    said = read(tab, "state")
    assert (said["count"], said["made"], said["job"]["phase"], said["job"]["added"]) == (2, True, "done", 2)
    assert [failure["name"] for failure in said["failures"]] == ["broken.mp4"]
    assert "broken.mp4" in said["failures"][0]["reason"] and said["model"] == "model"
    assert [folder["name"] for folder in said["folders"]] == [".", "below"]
    result = tab.shelf.open(tab.shelf.place(None)).search("a boat", k=2, steps=2)
    assert {hit.id for hit in result.hits} == {"one", "two"}
    page = read(tab, "clips")
    assert page["count"] == 2 and page["html"].count('class="dr-card"') == 2 and "dr-change" in page["html"]
    assert read(tab, "clips", folder="below")["count"] == 1


def test_a_model_that_there_is_not_is_a_sentence(tab, videos):
    assert post(tab, "index", {"folder": str(videos), "model": "no such model"}).status_code == 200
    tab.jobs.wait(tab.shelf.place(None))
    job = read(tab, "state")["job"]
    assert (job["phase"], job["running"]) == ("problem", False) and "no such model" in job["problem"]


def test_a_run_stops_and_goes_on(tab, videos, model_folder, monkeypatch):
    place, reached, go = tab.shelf.place(None), threading.Event(), threading.Event()
    index = gallery_routes.Jobs._index
    import demo.gallery_job as job_module

    real = job_module.index_folder

    def slow(videos, folder, model, name, progress, **more):
        def halted(now: Progress) -> None:
            reached.set()
            go.wait(60)
            progress(now)

        return real(videos, folder, model, name, halted, **more)

    monkeypatch.setattr(job_module, "index_folder", slow)
    assert post(tab, "index", {"folder": str(videos), "model": str(model_folder)}).status_code == 200
    assert reached.wait(60) and tab.jobs.state(place).is_running
    assert post(tab, "stop").status_code == 200
    go.set()
    tab.jobs.wait(place)
    assert tab.jobs.state(place).phase == "stopped" and index is gallery_routes.Jobs._index
    assert post(tab, "resume").status_code == 200
    tab.jobs.wait(place)
    assert read(tab, "state")["count"] == 2
    assert post(tab, "resume").json()["problem"] == "There is nothing to go on with."


def test_edits_outlive_another_run(tab, videos, model_folder):
    indexed(tab, videos, model_folder)
    place = tab.shelf.place(None)

    def marks() -> dict[str, str]:
        gallery = Gallery.open(place.folder)
        return {Path(gallery.uri(i)).stem: gallery_routes.mark(gallery.uri(i)) for i in range(len(gallery))}

    one, two = marks()["one"], marks()["two"]
    assert (
        post(
            tab, "rename", {"marks": [one], "title": "The <b>first</b>", "caption": "a red boat"}
        ).status_code
        == 200
    )
    assert "The &lt;b&gt;first" in read(tab, "clips")["html"]
    assert tab.shelf.open(place).gallery.captions == ["a red boat", ""]
    assert post(tab, "hide", {"marks": [two]}).status_code == 200
    assert tab.shelf.open(place).gallery.ids == ["one"]
    indexed(tab, videos, model_folder)
    said = read(tab, "state")
    assert said["count"] == 1 and [row["name"] for row in said["hidden"]] == ["two.mp4"]
    assert tab.shelf.open(place).gallery.captions == ["a red boat"]
    assert post(tab, "hide", {"marks": [two], "hidden": False}).status_code == 200
    assert tab.shelf.open(place).gallery.ids == ["one", "two"]
    assert post(tab, "rename", {"marks": [one, two], "title": "x"}).status_code == 400
    assert post(tab, "rename", {"marks": [one], "title": "x" * 300}).status_code == 409
    assert post(tab, "hide", {"marks": ["0" * 18]}).status_code == 404


def test_removing_forgets_a_row_and_deletes_only_what_was_dropped(tab, videos, model_folder):
    indexed(tab, videos, model_folder)
    place, dropped = tab.shelf.place(None), (videos / "one.mp4").read_bytes()
    with client(tab) as asks:
        sent = asks.post("/gallery/upload?name=mine.mp4", content=dropped, headers=HERE)
        assert sent.json() == {"name": "mine.mp4"}
    assert post(tab, "index", {"uploads": True}).status_code == 200
    tab.jobs.wait(place)
    gallery = tab.shelf.open(place).gallery
    assert gallery.ids == ["mine", "one", "two"]
    all_ = [gallery_routes.mark(gallery.uri(i)) for i in range(3)]
    all_.append(read(tab, "state")["failures"][0]["mark"])
    assert post(tab, "remove", {"marks": all_}).json() == {"removed": 4}
    assert (read(tab, "state")["count"], read(tab, "state")["failed"]) == (0, 0)
    assert sorted(path.name for path in videos.rglob("*.mp4")) == ["broken.mp4", "one.mp4", "two.mp4"]
    assert not list((place.folder / "uploads").glob("*.mp4")) and not list(
        (place.folder / "posters").iterdir()
    )


def test_the_bundled_gallery_stays_as_it_is(tab, monkeypatch):
    bundled = Tab(Shelf.of(Retriever(tiny_model(), Gallery.in_memory(features(1, 3)[1]))), Permission())
    for name in sorted(set(ACTIONS) - {"make", "stop", "resume"}):
        answer = post(bundled, name, {"marks": ["0"], "folder": "/", "model": "x"})
        assert answer.status_code == 409 and "stays as it is" in answer.json()["problem"], name
    with client(bundled) as asks:
        assert asks.post("/gallery/upload?name=a.mp4", content=b"x", headers=HERE).status_code == 409
    assert read(bundled, "state")["fixed"]


def test_a_new_gallery_stands_beside_the_others(tab):
    key = post(tab, "make", {"name": "../../Holiday 2026"}).json()["key"]
    place = tab.shelf.places[key]
    assert place.folder.parent == shelf_module.HOME / "galleries" and key == "holiday-2026"
    assert post(tab, "make", {"name": "../../Holiday 2026"}).json()["key"] != key
    assert [item["key"] for item in read(tab, "state")["galleries"]][:2] == ["gallery", key]
    assert post(tab, "make", {"name": "x" * 1000}).status_code == 400
    assert post(tab, "make", [1]).status_code == 400


@pytest.mark.parametrize(
    "content", [b"{", b"[" * 90_000, b'{"a":"' + b"x" * 200_000, b"[]", b"\xff"], ids=len
)
def test_what_is_no_request_is_a_sentence(tab, content):
    with client(tab) as asks:
        answer = asks.post("/gallery/make", content=content, headers=HERE)
    assert answer.status_code in (400, 413) and answer.json()["problem"].endswith(".")


# --- what is dropped ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("holiday.mp4", "holiday.mp4"), ("../../etc/passwd.mp4", "passwd.mp4"), ("C:\\a\\b.MOV", "b.mov"),
        ("...hidden.mp4", "hidden.mp4"), ("a\nb\x1b[31m.mp4", "a b 31m.mp4"),
        ("Ferien am Meer ü.webm", "Ferien am Meer ü.webm"),
        (".mp4", "video.mp4"), ("CON.mp4", "video CON.mp4"), ("a<b>:\"|?*.mkv", "a b.mkv"),
        ("x" * 400 + ".mp4", "x" * 120 + ".mp4"),
    ],
)  # fmt: skip
def test_names_of_dropped_files_are_ours(name, kept):
    assert gallery_upload.file_name(name) == kept


@pytest.mark.parametrize("name", ["", "a", "a.txt", "a.mp4.exe", "a.mp4/", "captions.csv", "playlist.m3u8"])
def test_what_is_no_video_is_not_taken(tab, name):
    with client(tab) as asks:
        answer = asks.post("/gallery/upload", params={"name": name}, content=b"x", headers=HERE)
    assert answer.status_code == 415 and not (tab.shelf.place(None).folder / "uploads").exists()


def test_dropped_files_have_limits_and_leave_nothing_half(tab, monkeypatch):
    folder = tab.shelf.place(None).folder

    def send(content, **query):
        with client(tab) as asks:
            return asks.post(
                "/gallery/upload", params={"name": "a.mp4"} | query, content=content, headers=HERE
            )

    assert send(b"12345").json() == {"name": "a.mp4"} and send(b"67").json() == {"name": "a 2.mp4"}
    assert (folder / "uploads" / "a.mp4").read_bytes() == b"12345"
    assert send(b"").status_code == 400
    monkeypatch.setattr(gallery_upload, "MOST_BYTES", 10)
    assert send(b"x" * 11).status_code == 413 and send(iter([b"x" * 6, b"x" * 6])).status_code == 413
    monkeypatch.setattr(gallery_upload, "KEPT_FREE", 2**62)
    assert send(b"x").status_code == 507
    assert sorted(path.name for path in (folder / "uploads").rglob("*")) == [".parts", "a 2.mp4", "a.mp4"]
    (folder / "uploads" / ".parts" / "old.part").write_bytes(b"x")
    gallery_upload.leftovers(folder)
    assert not list((folder / "uploads" / ".parts").iterdir())


# --- folders that are watched ---------------------------------------------------------------------------


def test_a_file_is_due_once_it_is_quiet(tmp_path):
    pending, file = gallery_watch.Pending(5.0), tmp_path / "a.mp4"
    file.write_bytes(b"x")
    assert not pending.is_due(0.0)
    pending.add([file])
    assert not pending.is_due(10.0) and not pending.is_due(14.0)
    file.write_bytes(b"xx")  # still being written
    assert not pending.is_due(16.0) and not pending.is_due(20.0)
    assert pending.is_due(21.0) and not pending.is_due(99.0)
    file.unlink()
    pending.add([file])
    assert not pending.is_due(100.0) and pending.is_due(105.0)


def test_a_watched_folder_is_kept_and_indexed(tab, videos, model_folder, monkeypatch):
    assert post(tab, "watch", {"folder": str(videos)}).status_code == 409  # no model yet
    indexed(tab, videos, model_folder)
    place, changed = tab.shelf.place(None), threading.Event()
    monkeypatch.setattr(gallery_watch, "Watch", lambda folder, act: SimpleNamespace(close=changed.set))
    assert post(tab, "watch", {"folder": str(videos)}).status_code == 200
    tab.jobs.wait(place)
    assert gallery_watch.read(place.folder) == [str(videos)]
    (watched,) = read(tab, "state")["watched"]
    again = Tab(tab.shelf, Permission())
    again.begin()
    assert again.watched(place) == [str(videos)]
    visitors = Tab(tab.shelf, Permission(visitors=True))
    visitors.begin()
    assert visitors.watched(place) == []
    assert post(tab, "watch", {"mark": watched["mark"]}).status_code == 200
    assert changed.is_set() and gallery_watch.read(place.folder) == [] == tab.watched(place)


def test_new_files_of_a_folder_are_noticed(tmp_path):
    seen = threading.Event()
    watch = gallery_watch.Watch(tmp_path, lambda folder: seen.set(), quiet=0.0)
    try:
        for number in range(200):  # the watch may begin after the first of them
            (tmp_path / f"{number}.mp4").write_bytes(b"x")
            if seen.wait(0.3):
                break
        assert seen.is_set()
    finally:
        watch.close()


# --- copies ---------------------------------------------------------------------------------------------


def test_a_copy_is_made_only_of_what_a_browser_cannot_play(tmp_path):
    good = write_clip(tmp_path / "good.mp4", count=20)
    bad = write_clip(tmp_path / "bad.avi", count=20, codec="mpeg4")
    old = write_clip(tmp_path / "old.mp4", count=20, codec="mpeg4")
    assert is_playable(good) and not is_playable(bad) and not is_playable(old)
    copy = tmp_path / "copy.mp4"
    assert transcode(bad, copy) and is_playable(copy)
    with av.open(str(copy)) as video:
        frames = list(video.decode(video=0))
        assert len(frames) == 20 and frames[-1].time == pytest.approx(1.9, abs=0.02)
    (tmp_path / "noise.avi").write_bytes(b"noise")
    assert not transcode(tmp_path / "noise.avi", tmp_path / "none.mp4")
    assert not list(tmp_path.glob("none*"))


def test_a_run_makes_copies_and_removing_drops_them(tab, videos, model_folder):
    write_clip(videos / "old.avi", count=20, codec="mpeg4")
    indexed(tab, videos, model_folder)
    place = tab.shelf.place(None)
    assert len(list((place.folder / "playable").iterdir())) == 1
    gallery = tab.shelf.open(place).gallery
    old = gallery.position("old")
    copy = copy_file(place.folder, gallery.uri(old))
    stale = copy_file(place.folder, "/moved/away.avi")
    stale.with_suffix(".none").touch()
    stale.write_bytes(copy.read_bytes())
    tab.copies.make(place, lambda: None)
    assert copy.is_file() and not stale.exists() and not stale.with_suffix(".none").exists()
    from demo import media

    with TestClient(Starlette(routes=media.routes(tab.shelf))) as asks:
        answer = asks.get("/" + media.clip_url("old", gallery.path(old)))
        assert answer.headers["content-type"] == "video/mp4" and answer.content == copy.read_bytes()
    assert post(tab, "remove", {"marks": [gallery_routes.mark(gallery.uri(old))]}).status_code == 200
    assert not copy.exists() and (videos / "old.avi").exists()


# --- which clips are meant ------------------------------------------------------------------------------


def library() -> Gallery:
    """Six clips in folders, of 10 s to 60 s, dated a day apart from 2026-01-01."""
    day = 86_400 * 10**9
    begin = (date(2026, 1, 1) - date(1970, 1, 1)).days * day
    uris = [
        "/home/a/x/1.mp4",
        "/home/a/x/2.mp4",
        "/home/a/x/y/3.mp4",
        "/home/a/4.mp4",
        "/home/a/5.mp4",
        "/home/a/z/6.mp4",
    ]
    rows = [
        Row(str(i), uri, 0, begin + i * day - 1, 10.0 * i, f"a Boat {i}", [0.0])
        for i, uri in enumerate(uris, 1)
    ]
    return Gallery(rows, folder=Path("/gallery"))


@pytest.mark.parametrize(
    ("asked", "ids"),
    [
        ({}, "123456"), ({"words": "boat 3"}, "3"), ({"words": "6.MP4"}, "6"), ({"folder": "x"}, "123"),
        ({"folder": "x/y"}, "3"), ({"folder": "."}, "45"), ({"shortest": "30", "longest": "50"}, "345"),
        ({"since": "2026-01-03"}, "3456"), ({"until": "2026-01-02"}, "12"), ({"ids": "2\n5\nnone"}, "25"),
        ({"words": "boat", "folder": "x", "shortest": "15"}, "23"),
        ({"shortest": "nan", "since": "yesterday"}, "123456"),
        ({"longest": "-5"}, "123456"), ({"folder": "/home"}, ""),
    ],
    ids=str,
)  # fmt: skip
def test_a_choice_of_clips(asked, ids):
    assert "".join(Choice.of(asked).ids_of(library())) == ids


def test_folders_are_named_below_what_they_share():
    assert [tuple(folder) for folder in folders(library())] == [(".", 2), ("x", 3), ("x/y", 1), ("z", 1)]
    assert folders(Gallery.in_memory(features(1, 3)[1])) == []


def test_a_choice_says_what_was_searched():
    asked = {"folder": "x", "words": "boat", "shortest": "5", "since": "2026-01-01"}
    said = Choice.of(asked).sentence(2, 6)
    assert said == (
        "Searched within 2 of 6 clips: the folder x, names and captions with “boat”, lengths of 5 s or more, "
        "dates from 2026-01-01."
    )


def test_near_duplicates_stand_together():
    frames = torch.eye(4)[[0, 1, 0, 0, 2, 1]][:, None] + 0.0
    frames[3, 0, 3] = 0.1  # almost the first
    frames[5, 0, 3] = 0.5  # not the second any more
    gallery = Gallery.in_memory(VideoFeatures(frames, torch.ones(6, 1).long()))
    assert groups(gallery, range(6)) == [Group(0, (2, 3)), Group(1, ()), Group(4, ()), Group(5, ())]
    assert groups(gallery, [2, 0]) == [Group(2, (0,))]
    assert groups(gallery, []) == []


def test_a_search_is_held_to_a_choice():
    _, video = features(1, 12, seed=3)
    retriever = Retriever(tiny_model(), Gallery.in_memory(video, captions=[f"clip {i}" for i in range(12)]))
    page = app.build(retriever)
    answer = next(fn.fn for fn in page.fns.values() if getattr(fn.fn, "__name__", "") == "answer")
    request = SimpleNamespace(query_params={"words": "clip 1"})
    trouble, cards, player = answer("a boat", 10, 8, 4, 0, None, "", request)
    assert not trouble and "Searched within 3 of 12 clips" in cards and cards.count('class="dr-card"') == 3
    sent = json.loads(player)
    assert sent["candidates"] == 3
    request.query_params = {"words": "nothing like it"}
    assert "widen it" in answer("a boat", 10, 8, 4, 0, None, "", request)[0]
    look = {"query": "a boat", "panel": "whole", "candidates": 8, "steps": 4, "seed": 0, "form": "published"}
    panel = next(fn.fn for fn in page.fns.values() if getattr(fn.fn, "__name__", "") == "answer_panel")
    asked = {"number": 1, "panel": "look", "request": look | {"within": {"words": "clip 1"}}}
    (message,) = panel(SimpleNamespace(_data=asked))
    assert "content" in json.loads(message)


def test_a_copy_s_program_needs_nothing_of_the_project(tmp_path):
    source = Path(app.__file__).with_name("copying.py")
    done = subprocess.run(["grep", "-cE", "diffusionret|demo", str(source)], capture_output=True, text=True)
    assert done.stdout.strip() == "0"
