"""How fast is it? `python -m analysis.bench` prints tables and writes analysis/results/bench.json.

Ratios are measured side by side: the two contenders take turns in one process, medians are compared, so that a
machine that is busy with other things distorts them little (times it does distort: see `load_before`). Each part
runs in a process of its own, so that its peak memory is its own. All takes some 7 minutes on two quiet cores,
`--quick` two; `--parts` chooses. The plain loop is `diffusion.ddim` over the published network, which recomputes
everything at every step, 32 queries at a time (its fastest way on a CPU).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from fractions import Fraction
from functools import partial
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import NamedTuple

import torch
from torch.nn.functional import normalize

from diffusionret import DiffusionRet, Gallery, Retriever, TextFeatures, VideoFeatures
from diffusionret.config import ClipConfig, GeneratorConfig, ModelConfig, OpenSetConfig
from diffusionret.diffusion import ddim
from diffusionret.metrics import ranks
from diffusionret.model import DIRECTIONS, build_model
from diffusionret.sampling import prepare, warm_up
from diffusionret.similarity import wti_in_blocks

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "analysis" / "results" / "bench.json"
STEPS, WORDS, REAL_WORDS = 50, 32, 14
OPEN_SET = OpenSetConfig().form
PACKAGES = ("torch", "numba", "numpy", "gradio", "open_clip_torch", "pylance", "av")


def wide_model() -> DiffusionRet:
    """Random weights at the sizes of CLIP ViT-B/32: 512 dimensions, 12 frames; towers that nothing here runs."""
    clip = ClipConfig(
        embed_dim=512, image_size=32, vision_layers=1, vision_width=64, patch_size=16, context_length=WORDS,
        text_width=64, text_heads=1, text_layers=1,
    )  # fmt: skip
    torch.manual_seed(0)
    generator = GeneratorConfig(steps=STEPS, candidates=32)
    return build_model(ModelConfig(clip=clip, generator=generator, temporal_layers=1, frames=12)).eval()


def models() -> dict[str, DiffusionRet]:
    return {"512 dims, 12 frames": wide_model(), "bundled": DiffusionRet.from_pretrained("storybook")}


def features(model: DiffusionRet, texts: int, videos: int) -> tuple[TextFeatures, VideoFeatures]:
    """Random features of the model's sizes and norm: speed does not depend on what they say."""
    g, dim = torch.Generator().manual_seed(0), model.config.clip.embed_dim

    def unit(*shape: int) -> torch.Tensor:
        drawn = torch.randn(*shape, dim, generator=g)
        return (model.config.feature_norm or 10.0) * normalize(drawn, dim=-1)

    mask = (torch.arange(WORDS) < REAL_WORDS).long().expand(texts, -1)
    frames = model.config.frames
    return TextFeatures(unit(texts), unit(texts, WORDS), mask), VideoFeatures(
        unit(videos, frames), torch.ones(videos, frames, dtype=torch.long)
    )


def to(features, device: str):
    return type(features)(*(part.to(device) for part in features))


# --- measuring ------------------------------------------------------------------------------------------


def seconds(work: Callable[[], object]) -> float:
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    begun = time.perf_counter()
    work()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begun


def median(work: Callable[[], object], at_least: int = 5, budget: float = 1.0) -> float:
    """Median seconds of `work`, repeated for `budget` seconds, after one unmeasured time."""
    work()
    taken: list[float] = []
    while len(taken) < at_least or sum(taken) < budget:
        taken.append(seconds(work))
        if sum(taken) > 10 * budget:
            break
    return statistics.median(taken)


def side_by_side(
    plain: Callable[[], object], faster: dict[str, Callable[[], object]], budget: float
) -> dict[str, float]:
    """Median seconds of the plain one and of others, which take turns; of a much faster one several times a turn. All
    must have run before. A turn takes as long as it takes, after `budget` seconds of the plain one none begins."""
    taken: dict[str, list[float]] = {"plain": [], **{name: [] for name in faster}}
    while sum(taken["plain"]) < budget and sum(map(sum, taken.values())) < 3 * budget:
        taken["plain"].append(seconds(plain))
        for name, work in faster.items():
            first = seconds(work)
            times = min(int(taken["plain"][-1] / max(first, 1e-9) / 4), 20)
            taken[name] += [seconds(work) for _ in range(times)] or [first]
    return {name: statistics.median(times) for name, times in taken.items()}


def peak_memory() -> float | None:
    """MB that this process has held at most; None where the system does not say."""
    try:
        import resource
    except ImportError:  # Windows
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def machine() -> dict:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":")[1] for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        cpu = names[0].strip() if names else cpu
    found = {"cpu": cpu, "cores": os.cpu_count(), "threads": torch.get_num_threads()}
    found |= {"system": f"{platform.system()} {platform.release()}", "python": platform.python_version()}
    if hasattr(os, "getloadavg"):
        found["load_before"] = os.getloadavg()[0]  # well below 1 on a quiet machine
    if torch.cuda.is_available():
        found["gpu"] = torch.cuda.get_device_name()
    return found | {package: version(package) for package in PACKAGES}


# --- the parts ------------------------------------------------------------------------------------------


@torch.no_grad()
def plain_loop(model, text, video, candidates, direction, noise) -> torch.Tensor:
    """The published generator's loop over 32 queries at a time; the sample [(seed) query candidate]."""
    plan = model.schedule(STEPS, model.generator_config("published").schedule)
    network = model.generator[direction]
    samples = []
    for start in range(0, len(candidates), 32):
        part = slice(start, start + 32)
        some = (to_rows(text, part), video) if direction == "t2v" else (text, to_rows(video, part))
        query, shown = model.choose("published").pair_features(*some, candidates[part], direction)

        def denoise(x: torch.Tensor, t: int, query=query, shown=shown) -> torch.Tensor:
            flat = x.reshape(-1, x.shape[-1])
            copies = len(flat) // len(shown)
            t = torch.full((len(flat),), t, device=x.device)
            return network(flat, t, query.repeat(copies, 1, 1), shown.repeat(copies, 1, 1)).view(x.shape)

        *_, last = ddim(denoise, noise[..., part, :].contiguous(), plan)
        samples.append(last.x)
    return torch.cat(samples, dim=-2)


def to_rows(features, part: slice):
    return type(features)(*(values[part] for values in features))


def sampling(quick: bool) -> list[dict]:
    """Plain loop against sampler, and against a sampler whose gallery was prepared, as a Retriever does. Where the
    plain loop would take minutes it runs for some of the queries and its time is scaled up (`plain_queries` says for
    how many it ran). MB: what the prepared gallery takes."""
    warm_up(wait=True)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    every = [
        (b, k, s) for b, k, s in product((1, 32, 1000), (32, 128), (1, 16)) if b * k * s <= 1000 * 32 * 16
    ]
    few = [(1, 32, 1), (32, 32, 1), (1, 128, 1), (1, 32, 16)]
    rows = []
    for name, model in models().items():
        model = model.to(device)
        cases = few if quick else [*few, (1000, 32, 1)] if name == "bundled" else every
        for direction in DIRECTIONS:
            for queries, k, seeds in cases:
                sizes = (queries, 1000) if direction == "t2v" else (1000, queries)
                text, video = (to(part, device) for part in features(model, *sizes))
                g = torch.Generator().manual_seed(1)
                candidates = torch.rand(queries, 1000, generator=g).topk(k).indices.to(device)
                shape = (seeds, queries, k) if seeds > 1 else (queries, k)
                noise = torch.randn(shape, generator=g).to(device)
                ran = min(queries, max(1024 // (k * seeds), 1))
                part = slice(0, ran)
                some = (to_rows(text, part), video) if direction == "t2v" else (text, to_rows(video, part))

                def plain(model=model, some=some, candidates=candidates, part=part, noise=noise, d=direction):
                    return plain_loop(model, *some, candidates[part], d, noise[..., part, :])

                def exact(model=model, text=text, video=video, c=candidates, noise=noise, d=direction):
                    return model.generate(text, video, c, d, STEPS, noise=noise, form="published").sample

                known = text._replace(cls=text.cls.clone()), video._replace(frames=video.frames.clone())
                gallery = known[1].frames if direction == "t2v" else known[0].cls
                schedule = model.schedule(STEPS, model.generator_config("published").schedule)
                size = prepare(model.generator[direction], direction, gallery, schedule)
                faster = {"sampler": exact} | ({"prepared": partial(exact, model, *known)} if size else {})
                expected = plain()
                gap = max((expected - work()[..., part, :]).abs().max().item() for work in faster.values())
                headline = (k, seeds) == (32, 1) and queries in (1, 1000)
                row = side_by_side(plain, faster, budget=0.5 if quick else 4.0 if headline else 1.5)
                row["plain"] *= queries / ran
                ratios = {f"{name}_ratio": row["plain"] / row[name] for name in faster}
                rows.append(
                    {"model": name, "direction": direction, "queries": queries, "K": k, "seeds": seeds}
                    | row
                    | ratios
                    | {"MB": size / 2**20, "plain_queries": ran, "difference": gap}
                )
    return rows


@torch.no_grad()
def evaluation(quick: bool) -> list[dict]:
    """All of an evaluation that follows the features: similarity, 32 candidates, 50 steps, ranks, both ways."""
    warm_up(wait=True)
    size = 200 if quick else 1000
    return [
        {"model": name, "generator": form, "texts": size, "videos": size} | evaluate(model, form, size)
        for name, model in models().items()
        for form in model.forms
    ]


def evaluate(model: DiffusionRet, form: str, size: int) -> dict[str, float]:
    """Seconds of the parts and of all of it: the median of three times, for the open-set generator of one."""
    text, video = features(model, size, size)
    noise = torch.randn(32, generator=torch.Generator().manual_seed(0)).expand(size, -1)
    parts: dict[str, list[float]] = {"similarity": [], "generation": [], "ranks": []}
    for _ in range(1 if form == OPEN_SET else 3):
        begun = time.perf_counter()
        similarity = model.similarity(text, video)
        matched = time.perf_counter()
        scores = {"t2v": similarity, "v2t": similarity.T.contiguous()}
        walks = {
            d: model.generate(text, video, s.topk(32).indices, d, steps=STEPS, noise=noise, form=form)
            for d, s in scores.items()
        }
        generated = time.perf_counter()
        for d, s in scores.items():
            ranks(s), ranks(model.rerank(s, walks[d]))
        ends = begun, matched, generated, time.perf_counter()
        for part, first, last in zip(parts, ends, ends[1:], strict=False):
            parts[part].append(last - first)
    row = {part: statistics.median(taken) for part, taken in parts.items()}
    return row | {"total": sum(row.values())}


def both_forms() -> Retriever:
    """The bundled model and gallery; random weights stand in for an open-set generator that the model lacks."""
    model = DiffusionRet.from_pretrained("storybook")
    if OPEN_SET not in model.forms:
        weights, openset = model.state_dict(), OpenSetConfig()
        model = build_model(replace(model.config, openset=openset))
        model.load_state_dict(weights, strict=False)
    return Retriever(model, Gallery.bundled())


def search(quick: bool) -> list[dict]:
    """Searches, each for another caption, in the process: medians in milliseconds."""
    warm_up(wait=True)
    retriever, rows = both_forms(), []
    texts = [caption for caption in retriever.gallery.captions if caption][: 40 if quick else 200]
    for form, seeds in product(retriever.model.forms, (1, 16)):
        for text in texts[:5]:
            retriever.search(text, seeds=seeds, form=form)
        timings, ends = [], time.perf_counter() + (2 if quick else 8)
        for text in texts:
            timings.append(retriever.search(text, seeds=seeds, form=form).timings)
            if len(timings) >= 20 and time.perf_counter() > ends:
                break
        parts = {part: statistics.median(t[part] for t in timings) for part in timings[0]}
        slowest = sorted(t["total"] for t in timings)[int(0.95 * len(timings))]
        share = statistics.median(t["generate"] / t["total"] for t in timings)
        rows.append(
            {"generator": form, "seeds": seeds, "searches": len(timings)}
            | parts
            | {"95_percent_below": slowest, "generation_share": share}
        )
    return rows


def indexing(quick: bool) -> list[dict]:
    """Videos indexed into a new gallery, and only decoded: videos a second, medians of turns. The bundled clips, and
    clips of the length and size of a benchmark's."""
    model, folder = DiffusionRet.from_pretrained("storybook"), Gallery.bundled().folder
    assert folder is not None
    with tempfile.TemporaryDirectory() as place:
        long_clips(folder / "videos", Path(place), 8 if quick else 32)
        kinds = {"bundled": folder / "videos", "15 s, 320 x 240": Path(place)}
        return [{"clips": kind} | index_rates(model, videos, quick) for kind, videos in kinds.items()]


def long_clips(source: Path, target: Path, count: int) -> None:
    """`count` videos of 15 seconds, 320 x 240, 25 frames a second, as MSR-VTT has them: of the first in `source`,
    played forth and back."""
    import av

    for path in sorted(source.glob("*.mp4"))[:count]:
        with av.open(path) as clip:
            pictures = [frame.reformat(320, 240, "yuv420p") for frame in clip.decode(video=0)]
        pictures += pictures[::-1]
        with av.open(target / path.name, "w") as film:
            stream = film.add_stream("libx264", rate=25, width=320, height=240, pix_fmt="yuv420p")
            for i in range(15 * 25):
                picture = pictures[i % len(pictures)]
                picture.pts, picture.time_base = i, Fraction(1, 25)
                film.mux(stream.encode(picture))
            film.mux(stream.encode(None))


def index_rates(model: DiffusionRet, folder: Path, quick: bool) -> dict[str, float]:
    """Videos a second, decoded alone and indexed, in turns."""
    from diffusionret.index import index_folder, list_videos
    from diffusionret.video import read_many

    videos, config = list_videos(folder).videos, model.config

    def decode() -> None:
        for _ in read_many(videos, config.frame_rule, config.frames, config.clip.image_size, crop=True):
            pass

    def index() -> None:
        with tempfile.TemporaryDirectory() as place:
            index_folder(folder, place, model, "storybook")

    decode()  # starts the decoding processes, and brings the files into memory
    alone, whole = [], []
    for _ in range(1 if quick else 3):
        alone.append(seconds(decode))
        whole.append(seconds(index))
    decoding, indexed = (len(videos) / statistics.median(taken) for taken in (alone, whole))
    return {"videos": len(videos), "decoding": decoding, "indexing": indexed, "ratio": indexed / decoding}


@torch.no_grad()
def growth(quick: bool) -> dict[str, list[dict]]:
    """Milliseconds of matching one text to a growing gallery, whose frames are weighed beforehand as a Retriever does,
    and of one query's generation as K, steps and seeds grow, at 512 dimensions; of the open-set generator with random
    weights."""
    warm_up(wait=True)
    wide, budget = wide_model(), 0.2 if quick else 1.0
    model = build_model(replace(wide.config, openset=OpenSetConfig())).eval()
    sizes = (250, 1000, 5000) if quick else (250, 1000, 5000, 20_000)
    text, video = features(model, 1, max(sizes))
    assert model.text_weights is not None
    words = model.text_weights.weigh(text.tokens, text.mask)
    frames = video.mask / video.mask.sum(dim=1, keepdim=True)  # speed does not depend on what they are

    def match(count: int) -> float:
        some = to_rows(video, slice(count))
        return 1000 * median(lambda: wti_in_blocks(text, some, words, frames[:count]), budget=budget)

    def generate(k: int = 32, steps: int = STEPS, seeds: int = 1) -> dict[str, float]:
        noise = torch.randn(seeds, 1, k, generator=torch.Generator().manual_seed(0))
        some, at = to_rows(video, slice(k)), torch.arange(k)[None]
        return {
            form: 1000
            * median(
                lambda form=form: model.generate(
                    text, some, at, steps=steps, noise=noise, respace_from=STEPS, form=form
                ),
                budget=budget,
            )
            for form in model.forms
        }

    return {
        "gallery": [{"videos": count, "similarity": match(count)} for count in sizes],
        "K": [{"K": k} | generate(k=k) for k in (8, 32, 128, 512)],
        "steps": [{"steps": n} | generate(steps=n) for n in (1, 10, 25, 50)],
        "seeds": [{"seeds": n} | generate(seeds=n) for n in (1, 4, 16, 64)],
    }


class Asked(NamedTuple):
    """The bundled gallery asked with its own captions: all that a ranking needs, the noise the same for all."""

    model: DiffusionRet
    text: TextFeatures
    video: VideoFeatures
    similarity: torch.Tensor
    candidates: torch.Tensor
    noise: torch.Tensor

    def scores(self, form: str, steps: int, video: VideoFeatures | None = None) -> torch.Tensor:
        """[text video]; video: the gallery's features where they are not to be the stored ones."""
        config, shown = self.model.generator_config(form), video or self.video
        walk = self.model.generate(
            self.text,
            shown,
            self.candidates,
            steps=steps,
            noise=self.noise,
            respace_from=config.steps,
            form=form,
        )
        similarity = self.similarity if video is None else self.model.similarity(self.text, video)
        return self.model.rerank(similarity, walk, config.alpha)


@torch.no_grad()
def bundled(quick: bool) -> Asked:
    model, gallery = DiffusionRet.from_pretrained("storybook"), Gallery.bundled()
    text, video = model.encode_text(gallery.captions[: 60 if quick else None]), gallery.features()
    similarity = model.similarity(text, video)
    candidates = similarity.topk(min(32, len(gallery))).indices
    noise = torch.randn(candidates.shape[1], generator=torch.Generator().manual_seed(0))
    return Asked(model, text, video, similarity, candidates, noise.expand_as(candidates))


@torch.no_grad()
def steps_needed(quick: bool) -> list[dict]:
    """How many steps the ranking needs: the bundled gallery asked with its own captions, same noise, fewer steps
    of the same schedule, against all of them. In percent of queries."""
    asked, rows = bundled(quick), []
    right = torch.arange(len(asked.similarity))
    for form in asked.model.forms:
        full = asked.model.generator_config(form).steps
        best = _first_ten(asked.scores(form, full))
        for steps in [n for n in (1, 2, 3, 5, 10, 20, 30) if n < full] + [full]:
            scores = asked.scores(form, steps)
            r1 = 100 * float((ranks(scores, right) <= 1).mean())
            rows.append({"generator": form, "steps": steps} | _same(_first_ten(scores), best) | {"R1": r1})
    return rows


def _first_ten(scores: torch.Tensor) -> torch.Tensor:
    return scores.argsort(dim=1, descending=True, stable=True)[:, :10]


def _same(top: torch.Tensor, best: torch.Tensor) -> dict[str, float]:
    """In how many of 100 queries the first, and the first ten, are those of another ranking."""
    same = (top == best).float()
    return {
        "first_is_the_same": 100 * same[:, 0].mean().item(),
        "first_ten_are_the_same": 100 * same.all(dim=1).float().mean().item(),
    }


@torch.no_grad()
def half_precision(quick: bool) -> list[dict]:
    """What features stored in half precision do to the rankings: the bundled gallery asked with its captions, same
    noise, arithmetic in float32. In percent of queries; score_moves: the largest change of a score, 0 for the
    precision in which the gallery on disk stores them anyway.

    A first place is sure to stay where its margin is more than twice the largest move (`provably_the_same`).
    """
    asked, rows = bundled(quick), []
    for form in asked.model.forms:
        steps = asked.model.generator_config(form).steps
        exact = asked.scores(form, steps)
        best = exact.topk(2, dim=1).values
        for dtype in (torch.float16, torch.bfloat16):
            video = asked.video._replace(frames=asked.video.frames.to(dtype).float())
            rounded = asked.scores(form, steps, video)
            move = (rounded - exact).abs().amax(dim=1)
            sure = (best[:, 0] - best[:, 1] > 2 * move).float().mean().item()
            rows.append(
                {"generator": form, "features": str(dtype).removeprefix("torch.")}
                | _same(_first_ten(rounded), _first_ten(exact))
                | {"provably_the_same": 100 * sure, "score_moves": move.max().item()}
            )
    return rows


@torch.no_grad()
def gpu(quick: bool) -> list[dict]:
    """1,000 queries, 32 candidates, 50 steps on the GPU, both ways together, in milliseconds; `limit` is what the
    matrix product over all candidates alone takes at the best rate that this card shows for a large one."""
    if not torch.cuda.is_available():
        return []
    size, k, dim = (100 if quick else 1000), 32, 512
    model = wide_model().cuda()
    text, video = (to(part, "cuda") for part in features(model, size, size))
    candidates = torch.rand(size, size, generator=torch.Generator().manual_seed(1)).topk(k).indices.cuda()
    noise = torch.randn(size, k, generator=torch.Generator().manual_seed(0)).cuda()

    def exact() -> None:
        for d in DIRECTIONS:
            model.generate(text, video, candidates, d, steps=STEPS, noise=noise)

    def plain() -> None:
        for d in DIRECTIONS:
            plain_loop(model, text, video, candidates, d, noise)

    exact(), plain()
    row = side_by_side(plain, {"sampler": exact}, budget=1.0)
    square = torch.randn(4096, 4096, device="cuda")
    rate = 2 * 4096**3 / median(lambda: square @ square)
    columns = 2 * (2 * dim) + 1 + STEPS
    limit = 2 * dim * columns * (size * k + size) / rate  # the texts' rows are shared in the mirror direction
    taken = {name: 1000 * value for name, value in row.items()}
    return [
        taken
        | {"ratio": row["plain"] / row["sampler"], "limit": 1000 * limit, "reached": limit / row["sampler"]}
    ]


@contextmanager
def app(environment: dict[str, str]) -> Iterator[tuple[str, float]]:
    """The app on a free port; its address, and when it was started."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    begun = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "-m", "demo", "--port", str(port)],
        cwd=ROOT,
        env={**os.environ, **environment},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://127.0.0.1:{port}/gradio_api/call/search", begun
    finally:
        process.terminate()
        process.wait()


def ask(address: str, text: str) -> None:
    """One search over HTTP."""
    body = json.dumps({"data": [text, 10, 32, 50, 0]}).encode()
    request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        event = json.load(answer)["event_id"]
    with urllib.request.urlopen(f"{address}/{event}", timeout=60) as answer:
        if b'"hits"' not in answer.read():
            raise RuntimeError("The app answered without hits.")


def start(quick: bool) -> list[dict]:
    """Seconds from `python -m demo` to its first answer over HTTP; then milliseconds of an answer. `first_ever`:
    with nothing compiled before."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as empty:
        runs = [("first_ever", {"NUMBA_CACHE_DIR": empty}), ("again", {"NUMBA_CACHE_DIR": empty})]
        for name, environment in runs:
            with app(environment) as (address, begun):
                while True:
                    try:
                        ask(address, "a red boat")
                        break
                    except OSError:
                        if time.perf_counter() - begun > 120:
                            raise
                        time.sleep(0.05)
                found[f"{name}_seconds"] = time.perf_counter() - begun
                if name == "again":
                    taken = [seconds(lambda i=i: ask(address, f"a red boat {i}")) for i in range(20)]
                    found["answer_over_http_ms"] = 1000 * statistics.median(taken)
    return [found]


PARTS: dict[str, Callable[[bool], object]] = {
    "search": search,
    "start": start,
    "sampling": sampling,
    "evaluation": evaluation,
    "indexing": indexing,
    "growth": growth,
    "steps": steps_needed,
    "half": half_precision,
    "gpu": gpu,
}


# --- the report -----------------------------------------------------------------------------------------


def table(rows: list[dict]) -> str:
    """Rows of numbers under their names."""
    lines = [list(rows[0]), *([_cell(value) for value in row.values()] for row in rows)]
    widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
    return "\n".join("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)) for line in lines)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return (
            f"{value:.1e}" if 0 < abs(value) < 1e-4 else f"{value:,.4g}" if value < 1000 else f"{value:,.0f}"
        )
    return str(value)


def show(found: list[dict] | dict[str, list[dict]], name: str) -> str:
    if isinstance(found, dict):
        return "\n".join(show(rows, f"{name}, {key}") for key, rows in found.items())
    if len(found) == 1:
        return "\n".join([name, *(f"  {k.replace('_', ' ')}: {_cell(v)}" for k, v in found[0].items())])
    return f"{name}\n{table(found)}" if found else f"{name}: nothing to measure here"


def summary(report: dict) -> str:
    """The report's headline in words, as far as it was measured."""
    return ". ".join([*told(report), ""]).strip()


def told(report: dict) -> list[str]:
    """What was measured, a sentence a part."""
    said: list[str] = []
    if "sampling" in report:
        wide = [row for row in report["sampling"] if (row["K"], row["seeds"]) == (32, 1)]
        wide = [row for row in wide if row["model"] != "bundled"]
        for queries in sorted({row["queries"] for row in wide}):
            some = [row for row in wide if row["queries"] == queries]
            least = min(row["sampler_ratio"] for row in some)
            said.append(f"Sampling is {least:.0f} x as fast as the plain loop for {queries:,} at a time")
            if all("prepared_ratio" in row for row in some):
                least = min(row["prepared_ratio"] for row in some)
                said[-1] += f", {least:.0f} x where the gallery was prepared"
    if "search" in report:
        for one, many in zip(report["search"][::2], report["search"][1::2], strict=True):
            said.append(
                f"A search with the {one['generator']} generator takes {one['total']:.1f} ms, "
                f"{100 * one['generation_share']:.0f} % of it generation, and {many['total']:.0f} ms with "
                f"{many['seeds']} seeds"
            )
    if "indexing" in report:
        shares = [f"{100 * row['ratio']:.0f} % ({row['clips']})" for row in report["indexing"]]
        said.append(f"Indexing reaches {' and '.join(shares)} of the speed of decoding")
    if "start" in report:
        said.append(f"The app answers {report['start'][0]['again_seconds']:.1f} s after its start")
    if "gpu" in report:
        (found,) = report["gpu"]
        said.append(
            f"On the GPU 1,000 queries both ways take {found['sampler']:.1f} ms, {found['ratio']:.0f} x as fast as the "
            f"plain loop there and {100 * found['reached']:.0f} % of the card's limit"
        )
    return said


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m analysis.bench", description="Measure the speed of it all."
    )
    parser.add_argument("--quick", action="store_true", help="small cases, within two minutes")
    parser.add_argument("--parts", nargs="+", choices=PARTS, default=list(PARTS), help="default: all")
    parser.add_argument("--plots", type=Path, help="also write how it grows as an HTML page of figures")
    parser.add_argument("--out", type=Path, help=f"JSON file; default for a whole run: {RESULTS}")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.inside:  # the process of one part
        found = PARTS[options.parts[0]](options.quick)
        print(json.dumps({"found": found, "peak_memory_MB": peak_memory()}))
        return
    hidden = {"--out", str(options.out), "--plots", str(options.plots)}
    shown, started = [a for a in sys.argv[1:] if a not in hidden], time.monotonic()
    report: dict = {"machine": [machine()]}
    processes: list[dict] = []
    print(show(report["machine"], "machine"), flush=True)
    for name in options.parts:
        command = [sys.executable, "-m", "analysis.bench", "--inside", "--parts", name]
        begun = time.perf_counter()
        answer = subprocess.run(
            [*command, *(["--quick"] if options.quick else [])], cwd=ROOT, stdout=subprocess.PIPE, check=True
        )
        part = json.loads(answer.stdout.splitlines()[-1])
        if part["found"]:
            report[name] = part["found"]
        print("\n" + show(part["found"], name), flush=True)
        seconds_taken = time.perf_counter() - begun
        processes.append({"part": name, "seconds": seconds_taken, "peak_memory_MB": part["peak_memory_MB"]})
    print("\n" + show(processes, "processes"))
    print("\n" + summary(report))
    whole = not options.quick and len(options.parts) == len(PARTS)
    if out := options.out or (RESULTS if whole else None):
        head = {
            "title": "Speed of every part",
            "command": " ".join(["python -m analysis.bench", *shown]),
            "shows": summary(report),
            "minutes": round((time.monotonic() - started) / 60, 1),
        }
        out.write_text(
            json.dumps(head | report | {"processes": processes}, indent=1) + "\n", encoding="utf-8"
        )
    if options.plots and "growth" in report:
        from .bench_figures import growth_plot
        from .figures import page

        figures = [growth_plot(rows) for rows in report["growth"].values()]
        options.plots.write_text(page(figures, "How the time grows"), encoding="utf-8")


if __name__ == "__main__":
    main()
