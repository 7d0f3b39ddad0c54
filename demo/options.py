"""The command line of the app: what it takes, and what a folder of videos is."""

from __future__ import annotations

import argparse
from pathlib import Path

from .login import VARIABLE


def parser() -> argparse.ArgumentParser:
    """Of `python -m demo`."""
    made = argparse.ArgumentParser(
        prog="python -m demo", description="Search videos by sentence, in the browser."
    )
    made.add_argument(
        "--videos",
        metavar="FOLDER",
        help="a folder of your own videos: the page makes a gallery of it, brought up to date at each start",
    )
    made.add_argument(
        "--gallery",
        metavar="DIR",
        action="append",
        default=[],
        help="a folder made by `diffusionret index`, or an empty one; of several the page offers a switch; default: "
        "the bundled clips",
    )
    made.add_argument(
        "--model",
        metavar="NAME",
        help="a folder, a Hub id, a published .bin, or clip:ARCHITECTURE:WEIGHTS; default: the one that each gallery "
        "was indexed with",
    )
    made.add_argument("--device", choices=("auto", "cpu", "cuda", "mps"), default="auto")
    made.add_argument("--host", metavar="ADDRESS", help="to listen on; default: 127.0.0.1, this machine only")
    made.add_argument("--port", type=port_number, help="default: the first free one from 7860")
    made.add_argument(
        "--share", action="store_true", help="also open a temporary public address at gradio.live"
    )
    made.add_argument(
        "--auth",
        action="store_true",
        help=f"ask for the user and password of {VARIABLE}=user:password, a variable of the environment; who has "
        "logged in may change galleries",
    )
    made.add_argument(
        "--read-only",
        action="store_true",
        help="write nothing on behalf of visitors; always so on Hugging Face Spaces",
    )
    return made


def port_number(text: str) -> int:
    """A port that can be asked for. Raises ArgumentTypeError for anything else."""
    if not (text.isdecimal() and 1 <= int(text) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is no port: choose one from 1 to 65535.")
    return int(text)


def videos_folder(folder: str | None) -> Path | None:
    """The folder of --videos. Raises FileNotFoundError where there is none."""
    if folder is None:
        return None
    path = Path(folder).expanduser().resolve()
    if not path.is_dir():
        raise FileNotFoundError(f"There is no folder {folder}: give --videos a folder of videos.")
    return path
