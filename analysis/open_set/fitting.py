"""Probabilities by other means: maps from scores to probabilities, fitted on validation."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from .quality import Numbers, log_loss


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
