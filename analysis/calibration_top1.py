"""Is the generator's share of its first candidate worth its name? `python -m analysis.calibration_top1`

The sharp readout softmax(100 x0) and the published softmax(x0) of the winner, against how often it is right: "exact",
the clip that the caption was written for, and "fits", any clip that is as the natural caption says.
"""

from __future__ import annotations

import time

import numpy as np

from . import measure

BINS = 10


def reliability(share: np.ndarray, right: np.ndarray) -> tuple[list[dict], float]:
    """Bins of equal width over [0, 1] that hold a query, and the expected calibration error."""
    which = np.minimum((share * BINS).astype(int), BINS - 1)
    rows, error = [], 0.0
    for b in range(BINS):
        mask = which == b
        if mask.any():
            said, true = float(share[mask].mean()), float(right[mask].mean())
            rows.append({"share": said, "right": true, "count": int(mask.sum())})
            error += mask.mean() * abs(said - true)
    return rows, float(error)


def main() -> None:
    started, rows, errors = time.monotonic(), [], {}
    test = measure.load()
    path = measure.walk(test)
    raw = path.x0_raw[-1]
    winner = path.candidates.gather(1, raw.argmax(1, keepdim=True))
    fits = test.fits.to(winner.device).gather(1, winner)[:, 0].cpu().numpy().astype(float)
    exact = (winner[:, 0].cpu().numpy() == np.arange(len(winner))).astype(float)
    readouts = {"sharp": (100 * raw).softmax(1).amax(1), "published": path.sample.softmax(1).amax(1)}
    for readout, share in readouts.items():
        for name, right in (("exact", exact), ("fits", fits)):
            found, errors[f"{readout}, {name}"] = reliability(share.cpu().numpy(), right)
            rows += [{"readout": readout, "counts_as_right": name, **row} for row in found]
    shows = (
        f"The first candidate of the generator is exactly right for {100 * exact.mean():.1f} % of natural captions "
        f"and fits {100 * fits.mean():.1f} %. The mean share it claims is {float(readouts['sharp'].mean()):.2f} (sharp "
        f"readout) and {float(readouts['published'].mean()):.3f} (published); the expected calibration errors are "
        f"{errors['sharp, exact']:.2f} and {errors['published, exact']:.2f}, 0 being a probability of being right."
    )
    measure.store(
        "calibration_top1", "Is the first candidate's share calibrated?", shows, started, rows,
        expected_calibration_error=errors,
    )  # fmt: skip


if __name__ == "__main__":
    main()
