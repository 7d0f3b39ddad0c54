"""Where the records are read and the texts written."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / "analysis" / "results"
CARD = ROOT / "assets" / "models" / "storybook" / "README.md"
README = ROOT / "README.md"
