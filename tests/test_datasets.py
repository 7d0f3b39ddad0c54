"""The readers: right counts on the real annotation files, and small files of every form."""

from __future__ import annotations

import json
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from diffusionret import datasets
from diffusionret.cli import main
from diffusionret.datasets import count, table
from diffusionret.datasets.captioned import Captioned, Clip, VideoFolder, collect
from diffusionret.datasets.msvd import read_plain_pickle

# (data set, folder, split): videos, captions, listed without a caption
REAL = {
    ("msrvtt", "msrvtt", "test"): (1000, 1000, 0),
    ("msrvtt", "msrvtt", "train"): (9000, 2487 * 20, 6513),  # the captions at hand are those of val and test
    ("msrvtt-7k", "msrvtt", "train"): (7010, 497 * 20, 6513),
    ("msrvtt-full", "msrvtt", "val"): (497, 497 * 20, 0),
    ("msrvtt-full", "msrvtt", "test"): (2990, 2990 * 20, 0),
    ("msvd", "msvd", "train"): (1200, 48774, 0),
    ("msvd", "msvd", "val"): (100, 4290, 0),
    ("msvd", "msvd", "test"): (670, 27763, 0),
    ("activitynet", "activitynet", "train"): (10009, 10009, 0),
    ("activitynet", "activitynet", "test"): (4917, 4917, 0),
    ("didemo", "didemo", "val"): (1065, 1065, 0),
    ("didemo", "didemo", "test"): (1004, 1004, 0),
}


@pytest.mark.parametrize("which", REAL, ids=lambda which: f"{which[0]}-{which[2]}")
def test_counts_of_the_real_files(realdata: Path, which: tuple[str, str, str]) -> None:
    name, folder, split = which
    found = datasets.read(name, realdata / "annotations" / folder, split)
    videos, captions, bare = REAL[which]
    assert len(found.clips) + len(found.uncaptioned) == videos
    assert len(found.captions) == captions and len(found.uncaptioned) == bare
    assert found.owner == tuple(sorted(found.owner)) and set(found.owner) == set(range(len(found.clips)))


def test_splits_of_the_real_files_do_not_overlap(realdata: Path) -> None:
    for name, splits in (("msvd", ("train", "val", "test")), ("activitynet", ("train", "test"))):
        videos = [
            {c.id for c in datasets.read(name, realdata / "annotations" / name, s).clips} for s in splits
        ]
        assert len(set().union(*videos)) == sum(map(len, videos))


def test_the_real_1k_a_pairs(realdata: Path) -> None:
    found = datasets.read("msrvtt", realdata / "annotations" / "msrvtt", "test")
    assert (
        found.clips[0] == Clip("video9770")
        and found.captions[0] == "a person is connecting something to system"
    )
    assert found.owner == tuple(range(1000))


# --- small files of every form --------------------------------------------------------------------------


def write_msrvtt(folder: Path) -> None:
    (folder / "MSRVTT_JSFUSION_test.csv").write_text(
        'key,vid_key,video_id,sentence\nret0,msr1,video1,"a cat, a dog"\nret1,msr2,video2,a car\n'
    )
    (folder / "MSRVTT_train.9k.csv").write_text("video_id\nvideo3\nvideo4\nvideo5\n")
    (folder / "MSRVTT_train.7k.csv").write_text("video_id\nvideo3\n")
    videos = [{"video_id": f"video{i}", "split": "train" if i < 5 else "test"} for i in range(6)]
    captions = [
        {"video_id": f"video{i}", "caption": f"caption {j} of {i}"} for j in range(2) for i in range(5)
    ]
    (folder / "MSRVTT_data.json").write_text(json.dumps({"videos": videos, "sentences": captions}))


def test_msrvtt(tmp_path: Path) -> None:
    write_msrvtt(tmp_path)
    found = datasets.read("msrvtt", tmp_path, "test")
    assert found.captions == ("a cat, a dog", "a car")
    train = datasets.read("msrvtt", tmp_path, "train")
    assert [c.id for c in train.clips] == ["video3", "video4"] and train.uncaptioned == ("video5",)
    assert train.captions[:2] == ("caption 0 of 3", "caption 1 of 3") and train.owner == (0, 0, 1, 1)
    assert len(datasets.read("msrvtt-7k", tmp_path, "train").clips) == 1
    assert len(datasets.read("msrvtt-full", tmp_path, "train").captions) == 10
    with pytest.raises(ValueError, match="no split 'val': choose train, test"):
        datasets.read("msrvtt", tmp_path, "val")
    (tmp_path / "MSRVTT_data.json").write_text('{"videos": [')
    with pytest.raises(ValueError, match="not valid JSON"):
        datasets.read("msrvtt-full", tmp_path, "test")


def write_msvd(folder: Path, captions: object) -> None:
    (folder / "test_list.txt").write_text("-4wsuPCjDBc_5_15\nabc_1_2\n")
    (folder / "raw-captions.pkl").write_bytes(pickle.dumps(captions))


def test_msvd(tmp_path: Path) -> None:
    write_msvd(tmp_path, {"-4wsuPCjDBc_5_15": [["a", "squirrel"], ["it", "eats"]], "other": [["no"]]})
    found = datasets.read("msvd", tmp_path, "test")
    assert found.captions == ("a squirrel", "it eats") and found.owner == (0, 0)
    assert found.uncaptioned == ("abc_1_2",)
    write_msvd(tmp_path, ["not", "a", "mapping"])
    with pytest.raises(ValueError, match="expected form"):
        datasets.read("msvd", tmp_path, "test")


class Evil:
    def __reduce__(self):
        return os.system, ("touch /tmp/should-not-exist-diffusionret",)


@pytest.mark.parametrize("content", [Evil(), {"a": [Evil()]}, Path("x"), {1: Captioned}])
def test_a_pickle_that_wants_to_run_something_is_refused(tmp_path: Path, content: object) -> None:
    file = tmp_path / "raw-captions.pkl"
    file.write_bytes(pickle.dumps(content))
    with pytest.raises(ValueError, match="is refused"):
        read_plain_pickle(file)
    assert not Path("/tmp/should-not-exist-diffusionret").exists()


@given(st.binary(max_size=200))
def test_any_bytes_are_plain_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.pkl"
    file.write_bytes(content)
    try:
        read_plain_pickle(file)
    except ValueError as error:
        assert "is refused" in str(error)


def test_lsmdc(tmp_path: Path) -> None:
    first = "0001_American_Beauty_00.00.51.926-00.00.54.129"
    line = "\t00.00.51.926\t00.00.54.129\t00.00.51.925\t00.00.54.129\t"
    (tmp_path / "LSMDC16_challenge_1000_publictect.csv").write_bytes(
        f'{first}{line}SOMEONE says "no",\x85 and leaves.\r\n'.encode()
        + f"1001_Flight_00.00.05.930-00.00.07.029{line}He caf".encode() + b"\xe9.\n\n"
    )  # fmt: skip
    found = datasets.read("lsmdc", tmp_path, "test")
    assert found.clips[0].id == first and found.captions[0] == 'SOMEONE says "no", and leaves.'
    assert len(found.clips) == 2
    film = tmp_path / "0001_American_Beauty"
    film.mkdir()
    (film / f"{first}.avi").touch()
    assert VideoFolder(tmp_path).find(first) == film / f"{first}.avi"
    (tmp_path / "LSMDC16_annos_val.csv").write_text("a\tb\n")
    with pytest.raises(ValueError, match="6 columns between tabs, not 2 as in line 1"):
        datasets.read("lsmdc", tmp_path, "val")


def test_activitynet_joins_sentences(tmp_path: Path) -> None:
    entry = {"duration": 9.0, "timestamps": [[0, 1], [1, 2]], "sentences": ["A dog runs. ", "  It stops."]}
    (tmp_path / "val_1.json").write_text(json.dumps({"v_abc": entry}))
    found = datasets.read("activitynet", tmp_path, "test")
    assert found.clips == (Clip("v_abc"),) and found.captions == ("A dog runs. It stops.",)
    with pytest.raises(FileNotFoundError, match=r"There is no train\.json"):
        datasets.read("activitynet", tmp_path, "train")
    (tmp_path / "train.json").write_text('["v_abc"]')
    with pytest.raises(ValueError, match="expected form"):
        datasets.read("activitynet", tmp_path, "train")


def test_didemo_keeps_the_list_and_thirty_seconds(tmp_path: Path) -> None:
    (tmp_path / "test_list.txt").write_text("1@N0_a.mov\n1@N0_b.\n1@N0_c.mp4\n")
    entries = [("1@N0_b.", "a man"), ("1@N0_a.mov", "one"), ("not@listed", "no"), ("1@N0_a.mov", "two ")]
    (tmp_path / "test_data.json").write_text(json.dumps([{"video": v, "description": d} for v, d in entries]))
    found = datasets.read("didemo", tmp_path, "test")
    assert found.clips == (Clip("1@N0_a.mov", 0.0, 30.0), Clip("1@N0_b.", 0.0, 30.0))
    assert found.captions == ("one two", "a man") and found.uncaptioned == ("1@N0_c.mp4",)


def test_a_table_of_moments(tmp_path: Path) -> None:
    file = tmp_path / "test.csv"
    file.write_text(
        '\ufeffvideo,caption,start,end\na.mp4,"one,\ntwo",0,2.5\na.mp4,three,,\na.mp4,four,0,2.5\n',
        encoding="utf-8",
    )
    for where in (tmp_path, file):
        found = table.read(where, "test")
        assert found.clips == (Clip("a.mp4", 0.0, 2.5), Clip("a.mp4"))
        assert found.captions == ("one, two", "four", "three") and found.owner == (0, 0, 1)
    for row, words in (
        ("a,b,1,0", "ends before"), ("a,b,x,1", "seconds"), ("a,b,nan,", "seconds"), (" ,b,,", "names no video"),
    ):  # fmt: skip
        file.write_text(f"video,caption,start,end\n{row}\n")
        with pytest.raises(ValueError, match=words):
            table.read(tmp_path, "test")
    file.write_text("film,text\na,b\n")
    with pytest.raises(ValueError, match="columns video and caption"):
        table.read(tmp_path, "test")


def test_no_caption_at_all_is_an_error() -> None:
    with pytest.raises(ValueError, match="no caption for the split test"):
        collect("x", "test", [(Clip("a"), "  ")])


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.text(max_size=5)), min_size=1, max_size=20), st.data())
def test_collect_and_only_keep_captions_with_their_clips(
    pairs: list[tuple[str, str]], data: st.DataObject
) -> None:
    real = [(Clip(v), " ".join(t.split())) for v, t in pairs if t.split()]
    if not real:
        return
    found = collect("x", "test", [(Clip(v), t) for v, t in pairs])
    assert sorted((found.clips[o], t) for t, o in zip(found.captions, found.owner, strict=True)) == sorted(
        real
    )
    kept = data.draw(st.lists(st.sampled_from(range(len(found.clips))), unique=True, min_size=1))
    part = found.only(kept)
    assert part.clips == tuple(found.clips[i] for i in kept)
    wanted = sorted((c, t) for c, t in real if c in part.clips)
    assert sorted((part.clips[o], t) for t, o in zip(part.captions, part.owner, strict=True)) == wanted


# --- files ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("file", "asked"),
    [
        ("video7.mp4", "video7"), ("TrainVal/video7.avi", "video7"), ("x.y.webm", "x.y"), ("a.mp4", "a.mov"),
        ("1@N0_5762149bfc.", "1@N0_5762149bfc."), ("1@N0_5762149bfc.mp4", "1@N0_5762149bfc."),
        ("sub/a.mp4", "sub/a.mp4"),
        ("abc.mkv", "v_abc"), ("v_abc.MP4", "v_abc"), ("plain", "plain"),
    ],
)  # fmt: skip
def test_files_are_found_by_the_annotations_names(tmp_path: Path, file: str, asked: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(exist_ok=True)
    path.touch()
    (tmp_path / ".hidden.mp4").touch()
    folder = VideoFolder(tmp_path)
    assert folder.find(asked) == path
    assert folder.find("absent") is None and folder.find("hidden") is None


def test_the_exact_name_wins(tmp_path: Path) -> None:
    for name in ("a.avi", "a.mp4"):
        (tmp_path / name).touch()
    assert VideoFolder(tmp_path).find("a.mp4") == tmp_path / "a.mp4"
    with pytest.raises(FileNotFoundError, match="no folder of videos"):
        VideoFolder(tmp_path / "absent")


def test_the_command_counts_what_is_missing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_msrvtt(tmp_path)
    videos = tmp_path / "videos"
    videos.mkdir()
    (videos / "video3.mp4").touch()
    command = ["data", "msrvtt", "--annotations", str(tmp_path), "--videos", str(videos)]
    assert main([*command, "--split", "train", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {"videos": 3, "captions": 4, "missing": 2}
    assert main([*command, "--split", "train"]) == 0
    assert "2 cannot be used (no file or no caption): video5, video4" in capsys.readouterr().out
    assert main(["data", "msvd", "--annotations", str(tmp_path / "absent")]) == 2
    assert "no folder of annotations" in capsys.readouterr().err
    assert count.missing(datasets.read("msrvtt", tmp_path, "test"), None) == []
