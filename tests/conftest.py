"""What all tests share. Set before anything heavy is imported: few threads, no calls home."""

from __future__ import annotations

import os
from pathlib import Path

os.environ["GRADIO_ANALYTICS_ENABLED"] = "False"
os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
os.environ.setdefault("OMP_NUM_THREADS", "2")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

import pytest
import torch
import typechecks

SHARED = Path(__file__).resolve().parents[2] / "shared"

typechecks.install()


@pytest.fixture(scope="session", autouse=True)
def _few_threads() -> None:
    """Two threads for PyTorch: results repeat, and machines that do other work stay usable."""
    torch.set_num_threads(2)


@pytest.fixture(scope="session", autouse=True)
def _no_waiting() -> None:
    """Files that a test has just written are complete: nothing waits for more."""
    from diffusionret import growth

    growth.QUIET = 0.0


@pytest.fixture(scope="session")
def loops() -> None:
    """The sampler's compiled loops are there. They round in another way than what serves until they are, so whatever
    compares two searches digit for digit must not see them arrive in between."""
    from diffusionret.sampling import warm_up

    warm_up(wait=True)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference figures and real files beside the checkout; tests that need it skip without."""
    if not SHARED.is_dir():
        pytest.skip("no folder `shared` beside the checkout")
    return SHARED


@pytest.fixture(scope="session")
def realdata(shared: Path) -> Path:
    """Real annotations, similarities and videos."""
    if not (shared / "realdata").is_dir():
        pytest.skip("no folder `shared/realdata` beside the checkout")
    return shared / "realdata"


@pytest.fixture(scope="session")
def parity(shared: Path) -> Path:
    """Figures of the published code."""
    if not (shared / "parity").is_dir():
        pytest.skip("no folder `shared/parity` beside the checkout")
    return shared / "parity"
