"""`python -m diffusionret COMMAND`. What goes wrong is one sentence on standard error and exit status 2; a run that
went to its end and could use nothing of what it was given exits with 1."""

from __future__ import annotations

import io
import logging
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import wraps
from pathlib import Path
from typing import Any

import typer

from .commands.calibrate import calibrate
from .commands.convert import convert
from .commands.cut import cut
from .commands.data import data
from .commands.describe import describe
from .commands.evaluate import evaluate
from .commands.export import export
from .commands.index import index
from .commands.inspect import inspect
from .commands.inventory import forget, list_files
from .commands.search import search
from .commands.storybook import storybook
from .commands.tokens import tokens
from .commands.train import train

NAME = "diffusionret"
INTERRUPTED = 130  # as shells have it: 128 + SIGINT
COMMANDS = {
    "search": search,
    "describe": describe,
    "inspect": inspect,
    "calibrate": calibrate,
    "index": index,
    "list": list_files,
    "forget": forget,
    "cut": cut,
    "export": export,
    "evaluate": evaluate,
    "train": train,
    "data": data,
    "storybook": storybook,
    "tokens": tokens,
    "convert": convert,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; the exit status. argv: None for those of this process."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a console that lacks the arrows shows question marks
    arguments = list(sys.argv[1:] if argv is None else argv)
    # A shell completes programs by their names, and `python -m diffusionret` is none.
    installed = Path(sys.argv[0]).stem == NAME or {"--install-completion", "--show-completion"} & {*arguments}
    with notes_on_standard_error():
        try:
            application()(arguments, prog_name=NAME if installed else f"python -m {NAME}")
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else int(end.code is not None)
    return 0


def program() -> int:
    """As `main`, for a process of its own: once interrupted it ends as soon as what was begun is over, and Ctrl-C
    pressed again has nothing to add."""
    status = main()
    if status == INTERRUPTED:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    return status


def application() -> typer.Typer:
    """All commands."""
    app = typer.Typer(
        help="Find videos by a sentence.",
        rich_markup_mode=None,  # plain text reads the same on a terminal, in a log and in a pipe
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    )
    for name, command in COMMANDS.items():
        app.command(name)(with_status(command))
    return app


def with_status(command: Callable[..., int | None]) -> Callable[..., None]:
    """A command that ends the program with its exit status, and with a sentence where something is wrong."""

    @wraps(command)
    def run(*args: Any, **options: Any) -> None:
        try:
            status = command(*args, **options) or 0
        except (ValueError, OSError) as error:
            print(sentence(error), file=sys.stderr)
            status = 2
        except KeyboardInterrupt:
            print("Interrupted.", file=sys.stderr)
            status = INTERRUPTED
        raise typer.Exit(status)

    return run


def sentence(error: ValueError | OSError) -> str:
    """What went wrong, in words: the system's own errors say a number and a place."""
    if isinstance(error, OSError) and error.strerror and error.filename is not None:
        return f"{error.filename}: {error.strerror}; check the path, its permissions and the space left."
    return str(error)


@contextmanager
def notes_on_standard_error() -> Iterator[None]:
    """What the library notes while it works is for whoever waits."""
    logger, handler = logging.getLogger(__package__), logging.StreamHandler(sys.stderr)
    level = logger.level
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
