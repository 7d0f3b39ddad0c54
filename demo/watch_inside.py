"""Inside a step: what the query attends to, candidate by candidate, frame by frame and word by word."""

from __future__ import annotations

from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import normalize

from diffusionret import TextFeatures, VideoFeatures
from diffusionret.evidence import WordEvidence, word_evidence
from diffusionret.matching import Matcher
from diffusionret.tokenizer import clip_tokenizer
from diffusionret.trajectory import Ensemble

from .media import clip_url, poster_url
from .watch import label, pack
from .watch_scene import Scene


def inside(scene: Scene, request: dict) -> dict:
    """Attention over candidates at every step (published generator), and over the frames and words of two clips.

    request["candidate"]: the column to explain; the winner when it is None. It stands beside its strongest rival.
    """
    model, hits = scene.retriever.model, scene.drawn
    last = Ensemble.of(scene.trajectory).mean[-1, : len(hits)]
    chosen = request.get("candidate")
    chosen = int(last.argmax()) if chosen is None else chosen
    if not isinstance(chosen, int) or not 0 <= chosen < len(hits):
        raise ValueError("There is no such candidate.")
    rivals = last.clone()
    rivals[chosen] = -1
    columns = [chosen, int(rivals.argmax())] if len(hits) > 1 else [chosen]
    with torch.no_grad():
        text = model.encode_text([scene.result.reading.searched])
        video = scene.retriever.matcher.features(scene.trajectory.candidates[0])
        attention = _attention(scene, text, video)
        tokens = _tokens(scene.retriever.matcher, text, scene.result.reading.searched)
        clips = [_clip(scene, text, video, i) for i in columns]
        pair = VideoFeatures(*(part[columns] for part in video))
        evidence = word_evidence(model, scene.result.reading.searched, pair)
    content: dict = {
        "columns": columns,
        "tokens": tokens,
        "clips": clips,
        "sentence": _why(scene, columns, evidence),
    }
    if attention is not None:
        spread, noise = attention.affinity_std, attention.noise_std
        content["attention"] = pack(attention.weights)
        content["attention_sentence"] = (
            f"w = softmax(q·k + xₜ): over the candidates q·k has a standard deviation of {spread:.2f}, the noise "
            f"one of {noise:.2f} at the start. "
            + (
                "The query outweighs the noise."
                if spread > noise
                else "The noise outweighs the query at first."
            )
        )
    return content


class Attention(NamedTuple):
    """weights [step candidate]: of the attention of a query to its candidates, each row sums to 1. affinity_std and
    noise_std: standard deviations of its two parts, of q.k over the candidates (mean over the steps) and of the noise
    at the start."""

    weights: Float[Tensor, "step candidate"]
    affinity_std: float
    noise_std: float


def _attention(scene: Scene, text: TextFeatures, video: VideoFeatures) -> Attention | None:
    """The attention at every step; None for a generator without it."""
    model, trajectory = scene.retriever.model, scene.trajectory
    affinity = model.choose(scene.form).affinity(text, video, trajectory.timesteps.to(model.device))
    if affinity is None:
        return None
    states = trajectory.states[:, 0, 0]
    weights = (affinity + states[:-1].to(model.device)).softmax(dim=-1).cpu()
    return Attention(weights, float(affinity.std(dim=-1).mean()), float(states[0].std()))


def _clip(scene: Scene, text: TextFeatures, video: VideoFeatures, i: int) -> dict:
    """How one candidate looks to the query: cosines of words and frames, and the attention over its frames."""
    model, hit = scene.retriever.model, scene.drawn[i]
    real = int(video.mask[i].sum())
    frames = normalize(video.frames[i, :real], dim=-1)
    words = normalize(text.tokens[0], dim=-1)[: int(text.mask[0].sum())]
    attention = model.choose(scene.form).frame_attention(text.cls[0], video.frames[i, :real])
    times = scene.retriever.gallery.timestamps[int(scene.trajectory.candidates[0, i])][:real]
    return {
        "index": i,
        "caption": hit.caption,
        "poster": poster_url(hit.id, hit.poster),
        "video": clip_url(hit.id, hit.path),
        "times": [float(t) for t in times],
        "cosine": (words @ frames.T).cpu().tolist(),
        "attention": attention.cpu().tolist(),
    }


def _tokens(matcher: Matcher, text: TextFeatures, query: str) -> list[dict]:
    """The pieces of words that the model reads, with their weights in the similarity, alike where it weighs none."""
    ids, mask = matcher.model.tokenize([query])
    count = int(mask.sum())
    known = matcher.token_weights(text)
    weights = torch.full((count,), 1 / count) if known is None else known[0, :count].cpu()
    pieces = [clip_tokenizer().decode([int(i)]).strip() for i in ids[0, :count]]
    pieces[0], pieces[-1] = "start", "end"
    return [
        {"text": piece, "weight": float(weight), "own": i > 0}
        for i, (piece, weight) in enumerate(zip(pieces, weights, strict=True))
    ]


def _why(scene: Scene, columns: list[int], evidence: list[WordEvidence]) -> str:
    """Which words speak for the first clip against the second: those whose absence changes the most between them."""
    if len(columns) < 2:
        return "There is no other candidate to compare with."
    if not evidence:
        return "The query has a single word, so there is none to leave out."
    ahead = sorted(((part.effects[0] - part.effects[1], part.word) for part in evidence), reverse=True)
    most = max(abs(by) for by, _ in ahead)
    gain = [f"“{word}”" for by, word in ahead if by > most / 4][:3]
    loss = [f"“{word}”" for by, word in reversed(ahead) if by < -most / 4][:2]
    first, second = (label(scene.drawn, i) for i in columns)
    if not gain:
        return f"No word speaks for {first} rather than {second}: left out one by one, each leaves it no worse off."
    against = f"; {_and(loss)} {'speaks' if len(loss) == 1 else 'speak'} against" if loss else ""
    speak = "speaks" if len(gain) == 1 else "speak"
    return f"Left out one by one, {_and(gain)} {speak} for {first} against {second}{against}."


def _and(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
