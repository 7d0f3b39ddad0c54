"""Digests (SHA-256) of texts and files, which name what is cached and what is indexed: none may change its value."""

from __future__ import annotations

import hashlib
from pathlib import Path

SKETCH_BYTES = 65_536  # of each of the parts that a sketch reads


def sketch(path: Path) -> str:
    """Of a file's size, beginning, middle and end, in hexadecimal: as good as of all for files that nobody forges, and
    as quick for a film as for a clip. Raises OSError where it cannot be read."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        size = stream.seek(0, 2)
        digest.update(str(size).encode())
        for place in (0, size // 2, max(size - SKETCH_BYTES, 0)):
            stream.seek(place)
            digest.update(stream.read(SKETCH_BYTES))
    return digest.hexdigest()


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
