"""The app's start: from its command to its first answer over HTTP."""

from __future__ import annotations

import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .timing import seconds

ROOT = Path(__file__).resolve().parents[2]


@contextmanager
def app(environment: dict[str, str]) -> Iterator[tuple[str, float]]:
    """The app on a free port; its address, and when it was started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "demo", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/gradio_api/call/search", begun
    finally:
        process.terminate()
        process.wait()


def ask(address: str, text: str) -> None:
    """One search over HTTP."""
    body = json.dumps({"data": [text, 10, 32, 50, 0]}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{address}/{event}", timeout=60) as answer:
        if b'"hits"' not in answer.read():
            raise RuntimeError("The app answered without hits.")


def start(quick: bool) -> list[dict]:
    """Seconds from `python -m demo` to its first answer over HTTP; then milliseconds of an answer. `first_ever`:
    with nothing compiled before."""
    figures: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as empty:
        runs = [("first_ever", {"NUMBA_CACHE_DIR": empty}), ("again", {"NUMBA_CACHE_DIR": empty})]
        for name, environment in runs:
            with app(environment) as (address, begun):
                while True:
                    try:
                        ask(address, "a red boat")
                        break
                    except OSError:
                        if time.perf_counter() - begun > 120:
                            raise
                        time.sleep(0.05)
                figures[f"{name}_seconds"] = time.perf_counter() - begun
                if name == "again":
                    taken = [seconds(lambda i=i: ask(address, f"a red boat {i}")) for i in range(20)]
                    figures["answer_over_http_ms"] = 1000 * statistics.median(taken)
    return [figures]
