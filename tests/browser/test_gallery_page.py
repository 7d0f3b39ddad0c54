"""One's own videos in headless Chromium: from an empty gallery to a search, and what nobody else may do."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
import urllib.request
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import av
import pytest
from clips import write_clip
from test_app import CHROMIUM, QUIET, ROOT, WAIT, ask, browser, cards  # noqa: F401
from tiny import tiny_model

from demo import app
from demo.gallery_routes import ACTIONS, Tab
from demo.permission import Permission
from demo.shelf import Shelf
from diffusionret.index import index_folder

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
PATIENCE = 180_000  # milliseconds of a run on a busy machine


@pytest.fixture(scope="module")
def own(tmp_path_factory) -> Path:
    """A folder with `model`, an empty `gallery`, `videos` to index and `more` to drop."""
    place = tmp_path_factory.mktemp("own")
    tiny_model().save_pretrained(place / "model")
    for name in ("gallery", "videos", "more"):
        (place / name).mkdir()
    for i in range(2):
        write_clip(place / "videos" / f"first{i}.mp4", count=20 + i)
    for i in range(3):
        write_clip(place / "more" / f"good{i}.mp4", count=30 + i)
    (place / "more" / "torn.mp4").write_bytes((place / "more" / "good0.mp4").read_bytes()[:400])
    (place / "more" / "noise.mkv").write_bytes(b"this is no video at all")
    return place


@pytest.fixture(scope="module")
def address(own) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "demo", "--gallery", str(own / "gallery"), "--model", str(own / "model")]
    command += ["--device", "cpu", "--host", "127.0.0.1", "--port", str(port)]
    log = own / "log.txt"
    with log.open("w") as out:
        environment = {**os.environ, "DIFFUSIONRET_HOME": str(own / "home")}
        server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(3000):
            assert server.poll() is None, log.read_text()
            try:
                urllib.request.urlopen(url, timeout=5).close()
                break
            except OSError:
                time.sleep(0.2)
        yield url
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture
def visit(browser):  # noqa: F811
    """Opens an address with the options of a context; afterwards nothing may have been logged as an error."""
    contexts, troubles = [], []

    def open_page(url: str, **options):
        contexts.append(browser.new_context(viewport={"width": 1280, "height": 900}, **options))
        page = contexts[-1].new_page()
        page.set_default_timeout(2 * WAIT)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on(
            "console",
            lambda line: (
                troubles.append(line.text)
                if line.type == "error" and "status of 40" not in line.text
                else None
            ),
        )
        page.goto(url, wait_until="domcontentloaded")
        page.wait_for_selector(".dr-gallery-head .dr-told", state="attached")
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles


def drop(page, files: list[Path]) -> None:
    """Drop files on the tab, as a pointer does."""
    contents = [{"name": file.name, "bytes": b64encode(file.read_bytes()).decode()} for file in files]
    dropped = page.evaluate_handle(
        """files => {
            const dropped = new DataTransfer();
            for (const { name, bytes } of files) {
                const content = Uint8Array.from(atob(bytes), letter => letter.charCodeAt(0));
                dropped.items.add(new File([content], name));
            }
            return dropped;
        }""",
        contents,
    )
    page.dispatch_event(".dr-drop", "dragover", {"dataTransfer": dropped})
    assert "is-over" in (page.locator(".dr-drop").get_attribute("class") or "")
    page.dispatch_event(".dr-drop", "drop", {"dataTransfer": dropped})


def test_from_an_empty_gallery_to_a_search_of_what_was_added(visit, address, own):
    page = visit(address)
    page.wait_for_selector(".dr-add-form")  # the tab that is open
    assert "This gallery is empty" in page.locator(".dr-gallery-head").inner_text()
    assert (
        page.locator(".dr-problem:visible").count() == 0
        and page.locator("#query textarea").input_value() == ""
    )
    page.locator("input[name=path]").fill(str(own / "no such folder"))
    page.get_by_role("button", name="Index this folder").click()
    page.wait_for_selector(".dr-add .dr-problem:has-text('There is no such folder')")
    page.locator("input[name=path]").fill(str(own / "videos"))
    page.get_by_role("button", name="Index this folder").click()
    page.wait_for_selector(".dr-job:has-text('2 clips can be searched.')", timeout=PATIENCE)
    page.wait_for_selector("#clips .dr-alike")
    assert page.locator("#clips .dr-alike").all_inner_texts() == [
        "1 like this"
    ]  # the two are almost the same
    page.get_by_label("Group near-duplicates").uncheck()
    page.wait_for_selector("#clips .dr-card >> nth=1")

    page.locator(".dr-open-add").click()
    files = sorted((own / "more").iterdir())
    drop(page, files)
    page.wait_for_selector(".dr-job:has-text('5 clips can be searched, 2 files cannot.')", timeout=PATIENCE)
    page.wait_for_selector("#clips .dr-card >> nth=4")
    page.get_by_text("2 files cannot be searched").click()
    reasons = page.locator(".dr-failures[open] li")
    assert ["noise.mkv" in text for text in reasons.all_inner_texts()] == [True, False]
    assert all(len(text) > 30 for text in reasons.all_inner_texts())

    page.get_by_role("button", name="Search this gallery").click()
    page.wait_for_selector("#found .dr-card")
    ask(page, "a red boat")
    page.wait_for_function("location.search.includes('a+red+boat')")
    found = set(page.locator("#found .dr-card").evaluate_all("nodes => nodes.map(n => n.dataset.name)"))
    assert found == {"first0", "first1", "good0", "good1", "good2"}

    card = page.locator('#found .dr-card[data-name="good1"]')
    card.locator(".dr-media").hover()
    with page.expect_download() as download:
        card.get_by_label("Save clip").click()
    with av.open(str(download.value.path())) as clip:
        assert sum(1 for _ in clip.decode(video=0)) == 31

    page.get_by_role("tab", name="Gallery").click()
    page.get_by_label("Group near-duplicates").uncheck()
    page.wait_for_selector("#clips .dr-card >> nth=4")
    page.get_by_label("Change good1.mp4").click()
    page.locator(".dr-dialog").get_by_role("button", name="Remove").click()
    page.wait_for_selector(".dr-gallery-head:has-text('4 clips')")
    assert not (own / "gallery" / "uploads" / "good1.mp4").exists() and (own / "more" / "good1.mp4").exists()
    ask(page, "a dog")
    page.wait_for_function("location.search.includes('a+dog')")
    assert "good1" not in cards(page)

    page.locator("#filter input").fill("first")
    page.locator(".dr-within").click()
    page.wait_for_selector(".dr-within-note")
    assert page.locator("#found .dr-card").count() == 2
    page.reload()
    page.wait_for_selector(".dr-within-note")  # the address keeps it
    page.locator(".dr-everything").click()
    page.wait_for_selector("#found .dr-card >> nth=3")


def converted(source: Path, target: Path, **options: str) -> Path:
    """A short clip in another container and codec, which browsers do not play."""
    codec = {".avi": "mpeg4", ".ts": "mpeg2video"}[target.suffix]
    with av.open(str(source)) as video, av.open(str(target), "w") as out:
        stream = out.add_stream(codec, rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 64, "yuv420p"
        for frame in video.decode(video=0):
            out.mux(
                stream.encode(av.VideoFrame.from_ndarray(frame.to_ndarray(format="rgb24"), format="rgb24"))
            )
        out.mux(stream.encode())
    return target


def test_what_a_browser_cannot_play_is_played_by_its_copy_and_a_long_one_is_one_row(visit, own, address):
    (own / "odd").mkdir()
    for name in ("old.avi", "stream.ts"):
        converted(own / "videos" / "first0.mp4", own / "odd" / name)
    write_clip(own / "odd" / "long.mp4", count=100)
    page = visit(f"{address}?tab=gallery")
    page.locator(".dr-open-add").click()
    page.locator("input[name=path]").fill(str(own / "odd"))
    assert page.locator(".dr-divisions input:checked").get_attribute("value") == "30s"
    page.locator(".dr-divisions").get_by_text("Shots").click()
    page.get_by_role("button", name="Index this folder").click()
    for name in ("old", "stream"):  # which are opened as soon as they are there, before their copies are
        page.locator("#filter input").fill(f"{name}.")
        page.wait_for_function(
            "name => [...document.querySelectorAll('#clips .dr-card')].map(card => card.dataset.name).join() === name",
            arg=name,
            timeout=PATIENCE,
        )
        page.locator("#clips .dr-open").click()
        page.wait_for_function("document.querySelector('dialog video')?.readyState >= 2")
        page.keyboard.press("Escape")


FOREIGN = ("a foreign Host", "a proxy", "a public bind")


@pytest.fixture(scope="module")
def public(own, tmp_path_factory) -> Iterator[str]:
    """An app over a filled gallery that is told that it is bound to every address."""
    place = tmp_path_factory.mktemp("public") / "gallery"
    model = tiny_model()
    index_folder(own / "videos", place, model, str(own / "model"))
    shelf = Shelf(device="cpu")
    shelf.add(place)
    page = app.build(shelf)
    _, url, _ = page.launch(
        server_name="127.0.0.1",
        prevent_thread_lock=True,
        quiet=True,
        **app.serving(Tab(shelf, Permission("0.0.0.0"))),
    )
    yield url
    page.close()


@pytest.mark.parametrize("way", FOREIGN)
def test_the_page_offers_no_editing_elsewhere_and_its_endpoints_refuse(visit, browser, address, public, way):  # noqa: F811
    url = public if way == "a public bind" else address
    port = urlsplit(url).port
    if way == "a foreign Host":
        url = f"http://videos.localhost:{port}/"  # a browser looks such names up at this machine
    options = {"extra_http_headers": {"X-Forwarded-For": "203.0.113.7"}} if way == "a proxy" else {}
    page = visit(f"{url}?tab=gallery", **options)
    page.get_by_role("tab", name="Gallery").click()
    page.wait_for_function("document.querySelector('#gallery-tab > *, .dr-gallery')")
    assert page.locator(".dr-open-add, .dr-add-form, .dr-change, .dr-job:visible").count() == 0
    for name in [*ACTIONS, "upload"]:
        status = page.evaluate(
            """async name => (await fetch(`gallery/${name}?name=a.mp4`, { method: "POST", body: "{}" })).status""",
            name,
        )
        assert status == 403, name


def test_behind_a_login_everything_asks_for_it(own, tmp_path_factory, browser):  # noqa: F811
    place = tmp_path_factory.mktemp("login") / "gallery"
    model = tiny_model()
    index_folder(own / "videos", place, model, str(own / "model"))
    shelf = Shelf(device="cpu")
    shelf.add(place)
    page = app.build(shelf)
    serving = app.serving(Tab(shelf, Permission("0.0.0.0", login=True)))
    auth = ("ann", "correct horse")
    _, url, _ = page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, auth=auth, **serving
    )
    context = browser.new_context()
    try:
        asks = context.request
        own_ = [
            "media/clips/first0",
            "media/posters/first0",
            "media/plotly.min.js",
            "gallery/state",
            "gallery/clips",
        ]
        theirs = [
            "config",
            "gradio_api/info",
            "gradio_api/queue/data?session_hash=x",
            "gradio_api/heartbeat/x",
        ]
        for path in [*own_, *theirs[:3]]:
            assert asks.get(url + path).status == 401, path
        assert asks.post(f"{url}gradio_api/call/search", data={"data": ["a boat"]}).status == 401
        assert asks.post(f"{url}gallery/make", data="{}").status == 401
        assert asks.post(f"{url}login", form={"username": "ann", "password": "guess"}).status == 400
        assert asks.post(f"{url}login", form={"username": "ann", "password": auth[1]}).ok
        for path in own_:
            assert asks.get(url + path).ok, path
        visitor = context.new_page()
        visitor.set_default_timeout(2 * WAIT)
        visitor.goto(f"{url}?tab=gallery", wait_until="domcontentloaded")
        visitor.wait_for_selector(".dr-open-add")
        assert (
            asks.post(f"{url}gallery/stop", data="{}", headers={"Origin": "http://evil.example"}).status
            == 403
        )
    finally:
        context.close()
        page.close()
