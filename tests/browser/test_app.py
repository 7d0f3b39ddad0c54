"""The app in headless Chromium: `python -m demo` over a tiny model and a gallery indexed from real files."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import torch
from clips import write_clip
from playwright.sync_api import TimeoutError as PlaywrightTimeout
from tiny import tiny_model

from diffusionret import Retriever
from diffusionret.index import index_folder

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLACES = ("/snap/bin/chromium", "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome")
CHROMIUM = next(filter(None, map(shutil.which, NAMES)), None) or next(
    (place for place in PLACES if Path(place).is_file()), None
)
QUIET = (
    "--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-component-update",
    "--disable-sync", "--no-first-run",
)  # fmt: skip
CLIPS = 14
NASTY = "<img src=x onerror=alert(1)> & ${value} {{value}}"
WAIT = 30_000  # milliseconds: a busy machine is slow, not wrong

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """A folder with `model` and `gallery`, as the commands for one's own videos make them."""
    place = tmp_path_factory.mktemp("app")
    model = tiny_model()
    model.save_pretrained(place / "model")
    (place / "videos").mkdir()
    lines = ["video,caption", f'"clip00.mp4","{NASTY}"']
    for i in range(CLIPS):
        write_clip(place / "videos" / f"clip{i:02d}.mp4", count=30 + i)
        lines += [f"clip{i:02d}.mp4,a red boat number {i}"] if i else []
    (place / "videos" / "captions.csv").write_text("\n".join(lines) + "\n")
    report = index_folder(place / "videos", place / "gallery", model, str(place / "model"))
    assert report.added == CLIPS
    return place


@pytest.fixture(scope="module")
def address(world) -> Iterator[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "demo", "--gallery", str(world / "gallery"), "--port", str(port)]
    command += ["--model", str(world / "model"), "--device", "cpu"]
    log = world / "log.txt"
    with log.open("w") as out:
        environment = {**os.environ, "GRADIO_SERVER_NAME": "127.0.0.1"}
        server = subprocess.Popen(command, cwd=ROOT, stdout=out, stderr=out, env=environment)
    url = f"http://127.0.0.1:{port}/"
    try:
        for _ in range(600):
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


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield chromium
        chromium.close()


@pytest.fixture
def visit(browser, address):
    """Opens the app; afterwards nothing may have been logged as an error or asked of another host."""
    contexts, troubles = [], []

    def watch(request) -> None:
        url = urlsplit(request.url)
        if url.scheme in ("http", "https", "ws", "wss") and url.hostname != "127.0.0.1":
            troubles.append(f"asked {request.url}")

    def open_page(query: str = "", width: int = 1280, **options):
        options = {"viewport": {"width": width, "height": 900}} | options
        contexts.append(browser.new_context(**options))
        page = contexts[-1].new_page()
        page.set_default_timeout(WAIT)
        page.on("request", watch)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        page.on("console", lambda line: troubles.append(line.text) if line.type == "error" else None)
        page.goto(address + query, wait_until="domcontentloaded")
        page.wait_for_selector(".dr-card", state="attached")  # another tab may be open
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert not troubles


def ask(page, text: str) -> None:
    box = page.locator("#query textarea")
    box.fill(text)
    box.press("Enter")


def cards(page) -> list[str]:
    return page.locator(".dr-results .dr-card").evaluate_all("nodes => nodes.map(n => n.dataset.name)")


def step(page) -> int:
    return int(page.locator(".dr-theatre").get_attribute("data-step"))


def wait_for_query(page, part: str) -> None:
    page.wait_for_function("part => location.search.includes(part)", arg=part)


def settle(page, box, value: str, done: str) -> None:
    """Types a value until the page follows: an input of an opening fold shows before it listens."""
    for _ in range(20):
        box.fill(value)
        box.press("Tab")
        try:
            return page.wait_for_function(done, timeout=WAIT // 10)
        except PlaywrightTimeout:
            continue
    raise AssertionError(f"never became true: {done}")


def test_a_typed_query_gives_ranked_cards_and_one_plays(visit, world):
    page = visit()
    assert len(cards(page)) == 10  # a finished search on load
    ask(page, "a red boat")
    wait_for_query(page, "q=a+red+boat&k=10&seed=0")
    retriever = Retriever.open(world / "gallery", world / "model", "cpu")
    hits = retriever.search("a red boat", steps=10).hits
    assert cards(page) == [hit.id for hit in hits]
    moves = page.locator(".dr-move").all_inner_texts()
    for hit, text in zip(hits, moves, strict=True):
        up = hit.base_rank - hit.rank
        assert ("unchanged" if not up else f"{'▲' if up > 0 else '▼'} {abs(up)}") in text
    assert page.locator(".dr-share").first.inner_text().startswith("share")
    assert "%" in page.locator(".dr-number").first.inner_text()

    first = page.locator(".dr-card").first
    assert page.locator("video").count() == 0  # posters first
    first.locator(".dr-media").hover()
    page.wait_for_function("document.querySelector('.dr-card video')?.currentTime > 0.1")
    numbers = first.locator(".dr-numbers")
    page.wait_for_function("getComputedStyle(document.querySelector('.dr-numbers')).opacity === '1'")
    assert f"= {hits[0].score:.3f}" in numbers.inner_text()

    second = page.locator(".dr-card").nth(1)
    second.locator(".dr-moment").click()
    page.wait_for_function(
        "at => document.querySelectorAll('.dr-card')[1].querySelector('video')?.currentTime >= at",
        arg=hits[1].moment,
    )
    assert page.locator("video").count() == 1  # one plays at a time

    second.locator(".dr-open").click()
    dialog = page.locator("dialog.dr-lightbox")
    assert dialog.locator(".dr-lightbox-name").inner_text() == hits[1].id
    page.keyboard.press("ArrowRight")
    assert dialog.locator(".dr-lightbox-name").inner_text() == hits[2].id
    page.keyboard.press("Escape")
    assert not dialog.is_visible()


def test_of_what_is_asked_in_a_hurry_the_last_is_answered(visit):
    """Of queries, of examples, and of both: the page must not rest on an earlier one."""
    page = visit()
    for i in range(5):
        ask(page, f"a white boat {i}")
    ask(page, "a robot")
    page.wait_for_function("location.search.includes('a+robot')")
    chips = page.locator(".dr-chips .dr-chip")
    ask(page, "a cat")
    for i in range(chips.count()):
        chips.nth(i).click()
    last = chips.last.get_attribute("data-query")
    page.wait_for_function("(text) => new URLSearchParams(location.search).get('q') === text", arg=last)
    page.wait_for_timeout(500)
    assert page.locator("#query textarea").input_value() == last
    assert page.evaluate("new URLSearchParams(location.search).get('q')") == last


def test_captions_are_text_never_markup(visit):
    page = visit("?q=boat&k=14")
    assert NASTY in page.locator(".dr-caption").all_inner_texts()
    assert page.locator("img[src='x']").count() == 0
    page.get_by_role("tab", name="Watch").click()
    page.wait_for_selector(".dr-theatre")
    assert page.locator("img[src='x']").count() == 0


def test_a_problem_is_one_sentence_and_nothing_is_lost(visit):
    page = visit()
    before = cards(page)
    ask(page, "   ")
    page.wait_for_selector(".dr-problem[role=alert]")
    assert "The query is empty" in page.locator(".dr-problem").inner_text()
    assert cards(page) == before
    long = "a red boat and a blue dog " * 5
    ask(page, long)
    wait_for_query(page, "q=a+red+boat+and")
    assert "left out" in page.locator(".dr-problem").inner_text()
    assert page.locator("#query textarea").input_value() == long
    page.locator(".dr-chips .dr-chip").nth(1).click()
    page.wait_for_function("!document.querySelector('.dr-problem')")
    assert page.locator("#query textarea").input_value() == page.locator(".dr-chips .dr-chip").nth(
        1
    ).get_attribute("data-query")


def test_settings_are_folded_and_search_anew(visit):
    page = visit()
    number = page.get_by_label("number input for Results")
    assert not number.is_visible()
    page.get_by_text("Search settings").click()
    number.wait_for(state="visible")
    settle(page, number, "4", "document.querySelectorAll('.dr-card').length === 4")
    settle(page, page.get_by_label("Seed"), "7", "location.search.includes('k=4&seed=7')")
    assert "from noise 7" in page.locator(".dr-foot").first.inner_text()


def test_an_address_restores_a_search_and_similar_clips_lead_back(visit):
    page = visit("?q=two+dogs&k=3&seed=2")
    assert page.locator("#query textarea").input_value() == "two dogs"
    found = cards(page)
    assert len(found) == 3
    page.locator(".dr-card").nth(1).hover()
    page.locator(".dr-similar").nth(1).click()
    page.wait_for_selector(".dr-back")
    assert found[1] not in cards(page)
    page.locator(".dr-back").click()
    page.wait_for_function("!document.querySelector('.dr-back')")
    assert cards(page) == found


PLAYER = "document.querySelector('#player .dr-player').parentElement.player"
SHARES = f"{PLAYER}.share"


def test_the_player_plays_and_steps(visit, world):
    page = visit("?q=a+red+boat")
    page.get_by_role("tab", name="Watch").click()
    page.wait_for_selector(".dr-theatre")
    assert step(page) == 10, "it opens on the finished state"
    page.get_by_role("button", name="Watch it from the noise").click()
    page.wait_for_function("Number(document.querySelector('.dr-theatre').dataset.step) === 10")
    page.get_by_label("Step", exact=True).fill("0")
    bar = page.locator(".is-signed i").first
    noise = bar.get_attribute("style")
    page.get_by_role("button", name="Play", exact=True).click()
    page.wait_for_function("Number(document.querySelector('.dr-theatre').dataset.step) === 10")
    page.get_by_role("button", name="Play", exact=True).wait_for()  # it stops by itself
    assert bar.get_attribute("style") != noise
    retriever = Retriever.open(world / "gallery", world / "model", "cpu")
    x0_raw = retriever.search("a red boat", steps=10).trajectory.x0_raw[-1, 0]
    drawn = page.evaluate(SHARES)
    # Another process may sample with the other form of the sampler, which agrees up to rounding.
    assert drawn == pytest.approx((100 * x0_raw.double()).softmax(0).tolist(), abs=1e-4)
    sent = torch.tensor(page.evaluate(f"Array.from({PLAYER}.data.prediction.at(-1))"), dtype=torch.float64)
    assert drawn == pytest.approx((100 * sent).softmax(0).tolist(), abs=1e-6)
    assert page.locator(".dr-posters .is-leader").count() == 1

    page.locator(".dr-theatre").focus()
    page.keyboard.press("ArrowLeft")
    assert step(page) == 9 and "Step 9 of 10" in page.locator(".dr-status").inner_text()
    page.get_by_role("button", name="Step back").click()
    assert step(page) == 8
    page.get_by_label("Step", exact=True).fill("3")
    assert step(page) == 3 and "signal" in page.locator(".dr-status").inner_text()
    page.get_by_role("button", name="as published").click()
    published = x0_raw.clamp(-1, 1).softmax(0)  # of the last step, reached with the End of the slider
    page.get_by_label("Step", exact=True).fill("10")
    assert page.evaluate(SHARES) == pytest.approx(published.tolist(), abs=1e-6)
    ask(page, "two dogs in the rain")  # the query box drives the player too
    page.wait_for_function(f"{PLAYER}.data.query === 'two dogs in the rain'")
    assert step(page) == 10 and page.locator(".js-plotly-plot").count() == 0


def test_the_gallery_shows_and_filters_all_clips(visit, address, world):
    page = visit()
    page.get_by_role("tab", name="Gallery").click()
    page.get_by_label("Group near-duplicates").uncheck()  # all of them are almost the same
    page.wait_for_selector(f"#clips .dr-card >> nth={CLIPS - 1}")
    assert page.locator("#clips .dr-card").count() == CLIPS
    page.locator("#filter :is(input, textarea)").fill("number 13")
    page.wait_for_function("document.querySelectorAll('#clips .dr-card').length === 1")
    assert "python -m diffusionret index" in page.locator(".block.dr-own").inner_text()
    (world / "videos" / "key").write_text("a secret")
    for file in ("model/config.json", "videos/key", "videos/captions.csv", "videos/clip00.mp4"):
        with pytest.raises(
            urllib.error.HTTPError, match="404"
        ):  # clips are served by id, nothing by its path
            urllib.request.urlopen(f"{address}gradio_api/file={world / file}", timeout=20)


def test_nothing_that_is_sent_says_where_files_lie(visit, world):
    """Every answer that a browser gets while a visitor looks at everything; the page's model and gallery have paths."""
    page = visit()
    answers, texts = [], []
    page.on("response", lambda answer: answers.append(answer))
    page.reload()
    page.wait_for_selector(".dr-card")
    texts.append(page.content())
    page.get_by_role("tab", name="Watch").click()
    page.wait_for_selector(".dr-theatre")
    page.get_by_role("button", name="Inside a step", exact=True).click()
    page.wait_for_selector(".dr-panel .dr-told:not(:has-text('One moment'))")
    texts += [page.content(), page.evaluate(f"JSON.stringify({PLAYER}.data)")]
    page.get_by_role("tab", name="Gallery").click()
    page.locator(".dr-open-map").click()
    page.wait_for_selector(".dr-map svg")
    page.get_by_role("tab", name="Evidence").click()
    page.locator("#batch-text textarea").fill("a boat\na dog")
    page.locator("#batch-check").click()
    page.wait_for_selector(".dr-batch table")
    texts.append(page.content())
    assert texts[0].count("media/clips/clip") > CLIPS / 2 and "dr-map" in texts[-1]
    assert any("gallery/state" in answer.url for answer in answers)
    for answer in answers:
        kind = answer.headers.get("content-type", "")
        if ("text" in kind or "json" in kind) and "event-stream" not in kind:  # a stream has no end
            texts.append(answer.text())
    assert len(texts) > 20
    assert not [text[:200] for text in texts if str(world) in text or str(ROOT) in text]


def test_a_clip_plays_from_its_address(visit, address):
    page = visit()
    video = page.locator(".dr-card").first.get_attribute("data-video")
    assert video.startswith("media/clips/clip")
    duration = page.evaluate(
        """address => new Promise((done, fail) => {
          const video = Object.assign(document.createElement("video"), { src: address, preload: "metadata" });
          video.onloadedmetadata = () => done(video.duration);
          video.onerror = () => fail(new Error("it does not play"));
        })""",
        video,
    )
    assert 2.9 < duration < 4.5


# The right edge of what is seen, but for what scrolls sideways within itself.
WIDEST = """Math.max(...[...document.querySelectorAll("main *")]
  .filter((node) => node.offsetParent && !node.closest(".dr-chips, .dr-table, pre, [aria-hidden=true]"))
  .map((node) => node.getBoundingClientRect().right))"""


def test_a_phone_in_the_dark(visit):
    page = visit(width=390, has_touch=True, is_mobile=True, color_scheme="dark", reduced_motion="reduce")
    for tab in ("Search", "Watch", "Gallery", "Evidence"):
        page.get_by_role("tab", name=tab).click()
        page.get_by_role("tabpanel").filter(visible=True).wait_for()
        page.wait_for_function(f"document.querySelector('#tabs .selected').textContent.trim() === '{tab}'")
        widest = page.evaluate(WIDEST)
        assert widest <= 391, tab
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(16, 18, 22)"
    page.get_by_role("tab", name="Search").click()
    page.locator(".dr-open").first.tap()
    page.wait_for_function("document.querySelector('.dr-card video')?.currentTime > 0.1")


def test_the_endpoint_answers_clients(address, world):
    from gradio_client import Client

    client = Client(address, verbose=False)
    answer = client.predict("a red boat", 5, 8, 10, 7, api_name="/search")
    expected = Retriever.open(world / "gallery", world / "model", "cpu").search("a red boat", 5, 8, 10, 7)
    assert [hit["id"] for hit in answer["hits"]] == [hit.id for hit in expected.hits]
    for hit, same in zip(answer["hits"], expected.to_dict()["hits"], strict=True):
        assert hit == pytest.approx(same, abs=1e-4)
    endpoints = client.view_api(return_format="dict")["named_endpoints"]
    assert set(endpoints) == {"/search"}
    # Over plain HTTP every value must be given: one more would refuse all who call it today.
    names = [parameter["parameter_name"] for parameter in endpoints["/search"]["parameters"]]
    assert names == ["query", "k", "candidates", "steps", "seed"]
