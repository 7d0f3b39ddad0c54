"""The map: training captions and the clips of a gallery, laid out together in two dimensions.

UMAP (McInnes et al. 2018, arXiv:1802.03426) of directions, each kind centred by itself, so that the two overlap; few
points are laid out by principal components. A map takes a minute, so it is kept beside its gallery.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save
from torch import Tensor
from torch.nn.functional import normalize

from .ood.detector import gallery_digest, text_made_for
from .retrieval import Retriever

FILE = "map.safetensors"
CAPTIONS, CLIPS = 1200, 1000  # points drawn at most
FEW = 60  # points, below which principal components are used


@dataclass(frozen=True)
class Layout:
    """Positions in [0, 1]^2 of the first captions of the reference and the first clips of the gallery.

    captions [caption 2], clips [clip 2]. how: "UMAP" or "principal components".
    """

    captions: Float[np.ndarray, "caption 2"]
    clips: Float[np.ndarray, "clip 2"]
    how: str


def project(captions: Float[Tensor, "caption dim"], clips: Float[Tensor, "clip dim"]) -> Layout:
    """Lay out directions of both kinds together.

    captions, clips: unit vectors, each kind centred by itself; either may be empty, not both.

    Returns positions that fill the unit square; the same ones for the same directions. Raises ImportError where FEW
    points or more are given and umap-learn is missing.
    """
    points = torch.cat([captions, clips]).numpy()
    if len(points) < FEW:
        flat, how = principal_components(points), "principal components"
    else:
        import umap  # slow to import: only for a map that is not there yet

        spread = umap.UMAP(n_neighbors=15, min_dist=0.15, metric="cosine", random_state=0, n_jobs=1)
        flat, how = np.asarray(spread.fit_transform(points)), "UMAP"
    low, high = flat.min(axis=0), flat.max(axis=0)
    flat = ((flat - low) / np.maximum(high - low, 1e-9)).astype(np.float32)
    return Layout(flat[: len(captions)], flat[len(captions) :], how)


def principal_components(points: Float[np.ndarray, "point dim"]) -> Float[np.ndarray, "point 2"]:
    """The points along the two axes of their largest variance; zeros where there are fewer axes."""
    centred = points - points.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    flat = centred @ axes[:2].T
    return np.pad(flat, ((0, 0), (0, 2 - flat.shape[1])))


def fit(retriever: Retriever) -> Layout:
    """Lay out the first CAPTIONS training captions and the first CLIPS clips of a gallery.

    Without a reference of training captions the clips stand alone. Raises ImportError where umap-learn is needed and
    missing.
    """
    reference, pooled = retriever.detector.reference, retriever.gallery.pooled
    captions = torch.zeros(0, pooled.shape[1])
    if reference is not None:
        captions = (reference.bank[:CAPTIONS] @ reference.axes.T).float()
    clips = normalize(pooled[:CLIPS].float().cpu(), dim=-1)
    return project(captions, normalize(clips - clips.mean(dim=0), dim=-1))


def made_for(retriever: Retriever) -> dict[str, Any]:
    """What a map depends on: the model's texts and the gallery's clips."""
    return text_made_for(retriever.model) | {"gallery": gallery_digest(retriever.gallery)}


def load(retriever: Retriever) -> Layout | None:
    """The map beside the gallery; None where there is none for this model and these clips, or it cannot be read."""
    folder = retriever.gallery.folder
    file = folder / FILE if folder else None
    if file is None or not file.is_file():
        return None
    try:
        with safe_open(file, framework="numpy") as content:
            notes = json.loads((content.metadata() or {})["map"])
            if notes["made_for"] != made_for(retriever):
                return None
            return Layout(content.get_tensor("captions"), content.get_tensor("clips"), notes["how"])
    except (SafetensorError, KeyError, ValueError):
        return None


def keep(retriever: Retriever, layout: Layout) -> Path:
    """Write a map beside its gallery.

    Returns the file. Raises ValueError for a gallery in memory, OSError where nothing may be written.
    """
    folder = retriever.gallery.folder
    if folder is None:
        raise ValueError("A gallery in memory has no place for its map: index it into a folder.")
    notes = {"made_for": made_for(retriever), "how": layout.how}
    content = {n: np.ascontiguousarray(getattr(layout, n)) for n in ("captions", "clips")}
    (folder / FILE).write_bytes(save(content, {"map": json.dumps(notes, sort_keys=True)}))
    return folder / FILE
