"""Galleries whose features are multiplied beforehand, kept as long as the features live."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import linear
from torch.utils.weak import WeakTensorKeyDictionary

from ..denoiser import Denoiser
from ..diffusion import Schedule
from . import limits
from .factorisation import Plan, make_plan
from .precision import full_precision


class PreparedGallery(NamedTuple):
    """Products of a gallery's features: with `columns`, those of a plan, `table` [video*frame column] or [text
    column]; with `Plan.turn`, `turned`, of their shape. state: of the features then, see `_state`."""

    columns: Tensor
    state: tuple
    table: Tensor
    turned: Tensor


_GALLERIES: WeakTensorKeyDictionary = WeakTensorKeyDictionary()


@torch.no_grad()
def prepare(network: Denoiser, direction: str, gallery: Tensor, schedule: Schedule) -> int:
    """Multiply the features of a gallery with what queries of a direction need of them; the bytes that this takes.

    gallery: the frames [video frame dim] for "t2v", the texts [text dim] for "v2t". The product serves every
    `sample` that is given this very tensor and schedule, until the features or the network's weights change, and is
    forgotten with the tensor. A write behind torch's back (to `.data` or a NumPy view) goes unnoticed. 0 where nothing
    is kept: for features that are not contiguous on the CPU, and where it would take more than `limits.MEMORY`.
    """
    served = gallery.dtype in (torch.float32, torch.float64) and gallery.device.type == "cpu"
    if not served or not gallery.is_contiguous() or gallery.is_inference():
        return 0
    with full_precision(gallery.device):
        plan = make_plan(network, direction, schedule, gallery.dtype, gallery.device)
        rows = gallery.flatten(0, -2)
        size = len(rows) * (len(plan.columns) + len(plan.turn)) * gallery.element_size()
        if size > limits.MEMORY:
            return 0
        if prepared_gallery(gallery, plan) is None:
            # A text's turned row times a pooled video: for frames the turning moves to the other side.
            turned = linear(rows, plan.turn if direction == "v2t" else plan.turn.T).view_as(gallery)
            table = linear(rows, plan.columns)
            _GALLERIES[gallery] = PreparedGallery(plan.columns, _state(gallery), table, turned)
    return size


def prepared_gallery(gallery: Tensor, plan: Plan) -> PreparedGallery | None:
    """What `prepare` made of these features, where it is for this plan and still true."""
    kept = _GALLERIES.get(gallery)
    same = kept is not None and kept.columns is plan.columns and kept.state == _state(gallery)
    return kept if same else None


def _state(gallery: Tensor) -> tuple:
    """What changes with a tensor, but for writes behind torch's back."""
    return gallery._version, gallery.data_ptr(), gallery.shape
