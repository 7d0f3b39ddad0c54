"""The verdict, its inspection, the map and the batch check in headless Chromium, over the bundled model and gallery.

Kinds of verdicts are tested, not numbers, so that another training of the model passes too.
"""

from __future__ import annotations

import csv
import shutil
from dataclasses import replace
from urllib.parse import quote_plus, unquote

import pytest
from test_app import CHROMIUM, WIDEST, ask, browser, visit  # noqa: F401 (fixtures)

from demo import app
from diffusionret import Gallery, Retriever
from diffusionret.ood.detector import MATCH, Detector
from diffusionret.reading import UNREADABLE

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]

FAR = "quarterly revenue grew by four percent"
GIBBERISH = "qwzx fjrp vlkt brgh"
GERMAN = "ein rotes Auto fährt nach links"
LONG = "a red boat rises at sea at night in the rain and " * 4 + "zebra"


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    return Retriever.bundled("cpu")


@pytest.fixture(scope="module")
def ordinary(retriever) -> str:
    """A caption of the gallery of which the verdict claims a match, as of most."""
    captions = retriever.gallery.captions[:30]
    reports = retriever.inspect_many(captions)
    assert sum(report.verdict.kind == "match" for report in reports) > len(captions) / 2
    return next(report.query for report in reports if report.verdict.kind == "match")


def serve(retriever: Retriever):
    page = app.build(retriever)
    _, url, _ = page.launch(
        server_name="127.0.0.1", prevent_thread_lock=True, quiet=True, **app.serving(retriever)
    )
    return page, url


@pytest.fixture(scope="module")
def address(retriever):
    page, url = serve(retriever)
    yield url
    page.close()


def why(page) -> None:
    """Open the inspection and wait until it is there."""
    page.locator(".dr-why").click()
    page.wait_for_selector(".dr-inspection .dr-foot")


def test_an_ordinary_query_and_all_that_its_answer_rests_on(visit, retriever, ordinary):  # noqa: F811
    page = visit(f"?q={quote_plus(ordinary)}")
    assert page.locator(".dr-ood").get_attribute("data-kind") == "match"
    assert page.locator(".dr-sign").get_attribute("aria-label") == "A match"
    assert page.locator(".dr-chance").inner_text().startswith("p(match)")
    assert page.locator(".dr-results .dr-card").count() == 10
    why(page)
    panel = page.locator(".dr-inspection")
    detector, text = retriever.detector, panel.inner_text()
    for calibration in (detector.familiar, detector.match):
        group = calibration.like(len(ordinary.split()))
        length = f" of {group.length}" if group.length else ""
        assert f"of {len(group.scores):,} ordinary queries{length} looked this unusual" in text
    assert panel.locator(".dr-dots .is-query").count() == 2 and panel.locator(".is-band").count() == 1
    assert panel.locator(".dr-near li").count() == 5
    words = [
        word.rstrip(".,") for word in panel.locator(".dr-effects").first.locator(".dr-word").all_inner_texts()
    ]
    assert words == [word.rstrip(".,") for word in ordinary.split()]
    for part in (
        "Stability over noises",
        "of 5 noises",
        "It assumes that 30\u00a0% of queries have no match.",
        "p-value",
        f"Gallery {detector.gallery[:12]}",
        "not the probability",
    ):
        assert part in text
    slider, said = panel.locator(".dr-prior input"), panel.locator(".dr-prior p")
    slider.fill("0")
    assert said.inner_text().startswith("If 5\u00a0% of queries had no match: p(match)")
    assert "flag" not in text and "p =" not in text


def test_what_the_model_never_learned_is_not_claimed_and_still_answered(visit):  # noqa: F811
    page = visit(f"?q={quote_plus(FAR)}")
    assert page.locator(".dr-ood").get_attribute("data-kind") in ("none", "unsure")
    assert "The model does not know the word" in page.locator(".dr-reading").inner_text()
    assert page.locator(".dr-results .dr-card").count() == 10
    why(page)
    assert page.locator(".dr-word.is-unknown").count() >= 2


@pytest.mark.parametrize("query", ["?! … 😀", GIBBERISH, GERMAN, "кошка", "a"])
def test_of_what_cannot_be_read_no_number_is_shown(visit, query):  # noqa: F811
    page = visit()
    ask(page, query)
    page.wait_for_function(
        "said => document.querySelector('.dr-reading')?.innerText.includes(said)", arg=UNREADABLE
    )
    assert page.locator(".dr-why, .dr-chance, .dr-number, .dr-numbers, .dr-results .dr-card").count() == 0
    assert page.locator(".dr-verdict").filter(visible=True).count() == 0
    page.get_by_role("tab", name="Watch").click()
    page.wait_for_function(
        "document.querySelector('#player .dr-empty')?.innerText.includes('nothing to watch')"
    )


def test_the_end_of_a_long_query_is_struck_through(visit):  # noqa: F811
    page = visit(f"?q={quote_plus(LONG)}")
    assert page.locator("#trouble s").inner_text().endswith("zebra")
    why(page)
    assert page.locator(".dr-inspection s.dr-cut").inner_text().endswith("zebra")


def test_a_batch_of_200_sorts_and_downloads(visit, retriever, tmp_path):  # noqa: F811
    page = visit("?tab=evidence")
    queries = [f"{GIBBERISH} {i}" for i in range(20)] + retriever.gallery.captions[:180]
    (tmp_path / "queries.csv").write_text("\n".join(["query", *(f'"{query}"' for query in queries)]))
    with page.expect_file_chooser() as chooser:
        page.locator("#batch-file label").click()
    chooser.value.set_files(tmp_path / "queries.csv")
    page.wait_for_selector(".dr-batch table")
    first = page.locator(".dr-batch tbody td:first-child")
    assert first.count() == len(queries) == 200
    assert "Of 200 queries: " in page.locator(".dr-batch .dr-told").inner_text()
    assert page.locator(".dr-batch td.is-match").count() >= 100
    p = page.locator(".dr-batch th", has_text="p(match)")
    p.click()
    keys = page.locator(".dr-batch tbody td:nth-child(3)").evaluate_all(
        "cells => cells.map(c => Number(c.dataset.key))"
    )
    assert keys == sorted(keys) and first.first.inner_text().startswith(GIBBERISH)
    p.click()
    assert not first.first.inner_text().startswith(GIBBERISH)
    link = page.locator(".dr-batch a[download]").get_attribute("href")
    rows = list(csv.DictReader(unquote(link.split(",", 1)[1]).splitlines()))
    assert len(rows) == 200 and rows[0]["query"].startswith(GIBBERISH)
    assert rows[0]["verdict"] == "unreadable" and rows[0]["p_match"] == ""
    page.locator("#batch-text textarea").fill("a red boat\n\n?!")
    page.locator("#batch-check").click()
    page.wait_for_function("document.querySelectorAll('.dr-batch tbody tr').length === 2")
    assert "all of it" in page.locator(".dr-batch tbody tr").nth(1).inner_text()


def test_the_map_shows_clips_captions_and_the_query(visit, ordinary):  # noqa: F811
    page = visit(f"?tab=gallery&q={quote_plus(ordinary)}")
    page.locator(".dr-open-map").click()
    page.wait_for_selector(".dr-map svg")
    assert "UMAP" in page.locator(".dr-map .dr-note").inner_text(), "shipped, not fitted"
    assert (
        page.locator(".dr-map .is-clip").count() >= 200
        and page.locator(".dr-map .is-caption").count() >= 1000
    )
    assert (
        page.locator(".dr-map .is-near").count()
        == page.locator(".dr-map ol").first.locator("li").count()
        == 5
    )
    query = page.locator(".dr-map .is-query")
    assert query.get_attribute("data-name").endswith(ordinary)
    page.locator(".dr-map .is-clip").first.dispatch_event("pointerover")
    assert page.locator(".dr-hover img").count() == 1
    ask(page, FAR)  # a new search moves the query
    page.wait_for_function(
        "name => document.querySelector('.dr-map .is-query').dataset.name.endsWith(name)", arg=FAR
    )


def test_the_inspection_fits_a_phone_in_the_dark(visit, ordinary):  # noqa: F811
    page = visit(f"?q={quote_plus(ordinary)}", width=390, has_touch=True, is_mobile=True, color_scheme="dark")
    why(page)
    assert page.evaluate(WIDEST) <= 391
    page.get_by_role("tab", name="Gallery").click()
    page.locator(".dr-open-map").click()
    page.wait_for_selector(".dr-map svg")
    assert page.evaluate(WIDEST) <= 391


def test_a_stale_calibration_is_refused_in_words(browser, retriever, tmp_path):  # noqa: F811
    assert retriever.gallery.folder is not None
    shutil.copytree(
        retriever.gallery.folder, tmp_path / "gallery", ignore=shutil.ignore_patterns("videos", MATCH)
    )
    gallery = Gallery.open(tmp_path / "gallery")
    match = retriever.detector.match
    replace(match, made_for=match.made_for | {"gallery": "as it was"}).save(tmp_path / "gallery" / MATCH)
    stale = Retriever(retriever.model, gallery)
    assert Detector.open(stale.model, gallery).match is None
    page, url = serve(stale)
    try:
        opened = browser.new_page()
        opened.goto(f"{url}?q=a+red+boat", wait_until="domcontentloaded")
        opened.wait_for_selector(".dr-card", state="attached")
        opened.locator(".dr-why").click()
        opened.wait_for_selector(".dr-inspection .dr-foot")
        text = opened.locator(".dr-inspection").inner_text()
        assert "made for another gallery: run python -m diffusionret calibrate" in text.replace("`", "")
        assert opened.locator(".dr-results .dr-card").count() == 10
        opened.close()
    finally:
        page.close()
