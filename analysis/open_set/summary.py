"""The figures of a model in short, and in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

COMPARED = {
    "p(match) of the first, calibration error": "first, calibration error",
    "p(no match), 30% without a match, calibration error": "no match, calibration error",
    "log loss less than of the small network": "log loss ahead of the small network",
    "F1 more than by the logistic": "F1 ahead",
    "several fit: entropy of the draws that fit over log m": "entropy over log m",
    "noise share by that of a sampler that knows the facts": "noise share ratio",
}


def pick(figures: Sequence[dict], name: str, look: str = "test", questions: str = "captions") -> dict | None:
    """The row of a figure; None where it was not measured."""
    wanted = (look, questions, name)
    return next((row for row in figures if (row["look"], row["questions"], row["figure"]) == wanted), None)


def summary(figures: Sequence[dict]) -> dict:
    """The figures of a model that are compared between training seeds, all of captions of the test split."""
    found = {short: pick(figures, name) for name, short in COMPARED.items()}
    return {short: row["value"] for short, row in found.items() if row}


def sentence(figures: Sequence[dict], seeds: Sequence[dict]) -> str:
    """What the figures say."""

    def said(name: str, look: str = "test", questions: str = "captions") -> str:
        row = pick(figures, name, look, questions)
        if row is None:
            return "not measured"
        low, high = row["interval"]
        return f"{row['value']:.3f} [{low:.3f}, {high:.3f}]"

    first, none = list(COMPARED)[:2]
    missed = [row for row in figures if row["met"] == "missed"]
    text = (
        f"p(match) of the first candidate is off by {said(first)}, p(no match) by {said(none)} (queries as people type "
        f"them: {said(first, questions='typed')} and {said(none, questions='typed')}; second look of the world: "
        f"{said(none, 'second look')}). Its log loss is {said('log loss less than of the small network')} below that "
        f"of a small network on similarity alone. Where several clips fit, the draws have "
        f"{said('several fit: entropy of the draws that fit over log m')} of the entropy of an even choice; the noise "
        f"decides {said('noise share by that of a sampler that knows the facts')} times what the queries leave open. "
        f"{len(missed)} of {sum(bool(row['met']) for row in figures)} targets are missed."
    )
    if len(seeds) > 1:
        errors = [seed[COMPARED[none]] for seed in seeds if COMPARED[none] in seed]
        text += (
            f" Over {len(seeds)} training seeds p(no match) is off by {min(errors):.3f} to {max(errors):.3f}."
        )
    return text
