"""The lexicon, spelling, what is said of a query's words, and where a model places a word."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from hypothesis import given as drawn
from hypothesis import settings
from hypothesis import strategies as st
from tiny import CONFIG, tiny_model

from diffusionret import placement as placements
from diffusionret.datasets.storybook.words import Word, read
from diffusionret.lexicon import FUNCTION, Lexicon
from diffusionret.model import DiffusionRet
from diffusionret.phrases import members
from diffusionret.placement import LEAST, Placement, Threshold, agree, lowest
from diffusionret.query import MOST_CHARACTERS, tokens_of, words_of
from diffusionret.reading import ADVICE, UNREADABLE, Reader, replaced
from diffusionret.spelling import Spelling, english

ROWS = read(
    """word,forms,kind,facts,split,source
beach,on the beach,says,place=beach,lexicon,lexicon
night,at night,says,time=night,lexicon,lexicon
balloon,balloons,says,subject=balloon,lexicon,lexicon
party balloon,party balloons,says,subject=balloon,lexicon,lexicon
boat,boats,says,subject=boat,lexicon,lexicon
kite,kites,says,subject=kite,lexicon,lexicon
bird,birds,says,subject=bird,lexicon,lexicon
bee,bees,says,subject=bee,lexicon,lexicon
butterfly,butterflies,says,subject=butterfly,lexicon,lexicon
dog,dogs,says,subject=dog,lexicon,lexicon
cat,cats,says,subject=cat,lexicon,lexicon
elephant,elephants,says,subject=elephant,lexicon,lexicon
yellow,,says,colour=yellow,lexicon,lexicon
red,,says,colour=red,lexicon,lexicon
orange,,says,colour=orange,lexicon,lexicon
small,,says,size=small,lexicon,lexicon
rising,rises,says,motion=up,lexicon,lexicon
seaside,at the seaside,says,place=beach,train,hand
animal,animals,says,subject=bird|bee|butterfly|dog|cat|elephant,train,wordnet
guide dog,guide dogs,says,subject=dog,train,wordnet
insect,insects,says,subject=bee|butterfly,train,wordnet
maroon,,says,colour=red,train,xkcd
lovely,,empty,,train,hand
elegant,,empty,,train,hand
black,,lacks,colour=,train,hand
baboon,baboons,lacks,subject=,train,wordnet
horse,horses,lacks,subject=,test,wordnet
pigeon,pigeons,says,subject=bird,test,wordnet
canary,canaries,says,subject=bird;colour=yellow,test,hand
soaring,soars,says,motion=up,calibration,hand
"""
)
TEXTS = st.one_of(
    st.text(max_size=60),
    st.lists(
        st.sampled_from(
            [
                *sorted(FUNCTION)[:40],
                "yelow",
                "baloon",
                "a",
                "an",
                "dog’s",
                "pigeon",
                "horse",
                "xyz",
                "кошка",
                "İ",
                "!",
                "ß",
            ]
        ),
        max_size=14,
    ).map(" ".join),
)


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(Lexicon(ROWS))


def said(reader: Reader, text: str, exact: bool = False, ways_back: bool = False) -> list[str]:
    remarks = reader.read(text, exact).remarks
    return [remark.text for remark in remarks if ways_back or not remark.exact]


# --- words ----------------------------------------------------------------------------------------------


def test_the_bundled_lexicon_knows_every_word_of_its_grammar():
    lexicon = Lexicon.bundled()
    assert lexicon is Lexicon.bundled() and len(lexicon.grammar) > 200
    for row in lexicon.grammar:
        for form in (row.word, *row.forms):
            kinds = {term.kind for term in lexicon.parse(words_of(form))}
            assert kinds <= {"says", "empty"}, form
            assert not any(term.meaning for term in lexicon.parse(words_of(form))), form


def test_where_a_noun_stands_is_no_verb():
    lexicon = Lexicon.bundled()
    for text, word, kind in (
        ("a kite in the wind", "wind", "unknown"),
        ("a kite that winds", "winds", "says"),
        ("a winding kite", "winding", "says"),
        ("a jump", "jump", "says"),
        ("a stalked rabbit", "stalked", "says"),
        ("the rocks", "rocks", "says"),
    ):
        assert {term.word: term.kind for term in lexicon.parse(words_of(text))}[word] == kind, text
    assert lexicon.row("rocks").attribute == "place", "the mountains, whatever rocks"
    assert members(lexicon, "a dog and a cat on the track") == ("dog", "cat"), "nobody chases"


def test_nobody_is_told_that_there_is_none_of_what_is_drawn():
    """A windmill stands in every field, so it is not among what the world lacks."""
    reader = Reader(Lexicon.bundled())
    for text, lines in (
        ("a dog by the windmill", ["The model does not know the word windmill."]),
        ("a dog in winter", ["Taking winter as snow."]),
        ("a flying saucer", ["The drawn world has no flying saucer."]),
        ("a rocket in space", ["The drawn world has no space."]),
        ("a space rocket", []),
        ("the cat ate", ["The drawn world has no eating."]),
        ("a car in lightning", ["The drawn world has no lightning."]),
    ):
        assert said(reader, text) == lines, text


def test_a_movement_that_the_world_does_not_tell_apart_may_be_any():
    reader = Reader(Lexicon.bundled())
    for text, word in (
        ("a running dog", "Running"),
        ("a dog runs on the beach", "Runs"),
        ("a bird flies", "Flies"),
        ("dogs play", "Play"),
        ("a fast car", "Fast"),
        ("a travelling dog", "Travelling"),
        ("a moving dog", "Moving"),
    ):
        assert said(reader, text) == [f"{word} could be any movement here."]
    for text, lines in (
        ("a running dog chasing a cat", []),
        ("a bird rises and flies", []),
        ("play the clip of the dog chasing the cat", []),
        ("a fly on the beach", ["The model does not know the word fly."]),
        (
            "a dog running in the wind",
            ["Running could be any movement here; the model does not know the word wind."],
        ),
    ):
        assert said(reader, text) == lines, text


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        ("my kids want cats", "cats"),
        ("i need a clip of a red dog for my classroom", "a red dog"),
        ("my daughter is crying, please show me a red dog", "a red dog"),
        ("um i think it had a red dog in the kitchen, thanks so much", "a red dog in the kitchen"),
        ("Our daughter loves to see a blue bird", "a blue bird"),
        ("everyone likes dogs", "dogs"),
        ("the girl wants a balloon", "the girl wants a balloon"),
        ("the man who loves dogs", "the man who loves dogs"),
        ("a horse needs a boat", "a horse needs a boat"),
        ("my kids want", "my kids want"),
    ],
)
def test_who_wants_to_see_is_not_what_is_to_be_seen(text, searched):
    assert Reader(Lexicon.bundled()).read(text).searched == searched


def test_no_degree_of_a_shade_is_what_was_meant():
    spelling = Lexicon.bundled().spelling
    assert spelling.suggestion("foggy") is None, "an English word whose first letter is right"
    assert spelling.suggestion("roter") is None and spelling.suggestion("yelow").word == "yellow"


def test_the_silent_are_no_words_of_the_grammar_that_stand_alone():
    assert not FUNCTION & {row.word for row in Lexicon.bundled().grammar}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a pigeon", "Taking pigeon as bird."),
        ("A PIGEON!", "Taking pigeon as bird."),
        ("two pigeons", "Taking pigeons as birds."),
        ("canary", "Taking canary as yellow bird."),
        ("an insect by the seaside", "Taking insect as butterfly or bee and seaside as beach."),
        ("it soars", "Taking soars as rising."),
        ("a horse", "The drawn world has no horse."),
        ("a black baboon", "The drawn world has nothing black and no baboon."),
        ("a zorb and a dog", "The model does not know the word zorb."),
        ("кошка and dog", "The model does not know the word кошка."),
        ("a pigeon, a zorb, a qwzx and a horse",
         "Taking pigeon as bird; the model does not know the words zorb and qwzx; the drawn world has no horse."),
    ],
)  # fmt: skip
def test_what_is_said_of_a_word(reader, text, expected):
    lines = said(reader, text)
    assert [line.replace("bee or butterfly", "butterfly or bee") for line in lines] == [expected]


@pytest.mark.parametrize(
    ("typed", "searched"),
    [
        ("a pigeon", "a bird"),
        ("Two pigeons, please!", "Two birds, please!"),
        ("A canary at sea", "A yellow bird at sea"),
        ("a pigeon soars", "a bird rising"),
        ("soars a  pigeon", "rising a  bird"),
        ("the pigeon's dog", "the bird dog"),
    ],
)
def test_what_a_word_is_taken_for_is_what_is_searched(reader, typed, searched):
    reading = reader.read(typed)
    assert reading.searched == searched and f"Search exactly “{typed}”" in said(reader, typed, ways_back=True)
    assert reader.read(typed, exact=True).searched == typed


@pytest.mark.parametrize(
    "text",
    ["a red dog", "show me a lovely yellow party balloon, please", "the dog's balloon", "2 dogs", "some animals",
     "a guide dog", "I don't mind if it's a cat", "rises at night"],
)  # fmt: skip
def test_nothing_is_said_of_words_that_speak_for_themselves(reader, text):
    reading = reader.read(text)
    assert not reading.remarks
    assert not reading.unreadable and reading.searched == text


@pytest.mark.parametrize(
    "text",
    ["xyz", "кошка", "!!!???", "", "a", "x", "the of and", "lovely", "猫", "12345", "it's", "weather", "a party"],
)  # fmt: skip
def test_a_text_without_a_word_that_can_be_placed_is_unreadable(reader, text):
    reading = reader.read(text)
    assert reading.unreadable and reading.searched == text
    assert said(reader, text) == [f"{UNREADABLE} {ADVICE}"]


def test_a_movement_that_may_be_any_asks_who_moves():
    reader = Reader(Lexicon.bundled())
    for text, said_of in (
        ("running", "Running"),
        ("something moves", "Moves"),
        ("Dancing and playing!", "Dancing and playing"),
    ):
        reading = reader.read(text)
        assert reading.unreadable
        assert said(reader, text) == [f"{said_of} could be any movement here: say who is moving, or where."]
    assert reader.read("running bureaucracy").refusal == UNREADABLE


@pytest.mark.parametrize("text", ["wind", "spring", "wheels", "a shadow", "in the wind", "wind and wheels"])
def test_a_noun_is_no_movement(text):
    assert Reader(Lexicon.bundled()).read(text).unreadable


@pytest.mark.parametrize(
    "text", ["spring in the forest", "rain and wind", "strong wind at night", "shadow of a dog"]
)
def test_a_noun_is_no_movement_beside_other_words(text):
    assert not Reader(Lexicon.bundled()).read(text).taken


@pytest.mark.parametrize("text", ["tracks a cat", "a kite that winds", "a boat rocks"])
def test_the_same_word_is_a_movement_where_it_stands_as_one(text):
    assert Reader(Lexicon.bundled()).read(text).taken


@pytest.mark.parametrize(
    "text", ["a car driving to the left", "a car in driving rain", "a boat sailing while spinning"]
)
def test_a_movement_that_is_told_is_not_any(text):
    assert not Reader(Lexicon.bundled()).read(text).loose


def test_a_word_of_a_phrase_stays_with_it_and_says_nothing_alone():
    reader = Reader(Lexicon.bundled())
    assert reader.read("can i please see a hazel frog in dry weather").searched.endswith(
        "a hazel frog in dry weather"
    )
    assert reader.read("a party balloon in rainy weather").remarks == ()
    chatty = "um i would like to see a dog chasing a moving cat please"
    assert reader.read(chatty).searched == "a dog chasing a moving cat"
    assert (
        reader.read("a balloon moving upward").remarks == ()
        and reader.read("a robot with two heads").loose == ()
    )
    assert reader.read("movng").refusal == reader.read("moving").refusal != ""
    assert reader.read("a sunny party").unknown == () and not reader.read("a sunny party").unreadable
    assert reader.read("the weather in Paris").refusal == UNREADABLE


def test_what_is_asked_for_beside_what_is_lacking():
    reader = Reader(Lexicon.bundled())
    assert [reader.read(text).rest for text in ("a horse", "a red horse", "zebras", "a horse at night")] == [
        False,
        True,
        False,
        True,
    ]


@pytest.mark.parametrize(
    ("text", "searched"),
    [
        ("fall", "moving down"),
        ("jump", "bouncing"),
        ("fish underwater", "fish sea"),
        ("dog on camera", "dog on camera"),
    ],
)
def test_a_word_is_read_as_people_mean_it(text, searched):
    reading = Reader(Lexicon.bundled()).read(text)
    assert reading.searched == searched and not reading.lacking


@pytest.mark.parametrize("size", ["bigger", "biggest", "smallest", "tiniest", "largest"])
def test_degrees_of_size_are_known(size):
    assert not Reader(Lexicon.bundled()).read(f"the {size} dog").remarks


def test_more_words_than_a_sentence_holds_are_counted(reader):
    (line,) = said(reader, "dog qa qb qc qd qe qf")
    assert line == "The model does not know the words qa, qb, qc, qd and 2 more."


def test_a_model_of_no_world_says_nothing():
    for text in ("yelow baloon", "xyz", "!!!", "a horse"):
        reading = Reader(None).read(text)
        assert (reading.searched, reading.remarks, reading.unreadable) == (text, (), False)


# --- spelling -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("typed", "searched"),
    [
        ("yelow baloon", "yellow balloon"),
        ("A Yelow BALOON, please!", "A Yellow BALLOON, please!"),
        ("two baloons", "two balloons"),
        ("butterflys", "butterflies"),
        ("brid", "bird"),
        ("elephannnt", "elephant"),
        ("a ornge cat", "an orange cat"),
        ("An yelow dog", "A yellow dog"),
    ],
)
def test_one_sure_word_is_corrected_with_a_way_back(reader, typed, searched):
    reading = reader.read(typed)
    assert reading.searched == searched and not reading.unknown and not reading.unreadable
    first, back = reading.remarks
    assert searched in first.text and first.query is None
    assert (back.query, back.exact) == (typed, True) and typed in back.text
    exact = reader.read(typed, exact=True)
    assert exact.searched == typed and not exact.corrected and not exact.unreadable
    assert exact.offered == searched and set(exact.unknown) == {word for word, _ in reading.corrected}


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("a red boot", "a red boat"),  # an English word
        ("a elefant", "an elephant"),  # two edits of seven letters
        ("a hosre", "a horse"),  # what the world lacks
        ("yelow boot", "yellow boat"),
    ],
)
def test_what_is_not_sure_is_only_offered(reader, typed, offered):
    reading = reader.read(typed)
    assert reading.offered == offered
    offer = next(remark for remark in reading.remarks if remark.query == offered)
    assert offer.text == f"Did you mean “{offered}”?" and not offer.exact


@pytest.mark.parametrize(
    "typed", ["nite", "teh", "yallaw x1y", "dg", "кошка", "zzzzzzzz", "elegan", "ca7", "q" * 400]
)
def test_what_lies_near_nothing_stays(reader, typed):
    reading = reader.read(f"dog {typed}")
    assert reading.searched == f"dog {typed}" and not reading.corrected


@pytest.mark.parametrize("typed", ["ein roter Hund", "la plage", "un perro rojo", "der Ballon", "le chien"])
def test_other_languages_are_not_corrected_into_english(typed):
    reading = Reader(Lexicon.bundled()).read(typed)
    assert reading.searched == typed and not reading.corrected and not reading.offered


@pytest.mark.parametrize(
    "typed", ["um, a yelow dog", "a yelow dog in los angeles", "the yelow dog of las vegas"]
)
def test_english_beside_a_foreign_name_is_corrected(typed):
    assert Reader(Lexicon.bundled()).read(typed).corrected == (("yelow", "yellow"),)


def test_of_two_words_at_one_distance_none_is_sure():
    spelling = Spelling({"mole": [1], "mule": [2], "cats": [3], "cat": [3]}, {"mice": [4]})
    assert spelling.suggestion("mxle") is None or not spelling.suggestion("mxle").sure
    assert spelling.suggestion("catz").sure and spelling.suggestion("catss") == ("cats", True)
    assert spelling.suggestion("mole") is None, "a word of the lexicon is none that nobody knows"


def test_the_dictionary_is_english_and_read_once():
    assert {"horse", "lorry", "colour"} <= english() and not {"yelow", "doggo"} & english()
    assert english() is english()


def test_nothing_is_loaded_before_a_word_is_unknown(monkeypatch):
    monkeypatch.setattr("diffusionret.spelling.english", pytest.fail)
    reader = Reader(Lexicon(ROWS))
    assert reader.read("show me a lovely red dog on the beach at night").remarks == ()
    assert "_table" not in vars(reader.lexicon.spelling)


# --- any text -------------------------------------------------------------------------------------------


@drawn(TEXTS, st.booleans())
@settings(max_examples=200, deadline=None)
def test_any_text_is_read(text, exact):
    reader = Reader(LEXICON)
    reading = reader.read(text, exact)
    assert reading.text == text and (
        reading.searched == text
        or ((reading.corrected or reading.taken or reading.parts or reading.shortened) and not exact)
    )
    assert json.loads(json.dumps(reading.to_dict()))["text"] == text
    for remark in reading.remarks:
        assert remark.text and "\n" not in remark.text.replace(text, "").replace(
            reading.searched, ""
        ).replace(reading.offered, "")
    if not exact:
        again = reader.read(reading.searched)
        assert not again.corrected and again.unreadable == reading.unreadable, "a correction needs no other"


@drawn(st.text(max_size=80))
@settings(max_examples=200, deadline=None)
def test_tokens_lie_where_they_say(text):
    for word, start, stop in tokens_of(text):
        assert text[start:stop].lower() == word
    assert replaced(text, {}) == text == replaced(text, {"": "x"})


def test_the_longest_query_is_read(reader):
    for text in ("a" * MOST_CHARACTERS, "ba " * (MOST_CHARACTERS // 3), "’" * MOST_CHARACTERS):
        assert len(reader.read(text).unknown) <= reader.words


LEXICON = Lexicon(ROWS)


# --- where a model places a word ------------------------------------------------------------------------


def row(kind: str = "says", **facts: str) -> Word:
    return Word(
        "x", (), kind, {name: frozenset(v.split()) for name, v in facts.items()}, "calibration", "hand"
    )


def test_a_place_is_right_where_every_attribute_may_share_a_value():
    assert agree(row(subject="bird"), row(subject="bird bee"))
    assert agree(row(subject="bird"), row(subject="bird", colour="yellow"))
    assert not agree(row(subject="bird"), row(subject="dog")) and not agree(
        row(subject="bird"), row(colour="red")
    )
    assert not agree(row(subject="bird"), row("lacks", subject="")) and not agree(
        row(subject="bird"), row("empty")
    )


def test_the_threshold_is_the_lowest_that_is_right_for_nine_in_ten():
    placed = [(1 - i / 100, True) for i in range(36)] + [(0.5, False)] * 4 + [(0.4, False)] * 60
    assert lowest(placed) == Threshold(0.5, 0.9, 40, 100)
    assert lowest([*placed, (0.5, False)]).cosine == 1 - 35 / 100, "words at one cosine are placed together"
    assert lowest([(0.9, False)] * 50).cosine is None
    assert lowest([(0.9, True)] * (LEAST - 1)).cosine is None, "too few to rest on"
    assert lowest([]) == Threshold(None, 0.0, 0, 0)


def fake(monkeypatch, direction: Callable[[str], list[float]]) -> tuple[DiffusionRet, list[str]]:
    """A model whose end tokens are what `direction` says of each text, and the texts that it was given."""
    model, given = tiny_model(config=replace(CONFIG, name="fake", dataset="storybook")), []

    def encode_text(texts):
        given.extend(texts)
        return SimpleNamespace(cls=torch.tensor([direction(text) for text in texts]))

    monkeypatch.setattr(model, "encode_text", encode_text)
    return model, given


def test_a_word_is_placed_beside_the_grammars_nearest_where_that_is_clear(monkeypatch):
    numbers = {r.word: i for i, r in enumerate(LEXICON.grammar)}

    def direction(text: str) -> list[float]:
        unit = [0.0] * (len(numbers) + 1)
        unit[numbers.get(text, numbers["bird"] if text == "heron" else -1)] = 2.0
        unit[-1] += 0.5 if text == "heron" else 0.0
        return unit

    model, given = fake(monkeypatch, direction)
    placement = Placement(model, LEXICON, Threshold(0.9, 0.95, 30, 100))
    assert placement.place("heron") == "bird" and placement.place("zorb") == ""
    assert placement.place("heron") == "bird" and given.count("heron") == 1, "a place is remembered"
    reader = Reader(LEXICON, placement)
    assert said(reader, "a heron") == ["Taking heron as bird."]
    assert reader.read("a heron").taken[0].by == "model" and not reader.read("a heron").unreadable
    assert reader.read("zorb").unreadable
    nothing = Placement(model, LEXICON, Threshold(None, 0.0, 0, 100))
    assert nothing.place("heron") == ""


def test_a_threshold_is_of_one_models_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(placements, "BUNDLED", tmp_path)
    weights = ["first"]
    monkeypatch.setattr(placements, "fingerprint", lambda model: weights[-1])
    (tmp_path / "fake").mkdir()
    model, _ = fake(monkeypatch, lambda text: [1.0])
    assert Placement.open(model, LEXICON) is None
    fitted = placements.fit(model, LEXICON)
    assert (
        fitted.threshold.of == sum(r.split == "calibration" for r in ROWS) and fitted.threshold.cosine is None
    )
    fitted.threshold = Threshold(0.8, 0.92, 40, 100)
    file = fitted.save()
    assert Placement.open(model, LEXICON).threshold == fitted.threshold
    assert str(fitted.threshold) == (
        "of 100 calibration words 40 are placed, from a cosine of 0.800 on, 92% of them rightly"
    )
    weights.append("second")
    assert Placement.open(model, LEXICON) is None, "retrained"
    weights.append("first")
    for broken in ("", "[]", "{}", '{"cosine": 1}', "null"):
        file.write_text(broken)
        assert Placement.open(model, LEXICON) is None
