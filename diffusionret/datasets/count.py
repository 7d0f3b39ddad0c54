"""`python -m diffusionret data NAME`: what a split holds, and which of its videos are missing."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from . import READERS, read
from .captioned import Captioned, VideoFolder

SHOWN = 5


def missing(captioned: Captioned, videos: Path | None) -> list[str]:
    """Videos that cannot be used: listed but without a caption, or (with a folder) without a file."""
    absent = list(captioned.uncaptioned)
    if videos is not None:
        folder = VideoFolder(videos)
        ids = dict.fromkeys(clip.id for clip in captioned.clips)
        absent += [id for id in ids if folder.find(id) is None]
    return absent


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", choices=READERS, help="which benchmark; csv for a table of your own")
    parser.add_argument(
        "--annotations", type=Path, required=True, help="folder of its annotation files (csv: or the file)"
    )
    parser.add_argument("--videos", type=Path, help="folder of its videos, looked for at any depth")
    parser.add_argument("--split", default="test", choices=("train", "val", "test"), help="default: test")
    parser.add_argument("--json", action="store_true", help='print {"videos", "captions", "missing"}')


def run(args: argparse.Namespace) -> None:
    """Count and print. Videos are all that the split lists, missing ones included."""
    captioned = read(args.name, args.annotations, args.split)
    absent = missing(captioned, args.videos)
    counts = {
        "videos": len(captioned.clips) + len(captioned.uncaptioned),
        "captions": len(captioned.captions),
        "missing": len(absent),
    }
    if args.json:
        print(json.dumps(counts))
        return
    print(f"{args.name} {args.split}: {counts['videos']:,} videos, {counts['captions']:,} captions")
    if absent:
        more = f" and {len(absent) - SHOWN:,} more" if len(absent) > SHOWN else ""
        print(f"{len(absent):,} cannot be used (no file or no caption): {', '.join(absent[:SHOWN])}{more}")
