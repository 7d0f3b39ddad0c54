"""What the app loads before its first answer: nothing that can wait."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# The map, projections, the compiled loops' compiler (in the background), drawing, decoding, training.
CAN_WAIT = ("umap", "sklearn", "scipy", "numba", "skia", "av", "lance", "ray")


def test_slow_imports_wait_until_they_are_needed() -> None:
    code = f"import sys, demo.app; print(*sorted(set({CAN_WAIT!r}) & set(sys.modules)))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert loaded.stdout.split() == []
