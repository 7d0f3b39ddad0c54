"""Which words of a query speak for a video: what is lost when each is left out.

The weights of the token interaction do not say it. A causal text tower carries all that was said into its end token,
and training gives that one nearly all the weight; so the words are read from what their absence changes.
"""

from __future__ import annotations

from typing import NamedTuple

import torch

from .encoders import VideoFeatures
from .model import DiffusionRet


class WordEvidence(NamedTuple):
    """word: as it was typed. effects: of each video, the similarity of the whole query minus that without the word, in
    [-2, 2]; above 0 where the word speaks for the video."""

    word: str
    effects: tuple[float, ...]


@torch.no_grad()
def word_evidence(model: DiffusionRet, query: str, video: VideoFeatures) -> list[WordEvidence]:
    """The evidence of every word that the model reads, in their order; none for a query of a single word, without which
    nothing would be asked.

    video: features of some videos, on the model's device.
    """
    words = query.split()
    words = words[: len(words) - len(model.cut(query).split())]
    if len(words) < 2:
        return []
    shorter = [" ".join(words[:i] + words[i + 1 :]) for i in range(len(words))]
    similarity = model.similarity(model.encode_text([query, *shorter]), video)
    effects = (similarity[:1] - similarity[1:]).cpu()
    return [WordEvidence(word, tuple(row)) for word, row in zip(words, effects.tolist(), strict=True)]
