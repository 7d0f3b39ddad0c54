"""DiffusionRet: text-to-video retrieval with a generated joint distribution (Jin et al., ICCV 2023)."""

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
