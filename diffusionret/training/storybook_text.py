"""The text tower anew, over a frozen table of tokens that know English: captions, and queries as people type them."""

from __future__ import annotations

import random
from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from ..datasets.storybook import captions, clips, lessons, queries, truth, world
from ..datasets.storybook.words import Word, words
from ..encoders import TextFeatures, VideoFeatures
from ..losses import choice_loss, even_share
from ..metrics import retrieval_metrics
from ..model import DiffusionRet
from ..similarity import cls_similarity
from .stage import Validation
from .storybook_features import StorybookFeatures
from .storybook_heads import TextHeads
from .storybook_stages import caption_loss, twin_accuracy

QUERIES = 1500  # of validation
CLIPS = 1024  # of a step's objective of colours: many, because each subject in each colour is rare


class StorybookText:
    """Stage 1 once more for the text tower alone, on frozen features of clips.

    Beside the objectives of captions a batch has as many queries as clips (see queries.py). A query must spread over
    the clips that it is true of, and a clip over the queries that are true of it; one that asks for what the world
    lacks is true of none, and only a wrong answer for the clips. The end token must tell what a query allows, or that
    it lacks. Every subject is asked for in every colour, too, of many clips at once: whose colour is whose in a clip of
    two is learned last, and by little else.
    """

    def __init__(self, features: StorybookFeatures) -> None:
        self.features, self.settings, self.model = features, features.settings, features.model
        self.heads: nn.Module = TextHeads(self.model.config.clip.embed_dim).to(features.device)

    def trained(self) -> list[nn.Module]:
        parts = (self.model.towers, self.model.text_weights, self.model.video_weights)
        return [part for part in parts if part is not None]

    def frozen(self) -> list[nn.Module]:
        return [self.model.towers.visual]

    def loss(self, step: int) -> Tensor:
        """The objectives of captions and, with the weight of the preset, those of queries and of colours."""
        config, device = self.features.config, self.features.device
        batch, written, fit = self.texts(step)
        ids = torch.from_numpy(batch.indices).to(device)
        video = VideoFeatures(*(part[ids] for part in self.features.video))
        total = caption_loss(self.features, self.heads, batch, video, step)
        text = self.features.encode_texts([query.text for query in written])
        fits = torch.from_numpy(fit).to(device)
        assert isinstance(self.heads, TextHeads)
        spread = config.fact_weight * self.heads.loss(text.cls, written)
        pairs, shown, held = self.colours(step)
        for weight, similarity in ((1.0, self.model.similarity), (config.cls_weight, cls_similarity)):
            scale = self.model.logit_scale
            spread = spread + weight * query_loss(scale * similarity(text, video), fits)
            spread = spread + weight * colour_loss(scale * similarity(pairs, shown), held)
        return total + config.query_weight * spread

    def colours(self, step: int) -> tuple[TextFeatures, VideoFeatures, Bool[Tensor, "video subject colour"]]:
        """Every subject in every colour, clips, more of them than the batch has, and which of them show which."""
        rng = random.Random(f"colours {self.features.config.seed} {step}")
        count = len(self.shown_colours)
        ids = torch.tensor(rng.sample(range(count), min(CLIPS, count)), device=self.features.device)
        held = self.shown_colours[ids]
        phrases = self.features.encode_texts(lessons.colour_phrases(rng))
        return phrases, VideoFeatures(*(part[ids] for part in self.features.video)), held

    @cached_property
    def shown_colours(self) -> Bool[Tensor, "video subject colour"]:
        """Which subjects each training clip shows in which colours."""
        return torch.from_numpy(lessons.colour_truth(self.features.data.scenes)).to(self.features.device)

    def texts(self, step: int) -> tuple[clips.Batch, list[queries.Query], np.ndarray]:
        """Clips and captions of a step, a query of each clip, and which is true of which, bool [query clip]: the same
        whenever they are asked for."""
        batch = self.features.batch(step)
        rng = random.Random(f"queries {self.features.config.seed} {step}")
        written = [queries.write(scene, rng) for scene in batch.scenes]
        return batch, written, truth.fit_matrix(written, batch.scenes)

    @torch.no_grad()
    def validate(self, model: DiffusionRet, heads: nn.Module) -> Validation:
        """Percent of the queries and of the words of validation, which training never saw, whose first clip is a true
        one; R@1 of full and natural captions, minimal twins as in stage 1; of the clips with two actors those that fit
        short phrases of both better than with the colours exchanged. The score is the sum of natural captions, twins,
        colours and queries: the words are too few to choose by."""
        text, natural, video = self.features.validation(model)
        scenes = world.split("validation")
        rng = random.Random("validation queries")
        written = [queries.write(rng.choice(scenes), rng) for _ in range(QUERIES)]
        unseen = words(split="validation", kind="says")
        figures = dict(
            full_R1=retrieval_metrics(model.similarity(text, video)).R1,
            natural_R1=retrieval_metrics(model.similarity(natural, video)).R1,
            roles=twin_accuracy(model, video, world.swapped),
            direction=twin_accuracy(model, video, world.opposite),
            colours=100 * float(np.mean(exchanged_colours(colour_similarity(model, video), scenes) > 0)),
            queries=first_true(model, written, video, scenes),
        )
        for name in ("subject", "colour", "place", "motion"):
            phrases = [phrase for word in unseen if name in word.facts for phrase in word_phrases(word)]
            if phrases:
                figures[f"word_{name}"] = first_true(model, phrases, video, scenes)
        return Validation(
            sum(figures[name] for name in ("natural_R1", "roles", "direction", "colours", "queries")), figures
        )


def query_loss(logits: Float[Tensor, "text video"], fits: Bool[Tensor, "text video"]) -> Float[Tensor, ""]:
    """Every text spreads evenly over the videos that it is true of, and, with half the weight, every video over the
    texts; who has none does not count."""
    return choice_loss(logits, even_share(fits)) + choice_loss(logits.T, even_share(fits.T)) / 2


def colour_loss(
    logits: Float[Tensor, "phrase video"], held: Bool[Tensor, "video subject colour"]
) -> Float[Tensor, ""]:
    """Every subject in a colour spreads over the videos that show it, and every video tells which colours each of its
    subjects has, whatever colours the others have.

    logits: of the phrases in the order of `held`.
    """
    fits = held.flatten(1).T
    of_subjects = (
        logits.unflatten(0, held.shape[1:]).permute(2, 0, 1).flatten(0, 1)
    )  # [video of a subject, colour]
    return choice_loss(logits, even_share(fits)) + choice_loss(of_subjects, even_share(held.flatten(0, 1)))


@torch.no_grad()
def colour_similarity(model: DiffusionRet, video: VideoFeatures) -> Float[np.ndarray, "subject colour clip"]:
    """How similar "a red rocket", and every other subject in every colour, is to clips."""
    phrases = [captions.with_article(f"{c} {s}") for s in world.SUBJECTS for c in world.COLOURS]
    similarity = model.similarity(model.encode_text(phrases), video).cpu().numpy()
    return similarity.reshape(len(world.SUBJECTS), len(world.COLOURS), -1)


def exchanged_colours(
    similarity: Float[np.ndarray, "subject colour clip"], scenes: Sequence[world.Scene]
) -> Float[np.ndarray, " pair"]:
    """Of every clip with two actors that differ in subject and colour: how much more similar "a red rocket" and "a blue
    cat" are to it than "a blue rocket" and "a red cat".

    similarity: as `colour_similarity` gives it, of the clips of these scenes. Around 0 where texts only tell that
    something is red, and some rocket there.
    """
    more = []
    for i, scene in enumerate(scenes):
        if scene.other is None:
            continue
        s, t = (world.SUBJECTS.index(actor.subject) for actor in (scene.actor, scene.other))
        c, d = (world.COLOURS.index(actor.colour) for actor in (scene.actor, scene.other))
        if s != t and c != d:
            told = similarity[s, c, i] + similarity[t, d, i]
            more.append(told - similarity[s, d, i] - similarity[t, c, i])
    return np.array(more, similarity.dtype)


def word_phrases(word: Word) -> list[queries.Query]:
    """A word that says something as a query by itself and beside a noun."""
    claim = truth.Truth(truth.allow(word.facts))
    texts = [word.word]
    if "subject" in word.facts:
        texts += [f"a {word.word}", f"show me a {word.word}"]
    elif "colour" in word.facts or "size" in word.facts:
        texts += [f"something {word.word}", f"a {word.word} thing"]
    elif "relation" in word.facts:
        texts = [f"something {word.word} something"]
    elif "motion" in word.facts:
        texts += [f"something {word.word}", f"a thing {word.word}"]
    else:
        texts += [f"something {form}" for form in word.forms[:1]]
    return [queries.Query(text, claim, "word") for text in texts]


def first_true(
    model: DiffusionRet, texts: Sequence[queries.Query], video: VideoFeatures, scenes: Sequence[world.Scene]
) -> float:
    """Percent of the texts that are true of some clip whose most similar clip is one of these."""
    fits = truth.fit_matrix(texts, scenes)
    some = fits.any(axis=1)
    first = (
        model.similarity(model.encode_text([text.text for text in texts]), video).argmax(dim=1).cpu().numpy()
    )
    return 100 * float(np.mean(fits[np.arange(len(texts)), first][some]))
