"""DiffusionRet: text-to-video retrieval with a generated joint distribution (Jin et al., ICCV 2023)."""

from .checkpoint import load_published
from .encoders import TextFeatures, VideoFeatures
from .model import DiffusionRet, Trajectory

__all__ = ["DiffusionRet", "TextFeatures", "Trajectory", "VideoFeatures", "load_published"]
