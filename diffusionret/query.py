"""What a query may be: text of a length that a person types. Checked before any work is done with it."""

from __future__ import annotations

from collections.abc import Sequence

MOST_CHARACTERS = 2000  # of one query; the longest that a model reads ends far before


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
