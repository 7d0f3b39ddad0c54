from __future__ import annotations

import random
import subprocess
import sys

import pytest

from diffusionret.datasets.storybook import captions, inflection, words, world

ANIMALS = {"bird", "butterfly", "bee", "fish", "turtle", "cat", "dog", "rabbit", "elephant", "frog"}


def by_word(word: str) -> words.Word:
    (row,) = [row for row in words.words() if row.word == word]
    return row


def test_every_fact_names_a_value_of_the_world() -> None:
    for word in words.words():
        for attribute, values in word.facts.items():
            assert values <= set(world.values(attribute)), word


def test_no_word_and_no_form_of_one_is_in_two_splits() -> None:
    splits: dict[tuple[str, ...], str] = {}
    for word in words.words():
        if word.split != "lexicon":
            for form in {words.tokens(word.word)} | words.inflections(word):
                if word.split in words.HELD_OUT or splits.get(form) in words.HELD_OUT:
                    assert splits.setdefault(form, word.split) == word.split, (word.word, form)
                splits.setdefault(form, word.split)


def test_words_of_an_attribute_are_there_once() -> None:
    keys = [(word.word, word.attribute) for word in words.words()]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("split", ["lexicon", "train"])
def test_training_words_hold_no_held_out_word(split: str) -> None:
    for word in words.words(split=split):
        for form in (word.word, *word.forms):
            assert words.held_out_words_in(form) == [], form


@pytest.mark.parametrize("style", captions.STYLES)
def test_the_grammar_holds_no_held_out_word(style: str) -> None:
    rng = random.Random(3)
    for _ in range(2000):
        text = captions.write(world.draw_scene(rng), rng, omit=0.2, style=style).text
        assert words.held_out_words_in(text) == [], text


def test_the_lexicon_keeps_its_facts() -> None:
    rows = words.words(split="lexicon")
    spoken = {(row.attribute, form): row.facts for row in rows for form in (row.word, *row.forms)}
    for style in captions.STYLES:
        for (attribute, value), options in captions.wordings(style).items():
            for form in (form for option in options for form in option.split("|") if form):
                assert spoken[attribute, form] == {attribute: frozenset({value})}, form
    own = {(row.attribute, row.word) for row in rows}
    assert not own & {(row.attribute, row.word) for row in words.words() if row.split != "lexicon"}


def test_the_lexicon_begins_with_the_plainest_word() -> None:
    (first, *_) = words.words(split="lexicon", attribute="colour")
    assert first.word == "red"


@pytest.mark.parametrize(
    ("word", "kind", "facts"),
    [
        ("pigeon", "says", {"subject": {"bird"}}),
        ("goldfish", "says", {"subject": {"fish"}, "colour": {"orange"}}),
        ("toy", "says", {"subject": {"balloon", "ball", "kite"}}),
        ("animal", "says", {"subject": ANIMALS}),
        ("penguin", "lacks", {"subject": set()}),
        ("black", "lacks", {"colour": set()}),
        ("navy", "says", {"colour": {"blue"}}),
        ("dark red", "says", {"colour": {"red"}}),
        ("teal", "says", {"colour": {"blue", "green"}}),
        ("seaside", "says", {"place": {"beach"}}),
        ("plummeting", "says", {"motion": {"down"}}),
        ("lovely", "empty", {}),
        ("running", "empty", {"motion": set()}),
        ("eating", "lacks", {"motion": set()}),
        ("kitchen", "lacks", {"place": set()}),
    ],
)  # fmt: skip
def test_known_words(word: str, kind: str, facts: dict[str, set[str]]) -> None:
    row = by_word(word)
    assert (row.kind, dict(row.facts)) == (kind, facts)


def test_a_kind_may_carry_a_colour() -> None:
    assert dict(words.words(split="test", attribute="subject")[0].facts)
    (canary,) = [row for row in words.words(attribute="subject") if row.word == "canary"]
    assert dict(canary.facts) == {"subject": {"bird"}, "colour": {"yellow"}}


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ("a pigeon", ["pigeon"]),
        ("two PIGEONS!", ["pigeon"]),
        ("the pigeon's wings", ["pigeon"]),
        ("a carrier pigeon", ["pigeon"]),
        ("a sea gull", ["gull"]),
        ("it plummeted", ["plummeting"]),
        ("on olive-green grass", ["grass", "olive"]),
        ("a red car at night", []),
        ("", []),
        ("xyz 123", []),
    ],
)
def test_held_out_words_in_a_text(text: str, held: list[str]) -> None:
    assert [word for word in words.held_out_words_in(text) if word in held] == held
    if not held:
        assert words.held_out_words_in(text) == []


def test_a_compound_in_one_piece_is_seen() -> None:
    assert "pigeon" in words.held_out_words_in("a carpigeon")
    assert words.held_out_words_in("a pigeonhole") == []  # "hole" is no word of the file


@pytest.mark.parametrize(
    ("attribute", "kind", "least"),
    [
        ("subject", "says", 40), ("colour", "says", 30), ("place", "says", 15), ("motion", "says", 15),
        ("subject", "lacks", 15), ("colour", "lacks", 8),
    ],
)  # fmt: skip
def test_splits_are_large_enough(attribute: str, kind: str, least: int) -> None:
    assert len(words.words("test", kind, attribute)) >= least
    share = {"subject": 10, "colour": 8}.get(attribute, 6)
    for split in ("validation", "calibration"):
        assert len(words.words(split, kind, attribute)) >= share
    assert len(words.words("train", kind, attribute)) > len(words.words("validation", kind, attribute))


def test_words_of_an_unknown_split_are_refused() -> None:
    with pytest.raises(ValueError, match="knows no 'dev'"):
        words.words(split="dev")
    with pytest.raises(ValueError, match="knows no 'shape'"):
        words.words(attribute="shape")


HEADER = ",".join(words.COLUMNS)


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("pigeon,pigeons,says,subject=bird,train", "5 fields"),
        ("Pigeon,,says,subject=bird,train,hand", "is none"),
        ("pigeon,,says,subject=bird,dev,hand", "is none"),
        ("pigeon,,says,shape=round,train,hand", "do not suit"),
        ("pigeon,,says,subject=,train,hand", "do not suit"),
        ("horse,,lacks,subject=dog,train,hand", "do not suit"),
        ("lovely,,empty,colour=red,train,hand", "do not suit"),
        ("lovely,,says,,train,hand", "do not suit"),
    ],
)
def test_a_bad_row_is_refused(row: str, complaint: str) -> None:
    good = "lovely,,empty,,train,hand"
    with pytest.raises(ValueError, match=f"Line 3 .*{complaint}"):
        words.read(f"{HEADER}\n{good}\n{row}\n")


def test_a_file_without_its_header_is_refused() -> None:
    with pytest.raises(ValueError, match="must begin"):
        words.read("pigeon,,says,subject=bird,train,hand\n")


@pytest.mark.parametrize(
    ("noun", "plural"),
    [
        ("pigeon", "pigeons"), ("bus", "buses"), ("fox", "foxes"), ("butterfly", "butterflies"), ("toy", "toys"),
        ("goldfish", "goldfish"), ("mouse", "mice"), ("wolf", "wolves"), ("snowman", "snowmen"),
        ("mongoose", "mongooses"),
        ("sea gull", "sea gulls"), ("spacecraft", "spacecraft"), ("bird of prey", "birds of prey"),
    ],
)  # fmt: skip
def test_plurals(noun: str, plural: str) -> None:
    assert inflection.plural(noun) == plural


@pytest.mark.parametrize(
    ("gerund", "forms"),
    [
        ("soaring", {"soar", "soars", "soared"}),
        ("bouncing", {"bounce", "bounces", "bounced"}),
        ("hopping", {"hop", "hops", "hopped"}),
        ("carrying", {"carry", "carries", "carried"}),
        ("running after", {"run after", "runs after", "ran after"}),
    ],
)
def test_forms_of_a_gerund(gerund: str, forms: set[str]) -> None:
    assert forms <= inflection.gerund_forms(gerund)


def test_no_gerund_has_no_forms() -> None:
    assert inflection.gerund_forms("stationary") == frozenset()
    assert inflection.gerund_forms("ring") == frozenset()


def test_reading_the_words_needs_none_of_what_made_them() -> None:
    code = (
        "import sys; from diffusionret.datasets.storybook import words; words.held_out_words_in('a pigeon');"
        "print([m for m in ('wordfreq', 'matplotlib', 'skimage') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
