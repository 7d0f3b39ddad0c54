"""Generation: the trajectories of sentences over videos of a gallery, by a model's own generator and schedule."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from .encoders import TextFeatures, VideoFeatures
from .generators import Generator, OpenSetGenerator
from .generators.match import ABSENT, at_prior
from .generators.openset import Answers, OpenSetNetwork, VideoSide
from .matching import Candidates, Matcher
from .model import DiffusionRet
from .trajectory import Trajectory

BATCH = 32  # queries that are encoded and denoised together
KEPT_AHEAD = 2_000  # videos of a gallery of which the match head's own side stays in memory


@dataclass(frozen=True)
class Denoising:
    """How a trajectory is drawn.

    steps: of denoising, at least 1, at most those of the generator's training. seed, seeds: the noise, of seed,
    seed + 1, ...; equal for every query. schedule: None for the trained one; another one is respaced from as many
    steps. eta: 0 deterministic, 1 ancestral.
    """

    steps: int
    seed: int = 0
    seeds: int = 1
    schedule: str | None = None
    eta: float = 0.0


class Generation:
    """The generators of a model, over one gallery. Made once: on a CPU they get ready in the background."""

    def __init__(self, model: DiffusionRet, matcher: Matcher) -> None:
        """matcher: of the same model."""
        self.model, self.matcher = model, matcher
        self._side: VideoSide | None = None
        for generator in model.generators.values() if model.device.type == "cpu" else ():
            generator.warm_up()
            if matcher.video is not None:
                generator.prepare(matcher.video)

    @torch.no_grad()
    def answers(
        self,
        generator: OpenSetGenerator,
        text: TextFeatures,
        positions: Int[Tensor, "text candidate"],
        candidates: Candidates,
    ) -> Answers:
        """What the match head says of chosen videos. positions: in the gallery. candidates: of these texts."""
        side = self._side_of(generator)
        video, columns, known = self._chosen(
            generator, text, positions, candidates.token_weights, whole=side is not None
        )
        assert isinstance(known, OpenSetGenerator)
        device = self.model.device
        there = None if candidates.there is None else candidates.there.to(device)
        return known.answers(text, video, columns, "t2v", candidates.similarity.to(device), there, side)

    def _side_of(self, generator: OpenSetGenerator) -> VideoSide | None:
        """What the match head makes of the gallery, once, for its weights stay as they are; None of a large gallery,
        where that would take much memory."""
        video = self.matcher.video
        if self._side is None and video is not None and len(video.frames) <= KEPT_AHEAD:
            assert isinstance(generator.network, OpenSetNetwork)
            self._side = generator.network.video_side(video)
        return self._side

    @torch.no_grad()
    def trajectory(
        self,
        generator: Generator,
        text: TextFeatures,
        positions: Int[Tensor, "text candidate"],
        denoising: Denoising,
        candidates: Candidates | None = None,
        known: tuple[Answers, Tensor] | None = None,
    ) -> Trajectory:
        """Denoise the joint distribution of each text and its candidates.

        positions: of the candidates in the gallery. candidates: of these texts, where they are known already. known:
        what the match head says of these very candidates, and p(nothing in the gallery matches) [text].

        Returns the trajectory on the CPU, its candidates as given. The schedule is the checkpoint's own, respaced.
        Raises ValueError for a schedule that does not exist.
        """
        device = self.model.device
        if device.type == "cpu":
            # All searches come from the same loops, digit for digit, but for those that a first start keeps
            # waiting: loading the compiled loops takes half a second, compiling them several.
            generator.warm_up(wait=True, at_most=1.0)
        count, size = positions.shape
        noise = torch.stack([_noise(denoising.seed + s, size) for s in range(denoising.seeds)])
        noise = noise[:, None].expand(-1, count, -1)
        if isinstance(generator, OpenSetGenerator):
            if known is None:
                candidates = candidates or self.matcher.candidates(text)
                answers = self.answers(generator, text, positions, candidates)
                known = answers, at_prior(answers.none.sigmoid(), ABSENT)
            generator = generator.knowing(*known)
        token_weights = None if candidates is None else candidates.token_weights
        video, columns, generator = self._chosen(generator, text, positions, token_weights)
        trajectory = generator.generate(
            text,
            video,
            columns,
            steps=denoising.steps,
            schedule=denoising.schedule,
            noise=(noise if denoising.seeds > 1 else noise[0]).to(device),
            eta=denoising.eta,
            generator=torch.Generator().manual_seed(denoising.seed) if denoising.eta else None,
            respace_from=generator.config.steps,
        )
        x, x0, x0_raw = trajectory.x.cpu(), trajectory.x0.cpu(), trajectory.x0_raw.cpu()
        return replace(trajectory, candidates=positions, x=x, x0=x0, x0_raw=x0_raw)

    def _chosen(
        self,
        generator: Generator,
        text: TextFeatures,
        positions: Int[Tensor, "text candidate"],
        token_weights: Float[Tensor, "text token"] | None,
        whole: bool = False,
    ) -> tuple[VideoFeatures, Int[Tensor, "text candidate"], Generator]:
        """Features of chosen videos, which of them stand where, and the generator with the weights of these. whole:
        whether those of the whole gallery will do."""
        device, (count, size) = self.model.device, positions.shape
        frame_weights = self.matcher.frame_weights
        if (whole or generator.reads_candidates_only) and self.matcher.video is not None:  # prepared or not
            video, columns = self.matcher.video, positions.to(device)
        else:
            video = self.matcher.features(positions.flatten())
            columns = torch.arange(count * size, device=device).view(count, size)
            if frame_weights is not None:
                frame_weights = frame_weights[positions.flatten().to(device)]
        if token_weights is None:
            token_weights = self.matcher.token_weights(text)
        return video, columns, generator.with_weights(token_weights, frame_weights)


def _noise(seed: int, size: int) -> Float[Tensor, " candidate"]:
    """Drawn on the CPU, so that a seed means the same on every device."""
    return torch.randn(size, generator=torch.Generator().manual_seed(seed))
