"""Look closer: what the folded panels of the Watch tab ask of the server, one function a panel.

The page names the query, the settings and the panel; everything is computed anew from them, so that the server
keeps no state. Figures come from analysis/figures, numbers from diffusionret/trajectory.py.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache

import torch
from plotly.graph_objects import Figure

from analysis import figures, palette
from diffusionret import Retriever
from diffusionret.diffusion import add_noise
from diffusionret.query import check_number, check_query
from diffusionret.trajectory import Ensemble, changes, places, seed_variance, settled

from . import watch, watch_compare, watch_export, watch_inside, watch_words
from .gallery_choice import Choice
from .media import PLOTLY_URL
from .questions import Panel
from .search import percent
from .watch import MOST_CANDIDATES, MOST_SEED, MOST_SEEDS, draws, label, pack, pack_small
from .watch_scene import Scene


def panel(retriever: Retriever) -> Panel:
    """What the page asks for every folded panel: its request in, the panel's content out.

    Within a part of the gallery the request has what demo/gallery_choice.py reads, as "within".
    """

    @lru_cache(maxsize=16)  # moving between panels asks for the same search again
    def scene(query: str, count: int, steps: int, seed: int, form: str, choice: Choice) -> Scene:
        within = None if choice.is_all else choice.ids_of(retriever.gallery)
        # What the page names is what was searched for: corrected already, or not to be corrected.
        result = retriever.search(query, count, count, steps, seed, form=form, exact=True, within=within)
        if not result.form:
            raise ValueError(watch.NO_WORDS)
        return Scene(retriever, result, form)

    def look(request: dict) -> Iterator[dict]:
        content = PANELS.get(request["panel"])
        if content is None:
            raise ValueError("There is no such panel.")
        form = request["form"]
        if form not in retriever.model.forms:
            raise ValueError("There is no such generator.")
        steps = retriever.model.choose(form).config.steps
        chosen = (
            check_number("Candidates", request["candidates"], 1, MOST_CANDIDATES),
            check_number("Steps", request["steps"], 1, steps),
            check_number("Seed", request["seed"], 0, MOST_SEED),
        )
        within = request.get("within")
        choice = Choice.of(within if isinstance(within, dict) else {})
        yield content(scene(check_query(request["query"]), *chosen, form, choice), request) | {
            "plotly": PLOTLY_URL
        }

    return look


def drawing(figure: Figure) -> str:
    """A figure as JSON, for Plotly.newPlot once the page has put its colours for the variables."""
    content = figure.to_json()
    assert isinstance(content, str)
    return palette.themed(content)


# --- the panels -----------------------------------------------------------------------------------------


def play(scene: Scene, request: dict) -> dict:
    """What the player shows: drawn here, once the page has its answer, for a search needs none."""
    return watch.show(scene.retriever, scene.result)


def whole(scene: Scene, request: dict) -> dict:
    """The whole trajectory of the seed that is played: heat map, ranks, entropy and the leader's share."""
    share = scene.readout.columns(scene.x0_raw)
    count = len(scene.drawn)
    entropy, leaders = scene.readout.entropy(share[:, :count]), share.argmax(dim=-1)
    # A share may be too small for a number of its own, a prediction is not.
    values = share if scene.readout.has_none else scene.x0_raw
    before = torch.arange(1, share.shape[1] + 1)
    last_change, changed = int(settled(leaders)), int(changes(leaders))
    most = scene.readout.most_entropy(count)
    steps = len(leaders)
    if changed:
        since = f"after step {last_change} of {steps} the winner never changes"
        lead = f"The lead changes hands {_times(changed)}; {since}."
    else:
        lead = "One candidate leads from the first step to the last."
    bits = f"Entropy goes from {float(entropy[0]):.1f} to {float(entropy[-1]):.1f} bits."
    return {
        "sentence": f"{lead} {bits}",
        "heat": drawing(figures.heat_map(share, scene.names)),
        "ranks": drawing(figures.bump_chart(places(values), before, scene.names)),
        "uncertainty": drawing(figures.uncertainty(entropy, share.amax(dim=-1), last_change, max(most, 1.0))),
    }


def noise(scene: Scene, request: dict) -> dict:
    """Many seeds in one batch: who agrees, and by how much they differ."""
    seeds = request["seeds"]
    if not isinstance(seeds, int) or not 1 <= seeds <= MOST_SEEDS:
        raise ValueError(f"Choose from 1 to {MOST_SEEDS} noises.")
    trajectory = scene.denoise([scene.result.query], seeds=seeds)
    ensemble = Ensemble.of(trajectory)
    winner = label(scene.drawn, ensemble.winner)
    least, most = ensemble.spread
    one, has_none = seeds == 1, scene.readout.has_none
    if has_none:
        parts = [draws(scene.drawn, ensemble.leaders[-1].tolist())]
    else:
        parts = [f"{ensemble.agree} of {seeds} {'noise ends' if one else 'noises end'} with {winner}."]
    if seeds > 1:
        if not has_none:
            span = {percent(least): f"is {percent(least)} in each"}.get(percent(most))
            parts.append(f"Its share {span or f'lies between {percent(least)} and {percent(most)}'}.")
            if ensemble.together:
                parts.append(f"From step {ensemble.together} on, all say so.")
        variance = percent(seed_variance(trajectory.predictions[-1]))
        parts.append(f"The noise explains {variance} of the variance of x₀.")
    last, names = ensemble.mean[-1], scene.names
    best = last.argsort(descending=True, stable=True)[:6].tolist()
    counts, first = Counter(ensemble.leaders[-1].tolist()), ensemble.mean[0]
    content = {
        "sentence": " ".join(parts),
        "seeds": seeds,
        "ensemble": pack_small(ensemble.share),
        "settled": [
            {
                "index": i,
                "caption": names[i],
                "share": float(last[i]),
                "draws": counts[i],
                "first": float(first[i]),
            }
            for i in best
        ],
        "agreement": drawing(figures.agreement(ensemble.agreeing)),
    }
    if not has_none:  # a draw ends with all or nothing: bands over draws would say so of every clip
        content["bands"] = drawing(figures.noise_bands(ensemble.low, ensemble.mean, ensemble.high, names))
    return content


def forward(scene: Scene, request: dict) -> dict:
    """The forward process from a clean x_0, with the noise that the player starts from."""
    states = scene.trajectory.states[:, 0, 0]
    query = scene.result.reading.searched.casefold()
    known = [i for i, hit in enumerate(scene.drawn) if hit.caption.casefold() == query]
    winner = Ensemble.of(scene.trajectory).winner
    guess = winner if winner < len(scene.drawn) else int(scene.x0_raw[-1].argmax())
    answer = known[0] if known else guess
    clean = scene.readout.clean(torch.arange(states.shape[1]) == answer)
    level = torch.cat([scene.trajectory.alpha_bar, torch.ones(1, dtype=torch.float64)])
    # One row a noise level, in the player's order: row 0 is almost only noise, the last row is x_0 itself.
    x = add_noise(clean.expand(len(level), -1), states[:1].expand(len(level), -1), level)
    kind = "+1 at the clip that is meant and −1 elsewhere" if scene.readout.has_none else "a one-hot"
    if known:
        here = "The clip that this caption was written for is among the candidates, so x₀ is known here too."
    else:
        here = (
            f"Here the answer is assumed to be {label(scene.drawn, answer)}, the generator’s best guess; "
            f"a typed query has no known one."
        )
    return {
        "sentence": f"Training takes a known answer x₀, {kind}, and drowns it in noise. {here}",
        "x": pack(x),
        "map": drawing(figures.state_map(x, scene.names)),
    }


def familiar(scene: Scene, request: dict) -> dict:
    """How usual the query is, as a percentile among ordinary queries, beside p(candidates | query)."""
    report = scene.result.ood
    answer = report.familiar if report else None
    share = float(Ensemble.of(scene.trajectory).mean[-1, : len(scene.drawn)].max())
    honest = (
        "The generator models p(candidates | query): given this query, which candidate. How usual the query itself "
        "is, p(query), it does not say; that comes from a density over the training captions. The two stand side by "
        "side and are never multiplied: one is a place among captions, the other is about these candidates alone."
    )
    if scene.readout.has_none:
        share_note = "is the leading clip’s share of the draws"
    else:
        share_note = "is the share of the leader among the candidates"
    beside = {"honest": honest, "share": share, "share_note": share_note}
    if answer is None or answer.p_value is None or not answer.n:
        note = answer.note if answer else "Nothing is calibrated for this model and gallery."
        return {"sentence": note, "percentile": None, **beside}
    as_unusual = answer.as_unusual or 0
    return {
        "sentence": f"{as_unusual:,} of {answer.n:,} ordinary queries{answer.of_length} are as unusual as this query "
        "or more so.",
        "percentile": as_unusual / answer.n,
        "percentile_note": f"of ordinary queries{answer.of_length} are as unusual or more so",
        **beside,
    }


def export(scene: Scene, request: dict) -> dict:
    """The animation as one HTML page that needs neither a server nor a network."""
    return {"page": watch_export.page(watch_export.contents(scene.retriever, scene.result))}


def _times(count: int) -> str:
    return {1: "once", 2: "twice"}.get(count, f"{count} times")


PANELS: dict[str, Callable[[Scene, dict], dict]] = {
    "play": play,
    "whole": whole,
    "noise": noise,
    "compare": watch_compare.compare,
    "inside": watch_inside.inside,
    "words": watch_words.words,
    "forward": forward,
    "familiar": familiar,
    "export": export,
}
