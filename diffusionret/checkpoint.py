"""The published checkpoint format, read strictly: every size is inferred, every key accounted for."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import torch
from torch import Tensor

from .config import ClipConfig, GeneratorConfig, ModelConfig
from .model import DiffusionRet, build_model

# Prefixes of the published names and of ours.
RENAMED = {
    "clip.": "towers.",
    "text_weight_fc.": "text_weights.",
    "video_weight_fc.": "video_weights.",
    "frame_position_embeddings.": "temporal.positions.",
    "transformerClip.": "temporal.transformer.",
    "diffusion_model.embed_timestep.time_embed.": "generator.t2v.time.mlp.",
    "diffusion_model_v.embed_timestep.time_embed.": "generator.v2t.time.mlp.",
    "diffusion_model.": "generator.t2v.",
    "diffusion_model_v.": "generator.v2t.",
}
# Sinusoid tables and CLIP's notes on its own sizes: constants that the model makes itself.
CONSTANT = re.compile(r"sequence_pos_encoder\.pe$|^clip\.(input_resolution|context_length|vocab_size)$")


class CheckpointError(ValueError):
    """The weights do not make a model; the message names what is missing, unknown or mis-shaped."""


def load_published(path: str | Path, attention_temperature: float = 1.0) -> DiffusionRet:
    """A checkpoint of the published code (a state dict) as a model in evaluation mode.

    attention_temperature: of the attention over frames; the format does not record it. A stage-1 checkpoint
    gives a model without generator. Raises CheckpointError when weights are unknown, missing or mis-shaped.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about pickles of other kinds, which fail anyway
            state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise FileNotFoundError(f"There is no file {path}.") from None
    except Exception as error:  # torch raises many kinds for what is no checkpoint
        # Its own sentence would advise to load whatever code the file holds.
        raise CheckpointError(
            f"{path} is not a readable checkpoint: it is damaged, or holds something other than weights."
        ) from error
    if not isinstance(state, dict) or not all(isinstance(v, Tensor) for v in state.values()):
        raise CheckpointError(f"{path} holds no state dict (a mapping from names to tensors).")
    return from_published_state(state, attention_temperature)


def pick_device(device: str = "auto") -> torch.device:
    """ "auto" (CUDA where present, else the CPU), or a device that torch knows. Raises ValueError."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        picked = torch.device(device)
    except RuntimeError as error:
        raise ValueError(f"There is no device {device!r}: choose auto, cpu, cuda or mps.") from error
    if picked.type == "cuda" and not torch.cuda.is_available():
        raise ValueError("There is no CUDA device on this machine: choose auto or cpu.")
    try:
        if torch.ones(1, device=picked).cpu().item() == 1:
            return picked
    except (RuntimeError, NotImplementedError):
        pass
    raise ValueError(f"This machine cannot compute on the device {device!r}: choose auto, cpu, cuda or mps.")


def load_model(name: str | Path, device: str = "auto") -> DiffusionRet:
    """A model by any of its names, in evaluation mode on `device` (see `pick_device`).

    name: a bundled model, a folder written by `save_pretrained`, a Hub id ("owner/name"), a published
    checkpoint (.bin, .pt or .pth), or "clip:ARCHITECTURE:WEIGHTS" for zero-shot CLIP in open_clip's words,
    e.g. "clip:ViT-B-32-quickgelu:openai". Raises what `from_pretrained`, `load_published` and `from_clip` do.
    """
    picked = pick_device(device)
    kind, _, rest = str(name).partition(":")
    if kind == "clip":
        architecture, _, weights = rest.partition(":")
        model = DiffusionRet.from_clip(architecture, weights or None)
    elif Path(name).suffix in (".bin", ".pt", ".pth"):
        model = load_published(name)
    else:
        model = DiffusionRet.from_pretrained(name)
    return model.to(picked)


def from_published_state(state: dict[str, Tensor], attention_temperature: float = 1.0) -> DiffusionRet:
    """As `load_published`, from a state dict in memory."""
    weights = {_renamed(k): v.float() for k, v in state.items() if not CONSTANT.search(k)}
    model = build_model(_infer(state, attention_temperature))
    own = model.state_dict()
    problems = [f"missing {_published(k)}" for k in sorted(own.keys() - weights.keys())]
    problems += [f"unknown {_published(k)}" for k in sorted(weights.keys() - own.keys())]
    problems += [
        f"{_published(k)} is {tuple(weights[k].shape)} instead of {tuple(own[k].shape)}"
        for k in sorted(own.keys() & weights.keys())
        if own[k].shape != weights[k].shape
    ]
    if problems:
        more = f" and {len(problems) - 8} more" if len(problems) > 8 else ""
        raise CheckpointError(
            f"The checkpoint does not make a DiffusionRet: {'; '.join(problems[:8])}{more}."
        )
    model.load_state_dict(weights)
    return model.eval()


def _renamed(key: str) -> str:
    for old, new in RENAMED.items():
        if key.startswith(old):
            return new + key[len(old) :]
    return key


def _published(key: str) -> str:
    """The name that a weight of ours has in the published format."""
    for old, new in RENAMED.items():
        if key.startswith(new):
            return old + key[len(new) :]
    return key


def _infer(state: dict[str, Tensor], attention_temperature: float) -> ModelConfig:
    def shape(key: str) -> tuple[int, ...]:
        if key not in state:
            raise CheckpointError(f"The checkpoint does not make a DiffusionRet: missing {key}.")
        return tuple(state[key].shape)

    def layers(prefix: str) -> int:
        return len({m[1] for k in state if (m := re.match(rf"{re.escape(prefix)}resblocks\.(\d+)\.", k))})

    context, text_width = shape("clip.positional_embedding")
    vision_width, _, patch, _ = shape("clip.visual.conv1.weight")
    grid = round((shape("clip.visual.positional_embedding")[0] - 1) ** 0.5)
    clip = ClipConfig(
        embed_dim=shape("clip.text_projection")[1],
        image_size=grid * patch,
        vision_layers=layers("clip.visual.transformer."),
        vision_width=vision_width,
        patch_size=patch,
        context_length=context,
        vocab_size=shape("clip.token_embedding.weight")[0],
        text_width=text_width,
        text_heads=max(text_width // 64, 1),
        text_layers=layers("clip.transformer."),
        quick_gelu=True,
    )
    has_generator = any(k.startswith("diffusion_model") for k in state)
    return ModelConfig(
        clip=clip,
        generator=GeneratorConfig(attention_temperature=attention_temperature) if has_generator else None,
        temporal_layers=layers("transformerClip."),
        name="published checkpoint",
    )
