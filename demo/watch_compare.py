"""Compare: two queries, or one query with two settings, denoised over the same candidates where that makes sense."""

from __future__ import annotations

from dataclasses import replace

import torch

from analysis import readings
from diffusionret.model import Trajectory

from .clips import name_of, url
from .search import percent
from .watch import states
from .watch_scene import Scene


def compare(scene: Scene, asked: dict) -> dict:
    """Two trajectories over one list of candidates, and the difference in a sentence."""
    other = asked["other"]
    query = " ".join(str(other["query"]).split()) or scene.result.query
    if query != scene.result.query:
        return _queries(scene, query)
    return _settings(scene, other)


def _queries(scene: Scene, query: str) -> dict:
    """Both queries over the best of each in turn, so that neither is judged on the other's ground alone."""
    count = scene.trajectory.candidates.shape[1]
    settings = scene.result.settings
    second = scene.retriever.search(query, count, count, settings.steps, settings.seed, form=scene.form)
    assert second.trajectory is not None
    mine, theirs = scene.trajectory.candidates[0].tolist(), second.trajectory.candidates[0].tolist()
    both = list(dict.fromkeys(i for pair in zip(mine, theirs, strict=True) for i in pair))[:count]
    pair = scene.denoise([scene.result.query, query], candidates=torch.tensor(both)[None])
    a, b = (_one(pair, q) for q in range(2))
    shared = len(set(mine) & set(theirs))
    said = f"Over the best {count} of both, taken in turn (the two searches share {shared} candidates): "
    return _result(scene, both, a, b, said, "this query", f"“{query}”")


def _settings(scene: Scene, other: dict) -> dict:
    """The same query with other steps, schedule, eta, candidates or seed."""
    retriever, settings = scene.retriever, scene.result.settings
    trained = retriever.model.generator_config(scene.form).schedule
    count = min(_number(other, "candidates", settings.candidates), len(retriever.gallery))
    eta = float(other.get("eta") or 0)
    schedule = other.get("schedule") or trained
    changes = {
        "steps": _number(other, "steps", settings.steps),
        "seed": _number(other, "seed", settings.seed),
    }
    mine = scene.trajectory.candidates[0].tolist()
    theirs = mine
    if count != len(mine):
        found = retriever.search(
            scene.result.query, count, count, 1, settings.seed, form=scene.form
        ).trajectory
        assert found is not None
        theirs = found.candidates[0].tolist()
    query = [scene.result.query]
    a = _one(scene.denoise(query), 0)
    b = _one(
        scene.denoise(query, candidates=torch.tensor([theirs]), schedule=schedule, eta=eta, **changes),
        0,
    )
    said = [
        f"{name} {value}" for name, value, same in (
            ("steps", changes["steps"], settings.steps), ("noise", changes["seed"], settings.seed),
            ("candidates", count, settings.candidates), ("schedule", schedule, trained), ("eta", eta, 0.0),
        ) if value != same
    ]  # fmt: skip
    label = ", ".join(said) or "the same settings"
    longer = mine if len(mine) >= len(theirs) else theirs
    result = _result(scene, longer, a, b, f"With {label}: ", "as played", label)
    if schedule != trained:
        result["warning"] = f"The model was trained with the {trained} schedule: it does not know this one."
    return result


def _result(
    scene: Scene, positions: list[int], a: Trajectory, b: Trajectory, said: str, first: str, second: str
) -> dict:
    gallery = scene.retriever.gallery
    items = [
        {
            "name": gallery.ids[i],
            "caption": name_of(gallery.ids[i], gallery.captions[i]),
            "poster": url(gallery.poster(i)),
            "video": url(gallery.path(i)),
        }
        for i in positions
    ]
    return {
        "sentence": said + _difference(a, b, [item["caption"] for item in items], scene.form),
        "labels": [first, second],
        "candidates": items,
        "form": scene.form,
        "sides": [states(a), states(b)],
    }


def _difference(a: Trajectory, b: Trajectory, names: list[str], form: str) -> str:
    """Winners, when they settled, and how far apart the final distributions are. Both start with one order."""
    shares, winners, steps = [], [], []
    for trajectory in (a, b):
        x0_raw = readings.seeds_of(trajectory)[:, 0]
        shares.append(readings.shares(x0_raw[-1], form))
        winners.append(int(x0_raw[-1].argmax()))
        steps.append((readings.settled(x0_raw.argmax(dim=-1)), len(x0_raw)))
    common = min(map(len, shares))
    when = " and ".join(f"at step {s} of {n}" for s, n in steps)
    at = [percent(float(share[w])) for share, w in zip(shares, winners, strict=True)]
    if winners[0] == winners[1]:
        name = names[winners[0]].rstrip(".")
        same = f"both end with “{name}”, at {at[0]} and {at[1]}, settled {when}"
    else:
        first, second = (names[w].rstrip(".") for w in winners)
        same = f"one ends with “{first}” ({at[0]}), the other with “{second}” ({at[1]}), settled {when}"
    apart = float((shares[0][:common] - shares[1][:common]).abs().sum()) / 2
    return f"{same}; {percent(min(apart, 1.0))} of the distribution differs."


def _one(trajectory: Trajectory, q: int) -> Trajectory:
    """One query of a trajectory without seeds."""
    x, x0, x0_raw = (v[:, q : q + 1] for v in (trajectory.x, trajectory.x0, trajectory.x0_raw))
    return replace(trajectory, candidates=trajectory.candidates[q : q + 1], x=x, x0=x0, x0_raw=x0_raw)


def _number(other: dict, name: str, otherwise: int) -> int:
    value = other.get(name)
    return otherwise if value in (None, "") else int(value)
