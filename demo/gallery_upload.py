"""Files that are dropped on the page: streamed to the gallery's own folder, under a name of ours.

What they hold is found out where all videos are read: in a child process that may die.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import unicodedata
from pathlib import Path

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request

from diffusionret.video import EXTENSIONS

from .shelf import Place

UPLOADS, PARTS = "uploads", ".parts"
MOST_BYTES = 8_000_000_000  # of a file
KEPT_FREE = 1_000_000_000  # bytes that stay free on the disk
AT_ONCE = 4  # files that are taken at a time
BLOCK = 2**20
MOST_NAME = 120  # bytes of a name without its extension


class Refusal(Exception):
    """A file that is not taken. The text is one sentence; `status` is HTTP's."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status


_SLOTS = threading.BoundedSemaphore(AT_ONCE)


async def take(request: Request, place: Place) -> str:
    """Write the body of a request into the gallery's folder of uploads; the name that the file has there.

    The query says `name`. Raises Refusal.
    """
    assert place.folder is not None
    name = file_name(request.query_params.get("name", ""))
    announced = request.headers.get("content-length", "")
    if announced and (not announced.isdecimal() or len(announced) > 15):
        raise Refusal(400, "The length of the file makes no sense.")
    if announced and int(announced) > MOST_BYTES:
        raise Refusal(413, f"{name} is larger than {MOST_BYTES // 10**9} GB: give its folder's path instead.")
    if not _SLOTS.acquire(blocking=False):
        raise Refusal(429, f"{AT_ONCE} files are being taken already: send the next one when one has ended.")
    part = place.folder / UPLOADS / PARTS / f"{secrets.token_hex(8)}.part"
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        _room(part, int(announced or 0), name)
        await _stream(request, part, name, int(announced) if announced else None)
        return await run_in_threadpool(_settle, part, place.folder / UPLOADS, name)
    except OSError as error:
        raise Refusal(
            507, f"{name} cannot be kept ({error.strerror}): check the disk of the gallery."
        ) from None
    finally:
        _SLOTS.release()
        part.unlink(missing_ok=True)


def file_name(name: str) -> str:
    """A name for a file of ours from what a browser says: no folders, no marks, no dots in front. Raises Refusal."""
    name = unicodedata.normalize("NFC", name.replace("\\", "/").rpartition("/")[2])
    stem, dot, extension = name.rpartition(".")
    extension = f".{extension.lower()}"
    if not dot or extension not in EXTENSIONS:
        kinds = ", ".join(sorted(EXTENSIONS))
        raise Refusal(415, f"{_spelled(name) or 'A file without a name'} is no video: names end in {kinds}.")
    stem = _spelled(stem).encode()[:MOST_NAME].decode(errors="ignore").rstrip(" .")
    reserved = stem.split(".")[0].upper()  # names that Windows keeps for devices
    if reserved in ("CON", "PRN", "AUX", "NUL") or (
        reserved[:3] in ("COM", "LPT") and reserved[3:].isdecimal()
    ):
        stem = f"video {stem}"
    return (stem or "video") + extension


def leftovers(folder: Path) -> None:
    """Drop what an interrupted upload left, of the gallery in `folder`."""
    for part in (folder / UPLOADS / PARTS).glob("*.part"):
        part.unlink(missing_ok=True)


def _spelled(name: str) -> str:
    """Letters, digits, marks that belong to letters and a few signs; all else becomes a space."""
    letters = "".join(c if c in " _.-()+,&'!@" or unicodedata.category(c)[0] in "LMN" else " " for c in name)
    return " ".join(letters.split()).lstrip(". ")[:255]


def _room(part: Path, size: int, name: str) -> None:
    if shutil.disk_usage(part.parent).free - size < KEPT_FREE:
        raise Refusal(507, f"There is no room for {name}: {KEPT_FREE // 10**9} GB of the disk stay free.")


async def _stream(request: Request, part: Path, name: str, announced: int | None) -> None:
    taken = since = 0
    try:
        with part.open("xb") as file:
            async for block in request.stream():
                taken, since = taken + len(block), since + len(block)
                if taken > MOST_BYTES:
                    raise Refusal(413, f"{name} is larger than {MOST_BYTES // 10**9} GB.")
                if since > 64 * BLOCK:
                    since = 0
                    _room(part, 0, name)
                await run_in_threadpool(file.write, block)
    except ClientDisconnect:
        raise Refusal(400, f"{name} broke off: drop it again.") from None
    if announced is not None and taken != announced:
        raise Refusal(400, f"{name} broke off: drop it again.")
    if not taken:
        raise Refusal(400, f"{name} is empty.")


def _settle(part: Path, folder: Path, name: str) -> str:
    """Give a file its name, or one with a number where that is taken, whoever else asks for it meanwhile."""
    stem, dot, extension = name.rpartition(".")
    for number in range(1, 10_000):
        candidate = name if number == 1 else f"{stem} {number}{dot}{extension}"
        try:
            os.link(part, folder / candidate)  # fails where there is one, where a rename would replace it
        except FileExistsError:
            continue
        except OSError:  # a file system without links
            if os.path.lexists(folder / candidate):
                continue
            part.rename(folder / candidate)
        return candidate
    raise Refusal(409, f"There are too many files named {name}.")
