"""What similarity alone can say: probabilities made of it, fitted on validation."""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from torch import Tensor

from diffusionret.ood.verdict import EVIDENCE, MatchOdds, fit

from .answers import Answers

WIDTH, EPOCHS = 32, 30  # of the small network


class Evidence:
    """The rivals of the head: a logistic and a small network on what similarity tells of each candidate beside the rest
    of its gallery, a logistic of p(no match) on the scores of a query, and the constants of validation."""

    def __init__(self, answers: Answers) -> None:
        """answers: to the questions of validation, a share of them without a match."""
        x, y = _numbers(answers.evidence), answers.match.flatten().numpy()
        self.constant = float(y.mean())
        self.constant_none = float(answers.empty.double().mean())
        self.logistic = make_pipeline(StandardScaler(), LogisticRegression(max_iter=500)).fit(x, y)
        network = MLPClassifier((WIDTH,), early_stopping=True, max_iter=EPOCHS, random_state=0)
        with warnings.catch_warnings():  # EPOCHS are enough, whether it would still move or not
            warnings.simplefilter("ignore", ConvergenceWarning)
            self.network = make_pipeline(StandardScaler(), network).fit(x, y)
        self.none: MatchOdds = fit(answers.scores, answers.empty.numpy(), EVIDENCE)

    def candidates(self, answers: Answers) -> dict[str, Tensor]:
        """p(match) of each candidate by every rival, [query candidate]."""
        x, shape = _numbers(answers.evidence), answers.match.shape
        found = {
            name: torch.from_numpy(rival.predict_proba(x)[:, 1].reshape(shape))
            for name, rival in (("logistic", self.logistic), ("small network", self.network))
        }
        return found | {"constant": torch.full(shape, self.constant, dtype=torch.float64)}

    def nones(self, answers: Answers, absent: float) -> dict[str, Tensor]:
        """p(no match) by every rival, [query]."""
        constant = torch.full((len(answers.empty),), absent, dtype=torch.float64)
        return {"logistic": self.none.none(answers.scores, absent), "constant": constant}


def _numbers(evidence: Tensor) -> np.ndarray:
    return evidence.flatten(0, 1).double().numpy()
