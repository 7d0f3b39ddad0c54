"""Digests (SHA-256) of texts and files, which name what is cached and what is indexed: none may change its value."""

from __future__ import annotations

import hashlib
from pathlib import Path


def text_digest(text: str) -> str:
    """Of a text in UTF-8, in hexadecimal."""
    return hashlib.sha256(text.encode()).hexdigest()


def file_digest(path: Path) -> str:
    """Of a file's content, in hexadecimal. Raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while block := stream.read(2**20):
            digest.update(block)
    return digest.hexdigest()
