"""Retrieval in both directions, before and after generation, and what the generator's noise does."""

from __future__ import annotations

import argparse
import json
import random
from dataclasses import asdict
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from .checkpoint import load_model
from .datasets.storybook import captions, clips, world
from .encoders import TextFeatures, VideoFeatures
from .metrics import RetrievalMetrics, bootstrap_interval, paired_bootstrap, ranks
from .model import DIRECTIONS, DiffusionRet, Trajectory

OMIT = 0.35  # natural captions leave out each circumstance with this probability


def table_row(rank: np.ndarray) -> dict:
    """R1 to MnR of 1-based ranks [query], and the 95 % bootstrap interval of R@1."""
    interval = bootstrap_interval(rank, "R1")
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
) -> Trajectory:
    """The trajectory of every query over its `candidates` best by `scores` [query gallery]."""
    assert model.config.generator is not None
    trained = model.config.generator.steps
    chosen = scores.topk(min(candidates, scores.shape[1]), dim=1).indices
    noise = common_noise(chosen.shape[1], seed, len(chosen)).to(scores.device)
    return model.generate(
        text, video, chosen, direction, steps=steps or trained, noise=noise, respace_from=trained
    )  # fmt: skip


def generator_scores(scores: Tensor, walk: Trajectory) -> Tensor:
    """[query gallery]: candidates ranked by x0 before the clamp, everything else after them by `scores`."""
    x0 = walk.x0_raw[-1].double()
    below = scores.double() - scores.max() + x0.min() - 1.0
    return below.scatter(1, walk.candidates, x0)


def compare(model: DiffusionRet, text: TextFeatures, video: VideoFeatures, direction: str) -> dict:
    """before, after and generator_only of one direction, the paired gain, and how many queries moved."""
    similarity = model.similarity(text, video)
    scores = similarity if direction == "t2v" else similarity.T.contiguous()
    before = ranks(scores)
    row: dict = {"before": table_row(before)}
    if model.generator is None:
        return row
    walk = generate(model, text, video, scores, direction)
    after = ranks(model.rerank(scores, walk))
    gain = paired_bootstrap(before, after, "R1")
    return row | {
        "after": table_row(after),
        "generator_only": table_row(ranks(generator_scores(scores, walk))),
        "gain_R1": [gain.estimate, gain.low, gain.high],
        "moved_up": int((after < before).sum()),
        "moved_down": int((after > before).sum()),
        "noise": noise_figures(model, text, video, scores, walk),
    }


@torch.no_grad()
def noise_figures(
    model: DiffusionRet,
    text: TextFeatures,
    video: VideoFeatures,
    scores: Tensor,
    walk: Trajectory,
    seeds: int = 6,
) -> dict:
    """How much the noise matters, and what the clamp does.

    qk_std: std of q.k over candidates, mean over queries and steps. seed_variance: share of the variance of x0
    (about each query's mean over candidates) that the initial noise causes. seeds_agree: share of seeds whose
    winner is the query's most frequent one. first_step_is_final: share of queries whose winner never changes
    from the first prediction on. clamped: share of x0 entries at the clamp; tied: share of queries whose
    winner ties after the clamp. sharp_top1, published_top1: mean top share of softmax(100 x0), softmax(x0).
    """
    assert model.generator is not None
    network = model.generator[walk.direction]
    query, shown = model.pair_features(text, video, walk.candidates, walk.direction)
    spread = [
        network.affinity(torch.full((len(shown),), int(t), device=shown.device), query, shown)
        .std(dim=1)
        .mean()
        for t in walk.timesteps[:: max(1, len(walk.timesteps) // 10)]
    ]
    others = [
        generate(model, text, video, scores, walk.direction, seed=s).x0_raw[-1] for s in range(1, seeds)
    ]
    finals = torch.stack([walk.x0_raw[-1], *others])  # [seed query candidate]
    finals = finals - finals.mean(dim=2, keepdim=True)  # the level of x0 is free: cross entropy ignores it
    within = finals.var(dim=0, unbiased=True).mean()
    total = finals.var(dim=(0, 2), unbiased=True).mean()
    winners = finals.argmax(dim=2)  # [seed query]
    agree = (winners == winners.mode(dim=0).values).float().mean()
    last, raw = walk.x0[-1], walk.x0_raw
    return {
        "qk_std": torch.stack(spread).mean().item(),
        "seed_variance": (within / total).item(),
        "seeds_agree": agree.item(),
        "first_step_is_final": (raw.argmax(2) == raw[-1].argmax(1)).all(0).float().mean().item(),
        "clamped": (raw[-1].abs() >= 1).float().mean().item(),
        "tied": ((last == last.amax(1, keepdim=True)).sum(1) > 1).float().mean().item(),
        "sharp_top1": (100 * raw[-1]).softmax(1).amax(1).mean().item(),
        "published_top1": last.softmax(1).amax(1).mean().item(),
    }


def natural_captions(model: DiffusionRet, video: VideoFeatures, scenes: tuple, look: str) -> dict:
    """Captions with omissions: several clips may fit one, so R@1 has a ceiling that the attributes give."""
    rng = random.Random(f"natural {look} test")
    written = [captions.write(s, rng, OMIT, style=look) for s in scenes]
    fits = torch.from_numpy(captions.fit_matrix(written, list(scenes)))
    text = model.encode_text([c.text for c in written])
    similarity = model.similarity(text, video)
    ceiling = captions.ceiling(written, list(scenes))

    def row(scores: Tensor) -> dict:
        figures = table_row(ranks(scores))
        top = fits.gather(1, scores.argmax(1, keepdim=True).cpu()).float().mean().item()
        return figures | {"of_ceiling": figures["R1"] / (100 * ceiling), "top1_fits": 100 * top}

    fitting = fits.sum(1).float().mean().item()
    result = {"ceiling_R1": 100 * ceiling, "clips_that_fit": fitting, "before": row(similarity)}
    if model.generator is not None:
        walk = generate(model, text, video, similarity, "t2v")
        for name, scores in (
            ("after", model.rerank(similarity, walk)),
            ("generator_only", generator_scores(similarity, walk)),
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
def encode_clips(model: DiffusionRet, frames: np.ndarray, batch: int = 64) -> VideoFeatures:
    """Features of drawn clips, uint8 [clip frame h w 3]."""
    parts = []
    for start in range(0, len(frames), batch):
        x = torch.from_numpy(np.array(frames[start : start + batch])).to(model.device)
        mask = torch.ones(x.shape[:2], dtype=torch.long, device=model.device)
        parts.append(model.encode_frames(model.preprocess(x), mask))
    return VideoFeatures(torch.cat([p.frames for p in parts]), torch.cat([p.mask for p in parts]))


@torch.no_grad()
def evaluate_storybook(model: DiffusionRet, split: str, cache: Path, look: str = "storybook") -> dict:
    """All figures of the model card on one split of the bundled world."""
    scenes = world.split(split, look)
    video = encode_clips(
        model, clips.split_frames(split, cache, model.config.frames, model.config.clip.image_size, look)
    )
    rng = random.Random(f"full {look} {split}")
    text = model.encode_text([captions.write(s, rng, 0.0, style=look).text for s in scenes])
    report: dict = {"data": look, "split": split, "model": model.config.name, "queries": len(scenes)}
    report |= {direction: compare(model, text, video, direction) for direction in DIRECTIONS}
    report["natural"] = natural_captions(model, video, scenes, look)
    pairs = {kind: minimal_pairs(model, kind, cache, look) for kind in ("direction", "roles")}
    report["pairs"] = {kind: figure for kind, (figure, _) in pairs.items()}
    report["pairs_interval"] = {kind: interval for kind, (_, interval) in pairs.items()}
    return report


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--data", default="storybook", choices=world.LOOKS, help="what to evaluate on")
    parser.add_argument("--split", default="test", choices=sorted(world.SPLIT_SIZES))
    parser.add_argument(
        "--model", default="storybook", help="a folder, a Hub id, a bundled name or a published .bin"
    )
    parser.add_argument("--device", default="auto", choices=("auto", "cpu", "cuda"))
    parser.add_argument("--cache", type=Path, default=clips.CACHE, help="folder of drawn clips")
    parser.add_argument("--out", type=Path, help="also write the report to this JSON file")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> None:
    """Evaluate and print."""
    report = evaluate_storybook(load_model(args.model, args.device), args.split, args.cache, args.data)
    text = json.dumps(report, indent=1)
    if args.out:
        args.out.write_text(text + "\n", encoding="utf-8")
    print(text if args.json else as_table(report))


def as_table(report: dict) -> str:
    """The report for people."""
    lines = [f"{report['model']} on {report['data']} {report['split']}, {report['queries']} queries, percent"]
    lines.append(f"{'':24}{'R@1':>7}{'95 % interval':>16}{'R@5':>7}{'R@10':>7}{'MdR':>6}{'MnR':>7}")
    sections = [("t2v", "text to video"), ("v2t", "video to text"), ("natural", "natural captions")]
    for key, title in sections:
        for name in ("before", "after", "generator_only"):
            if row := report[key].get(name):
                low, high = row["R1_interval"]
                lines.append(
                    f"{title + ', ' + name.replace('_', ' '):24.24}{row['R1']:7.1f}{low:9.1f} -{high:5.1f}"
                    f"{row['R5']:7.1f}{row['R10']:7.1f}{row['MdR']:6.1f}{row['MnR']:7.2f}"
                )
    lines.append(f"ceiling of natural captions {report['natural']['ceiling_R1']:.1f}")
    lines += [f"minimal pairs, {k}: {v:.1f}" for k, v in report["pairs"].items()]
    for key, title in sections[:2]:
        if "gain_R1" in report[key]:
            gain, low, high = report[key]["gain_R1"]
            lines.append(f"{title}: R@1 {gain:+.1f} [{low:+.1f}, {high:+.1f}] by generation, "
                         f"{report[key]['moved_up']} queries up, {report[key]['moved_down']} down")  # fmt: skip
            lines.append("  noise: " + ", ".join(f"{k} {v:.3g}" for k, v in report[key]["noise"].items()))
    return "\n".join(lines)
