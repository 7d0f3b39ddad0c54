"""Searching: against the slow twin, the settings one by one, and every error."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import pytest
import torch
from reference import search_slowly
from tiny import CONFIG, features, tiny_model
from torch.nn.functional import normalize
from typechecks import unchecked

from diffusionret import Gallery, Retriever, VideoFeatures, generation, matching, retrieval
from diffusionret.config import OpenSetConfig
from diffusionret.generators import Generator
from diffusionret.generators.openset import OpenSetNetwork
from diffusionret.sampling import sampler
from diffusionret.sampling.factorisation import make_plan
from diffusionret.similarity import TokenWeights, wti_in_blocks

pytestmark = pytest.mark.usefixtures("loops")

TEXTS = ["a red boat", "two dogs run to the left", "rain", "the cat follows a blue ball at night", "snow"]


@pytest.fixture(scope="module")
def model():
    return tiny_model()


@pytest.fixture(scope="module")
def gallery():
    _, video = features(1, 40, seed=3)
    stamps = [[0.5 * f + i for f in range(4)] for i in range(40)]
    return Gallery.in_memory(video, captions=[f"clip {i}" for i in range(40)], timestamps=stamps)


@pytest.fixture(scope="module")
def retriever(model, gallery):
    return Retriever(model, gallery)


def without_generator(interaction: str) -> Retriever:
    _, video = features(1, 40, seed=3)
    config = replace(CONFIG, generator=None, interaction=interaction)
    return Retriever(tiny_model(config=config), Gallery.in_memory(video))


# --- the ranking ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize(
    ("k", "candidates", "steps", "seeds"), [(10, 8, 10, 1), (5, 16, 4, 3), (40, 6, 1, 2)]
)
def test_search_equals_its_slow_twin(model, gallery, retriever, text, k, candidates, steps, seeds):
    result = retriever.search(text, k, candidates, steps, seed=7, seeds=seeds)
    expected = search_slowly(model, gallery.features(), text, k, candidates, steps, seed=7, seeds=seeds)
    assert [gallery.position(hit.id) for hit in result.hits] == [e["video"] for e in expected]
    for hit, e in zip(result.hits, expected, strict=True):
        assert hit.base_rank == e["base_rank"]
        assert hit.similarity == pytest.approx(e["similarity"], abs=1e-6)
        assert hit.score == pytest.approx(e["score"], abs=1e-6)
        assert hit.probability == (
            None if e["probability"] is None else pytest.approx(e["probability"], abs=1e-4)
        )
        assert hit.moment == gallery.timestamps[e["video"]][e["frame"]]
        assert hit.caption == f"clip {e['video']}"


def test_score_is_similarity_plus_boost_and_ranks_follow_it(retriever):
    hits = retriever.search("a red boat", k=40, candidates=8, steps=10).hits
    assert [hit.rank for hit in hits] == list(range(1, 41))
    assert all(hit.score == hit.similarity + hit.boost for hit in hits)
    assert [hit.score for hit in hits] == sorted((hit.score for hit in hits), reverse=True)
    assert sorted(hit.base_rank for hit in hits) == list(range(1, 41))
    assert sum(hit.boost for hit in hits) == pytest.approx(1.0, abs=1e-6)
    assert sum(hit.probability or 0 for hit in hits) == pytest.approx(1.0, abs=1e-6)


def test_what_was_no_candidate_keeps_its_similarity_and_comes_after(retriever):
    hits = retriever.search("a red boat", k=20, candidates=8, steps=10).hits
    assert {hit.base_rank for hit in hits[:8]} == set(range(1, 9))
    for hit in hits[8:]:
        assert hit.boost == 0 and hit.probability is None and hit.base_rank == hit.rank


def test_the_trajectory_is_that_of_the_model_over_the_gallery(model, gallery, retriever):
    result = retriever.search("a red boat", k=40, candidates=8, steps=10)
    trajectory = result.trajectory
    assert trajectory.candidates.shape == (1, 8)
    assert trajectory.x.shape == (11, 1, 8) and trajectory.x0_raw.shape == (10, 1, 8)
    ids = {hit.base_rank: hit.id for hit in result.hits}
    assert [gallery.ids[i] for i in trajectory.candidates[0]] == [ids[rank] for rank in range(1, 9)]
    with torch.no_grad():
        similarity = model.similarity(model.encode_text(["a red boat"]), gallery.features())
    scores = model.rerank(similarity, trajectory)[0]
    for hit in result.hits:
        assert hit.score == pytest.approx(scores[gallery.position(hit.id)].item(), abs=1e-6)


@pytest.mark.parametrize("interaction", ["wti", "cls"])
def test_without_a_generator_similarity_alone_ranks(interaction):
    retriever = without_generator(interaction)
    assert not retriever.generates
    result = retriever.search("a red boat", k=40, steps=500)
    assert result.trajectory is None
    assert all(
        hit.boost == 0 and hit.probability is None and hit.rank == hit.base_rank for hit in result.hits
    )
    with torch.no_grad():
        text = retriever.model.encode_text(["a red boat"])
        similarity = retriever.model.similarity(text, retriever.gallery.features())[0]
    assert [int(hit.id) for hit in result.hits] == similarity.argsort(descending=True).tolist()


# --- settings -------------------------------------------------------------------------------------------


def test_a_seed_repeats_to_the_last_digit(retriever):
    first, second = (retriever.search("a red boat", seed=5, steps=10) for _ in range(2))
    assert first.to_dict()["hits"] == second.to_dict()["hits"]
    assert torch.equal(first.trajectory.x, second.trajectory.x)
    other = retriever.search("a red boat", seed=6, steps=10)
    assert not torch.equal(first.trajectory.x[0], other.trajectory.x[0])


def test_the_noise_of_a_seed_is_the_same_for_every_query_and_gallery(model, retriever):
    results = retriever.search_many(TEXTS, candidates=8, steps=10, seed=5)
    _, video = features(1, 12, seed=9)
    results.append(Retriever(model, Gallery.in_memory(video)).search("a dog", candidates=8, steps=10, seed=5))
    noise = torch.randn(8, generator=torch.Generator().manual_seed(5))
    assert all(torch.equal(result.trajectory.x[0, 0], noise) for result in results)


def test_several_seeds_are_averaged(retriever):
    options = dict(k=40, candidates=8, steps=10)
    together = retriever.search("a red boat", seed=4, seeds=3, **options)
    assert together.trajectory.x.shape == (11, 3, 1, 8)
    alone = [retriever.search("a red boat", seed=seed, **options) for seed in (4, 5, 6)]
    for hit in together.hits:
        same = [next(h for h in result.hits if h.id == hit.id) for result in alone]
        assert hit.boost == pytest.approx(sum(h.boost for h in same) / 3, abs=1e-6)
        if hit.probability is not None:
            assert hit.probability == pytest.approx(sum(h.probability for h in same) / 3, abs=1e-5)


def test_steps_respace_the_schedule_of_the_checkpoint(model, retriever):
    own = model.schedule(10)
    trajectory = retriever.search("a red boat", steps=4).trajectory
    expected = own.respaced(4)
    assert torch.equal(trajectory.timesteps.flip(0), expected.timesteps)
    assert torch.equal(trajectory.alpha_bar.flip(0), expected.alpha_bar)


def test_a_search_takes_the_steps_that_its_generator_needs(model, gallery):
    config = model.config.generator
    assert Retriever(model, gallery).search("a red boat").settings.steps == config.steps == 10
    few = tiny_model(config=replace(CONFIG, generator=replace(config, sampling_steps=4)))
    found = Retriever(few, gallery).search("a red boat")
    assert found.settings.steps == len(found.trajectory.timesteps) == 4
    assert Retriever(few, gallery).search("a red boat", steps=10).settings.steps == 10


def test_k_and_candidates_are_clamped_to_the_gallery(retriever):
    result = retriever.search("a red boat", k=1000, candidates=1000, steps=10)
    assert len(result.hits) == result.settings.k == result.settings.candidates == 40
    assert result.trajectory.candidates.shape == (1, 40)


@unchecked()
def test_whole_numbers_may_come_as_floats(retriever):
    whole = retriever.search("a red boat", k=3.0, candidates=8.0, steps=10.0, seed=1.0)
    assert whole.to_dict()["hits"] == retriever.search("a red boat", 3, 8, 10, 1).to_dict()["hits"]
    assert whole.settings == retrieval.Settings(3, 8, 10, 1, 1)


@pytest.mark.parametrize("batch", [2, 32])
def test_many_queries_are_answered_as_one_by_one(monkeypatch, retriever, batch):
    monkeypatch.setattr(retrieval, "BATCH", batch)
    together = retriever.search_many(TEXTS, k=5, steps=10)
    for text, result in zip(TEXTS, together, strict=True):
        alone = retriever.search(text, k=5, steps=10)
        assert result.query == text and result.settings == alone.settings
        assert [hit.id for hit in result.hits] == [hit.id for hit in alone.hits]
        for hit, same in zip(result.hits, alone.hits, strict=True):
            assert hit.score == pytest.approx(same.score, abs=1e-6)
        assert torch.allclose(result.trajectory.x, alone.trajectory.x, atol=1e-4)


def test_a_gallery_is_prepared_for_searches_at_their_usual_settings(model, gallery):
    retriever = Retriever(model, gallery)
    plan = make_plan(model.generator["t2v"], "t2v", model.schedule(10), torch.float32, torch.device("cpu"))
    assert sampler.prepared_gallery(retriever.matcher.video.frames, plan) is not None
    for steps in (10, 4):  # prepared, and not
        found = retriever.search("a red boat", candidates=8, steps=steps)
        with patch.object(sampler, "prepared_gallery", lambda *_: None):
            same = retriever.search("a red boat", candidates=8, steps=steps)
        assert torch.allclose(found.trajectory.x, same.trajectory.x, atol=1e-5)


def test_blocks_change_nothing(monkeypatch, model, gallery, retriever):
    whole = retriever.search("a red boat", k=40, steps=10)
    monkeypatch.setattr(matching, "BLOCK", 7)
    monkeypatch.setattr(matching, "wti_in_blocks", partial(wti_in_blocks, memory=4 * 16 * 4 * 7))
    parts = Retriever(model, gallery).search("a red boat", k=40, steps=10)
    assert [hit.id for hit in parts.hits] == [hit.id for hit in whole.hits]
    for hit, same in zip(parts.hits, whole.hits, strict=True):
        assert hit.score == pytest.approx(same.score, abs=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"text": ""}, "query is empty"),
        ({"text": " \n"}, "query is empty"),
        ({"text": None}, "query is empty"),
        ({"k": 0}, "k is 0: it must be at least 1"),
        ({"k": 1.5}, "whole number"),
        ({"k": "ten"}, "whole number"),
        ({"k": float("inf")}, "whole number"),
        ({"k": float("nan")}, "whole number"),
        ({"k": True}, "whole number"),
        ({"candidates": 0}, "candidates is 0"),
        ({"steps": 0}, "steps is 0: it must be from 1 to 10"),
        ({"steps": 11}, "steps is 11: it must be from 1 to 10"),
        ({"seed": -1}, "seed is -1"),
        ({"seeds": 0}, "seeds is 0"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(retriever, arguments, message):
    with unchecked(), pytest.raises(ValueError, match=message) as caught:
        retriever.search(**{"text": "a red boat", "steps": 10, **arguments})
    assert str(caught.value).endswith(".") and "\n" not in str(caught.value)


def test_an_empty_gallery_says_so(model):
    empty = Gallery.in_memory(VideoFeatures(torch.zeros(0, 4, 32), torch.zeros(0, 4).long()))
    with pytest.raises(ValueError, match="gallery holds no videos"):
        Retriever(model, empty).search("a red boat")


# --- what comes with a hit ------------------------------------------------------------------------------


def test_the_moment_is_the_frame_that_shows_the_text(model):
    with torch.no_grad():
        text = model.encode_text(["a red boat"])
    weights = model.text_weights.weigh(text.tokens, text.mask)
    shown = normalize((weights[..., None] * normalize(text.tokens, dim=-1)).sum(1), dim=-1)[0].detach()
    _, video = features(1, 6, seed=5)
    video.mask[:] = torch.tensor([1, 1, 1, 0])
    for i in range(3):
        video.frames[i, i] = 10 * shown
    video.frames[:, 3] = 10 * shown  # padding, however well it fits, is no moment
    gallery = Gallery.in_memory(video, timestamps=[[0.25, 1.25, 2.25, float("nan")]] * 6)
    hits = {hit.id: hit for hit in Retriever(model, gallery).search("a red boat", k=6, steps=10).hits}
    assert [hits[f"000{i}"].moment for i in range(3)] == [0.25, 1.25, 2.25]
    assert all(hit.moment == hit.moment for hit in hits.values())


def test_what_the_model_does_not_read_is_reported(retriever):
    words = [f"word{i}" for i in range(40)]
    truncated = retriever.search(" ".join(words), steps=10).truncated
    assert truncated and " ".join(words).endswith(truncated)
    assert retriever.search("a red boat", steps=10).truncated == ""


def test_a_result_is_fit_for_json_and_tables(retriever):
    result = retriever.search("a red boat", k=3, candidates=2, steps=10)
    values = json.loads(json.dumps(result.to_dict(), allow_nan=False))
    assert list(values) == ["query", "settings", "hits", "verdict", "ood", "no_match", "truncated", "timings"]
    assert values["ood"] is values["verdict"] is values["no_match"] is None
    assert values["settings"] == {"k": 3, "candidates": 2, "steps": 10, "seed": 0, "seeds": 1}
    keys = ("id", "rank", "base_rank", "similarity", "boost", "score", "probability", "moment", "caption")
    assert [tuple(hit) for hit in values["hits"]] == [(*keys, "duration", "file", "start", "end", "fps")] * 3
    assert values["hits"][0]["score"] == result.hits[0].score
    assert set(values["timings"]) == {"read", "encode", "match", "generate", "draw", "rank", "ood", "total"}
    parts = sum(v for k, v in values["timings"].items() if k != "total")
    assert parts == pytest.approx(values["timings"]["total"])
    table = result.to_pandas()
    assert table["id"].tolist() == [hit.id for hit in result.hits] and len(table.columns) == 16


def test_candidates_are_what_a_search_lets_its_generator_weigh(retriever, monkeypatch):
    result = retriever.search("a red boat", k=40, candidates=8, steps=10)
    monkeypatch.setattr(Generator, "generate", None)  # nothing is sampled
    hits = retriever.candidates("a red boat", 8)
    assert [retriever.gallery.position(hit.id) for hit in hits] == result.trajectory.candidates[0].tolist()
    by_id = {hit.id: hit for hit in result.hits}
    for rank, hit in enumerate(hits, 1):
        same = by_id[hit.id]
        assert (hit.rank, hit.base_rank, hit.similarity) == (rank, same.base_rank, same.similarity)
        assert (hit.score, hit.boost, hit.probability) == (hit.similarity, 0, None)
        assert (hit.moment, hit.caption) == (same.moment, same.caption)
    assert len(retriever.candidates("a red boat")) == 32 and len(retriever.candidates("a boat", 1000)) == 40
    for text, k, message in (
        ("", 5, "query is empty"),
        ("a boat", 0, "k is 0"),
        ("a boat", 1.5, "whole number"),
    ):
        with unchecked(), pytest.raises(ValueError, match=message):
            retriever.candidates(text, k)


@pytest.mark.parametrize("interaction", ["wti", "cls"])
def test_candidates_need_no_generator(interaction):
    plain = without_generator(interaction)
    assert plain.candidates("a red boat", 3) == plain.search("a red boat", 3).hits


@pytest.mark.parametrize("form", ["published", "open-set"])
def test_weights_are_computed_once(monkeypatch, gallery, form):
    """Those of tokens once a search, those of frames once a gallery; and they are the generator's own."""
    model = tiny_model(config=replace(CONFIG, openset=OpenSetConfig(width=16, heads=2, layers=1), form=form))
    with patch.object(Generator, "with_weights", lambda self, *_: self):
        own = Retriever(model, gallery).search("a red boat", candidates=8, steps=5, form=form)
    retriever = Retriever(model, gallery)
    count, weigh = Counter(), TokenWeights.weigh

    def counted(weights, *arguments):
        count["tokens" if weights is model.text_weights else "frames"] += 1
        return weigh(weights, *arguments)

    monkeypatch.setattr(TokenWeights, "weigh", counted)
    result = retriever.search("a red boat", candidates=8, steps=5, form=form)
    assert count == {"tokens": 1}
    assert torch.allclose(result.trajectory.x, own.trajectory.x, atol=1e-5)
    assert [hit.id for hit in result.hits] == [hit.id for hit in own.hits]


def test_what_the_head_makes_of_videos_is_made_once_a_gallery_and_changes_nothing(monkeypatch, gallery):
    openset = OpenSetConfig(width=16, heads=2, layers=1)
    model = tiny_model(config=replace(CONFIG, openset=openset, form="open-set"))
    parts = Retriever(model, gallery)
    monkeypatch.setattr(
        generation, "KEPT_AHEAD", 0
    )  # as of a gallery that is too large: of the candidates alone
    cut = [parts.search(text, candidates=8) for text in ("a red boat", "a dog, more: night")]
    monkeypatch.setattr(generation, "KEPT_AHEAD", len(gallery))
    whole, made = Retriever(model, gallery), []
    video_side = OpenSetNetwork.video_side
    monkeypatch.setattr(OpenSetNetwork, "video_side", lambda *a: made.append(1) or video_side(*a))
    kept = [whole.search(text, candidates=8) for text in ("a red boat", "a dog, more: night")]
    assert len(made) == 1
    for one, other in zip(cut, kept, strict=True):
        assert [hit.id for hit in one.hits] == [hit.id for hit in other.hits]
        for hit, same in zip(one.hits, other.hits, strict=True):
            assert hit.probability == (same.probability and pytest.approx(same.probability, abs=1e-5))


def test_similar_videos_are_the_nearest_by_pooled_features(gallery, retriever):
    pooled = normalize(gallery.pooled, dim=-1)
    hits = retriever.similar("0007", k=39)
    expected = [i for i in (pooled @ pooled[7]).argsort(descending=True).tolist() if i != 7]
    assert [int(hit.id) for hit in hits] == expected
    assert [hit.rank for hit in hits] == list(range(1, 40))
    assert hits[0].similarity == pytest.approx((pooled @ pooled[7])[expected[0]].item(), abs=1e-6)
    assert hits[0].moment in gallery.timestamps[expected[0]]
    assert len(retriever.similar("0007", k=1000)) == 39 and len(retriever.similar("0007", k=2)) == 2
    with pytest.raises(ValueError, match="no video 'boat'"):
        retriever.similar("boat")


# --- large galleries ------------------------------------------------------------------------------------


@pytest.mark.parametrize("interaction", ["wti", "cls"])
def test_the_coarse_stage_keeps_the_true_best(monkeypatch, interaction):
    monkeypatch.setattr(matching, "COARSE_ABOVE", 100)
    monkeypatch.setattr(matching, "KEPT", 30)
    model = tiny_model(config=replace(CONFIG, interaction=interaction))
    with torch.no_grad():
        text = model.encode_text(TEXTS)
    _, video = features(1, 400, seed=8)
    for i in range(len(TEXTS)):  # a video each that shows the sentence and its words
        shown = normalize(text.cls[i], dim=-1) + normalize(text.tokens[i, 1:5], dim=-1)
        video.frames[50 * i + 11] = 10 * normalize(shown, dim=-1)
    exact_order = model.similarity(text, video).argsort(dim=1, descending=True)
    retriever = Retriever(model, Gallery.in_memory(video))
    for i, result in enumerate(retriever.search_many(TEXTS, k=50, candidates=8, steps=10)):
        assert len(result.hits) == 30  # no more than the coarse stage keeps
        best = min(result.hits, key=lambda hit: hit.base_rank)
        assert int(best.id) == 50 * i + 11 == exact_order[i, 0]
        exact = model.similarity(model.encode_text([TEXTS[i]]), video)[0]
        for hit in result.hits:
            assert hit.similarity == pytest.approx(exact[int(hit.id)].item(), abs=1e-6)
    assert len(retriever.similar("0003", k=5)) == 5


# --- denoising over chosen candidates -------------------------------------------------------------------


def test_denoising_what_a_search_chose_is_that_search(retriever):
    result = retriever.search("a red boat", candidates=8, steps=10, seed=5, seeds=2)
    again = retriever.denoise(["a red boat"], result.trajectory.candidates, 10, seed=5, seeds=2)
    assert torch.equal(again.x, result.trajectory.x) and torch.equal(again.x0_raw, result.trajectory.x0_raw)
    assert again.schedule == "cosine"


def test_denoising_takes_any_candidates_schedule_and_eta(retriever):
    chosen = torch.tensor([[3, 1, 20], [7, 30, 2]])
    texts = ["a red boat", "two dogs"]
    plain = retriever.denoise(texts, chosen, 5)
    assert torch.equal(plain.candidates, chosen) and plain.x.shape == (6, 2, 3)
    for change in (dict(eta=1.0), dict(seed=1)):
        other = retriever.denoise(texts, chosen, 5, **change)
        assert not torch.equal(other.x[-1], plain.x[-1])
        assert torch.equal(other.x, retriever.denoise(texts, chosen, 5, **change).x)
    with pytest.raises(ValueError, match="no schedule"):
        retriever.denoise(texts, chosen, 5, schedule="square")
    with pytest.raises(ValueError, match="no generator"):
        without_generator("wti").denoise(texts, chosen)


def test_a_search_may_name_its_generator(retriever):
    named = retriever.search("a red boat", candidates=8, steps=5, form="published")
    assert named.hits == retriever.search("a red boat", candidates=8, steps=5).hits
    with pytest.raises(ValueError, match="no generator"):
        retriever.search("a red boat", form="open-set")


def test_a_search_within_some_videos_is_one_over_them_alone(retriever):
    """As over a gallery that holds nothing else; whether their matcher keeps features or reads them."""
    ids = [retriever.gallery.ids[i] for i in (7, 2, 11, 5, 2)]
    places = torch.tensor(sorted({retriever.gallery.position(id) for id in ids}))
    alone = Gallery.in_memory(
        retriever.gallery.features(places), ids=[retriever.gallery.ids[i] for i in places]
    )
    expected = Retriever(retriever.model, alone).search("a red boat", k=10, candidates=3, steps=4)
    result = retriever.search("a red boat", k=10, candidates=3, steps=4, within=ids)
    assert [hit.id for hit in result.hits] == [hit.id for hit in expected.hits]
    assert [hit.score for hit in result.hits] == pytest.approx([hit.score for hit in expected.hits], abs=1e-5)
    assert result.ood is None and result.settings.candidates == 3
    everything = retriever.search("a red boat", k=10, steps=4, within=retriever.gallery.ids)
    assert [hit.id for hit in everything.hits] == [
        hit.id for hit in retriever.search("a red boat", k=10, steps=4).hits
    ]
    for wrong in ([], ["no such video"]):
        with pytest.raises(ValueError, match="video"):
            retriever.search("a red boat", within=wrong)
