"""Retrieval in both directions, before and after generation, and what the generator's noise does."""

from __future__ import annotations

import csv
import random
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from . import datasets
from .benchmarks import BENCHMARKS
from .config import SETTINGS, ModelConfig
from .datasets.storybook import captions, clips, truth, world
from .encoders import TextFeatures, VideoFeatures
from .encoding import encode_clips
from .features import CACHE, encode_captions, encode_split
from .fusion import fuse
from .generators import Generator
from .generators.interface import DIRECTIONS
from .metrics import (
    RetrievalMetrics,
    best_captions,
    bootstrap_interval,
    dual_softmax,
    paired_bootstrap,
    qb_norm,
    ranks,
)
from .model import DiffusionRet
from .readout import ONE_WINNER, published_shares
from .trajectory import Trajectory, agreement, seed_variance, settled

BANK = 5000  # captions of QB-Norm's bank, at most
OMIT = 0.35  # natural captions leave out each circumstance with this probability


def table_row(rank: np.ndarray, groups: Sequence[int] | None = None) -> dict:
    """R1 to MnR of 1-based ranks [query], and the 95 % bootstrap interval of R@1 (groups are drawn whole)."""
    interval = bootstrap_interval(rank, "R1", groups=groups)
    return asdict(RetrievalMetrics.from_ranks(rank)) | {"R1_interval": [interval.low, interval.high]}


def common_noise(candidates: int, seed: int, queries: int) -> Tensor:
    """The same noise for every query [query candidate], so that figures of single queries can be repeated."""
    noise = torch.randn(candidates, generator=torch.Generator().manual_seed(seed))
    return noise.expand(queries, -1)


@torch.no_grad()
def generate(
    model: DiffusionRet,
    text: TextFeatures,
    video: VideoFeatures,
    scores: Tensor,
    direction: str,
    candidates: int = 32,
    steps: int | None = None,
    seed: int = 0,
    seeds: int | None = None,
    generator: Generator | None = None,
) -> Trajectory:
    """The trajectory of every query over its `candidates` best by `scores` [query gallery].

    generator: None for the one that answers. seeds, steps: as many as its config says when None; the noises are those
    of seed, seed + 1, ..., the same for every query.
    """
    generator = generator or model.choose()
    config = generator.config
    seeds, steps = seeds or config.seeds, steps or config.usual_steps
    chosen = scores.topk(min(candidates, scores.shape[1]), dim=1).indices
    noises = [common_noise(chosen.shape[1], seed + s, len(chosen)) for s in range(seeds)]
    noise = torch.stack(noises) if seeds > 1 else noises[0]
    return generator.generate(
        text, video, chosen, direction, steps, noise=noise.to(scores.device), respace_from=config.steps
    )


def compare(
    model: DiffusionRet,
    text: TextFeatures,
    video: VideoFeatures,
    direction: str,
    owner: Sequence[int] | None = None,
    bank: TextFeatures | None = None,
    generator: Generator | None = None,
) -> tuple[dict, list[dict]]:
    """One direction before and after generation, and a record of every query. generator: as in `generate`.

    owner: the video of each caption where there are several a video; a video's best caption then counts, as
    published. bank: captions that are not under test, for QB-Norm (text to video). The figures hold before, after
    and generator_only, the paired gain, how many queries moved, and, under test_time, what normalisation over
    other queries does: dual softmax of the final scores, QB-Norm of the similarity that generation adds to.
    """
    similarity = model.similarity(text, video)
    scores = similarity if direction == "t2v" else similarity.T.contiguous()
    owner = list(range(len(scores))) if owner is None else list(owner)
    one_each = owner == list(range(similarity.shape[1]))
    groups = owner if direction == "t2v" and not one_each else None

    def place(matrix: Tensor | np.ndarray) -> np.ndarray:
        if direction == "t2v":
            return ranks(matrix, owner)
        return ranks(matrix if one_each else best_captions(matrix.T, owner))

    def row(matrix: Tensor | np.ndarray) -> dict:
        return table_row(place(matrix), groups)

    before = place(scores)
    figures: dict = {"before": table_row(before, groups)}
    after, moved = before, scores
    fusion = None
    if model.generators:
        generator = generator or model.choose()
        trajectory = generate(model, text, video, scores, direction, generator=generator)
        fusion = fuse(model, text, video, scores, trajectory)
        moved = fusion.added(scores)
        after = place(moved)
        gain = paired_bootstrap(before, after, "R1", groups=groups)
        figures |= {
            "after": table_row(after, groups),
            "generator_only": row(fusion.alone(scores)),
            "gain_R1": [gain.estimate, gain.low, gain.high],
            "moved_up": int((after < before).sum()),
            "moved_down": int((after > before).sum()),
        }
        if one_each:
            figures["noise"] = noise_figures(model, text, video, scores, trajectory)
    figures["test_time"] = {"dual_softmax": {"before": row(dual_softmax(scores))}}
    if fusion is not None:
        figures["test_time"]["dual_softmax"]["after"] = row(dual_softmax(moved))
    if bank is not None and direction == "t2v":
        # Its beta of 20 is for cosines in [-1, 1], which these similarities are.
        normal = torch.from_numpy(qb_norm(scores, model.similarity(bank, video))).to(scores.device)
        figures["test_time"]["qb_norm"] = {"before": row(normal)}
        if fusion is not None:
            figures["test_time"]["qb_norm"]["after"] = row(fusion.added(normal))
    first, last = scores.argmax(1).tolist(), moved.argmax(1).tolist()
    records = [
        {"query": q, "rank_before": a, "rank_after": b, "first_before": first[q], "first_after": last[q]}
        for q, (a, b) in enumerate(zip(before.tolist(), after.tolist(), strict=True))
    ]
    return figures, records


@torch.no_grad()
def noise_figures(
    model: DiffusionRet,
    text: TextFeatures,
    video: VideoFeatures,
    scores: Tensor,
    trajectory: Trajectory,
    seeds: int = 6,
) -> dict:
    """How much the noise matters, and, where one candidate wins, what the clamp does.

    Of the trajectory's own seeds, and of more where these are fewer than `seeds`. seed_variance: see there.
    seeds_agree: share of seeds whose winner is the query's most frequent one. first_step_is_final: share of queries
    whose winner never changes from the first prediction on. Before them what the generator has to say of its network:
    the published one qk_std, the std of q.k over candidates, mean over queries and steps.
    """
    generator = model.choose(trajectory.form)
    first, count = trajectory.predictions[:, 0], trajectory.candidates.shape[1]
    finals = [trajectory.predictions[-1]]
    for seed in range(len(finals[0]), seeds):
        more = generate(
            model,
            text,
            video,
            scores,
            trajectory.direction,
            count,
            len(first),
            seed,
            seeds=1,
            generator=generator,
        )
        finals.append(more.predictions[-1])
    x0_raw = torch.cat(finals)
    figures = generator.diagnostics(text, video, trajectory) | {
        "seed_variance": seed_variance(x0_raw),
        "seeds_agree": agreement(x0_raw.argmax(dim=2)).mean().float().item(),
        "first_step_is_final": (settled(first.argmax(dim=2)) == 1).double().mean().float().item(),
    }
    return figures | clamp_figures(first[-1]) if trajectory.readout.exclusive else figures


def clamp_figures(x0_raw: Float[Tensor, "query candidate"]) -> dict:
    """What clamping the last prediction does where one candidate wins.

    clamped: share of x0 entries at the clamp; tied: share of queries whose winner ties after the clamp. sharp_top1,
    published_top1: mean top share of softmax(100 x0), softmax(x0).
    """
    x0 = x0_raw.clamp(-1, 1)
    return {
        "clamped": (x0_raw.abs() >= 1).float().mean().item(),
        "tied": ((x0 == x0.amax(1, keepdim=True)).sum(1) > 1).float().mean().item(),
        "sharp_top1": ONE_WINNER.shares(x0_raw).amax(1).mean().item(),
        "published_top1": published_shares(x0_raw).amax(1).mean().item(),
    }


def heading(model: DiffusionRet, data: str, split: str, queries: int) -> dict:
    """What was measured on what. generator: the form that answers; trained_on: "" where the checkpoint does not say."""
    return {
        "data": data, "split": split, "model": model.config.name, "trained_on": model.config.dataset,
        "generator": next(iter(model.generators), None), "queries": queries,
    }  # fmt: skip


def natural_captions(model: DiffusionRet, video: VideoFeatures, scenes: tuple, look: str) -> dict:
    """Captions with omissions: several clips may fit one, so R@1 has a ceiling that the attributes give."""
    rng = random.Random(f"natural {look} test")
    written = [captions.write(s, rng, OMIT, style=look) for s in scenes]
    fits = torch.from_numpy(truth.fit_matrix(written, list(scenes)))
    text = model.encode_text([c.text for c in written])
    similarity = model.similarity(text, video)
    ceiling = truth.ceiling(written, list(scenes))

    def row(scores: Tensor) -> dict:
        figures = table_row(ranks(scores))
        top = fits.gather(1, scores.argmax(1, keepdim=True).cpu()).float().mean().item()
        return figures | {"of_ceiling": figures["R1"] / (100 * ceiling), "top1_fits": 100 * top}

    fitting = fits.sum(1).float().mean().item()
    result = {"ceiling_R1": 100 * ceiling, "clips_that_fit": fitting, "before": row(similarity)}
    if model.generators:
        trajectory = generate(model, text, video, similarity, "t2v")
        fusion = fuse(model, text, video, similarity, trajectory)
        for name, scores in (
            ("after", fusion.added(similarity)),
            ("generator_only", fusion.alone(similarity)),
        ):
            result[name] = row(scores)
    return result


def minimal_pairs(model: DiffusionRet, kind: str, cache: Path, look: str) -> tuple[float, list[float]]:
    """Percent of captions that prefer their own clip to its minimal twin, with the 95 % interval (by pair)."""
    pairs = world.minimal_pairs(kind, look)
    size, frames = model.config.clip.image_size, model.config.frames
    scenes = [scene for pair in pairs for scene in pair]
    drawn = clips.render_scenes(scenes, cache / f"{look}-pairs-{kind}-{frames}x{size}.npy", frames, size)
    rng = random.Random(f"pairs {kind} {look}")
    text = model.encode_text([captions.write(s, rng, 0.0, style=look).text for s in scenes])
    video = encode_clips(model, drawn)
    right = []
    for i in range(0, len(scenes), 2):
        pair = model.similarity(
            TextFeatures(*(part[i : i + 2] for part in text)),
            VideoFeatures(*(part[i : i + 2] for part in video)),
        )
        right.append(((pair[0, 0] > pair[0, 1]).item() + (pair[1, 1] > pair[1, 0]).item()) / 2)
    interval = bootstrap_interval(np.array(right), lambda v: 100 * float(np.mean(v)))
    return interval.estimate, [interval.low, interval.high]


@torch.no_grad()
def evaluate_storybook(model: DiffusionRet, split: str, cache: Path, look: str = "storybook") -> dict:
    """All figures of the model card on one split of the bundled world."""
    scenes = world.split(split, look)
    video = encode_clips(
        model, clips.split_frames(split, cache, model.config.frames, model.config.clip.image_size, look)
    )
    rng = random.Random(f"full {look} {split}")
    text = model.encode_text([captions.write(s, rng, 0.0, style=look).text for s in scenes])
    report: dict = heading(model, look, split, len(scenes))
    report |= {direction: compare(model, text, video, direction)[0] for direction in DIRECTIONS}
    for form, other in list(model.generators.items())[1:]:  # what does not answer is measured beside
        report[form] = {d: compare(model, text, video, d, generator=other)[0] for d in DIRECTIONS}
    report["natural"] = natural_captions(model, video, scenes, look)
    pairs = {kind: minimal_pairs(model, kind, cache, look) for kind in ("direction", "roles")}
    report["pairs"] = {kind: figure for kind, (figure, _) in pairs.items()}
    report["pairs_interval"] = {kind: interval for kind, (_, interval) in pairs.items()}
    return report


def as_published(config: ModelConfig, data: str) -> ModelConfig:
    """With the words and frames that the paper reads of a benchmark, where the weights do not say what they read: those
    of the published format, and zero-shot CLIP."""
    if config.dataset or config.frame_rule != "published":
        return config
    preset, room = BENCHMARKS[f"{data}-1"], config.clip.context_length
    frames = min(preset.frames, room) if config.temporal_layers else preset.frames
    return replace(config, words=min(preset.words, room), frames=frames)


def evaluate_benchmark(
    model: DiffusionRet,
    name: str,
    split: str,
    annotations: Path,
    videos: Path,
    cache: Path = CACHE,
    table: Path | None = None,
) -> dict:
    """All figures of a benchmark's split, from its annotation and video files.

    QB-Norm is measured where the training annotations are there too. table: a CSV file to write, a row a query.
    """
    found = encode_split(model, datasets.read(name, annotations, split), videos, cache)
    split_of = found.captioned
    report: dict = heading(model, name, split, len(split_of.captions))
    report |= {"videos": len(split_of.clips), "missing": found.missing}
    bank = None
    if split != "train":
        try:
            others = sorted(set(datasets.read(name, annotations, "train").captions) - set(split_of.captions))
        except (OSError, ValueError):  # not every test set comes with its training captions
            others = []
        if others:
            chosen = random.Random(0).sample(others, min(BANK, len(others)))
            bank, report["bank"] = encode_captions(model, chosen), len(chosen)
    rows = []
    for form, other in list(model.generators.items())[1:]:  # what does not answer is measured beside
        report[form] = {
            d: compare(model, found.text, found.video, d, split_of.owner, bank, other)[0] for d in DIRECTIONS
        }
    for direction in DIRECTIONS:
        report[direction], records = compare(model, found.text, found.video, direction, split_of.owner, bank)
        names = [clip.id for clip in split_of.clips], list(split_of.captions)
        shown, asked = names if direction == "t2v" else names[::-1]
        rows += [
            {"direction": direction} | r | {
                "query": asked[r["query"]],
                "first_before": shown[r["first_before"]],
                "first_after": shown[r["first_after"]],
            }
            for r in records
        ]  # fmt: skip
    if table:
        with table.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
    return report


def as_table(report: dict) -> str:
    """The report for people."""
    head = f"{report['model']} on {report['data']} {report['split']}, {report['queries']} queries, percent"
    if report["trained_on"] and report["trained_on"] != report["data"]:
        head += f"; it was trained on {report['trained_on']}"
    lines = [head, f"{'':38}{'R@1':>7}{'95 % interval':>16}{'R@5':>7}{'R@10':>7}{'MdR':>6}{'MnR':>7}"]
    sections = [("t2v", "text to video"), ("v2t", "video to text"), ("natural", "natural captions")]
    parts = [(title, report.get(key, {}), True) for key, title in sections]
    for form in SETTINGS:  # the one that does not answer: before is the same
        parts += [(f"{t}, {form}", report.get(form, {}).get(d, {}), False) for d, t in sections[:2]]
    for title, part, first in parts:
        tricks = [
            (f"{t}, {when}", r) for t, both in part.get("test_time", {}).items() for when, r in both.items()
        ]
        rows = [(n, part.get(n)) for n in ("before", "after", "generator_only")] + tricks
        for name, row in rows if first else rows[1:3]:
            if row:
                low, high = row["R1_interval"]
                lines.append(
                    f"{title + ', ' + name.replace('_', ' '):38}{row['R1']:7.1f}{low:9.1f} -{high:5.1f}"
                    f"{row['R5']:7.1f}{row['R10']:7.1f}{row['MdR']:6.1f}{row['MnR']:7.2f}"
                )
    if "natural" in report:
        lines.append(f"ceiling of natural captions {report['natural']['ceiling_R1']:.1f}")
        lines += [f"minimal pairs, {k}: {v:.1f}" for k, v in report["pairs"].items()]
    if report.get("missing"):
        lines.append(f"{len(report['missing'])} videos are missing: {'; '.join(report['missing'][:5])}")
    for key, title in sections[:2]:
        if "gain_R1" in report[key]:
            gain, low, high = report[key]["gain_R1"]
            lines.append(f"{title}: R@1 {gain:+.1f} [{low:+.1f}, {high:+.1f}] by generation, "
                         f"{report[key]['moved_up']} queries up, {report[key]['moved_down']} down")  # fmt: skip
        if "noise" in report[key]:
            lines.append("  noise: " + ", ".join(f"{k} {v:.3g}" for k, v in report[key]["noise"].items()))
    return "\n".join(lines)
