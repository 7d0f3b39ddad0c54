"""What an installation holds: all of the library, the bundled model and the bundled gallery."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def files(folder: Path) -> set[Path]:
    return {
        path.relative_to(folder) for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"
    }


@pytest.fixture(scope="module")
def installation(tmp_path_factory) -> Path:
    """The folder that a wheel would be made of."""
    place = tmp_path_factory.mktemp("installation")
    command = [
        sys.executable,
        "-c",
        "import setuptools; setuptools.setup()",
        "build_py",
        "--build-lib",
        place,
    ]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    return place


def test_an_installation_holds_library_model_and_gallery(installation):
    parts = files(installation / "diffusionret")
    code = {path for path in files(ROOT / "diffusionret") if path.suffix == ".py"}
    assert {path for path in parts if path.suffix == ".py"} == code
    for kind in ("models", "gallery"):
        assert files(installation / "diffusionret/assets" / kind) == files(ROOT / "assets" / kind)
    assert {path.parts[0] for path in files(installation)} == {"diffusionret"}


def test_an_installation_searches_from_any_folder(installation, tmp_path):
    command = [sys.executable, "-m", "diffusionret", "search", "a red boat", "--json"]
    environment = os.environ | {"PYTHONPATH": str(installation)}
    answer = subprocess.run(
        command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True
    )
    hits = json.loads(answer.stdout)["hits"]
    assert hits and "red boat" in hits[0]["caption"]
