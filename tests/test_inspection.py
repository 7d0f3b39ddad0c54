"""What the app says of a query: the verdict's markup, the batch check and the map, without a browser."""

from __future__ import annotations

import csv
import re
import time
from dataclasses import replace
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from tiny import CONFIG, features, tiny_model

from demo import batch, verdict
from demo import map as worldmap
from demo.clips import name_of
from diffusionret import Gallery, Retriever, calibrate, projection
from diffusionret.config import OpenSetConfig
from diffusionret.generators.match import at_prior
from diffusionret.ood.detector import Detector
from diffusionret.ood.report import NO_WORDS, as_text, say
from diffusionret.ood.verdict import EVIDENCE

pytestmark = pytest.mark.usefixtures("loops")

NASTY = "<img src=x onerror=alert(1)> \" ' &"
TRAINING = [
    f"a {colour} {subject} {motion}"
    for colour in ("red", "blue", "green")
    for subject in ("boat", "cat", "dog", "bus", "kite")
    for motion in ("spins", "moves left", "moves right", "rises", "stands still", "sinks", "bounces", "flies")
]
SMALL = OpenSetConfig(steps=10, candidates=8, width=16, layers=1, heads=2)


def make(folder, config=CONFIG, count: int = 60) -> Retriever:
    gallery = Gallery.in_memory(features(1, count, seed=3)[1], captions=TRAINING[: 2 * count : 2])
    gallery.folder = folder
    return Retriever(tiny_model(config=config), gallery)


@pytest.fixture(scope="module")
def retriever(tmp_path_factory) -> Retriever:
    retriever = make(tmp_path_factory.mktemp("gallery"))
    calibrate.run_calibration(retriever, training=TRAINING)
    return retriever


# --- verdict ----------------------------------------------------------------------------------------------------


def test_the_verdict_is_one_line_and_escapes_the_query(retriever):
    report = retriever.inspect(f"a red boat {NASTY}")
    line = verdict.line(report)
    assert f'data-kind="{report.verdict.kind}"' in line and report.verdict.sentence[:20] in line
    assert "<img" not in line and "Why?" in line
    assert verdict.line(None) == ""
    ruled = verdict.line(retriever.inspect("?!"))
    assert NO_WORDS in ruled and "Why?" not in ruled and "%" not in ruled
    assert NO_WORDS in verdict.panel(retriever, retriever.inspect("?!"))


def test_why_within_some_clips_is_about_these(retriever):
    query = "a red boat spins"
    ids = [hit.id for hit in retriever.search(query, k=60).hits[20:40]]
    asked = retriever.search(query, within=ids)
    report = retriever.inspect(query, within=ids)
    assert report.verdict.p_match == pytest.approx(asked.verdict.p_match, abs=1e-6)
    assert report.similarities == pytest.approx(asked.ood.similarities) and report.match.p_value is None
    *_, panel = verdict.inspection(retriever)({"query": query, "within": {"ids": "\n".join(ids)}})
    *_, whole = verdict.inspection(retriever)({"query": query, "within": {}})
    assert "Within a part" in panel and "Within a part" not in whole


def test_the_panel_holds_all_that_an_answer_rests_on(retriever):
    query = "a red zebra spins " + " ".join(["boat"] * 12) + f" {NASTY}"
    first, *_, panel = verdict.inspection(retriever)({"query": query})
    assert "dr-effects" not in first  # what takes longest comes last, and of what the model reads only
    assert panel.count('class="dr-word') == 2 * panel.split('class="dr-effects"')[1].count('class="dr-word')
    assert "dr-word" in panel and NASTY.split()[0] not in panel.split("dr-cut")[0].split("Word by word")[1]
    assert "<img" not in panel and "zebra" in panel
    for part in (
        "ordinary queries looked this unusual", "Nearest training captions", "dr-cut",
        "Stability over noises", "of 5 noises", "is-band", "Gallery ", "not the probability", "dr-prior",
        "from p(match) alone",
    ):  # fmt: skip
        assert part in panel, part
    assert panel.count('class="is-query"') == 2 and panel.count("<li>") == 5


def test_dots_are_counted_by_where_the_query_lies():
    scores = np.linspace(0, 1, 1000)
    for score, beyond in ((0.9, 10), (2.0, 0), (-1.0, 100)):
        drawn = verdict.dots(scores, score)
        assert drawn.count("<circle") == 100 and drawn.count("is-beyond") == beyond
    assert verdict.dots(scores, 0.9, ordinary=False).count("is-beyond") == 90
    assert verdict.dots(np.ones(5), 1.0).count("<circle") == 5


def test_the_effect_of_a_word_is_a_change_of_p():
    assert verdict.effect(0.5, 0.5) == 0 and verdict.effect(None, 0.5) == 0
    assert verdict.effect(0.5, 0.005) == pytest.approx(1) and verdict.effect(0.05, 0.5) == pytest.approx(-0.5)


def test_without_a_calibration_the_badge_says_so(tmp_path):
    plain = make(tmp_path)
    assert plain.search("a boat", steps=10).ood is None
    panel = verdict.panel(plain, plain.inspect("a boat"))
    assert "Not calibrated for this model." in panel and "Not calibrated for this gallery." in panel


def test_the_generator_that_answers_gives_the_scores(tmp_path):
    """Also where both are there: calibrations of the one are refused when the other answers."""
    both = replace(CONFIG, openset=SMALL, form="open-set")
    retriever = make(tmp_path, both)
    calibrate.run_calibration(retriever, training=TRAINING)
    report = retriever.inspect("a red boat spins")
    assert report.match.p_value is not None and 0 < report.verdict.p_match < 1
    odds = report.scores[
        "head"
    ]  # the log odds that nothing matches, where training asked TRAINED_ABSENT of them so
    none = at_prior(torch.tensor([odds]).sigmoid(), report.verdict.absent).item()
    assert report.verdict.p_match == pytest.approx(1 - none, abs=1e-5)
    assert report.stability.seeds == retriever.detector.protocol.seeds
    scores = retriever.scores(["a red boat spins"], forms=(None, "open-set", "published"))
    assert {"head", "open-set gap", "published gap"} <= set(scores)
    assert scores["gap"].tolist() == scores["open-set gap"].tolist()
    assert scores["head"].item() == pytest.approx(odds)
    assert say(report.verdict) in as_text(report)
    other = make(tmp_path, replace(both, form="published"))
    assert "generator" in Detector.open(other.model, other.gallery).note("match")
    assert "head" not in other.inspect("a red boat spins").scores
    alone = make(tmp_path, replace(both, generator=None))
    assert Detector.open(alone.model, alone.gallery).protocol.steps == SMALL.steps
    finer = make(tmp_path, replace(both, openset=replace(SMALL, steps=50)))
    assert (
        Detector.open(finer.model, finer.gallery).protocol.steps == finer.model.config.openset.sampling_steps
    )


def test_a_gallery_of_a_model_without_a_head_has_odds_of_its_own(retriever):
    """Fitted from its own queries, each with its video and without; the match p-value raises no flag."""
    odds = retriever.detector.odds
    assert odds is not None and set(odds.weights) == set(EVIDENCE) and odds.learned == 0.5
    for query in ("a red boat spins", "qwz xkr", "a blue cat"):
        report = retriever.inspect(query)
        assert report.verdict.p_match == pytest.approx(1 - odds.none(
            {name: torch.tensor([report.scores[name]]) for name in EVIDENCE}
        ).item())  # fmt: skip
        assert report.match.flagged == (report.verdict.kind == "none")


# --- batch ------------------------------------------------------------------------------------------------------


def test_queries_come_from_the_box_and_from_files():
    assert batch.read("zero\n\n two \n") == ["zero", "two"]
    assert batch.read_file("a.txt", 9, "one, two\n\n three \n") == ["one, two", "three"]
    assert batch.read_file("b.csv", 9, '\ufeffid,Query\n1,"a dog, barking"\n2,\n3,a cat\n') == [
        "a dog, barking", "a cat"
    ]  # fmt: skip
    assert batch.read_file("c.CSV", 9, "a dog,x\na cat\n") == ["a dog", "a cat"]


@pytest.mark.parametrize(
    ("queries", "sentence"),
    [
        (lambda: batch.read(f"one\n{'x' * 2001}"), "Query 2: The query has 2,001 characters"),
        (lambda: batch.read(" \n"), "nothing to check"),
        (lambda: batch.read("x\n" * 1001), "1,001 queries are too many"),
        (lambda: batch.read_file("a.txt", 9, None), "cannot be read as UTF-8"),
        (lambda: batch.read_file("a.txt", 5_000_000, None), "has 5.0 MB: choose one of at most 4"),
        (lambda: batch.read_file("a.csv", 9, 'query\n"open'), "a.csv, line 2: the quote that opens here"),
    ],
)
def test_what_is_no_batch_is_said_in_a_sentence(queries, sentence):
    with pytest.raises(ValueError, match=sentence):
        queries()


def test_a_batch_is_a_table_and_a_harmless_csv(retriever):
    queries = ["a red boat spins", "qwz xkr", "?", f"=cmd {NASTY}"]
    (shown,) = batch.check(retriever, queries, 0.05)
    assert "<img" not in shown and shown.count("<tr>") == 5 and "Of 4 queries: " in shown
    link = re.search(r'href="data:text/csv;charset=utf-8,([^"]*)"', shown)[1]
    rows = list(csv.DictReader(unquote(link).splitlines()))
    assert [row["query"] for row in rows[:3]] == queries[:3] and rows[3]["query"].startswith("'=cmd")
    assert rows[2]["rule"] == NO_WORDS and float(rows[0]["familiar_p_value"]) > 0


# --- map --------------------------------------------------------------------------------------------------------


def test_a_tiny_gallery_is_laid_out_by_principal_components(tmp_path):
    tiny = make(tmp_path, count=3)
    layout = projection.fit(tiny)
    assert layout.how == "principal components" and layout.clips.shape == (3, 2) and not len(layout.captions)
    locate = worldmap.panel(tiny)
    while "is-drawing" in (shown := next(locate("a red boat"))):  # fitted in the background
        time.sleep(0.05)
    assert shown.count("is-clip") == 3 and "is-query" not in shown
    while (kept := projection.load(tiny)) is None:
        time.sleep(0.05)
    assert (kept.clips == layout.clips).all()


def test_a_read_only_page_keeps_no_map(tmp_path):
    tiny = make(tmp_path, count=3)
    locate = worldmap.panel(tiny, read_only=True)
    while "is-drawing" in (shown := next(locate(""))):
        time.sleep(0.05)
    assert shown.count("is-clip") == 3 and not (tiny.gallery.folder / projection.FILE).exists()


def test_a_map_is_kept_for_its_model_and_clips_only(retriever):
    captions, dots = np.random.default_rng(0).random((2, 40, 2)).astype(np.float32)
    layout = projection.Layout(captions, dots, "UMAP")
    file = projection.keep(retriever, layout)
    back = projection.load(retriever)
    assert back is not None and back.how == "UMAP" and (back.clips == dots).all()
    shown = worldmap.page(retriever, layout, "a red boat spins")
    assert shown.count("is-near") == 5 and shown.count('class="is-query"') == 1
    assert "a map distorts" in shown
    clips = shown.split("Most similar clips")[1]
    assert clips.count("<li>") == 5
    for hit in retriever.candidates("a red boat spins", 5):
        assert f"<b>{hit.similarity:.2f}</b> {name_of(hit.id, hit.caption)}" in clips
    ruled = worldmap.page(retriever, layout, "?!")
    assert "is-query" not in ruled and "Most similar" not in ruled
    other = make(retriever.gallery.folder, count=50)
    assert projection.load(other) is None, "other clips"
    file.write_bytes(b"broken")
    assert projection.load(retriever) is None
