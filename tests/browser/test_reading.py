"""Typing errors and unknown words in headless Chromium, over the bundled model and gallery."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest
from test_app import CHROMIUM, WIDEST, ask, browser, visit  # noqa: F401 (fixtures)
from test_verdict import address, retriever  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.skipif(CHROMIUM is None, reason="Chromium is not installed")]


def wait(page, said: str) -> None:
    page.wait_for_function(
        "said => document.querySelector('.dr-reading')?.innerText.includes(said)", arg=said
    )


def where(page) -> dict[str, list[str]]:
    return parse_qs(urlsplit(page.url).query)


def test_a_correction_and_the_way_back(visit):  # noqa: F811
    page = visit()
    ask(page, "a yelow baloon")
    wait(page, "Searched for “a yellow balloon”.")
    assert "balloon" in page.locator(".dr-results .dr-card").first.inner_text()
    assert where(page)["q"] == ["a yelow baloon"] and "exact" not in where(page)
    back = page.get_by_role("link", name="Search exactly “a yelow baloon”")
    assert parse_qs(urlsplit(back.get_attribute("href")).query)["exact"] == ["1"]
    back.focus()
    page.keyboard.press("Enter")
    wait(page, "does not know the words yelow and baloon")
    assert where(page)["exact"] == ["1"] and page.locator("#query textarea").input_value() == "a yelow baloon"
    page.get_by_role("link", name="Did you mean “a yellow balloon”?").click()
    page.wait_for_function("!document.querySelector('.dr-reading')")
    assert page.locator("#query textarea").input_value() == "a yellow balloon"
    assert where(page)["q"] == ["a yellow balloon"] and "exact" not in where(page)


def test_an_exact_search_is_restored_by_its_address_and_ends_with_the_next_query(visit):  # noqa: F811
    page = visit("?q=a+yelow+baloon&exact=1")
    assert "does not know the words yelow and baloon" in page.locator(".dr-reading").inner_text()
    ask(page, "a gren yelow dog")
    wait(page, "Searched for")


def test_what_a_word_is_taken_for_is_said_and_fits_a_phone(visit):  # noqa: F811
    page = visit("?q=a+pigeon+and+a+horse+not+at+a+zorb", width=390)
    said = page.locator(".dr-reading").inner_text()
    assert "pigeon as bird" in said and "no horse" in said and "“not”" in said and "zorb" in said
    assert page.evaluate(WIDEST) <= 391
