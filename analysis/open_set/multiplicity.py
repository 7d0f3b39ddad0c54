"""Several clips that fit: how the seeds share themselves out among them."""

from __future__ import annotations

from .answers import CANDIDATES, Answers
from .ensemble import evenness, same_set, visits
from .worlds import LOOKS


def multiplicity(answers: Answers, look: str) -> list[dict]:
    """By the number m of candidates that fit: how evenly the seeds visit them, and how far the seeds agree."""
    x0 = answers.trajectory.x0[-1]
    m, entropy, mass = evenness(visits(x0), answers.match.to(x0.device))
    agree = same_set(x0)
    rows = []
    for low, high in ((1, 1), (2, 2), (3, 3), (4, 5), (6, 10), (11, CANDIDATES)):
        chosen = (m >= low) & (m <= high)
        if int(chosen.sum()) >= 5:
            most = m[chosen].double().log()
            rows.append(
                {
                    "look": LOOKS[look], "clips that fit": str(low) if low == high else f"{low} to {high}",
                    "queries": int(chosen.sum()), "entropy": float(entropy[chosen].mean()),
                    "log_m": float(most.mean()), "visits_that_fit": float(mass[chosen].mean()),
                    "seeds_agree": float(agree[chosen].mean()),
                }
            )  # fmt: skip
    return rows
