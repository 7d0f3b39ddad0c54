"""Which score tells unusual queries from ordinary ones, and whether the generator helps. Writes results/ood.json.

Settings are chosen on kinds of unusual queries that the test does not hold. The endpoint, fixed beforehand, is the
mean AUROC over near and gallery-absent queries: in a closed world the share of unseen words finds nearly all of the
far ones. What wins becomes the app's detector: it is written beside the bundled model, and `calibrate` uses it.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import torch
from scipy.optimize import minimize
from scipy.stats import betabinom

from diffusionret import Retriever
from diffusionret.calibrate import (
    REFERENCE,
    WEIGHTS,
    calibrate_text,
    halves,
    storybook_ordinary_captions,
    storybook_training_captions,
    weights_made_for,
)
from diffusionret.calibration import p_values
from diffusionret.detector import ALPHA, PLAIN, Detector, make_protocol
from diffusionret.hub import BUNDLED as MODELS
from diffusionret.ood import GALLERY_SCORES, GENERATOR_SCORES, TEXT_SCORES

from . import ood_figures
from . import ood_sets as sets
from .measure import RESULTS

PICTURES = RESULTS / "ood"  # and what they are drawn from
CURVES = PICTURES / "curves.json"
REPLICATES = 1000
Scored = dict[str, np.ndarray]  # score -> [query]
Weights = dict[str, float]
# Validation kinds that each answer is to notice.
NOTICED = {
    "familiar": ("two words replaced", "a foreign word", "questions"),
    "match": ("not in the gallery",),
}
DENSITY = ("mahalanobis", "mixture")


# --- figures of merit ------------------------------------------------------------------------------------------


def auroc(unusual: np.ndarray, usual: np.ndarray) -> float:
    """P(an unusual query scores higher than an ordinary one), ties count half."""
    return float(_wins(unusual, usual).mean())


def _wins(unusual: np.ndarray, usual: np.ndarray) -> np.ndarray:
    return (np.sign(unusual[:, None] - usual[None, :]) + 1) / 2


def aupr(positive: np.ndarray, negative: np.ndarray) -> float:
    """Average precision of finding `positive`, by larger scores; ties are ranked together."""
    from sklearn.metrics import average_precision_score

    labels = np.r_[np.ones(len(positive)), np.zeros(len(negative))]
    return float(average_precision_score(labels, np.r_[positive, negative]))


def miss(unusual: np.ndarray, usual: np.ndarray, alarms: float = ALPHA) -> float:
    """Share of unusual queries that stay below the score which at most a share `alarms` of ordinary ones reach."""
    ordered = np.sort(usual)[::-1]
    return float((unusual <= ordered[min(math.floor(alarms * len(usual)), len(usual) - 1)]).mean())


def replicates(units: Mapping[str, Sequence[object]], count: int, seed: int = 0) -> dict[str, np.ndarray]:
    """Bootstrap weights [replicate query] of every set. Units of one name are drawn together across sets."""
    rng = np.random.default_rng(seed)
    names = sorted({str(unit) for part in units.values() for unit in part})
    place = {name: i for i, name in enumerate(names)}
    groups: dict[frozenset, list[str]] = {}
    for name, part in units.items():  # sets that share units are drawn from the union of them
        groups.setdefault(frozenset(str(u).split(" ")[0] for u in part), []).append(name)
    weights: dict[str, np.ndarray] = {}
    for members in groups.values():
        own = sorted({place[str(u)] for name in members for u in units[name]})
        drawn = rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=count)
        column = {unit: i for i, unit in enumerate(own)}
        for name in members:
            weights[name] = drawn[:, [column[place[str(u)]] for u in units[name]]].astype(np.float32)
    return weights


def bootstrap_auroc(
    unusual: np.ndarray, usual: np.ndarray, w_unusual: np.ndarray, w_usual: np.ndarray
) -> np.ndarray:
    """AUROC of every replicate."""
    wins = _wins(unusual, usual).astype(np.float32)
    total = np.maximum(w_unusual.sum(axis=1) * w_usual.sum(axis=1), 1)
    return ((w_unusual @ wins) * w_usual).sum(axis=1) / total


def interval(values: np.ndarray) -> list[float]:
    return [round(float(v), 4) for v in np.quantile(values, (0.025, 0.975))]


# --- choosing on validation -----------------------------------------------------------------------------------


def fit(names: Sequence[str], usual: Scored, unusual: Sequence[Scored], strength: float = 1.0) -> Weights:
    """Weights >= 0 of a logistic regression of unusual against ordinary, every kind of unusual counting the same.

    Not below zero, so that more of any score never makes a query look more ordinary. Ridge of `strength` on
    standardised scores. The weights are for raw scores.
    """
    parts = [np.stack([part[name] for name in names], axis=1) for part in (usual, *unusual)]
    scale = np.concatenate(parts).std(axis=0)
    scale[scale < 1e-9] = 1.0
    mean = parts[0].mean(axis=0)
    x = np.concatenate([(part - mean) / scale for part in parts])
    sign = np.r_[-np.ones(len(parts[0])), np.ones(len(x) - len(parts[0]))]
    shares = [1 / len(parts[0])] + [1 / len(part) / (len(parts) - 1) for part in parts[1:]]
    share = np.concatenate([np.full(len(part), s) for part, s in zip(parts, shares, strict=True)])

    def loss(w: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (x @ w[:-1] + w[-1])
        slope = -sign * share / (1 + np.exp(np.clip(margin, -500, 500)))
        ridge = strength / len(x)
        value = (share * np.logaddexp(0, -margin)).sum() + ridge * (w[:-1] ** 2).sum() / 2
        return value, np.r_[x.T @ slope + ridge * w[:-1], slope.sum()]

    bounds = [(0, None)] * len(names) + [(None, None)]
    found = minimize(loss, np.zeros(len(names) + 1), jac=True, bounds=bounds, method="L-BFGS-B").x[:-1]
    return {n: float(w / s) for n, w, s in zip(names, found, scale, strict=True) if w / s > 1e-9}


def value(scored: Scored, weights: Weights) -> np.ndarray:
    return sum((w * scored[name] for name, w in weights.items()), np.zeros(len(next(iter(scored.values())))))


def choose(
    names: Sequence[str], usual: Scored, unusual: Sequence[Scored]
) -> tuple[Weights, dict[str, float]]:
    """The single score or the combination with the best mean AUROC over validation kinds, and all of them."""
    tried = {name: {name: 1.0} for name in names} | {"combined": fit(names, usual, unusual)}
    found = {
        name: float(np.mean([auroc(value(kind, w), value(usual, w)) for kind in unusual]))
        for name, w in tried.items()
    }
    return tried[max(found, key=lambda name: found[name])], found


# --- the parts of the answer ----------------------------------------------------------------------------------


def table(detectors: Mapping[str, Weights], scored: Mapping[str, Scored], weights: dict[str, np.ndarray]):
    """A row a detector, and its replicates of the endpoint."""
    kinds = [name for name in scored if name not in (sets.ORDINARY, sets.SHIFTED)]
    rows, draws = [], {}
    for name, chosen in detectors.items():
        values = {kind: value(part, chosen) for kind, part in scored.items()}
        base = values[sets.ORDINARY]
        each = {kind: auroc(values[kind], base) for kind in kinds}
        draws[name] = np.mean(
            [bootstrap_auroc(values[k], base, weights[k], weights[sets.ORDINARY]) for k in sets.PRIMARY],
            axis=0,
        )
        worst = min(each, key=lambda kind: each[kind])
        rows.append(
            {
                "detector": name,
                "endpoint": np.mean([each[k] for k in sets.PRIMARY]),
                "interval": interval(draws[name]),
                "in vocabulary": np.mean([each[k] for k in sets.IN_VOCABULARY]),
                "macro": np.mean(list(each.values())),
                "worst": f"{worst} {each[worst]:.3f}",
                "AUPR out": np.mean([aupr(values[k], base) for k in sets.PRIMARY]),
                "AUPR in": np.mean([aupr(-base, -values[k]) for k in sets.PRIMARY]),
                "miss at 5 %": np.mean([miss(values[k], base) for k in sets.PRIMARY]),
                "alarms, shifted": 1 - miss(values[sets.SHIFTED], base),
                **each,
            }
        )
    return [_rounded(row) for row in rows], draws


def _rounded(row: dict) -> dict:
    return {k: round(float(v), 4) if isinstance(v, float | np.floating) else v for k, v in row.items()}


def difference(draws: Mapping[str, np.ndarray], rows: Sequence[dict], one: str, other: str) -> dict:
    """Endpoint of `one` minus that of `other`, paired over replicates, with a two-sided bootstrap p."""
    found = {row["detector"]: row["endpoint"] for row in rows}
    apart = draws[one] - draws[other]
    p = min(1.0, 2 * (1 + min((apart <= 0).sum(), (apart >= 0).sum())) / (len(apart) + 1))
    return {
        "comparison": f"{one} against {other}", "difference": round(found[one] - found[other], 4),
        "95 %": interval(apart), "p": round(float(p), 4),
    }  # fmt: skip


def band(n: int, m: int, alpha: float) -> tuple[int, int]:
    """Where 90 % of counts of false alarms lie: m fresh queries against n, continuous scores."""
    larger = math.floor(alpha * (n + 1) + 1e-9)
    return tuple(int(v) for v in betabinom.ppf((0.05, 0.95), m, larger, n + 1 - larger))


def false_alarms(
    retriever: Retriever, scenes: Sequence, chosen: dict[str, Weights], draws: int, n: int, m: int
) -> tuple[dict, dict[str, list[float]]]:
    """Counts over independent draws of n calibration and m test queries, and all p-values."""
    rng = np.random.default_rng(0)
    forms = (None,) if set(chosen["match"]) & set(GENERATOR_SCORES) else ()
    kinds = ("familiar, new scenes", "familiar", "match", "either")
    counts: dict[str, list[int]] = {kind: [] for kind in kinds}
    seen: dict[str, list[float]] = {"familiar": [], "match": []}
    for draw in range(draws):
        queries = sets.fresh(scenes, n + m, rng)
        scored = _numpy(retriever.scores(queries, forms=forms))
        p = {a: _split_p(value(scored, chosen[a]), n) for a in ("familiar", "match")}
        texts = sets.fresh_scenes(n + m, rng)
        alone = _split_p(value(_numpy(retriever.scores(texts, forms=())), chosen["familiar"]), n)
        flags = {name: found <= ALPHA + 1e-12 for name, found in p.items()}
        counts["familiar, new scenes"].append(int((alone <= ALPHA + 1e-12).sum()))
        counts["either"].append(int((flags["familiar"] | flags["match"]).sum()))
        for name in flags:
            counts[name].append(int(flags[name].sum()))
        seen["familiar"] += alone.tolist()
        seen["match"] += p["match"].tolist()
        _say(f"false alarms: draw {draw + 1} of {draws}")
    rows = {}
    for kind in kinds:
        low, high = band(n, m, ALPHA if kind != "either" else 2 * ALPHA)
        low = 0 if kind == "either" else low
        inside = sum(low <= count <= high for count in counts[kind])
        rows[kind] = {
            "mean %": round(100 * float(np.mean(counts[kind])) / m, 2), "band of counts": [low, high],
            "draws inside": inside, "of": draws, "n": n, "m": m,
        }  # fmt: skip
    return rows, seen


def _split_p(values: np.ndarray, n: int) -> np.ndarray:
    return p_values(values[:n], values[n:])


def _numpy(scores: Mapping[str, torch.Tensor]) -> Scored:
    return {name: score.numpy() for name, score in scores.items()}


def swapped(retriever: Retriever, scenes: Sequence, chosen: Weights) -> dict:
    """False alarms among ordinary queries of half a gallery: calibrated on the whole of it, and on that half."""
    half, rest = halves(len(scenes))
    part = sets.ordinary("swap", scenes, half, 2)
    without = torch.zeros(len(part.texts), len(scenes), dtype=torch.bool)
    without[:, rest.tolist()] = True
    forms = (None,) if set(chosen) & set(GENERATOR_SCORES) else ()
    now = value(_numpy(retriever.scores(part.texts, without, forms)), chosen)
    whole = sets.ordinary("whole", scenes, range(len(scenes)), 1)
    stale = value(_numpy(retriever.scores(whole.texts, forms=forms)), chosen)
    even = np.array(part.unit) % 2 == 0
    alarms = {"stale": p_values(stale, now[~even]), "refreshed": p_values(now[even], now[~even])}
    return {name: round(100 * float((p <= ALPHA + 1e-12).mean()), 2) for name, p in alarms.items()}


def latency(retriever: Retriever, texts: Sequence[str]) -> dict:
    """Median milliseconds of a search, and of the report beyond it, single words aside."""
    search, beyond = [], []
    for text in texts:
        begun = time.perf_counter()
        retriever.search(text)
        between = time.perf_counter()
        retriever.inspect_many([text])
        search.append(1000 * (between - begun))
        beyond.append(1000 * (time.perf_counter() - between))
    return {"search ms": round(float(np.median(search)), 1), "inspect ms": round(float(np.median(beyond)), 1)}


def roc(unusual: np.ndarray, usual: np.ndarray, points: int = 60) -> list[list[float]]:
    """False alarms and hits along the thresholds, thinned."""
    cuts = np.unique(np.quantile(np.r_[usual, unusual], np.linspace(0, 1, points)))[::-1]
    pairs = [
        [0.0, 0.0],
        *([float((usual >= c).mean()), float((unusual >= c).mean())] for c in cuts),
        [1.0, 1.0],
    ]
    return [[round(v, 4) for v in pair] for pair in pairs]


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


# --- the command ----------------------------------------------------------------------------------------------


def measure(retriever: Retriever, annotations: Path | None, size: int, draws: int) -> tuple[dict, dict, dict]:
    """(results, curves, the chosen weights of both answers)."""
    model = retriever.model
    training = storybook_training_captions(REFERENCE)
    written = [c.text for c in storybook_ordinary_captions()]
    familiar = calibrate_text(model, training, written, "ordinary captions", PLAIN["familiar"])
    retriever.detector = Detector(make_protocol(model, retriever.gallery), familiar=familiar)
    scenes = sets.gallery_scenes(retriever)
    answering = model.generator_config().form if retriever.generates else None
    forms = (None, *(form for form in model.forms if form != answering)) if retriever.generates else ()

    def score(parts: Sequence[sets.Sets], what: str) -> dict[str, Scored]:
        scored = {}
        for part in parts:
            _say(f"{what}: {part.name}, {len(part.texts)} queries")
            scored[part.name] = _numpy(retriever.scores(part.texts, part.without, forms))
        return scored

    chosen_on = score(sets.validation(scenes, size), "validation")
    tested = sets.test(retriever, scenes, size, annotations)
    scored = score(tested, "test")
    usual = chosen_on[sets.ORDINARY]
    # What raises no alarm: ordinary captions, and terse ones, so that style alone is not what is noticed.
    quiet = {name: np.concatenate([usual[name], chosen_on[sets.TERSE][name]]) for name in usual}
    a, b = list(TEXT_SCORES), list(GALLERY_SCORES)
    g = [name for name in usual if name not in (*a, *b)]
    unusual = [part for name, part in chosen_on.items() if name not in (sets.ORDINARY, sets.TERSE)]
    groups = {"A": a, "B": b, "A + B": a + b}
    if g:
        groups |= {
            "G": g,
            "A + B + G": a + b + g,
            "discriminative (B)": b,
            "generative (density, G)": [*DENSITY, *g],
        }
    single = {name: {name: 1.0} for name in (*a, *b, *g)}
    detectors = single | {name: fit(names, quiet, unusual) for name, names in groups.items()}
    units = {
        part.name: [f"clip {u}" if part.name in (sets.ORDINARY, "gallery-absent", sets.SHIFTED) else f"{part.name} {u}"
                    for u in part.unit] for part in tested
    }  # fmt: skip
    rows, replicated = table(detectors, scored, replicates(units, REPLICATES))
    compared = [difference(replicated, rows, "A + B", "A"), difference(replicated, rows, "A + B", "B")]
    helps = False
    if g:
        compared = [
            difference(replicated, rows, "A + B + G", "A + B"),
            difference(replicated, rows, "generative (density, G)", "discriminative (B)"),
            difference(replicated, rows, "G", "B"),
            *compared,
        ]
        helps = compared[0]["95 %"][0] > 0
    weights, tried = {}, {}
    mine = [name for name in g if not name.startswith(tuple(f"{form} " for form in model.forms))]
    allowed = {"familiar": a, "match": b + mine * helps}
    for answer, names in allowed.items():
        kinds = [chosen_on[kind] for kind in NOTICED[answer]]
        weights[answer], tried[answer] = choose(names, quiet, kinds)
    # Other captions than those that the weights were chosen on.
    null = sets.ordinary("null", scenes, halves(len(scenes))[0], 2)
    flagged = flags(retriever, written, _numpy(retriever.scores(null.texts, forms=forms)), scored, weights)
    _say("false alarms")
    alarms, p = false_alarms(retriever, scenes, weights, draws, n=200, m=200)
    best = {group: max((r for r in rows if r["detector"] in (*names, group)), key=lambda r: r["endpoint"])["detector"]
            for group, names in groups.items() if group in ("A", "B", "G", "A + B", "A + B + G")}  # fmt: skip
    curves = {
        "roc": {
            f"{group}: {name}": {
                kind: roc(value(scored[kind], detectors[name]), value(scored[sets.ORDINARY], detectors[name]))
                for kind in sets.PRIMARY
            }
            for group, name in best.items()
        },
        "p": {
            name: [round(v, 4) for v in np.quantile(found, np.linspace(0, 1, 101))]
            for name, found in p.items()
        },
        "n": 200,
        "m": 200,
    }
    results = {
        "central question": {**compared[0], "generator in the verdict": "yes" if helps else "no"},
        "comparisons": compared,
        "detectors": rows,
        "verdict": {answer: describe(w) for answer, w in weights.items()},
        "chosen by (validation AUROC)": {k: _rounded(v) for k, v in tried.items()},
        "flagged % of what should not be": calm(retriever, tested, flagged),
        f"missed % at alpha {ALPHA:.0%}": {
            kind: shares(found, missed=True)
            for kind, found in flagged.items()
            if kind not in (sets.ORDINARY, sets.SHIFTED)
        },
        "false alarms": alarms,
        "false alarms after a gallery swap, %": swapped(retriever, scenes, weights["match"]),
        "latency": latency(retriever, tested[0].texts[:20]),
        "queries": {part.name: len(part.texts) for part in tested},
        "prevalence of AUPR": {k: round(_prevalence(scored[k], scored[sets.ORDINARY]), 3) for k in sets.PRIMARY},
    }  # fmt: skip
    return results, curves, weights


def familiar_scores(retriever: Retriever, texts: Sequence[str], weights: Weights) -> np.ndarray:
    """Scores of text alone."""
    return value(_numpy(retriever.scores(texts, forms=())), weights)


def flags(
    retriever: Retriever, written: Sequence[str], usual: Scored, scored: Mapping[str, Scored], chosen
) -> dict[str, dict[str, np.ndarray]]:
    """What each answer flags at alpha, and either, bool [query] by kind."""
    null = {
        "familiar": familiar_scores(retriever, written, chosen["familiar"]),
        "match": value(usual, chosen["match"]),
    }
    found = {}
    for kind, part in scored.items():
        one = {n: p_values(null[n], value(part, chosen[n])) <= ALPHA + 1e-12 for n in ("familiar", "match")}
        either = one["familiar"] | one["match"]
        found[kind] = {**one, "either": either, "any unseen word": part["unseen"] > 0}
    return found


def shares(
    flagged: Mapping[str, np.ndarray], kept: np.ndarray | slice = slice(None), missed: bool = False
) -> dict:
    """Percent of queries that each answer flags, or misses."""
    of = {name: found[kept].mean() for name, found in flagged.items()}
    return {name: round(100 * float(1 - share if missed else share), 1) for name, share in of.items()}


def calm(
    retriever: Retriever, tested: Sequence[sets.Sets], flagged: Mapping[str, Mapping[str, np.ndarray]]
) -> dict:
    """What should not be flagged, and whether it is worth its answers: how often its own clip is among the first 5."""
    rows = {}
    for part in tested:
        if part.name not in (sets.ORDINARY, sets.SHIFTED):
            continue
        results = retriever.search_many(part.texts, k=5)
        own = [retriever.gallery.ids[clip] for clip in part.unit]
        found = np.array([id in {hit.id for hit in r.hits} for id, r in zip(own, results, strict=True)])
        kinds = {part.name: slice(None)}
        if part.name == sets.SHIFTED:
            kinds = {kind: np.arange(len(own)) % len(sets.SHIFTS) == i for i, kind in enumerate(sets.SHIFTS)}
        for kind, kept in kinds.items():
            rows[kind] = shares({**flagged[part.name], "own clip among the first 5": found}, kept)
    return rows


def _prevalence(unusual: Scored, usual: Scored) -> float:
    counts = [len(next(iter(part.values()))) for part in (unusual, usual)]
    return counts[0] / sum(counts)


def describe(weights: Weights) -> str:
    """A detector in words."""
    if len(weights) == 1:
        return next(iter(weights))
    return " + ".join(f"{w:.3g} {name}" for name, w in weights.items())


def sentence(results: dict) -> str:
    """What the figures say."""
    central, rows = results["central question"], results["detectors"]
    low, high = central["95 %"]
    best = max(rows, key=lambda row: row["endpoint"])
    if "G" not in central["comparison"]:
        told = "The model has no generator to ask."
    else:
        helps = "raises" if low > 0 else "lowers" if high < 0 else "does not change detectably"
        told = (
            f"Adding the generator's scores to those of text and gallery {helps} the endpoint: "
            f"{central['difference']:+.3f} ({low:+.3f} to {high:+.3f})."
        )
    verdict = ", ".join(f"{name}: {how}" for name, how in results["verdict"].items())
    return (
        f"{told} Best on the endpoint, the mean AUROC over near and gallery-absent queries: {best['detector']}, "
        f"{best['endpoint']:.3f} ({best['interval'][0]:.3f} to {best['interval'][1]:.3f}). Chosen on validation "
        f"kinds for the app, {verdict}. A world trained from scratch is optimistic here compared with CLIP."
    )


def main(argv: Sequence[str] | None = None) -> None:
    """Measure, write results/ood.json and curves, and the detector beside the bundled model."""
    parser = argparse.ArgumentParser(description="Which score tells unusual queries from ordinary ones?")
    parser.add_argument("--gallery", help="a gallery of Storybook clips (default: the bundled one)")
    parser.add_argument("--model", help="default: the one the gallery was indexed with")
    parser.add_argument(
        "--annotations", type=Path, help="folder of msrvtt, msvd, activitynet and didemo annotations"
    )
    parser.add_argument("--size", type=int, default=200, help="queries of each kind (default: 200)")
    parser.add_argument("--draws", type=int, default=20, help="of false alarms (default: 20)")
    args = parser.parse_args(argv)
    begun = time.monotonic()
    retriever = Retriever.open(args.gallery, args.model, "cpu")
    results, curves, weights = measure(retriever, args.annotations, args.size, args.draws)
    if args.gallery is None and args.model is None:
        content = {"made_for": weights_made_for(retriever.model, weights), "weights": weights}
        file = MODELS / retriever.model.config.name / WEIGHTS
        file.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    command = "python -m analysis.ood" + (" --annotations FOLDER" if args.annotations else "")
    head = {"title": "Unusual queries", "command": command, "shows": sentence(results)}
    whole = head | {"minutes": round((time.monotonic() - begun) / 60, 1)} | results
    PICTURES.mkdir(parents=True, exist_ok=True)
    (RESULTS / "ood.json").write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    CURVES.write_text(json.dumps(curves) + "\n", encoding="utf-8")
    for name, figure in ood_figures.pictures(curves).items():
        (PICTURES / f"{name}.svg").write_text(ood_figures.svg(figure), encoding="utf-8")
    print(head["shows"])


if __name__ == "__main__":
    main()
