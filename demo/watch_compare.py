"""Compare: two queries, or one query with two settings, denoised over the same candidates where that makes sense."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor

from diffusionret.query import check_number, check_query
from diffusionret.trajectory import Ensemble, Trajectory, settled

from .clips import name_of
from .media import clip_url, poster_url
from .search import percent
from .watch import MOST_SEED, NO_MATCH, pack
from .watch_scene import Scene


def compare(scene: Scene, request: dict) -> dict:
    """Two distributions over one list of columns, step by step, and the difference in a sentence."""
    other = request["other"]
    query = " ".join(check_query(other["query"], blank=True).split()) or scene.result.query
    if query == scene.result.query:
        return _settings(scene, other)
    found = _queries(scene, query)
    if _changes(scene, other):
        found["warning"] = (
            "Two queries are compared with the settings of the player; the other ones play no part."
        )
    return found


def _queries(scene: Scene, query: str) -> dict:
    """Both queries over the best of each in turn, so that neither is judged on the other's ground alone."""
    count = scene.trajectory.candidates.shape[1]
    mine, theirs = scene.trajectory.candidates[0].tolist(), _candidates(scene, query, count)
    both = list(dict.fromkeys(i for pair in zip(mine, theirs, strict=True) for i in pair))[:count]
    columns = torch.tensor(both)[None]
    sides = [
        scene.denoise([text], candidates=columns, seeds=scene.seeds) for text in (scene.result.query, query)
    ]
    shared = len(set(mine) & set(theirs))
    said = f"Over the best {count} of both, taken in turn (the two searches share {shared} candidates): "
    return _result(scene, both, sides, said, ["this query", f"“{query}”"])


def _settings(scene: Scene, other: dict) -> dict:
    """The same query with other steps, schedule, eta, candidates or seed, or with the other generator."""
    retriever, settings = scene.retriever, scene.result.settings
    changed = _changes(scene, other)
    form = changed.get("generator", scene.form)
    generator = retriever.model.choose(form)
    config = generator.config
    trained = config.schedule
    count = changed.get("candidates", settings.candidates)
    schedule = changed.get("schedule", trained)
    mine = scene.trajectory.candidates[0].tolist()
    theirs = mine
    query = [scene.result.query]
    if count != len(mine):
        theirs = _candidates(scene, query[0], count)
    sides = [
        scene.denoise(query, seeds=scene.seeds),
        scene.denoise(
            query, candidates=torch.tensor([theirs]), schedule=schedule, eta=changed.get("eta", 0.0), form=form,
            steps=changed.get("steps", settings.steps), seed=changed.get("noise", settings.seed),
            seeds=config.seeds,
        ),
    ]  # fmt: skip
    label = ", ".join(f"{name} {value}" for name, value in changed.items()) or "the same settings"
    longer = mine if len(mine) >= len(theirs) else theirs
    result = _result(scene, longer, sides, f"With {label}: ", ["as played", label])
    if schedule != trained:
        result["warning"] = (
            f"This generator knows all noise levels, but was measured with the {trained} schedule, not this one."
            if generator.knows_all_levels
            else f"The model was trained with the {trained} schedule: it does not know this one."
        )
    return result


def _candidates(scene: Scene, query: str, count: int) -> list[int]:
    """Positions in the gallery of the `count` videos that are most similar to a query."""
    retriever = scene.retriever
    return [retriever.gallery.position(hit.id) for hit in retriever.candidates(query, count)]


def _changes(scene: Scene, other: dict) -> dict:
    """What is asked otherwise than it is played, by name."""
    settings = scene.result.settings
    form = other.get("form") or scene.form
    trained = scene.retriever.model.choose(form).config.schedule
    count = min(_number(other, "candidates", settings.candidates), len(scene.retriever.gallery))
    asked = (
        ("generator", form, scene.form),
        ("steps", _number(other, "steps", settings.steps), settings.steps),
        ("noise", _number(other, "seed", settings.seed), settings.seed),
        ("candidates", count, settings.candidates),
        ("schedule", other.get("schedule") or trained, trained),
        ("eta", _eta(other.get("eta")), 0.0),
    )
    return {name: value for name, value, same in asked if value != same}


def _result(
    scene: Scene, positions: list[int], sides: list[Trajectory], said: str, labels: list[str]
) -> dict:
    gallery = scene.retriever.gallery
    items = [
        {
            "name": gallery.ids[i],
            "caption": name_of(gallery.ids[i], gallery.captions[i]),
            "poster": poster_url(gallery.ids[i], gallery.poster(i)),
            "video": clip_url(gallery.ids[i], gallery.path(i)),
        }
        for i in positions
    ]
    if any(side.readout.has_none for side in sides):
        items.append({"name": "", "caption": NO_MATCH, "poster": "", "video": ""})
    shares = [_shares(side, len(positions), len(items)) for side in sides]
    return {
        "sentence": said + _difference(shares, [item["caption"] for item in items]),
        "labels": labels,
        "candidates": items,
        "sides": [pack(share) for share in shares],
    }


def _shares(side: Trajectory, count: int, columns: int) -> Float[Tensor, "step column"]:
    """Mean shares over seeds, laid out over the columns of both sides: `count` candidates, then no match."""
    mean = Ensemble.of(side).mean
    known = side.candidates.shape[1]
    laid = mean.new_zeros(len(mean), columns)
    laid[:, :known] = mean[:, :known]
    if mean.shape[1] > known:
        laid[:, count] = mean[:, known]
    return laid


def _difference(shares: list[Tensor], names: list[str]) -> str:
    """Winners, when they settled, and where the final distributions are farthest apart."""
    leaders = [share.argmax(dim=-1) for share in shares]
    winners = [int(leader[-1]) for leader in leaders]
    at = [percent(float(share[-1, w])) for share, w in zip(shares, winners, strict=True)]
    when = " and ".join(f"at step {int(settled(leader))} of {len(leader)}" for leader in leaders)
    first, second = (_named(names[w]) for w in winners)
    if winners[0] == winners[1]:
        same = f"both end with {first}, at {at[0]} and {at[1]}, settled {when}"
    else:
        same = f"one ends with {first} ({at[0]}), the other with {second} ({at[1]}), settled {when}"
    apart = (shares[0][-1] - shares[1][-1]).abs()
    most = int(apart.argmax())
    if float(apart[most]) < 0.001:
        return f"{same}; no candidate differs by 0.1\u00a0% or more."
    return f"{same}; {_named(names[most])} differs most, by {percent(float(apart[most]))}."


def _named(name: str) -> str:
    return name if name == NO_MATCH else f"“{name.rstrip('.')}”"


def _eta(value: object) -> float:
    """In [0, 1]; 0 where the page says nothing."""
    try:
        eta = float(value or 0)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        eta = -1.0
    if not 0 <= eta <= 1:
        raise ValueError("eta lies between 0 and 1.")
    return eta


def _number(other: dict, name: str, otherwise: int) -> int:
    value = other.get(name)
    if value in (None, ""):
        return otherwise
    if (
        isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 12
    ):  # of a box of the page
        value = int(value)
    return check_number(name.capitalize(), value, 0, MOST_SEED)
