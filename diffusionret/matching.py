"""Matching: which videos of a gallery are most similar to a sentence, and which of their frames.

A gallery of up to COARSE_ABOVE videos stays on the model's device with the weights of its frames, and every video is
compared. Of a larger one a coarse stage by pooled features keeps some for each sentence.
"""

from __future__ import annotations

from functools import cached_property
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import normalize

from .encoders import TextFeatures, VideoFeatures
from .gallery import Gallery
from .model import DiffusionRet
from .similarity import frame_scale, wti_in_blocks

# Above this many videos a coarse stage by pooled features keeps KEPT of them.
COARSE_ABOVE = 20_000
KEPT = 1_000
# Videos whose frames' weights are computed together.
BLOCK = 256


class Candidates(NamedTuple):
    """The videos of a gallery for some sentences, most similar first, ties in gallery order.

    positions [text kept]: in the gallery. similarity [text kept]: in [-1, 1]. Both on the CPU; kept is the whole
    gallery, or what the coarse stage keeps. token_weights [text token]: how much each token counts, on the model's
    device; None for a model that weighs none. there [text kept]: whether a video counts as held, bool on the CPU; None
    where all do.
    """

    positions: Tensor
    similarity: Tensor
    token_weights: Tensor | None
    there: Tensor | None = None


class Matcher:
    """A model and a gallery, compared. What depends on the gallery alone is computed once, here.

    video: features of the whole gallery on the model's device, frame_weights [video frame]: how much each of its
    frames counts. Both None for a gallery that is empty or too large, the latter also for a model that weighs none.
    """

    def __init__(self, model: DiffusionRet, gallery: Gallery) -> None:
        """model: on its device, which stays. gallery: made with this model."""
        self.model, self.gallery = model, gallery
        self.video: VideoFeatures | None = None
        self.frame_weights: Tensor | None = None
        self._recent: tuple[tuple[Tensor, Tensor, Tensor | None], ...] = ()
        if 0 < len(gallery) <= COARSE_ABOVE:
            self.video = self._on_device(gallery.features())
            self.frame_weights = self._weigh_frames(self.video)
            self._frame_scale = frame_scale(self.video)

    @property
    def reach(self) -> int:
        """How many videos a sentence is compared with. Raises ValueError for an empty gallery."""
        size = len(self.gallery)
        if not size:
            raise ValueError("The gallery holds no videos: index a folder of videos first.")
        return size if size <= COARSE_ABOVE else KEPT

    @torch.no_grad()
    def candidates(self, text: TextFeatures, part: Int[Tensor, " video"] | None = None) -> Candidates:
        """All videos of the gallery for each text, or what the coarse stage keeps, most similar first.

        part: positions of the only videos to look at, ascending, at least one; None for all.
        """
        if self.video is not None:
            scores, token_weights = self._whole(text)
            scores = scores if part is None else scores[:, part]
            order = scores.sort(dim=1, descending=True, stable=True)
            positions = order.indices if part is None else part[order.indices]
            return Candidates(positions, order.values, token_weights)
        token_weights = self.token_weights(text)
        directions = self.directions if part is None else self.directions[part]
        coarse = normalize(text.cls.cpu(), dim=-1) @ directions.T
        kept = coarse.topk(min(KEPT, len(directions)), dim=1).indices.sort(dim=1).values
        kept = kept if part is None else part[kept]
        order = self.similarity(text, kept).sort(dim=1, descending=True, stable=True)
        return Candidates(kept.gather(1, order.indices), order.values, token_weights)

    @torch.no_grad()
    def similarity(
        self, text: TextFeatures, positions: Int[Tensor, "text kept"]
    ) -> Float[Tensor, "text kept"]:
        """The similarity of each text with chosen videos of its own, on the CPU."""
        if self.video is not None:
            return self._whole(text)[0].gather(1, positions)
        weights = self.token_weights(text)
        rows = []
        for q, chosen in enumerate(positions):
            video = self.features(chosen)
            of_text = None if weights is None else weights[q : q + 1]
            rows.append(self._similarity(text_row(text, q), of_text, video, self._weigh_frames(video)).cpu())
        return torch.cat(rows)

    @torch.no_grad()
    def best_frames(
        self,
        text: TextFeatures,
        token_weights: Float[Tensor, "1 token"] | None,
        positions: Int[Tensor, " video"],
    ) -> list[int]:
        """The frame of each video that fits one text best: its cosines with the tokens, weighted.

        token_weights: as in `Candidates`; of a model that weighs none the end token is compared. The weights of frames
        play no part: they say how much a frame counts for the video, not how well it fits.
        """
        video = self.features(positions)
        if token_weights is None:
            fit = normalize(video.frames, dim=-1) @ normalize(text.cls[0], dim=-1)
        else:
            tokens = (token_weights[..., None] * normalize(text.tokens, dim=-1)).sum(dim=1)
            fit = normalize(video.frames, dim=-1) @ tokens[0]
        return fit.masked_fill(video.mask == 0, -torch.inf).argmax(dim=-1).tolist()

    @torch.no_grad()
    def neighbours(
        self, position: int, k: int
    ) -> tuple[Int[Tensor, " video"], Float[Tensor, " video"], list[int]]:
        """The best span of each of the `k` files most like the span at `position`, its own file left out, most similar
        first.

        Returns their positions, the cosines of pooled features, and of each the frame that is most like that video.
        """
        direction = self.directions[position]
        near = self.nearest(direction)
        files, best = {self.gallery.file(position)}, []
        for place in near.positions[0].tolist():
            if len(best) == k:
                break
            if (file := self.gallery.file(place)) not in files:
                files.add(file)
                best.append(place)
        positions = torch.tensor(best, dtype=torch.long)
        return positions, self.directions[positions] @ direction, self.moments(direction, positions)

    @torch.no_grad()
    def nearest(
        self, direction: Float[Tensor, " dim"], part: Int[Tensor, " video"] | None = None
    ) -> Candidates:
        """All videos of the gallery, the one most like a direction first: the cosines of pooled features.

        direction: of norm 1, on the CPU. part: as in `candidates`.
        """
        pooled = self.directions if part is None else self.directions[part]
        order = (pooled @ direction).sort(descending=True, stable=True)
        positions = order.indices if part is None else part[order.indices]
        return Candidates(positions[None], order.values[None], None)

    def moments(self, direction: Float[Tensor, " dim"], positions: Int[Tensor, " video"]) -> list[int]:
        """Of each of some videos the frame that is most like a direction, on the CPU."""
        video = self.gallery.features(positions)
        fit = normalize(video.frames, dim=-1) @ direction
        return fit.masked_fill(video.mask == 0, -torch.inf).argmax(dim=-1).tolist()

    def features(self, positions: Int[Tensor, " video"]) -> VideoFeatures:
        """Features of some videos of the gallery, on the model's device."""
        if self.video is None:
            return self._on_device(self.gallery.features(positions))
        positions = positions.to(self.model.device)
        return VideoFeatures(self.video.frames[positions], self.video.mask[positions])

    def token_weights(self, text: TextFeatures) -> Float[Tensor, "text token"] | None:
        """How much each token counts; None for a model that weighs none."""
        weights = self.model.text_weights
        return None if weights is None else weights.weigh(text.tokens, text.mask)

    @cached_property
    def directions(self) -> Float[Tensor, "video dim"]:
        """Directions of the pooled features, on the CPU: what the coarse stage compares."""
        return normalize(self.gallery.pooled, dim=-1)

    def _whole(
        self, text: TextFeatures
    ) -> tuple[Float[Tensor, "text video"], Float[Tensor, "text token"] | None]:
        """The similarity with every video, on the CPU, and how much each token counts. Those of the last two sets of
        texts are kept: one search asks several times for those of its texts and of their parts."""
        for known, scores, weights in self._recent:
            if known is text.tokens:
                return scores, weights
        assert self.video is not None
        weights = self.token_weights(text)
        scores = self._similarity(text, weights, self.video, self.frame_weights).cpu()
        self._recent = (*self._recent[-1:], (text.tokens, scores, weights))
        return scores, weights

    def _weigh_frames(self, video: VideoFeatures) -> Float[Tensor, "video frame"] | None:
        if self.model.video_weights is None:
            return None
        with torch.no_grad():
            blocks = zip(video.frames.split(BLOCK), video.mask.split(BLOCK), strict=True)
            return torch.cat([self.model.video_weights.weigh(f, m) for f, m in blocks])

    def _similarity(
        self,
        text: TextFeatures,
        token_weights: Float[Tensor, "text token"] | None,
        video: VideoFeatures,
        frame_weights: Float[Tensor, "video frame"] | None,
    ) -> Float[Tensor, "text video"]:
        """`model.similarity`, with the weights computed beforehand."""
        if token_weights is not None and frame_weights is not None:
            scale = self._frame_scale if video is self.video else None
            return wti_in_blocks(text, video, token_weights, frame_weights, scale=scale)
        blocks = zip(video.frames.split(BLOCK), video.mask.split(BLOCK), strict=True)
        return torch.cat([self.model.similarity(text, VideoFeatures(f, m)) for f, m in blocks], dim=1)

    def _on_device(self, video: VideoFeatures) -> VideoFeatures:
        device = self.model.device
        return VideoFeatures(video.frames.to(device), video.mask.to(device))


def text_row(text: TextFeatures, q: int) -> TextFeatures:
    """Features of text `q` alone; the text axis stays."""
    return TextFeatures(text.cls[q : q + 1], text.tokens[q : q + 1], text.mask[q : q + 1])
