"""What training asks of clips: labels of single frames, and phrases about who acts."""

import itertools
import random

import numpy as np
import pytest

from diffusionret.datasets.storybook import lessons, world
from diffusionret.datasets.storybook.captions import vocabulary
from diffusionret.datasets.storybook.labels import NUMBERS, frame_labels
from diffusionret.lexicon import Lexicon
from diffusionret.query import words_of

WORDINGS = {s: vocabulary("storybook")["subject", s] for s in world.SUBJECTS}
PAIRS = [scene for scene in world.split("validation") if scene.other]


def test_labels_say_who_acts_and_where_the_other_one_is():
    chases = [scene for scene in PAIRS if scene.relation == "chases"]
    labels = frame_labels(chases, [0.5] * len(chases))
    for scene, present, acts, stance in zip(chases, labels.present, labels.acts, labels.stance, strict=True):
        hunter, prey = (world.SUBJECTS.index(a.subject) for a in (scene.actor, scene.other))
        assert acts.nonzero()[0].tolist() == [hunter] and set(present.nonzero()[0]) == {hunter, prey}
        ahead = stance[:, NUMBERS.index("other x")]
        assert ahead[hunter] == -ahead[prey] and (ahead[hunter] > 0) == (scene.direction == "right")
    alone = [scene for scene in world.split("validation") if not scene.other][:20]
    labels = frame_labels(alone, [0.5] * 20)
    assert not labels.acts.any() and not labels.stance[..., -2:].any() and (labels.present.sum(1) == 1).all()


@pytest.mark.parametrize("relation", world.RELATIONS)
def test_role_phrases_put_every_subject_in_both_parts(relation):
    count = len(world.SUBJECTS)
    for seed in range(20):
        phrases = lessons.role_phrases(relation, random.Random(seed))
        assert len(phrases) == 2 * count
        for i, phrase in enumerate(phrases):
            # "something" comes first where the subject is acted upon, or acts in the passive.
            assert phrase.count("something") == 1
            named = WORDINGS[world.SUBJECTS[i % count]]
            assert any(f" {noun} " in f" {phrase} " for noun in named), phrase
            assert (phrase.startswith("something") == (" by " in phrase)) == (i < count), phrase


def test_role_phrases_hold_for_the_one_that_acts_and_for_the_other():
    actors, others = lessons.role_truth("pushes", PAIRS)
    for scene, acts, other in zip(PAIRS, actors, others, strict=True):
        expected = scene.relation == "pushes"
        assert acts.sum() == other.sum() == expected
        if expected:
            assert world.SUBJECTS[int(acts.argmax())] == scene.actor.subject
            assert world.SUBJECTS[int(other.argmax())] == scene.other.subject


def test_phrases_and_their_truth_stand_in_one_order():
    phrases = lessons.phrases(random.Random(0))
    assert len(phrases) == sum(len(values) for values in lessons.GROUPS.values())
    shares = lessons.truth(PAIRS[:50])
    assert list(shares) == list(lessons.GROUPS)
    for name, share in shares.items():
        assert share.shape == (50, len(lessons.GROUPS[name])) and set(share.sum(1).round(6)) <= {0.0, 1.0}
    assert np.all(shares["deed"].sum(1) == 1)


def test_colour_phrases_are_true_of_the_clips_that_show_a_subject_in_its_colour():
    phrases = lessons.colour_phrases(random.Random(0))
    held = lessons.colour_truth(PAIRS[:60])
    texts = [
        (subject, colour, phrase)
        for (subject, colour), phrase in zip(
            itertools.product(world.SUBJECTS, world.COLOURS), phrases, strict=True
        )
    ]
    rows = Lexicon.bundled()
    for subject, colour, phrase in texts:
        facts = [row.facts for term in rows.parse(words_of(phrase)) if (row := rows.row(term.word))]
        said = {name: values for each in facts for name, values in each.items()}
        assert said == {"subject": frozenset({subject}), "colour": frozenset({colour})}, phrase
    for scene, shown in zip(PAIRS, held, strict=False):
        actors = {(actor.subject, actor.colour) for actor in (scene.actor, scene.other)}
        assert {(s, c) for (s, c, _), true in zip(texts, shown.ravel(), strict=True) if true} == actors


def test_a_wrong_caption_differs_in_one_fact_or_in_the_roles():
    rng, kinds = random.Random(0), set()
    for scene in PAIRS[:200]:
        facts = world.said(scene)
        wrong = lessons.wrong(facts, rng)
        changed = {name for name in facts.keys() | wrong.keys() if facts.get(name) != wrong.get(name)}
        if len(changed) == 1:
            kinds.add(changed.pop())
        else:
            assert changed <= {"subject", "colour", "other_subject", "other_colour"}
            assert wrong["subject"] == facts["other_subject"] and wrong["other_subject"] == facts["subject"]
            kinds.add("roles")
    assert {"roles", "direction", "subject"} <= kinds
