"""The bundled gallery's captions as queries of it: all that a ranking needs."""

from __future__ import annotations

from typing import NamedTuple

import torch

from diffusionret import DiffusionRet, Gallery, TextFeatures, VideoFeatures
from diffusionret.fusion import fuse


class CaptionQueries(NamedTuple):
    """The bundled gallery queried with its own captions: all that a ranking needs, the noise the same for all."""

    model: DiffusionRet
    text: TextFeatures
    video: VideoFeatures
    similarity: torch.Tensor
    candidates: torch.Tensor
    noise: torch.Tensor

    def scores(self, form: str, steps: int, video: VideoFeatures | None = None) -> torch.Tensor:
        """Similarity and generation together, [text video].

        form: of the generator. steps: of its own schedule. video: the gallery's features where they are not to be
        the stored ones.
        """
        config = self.model.choose(form).config
        trajectory = self.model.generate(
            self.text,
            video or self.video,
            self.candidates,
            steps=steps,
            noise=self.noise,
            respace_from=config.steps,
            form=form,
        )
        similarity = self.similarity if video is None else self.model.similarity(self.text, video)
        return fuse(self.model, self.text, video or self.video, similarity, trajectory).added(similarity)


@torch.no_grad()
def bundled(quick: bool) -> CaptionQueries:
    """The bundled model and gallery, and all captions, or the first 60 where it should be quick."""
    model, gallery = DiffusionRet.from_pretrained("storybook"), Gallery.bundled()
    text, video = model.encode_text(gallery.captions[: 60 if quick else None]), gallery.features()
    similarity = model.similarity(text, video)
    candidates = similarity.topk(min(32, len(gallery))).indices
    noise = torch.randn(candidates.shape[1], generator=torch.Generator().manual_seed(0))
    return CaptionQueries(model, text, video, similarity, candidates, noise.expand_as(candidates))


def first_ten(scores: torch.Tensor) -> torch.Tensor:
    """Positions of the ten best [query 10], best first; of equal scores the first."""
    return scores.argsort(dim=1, descending=True, stable=True)[:, :10]


def agreement(top: torch.Tensor, best: torch.Tensor) -> dict[str, float]:
    """In how many of 100 queries the first, and the first ten, are those of another ranking; both [query 10]."""
    same = (top == best).float()
    return {
        "first_is_the_same": 100 * same[:, 0].mean().item(),
        "first_ten_are_the_same": 100 * same.all(dim=1).float().mean().item(),
    }
