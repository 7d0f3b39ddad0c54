"""Do the samples of the open-set generator mean what they say? `python -m analysis.open_set [--models DIR ...]`

Calibration, retrieval, several clips that fit, queries without a match, and what the noise decides, beside the
similarity, probabilities fitted to it, and the published generator. On the test split and on the second look of the
world; what is fitted, is fitted on validation. --models: the models to measure, the first in full, the others, trained
from other seeds on the same features, for how far their figures lie apart.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from diffusionret import DiffusionRet
from diffusionret.checkpoint import load_model
from diffusionret.evaluate import common_noise, generator_only
from diffusionret.gallery import fingerprint
from diffusionret.metrics import bootstrap_interval, paired_bootstrap, ranks, reliability
from diffusionret.model import DIRECTIONS
from diffusionret.ood import dissimilarity, energy, lack_of_margin
from diffusionret.readout import ONE_WINNER
from diffusionret.trajectory import Trajectory

from . import measure
from .open_set_measures import (
    Fitted,
    auroc_interval,
    calibration,
    evenness,
    first,
    log_loss,
    logistic,
    noise_levels,
    same_set,
    softmax_at,
    softmax_or_none,
    visits,
)

CANDIDATES, SEEDS = 32, 16
STEPS = (1, 2, 4, 8, 10, 20, 50)
ABSENT = 3  # of ten queries ask for what is not there, where calibration is measured
FEWER = 200  # queries of the sweep over steps
LOOKS = {"storybook": "test", "sketchbook": "second look"}
DRAWN = ("open-set", "softmax", "logistic", "published")  # in the picture of reliability
KINDS = ("candidate", "first candidate", "no match")
DIRECTION = {"t2v": "text to video", "v2t": "video to text"}


class Asked(NamedTuple):
    """Queries with their candidates. scores [query gallery]; similarity, match [query candidate]."""

    scores: Tensor
    walk: Trajectory
    similarity: Tensor
    match: Tensor

    def some(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Probability, similarity and match of some queries."""
        return self.walk.probability[rows], self.similarity[rows], self.match[rows]


def ask(
    test: measure.Test,
    direction: str = "t2v",
    form: str = "open-set",
    absent: bool = False,
    steps: int | None = None,
    seeds: int = SEEDS,
    queries: int | None = None,
) -> Asked:
    """The generation of the queries over the most similar of the gallery. absent: without the clips that fit."""
    scores, fits = test.similarity[:queries], test.fits.to(test.similarity.device)[:queries]
    text = type(test.text)(*(part[:queries] for part in test.text))
    video = test.video
    if direction == "v2t":
        scores, fits = test.similarity.T[:queries].contiguous(), test.fits.T[:queries].to(scores.device)
        text, video = test.text, type(video)(*(part[:queries] for part in video))
    chosen = torch.where(fits, scores - 1e3, scores) if absent else scores
    candidates = chosen.topk(min(CANDIDATES, scores.shape[1]), dim=1).indices
    config = test.model.generator_config(form)
    noise = torch.stack([common_noise(candidates.shape[1], s, len(scores)) for s in range(seeds)])
    walk = test.model.generate(
        text,
        video,
        candidates,
        direction,
        steps or config.usual_steps,
        noise=noise.to(scores.device),
        respace_from=config.steps,
        form=form,
    )
    return Asked(scores, walk, scores.gather(1, candidates), fits.gather(1, candidates).double())


def mixed(present: Asked, absent: Asked) -> tuple[Tensor, Tensor, Tensor, Tensor | None]:
    """ABSENT of ten queries without their matches: probability, similarity, match, no match."""
    away = torch.arange(len(present.match), device=present.match.device) % 10 < ABSENT
    parts = [a.some(~away) for a in (present,)] + [a.some(away) for a in (absent,)]
    none = present.walk.no_match
    if none is not None and absent.walk.no_match is not None:
        none = torch.cat([none[~away], absent.walk.no_match[away]])
    return *(torch.cat(pair) for pair in zip(*parts, strict=True)), none


# --- 1. calibration -------------------------------------------------------------------------------------------


def fit_baselines(test: measure.Test) -> dict[str, Fitted]:
    """Probabilities made of similarities, and of the published prediction, on natural captions of validation."""
    present, absent = (ask(test, form="published", absent=a, seeds=1) for a in (False, True))
    _, similarity, match, _ = mixed(present, absent)
    away = torch.arange(len(match)) % 10 < ABSENT
    x0 = torch.cat([present.walk.x0_raw[-1, 0][~away], absent.walk.x0_raw[-1, 0][away]])
    return {
        "softmax": Fitted(softmax_at, [3.0]).fit(similarity, match),
        "softmax with none": Fitted(softmax_or_none, [3.0, 10.0]).fit(similarity, match),
        "logistic": Fitted(logistic, [3.0, -10.0]).fit(similarity, match),
        "published, fitted": Fitted(softmax_at, [3.0]).fit(x0, match),
    }


def calibrate(
    asked: dict[str, tuple[Asked, Asked]], fitted: dict[str, Fitted], look: str
) -> tuple[list, list]:
    """Figures of every method, and the reliability of each, a row a bin."""
    probability, similarity, match, none = mixed(*asked["open-set"])
    present, absent = asked["published"]
    away = torch.arange(len(match)) % 10 < ABSENT
    x0 = torch.cat([present.walk.x0_raw[-1, 0][~away], absent.walk.x0_raw[-1, 0][away]])
    methods = {"open-set": probability, "published": ONE_WINNER.shares(x0)}
    methods |= {name: f(x0 if "published" in name else similarity) for name, f in fitted.items()}
    empty = 1 - match.amax(1)
    nones = {"open-set": none, "softmax with none": 1 - methods["softmax with none"].sum(1)}
    nones["logistic"] = (1 - methods["logistic"]).prod(1)
    table, bins = [], []
    for name, said in methods.items():
        kinds = {"candidate": (said, match), "first candidate": first(said, match)}
        if name in nones:
            kinds["no match"] = nones[name], empty
        for kind, (p, true) in kinds.items():
            row = {"look": LOOKS[look], "probability of": kind, "by": name} | calibration(p, true)
            table.append(row | {"log_loss": float(log_loss(p, true))})
            found = reliability(p.cpu().numpy(), true.cpu().numpy())
            if look == "storybook" and kind == "candidate" and name in DRAWN:
                bins += [
                    {"by": name, "share": float(s), "right": float(t), "count": int(c)}
                    for s, t, c in zip(found.said, found.true, found.count, strict=True)
                ]
    return table, bins


# --- 2. retrieval ---------------------------------------------------------------------------------------------


def retrieve(test: measure.Test, asked: Asked, alpha: float, label: dict) -> list[dict]:
    """R@1 and how often the first fits: by similarity, by the generator alone, fused; gains over the similarity."""
    scores, walk = asked.scores, asked.walk
    fits = (test.fits if walk.direction == "t2v" else test.fits.T).to(scores.device)
    ceiling = float((1 / fits.sum(1).clamp(min=1)).mean())
    rules = {
        "similarity": scores, "alone": generator_only(scores, walk), "fused": test.model.rerank(scores, walk, alpha)
    }  # fmt: skip
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
                "direction": DIRECTION[walk.direction], "ranked by": name, "R1": r1.estimate,
                "interval": [r1.low, r1.high], "ceiling": 100 * ceiling,
                "gain_over_similarity": gain.estimate, "gain_interval": [gain.low, gain.high],
                "first_fits": 100 * float(fitting[name].mean()), "first_fits_gain": more.estimate,
                "first_fits_interval": [more.low, more.high],
            }
        )  # fmt: skip
    return rows


# --- 3. several that fit ----------------------------------------------------------------------------------------


def several(asked: Asked, look: str) -> list[dict]:
    """By the number m of candidates that fit: how evenly the seeds visit them, and how far the seeds agree."""
    x0 = asked.walk.x0[-1]
    m, entropy, mass = evenness(visits(x0), asked.match.to(x0.device))
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


# --- 4. no match ------------------------------------------------------------------------------------------------


def absence(present: Asked, absent: Asked, scale: float, look: str) -> list[dict]:
    """AUROC of telling queries without a match in the gallery from the same queries with it."""

    def scores(asked: Asked) -> dict[str, np.ndarray]:
        found = asked.similarity
        none = asked.walk.no_match
        early = ((1 - asked.walk.x0[0]) / 2).double().log().sum(-1).mean(0)  # before any sampling
        parts = {
            "no match": none.double() + 1e-9 * early, "no match, first prediction": early,
            "similarity": dissimilarity(found), "margin": lack_of_margin(found), "energy": energy(found, scale),
        }  # fmt: skip
        return {name: part.double().nan_to_num(neginf=-1e9).cpu().numpy() for name, part in parts.items()}

    here, away = scores(present), scores(absent)
    rows = []
    for name in here:
        area = auroc_interval(here[name], away[name])
        row = {"look": LOOKS[look], "score": name, "auroc": area.estimate, "interval": [area.low, area.high]}
        if not name.startswith("no match"):
            ahead = auroc_interval(here["no match"], away["no match"], (here[name], away[name]))
            row |= {"no_match_ahead_by": ahead.estimate, "ahead_interval": [ahead.low, ahead.high]}
        rows.append(row)
    return rows


# --- 5. noise, and how many steps ---------------------------------------------------------------------------------


def steps_needed(test: measure.Test) -> list[dict]:
    """What the figures become with fewer steps, on the first queries of validation."""
    rows, alpha = [], test.model.generator_config("open-set").alpha
    for steps in STEPS:
        if steps <= test.model.generator_config("open-set").steps:
            begun = time.perf_counter()
            asked = ask(test, steps=steps, queries=FEWER)
            seconds = time.perf_counter() - begun
            said, _, match = asked.some(torch.arange(len(asked.match)))
            after = ranks(test.model.rerank(asked.scores, asked.walk, alpha), np.arange(len(match)))
            rows.append(
                {
                    "steps": steps, "calibration_error": calibration(said, match)["calibration_error"],
                    "log_loss": float(log_loss(said, match)), "fused_R1": 100 * float((after == 1).mean()),
                    "seed_variance": noise_levels(asked.walk)[-1]["seed_variance"],
                    "ms_a_query": 1000 * seconds / len(match),
                }
            )  # fmt: skip
    return rows


# --- all of it ----------------------------------------------------------------------------------------------------


class World(NamedTuple):
    """A look of the world, natural and full captions, and the runs that several questions share."""

    natural: measure.Test
    full: measure.Test

    @classmethod
    def load(cls, model: DiffusionRet, look: str, split: str = "test") -> World:
        natural = measure.load(model, look, True, split)
        return cls(natural, measure.load(model, look, False, split, natural.video))

    def of(self, model: DiffusionRet) -> World:
        """The same features, another generator."""
        return World(self.natural._replace(model=model), self.full._replace(model=model))


def measured(world: World, fitted: dict[str, Fitted], look: str) -> dict[str, list]:
    """Everything on one look of the world."""
    test = world.natural
    alpha, scale = test.model.generator_config("open-set").alpha, float(test.model.logit_scale.detach())
    runs = {
        form: tuple(ask(test, form=form, absent=a, seeds=s) for a in (False, True))
        for form, s in (("open-set", SEEDS), ("published", 1))
    }
    present, absent = runs["open-set"]
    table, bins = calibrate(runs, fitted, look)
    found: dict[str, list] = {"calibration": table, "rows": bins, "retrieval": []}
    for captions, data in (("natural", test), ("full", world.full)):
        for d in DIRECTIONS:
            asked = present if (captions, d) == ("natural", "t2v") else ask(data, d)
            found["retrieval"] += retrieve(data, asked, alpha, {"look": LOOKS[look], "captions": captions})
    found["several_that_fit"] = several(present, look)
    found["no_match"] = absence(present, absent, scale, look)
    if look == "storybook":
        published = ask(test, form="published", seeds=8)
        found["noise"] = [
            {"generator": a.walk.form} | row for a in (present, published) for row in noise_levels(a.walk)
        ]
    return found


def pick(table: list[dict], look: str = "test", **wanted: str) -> dict:
    """The row of a look in which the columns (spaces written as _) have these values."""
    keys = {"look": look} | {name.replace("_", " "): value for name, value in wanted.items()}
    return next(row for row in table if all(row.get(name) == value for name, value in keys.items()))


def summary(found: dict[str, list]) -> dict:
    """The figures of a model that are compared between training seeds, all on the test split."""
    fused, back = (
        pick(found["retrieval"], captions="natural", direction=way, ranked_by="fused")
        for way in DIRECTION.values()
    )
    said = {kind: pick(found["calibration"], probability_of=kind, by="open-set") for kind in KINDS}
    return {
        **{f"{kind} calibration_error": r["calibration_error"] for kind, r in said.items()},
        "fused_gain_t2v": fused["gain_over_similarity"], "fused_gain_v2t": back["gain_over_similarity"],
        "no_match_auroc": pick(found["no_match"], score="no match")["auroc"],
    }  # fmt: skip


def sentence(found: dict[str, list], seeds: Sequence[dict]) -> str:
    """What the figures say."""
    errors = [
        pick(found["calibration"], look, probability_of="candidate", by=by)["calibration_error"]
        for look, by in (("test", "open-set"), ("test", "softmax"), ("second look", "open-set"))
    ]
    natural = dict(captions="natural", direction=DIRECTION["t2v"])
    fused = pick(found["retrieval"], ranked_by="fused", **natural)
    none, rival = (pick(found["no_match"], score=s) for s in ("no match", "similarity"))
    noise = {
        g: [r for r in found["noise"] if r["generator"] == g][-1]["seed_variance"]
        for g in ("open-set", "published")
    }
    low, high = fused["gain_interval"]
    text = (
        f"The probability that a candidate matches is off by {errors[0]:.3f} on average (softmax of the similarity, "
        f"its temperature fitted: {errors[1]:.3f}; second look of the world: {errors[2]:.3f}). Fused with the "
        f"similarity it changes R@1 of natural captions by {fused['gain_over_similarity']:+.1f} "
        f"[{low:+.1f}, {high:+.1f}] points. Queries without a match are told apart with an AUROC of "
        f"{none['auroc']:.2f}, by similarity {rival['auroc']:.2f} (ahead by {rival['no_match_ahead_by']:+.2f} "
        f"[{rival['ahead_interval'][0]:+.2f}, {rival['ahead_interval'][1]:+.2f}]). The noise causes "
        f"{100 * noise['open-set']:.0f} % of the variance of its result, {100 * noise['published']:.2g} % of that of "
        f"the published generator."
    )
    if len(seeds) > 1:
        gains = [s["fused_gain_t2v"] for s in seeds]
        text += (
            f" Over {len(seeds)} training seeds that change of R@1 is {min(gains):+.1f} to {max(gains):+.1f}."
        )
    return text


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--models", nargs="+", default=["storybook"], help="folders or names, the first in full"
    )
    chosen = parser.parse_args(arguments).models
    started = time.monotonic()
    models = [load_model(name) for name in chosen]
    if any(fingerprint(m) != fingerprint(models[0]) for m in models):
        raise ValueError("The models differ in their features: they must start from the same stage 2.")
    with torch.no_grad():
        validation = measure.load(models[0], split="validation")
    fitted = fit_baselines(validation)
    steps = steps_needed(validation)
    found: dict[str, list] = {}
    seeds: list[dict] = []
    with torch.no_grad():
        for look in LOOKS:
            world = World.load(models[0], look)
            for i, model in enumerate(models if look == "storybook" else models[:1]):
                part = measured(world.of(model), fitted, look)
                if look == "storybook":
                    seeds.append({"training seed": str(i)} | summary(part))
                if i == 0:
                    found = {name: found.get(name, []) + part.get(name, []) for name in found | part}
    rows = found.pop("rows")
    measure.store(
        "open_set", "The open-set generator: do its samples mean what they say?", sentence(found, seeds), started,
        rows, **found, steps=steps, training_seeds=seeds,
    )  # fmt: skip


if __name__ == "__main__":
    main()
