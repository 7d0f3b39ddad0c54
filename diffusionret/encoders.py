"""Text and frames -> features: open_clip's towers and the temporal transformer (paper, section 3.1)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.transformer import QuickGELU, Transformer
from torch import Tensor, nn

from .config import ClipConfig


class TextFeatures(NamedTuple):
    """cls [text dim]: the end token. tokens [text token dim]. mask [text token]: 1 for a real token."""

    cls: Tensor
    tokens: Tensor
    mask: Tensor


class VideoFeatures(NamedTuple):
    """frames [video frame dim]. mask [video frame]: 1 for a real frame."""

    frames: Tensor
    mask: Tensor


def build_towers(config: ClipConfig) -> CLIP:
    """open_clip's towers with the sizes of `config`, in float32 with random weights."""
    return CLIP(
        embed_dim=config.embed_dim,
        vision_cfg=CLIPVisionCfg(
            image_size=config.image_size,
            layers=config.vision_layers,  # type: ignore[arg-type]  # open_clip wants four, we say any number
            width=config.vision_width,
            head_width=config.vision_head_width,
            patch_size=config.patch_size,  # type: ignore[arg-type]  # None for a ResNet
        ),
        text_cfg=CLIPTextCfg(
            context_length=config.context_length,
            vocab_size=config.vocab_size,
            width=config.text_width,
            heads=config.text_heads,
            layers=config.text_layers,
        ),
        quick_gelu=config.quick_gelu,
    )


class TemporalTransformer(nn.Module):
    """Lets the frames of a video see each other; what it adds is a residual to the frame features."""

    def __init__(self, dim: int, layers: int, heads: int, positions: int) -> None:
        super().__init__()
        self.positions = nn.Embedding(positions, dim)
        self.transformer = Transformer(dim, layers, heads, act_layer=QuickGELU)

    def forward(
        self, frames: Float[Tensor, "video frame dim"], mask: Int[Tensor, "video frame"]
    ) -> Float[Tensor, "video frame dim"]:
        count = frames.shape[1]
        if count > self.positions.num_embeddings:
            raise ValueError(
                f"{count} frames, but the model knows {self.positions.num_embeddings} positions."
            )
        # -1e6 is added to the logits of masked frames, as published, not -inf: a video without a single
        # real frame stays finite.
        bias = (1 - mask.to(frames.dtype)) * -1e6
        heads = self.transformer.resblocks[0].attn.num_heads
        bias = bias[:, None, None, :].expand(-1, heads, count, -1).reshape(-1, count, count)
        return frames + self.transformer(frames + self.positions.weight[:count], attn_mask=bias)


def encode_tokens(
    towers: CLIP, ids: Int[Tensor, "text token"], mask: Int[Tensor, "text token"]
) -> tuple[Float[Tensor, "text dim"], Float[Tensor, "text token dim"]]:
    """The end token and all tokens. open_clip's `encode_text` returns the end token only, and always runs
    the whole context; here only the given positions run (causal attention makes the result the same).

    Nothing attends to padding, as published: real tokens never do (they come first), padded ones would.
    """
    count = ids.shape[1]
    heads = towers.transformer.resblocks[0].attn.num_heads
    x = towers.token_embedding(ids) + towers.positional_embedding[:count]
    bias = towers.attn_mask[:count, :count].masked_fill((mask == 0)[:, None, :], float("-inf"))
    x = towers.transformer(x, attn_mask=bias.repeat_interleave(heads, dim=0))
    tokens = towers.ln_final(x) @ towers.text_projection
    cls = tokens[
        torch.arange(len(ids), device=ids.device), ids.argmax(dim=-1)
    ]  # the end token has the highest id
    return cls, tokens
