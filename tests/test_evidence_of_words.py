from __future__ import annotations

import pytest
import torch
from tiny import tiny_model

from diffusionret.evidence import word_evidence


def test_the_word_that_matters_most_is_the_one_whose_absence_changes_most() -> None:
    model = tiny_model().eval()
    video = model.encode_frames(
        torch.randn(3, 2, 3, model.config.clip.image_size, model.config.clip.image_size),
        torch.ones(3, 2, dtype=torch.long),
    )
    query = "a red boat chases  a dog"
    with torch.no_grad():
        whole = model.similarity(model.encode_text([query]), video)[0]
        words = query.split()
        slow = [
            whole - model.similarity(model.encode_text([" ".join(words[:i] + words[i + 1 :])]), video)[0]
            for i in range(len(words))
        ]
    evidence = word_evidence(model, query, video)
    assert [part.word for part in evidence] == words
    for part, expected in zip(evidence, slow, strict=True):
        assert part.effects == pytest.approx(expected.tolist(), abs=1e-5)


def test_a_single_word_has_nothing_to_be_compared_with() -> None:
    model = tiny_model().eval()
    size = model.config.clip.image_size
    video = model.encode_frames(torch.randn(1, 2, 3, size, size), torch.ones(1, 2, dtype=torch.long))
    assert word_evidence(model, "boat", video) == [] and word_evidence(model, "", video) == []
