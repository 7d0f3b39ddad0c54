"""What a query wants more and less of: read off its words, weighed, and made one."""

from __future__ import annotations

import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from tiny import BOTH, features, tiny_model

from diffusionret.combination import SIMILARITY_WEIGHT, Parts, ask, judgement, share_left
from diffusionret.composition import MOST_PARTS, MOST_WEIGHT, Composition, Part, compose
from diffusionret.encoders import TextFeatures
from diffusionret.gallery import Gallery
from diffusionret.generators.match import match_of
from diffusionret.generators.openset import Answers
from diffusionret.lexicon import Lexicon
from diffusionret.model import DiffusionRet
from diffusionret.query import words
from diffusionret.reading import ONLY_LESS, Reader
from diffusionret.retrieval import Retriever

NAMES = frozenset(
    ["dog", "cat", "cats", "boat", "night", "rain", "snow", "beach", "red", "sea", "robots", "field"]
)


def says(text: str) -> bool:
    return bool(NAMES & set(text.lower().split()))


@pytest.mark.parametrize(
    ("text", "base", "less"),
    [
        ("a dog but not on the beach", "a dog", ["on the beach"]),
        ("A DOG, NOT ON THE BEACH!", "A DOG", ["ON THE BEACH"]),
        ("a dog that isn't red", "a dog", ["red"]),
        ("a dog that isn’t red", "a dog", ["red"]),
        ("a dog which is not red", "a dog", ["red"]),
        ("non-red dog", "dog", ["red"]),
        ("dog -red", "dog", ["red"]),
        ("dog -beach at night", "dog, at night", ["beach"]),
        ("boat minus rain", "boat", ["rain"]),
        ("a dog without a cat", "a dog", ["a cat"]),
        ("a dog with no cat", "a dog", ["cat"]),
        ("dogs and cats anywhere except at sea", "dogs and cats anywhere", ["at sea"]),
        ("a boat anywhere but on the beach", "a boat anywhere", ["on the beach"]),
        ("I don't want the red dog, find me a cat", "find me a cat", ["the red dog"]),
        ("a dog, no rain, no snow", "a dog", ["rain", "snow"]),
        ("a dog without rain or snow", "a dog", ["rain or snow"]),
        ("not the cat, the dog", "the dog", ["the cat"]),
        ("boat (not at night)", "boat", ["at night"]),
    ],
)
def test_what_is_left_out_is_read_off_the_words(text, base, less):
    found = compose(text, says)
    assert [part.text for part in found.parts] == less and all(part.weight == -1 for part in found.parts)
    assert found.text == base


@pytest.mark.parametrize(
    "text",
    ["isn't there a dog", "why can't I find the dog", "I don't mind a dog", "not sure, perhaps a dog", "a dog - a cat",
     "nothing but dogs and a cat", "no problem, a dog", "a dog not far", "can not find the dog",
     "I know nothing but the dog",
     "a dog but a red one", "a knot and a note", "no", "not", "-", "a dog, no", "no idea what the dog is"],
)  # fmt: skip
def test_what_only_sounds_like_it_is_left_alone(text):
    assert compose(text, says) == Composition(text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a boat, less: night", Composition("a boat", (Part("night", -1.0),))),
        ("a boat, more 2: rain, less .5: night", Composition("a boat", (Part("rain", 2.0), Part("night", -0.5)))),
        ("a boat more: rain", Composition("a boat", (Part("rain", 1.0),))),
        ("a boat; LESS: night", Composition("a boat", (Part("night", -1.0),))),
        ("less: night", Composition("", (Part("night", -1.0),))),
        ("a boat, less 999: night", Composition("a boat", (Part("night", -MOST_WEIGHT),))),
        ("a boat, less 0: night", Composition("a boat, less 0: night")),
        ("more: boat", Composition("boat")),
        ("a boat (less: night) less: snow and more: rain",
         Composition("a boat", (Part("night", -1.0), Part("snow", -1.0), Part("rain", 1.0)))),
        ("boat 12:30 more 12:30", Composition("boat 12:30 more 12:30")),
        ("a boat, less: zzz", Composition("a boat, less: zzz")),
    ],
)  # fmt: skip
def test_more_and_less_have_weights(text, found):
    assert compose(text, says, exact=True) == found
    assert compose(str(found), says, exact=True) == found, "read back as it was written"


def test_exactly_means_that_not_is_left_to_the_model():
    assert compose("a dog not on the beach", says, exact=True) == Composition("a dog not on the beach")


def test_parts_have_a_limit():
    assert len(compose("a dog, " + "no cat, " * 40, says).parts) == MOST_PARTS


SIGNS = sorted(words("not no but without - , . isn't non more: less 2: except a ’ the"))


@given(st.text(max_size=120) | st.lists(st.sampled_from(SIGNS + sorted(NAMES)), max_size=25).map(" ".join))
@example("BU MORE:BU:MORE::")
@example("BU MORE:BU:MORE:0:")
@settings(max_examples=120, deadline=None)
def test_any_text_is_composed_and_read_back(text):
    found = compose(text, says)
    assert found.parts or found.text == text or "more" in text.lower()
    for part in found.parts:
        assert says(part.text) and 0 < abs(part.weight) <= MOST_WEIGHT
    reading = Reader(Lexicon.bundled()).read(text)
    again = Reader(Lexicon.bundled()).read(reading.query, exact=True)
    if not reading.refusal:
        assert (again.searched, again.parts, again.members) == (
            reading.searched,
            reading.parts,
            reading.members,
        )


# --- readings -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def reader() -> Reader:
    return Reader(Lexicon.bundled())


@pytest.mark.parametrize(
    ("text", "query", "remark"),
    [
        ("a pigeon but not a red one", "a bird, less: a red one", "Searched for “a bird”, less “a red one”."),
        ("not a red dog", "a dog, less: red", "Searched for “a dog”, less “red”."),
        ("a dog, less 2: pigeons", "a dog, less 2: birds", "Searched for “a dog”, less 2 times “birds”."),
        ("um hi, i was wondering whether you have, like, a red dog on the beach, thanks so much",
         "a red dog on the beach", "Searched for “a red dog on the beach”."),
        ("the kids won't stop nagging me, they want the video they always watch, you know, with the fish",
         "the fish", "Searched for “the fish”."),
        ("i'm not sure what it was called but there was a zorb on the beach, i think, or so they said",
         "a zorb on the beach", "Searched for “a zorb on the beach”."),
    ],
)  # fmt: skip
def test_what_is_searched_is_said(reader, text, query, remark):
    reading = reader.read(text)
    assert reading.query == query and reading.remarks[0].text == remark
    assert reader.read(query, exact=True).query == query
    assert reader.read(text, exact=True).searched == (text if "less" not in text else "a dog")


@pytest.mark.parametrize(
    "text",
    ["quarterly revenue grew by four percent", "the tall lawyer of the other party rises in the third court"],
)
def test_where_nobody_speaks_there_is_no_chatter(reader, text):
    assert reader.read(text).searched == text


def test_what_is_left_to_the_model_is_said_to_be_read_past(reader):
    for text, exact, word in (
        ("a dog not on the beach", True, "not"),
        ("a dog without a zorb", False, "without"),
    ):
        reading = reader.read(text, exact)
        assert reading.unheard == word and f"ignores “{word}”" in reading.remarks[-1].text
    assert not reader.read("a dog not on the beach").unheard and not reader.read("isn't there a dog").unheard


def test_who_only_leaves_out_is_asked_what_should_be_there(reader):
    for text in ("not a cat", "no snow", "less: night", "everything but dogs"):
        reading = reader.read(text)
        assert reading.refusal == ONLY_LESS and [r.text for r in reading.remarks] == [ONLY_LESS], text
    assert Reader(None).read("not a horse").refusal == ONLY_LESS


def test_a_model_of_no_world_leaves_out_too():
    reading = Reader(None).read("a horse but not on the street")
    assert (reading.searched, [part.text for part in reading.parts]) == ("a horse", ["on the street"])
    assert Reader(None).read("a horse but not on the street", exact=True).parts == ()


@pytest.mark.parametrize(
    ("text", "members"),
    [("a red dog and a small cat", ("red dog", "small cat")), ("a dog", ()), ("a dog or a cat", ()),
     ("a dog chasing something red", ("dog", "something red", "something chasing something")),
     ("neither a dog nor a cat, a bird", ()), ("dog cat boat bird", ("dog", "cat", "boat"))],
)  # fmt: skip
def test_members_that_must_be_there_together(reader, text, members):
    assert reader.read(text).members == reader.read(text, exact=True).members == members


# --- numbers --------------------------------------------------------------------------------------------


def parts_of(of: list[int], weights: list[float], said: list[bool]) -> Parts:
    nothing = TextFeatures(torch.zeros(len(of), 1), torch.zeros(len(of), 1, 1), torch.zeros(len(of), 1))
    return Parts(nothing, torch.tensor(of), torch.tensor(weights), torch.tensor(said))


def test_the_share_left_is_a_product():
    odds = torch.randn(4, 5, generator=torch.Generator().manual_seed(0)) * 3
    parts = parts_of([0, 2, 2, 0], [-1.0, 1.0, -0.5, 2.0], [True, True, True, False])
    found = share_left(odds, parts, parts.said, 3)
    p = odds.double().sigmoid()
    expected = torch.stack([1 - p[0], torch.ones(5).double(), p[1] * (1 - p[2]).sqrt()])
    assert torch.allclose(found, expected)
    assert torch.allclose(share_left(odds, parts, ~parts.said, 3)[0], p[3] ** 2)


def test_what_is_judged_agrees_with_itself():
    generator = torch.Generator().manual_seed(1)
    answers = Answers(
        *(torch.randn(3, 6, generator=generator) for _ in range(2)), torch.randn(3, generator=generator)
    )
    odds = torch.randn(3, 6, generator=generator)
    parts = parts_of([0, 0, 1], [-1.0, 1.0, 1.0], [True, True, False])
    judged = judgement(answers, parts, odds)
    assert torch.allclose(judged.answers.match[2], answers.match[2], atol=1e-4), (
        "without parts nothing changes"
    )
    assert (judged.members[2], judged.parts[2]) == (0, 0) == (judged.members[0], judged.parts[1])
    assert judged.parts[0] < 0 and judged.members[1] < 0
    left = answers.match[0].sigmoid() * (1 - odds[0].sigmoid()) * odds[1].sigmoid()
    assert torch.allclose(judged.answers.match[0].sigmoid(), left, atol=1e-6)
    assert judged.parts[0].exp() == pytest.approx(
        float(left.max() / answers.match[0].sigmoid().max()), rel=1e-5
    )
    none = torch.tensor([0.2, 0.5, 0.9])
    match = match_of(none, judged.answers.match, judged.answers.none, judged.answers.choice)
    assert (match.probability.amax(dim=1) <= 1 - none + 1e-6).all()
    meant = (1 - none)[:, None] * judged.answers.choice.softmax(dim=1)
    assert (match.probability >= meant - 1e-6).all()
    assert (
        judged.answers.choice[0].argmax()
        == (answers.choice[0] + (left / answers.match[0].sigmoid()).log()).argmax()
    )


def retriever(model: DiffusionRet) -> Retriever:
    return Retriever(model, Gallery.in_memory(features(1, 24, seed=3)[1]))


def test_a_search_multiplies_what_its_parts_leave():
    found = retriever(tiny_model(2, BOTH))
    base, part = found.search("a dog", k=24), found.search("night", k=24)
    both = found.search("a dog, less: night", k=24)
    assert base.query == "a dog" and both.query == "a dog, less: night" and part.hits
    assert both.no_match is None or both.no_match >= base.no_match - 1e-9
    assert found.search("a dog, more: night", k=24).hits != both.hits
    again = found.search(both.query, k=24, exact=True)
    assert [hit.id for hit in again.hits] == [hit.id for hit in both.hits]
    settings = both.settings
    drawn = found.denoise(
        [both.query], both.trajectory.candidates, settings.steps, settings.seed, settings.seeds
    )
    assert torch.allclose(drawn.x0, both.trajectory.x0, atol=1e-3)


def test_similarity_is_added_and_subtracted_where_there_is_no_match_head():
    model = tiny_model(2)
    model.openset, model.config = None, model.config
    found = retriever(model)
    base = {hit.id: hit.similarity for hit in found.search("a dog", k=24).hits}
    part = {hit.id: hit.similarity for hit in found.search("night", k=24).hits}
    plain = {hit.id: hit.boost for hit in found.search("a dog", k=24).hits}
    for hit in found.search("a dog, less 2: night", k=24).hits:
        assert hit.similarity == pytest.approx(base[hit.id], abs=1e-6)
        assert hit.boost == pytest.approx(plain[hit.id] - 2 * SIMILARITY_WEIGHT * part[hit.id], abs=1e-4)


def test_texts_and_parts_are_encoded_together():
    model = tiny_model(2, BOTH)
    reader = Reader(None)
    asked = ask(model, [reader.read("a dog"), reader.read("a boat, less: night"), reader.read("a cat")])
    assert asked.parts is not None and asked.parts.of.tolist() == [1] and asked.parts.weights.tolist() == [-1]
    alone = model.encode_text(["night"])
    assert torch.allclose(asked.parts.text.cls, alone.cls, atol=1e-5)
    assert ask(model, [reader.read("a dog")]).parts is None
