"""What a query may be: text of a length that a person types. Checked before any work is done with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from numbers import Integral
from typing import NamedTuple

MOST_CHARACTERS = 2000  # of one query; the longest that a model reads ends far before
WORD = re.compile(r"[^\W_]+(?:['’][^\W_]+)*")


class Token(NamedTuple):
    """A word of a text in lower case, and where it stands: text[start:stop]."""

    word: str
    start: int
    stop: int


def tokens_of(text: str) -> list[Token]:
    """The words of a text: letters and digits of any script, apostrophes inside."""
    return [Token(found.group().lower(), *found.span()) for found in WORD.finditer(text)]


def words_of(text: str) -> list[str]:
    """The words of a text in lower case, without their places."""
    return [word.lower() for word in WORD.findall(text)]


def words(listed: str) -> frozenset[str]:
    """A set of words from a text that lists them."""
    return frozenset(listed.split())


def leave_one_out(text: str, unread: str = "") -> list[tuple[str, str]]:
    """(word, the text without it) of every word of a text but those of its end that nobody reads.

    unread: that end, as `DiffusionRet.cut` gives it.
    """
    words = text.split()
    words = words[: len(words) - len(unread.split())]
    return [(word, " ".join(words[:i] + words[i + 1 :])) for i, word in enumerate(words)]


def check_query(text: object, blank: bool = False) -> str:
    """The query itself.

    text: what is asked. blank: whether it may be empty or None. Raises ValueError, one sentence, for anything that is
    no text, too long, or empty.
    """
    if not isinstance(text, str | None):
        raise ValueError(
            f"The query is of type {type(text).__name__}, not text: describe what should be seen."
        )
    if len(text or "") > MOST_CHARACTERS:
        raise ValueError(
            f"The query has {len(text or ''):,} characters: describe what should be seen in at most "
            f"{MOST_CHARACTERS:,}."
        )
    if not (text and text.strip()) and not blank:
        raise ValueError("The query is empty: describe what should be seen.")
    try:
        (text or "").encode()
    except UnicodeEncodeError:
        raise ValueError("The query holds half a character: type or paste it again.") from None
    return text or ""


def check_queries(texts: Sequence[str], blank: bool = False) -> None:
    """As `check_query`, for many."""
    for text in texts:
        check_query(text, blank)


def check_number(name: str, value: object, least: int, most: int | None = None) -> int:
    """`value`, the setting `name` of a query, as an int from `least` to `most` (None: without end).

    Raises ValueError, one sentence, for anything else.
    """
    number: int | None = None
    if (isinstance(value, float) and value.is_integer()) or (
        isinstance(value, Integral) and not isinstance(value, bool)
    ):
        number = int(value)
    if number is None:
        raise ValueError(f"{name} is {str(value)[:40]!r}: it must be a whole number.")
    if number < least or (most is not None and number > most):
        allowed = f"at least {least}" if most is None else f"from {least:,} to {most:,}"
        raise ValueError(
            f"{name} is {number if abs(number) < 10**18 else 'too large'}: it must be {allowed}."
        )
    return number
