"""Videos indexed, against videos decoded."""

from __future__ import annotations

import statistics
import tempfile
from fractions import Fraction
from pathlib import Path

from diffusionret import DiffusionRet, Gallery
from diffusionret.index import index_folder, list_videos
from diffusionret.video import read_many

from .timing import seconds


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
