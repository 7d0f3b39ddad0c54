"""The generators by the names that users choose and checkpoints carry."""

from __future__ import annotations

from ..config import SETTINGS
from .interface import Generator

GENERATORS: dict[str, type[Generator]] = {}


def register(kind: type[Generator]) -> type[Generator]:
    """Make a generator known by its `form`; returns it, so that this may stand above a class.

    Raises ValueError where another one has that name.
    """
    if GENERATORS.setdefault(kind.form, kind) is not kind:
        raise ValueError(f"There already is a generator {kind.form!r}.")
    SETTINGS[kind.form] = kind.settings
    return kind
