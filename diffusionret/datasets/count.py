"""Which videos of a split are missing."""

from __future__ import annotations

from pathlib import Path

from .captioned import Captioned, VideoFolder


def missing(captioned: Captioned, videos: Path | None) -> list[str]:
    """Videos that cannot be used: listed but without a caption, or (with a folder) without a file."""
    absent = list(captioned.uncaptioned)
    if videos is not None:
        folder = VideoFolder(videos)
        ids = dict.fromkeys(clip.id for clip in captioned.clips)
        absent += [id for id in ids if folder.find(id) is None]
    return absent
