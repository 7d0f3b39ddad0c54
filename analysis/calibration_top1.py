"""Is the generator's share of its first candidate worth its name? `python -m analysis.calibration_top1`

The sharp readout softmax(100 x0) and the published softmax(x0) of the winner, and p(match) of the match
head where the model has one, against how often the winner is right: "exact", the clip that the caption was
written for, and "fits", any clip that is as the natural caption says.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from torch import Tensor

from diffusionret.metrics import reliability
from diffusionret.readout import ONE_WINNER, published_shares

from . import measure


def readouts(test: measure.Test) -> dict[str, tuple[Tensor, Tensor]]:
    """Of every readout the winning clip and what it claims, [query] each."""
    path = measure.trajectory(test, form="published")
    raw = path.x0_raw[-1]
    place = raw.argmax(1, keepdim=True)
    winner = path.candidates.gather(1, place)[:, 0]
    found = {
        "sharp": (winner, ONE_WINNER.shares(raw).amax(1)),
        "published": (winner, published_shares(path.sample).amax(1)),
    }
    if "open-set" in test.model.forms:
        match = test.model.match(test.text, test.video, path.candidates, row=test.similarity)
        claim, place = match.probability.max(1, keepdim=True)
        found["open-set"] = path.candidates.gather(1, place)[:, 0], claim[:, 0]
    return found


def main() -> None:
    started, rows, errors, claims, hits = time.monotonic(), [], {}, {}, {}
    test = measure.load()
    for readout, (winner, claim) in readouts(test).items():
        claims[readout] = float(claim.mean())
        fits = test.fits.to(winner.device).gather(1, winner[:, None])[:, 0]
        exact = winner == torch.arange(len(winner), device=winner.device)
        for name, right in (("exact", exact), ("fits", fits)):
            bins = reliability(claim, right)
            errors[f"{readout}, {name}"] = bins.error
            hits[f"{readout}, {name}"] = 100 * float(right.float().mean())
            rows += [
                {"readout": readout, "counts_as_right": name, "share": said, "right": true, "count": count}
                for said, true, count in zip(*map(np.ndarray.tolist, bins[:3]), strict=True)
            ]
    shows = (
        f"The first candidate of the published generator is exactly right for {hits['sharp, exact']:.1f} % of natural "
        f"captions and fits {hits['sharp, fits']:.1f} %. The mean share it claims is {claims['sharp']:.2f} (sharp "
        f"readout) and {claims['published']:.3f} (published); the expected calibration errors are "
        f"{errors['sharp, fits']:.2f} and {errors['published, fits']:.2f}, 0 being a probability of fitting."
    )
    if "open-set" in claims:
        shows += (
            f" The match head's first candidate fits {hits['open-set, fits']:.1f} %, it says "
            f"{claims['open-set']:.2f}, and its calibration error is {errors['open-set, fits']:.2f}."
        )
    measure.store(
        "calibration_top1", "Is the first candidate's share calibrated?", shows, started, rows,
        expected_calibration_error=errors,
    )  # fmt: skip


if __name__ == "__main__":
    main()
