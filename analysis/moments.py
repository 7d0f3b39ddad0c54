"""Is the right moment of a long film found? `python -m analysis.moments`: clips of the bundled gallery joined to one
film of 20 minutes, indexed as shots and as fixed windows, and asked by the clips' captions.

`python -m analysis.moments FILM` keeps the film there, or takes the one that lies there.
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np

from diffusionret import Gallery, Retriever
from diffusionret.checkpoint import load_model
from diffusionret.gallery import BUNDLED
from diffusionret.index import index_folder, read_captions
from diffusionret.metrics import bootstrap_interval
from diffusionret.results import Hit
from diffusionret.spans import DEFAULT

from . import measure

SECONDS = 1200.0
SEED = 0
ASKED = 10  # moments that are listed one by one
RATE = 15  # frames a second, as the clips
DIVISIONS = ("shots", DEFAULT)
TIMEOUT = 900.0  # seconds a span may take: figures must not depend on how busy a machine is


class Moment(NamedTuple):
    """A clip of the film: what it shows, and from when to when, in seconds."""

    clip: str
    caption: str
    start: float
    end: float


def program() -> list[tuple[Path, str]]:
    """The clips in the order of the film, with their captions: all of them, shuffled, and then anew."""
    captions, _ = read_captions(BUNDLED / "videos")
    files = sorted((BUNDLED / "videos").glob("*.mp4"))
    random.Random(SEED).shuffle(files)
    return [(file, captions[file.stem]) for file in files]


def join(film: Path) -> list[Moment]:
    """The clips of the film one after the other, until SECONDS are full; written to `film` unless it is there."""
    clips, moments, at = program(), [], 0
    frames = {file: _frames(file) for file, _ in clips}
    while at < SECONDS * RATE:
        file, caption = clips[len(moments) % len(clips)]
        moments.append(Moment(file.stem, caption, at / RATE, (at + frames[file]) / RATE))
        at += frames[file]
    if not film.exists():
        by_name = {file.stem: file for file, _ in clips}
        part = film.with_name(f"part-{film.name}")
        _write(part, [by_name[moment.clip] for moment in moments])
        part.replace(film)
    return moments


def _frames(file: Path) -> int:
    with av.open(str(file)) as container:
        return sum(1 for packet in container.demux(video=0) if packet.size)


def _write(film: Path, files: list[Path]) -> None:
    with av.open(str(film), "w") as out:
        stream = out.add_stream("libx264", rate=RATE, options={"preset": "veryfast", "crf": "20"})
        number = 0
        for file in files:
            with av.open(str(file)) as container:
                for frame in container.decode(video=0):
                    if not number:
                        stream.width, stream.height, stream.pix_fmt = frame.width, frame.height, "yuv420p"
                    frame = frame.reformat(stream.width, stream.height, "yuv420p")
                    frame.pts, frame.time_base, frame.pict_type = number, Fraction(1, RATE), 0
                    out.mux(stream.encode(frame))
                    number += 1
        out.mux(stream.encode())


def is_right(hit: Hit, moment: Moment) -> bool:
    """Whether a hit shows the moment: most of the moment lies in the span."""
    shared = min(hit.end, moment.end) - max(hit.start, moment.start)
    return shared > (moment.end - moment.start) / 2


def main(kept: str | None = None) -> None:
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        film = Path(kept or Path(folder, "film.mp4")).resolve()
        moments = join(film)
        names = [moment.clip for moment in moments]
        once = [moment for moment in moments if names.count(moment.clip) == 1]
        # The first ones of a draw, so that nobody has chosen them.
        asked = random.Random(SEED).sample(once, len(once))
        model = load_model("storybook", "cpu")
        rows, listed = [], []
        for division in DIVISIONS:
            report = index_folder(
                film, Path(folder, division), model, "storybook", timeout=TIMEOUT, spans=division
            )
            if report.failures:
                raise ValueError(f"{film} cannot be read whole: {report.failures[0].reason}")
            gallery = Gallery.open(Path(folder, division))
            retriever = Retriever(model, gallery)
            results = retriever.search_many([moment.caption for moment in asked], k=len(gallery))
            ranks = [
                next((hit.rank for hit in result.hits if is_right(hit, moment)), len(gallery) + 1)
                for result, moment in zip(results, asked, strict=True)
            ]
            first = bootstrap_interval(np.array(ranks), "R1")
            rows.append(
                {
                    "division": division,
                    "spans": len(gallery),
                    "listed_first": sum(rank == 1 for rank in ranks[:ASKED]),
                    "listed": len(ranks[:ASKED]),
                    "moments": len(asked),
                    "R1": first.estimate,
                    "interval": [first.low, first.high],
                    "R5": float(100 * np.mean([rank <= 5 for rank in ranks])),
                    "MdR": float(np.median(ranks)),
                }
            )
            listed += [
                {
                    "division": division, "query": moment.caption, "start": round(moment.start, 3),
                    "end": round(moment.end, 3), "rank": rank, "first_start": result.hits[0].start,
                    "first_end": result.hits[0].end,
                }
                for moment, rank, result in zip(asked[:ASKED], ranks, results, strict=False)
            ]  # fmt: skip
    says = [
        f"{row['listed_first']} of {row['listed']} moments first ({row['R1']:.0f} % of {row['moments']}) among "
        f"{row['spans']} spans by {'shots' if row['division'] == 'shots' else 'windows of ' + row['division']}"
        for row in rows
    ]
    shows = f"Of a film of {moments[-1].end / 60:.0f} minutes, {len(moments)} clips long: {'; '.join(says)}."
    measure.store("moments", "The right moment of a long film", shows, started, rows, listed=listed)


if __name__ == "__main__":
    main(*sys.argv[1:2])
