"""Asking by a picture or clip in headless Chromium: chosen, dropped and pasted, on a page for visitors too."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest
from clips import stamped
from PIL import Image
from test_app import CHROMIUM, address, ask, browser, cards, visit, wait_for_query, world  # noqa: F401

from diffusionret import Retriever

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]
GIVE = """([bytes, name, kind, selector, event]) => {
    const content = new DataTransfer();
    content.items.add(new File([Uint8Array.from(atob(bytes), c => c.charCodeAt(0))], name, { type: kind }));
    const options = { bubbles: true, cancelable: true };
    document.querySelector(selector).dispatchEvent(
        event === "paste"
            ? new ClipboardEvent("paste", { ...options, clipboardData: content })
            : new DragEvent(event, { ...options, dataTransfer: content }));
}"""


def give(page, file: Path, kind: str, event: str, name: str = "") -> None:
    content = b64encode(file.read_bytes()).decode()
    page.evaluate(GIVE, [content, name or file.name, kind, "#query textarea", event])


def test_a_picture_and_a_clip_are_asked_by(visit, world, tmp_path):  # noqa: F811
    page = visit()
    clip = world / "videos" / "clip05.mp4"
    page.set_input_files(".dr-example input", clip)
    page.wait_for_selector(".dr-verdict:has-text('Most like your clip clip05.mp4')")
    retriever = Retriever.open(world / "gallery", world / "model", "cpu")
    assert cards(page) == [hit.id for hit in retriever.search_video(clip, 10)]
    assert cards(page)[0] == "clip05" and page.locator(".dr-ood, .dr-share").count() == 0

    page.locator(".dr-results .dr-describe").click()
    page.wait_for_selector(".dr-results .dr-description li >> nth=2")
    page.locator(".dr-card .dr-open").first.click()
    page.locator("dialog .dr-describe").click()
    page.wait_for_selector("dialog .dr-description li >> nth=2")
    said = page.locator("dialog .dr-description li").all_inner_texts()
    expected = retriever.describe("clip05")
    assert [line.startswith(text) for line, (text, _) in zip(said, expected, strict=True)] == [True] * 3
    page.keyboard.press("Escape")
    page.locator(".dr-back").click()
    page.wait_for_selector(".dr-like", state="detached")
    assert page.locator(".dr-example-said").inner_text() == ""

    Image.fromarray(stamped(7)).save(tmp_path / "seven.png")
    give(page, tmp_path / "seven.png", "image/png", "paste")
    page.wait_for_selector(".dr-verdict:has-text('Most like your picture seven.png')")
    assert page.locator(".dr-example-said img").evaluate("still => still.complete")
    give(page, tmp_path / "seven.png", "image/png", "drop", "<img src=x onerror=alert(1)>.png")
    page.wait_for_selector(".dr-example-said:has-text('<img')")
    assert page.locator(".dr-like img").count() == 0

    ask(page, "a red boat")
    wait_for_query(page, "q=a+red+boat")
    page.wait_for_selector(".dr-like", state="detached")


def test_a_refusal_is_a_sentence_and_leaves_what_is_shown(browser, address, tmp_path):  # noqa: F811
    page = browser.new_page()
    page.goto(address, wait_until="domcontentloaded")
    page.wait_for_selector(".dr-card")
    (tmp_path / "noise.mp4").write_bytes(b"this is no video at all")
    shown = cards(page)
    give(page, tmp_path / "noise.mp4", "video/mp4", "drop")
    page.wait_for_selector(".dr-example-said.is-problem:has-text('noise.mp4 is')")
    assert cards(page) == shown  # what was there stays
    page.close()


def test_the_last_queries_are_offered_and_forgotten(visit):  # noqa: F811
    page = visit()
    recent = page.locator(".dr-recent")
    assert recent.is_hidden()  # what the page asks by itself is nobody's query
    for i in range(12):
        ask(page, f"boat {i} <b>")
        wait_for_query(page, f"q=boat+{i}+")
    recent.locator("summary").click()
    expected = [f"boat {i} <b>" for i in range(11, 1, -1)]
    assert recent.locator(".dr-chip").all_inner_texts() == [*expected, "Forget these"]
    recent.locator(".dr-chip").nth(3).click()
    wait_for_query(page, "q=boat+8+")
    page.reload(wait_until="domcontentloaded")
    page.wait_for_selector(".dr-recent", state="visible")
    recent.locator("summary").click()
    assert recent.locator(".dr-chip").first.inner_text() == "boat 8 <b>"
    recent.locator(".dr-forget").click()
    page.wait_for_selector(".dr-recent", state="hidden")
    assert page.evaluate("localStorage.getItem('diffusionret-queries')") is None


def test_on_a_phone_the_control_fits(visit):  # noqa: F811
    page = visit(width=390)
    box = page.locator(".dr-example label").bounding_box()
    assert box["x"] >= 0 and box["x"] + box["width"] <= 390
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
