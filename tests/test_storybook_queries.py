from __future__ import annotations

import random
from collections import Counter

import pytest

from diffusionret.datasets.storybook import queries, truth, typing_errors, world
from diffusionret.datasets.storybook.words import held_out_words_in, words

SCENES = [world.draw_scene(random.Random(i)) for i in range(400)]


@pytest.fixture(scope="module")
def written() -> list[tuple[world.Scene, queries.Query]]:
    rng = random.Random(3)
    return [(scene, queries.write(scene, rng)) for scene in SCENES for _ in range(8)]


def test_every_kind_is_written_and_true(written) -> None:
    kinds = Counter(query.kind for _, query in written)
    assert set(kinds) == {*queries.WEIGHTS, "typing error"} and not set(kinds) & set(queries.HELD_OUT_KINDS)
    for scene, query in written:
        assert query.text == " ".join(query.text.split()) and not query.truth.is_empty
        lacks = any(not values for part in (query.truth.says, query.truth.also or ()) for _, values in part)
        assert truth.fits(query, scene) != lacks, query
        if query.kind.startswith("lacking"):
            assert lacks


def test_no_training_text_holds_a_word_that_is_held_out(written) -> None:
    assert not [query for _, query in written if held_out_words_in(query.text)]


def test_nothing_of_the_kinds_that_are_held_out_is_written(written) -> None:
    texts = [query.text for _, query in written if query.kind != "typing error"]
    assert not any(set(text) & set("?!.\"'") - {"'"} for text in texts)
    assert all(text == text.lower() for text in texts)
    comparisons = {"bigger", "biggest", "smaller", "smallest", "larger", "largest", "tinier", "tiniest"}
    spoken = Counter(word for text in texts for word in text.split())
    # "getting bigger" is the grammar's own word for growing, no comparison of two
    alone = [
        text
        for text in texts
        if comparisons & set(text.split())
        and not any(
            f"{verb} {word}" in text
            for verb in ("getting", "gets", "becoming", "becomes", "growing", "grows")
            for word in comparisons
        )
    ]
    assert not alone, (alone[:5], spoken.most_common(1))


def test_what_queries_mean() -> None:
    animals = [scene for scene in SCENES if scene.actor.subject in ("cat", "bee", "fish")]
    kinds = {kind: [queries.write(scene, random.Random(i), kind) for i, scene in enumerate(animals)] for kind in
             ("exclusion", "class word", "two subjects", "number")}  # fmt: skip
    clean = {k: [q for q in v if q.kind == k] for k, v in kinds.items()}
    assert any(q.truth.without for q in clean["exclusion"]) and any(
        len(values) > 2 for q in clean["exclusion"] for _, values in q.truth.says
    )
    assert all(len(dict(q.truth.says)["subject"]) > 1 for q in clean["class word"])
    assert any(q.truth.also for q in clean["two subjects"])
    assert {len(dict(q.truth.says)["subject"]) for q in clean["number"]} == {0, 1}


def test_a_kind_that_a_scene_has_not_is_refused() -> None:
    umbrella = next(s for s in SCENES if s.actor.subject == "umbrella" and s.other is None)
    with pytest.raises(ValueError, match="class word"):
        queries.write(umbrella, random.Random(0), "class word")


def test_the_same_randomness_gives_the_same_query() -> None:
    assert queries.write(SCENES[0], random.Random(5)) == queries.write(SCENES[0], random.Random(5))


def test_typing_errors_make_no_word_of_english() -> None:
    rng = random.Random(0)
    known = typing_errors.english()
    assert "balloon" in known and "yelow" not in known
    for text in ("a yellow balloon", "butterfly on the beach", "spinning turtles"):
        for _ in range(50):
            wrong = typing_errors.mistype(text, rng)
            assert wrong is not None and wrong != text
            changed = [w for w, old in zip(wrong.split(), text.split(), strict=True) if w != old]
            assert len(changed) == 1 and changed[0] not in known and not held_out_words_in(changed[0])


@pytest.mark.parametrize("text", ["a cat", "xyz", "", "!!!"])
def test_short_words_and_words_that_say_nothing_keep_their_letters(text: str) -> None:
    assert typing_errors.mistype(text, random.Random(1)) is None


def test_empty_words_alone_are_no_query() -> None:
    filler = {word.word for word in words(kind="empty")}
    rng = random.Random(9)
    for scene in SCENES[:100]:
        assert not set(queries.write(scene, rng, "single word").text.split()) <= filler
