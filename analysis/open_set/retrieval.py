"""What the head does to the ranking of a whole split."""

from __future__ import annotations

import numpy as np

from diffusionret.evaluate import generate
from diffusionret.fusion import fuse
from diffusionret.metrics import bootstrap_interval, paired_bootstrap, ranks

from .. import measure

DIRECTION = {"t2v": "text to video", "v2t": "video to text"}


def retrieve(test: measure.Test, direction: str, form: str, label: dict) -> list[dict]:
    """R@1 and how often the first fits: by similarity, by the generator alone, fused; gains over the similarity.

    form: of the generator. label: columns that every row begins with.
    """
    scores = (test.similarity if direction == "t2v" else test.similarity.T).contiguous()
    fits = (test.fits if direction == "t2v" else test.fits.T).to(scores.device)
    generator = test.model.choose(form)
    seeds = 1 if generator.readout.has_none else None  # ranking by the head needs no draw
    trajectory = generate(
        test.model, test.text, test.video, scores, direction, seeds=seeds, generator=generator
    )
    fusion = fuse(test.model, test.text, test.video, scores, trajectory)
    ceiling = float((1 / fits.sum(1).clamp(min=1)).mean())
    rules = {"similarity": scores, "alone": fusion.alone(scores), "fused": fusion.added(scores)}
    rows, before = [], ranks(scores)
    fitting = {k: fits.gather(1, s.argmax(1, keepdim=True))[:, 0].cpu().numpy() for k, s in rules.items()}
    for name, matrix in rules.items():
        after = ranks(matrix)
        r1, gain = bootstrap_interval(after, "R1"), paired_bootstrap(before, after, "R1")
        more = paired_bootstrap(
            fitting["similarity"].astype(float),
            fitting[name].astype(float),
            lambda v: 100 * float(np.mean(v)),
        )
        rows.append(
            label | {
                "generator": form, "direction": DIRECTION[direction], "ranked by": name, "R1": r1.estimate,
                "interval": [r1.low, r1.high], "ceiling": 100 * ceiling,
                "gain_over_similarity": gain.estimate, "gain_interval": [gain.low, gain.high],
                "first_fits": 100 * float(fitting[name].mean()), "first_fits_gain": more.estimate,
                "first_fits_interval": [more.low, more.high],
            }
        )  # fmt: skip
    return rows
