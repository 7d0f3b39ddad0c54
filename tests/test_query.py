"""What a query may be, and that everybody asks this before any work."""

from __future__ import annotations

import pytest
import torch
from tiny import features, tiny_model

from diffusionret import Gallery, Retriever
from diffusionret.query import MOST_CHARACTERS, check_number, check_query

LONG = "a red boat " * 200
REFUSAL = r"^The query has 2,200 characters: describe what should be seen in at most 2,000\.$"


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    return Retriever(tiny_model(), Gallery.in_memory(features(1, 9)[1]))


def test_a_query_is_text_of_bounded_length():
    assert check_query("a red boat") == "a red boat"
    assert check_query("x" * MOST_CHARACTERS) == "x" * MOST_CHARACTERS
    assert check_query("", blank=True) == "" and check_query(" \n", blank=True) == " \n"
    for text in ("", " \n", None):
        with pytest.raises(ValueError, match="query is empty"):
            check_query(text)
    with pytest.raises(ValueError, match=REFUSAL):
        check_query(LONG)
    with pytest.raises(ValueError, match="of type list, not text"):
        check_query(["a"])
    with pytest.raises(ValueError, match="half a character"):
        check_query("a \ud800 boat")


@pytest.mark.parametrize(
    "ask",
    [
        lambda r: r.search(LONG),
        lambda r: r.search_many(["a red boat", LONG]),
        lambda r: r.denoise([LONG], torch.arange(3)[None]),
        lambda r: r.inspect(LONG),
        lambda r: r.inspect_many(["a red boat", LONG]),
        lambda r: next(r.inspect_parts(["a red boat"] * 40 + [LONG])),
        lambda r: r.scores(["a red boat", LONG]),
    ],
    ids=["search", "search_many", "denoise", "inspect", "inspect_many", "inspect_parts", "scores"],
)
def test_a_long_query_is_refused_before_any_work(retriever, monkeypatch, ask):
    monkeypatch.setattr(retriever.model, "encode_text", lambda texts: pytest.fail("it was read"))
    with pytest.raises(ValueError, match=REFUSAL):
        ask(retriever)


def test_a_number_is_whole_and_in_range():
    assert check_number("k", 3.0, 1) == 3 and check_number("k", 3, 1, 3) == 3
    for value, said in (
        (4, "k is 4: it must be from 1 to 3."), (True, "k is 'True': it must be a whole number."),
        ([1], "it must be a whole number"), (None, "it must be a whole number"), (float("nan"), "whole number"),
        (10**30, "k is too large: it must be from 1 to 3."), (1e999, "whole number"), ("9" * 5000, "whole number"),
    ):  # fmt: skip
        with pytest.raises(ValueError, match=said) as caught:
            check_number("k", value, 1, 3)
        assert len(str(caught.value)) < 100


def test_the_model_itself_goes_on_cutting(retriever):
    """As published: a paragraph of ActivityNet has up to 2,677 characters."""
    assert torch.equal(
        retriever.model.encode_text([LONG]).cls, retriever.model.encode_text([LONG[:1100]]).cls
    )
