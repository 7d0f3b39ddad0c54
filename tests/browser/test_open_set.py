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


@pytest.mark.parametrize("query", [search.EXAMPLES["storybook"][0], "a boat at night"])
def test_the_search_says_how_probable_each_clip_is_and_that_there_is_none(visit, query):  # noqa: F811
    page = visit(f"?q={quote_plus(query)}")
    retriever = Retriever.bundled("cpu")
    result = retriever.search(query, k=32)
    assert result.trajectory is not None and result.trajectory.form == "open-set"
    assert result.no_match is not None
    wanted = search.probability(result.no_match).replace("\u00a0", " ")
    said = page.locator(".dr-results .dr-verdict").first.inner_text().replace("\u00a0", " ")
    assert f"No match here: {wanted}" in said
    shown = page.locator(".dr-results .dr-card .dr-share .dr-number").all_inner_texts()
    probable = [search.percent(hit.probability) for hit in result.hits[:10] if hit.probability is not None]
    assert [text.replace("\u00a0", " ") for text in shown] == [p.replace("\u00a0", " ") for p in probable]
    assert "p(match)" in page.locator(".dr-share").first.inner_text()
