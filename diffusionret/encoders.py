"""Text and frames -> features: open_clip's towers and the temporal transformer (paper, section 3.1)."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

import torch
from jaxtyping import AbstractDtype, Float, Int
from open_clip.model import CLIP, CLIPTextCfg, CLIPVisionCfg
from open_clip.modified_resnet import AttentionPool2d, ModifiedResNet
from open_clip.transformer import QuickGELU, ResidualAttentionBlock, Transformer
from torch import Tensor, nn
from torch.nn.functional import pad
from torch.nn.utils.fusion import fuse_conv_bn_eval

from .config import ClipConfig
from .token_table import TokenTable

if TYPE_CHECKING:
    from typing import Annotated as Mask
else:

    class Mask(AbstractDtype):
        """What is real and what padding: bool, or integers that are 1 or 0."""

        dtypes = ("bool", "uint8", "int8", "int16", "int32", "int64")


class TextFeatures(NamedTuple):
    """Features of sentences.

    cls [text dim]: the end token. tokens [text token dim]. mask [text token]: 1 or true for a real token.
    """

    cls: Tensor
    tokens: Tensor
    mask: Tensor


class VideoFeatures(NamedTuple):
    """Features of videos.

    frames [video frame dim]: of each frame, in the order of time. mask [video frame]: 1 or true for a real frame.
    """

    frames: Tensor
    mask: Tensor


class _TextTower(Protocol):
    """The text tower's parts, which open_clip's `CLIP` holds without saying what they are."""

    transformer: Transformer
    token_embedding: nn.Embedding | TokenTable
    positional_embedding: Tensor
    attn_mask: Tensor
    ln_final: nn.LayerNorm
    text_projection: Tensor


def build_towers(config: ClipConfig) -> CLIP:
    """open_clip's towers with the sizes of `config`, in float32 with random weights."""
    towers = CLIP(
        embed_dim=config.embed_dim,
        vision_cfg=CLIPVisionCfg(
            image_size=config.image_size,
            layers=config.vision_layers,  # pyright: ignore[reportArgumentType]  # declared as four, any number works
            width=config.vision_width,
            head_width=config.vision_head_width,
            patch_size=config.patch_size,  # pyright: ignore[reportArgumentType]  # None is right for a ResNet
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
    if config.token_table:
        table = TokenTable(config.vocab_size, config.text_width, config.token_table)
        towers.register_module("token_embedding", table)
    return towers


def _heads(transformer: Transformer) -> int:
    """How many heads its attention has."""
    return cast(ResidualAttentionBlock, transformer.resblocks[0]).attn.num_heads


class TemporalTransformer(nn.Module):
    """Lets the frames of a video see each other; what it adds is a residual to the frame features."""

    def __init__(self, dim: int, layers: int, heads: int, positions: int) -> None:
        super().__init__()
        self.positions = nn.Embedding(positions, dim)
        self.transformer = Transformer(dim, layers, heads, act_layer=QuickGELU)

    def forward(
        self, frames: Float[Tensor, "video frame dim"], mask: Mask[Tensor, "video frame"]
    ) -> Float[Tensor, "video frame dim"]:
        count = frames.shape[1]
        if count > self.positions.num_embeddings:
            raise ValueError(
                f"{count} frames, but the model knows {self.positions.num_embeddings} positions."
            )
        # -1e6 is added to the logits of masked frames, as published, not -inf: a video without a single
        # real frame stays finite.
        bias = (1 - mask.to(frames.dtype)) * -1e6
        heads = _heads(self.transformer)
        bias = bias[:, None, None, :].expand(-1, heads, count, -1).reshape(-1, count, count)
        return frames + self.transformer(frames + self.positions.weight[:count], attn_mask=bias)


def encode_tokens(
    towers: CLIP, ids: Int[Tensor, "text token"], mask: Mask[Tensor, "text token"]
) -> tuple[Float[Tensor, "text dim"], Float[Tensor, "text token dim"]]:
    """The end token and all tokens. open_clip's `encode_text` returns the end token only, and always runs
    the whole context; here only the positions that are real in some text run (causal attention makes the
    result the same), and the tokens of the others are zero.

    Nothing attends to padding, as published: real tokens never do (they come first), padded ones would.
    """
    positions = ids.shape[1]
    count = int(mask.sum(dim=1).max())  # real tokens come first
    ids, mask = ids[:, :count], mask[:, :count]
    tower = cast(_TextTower, towers)
    x = tower.token_embedding(ids) + tower.positional_embedding[:count]
    bias = tower.attn_mask[:count, :count].masked_fill((mask == 0)[:, None, :], float("-inf"))
    x = tower.transformer(x, attn_mask=bias.repeat_interleave(_heads(tower.transformer), dim=0))
    tokens = tower.ln_final(x) @ tower.text_projection
    cls = tokens[
        torch.arange(len(ids), device=ids.device), ids.argmax(dim=-1)
    ]  # the end token has the highest id
    return cls, pad(tokens, (0, 0, 0, positions - count))


@torch.no_grad()
def folded(tower: nn.Module) -> nn.Module:
    """A copy of an image tower for inference that computes the same in fewer operations, up to rounding.

    Of a ResNet batch norms go into the convolutions before them, and the attention pool, of which one token is
    read, runs for that token alone. A transformer has nothing to fold and is returned as it is.
    """
    if not isinstance(tower, ModifiedResNet):
        return tower
    tower = copy.deepcopy(tower).eval()
    for module in list(tower.modules()):
        last: tuple[str, nn.Conv2d] | None = None  # norms follow their convolution in every block
        for name, child in list(module.named_children()):
            if isinstance(child, nn.Conv2d):
                last = name, child
            elif isinstance(child, nn.BatchNorm2d) and last is not None:
                setattr(module, last[0], fuse_conv_bn_eval(last[1], child))
                setattr(module, name, nn.Identity())
    tower.register_module("attnpool", _OneTokenPool(tower.attnpool))
    return tower.to(memory_format=torch.channels_last)


class _OneTokenPool(nn.Module):
    """CLIP's attention pool for the one token that is read, the mean.

    With q its query in a head, q.(W_k x + b) = (W_k' q).x + q.b, whose last term is the same for all tokens and
    leaves the softmax; and sum of w (W_v x + b) = W_v (sum of w x) + b. So keys and values, instead of a product
    each for every token, take one for all.
    """

    def __init__(self, pool: AttentionPool2d) -> None:
        super().__init__()
        self.pool = pool

    def forward(self, x: Float[Tensor, "frame channel h w"]) -> Float[Tensor, "frame dim"]:
        pool = self.pool
        heads = (pool.num_heads, -1)
        tokens = x.flatten(2).transpose(1, 2)  # [frame token channel]
        tokens = torch.cat([tokens.mean(dim=1, keepdim=True), tokens], dim=1) + pool.positional_embedding
        query = pool.q_proj(tokens[:, 0]).unflatten(-1, heads).transpose(0, 1)  # [head frame width]
        keys = pool.k_proj.weight.unflatten(0, heads)  # [head width channel]
        seen = (query / query.shape[-1] ** 0.5 @ keys).transpose(0, 1)  # [frame head channel]
        mixed = (seen @ tokens.transpose(1, 2)).softmax(dim=-1) @ tokens
        values = pool.v_proj.weight.unflatten(0, heads).transpose(1, 2)  # [head channel width]
        found = (mixed.transpose(0, 1) @ values).transpose(0, 1).flatten(1) + pool.v_proj.bias
        return pool.c_proj(found)
