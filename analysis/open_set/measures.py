"""What open_set.py measures, as pure functions: probabilities that are fitted, how good they are, what seeds visit.

Letters: S seeds, Q queries, K candidates. match: whether a candidate fits its query, float (0, 1).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import binary_cross_entropy

from diffusionret.metrics import Interval, bootstrap_interval, reliability
from diffusionret.trajectory import Trajectory, agreement, seed_variance

Numbers = Float[Tensor, "query candidate"]
RESAMPLES = 300


# --- probabilities by other means -------------------------------------------------------------------------


class Fitted:
    """A map from scores to probabilities with a few numbers, fitted by the log loss on validation."""

    def __init__(self, form: Callable[[Tensor, Tensor], Tensor], start: Sequence[float]) -> None:
        """form(scores [query candidate], numbers) -> probabilities [query candidate]."""
        self.form, self.numbers = form, torch.tensor(start, dtype=torch.double)

    def fit(self, scores: Numbers, match: Numbers) -> Fitted:
        numbers = self.numbers.clone().requires_grad_()
        optimizer = torch.optim.LBFGS([numbers], max_iter=60, line_search_fn="strong_wolfe")

        def closure() -> float:
            optimizer.zero_grad()
            loss = log_loss(self.form(scores.double(), numbers), match)
            loss.backward()
            return loss.item()

        optimizer.step(closure)
        self.numbers = numbers.detach()
        return self

    def __call__(self, scores: Numbers) -> Numbers:
        return self.form(scores.double(), self.numbers)


def softmax_at(scores: Numbers, numbers: Tensor) -> Numbers:
    """softmax(scores * e^n0): one candidate matches for sure."""
    return (scores * numbers[0].exp()).softmax(dim=1)


def softmax_or_none(scores: Numbers, numbers: Tensor) -> Numbers:
    """softmax over scores * e^n0 and, beside them, n1 for "none": at most one candidate matches."""
    none = numbers[1].expand(len(scores), 1)
    return torch.cat([scores * numbers[0].exp(), none], dim=1).softmax(dim=1)[:, :-1]


def logistic(scores: Numbers, numbers: Tensor) -> Numbers:
    """sigmoid(scores * e^n0 + n1): each candidate for itself (Platt 1999)."""
    return (scores * numbers[0].exp() + numbers[1]).sigmoid()


# --- how good probabilities are -----------------------------------------------------------------------------


def log_loss(probability: Tensor, match: Tensor) -> Tensor:
    """Cross entropy in nats a candidate; probabilities count as 0.001 at least, 0.999 at most."""
    return binary_cross_entropy(probability.double().clamp(0.001, 0.999), match.double())


def calibration(probability: Tensor, match: Tensor) -> dict:
    """Expected calibration error of probabilities, [query] or [query candidate], with its interval over queries."""
    claims, truth = probability.double().cpu().numpy(), match.double().cpu().numpy()

    def error(rows: np.ndarray) -> float:
        rows = rows.astype(int)
        return reliability(claims[rows], truth[rows]).error

    interval = bootstrap_interval(np.arange(len(claims)), error, resamples=RESAMPLES)
    return {"calibration_error": interval.estimate, "interval": [interval.low, interval.high]}


def first(probability: Numbers, match: Numbers) -> tuple[Tensor, Tensor]:
    """The probability of the most probable candidate, and whether it matches; [query]."""
    best = probability.max(dim=1)
    return best.values, match.gather(1, best.indices[:, None])[:, 0]


def auroc(present: np.ndarray, absent: np.ndarray) -> float:
    """How often an absent query scores higher than a present one; ties count half."""
    ordered = np.sort(present)
    below = np.searchsorted(ordered, absent, "left") + np.searchsorted(ordered, absent, "right")
    return float(below.mean() / (2 * len(present)))


def auroc_interval(present: np.ndarray, absent: np.ndarray, against: tuple | None = None) -> Interval:
    """Of scores [query] of the same queries with and without their matches. against: the same two of another score,
    whose AUROC is then taken off, query by query the same resample."""

    def of(rows: np.ndarray) -> float:
        rows = rows.astype(int)
        value = auroc(present[rows], absent[rows])
        return value - auroc(against[0][rows], against[1][rows]) if against else value

    return bootstrap_interval(np.arange(len(present)), of, resamples=RESAMPLES)


# --- what the seeds do ----------------------------------------------------------------------------------------


def visits(x0: Float[Tensor, "seed query candidate"]) -> Numbers:
    """How the seeds share themselves out: each spreads one visit evenly over the candidates that it takes to match,
    and a seed that takes none to match makes none. Sums to the share of seeds that visit."""
    bits = (x0 > 0).double()
    return (bits / bits.sum(dim=-1, keepdim=True).clamp(min=1)).mean(dim=0)


def evenness(visit: Numbers, match: Numbers) -> tuple[Tensor, Tensor, Tensor]:
    """[query]: the number m of candidates that match, the entropy (nats) of the visits among them, at most log m, and
    the share of all visits that they get. Queries without visits to a match have entropy 0."""
    among = visit * match
    share = among / among.sum(dim=1, keepdim=True).clamp(min=1e-12)
    entropy = -(share * share.clamp(min=1e-12).log()).sum(dim=1)
    return match.sum(dim=1).long(), entropy, among.sum(dim=1) / visit.sum(dim=1).clamp(min=1e-12)


def same_set(x0: Float[Tensor, "seed query candidate"]) -> Float[Tensor, " query"]:
    """Share of the seeds whose set of matches is the query's most frequent one."""
    bits = (x0 > 0).permute(1, 0, 2)  # [query seed candidate]
    equal = (bits[:, :, None] == bits[:, None]).all(-1)  # [query seed seed]
    return equal.double().mean(-1).amax(-1)


def noise_levels(trajectory: Trajectory) -> list[dict]:
    """Step by step, noisiest first: the share of the variance of x0 that the seeds cause (about each query's mean over
    candidates), the share of seeds whose leader ("none" may lead) is their final winner, and of seeds that lead with
    the query's most frequent leader."""
    x0 = trajectory.predictions
    leaders = trajectory.readout.columns(x0).argmax(-1)
    rows = []
    for prediction, leader, level in zip(x0, leaders, trajectory.alpha_bar.tolist(), strict=True):
        rows.append(
            {
                "noise": 1 - level, "seed_variance": seed_variance(prediction),
                "winner_is_final": float((leader == leaders[-1]).double().mean()),
                "seeds_agree": float(agreement(leader).mean()),
            }
        )  # fmt: skip
    return rows
