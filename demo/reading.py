"""What was read of a query, above its results: sentences of the library, with links to follow."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from urllib.parse import urlencode

from diffusionret.reading import Reading, Remark


def lines(reading: Reading, settings: Mapping[str, int | str]) -> str:
    """The remarks as markup, "" where there is nothing to say. settings: of the search, for the address of a link."""
    if not reading.remarks:
        return ""
    said = " ".join(_line(remark, settings) for remark in reading.remarks)
    unread = " is-unread" if reading.unreadable else ""
    return f'<p class="dr-reading{unread}" role="status">{said}</p>'


def address(query: str, settings: Mapping[str, int | str], exact: bool = False) -> str:
    """The query string that restores a search. exact: of what was typed, typing errors and all."""
    return "?" + urlencode({"q": query, **settings, **({"exact": 1} if exact else {})})


def _line(remark: Remark, settings: Mapping[str, int | str]) -> str:
    text = escape(remark.text)
    if remark.query is None:
        return f"<span>{text}</span>"
    link = escape(address(remark.query, settings, remark.exact), quote=True)
    exact = " data-exact" if remark.exact else ""
    return f'<a class="dr-follow" href="{link}" data-query="{escape(remark.query, quote=True)}"{exact}>{text}</a>'
