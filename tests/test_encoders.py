"""The folded image tower against the one that open_clip runs."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch
from tiny import CLIP
from torch import nn

from diffusionret.config import ClipConfig
from diffusionret.encoders import build_towers, folded

RESNET = replace(CLIP, vision_layers=(1, 2, 1, 1), vision_width=16, patch_size=None, image_size=64)


def tower(config: ClipConfig) -> nn.Module:
    """Random weights, and norms that have seen data of every mean and scale."""
    g = torch.Generator().manual_seed(0)
    visual = build_towers(config).visual.eval()
    for module in visual.modules():
        if isinstance(module, nn.BatchNorm2d):
            for values, low in ((module.weight, 0.5), (module.bias, -0.5), (module.running_mean, -0.5)):
                values.data.copy_(torch.rand(values.shape, generator=g) + low)
            module.running_var.copy_(torch.rand(module.running_var.shape, generator=g) + 0.2)
    return visual


@pytest.mark.parametrize("size", [64, 96])
def test_a_folded_resnet_gives_the_same_features(size: int):
    visual = tower(replace(RESNET, image_size=size))
    kept = copy.deepcopy(visual.state_dict())
    pictures = torch.randn(5, 3, size, size, generator=torch.Generator().manual_seed(1))
    fast = folded(visual)
    with torch.no_grad():
        expected, found = visual(pictures), fast(pictures)
    assert expected.std() > 0.01 and (expected - found).abs().max() <= 1e-5 * expected.abs().max()
    assert not any(isinstance(module, nn.BatchNorm2d) for module in fast.modules())
    assert all(torch.equal(kept[name], value) for name, value in visual.state_dict().items())


def test_a_transformer_is_left_alone():
    visual = tower(CLIP)
    assert folded(visual) is visual
