"""DiffusionRet: text-to-video retrieval with a generated joint distribution (Jin et al., ICCV 2023).

The names are imported when they are first used, so that the command line answers without waiting for PyTorch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from . import metrics
    from .checkpoint import load_model, load_published
    from .encoders import TextFeatures, VideoFeatures
    from .gallery import Gallery
    from .model import DiffusionRet
    from .retrieval import Hit, Retriever, SearchResult
    from .trajectory import Trajectory

__all__ = [
    "DiffusionRet",
    "Gallery",
    "Hit",
    "Retriever",
    "SearchResult",
    "TextFeatures",
    "Trajectory",
    "VideoFeatures",
    "load_model",
    "load_published",
    "metrics",
]
HOMES = {
    "DiffusionRet": "model",
    "Gallery": "gallery",
    "Hit": "retrieval",
    "Retriever": "retrieval",
    "SearchResult": "retrieval",
    "TextFeatures": "encoders",
    "Trajectory": "trajectory",
    "VideoFeatures": "encoders",
    "load_model": "checkpoint",
    "load_published": "checkpoint",
}


def __getattr__(name: str) -> Any:
    """A public name from the module that it lives in; see PEP 562."""
    if name == "metrics":
        return import_module(f"{__name__}.metrics")
    if name not in HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
