"""Everything that is measured of a model on a look of the world."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from diffusionret import DiffusionRet
from diffusionret.encoders import VideoFeatures
from diffusionret.metrics import Interval
from diffusionret.model import DIRECTIONS
from diffusionret.ood.scores import Reference
from diffusionret.ood.verdict import MatchOdds

from .. import measure
from .answers import Answers, answer
from .evidence import Evidence
from .pairs import colours, minimal_pairs
from .probabilities import OTHERS, SHARE, bins, none_error, probabilities
from .questions import KINDS, Questions, ask_about
from .retrieval import DIRECTION, retrieve
from .selection import cuts, selection
from .spread import spread
from .targets import Target, figure
from .transfer import CAPTIONS, transfer

LOOKS = {"storybook": "test", "sketchbook": "second look"}


class Shown(NamedTuple):
    """A model and what its numbers are shown by."""

    model: DiffusionRet
    reference: Reference
    odds: MatchOdds

    def answers(self, questions: Questions, video: VideoFeatures, share: float, seed: str) -> Answers:
        """See `answers.answer`."""
        return answer(self.model, self.reference, questions, video, share, seed)


class Rivals(NamedTuple):
    """What was fitted on validation for one kind of question."""

    evidence: Evidence
    cuts: dict[str, float]

    @classmethod
    def fit(cls, shown: Shown, scenes: tuple, video: VideoFeatures, kind: str, times: int) -> Rivals:
        """scenes, video: of validation. times: questions of each clip."""
        questions = ask_about(scenes, kind, "storybook", "validation", times)
        answers = shown.answers(questions, video, SHARE, f"validation {kind}")
        evidence = Evidence(answers)
        return cls(evidence, cuts(answers, shown.odds, evidence))


def measurements(
    shown: Shown, rivals: dict[str, Rivals], natural: measure.Test, full: measure.Test, look: str, times: int
) -> dict[str, list]:
    """figures: the table of what is wanted and reached. rows: reliability, bin by bin. retrieval: rankings.
    several_that_fit: how even draws are, by how many fit.

    rivals: by kind of question. natural, full: the captions of the look's test split. times: questions of each clip.
    """
    tables: dict[str, list] = {"figures": [], "rows": [], "retrieval": [], "several_that_fit": []}
    scenes, video = natural.scenes, natural.video
    for kind in KINDS if look == "storybook" else KINDS[:1]:
        labels = {"look": LOOKS[look], "questions": kind}
        questions = ask_about(scenes, kind, look, "test", times)
        answers = shown.answers(questions, video, SHARE, f"{look} {kind}")
        tables["figures"] += probabilities(answers, shown.odds, rivals[kind].evidence, **labels)
        for share in OTHERS:
            others = shown.answers(questions, video, share, f"{look} {kind} {share}")
            tables["figures"].append(none_error(others, shown.odds, share, **labels))
        tables["figures"] += selection(answers, shown.odds, *rivals[kind], **labels)
        found, numbers = spread(shown.model, answers, shown.odds, **labels)
        tables["figures"] += found
        tables["several_that_fit"] += numbers
        if (look, kind) == ("storybook", KINDS[0]):
            tables["rows"] = bins(answers, shown.odds, rivals[kind].evidence)
        if look != "storybook":
            tables["figures"] += transfers(shown, questions, answers, video, labels)
    for captions, test in (("natural", natural), ("full", full)):
        label = {"look": LOOKS[look], "captions": captions}
        for form in shown.model.forms:
            for direction in DIRECTIONS:
                tables["retrieval"] += retrieve(test._replace(model=shown.model), direction, form, label)
    tables["figures"] += changes(tables["retrieval"])
    tables["figures"] += minimal_pairs(shown.model, look, LOOKS[look])
    tables["figures"].append(colours(shown.model, scenes, video, LOOKS[look]))
    return tables


def transfers(
    shown: Shown, questions: Questions, answers: Answers, video: VideoFeatures, labels: dict[str, str]
) -> list[dict]:
    """See `transfer`: the clips of the few captions are left out of what is measured. labels: columns of every row."""
    clips = np.unique(questions.clip)[:: max(len(np.unique(questions.clip)) // CAPTIONS, 1)][:CAPTIONS]
    one_each = np.array([np.flatnonzero(questions.clip == clip)[0] for clip in clips])
    one_each = one_each[questions.fits[one_each].any(dim=1).numpy()]
    few = questions.some(one_each)
    both = tuple(shown.answers(few, video, share, "few captions") for share in (0.0, 1.0))
    rest = answers.some(np.flatnonzero(~np.isin(answers.clip, clips)))
    return transfer((both[0], both[1]), rest, shown.odds, **labels)


def changes(retrieval: list[dict]) -> list[dict]:
    """What the head and the published generator do to R@1 of text to video, in points."""
    rows = []
    for row in retrieval:
        if row["ranked by"] == "fused" and row["direction"] == DIRECTION["t2v"]:
            gain = Interval(row["gain_over_similarity"], *row["gain_interval"])
            wanted = Target(ahead=-0.5 if row["generator"] == "open-set" else -2.0)
            rows.append(
                figure(f"R@1 with the {row['generator']} generator, change", gain, wanted,
                       look=row["look"], questions=f"{row['captions']} captions")
            )  # fmt: skip
    return rows
