"""Sizes and settings of a model: frozen dataclasses that a checkpoint carries as config.json."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from typing import Literal

# Mean and standard deviation of CLIP's training pixels (RGB in [0, 1]).
CLIP_MEAN = (0.48145466, 0.4578275, 0.40821073)
CLIP_STD = (0.26862954, 0.26130258, 0.27577711)
CLIP = (
    "clip:ViT-B-32-quickgelu:openai"  # the name of the paper's zero-shot model, for videos of the real world
)


@dataclass(frozen=True)
class TokenTableConfig:
    """A frozen table of token vectors (see token_table.py): dimensions of a row, words of several tokens that have a
    row of their own, and the most tokens of one."""

    dim: int = 128
    words: int = 0
    pieces: int = 1


@dataclass(frozen=True)
class ClipConfig:
    """The open_clip towers. The defaults are CLIP ViT-B/32.

    `vision_layers` is a number for a ViT and four numbers for a ResNet (then `patch_size` is None). `token_table`: a
    frozen table of token vectors in the place of a learned one, None for CLIP's own.
    """

    embed_dim: int = 512
    image_size: int = 224
    vision_layers: int | tuple[int, ...] = 12
    vision_width: int = 768
    vision_head_width: int = 64
    patch_size: int | None = 32
    context_length: int = 77
    vocab_size: int = 49408
    text_width: int = 512
    text_heads: int = 8
    text_layers: int = 12
    quick_gelu: bool = True
    token_table: TokenTableConfig | None = None


@dataclass(frozen=True)
class GeneratorConfig:
    """The published denoiser (ICCV 2023, a one-hot over candidates) and the diffusion that it was trained with.

    form: the name of the generator that these settings are of, see generators/.
    schedule: "cosine" or "linear"; steps: number of diffusion steps in training, respaced at inference.
    candidates: how many candidates a training query had (the published code: 1 positive + 127 negatives).
    attention_temperature: divides the logits of the attention over frames.
    alpha: weight of what generation adds to the similarity. seeds, sampling_steps: how many noises an answer takes,
    and in how many steps each is denoised.
    """

    form: str = "published"
    schedule: str = "cosine"
    steps: int = 50
    candidates: int = 128
    attention_temperature: float = 1.0
    alpha: float = 1.0
    seeds: int = 1
    sampling_steps: int = 50

    @property
    def usual_steps(self) -> int:
        """`sampling_steps`, or as many as there are."""
        return min(self.sampling_steps, self.steps)


@dataclass(frozen=True)
class OpenSetConfig(GeneratorConfig):
    """The open-set generator (at most one candidate is meant, all -1 = none), sizes included.

    Its denoiser is exact at every noise level, so `schedule` and `steps` only say where the levels of sampling lie.
    width, layers, heads: of the network, which runs once a query.
    alpha: weight of p(match) beside the similarity, as validation chose it; 10 where the probability alone ranks best
    and similarity only decides ties.
    """

    form: str = "open-set"
    candidates: int = 32
    attention_temperature: float = 0.1
    seeds: int = 16
    sampling_steps: int = 30
    width: int = 128
    layers: int = 2
    heads: int = 4


# The kind of settings of every generator by name; generators/registry.py adds to them.
SETTINGS: dict[str, type[GeneratorConfig]] = {"published": GeneratorConfig, "open-set": OpenSetConfig}


@dataclass(frozen=True)
class ModelConfig:
    """All that `build_model` needs, and how inputs are prepared.

    interaction: "wti", the weighted token interaction of the paper, or "cls", zero-shot CLIP (cosine of
        the end token with every frame, averaged over frames).
    feature_norm: norm that every feature vector is scaled to (10 is the scale of CLIP's features, which the
        published initialisation of the denoiser expects); None leaves the features as the towers give them.
    frame_rule: "published" (1 frame a second, at most `frames`, padded and masked) or "even".
    words: tokens that the text tower reads, start and end token included.
    dataset: name of what it was trained on; split_seed: what its splits derive from.
    generator, openset: settings of the published and of the open-set generator, None where there is none; others: of
        any further ones, see generators/. form: the name of the one that answers where there are several.
    """

    clip: ClipConfig = field(default_factory=ClipConfig)
    generator: GeneratorConfig | None = field(default_factory=GeneratorConfig)
    openset: OpenSetConfig | None = None
    others: tuple[GeneratorConfig, ...] = ()
    form: str = "published"
    temporal_layers: int = 4
    interaction: str = "wti"
    feature_norm: float | None = None
    words: int = 32
    frames: int = 12
    frame_rule: Literal["published", "even"] = "published"
    image_mean: tuple[float, float, float] = CLIP_MEAN
    image_std: tuple[float, float, float] = CLIP_STD
    tokenizer: str = "clip"
    name: str = ""
    dataset: str = ""
    split_seed: str = ""

    def __post_init__(self) -> None:
        choices = {"interaction": ("wti", "cls"), "frame_rule": ("published", "even"), "tokenizer": ("clip",)}
        choices["form"] = tuple(SETTINGS)
        for key, allowed in choices.items():
            if getattr(self, key) not in allowed:
                raise ValueError(f"{key} is {getattr(self, key)!r}: choose one of {', '.join(allowed)}.")
        if self.openset and self.interaction != "wti":
            raise ValueError("The open-set generator weighs tokens: its model needs the interaction wti.")

    @property
    def generators(self) -> tuple[GeneratorConfig, ...]:
        """Settings of all generators that there are."""
        return tuple(config for config in (self.generator, self.openset, *self.others) if config)

    def to_dict(self) -> dict:
        """Plain values, as config.json holds them."""
        values = asdict(self)
        if not self.others:
            del values["others"]
        if self.clip.token_table is None:
            del values["clip"]["token_table"]
        return values

    @classmethod
    def from_dict(cls, values: dict) -> ModelConfig:
        """The inverse of `to_dict`. Raises ValueError that names fields it does not know."""
        values = dict(values)
        unknown = set(values) - {f.name for f in fields(cls)}
        if unknown:
            raise ValueError(f"config.json holds fields that this version does not know: {sorted(unknown)}.")
        clip = _with_tuples(values["clip"])
        if clip.get("token_table"):
            clip["token_table"] = TokenTableConfig(**clip["token_table"])
        values["clip"] = ClipConfig(**clip)
        if values.get("generator"):
            values["generator"] = GeneratorConfig(**values["generator"])
        if values.get("openset"):
            values["openset"] = OpenSetConfig(**values["openset"])
        if strange := {other["form"] for other in values.get("others", ())} - set(SETTINGS):
            raise ValueError(f"config.json holds generators that are not registered: {sorted(strange)}.")
        values["others"] = tuple(SETTINGS[other["form"]](**other) for other in values.get("others", ()))
        return cls(**_with_tuples(values))


def _with_tuples(values: dict) -> dict:
    """JSON knows lists only."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


@dataclass(frozen=True)
class Optimisation:
    """AdamW, its learning rate, and the average of the weights that is kept. The defaults are the paper's.

    lr: highest learning rate, above 0; tower_lr: of CLIP's towers, None where they learn like the rest.
    weight_decay: of matrices; biases, norms and single numbers do not decay.
    warmup: share of the steps in which the rate rises, 0 to 1; a cosine brings it to 0 afterwards.
    clip_norm: largest norm of the gradient.
    ema: decay of the average a step, 0 to 1. ema_rises: whether the decay starts at 0.1 and rises to `ema`, for towers
    that start from nothing, where early weights are worth little; otherwise the first step's weights start the average.
    """

    lr: float = 1e-4
    tower_lr: float | None = None
    weight_decay: float = 0.2
    warmup: float = 0.1
    clip_norm: float = 1.0
    ema: float = 0.99
    ema_rises: bool = False


@dataclass(frozen=True)
class TrainConfig:
    """One stage of training on Storybook.

    stage: 0 pre-trains the image tower from scratch (`batch` counts frames), 1 is the paper's discrimination,
    4 trains the text tower anew on frozen features of clips, 2 is the paper's generation on frozen features, 3 the
    open-set generator on the same (`batch` counts the queries of a direction). init: the preset whose result it starts
    from, None for random weights.
    cls_weight: weight of the end token's losses beside the token-wise ones, phrase_weight: of phrases beside captions,
    query_weight: of queries as people type them beside captions, fact_weight: of what a text's end token must tell of
    it. negatives: hard negatives of stage 2.
    omit: captions leave out each circumstance with a probability between 0 and this. relatives: clips of a
    batch that differ from each other in little. steps, evaluate_every: steps of training, and between validations.
    command, minutes (2 CPU cores) and reaches state what to expect.
    """

    name: str
    stage: int
    model: ModelConfig
    command: str
    minutes: int
    reaches: str
    init: str | None = None
    steps: int = 1000
    batch: int = 128
    optimisation: Optimisation = field(default_factory=lambda: Optimisation(ema_rises=True))
    cls_weight: float = 0.0
    phrase_weight: float = 0.0
    query_weight: float = 0.0
    fact_weight: float = 0.0
    negatives: int = 127
    omit: float = 0.25
    relatives: int = 4
    evaluate_every: int = 200
    seed: int = 0


STORYBOOK = ModelConfig(
    clip=ClipConfig(
        embed_dim=256,
        image_size=64,
        vision_layers=(1, 1, 1, 1),
        vision_width=32,
        patch_size=None,
        context_length=32,
        text_width=144,
        text_heads=3,
        text_layers=4,
        quick_gelu=False,
    ),
    generator=None,
    temporal_layers=2,
    feature_norm=10.0,
    words=32,
    frames=6,
    frame_rule="even",
    name="storybook",
    dataset="storybook",
    split_seed="storybook",
)

_STORYBOOK_STAGES = (
    TrainConfig(
        name="storybook-0",
        stage=0,
        model=STORYBOOK,
        command="python -m diffusionret train --preset storybook-0 --families 6000 --compile",
        minutes=31,
        reaches="every subject found, and no other, in 91 % of the validation frames, and which of two acts in 98 %",
        steps=2400,
        batch=192,
        optimisation=Optimisation(
            lr=2e-3, weight_decay=0.05, warmup=0.03, clip_norm=5.0, ema=0.99, ema_rises=True
        ),
        evaluate_every=300,
    ),
    TrainConfig(
        name="storybook-1",
        stage=1,
        model=STORYBOOK,
        command="python -m diffusionret train --preset storybook-1 --families 6000",
        minutes=20,
        reaches="R@1 of 100 for full captions and of 90 for natural ones, roles told apart in 98 %",
        init="storybook-0",
        steps=700,
        batch=256,
        optimisation=Optimisation(lr=1e-3, weight_decay=0.1, warmup=0.05, ema=0.99, ema_rises=True),
        cls_weight=0.5,
        phrase_weight=0.25,
        fact_weight=0.5,
        omit=0.7,
    ),
    TrainConfig(
        name="storybook-text",
        stage=4,
        model=STORYBOOK,
        command="python -m diffusionret train --preset storybook-text --families 8000",
        minutes=115,
        reaches="R@1 of 90 for natural captions, roles told apart in 99 %, whose colour is whose in 95 %",
        init="storybook-1",
        steps=3800,
        batch=160,
        optimisation=Optimisation(lr=1e-3, weight_decay=0.1, warmup=0.08, ema=0.99, ema_rises=True),
        cls_weight=0.5,
        phrase_weight=0.25,
        query_weight=2.0,
        fact_weight=0.5,
        omit=0.7,
        evaluate_every=250,
    ),
    TrainConfig(
        name="storybook-2",
        stage=2,
        model=STORYBOOK,
        command="python -m diffusionret train --preset storybook-2 --families 2000",
        minutes=6,
        reaches="R@1 of the generator alone of 99 for full captions, both directions, on validation",
        init="storybook-text",
        steps=600,
        batch=256,
        optimisation=Optimisation(lr=1e-3, weight_decay=0.05, ema=0.995, ema_rises=True),
        negatives=31,
        omit=0.7,
        relatives=2,
        evaluate_every=300,
    ),
    TrainConfig(
        name="storybook-open",
        stage=3,
        model=STORYBOOK,
        command="python -m diffusionret train --preset storybook-open --families 16000",
        minutes=165,
        reaches="calibration error of p(match) and of p(no match) below 0.03 on validation",
        init="storybook-2",
        steps=21600,
        batch=48,
        optimisation=Optimisation(lr=1e-3, weight_decay=0.05, warmup=0.05, ema=0.99, ema_rises=True),
        omit=0.7,
        evaluate_every=800,
    ),
)
PRESETS = {preset.name: preset for preset in _STORYBOOK_STAGES}
