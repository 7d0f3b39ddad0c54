"""What a search returns: plain, frozen values that the app, the command line and notebooks share."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from .generation import Denoising
from .ood.report import Report, Stability
from .ood.stability import stability
from .ood.verdict import Verdict
from .reading import Reading
from .trajectory import Trajectory

if TYPE_CHECKING:  # slow to import, and needed by to_pandas alone
    import pandas


@dataclass(frozen=True)
class Hit:
    """One span of a video found; a short video is one span.

    rank, base_rank: from 1, with and without generation; the latter in the order of similarity with all that the query
    weighs, its text and its parts. similarity: with the text. score = similarity + boost, exactly; without a match head
    what the parts add is of the boost. probability, in [0, 1]: p(match), that the video matches (open-set generator),
    or the generator's share among the candidates (published); None for a span that was no candidate, or without a
    generator. moment: seconds of the frame that fits best. caption: "" where unknown. path, poster: files, None for a
    gallery in memory. duration: seconds, of the file. file: its name, in memory the id. start, end: of the span, in
    seconds of the file. fps: the file's average frames a second, 0 where unknown.
    """

    id: str
    rank: int
    base_rank: int
    similarity: float
    boost: float
    score: float
    probability: float | None
    moment: float
    caption: str
    path: Path | None
    poster: Path | None
    duration: float
    file: str
    start: float
    end: float
    fps: float = 0.0

    @property
    def is_whole(self) -> bool:
        """Whether the span is the whole file."""
        return self.start <= 0 and self.end >= self.duration

    def to_dict(self) -> dict:
        """Without the files: their places on this machine are nobody else's concern."""
        values = asdict(self)
        del values["path"], values["poster"]
        return values


class FileHits(NamedTuple):
    """The hits of one file. best: the one of the best rank. spans: all of them, by their start."""

    best: Hit
    spans: list[Hit]


def by_file(hits: Iterable[Hit]) -> list[FileHits]:
    """Hits, best first, grouped by their files, the file of the best hit first."""
    groups: dict[object, list[Hit]] = {}
    for hit in hits:
        groups.setdefault(hit.path or hit.id, []).append(hit)
    return [FileHits(group[0], sorted(group, key=lambda hit: hit.start)) for group in groups.values()]


@dataclass(frozen=True)
class Settings:
    """What was searched with, after clamping to the gallery. `steps` counts denoising steps."""

    k: int
    candidates: int
    steps: int
    seed: int
    seeds: int

    @property
    def denoising(self) -> Denoising:
        """How the trajectories of the search are drawn."""
        return Denoising(self.steps, self.seed, self.seeds)


@dataclass(frozen=True)
class SearchResult:
    """What a query found.

    query: as it was searched for; reading: what was read of its words, and what was typed. hits: best first, none where
    no word can be read. draw: makes `trajectory`; None without a generator. form: the name of the generator, "" without
    one. ood: None until something is calibrated. truncated: the end of the query that the model does not read, ""
    mostly. timings: milliseconds of each part.
    """

    query: str
    reading: Reading
    hits: list[Hit]
    draw: Callable[[], Trajectory] | None
    form: str
    ood: Report | None
    truncated: str
    timings: dict[str, float]
    settings: Settings

    @property
    def files(self) -> list[FileHits]:
        """The hits by their files, best first."""
        return by_file(self.hits)

    @cached_property
    def trajectory(self) -> Trajectory | None:
        """Of this one query, on the CPU, its candidates as positions in the gallery in the order of similarity; None
        without a generator. The open-set generator draws it when it is first read: ranking needs none."""
        return None if self.draw is None else self.draw()

    @cached_property
    def stability(self) -> Stability | None:
        """How the seeds of the trajectory agree; None without a generator, or of one seed."""
        trajectory = self.trajectory
        return stability(trajectory)[0] if trajectory is not None and trajectory.has_seeds else None

    @property
    def verdict(self) -> Verdict | None:
        """What is said of a match; None until something is calibrated."""
        return None if self.ood is None else self.ood.verdict

    @property
    def no_match(self) -> float | None:
        """p(nothing in the whole gallery matches) = 1 - p_match of the verdict; None where it has no number."""
        p = None if self.verdict is None else self.verdict.p_match
        return None if p is None else 1 - p

    def to_dict(self) -> dict:
        """What the command line and the app's endpoint return: plain values, fit for JSON."""
        return {
            "query": self.reading.to_dict(),
            "settings": asdict(self.settings),
            "hits": [hit.to_dict() for hit in self.hits],
            "verdict": None if self.verdict is None else self.verdict.to_dict(),
            "ood": None if self.ood is None else self.ood.to_dict(),
            "no_match": self.no_match,
            "truncated": self.truncated,
            "timings": self.timings,
        }

    def to_pandas(self) -> pandas.DataFrame:
        """One row a hit, best first."""
        import pandas

        return pandas.DataFrame([asdict(hit) for hit in self.hits], columns=list(Hit.__dataclass_fields__))
