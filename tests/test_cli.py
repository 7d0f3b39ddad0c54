"""The command line: what it prints where, and that nothing ends in a traceback."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from clips import write_clip
from tiny import tiny_model

from diffusionret import DiffusionRet, Gallery, Retriever, checkpoint, load_model
from diffusionret.cli import main
from diffusionret.index import index_folder

pytestmark = pytest.mark.usefixtures("loops")
ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    """A model folder, six videos with captions, and their gallery."""
    place = tmp_path_factory.mktemp("place")
    (place / "videos").mkdir()
    for i in range(6):
        write_clip(place / "videos" / f"clip{i}.mp4", count=8 + 4 * i)
    captions = [f"clip{i},Caption {i}." for i in range(6)]
    (place / "videos" / "captions.csv").write_text("\n".join(["video,caption", *captions]))
    tiny_model().save_pretrained(place / "model")
    index_folder(
        place / "videos", place / "gallery", load_model(place / "model", "cpu"), str(place / "model")
    )
    return place


def search(place: Path, *more: str) -> list[str]:
    return ["search", "a red boat", "--gallery", str(place / "gallery"), "--steps", "10", *more]


def test_json_is_the_result_of_the_retriever(place, capsys):
    assert main(search(place, "--json")) == 0
    printed = json.loads(capsys.readouterr().out)
    result = Retriever.open(place / "gallery").search("a red boat", steps=10).to_dict()
    assert set(printed.pop("timings")) == set(result.pop("timings"))
    assert printed == result and len(printed["hits"]) == 6


def test_every_setting_arrives(place, capsys):
    options = ["--k", "2", "--candidates", "5", "--steps", "4", "--seed", "3", "--seeds", "2", "--json"]
    assert main([*search(place), *options, "--device", "cpu", "--model", str(place / "model")]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed["settings"] == {"k": 2, "candidates": 5, "steps": 4, "seed": 3, "seeds": 2}
    result = Retriever.open(place / "gallery").search("a red boat", 2, 5, 4, 3, 2)
    assert printed["hits"] == result.to_dict()["hits"]


def test_the_table_shows_moves_and_sums(place, capsys):
    assert main(search(place)) == 0
    lines = capsys.readouterr().out.splitlines()
    hits = Retriever.open(place / "gallery").search("a red boat", steps=10).hits
    assert len(lines) == 8 and "similarity + boost = score" in lines[0]
    for line, hit in zip(lines[1:7], hits, strict=True):
        gained = hit.base_rank - hit.rank
        move = f"↑{gained}" if gained > 0 else f"↓{-gained}" if gained else "·"
        assert line.split()[:2] == [str(hit.rank), move]
        assert f"{hit.similarity:.4f} + {hit.boost:.4f} = {hit.score:.4f}" in line
        assert f"{hit.moment:.1f} s" in line and line.endswith(f"{hit.id}  {hit.caption}")
    assert lines[7].startswith("6 candidates, 10 steps, seed 0; ")


def test_what_is_not_read_is_said_on_standard_error(place, capsys):
    long = " ".join(f"word{i}" for i in range(40))
    assert main(["search", long, "--gallery", str(place / "gallery"), "--steps", "10", "--json"]) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["truncated"] in err and err.startswith("The model does not read")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["search", " ", "--gallery", "{}/gallery"], "The query is empty"),
        (
            ["search", "a boat", "--gallery", "{}/gallery", "--steps", "50"],
            "steps is 50: it must be from 1 to 10.",
        ),
        (["search", "a boat", "--gallery", "{}/gallery", "--k", "0"], "k is 0"),
        (["search", "a boat", "--gallery", "{}/nowhere"], "There is no gallery in"),
        (
            ["search", "a boat", "--gallery", "{}/gallery", "--model", "nothing"],
            "There is no model 'nothing'",
        ),
        (["search", "a boat", "--gallery", "{}/gallery", "--model", "{}/no.bin"], "There is no file"),
        (
            ["search", "a boat", "--gallery", "{}/gallery", "--device", "abacus"],
            "There is no device 'abacus'",
        ),
        (["index", "{}/nowhere", "--gallery", "{}/new", "--model", "{}/model"], "There is no folder"),
        (["index", "{}/model", "--gallery", "{}/new", "--model", "{}/model"], "There are no videos in"),
        (["convert", "{}/nowhere.bin", "{}/new"], "There is no file"),
        (["convert", "{}/videos/clip0.mp4", "{}/new"], "is not a readable checkpoint"),
    ],
)
def test_what_goes_wrong_is_one_sentence(place, capsys, arguments, message):
    assert main([argument.replace("{}", str(place)) for argument in arguments]) == 2
    out, err = capsys.readouterr()
    assert message in err and err.count("\n") == 1 and err.endswith(".\n") and not out
    assert not (place / "new").exists()


def test_indexing_prints_counts_and_reasons(place, tmp_path, capsys):
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "broken.mp4").write_bytes(b"nothing")
    write_clip(tmp_path / "videos" / "fine.mp4", count=5)
    command = ["index", str(tmp_path / "videos"), "--gallery", str(tmp_path / "out"), "--device", "cpu"]
    assert main([*command, "--model", str(place / "model")]) == 0
    out, err = capsys.readouterr()
    first, second = out.splitlines()
    assert first.startswith("1 added, 0 unchanged, 1 failed; ")
    assert second.startswith("  broken.mp4 ")
    assert "2 of 2 videos, 1 failed, 0:00 left" in err
    assert Gallery.open(tmp_path / "out").ids == ["fine"]


def test_a_file_may_take_only_so_long(place, tmp_path, capsys):
    command = ["index", str(place / "videos"), "--gallery", str(tmp_path / "out"), "--timeout", "0.000001"]
    assert main([*command, "--model", str(place / "model")]) == 1  # every file failed
    assert "0 added, 0 unchanged, 6 failed" in capsys.readouterr().out


def test_a_second_run_is_refused_and_a_killed_one_leaves_no_lock(place, tmp_path):
    """Two processes, as two people would start them."""
    code = "import sys, time; from diffusionret.lock import run_lock; from pathlib import Path\n"
    code += "with run_lock(Path(sys.argv[1])): print('held', flush=True); time.sleep(120)"
    out = tmp_path / "out"
    out.mkdir()
    holder = subprocess.Popen([sys.executable, "-c", code, str(out)], stdout=subprocess.PIPE, cwd=ROOT)
    command = [sys.executable, "-m", "diffusionret", "index", str(place / "videos"), "--gallery", str(out)]
    command += ["--model", str(place / "model"), "--device", "cpu"]
    try:
        assert holder.stdout is not None and holder.stdout.readline() == b"held\n"
        second = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
        assert second.returncode == 2 and second.stderr.count("\n") == 1
        assert f"Another run is changing the gallery in {out} (process {holder.pid} on " in second.stderr
    finally:
        holder.kill()
        holder.wait()
    third = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=False)
    assert third.returncode == 0 and len(Gallery.open(out)) == 6, third.stderr


def test_an_interrupt_is_no_error_of_the_program(place, monkeypatch, capsys):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("diffusionret.index.index_folder", interrupted)
    command = [
        "index",
        str(place / "videos"),
        "--gallery",
        str(place / "new"),
        "--model",
        str(place / "model"),
    ]
    assert main(command) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_converting_a_published_checkpoint(parity, tmp_path, capsys):
    published = parity / "small" / "checkpoint.bin"
    assert main(["convert", str(published), str(tmp_path / "a")]) == 0
    assert main(["convert", str(published), str(tmp_path / "b"), "--attention-temperature", "0.5"]) == 0
    assert capsys.readouterr().out.count("Wrote") == 2
    a, b = (DiffusionRet.from_pretrained(tmp_path / name) for name in "ab")
    assert (a.config.generator.attention_temperature, b.config.generator.attention_temperature) == (1.0, 0.5)
    straight = load_model(published, "cpu")
    for name, weight in straight.state_dict().items():
        assert torch.equal(weight.half(), a.state_dict()[name].half()), name


def test_a_program_of_its_own_prints_json_only(place):
    command = [sys.executable, "-m", "diffusionret", *search(place, "--json", "--k", "1")]
    done = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=True)
    assert len(json.loads(done.stdout)["hits"]) == 1
    assert "Traceback" not in done.stderr


# --- names of models ------------------------------------------------------------------------------------


def test_zero_shot_clip_has_a_name(monkeypatch):
    asked = []
    monkeypatch.setattr(
        checkpoint.DiffusionRet, "from_clip", lambda *names: asked.append(names) or tiny_model()
    )
    load_model("clip:ViT-B-32-quickgelu:openai", "cpu")
    load_model("clip:RN50", "cpu")
    assert asked == [("ViT-B-32-quickgelu", "openai"), ("RN50", None)]


def test_a_device_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="There is no device 'abacus'"):
        load_model("storybook", "abacus")
    if not torch.cuda.is_available():
        assert checkpoint.pick_device("auto").type == "cpu"
        with pytest.raises(ValueError, match="no CUDA device"):
            checkpoint.pick_device("cuda")
