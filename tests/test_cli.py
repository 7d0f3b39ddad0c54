"""The command line: what it prints where, and that nothing ends in a traceback."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest
import torch
from clips import write_clip
from tiny import tiny_model

from diffusionret import DiffusionRet, Gallery, Retriever, checkpoint, load_model
from diffusionret.cli import COMMANDS, main
from diffusionret.commands.options import json_text
from diffusionret.commands.progress import FileProgress
from diffusionret.index import index_folder
from diffusionret.video import VideoError

pytestmark = pytest.mark.usefixtures("loops")
ROOT = Path(__file__).resolve().parents[1]
SLOW = {"torch", "lance", "av", "torchvision", "open_clip", "gradio", "sklearn", "scipy", "numba", "pandas"}


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


def test_search_by_a_clip(place, capsys, tmp_path):
    like = ["search", "--like", str(place / "videos" / "clip3.mp4"), "--gallery", str(place / "gallery")]
    assert main([*like, "--k", "2", "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    hits = Retriever.open(place / "gallery").search_video(place / "videos" / "clip3.mp4", 2)
    assert printed == {"like": "clip3.mp4", "hits": [hit.to_dict() for hit in hits]}
    assert hits[0].id == "clip3"
    assert main([*like, "--export", str(tmp_path / "list.csv")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 7 and "similarity + boost = score" in lines[0] and "Caption 3." in lines[1]
    assert len((tmp_path / "list.csv").read_text().splitlines()) == 7


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (["a boat", "--like", "boat.jpg"], "one of the two"),
        ([], "one of the two"),
        (["--like", "boat.jpg", "--seeds", "2"], "no generator"),
        (["--like", "no such.jpg"], "no such.jpg cannot be opened"),
    ],
)
def test_a_search_is_by_a_text_or_by_a_picture(place, capsys, more, said):
    assert main(["search", *more, "--gallery", str(place / "gallery")]) == 2
    assert said in capsys.readouterr().err


def test_describe_a_file_or_a_clip_of_the_gallery(place, capsys):
    for video in ("clip2", str(place / "videos" / "clip2.mp4")):
        assert main(["describe", video, "--gallery", str(place / "gallery"), "--k", "2"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert len(lines) == 2 and all(re.fullmatch(r"-?0\.\d{4}  Caption \d\.", line) for line in lines)
    assert main(["describe", "clip2", "--gallery", str(place / "gallery"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    captions = Retriever.open(place / "gallery").describe("clip2")
    assert printed == {"video": "clip2", "captions": [caption._asdict() for caption in captions]}
    assert main(["describe", "nobody", "--gallery", str(place / "gallery")]) == 2
    assert "nobody cannot be opened" in capsys.readouterr().err


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


def test_json_says_how_the_query_was_read(place, capsys):
    assert main([*search(place), "--exact", "--json"]) == 0
    read = json.loads(capsys.readouterr().out)["query"]
    assert (read["text"], read["searched"], read["corrected"]) == ("a red boat", "a red boat", {})
    assert (read["taken"], read["unknown"], read["unreadable"]) == ([], [], False)


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
        (["train", "--preset", "storybook-1", "--device", "abacus"], "There is no device 'abacus'"),
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


def test_a_run_in_which_every_file_failed_says_so(place, tmp_path, capsys):
    (tmp_path / "videos").mkdir()
    for name in ("a", "b"):
        (tmp_path / "videos" / f"{name}.mp4").write_bytes(b"nothing")
    command = ["index", str(tmp_path / "videos"), "--gallery", str(tmp_path / "out")]
    assert main([*command, "--model", str(place / "model")]) == 1
    assert "0 added, 0 unchanged, 2 failed" in capsys.readouterr().out


def test_a_file_may_take_only_so_long(place, tmp_path, monkeypatch):
    """The time arrives; that it is kept is a matter of test_video.py."""
    arrived = []

    def read_many(paths, rule, frames, size, timeout, **options):
        arrived.append(timeout)
        yield from ((path, VideoError("late.", path)) for path in paths)

    monkeypatch.setattr("diffusionret.intake.read_many", read_many)
    command = ["index", str(place / "videos"), "--gallery", str(tmp_path / "out"), "--timeout", "2.5"]
    assert main([*command, "--model", str(place / "model")]) == 1 and arrived == [2.5]


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


def test_what_belongs_to_a_benchmark_is_not_silently_dropped(tmp_path, capsys):
    for option in ("--csv", "--annotations", "--videos"):
        assert main(["evaluate", option, str(tmp_path / "x")]) == 2
        assert capsys.readouterr().err == f"{option} belongs to a benchmark: name it with --data.\n"


@pytest.mark.parametrize("clips", ["0", "-1", "1001"])
def test_storybook_draws_as_many_clips_as_there_are(tmp_path, capsys, clips):
    pytest.importorskip("skia")
    assert main(["storybook", str(tmp_path / "new"), "--clips", clips]) == 2
    assert capsys.readouterr().err == f"--clips is {clips}: it must be from 1 to 1000.\n"
    assert not (tmp_path / "new").exists()


def test_storybook_draws_and_indexes(place, tmp_path, capsys):
    pytest.importorskip("skia")
    new = tmp_path / "new"
    assert main(["storybook", str(new), "--clips", "2", "--model", str(place / "model")]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("2 added, 0 unchanged, 0 failed; ")
    assert "2 of 2 clips, 0:00 left" in err and "2 of 2 videos, 0 failed, 0:00 left" in err
    gallery = Gallery.open(new)
    assert gallery.ids == ["0000", "0001"] and all(gallery.captions)


@pytest.mark.parametrize("content", [b"no weights at all", b"PK\x03\x04 broken", b""])
def test_what_is_no_checkpoint_is_said_without_bad_advice(tmp_path, capsys, content):
    (tmp_path / "x.bin").write_bytes(content)
    assert main(["convert", str(tmp_path / "x.bin"), str(tmp_path / "new")]) == 2
    said = "x.bin is not a readable checkpoint: it is damaged, or holds something other than weights.\n"
    assert capsys.readouterr().err.endswith(said)


@pytest.mark.parametrize(
    "save", [torch.save, lambda content, file: file.write_bytes(pickle.dumps(content, 4))]
)
def test_a_checkpoint_that_holds_code_is_not_run(tmp_path, capsys, recwarn, save):
    save({"weights": Path("anything")}, tmp_path / "x.bin")
    assert main(["convert", str(tmp_path / "x.bin"), str(tmp_path / "new")]) == 2
    err = capsys.readouterr().err
    assert "not a readable checkpoint" in err and "weights_only" not in err and err.count("\n") == 1
    assert not recwarn.list


def test_an_interrupt_before_a_command_runs_is_one_too():
    code = """
        import runpy, sys

        class Interrupt:
            def find_spec(self, name, *rest):
                if name == "typer":
                    raise KeyboardInterrupt

        sys.meta_path.insert(0, Interrupt())
        runpy.run_module("diffusionret", run_name="__main__")"""
    command = [sys.executable, "-c", textwrap.dedent(code)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "Interrupted.\n")


@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_pressed_twice_it_ends_as_cleanly(place, tmp_path):
    """Ctrl-C while files are being read, again and again: one sentence, and the gallery can be used."""
    (tmp_path / "videos").mkdir()
    for number in range(60):
        (tmp_path / "videos" / f"{number}.mp4").symlink_to(place / "videos" / f"clip{number % 6}.mp4")
    command = [sys.executable, "-m", "diffusionret", "index", str(tmp_path / "videos")]
    command += ["--gallery", str(tmp_path / "gallery"), "--model", str(place / "model"), "--device", "cpu"]
    with (tmp_path / "said").open("w+") as said:
        run = subprocess.Popen(command, cwd=ROOT, stderr=said, stdout=subprocess.DEVNULL)
        while run.poll() is None and not (tmp_path / "gallery" / "indexing.json").exists():
            time.sleep(0.01)
        while run.poll() is None:
            run.send_signal(signal.SIGINT)
            time.sleep(0.02)
        said.seek(0)
        text = said.read()
    assert "Traceback" not in text and "Exception ignored" not in text
    assert run.returncode in (0, 130) and text.count("Interrupted.") == (run.returncode == 130)
    assert main([*command[3:]]) == 0
    assert len(Gallery.open(tmp_path / "gallery")) == 60


def test_json_knows_no_nan():
    value = {"a": [1.5, float("nan")], "b": {"c": float("inf")}, "d": (True, None, "x", 2)}
    assert json.loads(json_text(value)) == {"a": [1.5, None], "b": {"c": None}, "d": [True, None, "x", 2]}
    assert "NaN" not in json_text(value) and "\n" not in json_text(value, None)


def test_no_command_writes_json_of_its_own():
    for file in (ROOT / "diffusionret" / "commands").glob("*.py"):
        assert ("json.dumps" in file.read_text(encoding="utf-8")) == (file.name == "options.py"), file.name


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


# --- help, usage, completion ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_shows_examples(name, capsys):
    assert main([name, "--help"]) == 0
    out, err = capsys.readouterr()
    assert f"    python -m diffusionret {name} " in out or f"    python -m diffusionret {name}\n" in out
    assert "Example" in out and not err


def fresh(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The program `diffusionret` in a process of its own; the last line is what it has loaded of slow packages."""
    code = "import atexit, sys; sys.argv[0] = 'diffusionret'\n"
    code += f"atexit.register(lambda: print('loaded', *sorted({SLOW!r} & set(sys.modules))))\n"
    code += "from diffusionret.cli import main; sys.exit(main())"
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=ROOT, env=os.environ | environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


@pytest.mark.parametrize("arguments", [["--help"], ["search", "--help"], ["train", "--help"], ["search"]])
def test_help_waits_for_nothing_slow(arguments):
    done = fresh(*arguments)
    assert done.stdout.splitlines()[-1] == "loaded" and done.returncode == (0 if "--help" in arguments else 2)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("ev", ["evaluate"]),
        ("evaluate --data msrvtt-", ["msrvtt-7k", "msrvtt-full"]),
        ("search boat --device c", ["cpu", "cuda"]),
        ("data ls", ["lsmdc"]),
    ],
)
def test_the_shell_completes_commands_and_choices(words, expected):
    line = f"diffusionret {words}"
    done = fresh(_DIFFUSIONRET_COMPLETE="complete_bash", COMP_WORDS=line, COMP_CWORD=str(line.count(" ")))
    assert done.stdout.split() == [*expected, "loaded"], done.stderr


def test_the_script_of_completion_is_for_the_installed_program(capsys, monkeypatch):
    monkeypatch.setenv("_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION", "1")
    assert main(["--show-completion", "bash"]) == 0
    script = capsys.readouterr().out
    assert "_DIFFUSIONRET_COMPLETE=complete_bash" in script and "python" not in script


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "Missing command."),
        (["serch", "a boat"], "No such command 'serch'"),
        (["describe"], "Missing argument"),
        (["search", "a boat", "--galery", "x"], "--galery"),
        (["search", "a boat", "--k", "many"], "Invalid value for '--k'"),
        (["evaluate", "--data", "msr"], "'msr' is none of storybook, sketchbook, msrvtt,"),
        (["data", "msr", "--annotations", "x"], "'msr' is none of msrvtt,"),
        (["train", "--preset", "storybook-9"], "'storybook-9' is none of"),
        (["index", "videos", "--gallery", "x"], "--model"),
    ],
)
def test_wrong_usage_is_said_and_is_status_2(arguments, message, capsys):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert message in err and "Usage: python -m diffusionret" in err and not out
    assert "Traceback" not in err and "\x1b" not in err


# --- progress -------------------------------------------------------------------------------------------


def test_progress_in_a_log_is_a_line_now_and_then(capsys, monkeypatch):
    clock = iter([0.0, 4.0, 12.0, 13.0, 40.0])
    monkeypatch.setattr("diffusionret.commands.progress.time.monotonic", lambda: next(clock))
    with FileProgress("videos") as progress:
        for done in (1, 2, 3, 4):
            progress.show(done, 4, failed=1)
    expected = ["2 of 4 videos, 1 failed, 0:12 left", "4 of 4 videos, 1 failed, 0:00 left"]
    assert capsys.readouterr().err.splitlines() == expected


def test_progress_on_a_terminal_is_a_bar(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "120")
    with FileProgress("videos") as progress:
        for done in (1, 2):
            progress.show(done, 2, failed=0)
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    assert "2 of 2 videos, 0 failed" in text and "━" in text and "0:00:00 left" in text


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


# --- long videos ----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def films(place) -> Path:
    """A gallery of one long video, in three spans, and of one short one."""
    (place / "films").mkdir()
    write_clip(place / "films" / "film.mp4", count=250)
    write_clip(place / "films" / "clip.mp4", count=12)
    command = [
        "index",
        str(place / "films"),
        "--gallery",
        str(place / "spans"),
        "--model",
        str(place / "model"),
    ]
    assert main([*command, "--spans", "10s", "--timeout", "120"]) == 0
    return place / "spans"


def test_spans_are_counted_listed_and_refused(place, films, capsys):
    command = ["index", str(place / "films"), "--gallery", str(films), "--model", str(place / "model")]
    assert main([*command, "--spans", "10s"]) == 0
    assert capsys.readouterr().out.startswith("0 added, 2 unchanged, 0 failed")
    assert main([*command, "--spans", "sometimes"]) == 2
    assert "Spans are 'sometimes': choose whole, shots, or windows" in capsys.readouterr().err
    assert main(["list", "--gallery", str(films), "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [file["id"] for file in listed] == ["clip", "film@0", "film@7", "film@15"]
    assert [file["start"] for file in listed] == pytest.approx([0, 0, 7.778, 15.556], abs=1e-3)


def test_a_search_says_where_and_writes_a_list(films, tmp_path, capsys):
    command = ["search", "a red boat", "--gallery", str(films), "--steps", "10"]
    assert main([*command, "--export", str(tmp_path / "list.csv")]) == 0
    table = capsys.readouterr().out
    assert "span" in table.splitlines()[0] and "7.8 to 17.2 s" in table
    assert len((tmp_path / "list.csv").read_text().splitlines()) == 5
    assert main([*command, "--json"]) == 0
    hits = json.loads(capsys.readouterr().out)["hits"]
    assert {hit["file"] for hit in hits} == {"film.mp4", "clip.mp4"}
    assert all(0 <= hit["start"] < hit["end"] <= hit["duration"] for hit in hits)
    assert main([*command, "--export", str(tmp_path / "list.txt")]) == 2
    assert "let it end in .csv, .edl, .json" in capsys.readouterr().err


def test_a_hit_is_cut_and_a_gallery_exported(films, tmp_path, capsys):
    out = tmp_path / "part.mp4"
    assert main(["cut", "film@7", "--gallery", str(films), "--out", str(out)]) == 0
    assert "7.8 to 17.2 s of film.mp4, encoded anew" in capsys.readouterr().out and out.is_file()
    assert main(["cut", "film@7", "--gallery", str(films), "--out", str(out)]) == 2
    assert main(["cut", "film@8", "--gallery", str(films), "--out", str(tmp_path / "other.mp4")]) == 2
    assert "The gallery has no video 'film@8'" in capsys.readouterr().err
    assert main(["export", str(tmp_path / "features"), "--gallery", str(films)]) == 0
    assert capsys.readouterr().out.startswith("4 spans of 2 files in ")
    assert (tmp_path / "features" / "gallery.parquet").is_file()
