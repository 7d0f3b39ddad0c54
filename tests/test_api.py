"""The page of the public names is what their docstrings say."""

from __future__ import annotations

import re

import diffusionret
from analysis import api


def test_the_page_is_up_to_date() -> None:
    assert api.PAGE.read_text(encoding="utf-8") == api.page(), "run `python -m analysis.api`"


def test_every_public_name_is_there_and_explained() -> None:
    page = api.page()
    assert set(api.ORDER) == set(diffusionret.__all__)
    entries = re.split(r"^##+ ", page, flags=re.MULTILINE)[1:]
    assert {entry.split("\n")[0] for entry in entries} >= set(diffusionret.__all__) | {
        "Retriever.search",
        "metrics.ranks",
    }
    silent = [
        entry.split("\n")[0]
        for entry in entries
        if not re.sub(r"```.*?```", "", entry, flags=re.DOTALL).partition("\n")[2].strip()
    ]
    assert silent == []


def test_arguments_are_a_list_and_text_is_no_markup() -> None:
    def crop(size: int, at: int = 0) -> int:
        """Cut <out> a*b* of `<this>`.

        size: in pixels; at: where to begin. Raises ValueError for none.
        """
        raise ValueError(size, at)

    assert api._signature("crop", crop) == "crop(size: int, at: int = 0) -> int"
    assert api._prose(crop).split("\n\n") == [
        r"Cut \<out> a\*b\* of `<this>`.",
        "- **size**: in pixels.\n- **at**: where to begin.",
        "Raises ValueError for none.",
    ]
