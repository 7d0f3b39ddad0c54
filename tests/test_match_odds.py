"""The verdict: the odds of a match, what they say, and that nothing that is shown of matches contradicts them."""

from __future__ import annotations

import json
import random
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tiny import BOTH, CONFIG, SMALL, features, tiny_model

from analysis.open_set.odds import recalibrated
from diffusionret import DiffusionRet, Gallery, Retriever, SearchResult
from diffusionret.commands.search import table
from diffusionret.config import OpenSetConfig
from diffusionret.datasets.storybook import truth, world
from diffusionret.generators import OpenSetGenerator
from diffusionret.generators.match import at_prior
from diffusionret.metrics import reliability
from diffusionret.odds import readings_of, topics
from diffusionret.ood.detector import Detector, make_protocol
from diffusionret.ood.report import UNREADABLE, Answer, as_text, say
from diffusionret.ood.scores import word_scores
from diffusionret.ood.verdict import AS_FAR, CLAIMED, DENIED, REST, SENTENCES, UNFAMILIAR, MatchOdds, fit
from diffusionret.reading import Reading

pytestmark = pytest.mark.usefixtures("loops")

MANY = 256  # seeds, so that how often none is drawn lies within 0.1 of its probability


def drawn_scores(count: int, seed: int) -> tuple[dict[str, torch.Tensor], np.ndarray, np.ndarray]:
    """Scores of queries, the true p(no match), and which have none."""
    rng = np.random.default_rng(seed)
    scores = {name: torch.from_numpy(rng.normal(size=count)) for name in ("head", "knn", "other")}
    odds = 1.5 * scores["head"] - 0.5 * scores["knn"] + 0.3
    none = odds.sigmoid().numpy()
    return scores, none, rng.random(count) < none


# --- the odds ---------------------------------------------------------------------------------------------


def test_fitted_odds_are_those_that_made_the_data():
    scores, none, absent = drawn_scores(20000, 0)
    odds = fit(scores, absent, ("head", "knn", "other"))
    assert odds.weights["head"] == pytest.approx(1.5, abs=0.1) and odds.bias == pytest.approx(0.3, abs=0.1)
    assert odds.weights["other"] == pytest.approx(0, abs=0.1) and odds.learned == absent.mean()
    fresh, none, absent = drawn_scores(20000, 1)
    found = odds.none(fresh, odds.learned).numpy()
    assert np.abs(found - none).max() < 0.05 and reliability(found, absent).error < 0.02


def test_what_parts_leave_is_as_sharp_as_it_proves_to_be():
    """Where queries with half of P left have no match in nine of ten cases, a half must not be left."""
    scores, none, absent = drawn_scores(20000, 4)
    weighed = np.arange(20000) % 4 == 0
    scores["parts"] = torch.from_numpy(np.where(weighed, np.log(0.5), 0.0))
    rng = np.random.default_rng(1)
    absent[weighed] = rng.random(weighed.sum()) >= (1 - none[weighed]) * 0.5**3
    assert fit(scores, absent, ("head", "knn")).sharpness == 3.0
    absent[weighed] = rng.random(weighed.sum()) >= (1 - none[weighed]) * 0.5
    assert fit(scores, absent, ("head", "knn")).sharpness == 1.0
    del scores["parts"]
    assert fit(scores, absent, ("head", "knn")).sharpness == 1.0


def test_what_parts_leave_is_left_whatever_share_is_assumed():
    """As the slider of the page has it: P of another prior, times what is kept."""
    odds, scores = (
        MatchOdds({"head": 1.0}, sharpness=2.0),
        {"head": torch.tensor([-1.0]), "parts": torch.tensor([-0.4])},
    )
    kept = odds.kept(scores["parts"].double().numpy()).item()
    assert kept == pytest.approx(np.exp(-0.8))
    assert MatchOdds({"x": 1.0}).kept(scores["parts"].double().numpy()).item() == 1.0
    before = 1 - (1 - odds.none(scores, 0.3)) / kept
    for share in (0.05, 0.3, 0.8):
        slid = kept * (1 - at_prior(before, share, 0.3))
        assert slid.item() == pytest.approx(1 - odds.none(scores, share).item(), abs=1e-5)


def test_words_that_nobody_knows_leave_the_trust_in_the_head_as_it_is():
    """A head that is right about known words and guesses about others keeps its weight for the known ones."""
    scores, _, absent = drawn_scores(20000, 3)
    unknown = np.arange(20000) % 3 == 0
    absent[unknown] = np.random.default_rng(0).random(unknown.sum()) < 0.9
    scores["unknown"] = torch.from_numpy(unknown.astype(float))
    odds = fit(scores, absent, ("head", "knn", "unknown", "unknown*head", "unknown*knn"))
    assert odds.weights["head"] == pytest.approx(1.5, abs=0.1)
    assert odds.weights["unknown*head"] == pytest.approx(-1.5, abs=0.15)
    assert odds.learned == absent[~unknown].mean(), "the prior is that of known words"
    assert odds.none(scores, odds.learned).numpy()[unknown] == pytest.approx(0.9, abs=0.03)
    shared = fit(scores, absent, ("head", "knn", "unknown"))
    assert shared.weights["head"] < 1.2


def test_texts_of_mostly_new_words_say_what_nobody_has_or_a_clip_of_the_split():
    asked = topics("validation", 50, random.Random(0))
    fits = truth.fit_matrix(asked, list(world.split("validation")))
    assert fits.any(axis=1).tolist() == [i % 2 == 0 for i in range(50)], "by turns"
    readings = readings_of(asked, "validation", 30)
    assert sum(len(reading.unknown) > 1 for reading in readings) > 35
    assert word_scores(readings)["mostly_new"].sum() > 30
    assert not any(reading.refusal for reading in readings), "a word of the grammar is among them"


@pytest.mark.parametrize(
    ("searched", "unknown", "mostly_new"),
    [
        ("a jazz band at dusk here", ("jazz", "band"), 1.0),  # 2 of 6
        ("a jazz band at dusk right here", ("jazz", "band"), 0.0),  # 2 of 7
        ("one jazz band plays five songs at dusk right here", ("jazz", "band", "songs"), 1.0),  # 3 of 10
        ("jazz", ("jazz",), 0.0),
        ("a dog", ("jazz", "band"), 0.0),  # of what is less wanted
    ],
)
def test_a_query_is_mostly_new_from_two_words_and_three_tenths_on(searched, unknown, mostly_new):
    found = word_scores([Reading(searched, searched, unknown=unknown)])
    assert found["mostly_new"].item() == mostly_new


def test_queries_of_mostly_new_words_have_no_weight_in_the_log_odds_of_others():
    """Of theirs, the head knows nothing and seven of ten have no match."""
    scores, none, absent = drawn_scores(20000, 5)
    new = np.arange(20000) % 5 == 0
    absent[new] = np.random.default_rng(2).random(new.sum()) < 0.7
    scores["mostly_new"] = torch.from_numpy(new.astype(float))
    odds = fit(scores, absent, ("head", "knn", "other"))
    alone = {name: part[torch.from_numpy(~new)] for name, part in scores.items() if name != "mostly_new"}
    without = fit(alone, absent[~new], ("head", "knn", "other"))
    assert odds.weights == pytest.approx(without.weights) and odds.bias == pytest.approx(without.bias)
    assert odds.learned == without.learned and without.mostly_new == (1.0, 0.0)
    found = odds.none(scores, odds.learned).numpy()
    assert found[new] == pytest.approx(0.7, abs=0.05) and np.abs(found - none)[~new].max() < 0.05
    few = scores | {"mostly_new": scores["mostly_new"] * (torch.arange(20000) < 50)}
    assert fit(few, absent, ("head", "knn", "other")).mostly_new == (1.0, 0.0), "two numbers of ten queries"


def test_odds_fitted_anew_move_queries_of_mostly_new_words_alike():
    scores, _, absent = drawn_scores(400, 6)
    scores["mostly_new"] = (torch.arange(400) % 3 == 0).double()
    odds = MatchOdds({"head": 1.0}, bias=0.2, mostly_new=(0.5, 1.0))
    for anew in ("bias", "bias and factor"):
        found = recalibrated(odds, scores, absent)[anew]
        before, after = odds.log_odds(scores), found.log_odds(scores)
        factor, shift = np.polyfit(before, after, 1)
        assert after == pytest.approx(factor * before + shift), "one line for all"
        assert anew != "bias" or factor == pytest.approx(1.0)


def test_another_share_without_a_match_is_the_prior_odds():
    scores, _, absent = drawn_scores(2000, 0)
    odds = fit(scores, absent, ("head",))
    before, after = (odds.none(scores, share).numpy() for share in (odds.learned, 0.1))
    ratio = (0.1 / 0.9) / (odds.learned / (1 - odds.learned))
    assert after / (1 - after) == pytest.approx(before / (1 - before) * ratio, rel=1e-5)


def test_thresholds_bound_the_errors_over_kinds():
    """A rare kind of query counts as much as a frequent one."""
    scores, _, absent = drawn_scores(8000, 2)
    kinds = np.where(np.arange(8000) % 20 == 0, "rare", "frequent")
    scores["head"][torch.from_numpy((kinds == "rare") & ~absent)] += 2.0  # those look as if they had no match
    odds = fit(scores, absent, ("head",), kinds.tolist())
    p = 1 - odds.none(scores).numpy()

    def errors(wrong: np.ndarray, of: np.ndarray) -> float:
        return float(np.mean([wrong[of & (kinds == kind)].mean() for kind in ("rare", "frequent")]))

    assert errors(p < odds.low, ~absent) <= DENIED + 0.002
    assert errors(p >= odds.high, absent) <= CLAIMED + 0.002
    assert 0 <= odds.low <= odds.high <= 1
    alone = fit(scores, absent, ("head",))
    assert alone.low > odds.low, "with all queries alike the rare kind would pay"


def test_a_fit_needs_both_outcomes():
    scores, _, _ = drawn_scores(50, 0)
    for same in (np.zeros(50, bool), np.ones(50, bool)):
        with pytest.raises(ValueError, match="with a match in the gallery, and queries without"):
            fit(scores, same, ("head",))


def test_odds_serve_what_they_were_made_for(tmp_path):
    odds, file = (
        MatchOdds({"head": 1.2, "knn": -3.0}, 0.4, 0.5, 0.2, 0.7, {"queries": 9}),
        tmp_path / "a" / "odds.json",
    )
    odds.save(file, {"model": "x"})
    assert MatchOdds.load(file, {"model": "x"}) == odds
    assert MatchOdds.load(file, {"model": "y"}) is None and MatchOdds.load(tmp_path / "none", {}) is None
    for broken in ("", "{}", "[]", '{"made_for": {"model": "x"}, "strange": 1}'):
        file.write_text(broken)
        assert MatchOdds.load(file, {"model": "x"}) is None


def test_one_number_decides_the_sentence():
    odds = MatchOdds({"head": 1.0}, low=0.3, high=0.6)
    for p, kind in ((0.95, "match"), (0.6, "match"), (0.59, "unsure"), (0.3, "unsure"), (0.29, "none")):
        found = odds.verdict(1 - p, 0.2)
        assert (found.kind, found.sentence, found.absent) == (kind, SENTENCES[kind], 0.2)
        assert found.p_match == pytest.approx(p) and json.dumps(found.to_dict())
        strange = odds.verdict(1 - p, 0.2, unfamiliar=True)
        assert strange.kind == kind and strange.sentence == f"{SENTENCES[kind]} {UNFAMILIAR}"
        unread = odds.verdict(1 - p, 0.2, unknown=True)
        end = AS_FAR if kind == "match" else "."
        assert unread.sentence == SENTENCES[kind][:-1] + end
        rest = REST.get(kind, SENTENCES["none"])
        assert odds.verdict(1 - p, 0.2, rest=True).sentence == rest
        assert odds.verdict(1 - p, 0.2, unknown=True, rest=True).sentence == rest[:-1] + end
    assert say(odds.verdict(0.999)) == f"{SENTENCES['none']} p(match) < 1 %"


def test_the_share_without_a_match_is_the_retrievers(tmp_path):
    model, video = tiny_model(config=BOTH), features(1, 20, seed=3)[1]
    found = [
        Retriever(model, Gallery.in_memory(video), absent=share).search("a red boat")
        for share in (0.1, 0.3, 0.9)
    ]
    assert found[0].no_match < found[1].no_match < found[2].no_match
    assert [result.verdict.absent for result in found] == [0.1, 0.3, 0.9]
    assert found[0].hits[0].probability > found[2].hits[0].probability
    for wrong in (0.0, 1.0):
        with pytest.raises(ValueError, match="absent is"):
            Retriever(model, Gallery.in_memory(video), absent=wrong)


# --- nothing contradicts it -------------------------------------------------------------------------------


def loud(seed: int, config=BOTH) -> DiffusionRet:
    """A model whose p(no match) ranges from nearly 0 to nearly 1 over queries and galleries."""
    model = tiny_model(seed, config)
    with torch.no_grad():
        model.openset.none[-1].weight.mul_(40)
        model.openset.read[-1].weight.mul_(10)
        model.openset.row.weight.mul_(5)
    return model


def retriever(seed: int, form: str, odds: MatchOdds | None, familiar: bool = False) -> Retriever:
    fine = OpenSetConfig(steps=50, candidates=8, sampling_steps=30, width=16, layers=1, heads=2)
    model = loud(seed, replace(BOTH, openset=fine, form=form))
    found = Retriever(model, Gallery.in_memory(features(1, 24, seed=seed)[1]))
    if odds is not None:  # half of the queries above it, whatever these random weights say
        scores = found.scores([f"{one} {other}" for one in WORDS[:6] for other in WORDS[:6]], forms=())
        middle = torch.logit(odds.none(scores, odds.learned)).median().item()
        found.detector = Detector(
            make_protocol(model, found.gallery), odds=replace(odds, bias=odds.bias - middle)
        )
    return found


RETRIEVERS = [
    ("plain head", lambda: retriever(0, "open-set", None)),
    (
        "fitted",
        lambda: retriever(1, "open-set", MatchOdds({"head": 0.7, "similarity": 4.0}, 1.0, 0.5, 0.45, 0.55)),
    ),
    (
        "published, odds of a gallery",
        lambda: retriever(2, "published", MatchOdds({"similarity": 30.0, "margin": 9.0})),
    ),
]
SENTENCE = "a red boat the dog at night in rain no it is sketch of xyz ? ! 7 ÖL кот 猫 😀 <b>"
WORDS = [*SENTENCE.split(), "x" * 40]
texts = st.one_of(
    st.text(min_size=1, max_size=40),
    st.sampled_from(
        [*"axz7?!é", "the", "of", "is it", "!!!???", "xyz", "zz", "  a ", "ｆｕｌｌ", "e\u0301", "\u200b"]
    ),
    st.lists(st.sampled_from(WORDS), min_size=1, max_size=30).map(" ".join),
    st.sampled_from(["a red boat", "dogs", "boat " * 60, "a " * 30 + "dog", "not a dog", "a boat without a dog",
                     "a red boat, less 2: night", "boat, more: rain, less 0.5: red", "a dog and not the boat"]),
)  # fmt: skip


def held(result: SearchResult) -> None:
    """All that is shown of a match says the same."""
    verdict, report = result.verdict, result.ood
    assert verdict is not None and report is not None and report.verdict == verdict
    values = result.to_dict()
    assert values["verdict"] == verdict.to_dict() and values["no_match"] == result.no_match
    assert verdict.sentence in as_text(report) or (report.rule and report.reading.unreadable)
    shown = [hit.probability for hit in result.hits if hit.probability is not None]
    if report.rule:
        assert verdict.kind == "unreadable" and verdict.p_match is result.no_match is None
        assert not shown and all(hit.boost == 0 for hit in result.hits) and result.trajectory is None
        assert report.scores is None and "%" not in verdict.sentence
        return
    p = verdict.p_match
    assert p is not None and result.no_match == 1 - p and 0 < p < 1
    assert say(verdict) in table(result), "the command line says the same sentence"
    assert report.match.flagged == (verdict.kind == "none")
    assert (verdict.kind in ("match", "unsure")) == (SENTENCES["none"] not in verdict.sentence)
    if result.form == "open-set":
        everything = shown  # every candidate is among the hits
        assert max(everything) <= p + 1e-6 and p <= min(1, sum(everything)) + 1e-5
        assert result.trajectory.none.item() == pytest.approx(result.no_match, abs=0.1)
        assert result.trajectory.shares.sum().item() + result.trajectory.none.item() == pytest.approx(
            1, abs=1e-4
        )
    else:
        assert sum(shown) == pytest.approx(1, abs=1e-4) and result.trajectory.none is None


@pytest.mark.parametrize(("name", "make"), RETRIEVERS)
def test_nothing_contradicts_the_verdict(name, make):
    library = make()
    kinds = set()

    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        text=texts, form=st.sampled_from(["open-set", "published"]), absent=st.sampled_from([0.05, 0.3, 0.9])
    )
    def check(text: str, form: str, absent: float) -> None:
        if not text.strip():
            return
        library.inspector.absent = absent
        options = dict(k=24, candidates=8, seeds=MANY if form == "open-set" else 2, form=form)
        result = library.search(text, **options)
        held(result)
        kinds.add(result.verdict.kind)
        # Without what fits best: another gallery, another verdict, and again one that agrees with itself.
        rest = [hit.id for hit in sorted(result.hits, key=lambda hit: hit.base_rank)[6:]]
        if rest:
            held(library.search(text, within=rest, **options))
        report = library.inspect_many([text])[0]
        assert report.verdict.kind == result.verdict.kind
        if report.verdict.p_match is not None:
            assert report.verdict.p_match == pytest.approx(result.verdict.p_match, abs=1e-6)

    check()
    assert kinds >= {"match", "none", "unreadable"}, "the examples reach every sentence"


@pytest.mark.parametrize("text", ["a", "x", "?!", "the", "is it of", "7", "!!!???"])
def test_a_rule_shows_no_number(text):
    library = retriever(0, "open-set", None)
    held(library.search(text))
    report = library.inspect(text)
    assert report.rule and report.verdict.p_match is None and report.familiar.p_value is None
    assert report.rule == UNREADABLE or not any(c.isalnum() for c in text)


def test_a_denial_is_a_flag_and_no_p_value_is():
    library = retriever(0, "open-set", None)
    report = library.detector.report(
        "a boat", (Answer(flagged=True), Answer(p_value=0.001, flagged=True)), 0.01, 0.3
    )
    assert (
        report.verdict.kind == "match"
        and report.match.flagged is False
        and UNFAMILIAR in report.verdict.sentence
    )
    report = library.detector.report(
        "a boat", (Answer(flagged=False), Answer(p_value=0.9, flagged=False)), 0.99, 0.3
    )
    assert report.verdict.kind == "none" and report.match.flagged is True


# --- a draw is made where it is read ----------------------------------------------------------------------


def test_ranking_draws_nothing_and_reading_draws_once(monkeypatch):
    draws = []
    true = OpenSetGenerator.sample

    def sample(self, *args, **options):
        draws.append(1)
        return true(self, *args, **options)

    monkeypatch.setattr(OpenSetGenerator, "sample", sample)
    library = Retriever(tiny_model(config=BOTH), Gallery.in_memory(features(1, 20, seed=3)[1]))
    result = library.search("a red boat", k=12, candidates=6, steps=6, seeds=5)
    result.to_dict(), table(result), result.verdict, result.no_match, result.to_pandas()
    library.search_many(["a dog", "a cat"])
    assert not draws and result.form == "open-set"
    walk = result.trajectory
    assert walk.x0.shape == (6, 5, 1, 6) and walk is result.trajectory and result.stability.seeds == 5
    assert len(draws) == 1
    again = library.search("a red boat", k=12, candidates=6, steps=6, seeds=5)
    assert torch.equal(again.trajectory.x, walk.x), "the noise is the seed's"


def test_a_search_ranks_by_the_head():
    library = Retriever(tiny_model(config=BOTH), Gallery.in_memory(features(1, 30, seed=3)[1]))
    result = library.search("a red boat", k=30, candidates=8)
    model, video = library.model, library.gallery.features()
    with torch.no_grad():
        text = model.encode_text(["a red boat"])
        row = model.similarity(text, video)
        chosen = row.topk(8, dim=1).indices
        wanted = model.match(text, video, chosen)
    found = {library.gallery.position(hit.id): hit for hit in result.hits}
    assert result.no_match == pytest.approx(wanted.none.item(), abs=1e-6)
    for position, p in zip(chosen[0].tolist(), wanted.probability[0].tolist(), strict=True):
        hit = found.pop(position)
        assert hit.probability == pytest.approx(p, abs=1e-6)
        assert hit.boost == pytest.approx(SMALL.alpha * hit.probability, abs=1e-6)
    assert all(hit.probability is None and hit.boost == 0 for hit in found.values())


def test_a_model_without_any_odds_claims_nothing():
    plain = Retriever(tiny_model(config=CONFIG), Gallery.in_memory(features(1, 20, seed=3)[1]))
    result = plain.search("a red boat")
    assert result.verdict is None and result.no_match is None and result.ood is None
