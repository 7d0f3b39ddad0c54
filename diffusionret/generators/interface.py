"""What a generator is: a network, its settings, how it samples and learns, and what its predictions mean."""

from __future__ import annotations

from abc import ABC, abstractmethod
from copy import copy
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from ..config import GeneratorConfig
from ..diffusion import Schedule, make_schedule
from ..encoders import TextFeatures, VideoFeatures
from ..readout import Readout
from ..sampling import States
from ..similarity import KnownWeights, Weights
from ..trajectory import Trajectory
from .match import ABSENT, Match

DIRECTIONS = (
    "t2v",
    "v2t",
)  # text to video: the queries are texts, the candidates videos; and the mirror image


class Generator(ABC):
    """One generator of a model. Cheap to make: the network and the weights belong to the model.

    form: the name that users choose. settings: the kind of its `config`. readout: what a prediction means. part: the
    name of its network in a model, in checkpoints and of its settings in config.json; "" puts them among `others`.
    reads_candidates_only: whether `sample` leaves the rest of a gallery untouched, so that none needs to be cut out.
    knows_all_levels: whether its training knows all noise levels, so that any schedule of them is one it knows.
    """

    form: ClassVar[str]
    readout: ClassVar[Readout]
    settings: ClassVar[type[GeneratorConfig]] = GeneratorConfig
    part: ClassVar[str] = ""
    reads_candidates_only: ClassVar[bool] = False
    knows_all_levels: ClassVar[bool] = False

    def __init__(
        self,
        network: nn.Module,
        config: GeneratorConfig,
        token_weights: Weights | None = None,
        frame_weights: Weights | None = None,
    ) -> None:
        """network: as `make_network` makes it. token_weights, frame_weights: of the model's similarity; None where it
        weighs none."""
        self.network, self.config = network, config
        self.token_weights, self.frame_weights = token_weights, frame_weights

    def with_weights(
        self,
        token_weights: Float[Tensor, "text token"] | None,
        frame_weights: Float[Tensor, "video frame"] | None,
    ) -> Generator:
        """This generator for texts and videos whose weights are known, so that they are not computed again.

        token_weights, frame_weights: of the very items that are given to `generate`; None where they are not known.
        """
        known = copy(self)
        if token_weights is not None:
            known.token_weights = KnownWeights(token_weights)
        if frame_weights is not None:
            known.frame_weights = KnownWeights(frame_weights)
        return known

    @classmethod
    def make_network(cls, dim: int, config: GeneratorConfig) -> nn.Module:
        """The network with random weights, for features of `dim`; without any by default."""
        return nn.Module()

    # --- sampling ---------------------------------------------------------------------------------------

    @abstractmethod
    def sample(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        direction: str,
        schedule: Schedule,
        noise: Float[Tensor, "*seed query candidate"],
        eta: float = 0.0,
        generator: torch.Generator | None = None,
    ) -> States:
        """Denoise `noise` over the schedule, and all states on the way. Arguments as for `generate`."""

    def schedule(self, steps: int, name: str | None = None, respace_from: int | None = None) -> Schedule:
        """A schedule of `steps` steps, of the trained kind unless it is named.

        respace_from: take them out of a longer one of so many steps; None makes a fresh one, as published.
        """
        name = name or self.config.schedule
        if respace_from is None:
            return make_schedule(name, steps)
        return make_schedule(name, respace_from).respaced(steps)

    @torch.no_grad()
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
    ) -> Trajectory:
        """Denoise the joint distribution of each query and its candidates.

        text, video: for "t2v" the queries are the texts and `candidates` index videos; for "v2t" the queries
        are the videos and `candidates` index texts. noise: x_T [query candidate], or [seed query candidate];
        drawn from `generator` when None. eta: 0 deterministic (DDIM), 1 ancestral (DDPM), with noise of `generator`.
        steps, schedule, respace_from: as for `schedule`. Raises ValueError for bad shapes or settings.
        """
        if noise is None:
            if generator is None:
                raise ValueError("Sampling is random: pass the noise or a torch.Generator.")
            noise = torch.randn(candidates.shape, generator=generator, device=generator.device).to(
                text.cls.device
            )
        if noise.shape[-2:] != candidates.shape or noise.ndim not in (2, 3):
            raise ValueError(f"noise is {tuple(noise.shape)}, candidates are {tuple(candidates.shape)}.")
        plan = self.schedule(steps, schedule, respace_from)
        if direction not in DIRECTIONS:
            raise ValueError(
                f"direction is {direction!r}: choose t2v (text to video) or v2t (video to text)."
            )
        x, x0_raw, x0 = self.sample(text, video, candidates, direction, plan, noise, eta, generator)
        return Trajectory(
            direction=direction,
            candidates=candidates,
            x=x,
            x0=x0,
            x0_raw=x0_raw,
            timesteps=plan.timesteps.flip(0),
            alpha_bar=plan.alpha_bar.flip(0),
            schedule=plan.name,
            form=self.form,
            readout=self.readout,
        )

    def prepare(self, video: VideoFeatures) -> None:  # noqa: B027 - not every generator has what to prepare
        """Do beforehand what searches of this gallery would do again and again; nothing by default."""

    def warm_up(self, wait: bool = False, at_most: float | None = None) -> None:  # noqa: B027
        """Get ready to sample on a CPU, in the background. wait: until it is so, at_most so many seconds."""

    def match(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        direction: str = "t2v",
        row: Float[Tensor, "query gallery"] | None = None,
        absent: float = ABSENT,
    ) -> Match | None:
        """How probable it is that each candidate matches, and that nothing in the gallery does; None of a generator
        that cannot say.

        text, video, candidates, direction: as for `generate`. row: the similarity of each query with the whole
        gallery, where the other side holds only a part of it; None where it holds all. absent: the share of queries
        without a match that is expected, in (0, 1).
        """
        return None

    # --- what a sample changes --------------------------------------------------------------------------

    def boost(
        self, trajectory: Trajectory, alpha: float = 1.0, beta: float = 1.0
    ) -> Float[Tensor, "query candidate"]:
        """What generation adds to the similarity of each candidate, in [0, alpha]: alpha * share by default.

        beta: the sharpness of a distribution over candidates, for generators that draw one.
        """
        return alpha * trajectory.shares

    def affinity(
        self, text: TextFeatures, video: VideoFeatures, timesteps: Int[Tensor, " step"]
    ) -> Float[Tensor, "step video"] | None:
        """What the noisy state of one text and all of these videos competes with at each step; None where a network
        has no such thing."""
        return None

    def frame_attention(
        self, cls: Float[Tensor, " dim"], frames: Float[Tensor, "frame dim"]
    ) -> Float[Tensor, " frame"]:
        """How a text attends to the real frames of a video, sums to 1: by default by their cosines."""
        cosine = normalize(frames, dim=-1) @ normalize(cls, dim=-1)
        return (cosine / self.config.attention_temperature).softmax(dim=-1)

    def diagnostics(
        self, text: TextFeatures, video: VideoFeatures, trajectory: Trajectory
    ) -> dict[str, float]:
        """Figures of the network's inside on a trajectory's queries, for evaluation; none by default."""
        return {}

    # --- training ---------------------------------------------------------------------------------------

    @abstractmethod
    def loss(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        match: Bool[Tensor, "query candidate"],
        direction: str,
        level: Tensor,
        noise: Tensor,
    ) -> Float[Tensor, ""]:
        """The objective of denoising, a mean over the queries.

        match: which candidates are true. level: of the noise, in the generator's own terms. noise: as x_T.
        """
