"""The Watch tab's first view: what is sent to the player, and the sentences about it."""

from __future__ import annotations

import base64
import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import CONFIG, features, tiny_model

from demo import watch
from diffusionret import Gallery, Retriever, SearchResult
from diffusionret.readout import ONE_OR_NONE, ONE_WINNER
from diffusionret.trajectory import Trajectory, settled

pytestmark = pytest.mark.usefixtures("loops")


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    _, video = features(1, 40, seed=3)
    return Retriever(tiny_model(), Gallery.in_memory(video, captions=[f"clip {i}" for i in range(40)]))


@pytest.fixture(scope="module")
def result(retriever) -> SearchResult:
    return retriever.search("a red boat", k=40, candidates=8, steps=10)


@pytest.fixture(scope="module")
def sent(retriever, result) -> dict:
    return json.loads(json.dumps(watch.show(retriever, result)))


def unpack(text: str, columns: int, kind: str = "<f4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind).reshape(-1, columns)


def open_set(x0: torch.Tensor) -> Trajectory:
    """A trajectory of the open-set generator, made by hand: x0 [step seed candidate]."""
    steps, seeds, count = x0.shape
    x = torch.cat([torch.zeros(1, seeds, count), x0])[:, :, None]
    return Trajectory(
        direction="t2v", candidates=torch.arange(count)[None], x=x, x0=x0[:, :, None], x0_raw=x0[:, :, None],
        timesteps=torch.arange(steps).flip(0), alpha_bar=torch.linspace(0.01, 0.99, steps), schedule="cosine",
        form="open-set", readout=ONE_OR_NONE,
    )  # fmt: skip


def test_the_trajectory_arrives_exactly(sent, result):
    trajectory = result.trajectory
    assert np.array_equal(unpack(sent["x"], 8), trajectory.x[:, 0].numpy())
    assert np.array_equal(unpack(sent["x0_raw"], 8), trajectory.x0_raw[:, 0].numpy())
    assert sent["alpha_bar"] == trajectory.alpha_bar.tolist()
    assert sent["settings"] == {"candidates": 8, "steps": 10}
    assert sent["limits"].items() >= {"steps": 10, "candidates": 40, "seeds": 64}.items()


def test_candidates_come_in_the_order_of_similarity(sent, result):
    by_base = {hit.base_rank: hit for hit in result.hits}
    assert [c["base_rank"] for c in sent["candidates"]] == list(range(1, 9))
    assert [c["name"] for c in sent["candidates"]] == [by_base[i].id for i in range(1, 9)]
    last = torch.from_numpy(unpack(sent["x0_raw"], 8)[-1].copy()).double().mul(100).softmax(0)
    shares = torch.tensor([by_base[i].probability for i in range(1, 9)], dtype=torch.float64)
    assert torch.allclose(last, shares, atol=1e-5)


def test_the_other_noises_are_those_that_the_library_draws(sent, retriever):
    library = retriever.search("a red boat", 40, 8, 10, seeds=watch.SEEDS)
    mean = torch.tensor(unpack(sent["mean"], 8)[-1].copy())
    shares = {hit.id: hit.probability for hit in library.hits}
    assert mean.tolist() == pytest.approx([shares[c["name"]] for c in sent["candidates"]], abs=1e-6)
    ensemble = unpack(sent["ensemble"], 8, "<u2").reshape(10, watch.SEEDS, 8) / 65535
    expected = library.trajectory.readout.columns(library.trajectory.x0_raw[:, :, 0]).numpy()
    assert np.abs(ensemble - expected).max() < 1e-4
    assert sent["winner"] == int(mean.argmax())


def test_the_sentence_says_when_the_winner_settled(sent, result):
    step = settled(result.trajectory.x0_raw[:, 0].argmax(-1))
    assert ("first step" if step == 1 else f"step {step} of 10") in sent["sentence"]
    assert f"{watch.SEEDS}" in sent["sentence"]


def hits(result: SearchResult) -> list:
    return watch.candidates(result)


@pytest.mark.parametrize(
    ("last", "says"),
    [
        ([[0.9, 0], [0.9, 0], [0.9, 0]], "All 3 noises tried end alike; < 0.1 % of the variance"),
        ([[0.002, 0], [0.03, 0], [0.9, 0]], "All 3 noises tried end with the same clip, at 55"),
        ([[0.9, 0], [0.9, 0], [0, 0.9]], "Of 3 noises tried, 2 end with the same clip;"),
        ([[0.9, 0]], None),
    ],
)
def test_the_sentence_on_the_noise_follows_the_seeds(result, last, says):
    x0 = torch.tensor(last)[None]
    trajectory = replace(open_set(x0), form="published", readout=ONE_WINNER)
    said = watch.sentence(hits(result)[:2], trajectory)
    assert (says in said.replace("\u00a0", " ")) if says else ("noises" not in said)


@pytest.mark.parametrize(
    ("ends", "says"),
    [  # column 3 is none
        (
            [0, 1, 0, 2],
            "4 noises drew 3 different clips, {0} most often, 2 times: the query leaves open which",
        ),
        ([0, 1, 2], "3 noises drew 3 different clips, each once: the query leaves open which"),
        (
            [0, 1, 3, 3, 0],
            "3 noises drew 2 different clips, {0} most often, 2 times, and 2 drew no clip: the query",
        ),
        ([1, 1, 1, 1], "All 4 noises drew the same clip, {1}: there is little doubt which one is meant."),
        ([1, 1, 1, 3], "3 of 4 noises drew the same clip, {1}, and 1 drew no clip: there is little doubt"),
        ([1, 1, 1, 0], "3 of 4 noises drew {1}, 1 another clip: the query leaves little open."),
        ([3, 3, 3], "All 3 noises drew no clip: nothing here is what is meant."),
        ([3, 3, 1], "2 of 3 noises drew no clip, the other 1 drew {1}."),
        (
            [3, 3, 3, 3, 1, 1, 2],
            "4 of 7 noises drew no clip, the other 3 drew 2 different clips, {1} most often.",
        ),
        ([3, 3, 3, 1, 2], "3 of 5 noises drew no clip, the other 2 drew 2 different clips."),
        ([2], "This noise drew {2}."),
        ([3], "This noise drew no clip."),
    ],
)
def test_the_sentence_on_draws_counts_them(result, ends, says):
    drawn = hits(result)[:3]
    said = watch.draws(drawn, ends)
    assert said.startswith(says.format(*(watch.label(drawn, i) for i in range(3))))


def test_an_open_set_trajectory_brings_a_bar_for_none(result):
    x0 = torch.tensor([[[0.0, -1, -1]] * 4, [[1.0, -1, -1], [-1, -1, -1], [-1, -1, -1], [-1, 1, -1]]])
    drawn = replace(result, draw=lambda: open_set(x0))
    sent = watch.payload(drawn, open_set(x0))
    assert sent["form"] == "open-set" and sent["seeds"] == 4 and sent["none"] == "no clip"
    assert "No network runs in a step" in sent["note"] and "up to chance" in sent["note"]
    assert unpack(sent["mean"], 4)[-1].tolist() == [0.25, 0.25, 0, 0.5]
    ensemble = unpack(sent["ensemble"], 4, "<u2").reshape(2, 4, 4)
    assert ensemble[-1].argmax(axis=1).tolist() == [0, 3, 3, 1] and ensemble[-1].max() == 65535
    assert np.abs(ensemble.sum(axis=-1) / 65535 - 1).max() < 1e-4, "shares and none are one whole"
    assert sent["winner"] == 3 and sent["sentence"].startswith("2 noises drew 2 different clips")
    sure = watch.payload(drawn, open_set(torch.tensor([[[1.0, -1, -1]]])))
    assert sure["sentence"].startswith("This noise drew")


def test_the_page_says_what_is_to_be_drawn_without_drawing(result):
    wanted = json.loads(watch.request(replace(result, draw=lambda: pytest.fail("drawn"))))
    assert wanted == {"query": "a red boat", "form": "published", "candidates": 8, "steps": 10, "seed": 0}


def test_without_a_generator_the_player_says_so():
    _, video = features(1, 5)
    alone = Retriever(tiny_model(config=replace(CONFIG, generator=None)), Gallery.in_memory(video))
    assert "no generator" in json.loads(watch.request(alone.search("a boat")))["message"]
