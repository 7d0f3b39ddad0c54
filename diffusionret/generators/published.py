"""The published generator (paper, section 3.3): a one-hot over the candidates, denoised by one network a direction."""

from __future__ import annotations

from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from .. import sampling
from ..config import GeneratorConfig
from ..denoiser import Denoiser, pool_frames
from ..diffusion import Schedule, add_noise
from ..encoders import TextFeatures, VideoFeatures
from ..losses import denoising_loss
from ..readout import ONE_WINNER, Readout
from ..trajectory import Trajectory
from .interface import DIRECTIONS, Generator


class PublishedGenerator(Generator):
    """Samples by the exact sampler (sampling/); learns by cross entropy against the true candidate (eq. 11)."""

    form: ClassVar[str] = "published"
    readout: ClassVar[Readout] = ONE_WINNER
    part: ClassVar[str] = "generator"
    reads_candidates_only: ClassVar[bool] = True

    @classmethod
    def make_network(cls, dim: int, config: GeneratorConfig) -> nn.ModuleDict:
        return nn.ModuleDict({direction: Denoiser(dim) for direction in DIRECTIONS})

    def denoiser(self, direction: str) -> Denoiser:
        """The network of a direction."""
        assert isinstance(self.network, nn.ModuleDict)
        network = self.network[direction]
        assert isinstance(network, Denoiser)
        return network

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
    ) -> sampling.States:
        return sampling.sample(
            network=self.denoiser(direction),
            cls=text.cls,
            frames=video.frames,
            mask=video.mask,
            candidates=candidates,
            direction=direction,
            schedule=schedule,
            noise=noise,
            temperature=self.config.attention_temperature,
            eta=eta,
            generator=generator,
        )

    def prepare(self, video: VideoFeatures) -> None:
        """For text queries at the usual settings."""
        plan = self.schedule(self.config.usual_steps, respace_from=self.config.steps)
        sampling.prepare(self.denoiser("t2v"), "t2v", video.frames, plan)

    def warm_up(self, wait: bool = False, at_most: float | None = None) -> None:
        sampling.warm_up(wait=wait, at_most=at_most)

    def boost(
        self, trajectory: Trajectory, alpha: float = 1.0, beta: float = 1.0
    ) -> Float[Tensor, "query candidate"]:
        """alpha * softmax(beta * sample), with seeds the mean (eq. 13)."""
        boost = alpha * (beta * trajectory.sample).softmax(dim=-1)
        return boost.mean(dim=0) if trajectory.has_seeds else boost

    def pair_features(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        direction: str,
    ) -> tuple[Float[Tensor, "query any dim"], Float[Tensor, "query candidate dim"]]:
        """What the denoiser sees: the query ([query 1 dim], or one row a pair) and its candidates."""
        temperature = self.config.attention_temperature
        if direction == "t2v":
            cls = text.cls[:, None, :]
            pairs = cls.expand(-1, candidates.shape[1], -1)
            return cls, pool_frames(pairs, video.frames[candidates], video.mask[candidates], temperature)
        if direction == "v2t":
            cls = text.cls[candidates]
            count = candidates.shape[1]
            frames = video.frames[:, None].expand(-1, count, -1, -1)
            return pool_frames(cls, frames, video.mask[:, None].expand(-1, count, -1), temperature), cls
        raise ValueError(f"direction is {direction!r}: choose t2v (text to video) or v2t (video to text).")

    def affinity(
        self, text: TextFeatures, video: VideoFeatures, timesteps: Int[Tensor, " step"]
    ) -> Float[Tensor, "step video"]:
        """q.k, to which the attention over the candidates adds the state: softmax(q.k + x_t)."""
        everyone = torch.arange(len(video.mask), device=video.mask.device)[None]
        query, candidates = self.pair_features(text, video, everyone, "t2v")
        steps = len(timesteps)
        return self.denoiser("t2v").affinity(
            timesteps, query.expand(steps, -1, -1), candidates.expand(steps, -1, -1)
        )

    def frame_attention(
        self, cls: Float[Tensor, " dim"], frames: Float[Tensor, "frame dim"]
    ) -> Float[Tensor, " frame"]:
        """By their products, see `denoiser.pool_frames`."""
        return (frames @ cls / self.config.attention_temperature).softmax(dim=-1)

    def diagnostics(
        self, text: TextFeatures, video: VideoFeatures, trajectory: Trajectory
    ) -> dict[str, float]:
        """qk_std: std of q.k over the candidates, mean over queries and some ten steps; the noise has one of 1."""
        network = self.denoiser(trajectory.direction)
        query, candidates = self.pair_features(text, video, trajectory.candidates, trajectory.direction)
        spread = [
            network.affinity(
                torch.full((len(candidates),), int(t), device=candidates.device), query, candidates
            )
            .std(dim=1)
            .mean()
            for t in trajectory.timesteps[:: max(1, len(trajectory.timesteps) // 10)]
        ]
        return {"qk_std": torch.stack(spread).mean().item()}

    def loss(
        self,
        text: TextFeatures,
        video: VideoFeatures,
        candidates: Int[Tensor, "query candidate"],
        match: Bool[Tensor, "query candidate"],
        direction: str,
        level: Int[Tensor, " query"],
        noise: Float[Tensor, "query candidate"],
    ) -> Float[Tensor, ""]:
        """match: one true candidate a query, in column 0. level: the step of each query, 0 to config.steps - 1."""
        plan = self.schedule(self.config.steps)
        x = add_noise(self.readout.clean(match), noise, plan.alpha_bar.to(noise.device)[level])
        query, shown = self.pair_features(text, video, candidates, direction)
        return denoising_loss(self.denoiser(direction)(x, level, query, shown))
