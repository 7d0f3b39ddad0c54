"""The open-set generator in the Search tab, in headless Chromium, over the bundled model and gallery."""

from __future__ import annotations

from urllib.parse import quote_plus

import pytest
from test_app import CHROMIUM, browser, visit  # noqa: F401 (fixtures)
from test_watch_page import address  # noqa: F401 (a fixture)

from demo import search
from diffusionret import Retriever

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed"),
]


@pytest.mark.parametrize("query", [search.EXAMPLES["storybook"][0].query, "a boat at night"])
def test_the_search_says_how_probable_a_match_is_and_each_clip(visit, query):  # noqa: F811
    page = visit(f"?q={quote_plus(query)}")
    retriever = Retriever.bundled("cpu")
    result = retriever.search(query, k=32)
    assert result.form == "open-set" and result.verdict is not None and result.verdict.p_match is not None
    line = page.locator(".dr-ood")
    assert line.get_attribute("data-kind") == result.verdict.kind
    assert line.locator("strong").inner_text() == result.verdict.sentence
    wanted = f"p(match)\u00a0{search.probability(result.verdict.p_match)}"
    assert line.locator(".dr-chance").inner_text() == wanted
    shown = page.locator(".dr-results .dr-card .dr-share .dr-number").all_inner_texts()
    assert shown == [
        search.probability(hit.probability) for hit in result.hits[:10] if hit.probability is not None
    ]
    assert "p(match)" in page.locator(".dr-share").first.inner_text()
    assert page.locator(".dr-end").count() == (search.ending(result, 10) is not None)
