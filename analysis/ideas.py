"""The match head and three ideas beside the published sampling, on one set of features.

`python -m analysis.ideas`

The match head of the open-set generator sees every word beside the frame that shows it, not one vector a sentence, and
answers with p(match) of each candidate, in one pass; it needs a training of its own. The ideas need none. Truncated
sampling (as DITS, arXiv 2409.14313, has it): denoising starts not from noise but, part of the way down the schedule,
from what the similarity already believes, because a prior that puts the true clip first most of the time is closer to
the answer than noise is. A calibrated weight: alpha and beta as they do best on validation, because one added to a
similarity in [-1, 1] is an accident of scale. Evidence in logits: similarity x logit scale + alpha x the prediction
before softmax and clamp, because independent evidence multiplies probabilities. What is chosen is chosen on validation
and measured on test.
"""

from __future__ import annotations

import time
from itertools import product

import numpy as np
import torch
from torch import Tensor

from diffusionret.diffusion import Schedule, add_noise, ddim, make_schedule
from diffusionret.evaluate import common_noise
from diffusionret.metrics import paired_bootstrap, ranks

from . import measure

CANDIDATES = 32
STARTS = (1.0, 0.75, 0.5, 0.25, 0.1)  # 1: from pure noise, as published
ALPHAS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 100.0)
BETAS = (1.0, 4.0, 16.0, 64.0)


class Samples:
    """Of one split: the candidates of every query, and what truncated sampling gives from each start."""

    def __init__(self, split: str) -> None:
        self.test = test = measure.load(split=split)
        self.similarity = test.similarity
        self.before = ranks(self.similarity)
        self.chosen = self.similarity.topk(CANDIDATES, dim=1).indices
        self.scale = float(test.model.logit_scale.detach())
        self.found = {start: self._sample(start) for start in STARTS}
        self.probability = None
        if "open-set" in test.model.forms:
            self.probability = test.model.match(
                test.text, test.video, self.chosen, row=self.similarity
            ).probability

    @torch.no_grad()
    def _sample(self, start: float) -> tuple[Tensor, Tensor]:
        """The last state and the last prediction before the clamp, [query candidate] each."""
        test, config = self.test, self.test.model.choose("published").config
        generator = test.model.choose("published")
        network = generator.denoiser("t2v")
        plan = make_schedule(config.schedule, config.steps)
        kept = max(1, round(start * plan.steps))
        plan = Schedule(plan.name, plan.alpha_bar[:kept], plan.timesteps[:kept])
        query, shown = generator.pair_features(test.text, test.video, self.chosen, "t2v")
        x = common_noise(CANDIDATES, 0, len(self.chosen))
        if start < 1:
            prior = (self.scale * self.similarity.gather(1, self.chosen)).softmax(1)
            x = add_noise(prior, x, plan.alpha_bar[-1])
        for step in ddim(lambda x, t: network(x, torch.full((len(x),), t), query, shown), x, plan):
            last = step
        return last.x, last.x0_raw

    def ranked(self, start: float, form: str, alpha: float, beta: float) -> np.ndarray:
        """Ranks [query] of the true clips, by the published sum, by logits, or by the match head."""
        if form == "open-set":
            assert self.probability is not None
            return ranks(self.similarity.scatter_add(1, self.chosen, alpha * self.probability))
        x, raw = self.found[start]
        if form == "logits":
            boost = alpha * beta * (raw - raw.amax(1, keepdim=True)) / self.scale
            # What is no candidate ranks after the candidates, as it would with log 0.
            rest = torch.full_like(self.similarity, -2.0 - alpha * beta * 4 / self.scale)
            return ranks(self.similarity + rest.scatter(1, self.chosen, boost))
        return ranks(self.similarity.scatter_add(1, self.chosen, alpha * (beta * x).softmax(1)))


def best(samples: Samples, starts: tuple[float, ...], form: str) -> tuple[float, str, float, float]:
    """The setting with the highest mean reciprocal rank."""
    betas = {"sum": BETAS, "logits": (100.0,), "open-set": (1.0,)}[form]
    grid = [(s, form, a, b) for s, a, b in product(starts, ALPHAS, betas)]
    return max(grid, key=lambda setting: float((1 / samples.ranked(*setting)).mean()))


def main() -> None:
    started, rows = time.monotonic(), []
    validation, test = Samples("validation"), Samples("test")
    ideas = {f"starts at {s:.0%} of the noise, alpha 1": (s, "sum", 1.0, 1.0) for s in STARTS}
    ideas = {("published" if s[0] == 1.0 else name): s for name, s in ideas.items()}
    ideas["calibrated alpha and beta"] = best(validation, (1.0,), "sum")
    ideas["evidence in logits, calibrated alpha"] = best(validation, (1.0,), "logits")
    ideas["truncated and calibrated"] = best(validation, STARTS, "sum")
    ideas["truncated, evidence in logits"] = best(validation, STARTS, "logits")
    if test.probability is not None:
        ideas["match head, alpha 1"] = (1.0, "open-set", 1.0, 1.0)
        ideas["match head, calibrated alpha"] = best(validation, (1.0,), "open-set")
    for name, setting in ideas.items():
        after = test.ranked(*setting)
        gain = paired_bootstrap(test.before, after, "R1")
        ours = paired_bootstrap(test.ranked(*ideas["published"]), after, "R1")
        rows.append(
            {
                "idea": name, "start": setting[0], "alpha": setting[2], "beta": setting[3],
                "R1": 100 * float((after == 1).mean()), "MRR": float((1 / after).mean()), "gain": gain.estimate,
                "interval": [gain.low, gain.high], "over_published": ours.estimate,
                "over_interval": [ours.low, ours.high],
            }
        )  # fmt: skip
    first, winner = rows[0], max(rows, key=lambda r: r["R1"])
    clear = winner["over_interval"][0] > 0
    last = rows[-1]
    shows = (
        f"Published sampling changes R@1 by {first['gain']:+.1f} [{first['interval'][0]:+.1f}, "
        f"{first['interval'][1]:+.1f}]. The best of the ideas is “{winner['idea']}”: {winner['gain']:+.1f} over the "
        f"similarity and {winner['over_published']:+.1f} [{winner['over_interval'][0]:+.1f}, "
        f"{winner['over_interval'][1]:+.1f}] over the published form, "
        f"{'a clear win' if clear else 'which these queries cannot tell from chance'}."
    )
    if test.probability is not None and winner is not last:
        shows += (
            f" The {last['idea']}, changes it by {last['gain']:+.1f} [{last['interval'][0]:+.1f}, "
            f"{last['interval'][1]:+.1f}]."
        )
    measure.store(
        "ideas", "The match head, truncated sampling, calibrated weights", shows, started, rows,
        R1_before=100 * float((test.before == 1).mean()),
    )  # fmt: skip


if __name__ == "__main__":
    main()
