"""Every call in the library is checked against its annotations while tests run, shapes and element types included."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from beartype import BeartypeConf, beartype
from jaxtyping import config, install_import_hook

ROOT = Path(__file__).resolve().parents[1]

# numba and triton compile the source of their functions, which no wrapper may stand before.
COMPILED = {"diffusionret.sampling.loops", "diffusionret.sampling.kernel"}

check = beartype(conf=BeartypeConf(is_pep484_tower=True))  # whole numbers are welcome where float is said


def checked_modules() -> list[str]:
    """The modules of the library without those that are compiled; a package among them stands for all in it."""
    package = ROOT / "diffusionret"
    places = [place for place in package.iterdir() if place.name != "sampling"]
    places += (package / "sampling").iterdir()
    names = {".".join(place.relative_to(ROOT).with_suffix("").parts) for place in places}
    return sorted(name for name in names - COMPILED if not name.rpartition(".")[2].startswith("_"))


def install() -> None:
    """Check what is imported from here on."""
    install_import_hook(checked_modules(), f"{__name__}.check")


@contextmanager
def unchecked() -> Iterator[None]:
    """Calls as users make them, without the checks: for what the library itself refuses."""
    config.update("jaxtyping_disable", True)
    try:
        yield
    finally:
        config.update("jaxtyping_disable", False)
