"""Evaluation on a benchmark's files: generated clips with real file names, cached features, missing videos."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from clips import write_clip
from tiny import CONFIG, features, tiny_model

from diffusionret import datasets, evaluate
from diffusionret import features as cached
from diffusionret.checkpoint import _published
from diffusionret.cli import main
from diffusionret.config import OpenSetConfig
from diffusionret.datasets.captioned import VideoFolder
from diffusionret.metrics import best_captions, ranks

NAMES = ("-4wsuPCjDBc_5_15", "abc_1_2", "x_y_3_4", "zz_9_12")


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A table of four clips with five captions, one clip without a file, and one file that is broken."""
    folder = tmp_path_factory.mktemp("data")
    rows = [(name, f"caption of {name}") for name in NAMES] + [
        (NAMES[0], "another one"),
        ("gone", "never seen"),
    ]
    rows += [("broken", "garbage")]
    for split, part in (("test", rows), ("train", [("t1", "some training caption"), ("t2", "one more")])):
        text = "".join(f"{v},{c}\n" for v, c in part)
        (folder / f"{split}.csv").write_text(f"video,caption\n{text}")
    for i, name in enumerate(NAMES):
        write_clip(folder / f"{name}.mp4", count=10 + 5 * i)
    (folder / "broken.mp4").write_bytes(b"no video at all")
    return folder


def test_a_report_from_files(files: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = tiny_model()
    model.save_pretrained(tmp_path / "model")
    command = ["evaluate", "--data", "csv", "--annotations", str(files), "--videos", str(files)]
    command += ["--model", str(tmp_path / "model"), "--cache", str(tmp_path / "cache"), "--device", "cpu"]
    assert main([*command, "--json", "--csv", str(tmp_path / "queries.csv")]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["videos"] == 4 and report["queries"] == 5 and report["bank"] == 2
    assert [m.split(":")[0] for m in report["missing"]] == ["gone", "broken"]
    for direction in ("t2v", "v2t"):
        assert {"before", "after", "generator_only", "test_time", "moved_up"} <= set(report[direction])
        assert set(report[direction]["test_time"]["dual_softmax"]) == {"before", "after"}
    assert set(report["t2v"]["test_time"]["qb_norm"]) == {"before", "after"}
    with (tmp_path / "queries.csv").open() as lines:
        rows = list(csv.DictReader(lines))
    assert len(rows) == 5 + 4 and {r["query"] for r in rows if r["direction"] == "v2t"} == set(NAMES)
    assert main([*command, "--json"]) == 0  # from the cache: the same figures
    assert json.loads(capsys.readouterr().out) == report
    assert main(command) == 0
    shown = capsys.readouterr().out
    assert "text to video, qb norm, after" in shown and "2 videos are missing" in shown
    assert report["generator"] == "published" and report["trained_on"] == "" and "trained on" not in shown
    assert main(["evaluate", "--data", "msvd"]) == 2
    assert "needs --annotations and --videos" in capsys.readouterr().err


def test_features_are_cached_by_content(files: Path, tmp_path: Path) -> None:
    model, split = tiny_model(), datasets.read("csv", files, "test")
    first = cached.encode_split(model, split, files, tmp_path)
    stored = set(tmp_path.iterdir())
    assert len(stored) == 4
    again = cached.encode_split(model, split, files, tmp_path)
    assert torch.equal(first.video.frames, again.video.frames) and set(tmp_path.iterdir()) == stored
    for place, length in zip(sorted(stored), (0, 7, 60, -1), strict=True):  # cut off at any byte: made anew
        place.write_bytes(place.read_bytes()[:length])
    mended = cached.encode_split(model, split, files, tmp_path)
    assert torch.equal(first.video.frames, mended.video.frames)
    assert len(VideoFolder(files).find(NAMES[0]).read_bytes()) > 0
    other = tiny_model(seed=1)
    assert cached.model_digest(other) != cached.model_digest(model)
    cached.encode_split(other, split, files, tmp_path)
    assert len(set(tmp_path.iterdir())) == 8


def test_several_captions_a_video_follow_the_published_protocol() -> None:
    model, owner = tiny_model(), [0, 0, 1, 2, 2, 2, 3]
    text, video = features(7, 4)
    scores = model.similarity(text, video)
    to_video, _ = evaluate.compare(model, text, video, "t2v", owner)
    assert to_video["before"]["MnR"] == pytest.approx(ranks(scores, owner).mean())
    to_text, records = evaluate.compare(model, text, video, "v2t", owner)
    expected = ranks(best_captions(scores, owner))
    assert to_text["before"]["MnR"] == pytest.approx(expected.mean())
    assert [r["rank_before"] for r in records] == expected.tolist()


def test_both_generators_are_measured(files: Path) -> None:
    small = OpenSetConfig(steps=4, seeds=2, width=16, layers=1, heads=2)
    config = replace(CONFIG, openset=small, form="open-set", dataset="msrvtt")
    text, video = features(7, 4)
    model = tiny_model(config=config)
    found = {
        f: evaluate.compare(model, text, video, "t2v", [0, 0, 1, 2, 2, 2, 3], generator=g)[0]
        for f, g in model.generators.items()
    }
    assert found["published"]["before"] == found["open-set"]["before"]
    assert found["published"]["generator_only"] != found["open-set"]["generator_only"]
    report = evaluate.heading(model, "didemo", "test", 7) | dict.fromkeys(("t2v", "v2t"), found["open-set"])
    shown = evaluate.as_table(report | {"published": {"t2v": found["published"]}})
    assert "it was trained on msrvtt" in shown and "text to video, published, after" in shown
    assert shown.count("text to video, before") == 1 and "published, before" not in shown


def test_weights_that_do_not_say_what_they_read_read_what_the_paper_does() -> None:
    short = replace(CONFIG, frame_rule="published")
    unknown = replace(short, clip=replace(CONFIG.clip, context_length=77))
    paragraphs = evaluate.as_published(unknown, "didemo")
    assert (paragraphs.words, paragraphs.frames) == (64, 64)
    assert evaluate.as_published(unknown, "msvd").frames == 12
    assert evaluate.as_published(short, "didemo").words == 24  # no more than its towers know
    for known in (CONFIG, replace(unknown, dataset="msvd")):
        assert evaluate.as_published(known, "didemo") is known


def test_a_published_checkpoint_as_it_is(
    realdata: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With CLIP's whole vocabulary, which the small checkpoint of the parity figures has not."""
    state = {_published(name): value for name, value in tiny_model().state_dict().items()}
    torch.save(state, tmp_path / "checkpoint.bin")
    clips = sorted((realdata / "clips").iterdir())[:4]
    table = tmp_path / "test.csv"
    table.write_text("video,caption\n" + "".join(f"{clip.name},clip {i}\n" for i, clip in enumerate(clips)))
    command = ["evaluate", "--data", "csv", "--annotations", str(table), "--videos", str(realdata / "clips")]
    command += ["--model", str(tmp_path / "checkpoint.bin"), "--cache", str(tmp_path / "cache"), "--json"]
    assert main([*command, "--device", "cpu"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["videos"] == 4 and report["missing"] == [] and report["model"] == "published checkpoint"
    assert {"before", "after", "generator_only"} <= set(report["t2v"]) & set(report["v2t"])
