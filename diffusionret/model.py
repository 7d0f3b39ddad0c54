"""DiffusionRet: the parts put together. `build_model` is the only place that turns a config into sizes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Literal, overload

import torch
from huggingface_hub import PyTorchModelHubMixin, load_torch_model, save_torch_state_dict
from jaxtyping import Float, Int
from open_clip.model import CLIP
from safetensors import SafetensorError
from torch import Tensor, nn
from torch.nn.functional import normalize

from .config import ClipConfig, GeneratorConfig, ModelConfig
from .diffusion import Schedule, make_schedule
from .encoders import Mask, TemporalTransformer, TextFeatures, VideoFeatures, build_towers, encode_tokens
from .generators import GENERATORS, Generator, OpenSetGenerator, PublishedGenerator
from .generators.interface import DIRECTIONS
from .generators.openset import OpenSetDenoiser
from .hub import clip_towers, model_folder
from .losses import contrastive_loss, with_hard_negatives
from .similarity import TokenWeights, cls_similarity, wti, wti_in_blocks
from .tokenizer import tokenize, unread
from .trajectory import Trajectory

HEADS = ("temporal", "text_weights", "video_weights", "generator")  # what the paper adds to CLIP's towers


class NoGenerator(ValueError):
    """The model holds no trained generator, so nothing can be generated."""

    def __init__(self) -> None:
        super().__init__(
            "This model has no generator (similarity only): train stage 2, or load one that has it."
        )


class DiffusionRet(
    nn.Module,
    PyTorchModelHubMixin,
    library_name="diffusionret",
    tags=["video-text-retrieval", "diffusion"],
    license="apache-2.0",
):
    """Features, similarity and generator of one model. Chooses no device and reads no file by itself.

    `save_pretrained(folder)` writes it, `push_to_hub` publishes it, as Hugging Face's models have them.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        dim = config.clip.embed_dim
        self.towers: CLIP = build_towers(config.clip)
        # Convolutions of a ResNet are twice as fast on a CPU in this layout, thrice where they learn.
        self.towers.visual.to(memory_format=torch.channels_last)
        self.temporal = None
        if config.temporal_layers:
            self.temporal = TemporalTransformer(
                dim, config.temporal_layers, max(dim // 64, 1), config.clip.context_length
            )
        self.text_weights = self.video_weights = None
        self.generator: nn.ModuleDict | None = None
        self.openset: OpenSetDenoiser | None = None
        if config.interaction == "wti":
            self.text_weights, self.video_weights = TokenWeights(dim), TokenWeights(dim)
        self.others = nn.ModuleDict()
        for settings in config.generators:
            kind = GENERATORS[settings.form]
            network = kind.make_network(dim, settings)
            if kind.part:
                setattr(self, kind.part, network)
            else:
                self.others[kind.form] = network

    # --- features ---------------------------------------------------------------------------------------

    @property
    def device(self) -> torch.device:
        """Where the weights lie."""
        return self.towers.logit_scale.device

    def tokenize(self, texts: Sequence[str]) -> tuple[Int[Tensor, "text token"], Int[Tensor, "text token"]]:
        """CLIP's token ids and the mask of real tokens; what is longer than the model reads is cut."""
        return tokenize(texts, self.config.words)

    def cut(self, text: str) -> str:
        """The end of `text` that the model does not read, "" where it reads all."""
        return unread(text, self.config.words)

    def encode_text(self, texts: Sequence[str]) -> TextFeatures:
        """Features of sentences, on the model's device."""
        ids, mask = self.tokenize(texts)
        return self.encode_token_ids(ids.to(self.device), mask.to(self.device))

    def encode_token_ids(
        self, ids: Int[Tensor, "text token"], mask: Mask[Tensor, "text token"]
    ) -> TextFeatures:
        """Features of sentences that are tokens already, on the model's device.

        ids, mask: as `tokenize` gives them, on the model's device too.
        """
        cls, tokens = encode_tokens(self.towers, ids, mask)
        return TextFeatures(self._scaled(cls), self._scaled(tokens), mask)

    def preprocess(self, frames: Tensor) -> Tensor:
        """uint8 RGB [... h w 3] -> normalised float [... 3 size size]: shorter side resized, centre cropped."""
        from torchvision.transforms.v2 import functional as vision

        size = self.config.clip.image_size
        x = frames.movedim(-1, -3)
        if x.shape[-2:] != (size, size):
            lead = x.shape[:-3]
            x = vision.resize(x.flatten(0, -4) if lead else x[None], [size], vision.InterpolationMode.BICUBIC)
            x = vision.center_crop(x, [size, size]).reshape(*lead, 3, size, size)
        mean = torch.tensor(self.config.image_mean, device=x.device)[:, None, None]
        std = torch.tensor(self.config.image_std, device=x.device)[:, None, None]
        return (x.float() / 255 - mean) / std

    def encode_frames(
        self,
        frames: Float[Tensor, "video frame 3 h w"],
        mask: Mask[Tensor, "video frame"],
        tower: nn.Module | None = None,
    ) -> VideoFeatures:
        """Features of normalised frames.

        frames: as `preprocess` gives them. mask: 1 or true for a real frame. tower: what `encoders.folded` makes of the
        model's image tower, which is faster; None for that tower itself.
        """
        embeddings = (self.towers.visual if tower is None else tower)(frames.flatten(0, 1))
        return self.contextualise(embeddings.unflatten(0, frames.shape[:2]), mask)

    def contextualise(
        self, embeddings: Float[Tensor, "video frame dim"], mask: Mask[Tensor, "video frame"]
    ) -> VideoFeatures:
        """Image-tower embeddings of frames -> VideoFeatures: the temporal transformer and the scale."""
        if self.temporal is not None:
            embeddings = self.temporal(embeddings, mask)
        return VideoFeatures(self._scaled(embeddings), mask)

    def _scaled(self, features: Tensor) -> Tensor:
        norm = self.config.feature_norm
        return features if norm is None else norm * normalize(features, dim=-1)

    # --- similarity -------------------------------------------------------------------------------------

    def similarity(self, text: TextFeatures, video: VideoFeatures) -> Float[Tensor, "text video"]:
        """How well each text fits each video, in [-1, 1]; larger is better."""
        if self.text_weights is None or self.video_weights is None:
            return cls_similarity(text, video)
        interaction = wti if torch.is_grad_enabled() else wti_in_blocks
        return interaction(
            text,
            video,
            self.text_weights.weigh(text.tokens, text.mask),
            self.video_weights.weigh(video.frames, video.mask),
        )

    # --- generation -------------------------------------------------------------------------------------

    @property
    def generators(self) -> dict[str, Generator]:
        """By name, the one that answers first; empty for a model that ranks by similarity only."""
        found = {}
        for config in sorted(self.config.generators, key=lambda config: config.form != self.config.form):
            kind = GENERATORS[config.form]
            network = getattr(self, kind.part) if kind.part else self.others[kind.form]
            found[kind.form] = kind(network, config, self.text_weights, self.video_weights)
        return found

    @property
    def forms(self) -> tuple[str, ...]:
        """The names of the generators, the one that answers first."""
        return tuple(self.generators)

    @overload
    def choose(self, form: Literal["published"]) -> PublishedGenerator: ...

    @overload
    def choose(self, form: Literal["open-set"]) -> OpenSetGenerator: ...

    @overload
    def choose(self, form: str | None = None) -> Generator: ...

    def choose(self, form: str | None = None) -> Generator:
        """The generator of a name, None for the one that answers.

        Raises NoGenerator for a model without any, ValueError for a name that is none of them.
        """
        generators = self.generators
        if not generators:
            raise NoGenerator
        if form and form not in generators:
            raise ValueError(
                f"The model has no generator {str(form)[:40]!r}: choose {' or '.join(generators)}."
            )
        return generators[form or next(iter(generators))]

    def schedule(self, steps: int, name: str | None = None, respace_from: int | None = None) -> Schedule:
        """As `Generator.schedule` of the one that answers; of a model without one, of the published kind."""
        if self.forms:
            return self.choose().schedule(steps, name, respace_from)
        name = name or GeneratorConfig().schedule
        return make_schedule(name, respace_from or steps).respaced(steps)

    def generate(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        direction: str = "t2v",
        steps: int = 50,
        schedule: str | None = None,
        noise: Tensor | None = None,
        eta: float = 0.0,
        generator: torch.Generator | None = None,
        respace_from: int | None = None,
        form: str | None = None,
    ) -> Trajectory:
        """Denoise the joint distribution of each query and its candidates.

        text, video: for direction "t2v" the queries are the texts and candidates [query candidate] index videos; for
        "v2t" the mirror image. steps: at least 1. schedule: "cosine" or "linear", the trained one when None. noise: x_T
        [query candidate] or [seed query candidate], drawn from `generator` when None. eta: 0 (DDIM) to 1 (DDPM), whose
        noise comes from `generator` too. respace_from: take the steps out of a schedule of so many; None makes a fresh
        one, as published. form: the name of the generator, None for the one that answers. Raises NoGenerator for a
        model without it, ValueError for bad shapes or settings.
        """
        return self.choose(form).generate(
            text, video, candidates, direction, steps, schedule, noise, eta, generator, respace_from
        )

    def boost(
        self, trajectory: Trajectory, alpha: float = 1.0, beta: float = 1.0
    ) -> Float[Tensor, "query candidate"]:
        """What generation adds to the similarity of each candidate, in [0, alpha].

        alpha: its weight. beta: the sharpness of a distribution over candidates, for generators that draw one.
        """
        return self.choose(trajectory.form).boost(trajectory, alpha, beta)

    def rerank(
        self,
        similarity: Float[Tensor, "query gallery"],
        trajectory: Trajectory,
        alpha: float = 1.0,
        beta: float = 1.0,
    ) -> Float[Tensor, "query gallery"]:
        """similarity + boost on the candidates (eq. 13); the rest keeps its similarity.

        Rows are the trajectory's queries: pass `similarity.T` of a [text video] matrix for "v2t". See `boost`.
        """
        return similarity.scatter_add(
            1, trajectory.candidates, self.boost(trajectory, alpha, beta).to(similarity.dtype)
        )

    # --- training ---------------------------------------------------------------------------------------

    def discrimination_loss(
        self, text: TextFeatures, video: VideoFeatures, video_ids: Tensor
    ) -> Float[Tensor, ""]:
        """Symmetric InfoNCE over the batch's pairs (stage 1). As published, the ids do not enter it."""
        del video_ids  # another caption of the same video counts as a negative, as published
        return contrastive_loss(self.logit_scale * self.similarity(text, video))

    @property
    def logit_scale(self) -> Float[Tensor, ""]:
        """What training multiplies similarities with (CLIP's inverse temperature, at most 100)."""
        return self.towers.logit_scale.exp().clamp(max=100.0)

    def generation_loss(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        video_ids: Int[Tensor, " query"],
        t: Int[Tensor, " query"] | None = None,
        noise: tuple[Tensor, Tensor] | None = None,
        negatives: int = 127,
        generator: torch.Generator | None = None,
    ) -> Float[Tensor, ""]:
        """Denoising of the one-hot over the positive and its hard negatives, both directions summed (stage 2).

        video_ids: what tells pairs of one video, which are no negatives of each other. t: step of each query, drawn
        uniformly when None. noise: (t2v, v2t), each [query 1 + negatives], drawn when None. negatives: of a query, at
        most as many as the batch has. generator: what is drawn comes from it. Raises NoGenerator or ValueError for a
        model without the published generator, ValueError where a query has no negative.
        """
        published = self.choose("published")
        with torch.no_grad():
            similarity = self.similarity(text, video)
        device = similarity.device
        if t is None:
            t = torch.randint(published.config.steps, (len(similarity),), generator=generator).to(device)
        total = similarity.new_zeros(())
        for i, (direction, scores) in enumerate(zip(DIRECTIONS, (similarity, similarity.T), strict=True)):
            candidates = with_hard_negatives(scores, video_ids, negatives)
            match = torch.zeros(candidates.shape, dtype=torch.bool, device=device)
            match[:, 0] = True
            z = noise[i] if noise else torch.randn(candidates.shape, generator=generator).to(device)
            total = total + published.loss(text, video, candidates, match, direction, t, z)
        return total

    # --- weights ----------------------------------------------------------------------------------------

    @classmethod
    def from_clip(cls, name: str, pretrained: str | None = None) -> DiffusionRet:
        """Zero-shot CLIP as a retrieval model: no temporal branch, no token weights, no generator.

        name, pretrained: as open_clip names them, e.g. "ViT-B-32-quickgelu", "openai" (None: random weights; a file of
        weights will do). Raises what `clip_towers` does.
        """
        layout, towers = clip_towers(name, pretrained)
        config = ModelConfig(
            clip=_clip_config(layout),
            generator=None,
            temporal_layers=0,
            interaction="cls",
            name=f"{name} {Path(pretrained).name if pretrained else None}",  # of weights in a file, not where it lies
        )
        model = build_model(config)
        model.towers.load_state_dict(towers.state_dict())
        return model.eval()

    def trainable(self, generator: GeneratorConfig | None = None, **changes) -> DiffusionRet:
        """A copy that is ready to train: all parts present, the new ones initialised as published.

        The temporal transformer starts as the first blocks of CLIP's text transformer, its positions as
        CLIP's text positions (where the widths agree); other new weights are N(0, 0.02), biases 0.
        """
        config = replace(
            self.config, interaction="wti", temporal_layers=self.config.temporal_layers or 4, **changes
        )
        config = replace(config, generator=generator or config.generator)
        model = build_model(config)
        model.load_state_dict(self.state_dict(), strict=False)
        initialise(model, [part for part in HEADS if getattr(self, part) is None])
        return model

    def _save_pretrained(self, save_directory: Path) -> None:
        """config.json and half-precision safetensors in shards of at most 15 MB."""
        state = {k: v.half() if v.is_floating_point() else v for k, v in self.state_dict().items()}
        save_torch_state_dict(state, save_directory, max_shard_size="15MB")
        text = json.dumps(self.config.to_dict(), indent=2) + "\n"
        (save_directory / "config.json").write_text(text, encoding="utf-8")

    @classmethod
    def from_pretrained(cls, pretrained_model_name_or_path: str | Path, **kwargs) -> DiffusionRet:
        """A bundled model by name, a folder written by `save_pretrained`, or a Hub id ("owner/name").

        Raises FileNotFoundError when there is no such model, ConnectionError when the Hub is out of reach, ValueError
        for a folder whose files are damaged or do not fit each other.
        """
        folder = model_folder(pretrained_model_name_or_path, **kwargs)
        again = "copy or download the model again."
        try:
            config = ModelConfig.from_dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
            model = build_model(config)
        except (
            json.JSONDecodeError,
            UnicodeDecodeError,
            KeyError,
            TypeError,
            AttributeError,
            AssertionError,
        ) as error:
            raise ValueError(f"{folder / 'config.json'} does not describe a model: {again}") from error
        try:
            result = load_torch_model(model, folder, strict=False, safe=True)
        except (
            ValueError,
            OSError,
            SafetensorError,
        ) as error:  # the Hub's library would advise to load a pickle
            raise ValueError(f"The weights in {folder} cannot be read: {again}") from error
        except RuntimeError as error:  # of other sizes
            raise ValueError(f"The weights in {folder} do not fit its config.json: {again}") from error
        # Two lists of names; huggingface_hub declares a NamedTuple without its fields.
        missing, unknown = result
        problems = [f"missing {k}" for k in missing] + [f"unknown {k}" for k in unknown]
        if problems:
            raise ValueError(f"The weights in {folder} do not fit its config.json: {_some(problems)}.")
        return model.eval()


def build_model(config: ModelConfig) -> DiffusionRet:
    """A model of the sizes that `config` states, with random weights."""
    return DiffusionRet(config)


@torch.no_grad()
def initialise(model: DiffusionRet, parts: Sequence[str] = HEADS, std: float = 0.02) -> None:
    """The published initialisation of the named parts (everything but CLIP's towers)."""
    for part in (getattr(model, name) for name in parts):
        for module in part.modules() if part is not None else ():
            if isinstance(module, nn.Linear | nn.Embedding):
                module.weight.normal_(0.0, std)
            if isinstance(module, nn.Linear) and module.bias is not None:
                module.bias.zero_()
    same_width = model.config.clip.text_width == model.config.clip.embed_dim
    if "temporal" in parts and model.temporal is not None and same_width:
        positions = model.towers.positional_embedding
        assert isinstance(positions, Tensor)
        model.temporal.positions.weight.copy_(positions)
        blocks = zip(model.temporal.transformer.resblocks, model.towers.transformer.resblocks, strict=False)
        for block, source in blocks:
            block.load_state_dict(source.state_dict())


def _clip_config(layout: dict) -> ClipConfig:
    vision, text = dict(layout["vision_cfg"]), dict(layout["text_cfg"])
    values = dict(embed_dim=layout["embed_dim"], quick_gelu=layout.get("quick_gelu", False))
    values |= {k: vision.pop(k) for k in ("image_size", "patch_size") if k in vision}
    values |= {f"vision_{k}": vision.pop(k) for k in ("layers", "width", "head_width") if k in vision}
    values |= {k: text.pop(k) for k in ("context_length", "vocab_size") if k in text}
    values |= {f"text_{k}": text.pop(k) for k in ("width", "heads", "layers") if k in text}
    if vision or text:
        raise ValueError(
            f"This open_clip model has parts that are not supported: {sorted([*vision, *text])}."
        )
    known = {f.name for f in fields(ClipConfig)}
    return ClipConfig(**{k: v for k, v in values.items() if k in known})


def _some(names: Sequence[str], count: int = 5) -> str:
    more = f" and {len(names) - count} more" if len(names) > count else ""
    return ", ".join(names[:count]) + more
