"""Training on a benchmark: many processes, chunks and resumed runs give what one uninterrupted process gives."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import accelerate
import numpy as np
import pytest
import torch
from clips import write_clip
from tiny import CONFIG, tiny_model

from diffusionret import DiffusionRet, datasets
from diffusionret.benchmarks import BENCHMARKS, FinetuneConfig
from diffusionret.cli import main
from diffusionret.config import OpenSetConfig, Optimisation
from diffusionret.frames import FrameCache, TrainingPairs, held_out
from diffusionret.training.benchmark_pairs import Batches, ReadAhead
from diffusionret.training.benchmark_stages import BenchmarkFeatures, benchmark_stage
from diffusionret.training.distributed import average_gradients
from diffusionret.training.loop import Loop
from diffusionret.training.openset_sets import ALPHAS
from diffusionret.training.records import ValidationRecord
from diffusionret.training.stage import Validation

JOB = FinetuneConfig(
    name="tiny-1", data="csv", stage=1, init="", command="", hours=0, reaches="", words=16, frames=4, batch=8,
    optimisation=Optimisation(lr=1e-3, tower_lr=1e-4), evaluate_every=0.5, patience=9,
)  # fmt: skip
STEPS = 4
SMALL = OpenSetConfig(steps=10, candidates=6, width=16, layers=1, heads=2)
BOTH = replace(CONFIG, openset=SMALL, form="open-set")


def world(folder: Path) -> tuple[TrainingPairs, TrainingPairs, FrameCache]:
    """Ten clips of noise with 20 captions as a frame cache; some clips are shorter than the model reads."""
    cache = FrameCache(folder, CONFIG)
    rng, places = np.random.default_rng(0), []
    for i in range(10):
        places.append(folder / f"{i}.npy")
        np.save(places[-1], rng.integers(0, 255, (4 - i % 2, 32, 32, 3), dtype=np.uint8))
    texts = tuple(f"clip number {i} seen {'near' if i % 2 else 'far'}" for i in range(20))
    pairs = TrainingPairs(texts, np.arange(20) // 2, tuple(places))
    return pairs, pairs.only([8, 9]), cache


def job(folder: Path, runs: Path, config: FinetuneConfig = JOB, steps: int = STEPS, **settings) -> Loop:
    train, selection, cache = world(folder)
    accelerator = accelerate.Accelerator(cpu=True)
    model = tiny_model(config=BOTH if config.stage == 3 else CONFIG)
    features = BenchmarkFeatures(config, model, train, selection, cache, accelerator, steps)
    stage = benchmark_stage(features, **settings)
    return Loop(stage, config.optimisation, features.duration, runs, accelerator)


def gradients(loop: Loop) -> tuple[float, dict[str, torch.Tensor]]:
    """The loss of the first step, and what it leaves in the parameters."""
    model = loop.stage.model.train()
    loss = loop.stage.loss(0)
    loop.process.backward(loss)
    average_gradients(model)
    return loss.item(), {n: p.grad for n, p in model.named_parameters() if p.grad is not None}


def test_chunks_change_neither_loss_nor_gradients(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    loss, whole = gradients(job(tmp_path / "c", tmp_path / "a"))
    again, pieces = gradients(job(tmp_path / "c", tmp_path / "b", chunk=3))
    assert again == pytest.approx(loss, abs=1e-6) and whole.keys() == pieces.keys()
    assert {"towers.logit_scale", "text_weights.mlp.0.weight"} & whole.keys()
    for name, value in whole.items():
        assert torch.allclose(value, pieces[name], atol=1e-6), name


def under_torchrun(folder: Path, *command: str) -> subprocess.CompletedProcess:
    """A program or module in two processes."""
    environment = os.environ | {
        "PYTHONPATH": os.pathsep.join([str(Path(__file__).parent), str(Path(__file__).parents[1])]),
        "OMP_NUM_THREADS": "1",
    }
    launch = [
        sys.executable,
        *["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"],
        *command,
    ]
    done = subprocess.run(launch, cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done


def test_two_processes_give_the_gradients_of_one(tmp_path: Path) -> None:
    (tmp_path / "c").mkdir()
    loss, whole = gradients(job(tmp_path / "c", tmp_path / "a"))
    program = (
        "import sys, torch; from pathlib import Path; import test_training_benchmarks as t\n"
        "folder = Path(sys.argv[1]); job = t.job(folder / 'c', folder / 'a', chunk=int(sys.argv[2]))\n"
        "assert job.process.num_processes == 2\n"
        "loss, found = t.gradients(job)\n"
        "torch.save([loss, found], folder / f'{job.process.process_index}.pt')\n"
    )
    (tmp_path / "two.py").write_text(program)
    under_torchrun(tmp_path, "two.py", str(tmp_path), "3")
    for process in range(2):
        again, found = torch.load(tmp_path / f"{process}.pt")
        assert again == pytest.approx(loss, abs=1e-6) and found.keys() == whole.keys()
        for name, value in whole.items():
            assert torch.allclose(value, found[name], atol=1e-6), name


@pytest.mark.parametrize("stage", [1, 2, 3])
def test_killed_and_resumed_is_as_never_killed(tmp_path: Path, stage: int) -> None:
    (tmp_path / "c").mkdir()
    config = replace(JOB, stage=stage, negatives=5)
    whole = job(tmp_path / "c", tmp_path / "a", config)
    records = [r for r in whole.records() if isinstance(r, ValidationRecord)]
    assert [r.step for r in records] == [1, 2, 3, 4]
    for record in job(tmp_path / "c", tmp_path / "b", config).records():
        if record.step == 2 and isinstance(record, ValidationRecord):
            break  # as a kill between two steps
    again = job(tmp_path / "c", tmp_path / "b", config)
    assert again.step == 2
    list(again.records())
    start, frozen = tiny_model(config=BOTH if stage == 3 else CONFIG).state_dict(), 0
    learns = ("", "", "generator.", "openset.")[stage]
    for name, value in whole.stage.model.state_dict().items():
        assert torch.allclose(value, again.stage.model.state_dict()[name], atol=1e-6), name
        frozen += torch.equal(value, start[name])
        assert stage == 1 or torch.equal(value, start[name]) != name.startswith(learns) or value.ndim < 2
    assert frozen > 20 if stage > 1 else frozen < len(start)
    for name, value in whole.average.module.state_dict().items():
        assert torch.allclose(value, again.average.module.state_dict()[name], atol=1e-6), name
    if stage == 3:
        kept = DiffusionRet.from_pretrained(tmp_path / "a" / "best")
        assert kept.forms == ("open-set", "published") and kept.choose().config.alpha in ALPHAS
        assert all(0 < r.best <= 1 and r.figures["alpha"] in ALPHAS for r in records)
    with pytest.raises(ValueError, match="another seed"):
        job(tmp_path / "c", tmp_path / "b", replace(config, seed=1))


def test_training_stops_when_nothing_gets_better(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "c").mkdir()
    scores = iter([5.0, 7.0, 6.0, 7.0])
    training = job(tmp_path / "c", tmp_path / "a", replace(JOB, patience=2), steps=100)
    monkeypatch.setattr(training.stage, "validate", lambda model, heads: Validation(next(scores), {}))
    records = [r for r in training.records() if isinstance(r, ValidationRecord)]
    assert [r.best for r in records] == [5.0, 7.0, 7.0, 7.0]
    assert training.step == 4


def test_every_pair_is_seen_once_an_epoch_by_one_process(tmp_path: Path) -> None:
    pairs = world(tmp_path)[0]
    whole = Batches(pairs, None, 4, seed=3)
    assert sorted(np.concatenate([whole.indices(i) for i in range(5)])) == list(range(20))
    assert not np.array_equal(whole.indices(0), whole.indices(5))
    halves = [Batches(pairs, None, 4, 3, process, 2)[7].pairs for process in range(2)]
    assert np.array_equal(np.concatenate(halves), whole.indices(7))
    with pytest.raises(ValueError, match="dealt evenly"):
        Batches(pairs, None, 4, 0, 0, 3)
    with pytest.raises(ValueError, match="more than the 20 pairs"):
        Batches(pairs, None, 21, 0)


def test_batches_read_ahead_are_those_of_their_steps(tmp_path: Path) -> None:
    pairs, _, cache = world(tmp_path)
    batches = Batches(pairs, cache, 4, seed=3)
    ahead = ReadAhead(batches, 4, workers=1)
    for step in (2, 3, 1):  # a run that was resumed, and another one
        for a, b in zip(ahead[step], batches[step], strict=True):
            assert np.array_equal(a, b), step


def test_the_held_out_videos_are_whole_videos_and_stay_the_same() -> None:
    names = [f"video{i // 2}" for i in range(200)]
    aside = held_out(names, 0.1, 0)
    assert sum(aside) == 20 and aside[::2] == aside[1::2] and aside == held_out(names, 0.1, 0)
    assert held_out(names, 0.1, 1) != aside and sum(held_out([str(i) for i in range(30000)], 0.5, 0)) == 1000
    with pytest.raises(ValueError, match="two readable videos"):
        held_out(["one", "one"], 0.5, 0)


def test_a_changed_video_is_decoded_anew(tmp_path: Path) -> None:
    cache, video, clip = FrameCache(tmp_path / "f", CONFIG), tmp_path / "v.mp4", datasets.captioned.Clip("v")
    write_clip(video, count=10)
    assert cache.fill([(video, clip)]) == {}
    first = cache.place(video, clip)
    frames, mask = cache.load(first)
    assert frames.shape == (4, 32, 32, 3) and mask.any() and (frames[~mask] == 0).all()
    whole = first.read_bytes()
    for part in (whole[:-9], whole[:20], b""):  # a full disk, a lost machine
        first.write_bytes(part)
        assert cache.fill([(video, clip)]) == {} and first.read_bytes() == whole
    write_clip(video, count=20)
    assert cache.place(video, clip) != first
    video.write_bytes(b"no video")
    assert list(cache.fill([(video, clip)])) == [clip]


# --- the command, on files as a benchmark has them -------------------------------------------------------


def start_folder(place: Path, words: int = 77) -> Path:
    """A model as zero-shot CLIP is one: towers alone, with CLIP's context length."""
    clip = replace(CONFIG.clip, context_length=words)
    config = replace(
        CONFIG, clip=clip, generator=None, temporal_layers=0, interaction="cls", feature_norm=None
    )
    tiny_model(config=config).save_pretrained(place)
    return place


def all_stages(
    data: str, annotations: Path, videos: Path, folder: Path, evaluated: str, capsys: pytest.CaptureFixture
) -> dict:
    """Train all stages of a preset for a few steps, evaluate twice; the report."""
    common = ["--annotations", str(annotations), "--videos", str(videos), "--runs", str(folder / "runs")]
    common += ["--frame-cache", str(folder / "frames"), "--device", "cpu", "--workers", "0", "--batch", "6"]
    start = ["--init", str(start_folder(folder / "start"))]
    assert main(["train", "--preset", f"{data}-1", *common, *start, "--steps", "3", "--chunk", "4"]) == 0
    assert main(["train", "--preset", f"{data}-1", *common, *start, "--steps", "3"]) == 0  # nothing is left
    assert main(["train", "--preset", f"{data}-2", *common, "--steps", "2"]) == 0
    assert main(["train", "--preset", f"{data}-open", *common, "--steps", "2"]) == 0
    assert list((folder / "runs" / f"{data}-2" / "logs").glob("events*"))
    best = folder / "runs" / f"{data}-open" / "best"
    model = DiffusionRet.from_pretrained(best)
    assert model.config.frame_rule == "published" and model.config.dataset == data
    assert model.forms == ("open-set", "published")
    reports = []
    for name in (best, best):
        capsys.readouterr()
        command = ["evaluate", "--data", data, "--split", evaluated, *common[:4], "--model", str(name)]
        command += ["--device", "cpu", "--cache", str(folder / "features"), "--json"]
        assert main(command) == 0
        reports.append(json.loads(capsys.readouterr().out))
    assert reports[0] == reports[1]
    return reports[0]


def write_msrvtt(folder: Path) -> Path:
    """A miniature of the 1k-A files: eight training videos, four of the test."""
    train = [f"video{i}" for i in range(8)]
    test = [f"video{7010 + i}" for i in range(4)]
    (folder / "MSRVTT_train.9k.csv").write_text("\n".join(["video_id", *train]) + "\n")
    rows = [f"ret{i},msr{i},{name},a test sentence {i}" for i, name in enumerate(test)]
    (folder / "MSRVTT_JSFUSION_test.csv").write_text(
        "\n".join(["key,vid_key,video_id,sentence", *rows]) + "\n"
    )
    sentences = [{"video_id": v, "caption": f"sentence {k} of {v}"} for v in train for k in range(3)]
    videos = [{"video_id": v, "split": "train"} for v in train]
    (folder / "MSRVTT_data.json").write_text(json.dumps({"videos": videos, "sentences": sentences}))
    return folder


def write_didemo(folder: Path) -> Path:
    for split, first in (("train", 0), ("test", 100)):
        names = [f"1234@N02_{first + i}_abc.mov" for i in range(9 if split == "train" else 4)]
        (folder / f"{split}_list.txt").write_text("\n".join(names) + "\n")
        entries = [{"video": v, "description": f"part {k} of {v}"} for v in names for k in range(2)]
        (folder / f"{split}_data.json").write_text(json.dumps(entries))
    return folder


def write_activitynet(folder: Path) -> Path:
    for split, first in (("train", 0), ("val_1", 100)):
        names = [f"v_abc{first + i}" for i in range(9 if split == "train" else 4)]
        content = {v: {"sentences": [f"part one of {v}", "part two"], "timestamps": [[0, 1], [1, 2]],
                       "duration": 2.0} for v in names}  # fmt: skip
        (folder / f"{split}.json").write_text(json.dumps(content))
    return folder


def write_msvd(folder: Path) -> Path:
    import pickle

    names = {"train": [f"abc{i}_1_5" for i in range(9)], "test": [f"xyz{i}_1_5" for i in range(4)]}
    for split, videos in names.items():
        (folder / f"{split}_list.txt").write_text("\n".join(videos) + "\n")
    words = {v: [["words", "of", v, str(k)] for k in range(2)] for part in names.values() for v in part}
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(words))
    return folder


def write_lsmdc(folder: Path) -> Path:
    for split, file in (
        ("train", "LSMDC16_annos_training.csv"),
        ("test", "LSMDC16_challenge_1000_publictect.csv"),
    ):
        rows = [
            f"1001_{split}_00.00.0{i}.000-00.00.0{i}.900\t00.00.01.000\t00.00.02.000\t00.00.01\t00.00.02\tline {i}"
            for i in range(9 if split == "train" else 4)
        ]
        (folder / file).write_text("\n".join(rows) + "\n")
    return folder


WRITERS: dict[str, Callable[[Path], Path]] = {
    "msrvtt": write_msrvtt, "msvd": write_msvd, "lsmdc": write_lsmdc, "activitynet": write_activitynet,
    "didemo": write_didemo,
}  # fmt: skip


@pytest.mark.parametrize("data", WRITERS)
def test_a_dry_run_of_each_preset(data: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "annotations").mkdir()
    (tmp_path / "videos").mkdir()
    annotations = WRITERS[data](tmp_path / "annotations")
    ids = [c.id for split in ("train", "test") for c in datasets.read(data, annotations, split).clips]
    for i, name in enumerate(ids[1:]):  # the first has no file
        extension = "" if "." in name[-5:] and data == "didemo" else ".mp4"
        write_clip(tmp_path / "videos" / f"{name}{extension}", count=10 + 3 * i)
    report = all_stages(data, annotations, tmp_path / "videos", tmp_path, "test", capsys)
    assert report["videos"] == 4 and report["missing"] == []
    assert {"before", "after", "generator_only"} <= set(report["published"]["t2v"])


def test_all_stages_on_real_videos(realdata: Path, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    clips = sorted((realdata / "clips").iterdir())
    sentences = json.loads((realdata / "annotations/msrvtt/MSRVTT_data.valtest_derived.json").read_text())[
        "sentences"
    ]
    rows = [
        f'{clip.name},"{sentences[20 * i + k]["caption"]}"' for i, clip in enumerate(clips) for k in range(2)
    ]
    for split in ("train", "test"):
        (tmp_path / f"{split}.csv").write_text("\n".join(["video,caption", *rows]) + "\n")
    report = all_stages("csv", tmp_path, realdata / "clips", tmp_path, "test", capsys)
    assert report["videos"] == 10 and report["queries"] == 20 and report["missing"] == []


def test_the_command_in_two_processes_trains_as_in_one(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "videos").mkdir()
    for i in range(12):
        write_clip(tmp_path / "videos" / f"{i}.mp4", count=10 + 3 * i)
    rows = [f"{i}.mp4,sentence {k} of clip {i}" for i in range(12) for k in range(2)]
    (tmp_path / "train.csv").write_text("\n".join(["video,caption", *rows]) + "\n")
    start = start_folder(tmp_path / "start")
    command = (
        f"train --preset csv-1 --annotations {tmp_path} --videos {tmp_path / 'videos'} --init {start}".split()
    )
    command += (
        f"--frame-cache {tmp_path / 'frames'} --device cpu --workers 0 --batch 8 --steps 4 --runs".split()
    )
    assert main([*command, str(tmp_path / "one")]) == 0
    capsys.readouterr()
    said = under_torchrun(tmp_path, "-m", "diffusionret", *command, str(tmp_path / "two"))
    one, two = (
        [json.loads(line) for line in (tmp_path / runs / "csv-1" / "records.jsonl").read_text().splitlines()]
        for runs in ("one", "two")
    )
    assert said.stdout.splitlines() == [json.dumps(r) for r in two]  # the first process speaks for both
    assert len(one) == len(two) and sum("loss" in record for record in one) == 1
    clock = {"minutes", "seconds_a_step", "minutes_left"}
    for alone, shared in zip(one, two, strict=True):
        for name in alone.keys() - clock:
            assert alone[name] == pytest.approx(shared[name], abs=1e-5), name


def test_presets_say_what_they_do() -> None:
    for name, preset in BENCHMARKS.items():
        assert preset.name == name and name in preset.command and preset.hours >= 0 and preset.reaches
        assert preset.data in datasets.READERS and (preset.init in BENCHMARKS) == (preset.stage > 1)
    assert {p.data for p in BENCHMARKS.values()} == set(datasets.READERS)


def test_what_is_missing_is_said(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert main(["train", "--preset", "msvd-1"]) == 2
    assert "needs --annotations and --videos" in capsys.readouterr().err
    command = ["train", "--preset", "csv-2", "--annotations", str(tmp_path), "--videos", str(tmp_path)]
    assert main([*command, "--runs", str(tmp_path), "--device", "cpu"]) == 2
    assert "train csv-1 first" in capsys.readouterr().err
