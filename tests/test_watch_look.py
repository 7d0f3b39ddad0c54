"""The folded panels of the Watch tab: what the server answers to each, and the exported page."""

from __future__ import annotations

import base64
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import CONFIG, features, tiny_model

from demo import watch, watch_export, watch_look, watch_words
from diffusionret import Gallery, Retriever
from diffusionret.config import OpenSetConfig
from diffusionret.trajectory import Ensemble, settled

pytestmark = pytest.mark.usefixtures("loops")

NASTY = "</script><img src=x onerror=alert(1)>"
BASE = {"query": "a red boat", "candidates": 8, "steps": 10, "seed": 2}


def made(config) -> Retriever:
    _, video = features(1, 40, seed=3)
    captions = [NASTY, *(f"a red boat, number {i}" for i in range(1, 40))]
    return Retriever(tiny_model(config=config), Gallery.in_memory(video, captions=captions))


@pytest.fixture(scope="module", params=["published", "open-set"])
def form(request) -> str:
    return request.param


@pytest.fixture(scope="module")
def retriever() -> Retriever:
    return made(replace(CONFIG, openset=OpenSetConfig(steps=10, width=16, heads=2)))


@pytest.fixture(scope="module")
def look(retriever, form):
    return looker(watch_look.panel(retriever), form)


def looker(panel, form: str):
    """What a panel answers, its refusal under "problem"."""

    def look(name: str, **more) -> dict:
        try:
            (content,) = panel({**BASE, "form": form, "panel": name, **more})
        except ValueError as error:
            return {"problem": str(error)}
        return content

    return look


def floats(text: str, columns: int, kind: str = "<f4") -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind).reshape(-1, columns)


def test_the_whole_trajectory_draws_what_the_library_generated(look, retriever, form):
    found = look("whole")
    trajectory = retriever.search("a red boat", 8, 8, 10, 2, form=form).trajectory
    share = trajectory.readout.columns(trajectory.predictions[:, 0, 0])
    drawn = np.array(json.loads(found["heat"])["data"][0]["z"])
    assert drawn.shape[0] == (9 if form == "open-set" else 8)
    assert np.abs(drawn.T - share.numpy()).max() < 1e-5
    step = int(settled(share.argmax(-1)))
    assert f"step {step} of 10" in found["sentence"] or "from the first step" in found["sentence"]
    assert f"settled at step {step}" in found["uncertainty"]


@pytest.mark.parametrize("seeds", [1, 5, 64])
def test_as_many_noises_as_asked(look, retriever, form, seeds):
    found = look("noise", seeds=seeds)
    columns = 9 if form == "open-set" else 8
    ensemble = floats(found["ensemble"], columns, "<u2").reshape(10, seeds, columns) / 65535
    library = retriever.search("a red boat", 8, 8, 10, 2, seeds=seeds, form=form)
    probability = library.trajectory.shares[0].numpy()
    assert np.abs(ensemble[-1].mean(axis=0)[:8] - probability).max() < 1e-4
    if form == "open-set":
        assert ensemble[-1, :, 8].mean() == pytest.approx(float(library.trajectory.none[0]), abs=1e-4)


def test_two_queries_meet_on_the_best_of_both(look, retriever, form):
    found = look("compare", other={"query": "two dogs"})
    names = [item["name"] for item in found["candidates"] if item["name"]]
    tops = [
        min(retriever.search(q, 8, 8, 10, form=form).hits, key=lambda h: h.base_rank).id
        for q in ("a red boat", "two dogs")
    ]
    assert len(set(names)) == 8 and set(tops) <= set(names[:2])
    count = len(found["candidates"])
    assert count == (9 if form == "open-set" else 8) and "differ" in found["sentence"]
    assert "warning" not in found
    assert "settings of the player" in look("compare", other={"query": "two dogs", "steps": "4"})["warning"]
    positions = [retriever.gallery.position(name) for name in names]
    for query, side in zip(("a red boat", "two dogs"), found["sides"], strict=True):
        walk = retriever.denoise(
            [query], torch.tensor([positions]), 10, 2, watch.SEEDS if form == "open-set" else 1, form=form
        )
        assert np.abs(floats(side, count)[-1][:8] - walk.shares[0].numpy()).max() < 1e-5


def test_two_settings_share_candidates_and_an_untrained_schedule_is_labelled(look):
    same = look("compare", other={"query": "", "seed": 2})
    assert same["sides"][0] == same["sides"][1] and "no candidate differs" in same["sentence"]
    assert "warning" not in same
    other = look(
        "compare", other={"query": "", "schedule": "cosine", "steps": "4", "candidates": 5, "eta": "1"}
    )
    count = len(other["candidates"])
    second = floats(other["sides"][1], count)
    assert len(second) == 4 and (second[:, 5:8] == 0).all() and (second[-1, :5] > 0).any()
    answer = look("compare", other={"query": "", "schedule": "linear"})
    assert "problem" in answer or "the cosine schedule" in answer["warning"]


def test_the_other_generator_answers_the_same_query(look, retriever, form):
    other = "published" if form == "open-set" else "open-set"
    found = look("compare", other={"query": "", "form": other})
    assert found["labels"][1] == f"generator {other}" and found["candidates"][-1]["caption"] == "no clip"
    open_set = floats(found["sides"][0 if form == "open-set" else 1], 9)
    published = floats(found["sides"][1 if form == "open-set" else 0], 9)
    library = retriever.search("a red boat", 8, 8, 10, 2, watch.SEEDS, "open-set")
    assert open_set[-1, 8] == pytest.approx(float(library.trajectory.none[0]), abs=1e-5)
    assert (published[:, 8] == 0).all() and published[-1].sum() == pytest.approx(1, abs=1e-5)


def test_inside_a_step_weights_are_distributions(look, form):
    found = look("inside", candidate=3)
    assert found["columns"][0] == 3 and len(found["clips"]) == 2
    assert [t["text"] for t in found["tokens"]] == ["start", "a", "red", "boat", "end"]
    for clip in found["clips"]:
        assert sum(clip["attention"]) == pytest.approx(1, abs=1e-5)
        assert np.abs(clip["cosine"]).max() <= 1 + 1e-5 and len(clip["cosine"]) == 5
    assert ("attention" in found) == (form == "published")
    if form == "published":
        assert np.abs(floats(found["attention"], 8).sum(axis=1) - 1).max() < 1e-5


def test_attention_is_what_the_network_uses(retriever):
    """The prediction is MLP(...) + w, so with the decoder's last layer at zero it is w."""
    look = looker(watch_look.panel(retriever), "published")
    network = retriever.model.generator["t2v"]
    kept = [p.clone() for p in network.decoder[2].parameters()]
    try:
        for parameter in network.decoder[2].parameters():
            parameter.data.zero_()
        found = look("inside", candidate=None)
        x0_raw = retriever.search("a red boat", 8, 8, 10, 2, form="published").trajectory.x0_raw[:, 0]
        assert np.abs(floats(found["attention"], 8) - x0_raw.numpy()).max() < 1e-4
    finally:
        for parameter, value in zip(network.decoder[2].parameters(), kept, strict=True):
            parameter.data.copy_(value)


def test_word_by_word_ends_with_the_query(look, retriever, form):
    found = look("words")
    columns = 9 if form == "open-set" else 8
    assert found["words"] == ["a", "red", "boat"] and sorted(found["order"]) == list(range(columns))
    shares = floats(found["shares"], columns, "<u2") / 65535
    assert shares.shape == (3, columns) and np.abs(shares.sum(axis=1) - 1).max() < 1e-3
    trajectory = retriever.search("a red boat", 8, 8, 10, 2, 16, form).trajectory
    step = 0 if form == "open-set" else -1  # what is drawn from, or what came out
    last = Ensemble.of(trajectory).mean[step]
    assert np.abs(shares[-1] - last.numpy()).max() < 1e-3
    assert found["order"][0] == int(last.argmax())
    assert all(1 <= number <= 8 for number in found["clips"])
    assert "Word by word works up to" in look("words", query="a dog " * 30)["problem"]


def test_the_effective_number_of_clips():
    assert watch_words.effective(torch.full((4,), 0.25)) == pytest.approx(4)
    assert watch_words.effective(torch.tensor([0.3, 0.0, 0.0])) == pytest.approx(1), "of what a clip gets"
    assert watch_words.effective(torch.tensor([0.25, 0.25, 0.0])) == pytest.approx(2)
    assert watch_words.effective(torch.tensor([0.004, 0.0])) is None


def test_the_noises_drew_what_the_first_step_says_up_to_chance(retriever):
    look = looker(watch_look.panel(retriever), "open-set")
    found = look("noise", seeds=64)
    assert sum(end["draws"] for end in found["settled"]) <= 64 and "bands" not in found
    for end in found["settled"]:
        deviation = (end["first"] * (1 - end["first"]) / 64) ** 0.5
        assert abs(end["draws"] / 64 - end["first"]) < 4 * deviation + 0.05
    assert "bands" in looker(watch_look.panel(retriever), "published")("noise", seeds=5)


def test_what_is_played_is_searched_for_as_it_stands(retriever, monkeypatch):
    """The page names the query after its corrections, or one that is not to be corrected."""
    asked = []
    search = retriever.search
    monkeypatch.setattr(retriever, "search", lambda *a, **k: asked.append(k["exact"]) or search(*a, **k))
    assert "sentence" in looker(watch_look.panel(retriever), "open-set")("play") and asked == [True]


def test_the_forward_process_goes_from_the_answer_to_the_noise(look, retriever, form):
    x = floats(look("forward")["x"], 8)
    trajectory = retriever.search("a red boat", 8, 8, 10, 2, form=form).trajectory
    clean = np.full(8, 0.0 if form == "published" else -1.0)
    clean[x[-1].argmax()] = 1
    assert x.shape == (11, 8) and np.allclose(x[-1], clean)
    a = float(trajectory.alpha_bar[3])
    noise = trajectory.x[0].reshape(-1, 8)[0].numpy()
    assert np.allclose(x[3], a**0.5 * clean + (1 - a) ** 0.5 * noise, atol=1e-5)


def test_the_forward_process_starts_from_the_true_answer_of_a_caption(look, retriever, form):
    known = retriever.gallery.captions[7]
    found = look("forward", query=known, candidates=40)
    drawn = watch.candidates(retriever.search(known, 40, 40, 10, 2, form=form, exact=True))
    assert drawn[floats(found["x"], 40)[-1].argmax()].caption == known
    assert "is known here" in found["sentence"] and "assumed" in look("forward")["sentence"]


def test_of_what_cannot_be_read_nothing_is_drawn(look):
    assert "nothing in this query can be searched for" in look("play", query="!!!")["problem"]


def test_an_uncalibrated_model_says_so(look):
    found = look("familiar")
    assert found["percentile"] is None and found["sentence"] and "never multiplied" in found["honest"]


def test_the_exported_page_needs_nothing_and_holds_text_as_text(look):
    page = look("export", candidates=40)["page"]
    assert NASTY not in page and "\\u003c/script>" in page
    outside = re.sub(r"http://www\.w3\.org/\S+?\"", "", page)
    assert "http://" not in outside and "https://" not in outside and "/gradio_api/" not in outside
    assert watch_export.page({"query": NASTY}).count("<img src=x") == 0


def test_settings_out_of_range_are_a_sentence(look):
    assert "from 1 to 64" in look("noise", seeds=65)["problem"]
    assert "no such candidate" in look("inside", candidate=99)["problem"]
    assert "Steps is 999: it must be from 1 to 10." in look("whole", steps=999)["problem"]
    assert "eta" in look("compare", other={"query": "", "eta": 7})["problem"]
