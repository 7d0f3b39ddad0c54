"""The map's layout, without a page."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA
from torch.nn.functional import normalize

from diffusionret import projection


def test_principal_components_are_those_of_scikit_learn() -> None:
    points = np.random.default_rng(0).normal(size=(20, 5)) * [5, 3, 1, 1, 1]
    ours, theirs = projection.principal_components(points), PCA(2).fit_transform(points)
    signs = np.sign((ours * theirs).sum(axis=0))  # an axis may point either way
    assert np.allclose(ours, theirs * signs)
    assert projection.principal_components(points[:1]).tolist() == [[0.0, 0.0]]


@pytest.mark.parametrize(("captions", "how"), [(10, "principal components"), (50, "UMAP")])
def test_a_layout_fills_the_unit_square_and_repeats(captions: int, how: str) -> None:
    g = torch.Generator().manual_seed(0)
    one, other = (normalize(torch.randn(n, 16, generator=g), dim=-1) for n in (captions, 20))
    layout = projection.project(one, other)
    assert layout.how == how and layout.captions.shape == (captions, 2) and layout.clips.shape == (20, 2)
    both = np.concatenate([layout.captions, layout.clips])
    assert both.min(axis=0).tolist() == [0, 0] and both.max(axis=0).tolist() == [1, 1]
    again = projection.project(one, other)
    assert (again.captions == layout.captions).all() and (again.clips == layout.clips).all()
