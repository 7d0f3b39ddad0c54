"""The two answers: rules, calibration of galleries with and without captions, and stale files refused."""

from __future__ import annotations

import copy
import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from tiny import CONFIG, features, tiny_model

from diffusionret import Gallery, Retriever, calibrate
from diffusionret.cli import main
from diffusionret.ood.conformal import Calibration
from diffusionret.ood.detector import MATCH, PLAIN, Detector, text_made_for
from diffusionret.ood.report import NO_WORDS, Answer, as_text, without_odds
from diffusionret.ood.scores import Reference
from diffusionret.ood.verdict import AS_FAR, REST, SENTENCES, MatchOdds
from diffusionret.reading import Reading

pytestmark = pytest.mark.usefixtures("loops")

MOTIONS = ("spins", "moves left", "moves right", "rises", "stands still", "sinks", "bounces", "flies")
TRAINING = [
    f"a {colour} {subject} {motion}"
    for colour in ("red", "blue", "green")
    for subject in ("boat", "cat", "dog", "bus", "kite")
    for motion in MOTIONS
]


def shown(count: int = 60) -> list[str]:
    return TRAINING[: 2 * count : 2]


def make(folder, captions: list[str], seed: int = 3) -> Retriever:
    """A gallery in a folder's name, with random features."""
    model = tiny_model()
    gallery = Gallery.in_memory(features(1, len(captions), seed=seed)[1], captions=captions)
    gallery.folder = folder
    return Retriever(model, gallery)


@pytest.fixture(scope="module")
def retriever(tmp_path_factory) -> Retriever:
    retriever = make(tmp_path_factory.mktemp("gallery"), shown())
    calibrate.run_calibration(retriever, training=TRAINING)
    return retriever


# --- answers ----------------------------------------------------------------------------------------------


def test_without_odds_of_a_match_the_p_values_speak_and_claim_less():
    found = without_odds(Answer(flagged=True), Answer(note="Not calibrated for this gallery."))
    assert found.kind == "unsure" and found.p_match is None
    assert "unlike" in found.sentence and "Not calibrated for this gallery." in found.sentence
    unrelated = Answer(p_value=0.01, flagged=False, null="unrelated")
    assert "matches clearly better" in without_odds(Answer(flagged=False), unrelated).sentence


def test_a_report_holds_what_is_asked_of_it(retriever):
    report = retriever.inspect("a red zebra spins")
    familiar = report.familiar
    group = retriever.detector.familiar.like(familiar.words)
    assert familiar.words == 4 and familiar.n == len(group.scores) and familiar.length == group.length
    assert retriever.inspect("a red zebra spins") == report, "repeats"
    assert familiar.as_unusual == int((group.scores >= familiar.score).sum())
    assert familiar.p_value == pytest.approx((1 + familiar.as_unusual) / (familiar.n + 1))
    assert familiar.flagged == (familiar.p_value <= familiar.alpha)
    assert report.match.n == 30, "one half of the gallery calibrates"
    assert len(report.neighbours) == 5 and report.reading.remarks == () and report.typed == report.query
    assert [word.word for word in report.words] == ["a", "red", "zebra", "spins"]
    without = retriever.inspect("a red spins")
    assert report.words[2].familiar == without.familiar.p_value
    assert report.words[2].match == without.match.p_value
    assert report.stability.seeds == 5 and 0 < report.stability.agreement <= 1
    assert len(report.similarities) == len(report.band[0]) == 32
    assert json.loads(json.dumps(report.to_dict(), allow_nan=False))["query"] == "a red zebra spins"
    text = as_text(report)
    assert "zebra" in text and "not the probability" in text


def test_a_report_says_of_which_words_it_speaks(retriever):
    detector = copy.copy(retriever.detector)
    detector.odds = MatchOdds({"head": 1.0}, low=0.2, high=0.8)

    def sentence(**read) -> str:
        answers = Answer(flagged=False), Answer(flagged=False)
        reading = Reading("a red wug", "a red wug", **read)
        return detector.report(reading.query, answers, 0.1, 0.3, reading=reading).verdict.sentence

    assert sentence() == SENTENCES["match"]
    assert sentence(unknown=("wug",)) == f"{SENTENCES['match'][:-1]}{AS_FAR}"
    assert sentence(rest=True) == REST["match"]


def test_a_search_carries_the_same_answers(retriever):
    found, report = retriever.search("a blue cat rises", steps=10).ood, retriever.inspect("a blue cat rises")
    assert (found.familiar, found.match) == (report.familiar, report.match)
    # Whatever the search is set to.
    other = retriever.search("a blue cat rises", candidates=5, steps=3, seed=9).ood
    assert (other.familiar, other.match) == (report.familiar, report.match)


@pytest.mark.parametrize("query", ["", "   ", "?!…", "😀 🎈"])
def test_rules_come_before_scores(retriever, query):
    report = retriever.inspect(query)
    assert report.rule and report.scores is None and report.familiar.p_value is None
    assert report.verdict.kind == "unreadable" and report.verdict.sentence == NO_WORDS
    assert as_text(report).startswith(NO_WORDS)


def test_what_the_model_does_not_read_is_named(retriever):
    assert retriever.inspect(" ".join(["boat"] * 40)).truncated == " ".join(["boat"] * 26)


def test_alpha_decides_what_is_flagged(retriever):
    p = retriever.inspect("a red zebra spins").familiar.p_value
    assert retriever.inspect("a red zebra spins", alpha=p).familiar.flagged
    assert not retriever.inspect("a red zebra spins", alpha=p - 0.01).familiar.flagged
    with pytest.raises(ValueError, match="alpha"):
        retriever.inspect("a boat", alpha=1.0)


def test_a_batch_is_inspected_as_one_by_one(retriever, monkeypatch):
    queries = ["a red boat spins", "", "qwz xkr", "a blue dog", "?"]
    monkeypatch.setattr("diffusionret.retrieval.BATCH", 2)
    batch = retriever.inspect_many(queries, alpha=0.2)
    for query, report in zip(queries, batch, strict=True):
        alone = retriever.inspect(query, alpha=0.2)
        assert report.verdict.kind == alone.verdict.kind
        if not report.rule:
            assert report.match.p_value == pytest.approx(alone.match.p_value, abs=0.04)
            assert report.familiar.in_batch is not None
            assert not report.familiar.in_batch or report.familiar.flagged


# --- calibration --------------------------------------------------------------------------------------------


def test_without_any_calibration_nothing_is_claimed(tmp_path):
    retriever = make(tmp_path, shown())
    assert retriever.search("a boat", steps=10).ood is None
    report = retriever.inspect("a boat")
    assert report.verdict.p_match is None and report.familiar.p_value is None and not report.words
    assert report.verdict.sentence == "Not calibrated for this model. Not calibrated for this gallery."


def test_a_gallery_without_captions_uses_unrelated_queries(tmp_path):
    retriever = make(tmp_path, [""] * 40)
    calibrate.run_calibration(retriever, training=TRAINING)
    answer = retriever.inspect("a red boat").match
    assert answer.null == "unrelated" and answer.flagged == (answer.p_value > answer.alpha)
    worse = sum(retriever.detector.match.like(answer.words).scores <= answer.score)
    assert answer.p_value == pytest.approx((1 + worse) / (answer.n + 1))


def test_typed_queries_replace_captions(tmp_path):
    retriever = make(tmp_path, [""] * 50)
    lines = ["video,query", *(f"{id},a red boat number {i}" for i, id in enumerate(retriever.gallery.ids))]
    (tmp_path / "typed.csv").write_text("\n".join(lines))
    typed = calibrate.read_queries(tmp_path / "typed.csv", retriever.gallery.ids)
    calibrate.run_calibration(retriever, typed, TRAINING)
    assert retriever.detector.match.about["queries"] == "typed queries"
    assert retriever.inspect("a boat").match.n == 25
    (tmp_path / "typed.csv").write_text("video,query\nnowhere,a boat\n")
    with pytest.raises(ValueError, match="nowhere"):
        calibrate.read_queries(tmp_path / "typed.csv", retriever.gallery.ids)


def test_stale_calibrations_are_refused(retriever):
    folder, captions = retriever.gallery.folder, retriever.gallery.captions
    assert Detector.open(retriever.model, retriever.gallery).match is not None
    swapped = make(folder, captions, seed=4)  # other videos
    found = Detector.open(swapped.model, swapped.gallery)
    assert found.match is None and "another gallery" in found.note("match")
    assert "run `python -m diffusionret calibrate --gallery" in found.note("match")
    assert found.familiar is not None, "the text's calibration does not depend on the gallery"
    report = swapped.search("a red boat", steps=10).ood
    assert report.match.p_value is None and "another gallery" in report.verdict.sentence
    with torch.no_grad():
        next(swapped.model.generator.parameters()).add_(1)
    assert "generator" in Detector.open(swapped.model, swapped.gallery).note("match")
    other = tiny_model(seed=1)
    assert "another model" in Detector.open(other, retriever.gallery).note("familiar")


def test_weights_serve_the_model_that_they_were_chosen_for(tmp_path, monkeypatch):
    monkeypatch.setattr(calibrate, "MODELS", tmp_path)
    (tmp_path / "tiny").mkdir()
    retrained = tiny_model()
    with torch.no_grad():
        next(retrained.generator.parameters()).add_(1)
    weights = {"familiar": {"knn": 2.0}, "match": {"energy": 1.0}}
    content = {"made_for": text_made_for(tiny_model()), "weights": weights}
    (tmp_path / "tiny" / calibrate.WEIGHTS).write_text(json.dumps(content))
    assert calibrate.chosen_weights(tiny_model()) == weights
    assert calibrate.chosen_weights(retrained) == weights, "no score is a generator's"
    assert calibrate.chosen_weights(tiny_model(seed=1)) == PLAIN


def test_what_a_file_holds_is_what_was_calibrated(retriever):
    """Also for arrays in column-major order, as a Cholesky factor is."""
    texts = ["a red boat spins", "a blue zebra", "boat"]
    again = Retriever(retriever.model, retriever.gallery)  # reads the files
    weights = dict.fromkeys(("knn", "mahalanobis", "mixture"), 1.0)
    fresh = calibrate.calibrate_text(retriever.model, TRAINING[25:], TRAINING[:25], "", weights)
    fresh.save(retriever.gallery.folder / "other.safetensors")
    back = Calibration.load(retriever.gallery.folder / "other.safetensors", fresh.made_for, "")
    tokens = calibrate.encode(retriever.model, texts)
    kept, read = (Reference.from_arrays(c.arrays).scores(texts, tokens) for c in (fresh, back))
    assert all(torch.equal(kept[name], read[name]) for name in kept)
    assert again.inspect("a boat").familiar == retriever.inspect("a boat").familiar


def test_an_unreadable_file_is_a_note_and_no_crash(tmp_path):
    retriever = make(tmp_path, shown())
    (tmp_path / MATCH).write_bytes(b"no safetensors")
    assert "not a readable calibration" in retriever.inspect("a boat").match.note


def test_calibration_needs_enough_of_everything(tmp_path):
    with pytest.raises(ValueError, match="at least"):
        calibrate.run_calibration(make(tmp_path, shown(10)), training=TRAINING)
    with pytest.raises(ValueError, match="captions"):
        calibrate.run_calibration(make(tmp_path, [""] * 30))


def test_a_model_without_a_generator_is_calibrated_too(tmp_path):
    model = tiny_model(config=replace(CONFIG, generator=None))
    gallery = Gallery.in_memory(features(1, 60, seed=3)[1], captions=shown())
    gallery.folder = tmp_path
    retriever = Retriever(model, gallery)
    calibrate.run_calibration(retriever, training=TRAINING)
    report = retriever.inspect("a red boat")
    assert report.stability is None and report.match.p_value is not None


def test_scores_without_some_videos(retriever):
    texts = ["a red boat", "a cat"]
    every = retriever.scores(texts)
    nothing = torch.zeros(2, len(retriever.gallery), dtype=torch.bool)
    assert all(torch.equal(every[n], s) for n, s in retriever.scores(texts, nothing).items())
    tops = retriever.inspect_many(texts)
    without = nothing.clone()
    for q, report in enumerate(tops):
        first = max(retriever.search(texts[q], k=60, steps=10).hits, key=lambda hit: hit.similarity)
        without[q, retriever.gallery.position(first.id)] = True
        assert -every["similarity"][q] == pytest.approx(report.similarities[0])
    left = retriever.scores(texts, without)["similarity"]
    assert left.tolist() == pytest.approx([-report.similarities[1] for report in tops])
    with pytest.raises(ValueError, match="Too few"):
        retriever.scores(texts, ~nothing)


# --- the bundled world ----------------------------------------------------------------------------------------


def test_ordinary_captions_are_one_a_clip_and_new_to_training():
    from diffusionret.datasets.storybook import world

    written = calibrate.storybook_ordinary_captions()
    assert len(written) == len(world.split("calibration"))
    assert all(c.text for c in written)
    assert calibrate.storybook_queries(["no such caption"]) is None


def test_every_second_query_of_a_drawn_gallery_is_typed_and_true_of_its_clip():
    from diffusionret.datasets.storybook import captions, truth, world

    scenes = world.split("test")[:40]
    found = calibrate.storybook_queries([captions.canonical(scene).text for scene in scenes])
    assert [query.position for query in found] == list(range(40))
    rng = random.Random(0)
    assert all(truth.fits(calibrate.typed_query(scene, rng), scene) for scene in scenes)
    words = [len(query.text.split()) for query in found]
    assert np.mean(words[1::2]) < np.mean(words[::2]), "people type less than captions say"


def test_commands_that_go_wrong_say_one_sentence(capsys):
    assert main(["calibrate", "--gallery", "nowhere at all"]) == 2
    assert main(["inspect", "a boat", "--gallery", "nowhere at all"]) == 2
    errors = capsys.readouterr().err.strip().splitlines()
    assert all("nowhere at all" in line for line in errors)
