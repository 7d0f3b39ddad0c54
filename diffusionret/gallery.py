"""A gallery: the videos that can be found, with their features, captions and posters.

On disk it is a folder: `gallery.lance` (see store.py) and `posters/<id>.jpg`; the videos may lie below it.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from shlex import quote
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from .config import CLIP
from .edits import Edit, read_edits
from .encoders import VideoFeatures
from .hub import ASSETS
from .hub import BUNDLED as MODELS
from .model import DiffusionRet
from .similarity import mean_frame
from .spans import Span, video_id
from .store import Row, Store
from .video import printable

BUNDLED = ASSETS / "gallery" / "storybook"
TABLE, POSTERS = "gallery.lance", "posters"
# Of a model's config, what decides the features of a video.
FEATURE_SETTINGS = (
    "clip",
    "temporal_layers",
    "feature_norm",
    "frames",
    "frame_rule",
    "image_mean",
    "image_std",
)
# Values of each weight tensor that a model's digests look at.
SAMPLED = 4096
# Columns that are read when a gallery is opened; features only when they are asked for.
LIGHT = (
    *("id", "uri", "size", "modified", "duration", "caption", "timestamps", "error", "absent"),
    *("start", "end", "division", "fps", "digest"),
)


class Failure(NamedTuple):
    """A file that cannot be searched, and the sentence that says why."""

    uri: str
    reason: str


class Gallery:
    """Spans of videos in the order of the videos' ids, as of the moment of opening; `candidates` index this order.

    A short video is one span, and for its features a span is a video like any other. folder: None for a gallery in
    memory. model_name: the model to search it with, as `load_model` takes it. ids, captions ("" where unknown),
    durations (seconds, of the whole file), spans (from when to when), rates (average frames a second, 0 where unknown),
    timestamps (seconds of every frame, NaN for padding) and modified (nanoseconds since 1970, of the file) have one
    entry a span; captions are what edits.py keeps, where somebody changed them. hidden: rows that somebody took out of
    the search. failures: files that cannot be searched, being unreadable or absent. damage: "" or a sentence that says
    that a newer version of the table could not be read.
    """

    def __init__(
        self,
        rows: Sequence[Row],
        failures: Sequence[Failure] = (),
        folder: Path | None = None,
        store: Store | None = None,
        places: np.ndarray | None = None,
        features: VideoFeatures | None = None,
        edits: dict[str, Edit] | None = None,
        hidden: Sequence[Row] = (),
    ) -> None:
        """Use `open`, `create` or `in_memory`. places [video]: where the store holds each row."""
        self._edits = edits or {}
        self.hidden = list(hidden)
        self.folder, self.failures = folder, list(failures)
        self.ids = [row.id for row in rows]
        self.captions = [edit.caption or row.caption or edit.title for row, edit in self._edited(rows)]
        self.modified = [row.modified for row in rows]
        self.durations = [row.duration for row in rows]
        self.timestamps = [row.timestamps for row in rows]
        # Of a table of before there were spans every video is one.
        self.spans = [Span(row.start, row.end or row.duration) for row in rows]
        self.rates = [row.fps for row in rows]
        self._uris = [row.uri for row in rows]
        self._positions = {row.id: i for i, row in enumerate(rows)}
        self._store, self._places, self._features = store, places, features
        self.damage = ""
        if store and store.broken:
            self.damage = (
                "The newest version of this gallery cannot be read, so the one before is used: "
                "index the videos again."
            )
        metadata = store.metadata if store else {}
        self.model_name = metadata.get("model", "")
        self._fingerprint = metadata.get("fingerprint")

    # --- making and opening -----------------------------------------------------------------------------

    @classmethod
    def create(cls, folder: str | Path, model: DiffusionRet, model_name: str) -> Gallery:
        """An empty gallery in `folder` for the features of `model`; where one exists, it is opened.

        Raises ValueError where that one was made with another model.
        """
        folder = Path(folder)
        if not Store.exists(folder / TABLE):
            if Path(model_name).exists() and not (MODELS / model_name).exists():
                model_name = str(Path(model_name).resolve())  # found again from any working directory
            (folder / POSTERS).mkdir(parents=True, exist_ok=True)
            metadata = {"model": model_name, "fingerprint": fingerprint(model)}
            Store.create(folder / TABLE, model.config.clip.embed_dim, metadata)
        gallery = cls.open(folder)
        gallery.check(model)
        return gallery

    @classmethod
    def open(cls, folder: str | Path) -> Gallery:
        """The gallery in `folder`. Raises FileNotFoundError where there is none."""
        folder = Path(folder)
        if not Store.exists(folder / TABLE):
            raise FileNotFoundError(
                f"There is no gallery in {folder}: make one with "
                f"`python -m diffusionret index VIDEOS --gallery {quote(str(folder))} --model {CLIP}`."
            )
        folder = folder.resolve()
        store = Store.open(folder / TABLE)
        rows = store.rows(LIGHT)
        failures = [Failure(row.uri, why) for row in rows if (why := trouble(row))]
        edits = read_edits(folder)
        hidden = [row for row in rows if row.uri in edits and edits[row.uri].hidden and not trouble(row)]
        gone = {row.uri for row in hidden}
        order = sorted(
            (video_id(row.id), row.start, row.id, place)
            for place, row in enumerate(rows)
            if not trouble(row) and row.uri not in gone
        )
        places = np.array([place for *_, place in order], dtype=np.int64)
        shown = [rows[place] for place in places]
        return cls(shown, sorted(failures), folder, store, places, edits=edits, hidden=hidden)

    @classmethod
    def bundled(cls) -> Gallery:
        """The gallery that comes with the project. Raises FileNotFoundError where it was left out."""
        return cls.open(BUNDLED)

    @classmethod
    def in_memory(
        cls,
        features: VideoFeatures,
        ids: Sequence[str] | None = None,
        captions: Sequence[str] | None = None,
        durations: Sequence[float] | None = None,
        timestamps: Sequence[Sequence[float]] | None = None,
    ) -> Gallery:
        """A gallery without files, for any model. Without `timestamps` frames are a second apart."""
        count, frames = features.frames.shape[:2]
        ids = ids or [f"{i:04d}" for i in range(count)]
        rows = [
            Row(
                id=ids[i],
                uri="",
                size=0,
                modified=0,
                duration=durations[i] if durations else float(frames),
                end=durations[i] if durations else float(frames),
                caption=captions[i] if captions else "",
                timestamps=timestamps[i] if timestamps else [float(f) for f in range(frames)],
            )
            for i in range(count)
        ]
        return cls(rows, features=features)

    def _edited(self, rows: Sequence[Row]) -> list[tuple[Row, Edit]]:
        return [(row, self._edits.get(row.uri, Edit())) for row in rows]

    # --- what it holds ----------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self.ids)

    def __contains__(self, id: object) -> bool:
        return id in self._positions

    def check(self, model: DiffusionRet) -> None:
        """Raises ValueError where `model` is not the one whose features these are."""
        if self._store is None or self._fingerprint == fingerprint(model):
            return
        # Visitors of an app read this, who are not told where things lie.
        name = Path(self.folder or "").name
        made_with = Path(self.model_name).name if Path(self.model_name).is_absolute() else self.model_name
        if self.model_name == model.config.name and (MODELS / self.model_name).is_dir():
            raise ValueError(
                f"The gallery {name} was indexed with an earlier {made_with} model: index its videos again into "
                f"another folder, with `python -m diffusionret index VIDEOS --gallery FOLDER --model {made_with}`."
            )
        raise ValueError(
            f"The gallery {name} was made with another model ({made_with}): use that, or "
            "index the videos again into another folder."
        )

    def position(self, id: str) -> int:
        """Where the span `id` stands in this gallery. Raises ValueError for an unknown id."""
        if id not in self._positions:
            raise ValueError(f"The gallery has no video {id!r}.")
        return self._positions[id]

    def uri(self, position: int) -> str:
        """The video file as the table names it: relative where it lies below the gallery, "" in memory."""
        return self._uris[position]

    def edit(self, position: int) -> Edit:
        """What somebody changed of the span's file."""
        return self._edits.get(self._uris[position], Edit())

    def file(self, position: int) -> str:
        """What tells the span's file from all others: its `uri`, in memory the id."""
        return self._uris[position] or self.ids[position]

    @cached_property
    def file_count(self) -> int:
        """How many files the spans belong to."""
        return len({self.file(position) for position in range(len(self))})

    def path(self, position: int) -> Path | None:
        """The video file; None in memory."""
        return self.folder / self._uris[position] if self.folder else None

    def poster(self, position: int) -> Path | None:
        """The poster, a JPEG; None where there is none."""
        path = Path(self.folder, POSTERS, f"{self.ids[position]}.jpg") if self.folder else None
        return path if path and path.is_file() else None

    @cached_property
    def pooled(self) -> Float[Tensor, "video dim"]:
        """float32: the mean of each video's frames' directions (norm at most 1)."""
        if self._store is None or self._places is None:
            return mean_frame(self.features())
        return torch.from_numpy(self._store.pooled(self._places).copy())

    def features(self, positions: Int[Tensor, " some"] | None = None) -> VideoFeatures:
        """Features of the videos at `positions`, or of all: float32, on the CPU.

        All are read once and stay in memory; some are read from the store where not all have been.
        """
        if positions is None:
            if self._features is None:
                self._features = self._read()
            return self._features
        if self._features is None:
            return self._read(positions.cpu().numpy())
        return VideoFeatures(self._features.frames[positions], self._features.mask[positions])

    def _read(self, positions: Int[np.ndarray, " some"] | None = None) -> VideoFeatures:
        """Features from the store, of the videos at `positions` or of all."""
        assert self._store is not None and self._places is not None  # in memory they are there from the start
        places = self._places if positions is None else self._places[positions]
        frames, mask = self._store.features(places)
        return VideoFeatures(
            torch.from_numpy(frames.astype(np.float32)), torch.from_numpy(mask.astype(np.int64))
        )


def trouble(row: Row) -> str:
    """Why a row cannot be searched, "" where it can."""
    if row.error or not row.absent:
        return row.error
    name = printable(Path(row.uri).name)
    return f"{name} has been missing since {row.absent}; index its folder again when it is back, or with --prune."


def fingerprint(model: DiffusionRet) -> str:
    """A digest of all that features depend on: settings and weights, as saved in half precision.

    The generator is left out, so that a gallery outlives another training of it.
    """
    settings = {name: value for name, value in model.config.to_dict().items() if name in FEATURE_SETTINGS}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name, value in sorted(model.state_dict().items()):
        if not name.startswith(("generator.", "openset.", "others.")):
            values = sample(value)
            digest.update(f"{name} {values.shape}".encode())
            digest.update(values.tobytes())
    return digest.hexdigest()


def sample(weights: Tensor) -> np.ndarray:
    """Values of a tensor [value], all of a small one and some thousand of a large one; floats in half precision, as
    they are saved.

    They are enough to tell two trained models apart, and spare a start the seconds of reading all.
    """
    values = weights.flatten()[:: max(weights.numel() // SAMPLED, 1)].cpu()
    return (values.half() if values.is_floating_point() else values).numpy()
