"""The galleries of the app, each with its model: what a page looks at, as it is now."""

from __future__ import annotations

import os
import re
import sys
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from diffusionret import DiffusionRet, Gallery, Retriever, VideoFeatures
from diffusionret.checkpoint import load_model
from diffusionret.digest import text_digest
from diffusionret.gallery import TABLE
from diffusionret.store import Store

from .questions import Panel

HOME = Path(os.environ.get("DIFFUSIONRET_HOME") or Path.home() / ".diffusionret")
BUNDLED_MODEL = "storybook"
MOST_NAME = 80  # characters of a gallery's name
# What panels are made of a retriever, by name.
Panels = Callable[[Retriever], dict[str, Panel]]


@dataclass
class Place:
    """One gallery of the shelf.

    key: its name in addresses. name: for reading. folder: None for the bundled gallery and for one in memory, which
    stay as they are. retriever: None until somebody looks. version: counts how often it has been opened.
    """

    key: str
    name: str
    folder: Path | None
    retriever: Retriever | None = None
    panels: dict[str, Panel] = field(default_factory=dict)
    version: int = 0

    @property
    def is_made(self) -> bool:
        """Whether there is a table, so that the model is chosen."""
        return self.folder is None or Store.exists(self.folder / TABLE)


class Shelf:
    """Galleries by key, opened when they are looked at. Safe to call from several threads."""

    def __init__(self, model: str | None = None, device: str = "auto", panels: Panels | None = None) -> None:
        """model: for every gallery; None for the one that each was indexed with. device: as `load_model`."""
        self.model, self.device, self.make_panels = model, device, panels
        self.places: dict[str, Place] = {}
        self._models: dict[str, DiffusionRet] = {}
        self._lock = threading.RLock()
        self._loading = threading.RLock()  # its own: a model may be fetched for minutes, while pages look on

    @classmethod
    def of(cls, retriever: Any) -> Shelf:
        """One gallery that is open already."""
        shelf = cls()
        shelf.places["gallery"] = Place("gallery", "gallery", None, retriever)
        return shelf

    def add(self, folder: str | Path | None, name: str = "") -> Place:
        """Another gallery: of a folder, which may be empty yet, or the bundled one for None.

        name: for reading; the folder's for "".
        """
        with self._lock:
            path = None if folder is None else Path(folder).resolve()
            for place in self.places.values():
                if place.folder == path:
                    return place
            name = name or ("Storybook" if path is None else path.name or str(path))
            key = slug(name)
            if key in self.places:
                key = f"{key}-{text_digest(str(path))[:6]}"
            self.places[key] = Place(key, name, path)
            return self.places[key]

    def place(self, key: str | None) -> Place:
        """The gallery of a key; the first one for a key that there is not."""
        return self.places.get(key or "") or next(iter(self.places.values()))

    def open(self, place: Place) -> Retriever:
        """The retriever over a gallery as it was when it was last opened. Raises as `Retriever.open`."""
        if place.retriever is None:
            with self._loading:
                if place.retriever is None:
                    self.reopen(place)
        assert place.retriever is not None
        return place.retriever

    def reopen(self, place: Place) -> None:
        """Look at a gallery as it is now."""
        retriever = self._retriever(place)
        with self._lock:
            place.retriever = retriever
            place.panels = {}
            place.version += 1

    def panels(self, place: Place) -> dict[str, Panel]:
        """The panels over a gallery."""
        retriever = self.open(place)
        with self._lock:
            if not place.panels and self.make_panels:
                place.panels = self.make_panels(retriever)
            return place.panels

    def load(self, name: str) -> DiffusionRet:
        """A model, loaded once. Raises as `load_model`."""
        with self._loading:
            if name not in self._models:
                self._models[name] = load_model(name, self.device)
            return self._models[name]

    def _retriever(self, place: Place) -> Retriever:
        if place.folder is None:
            gallery = Gallery.bundled()
        elif place.is_made:
            gallery = Gallery.open(place.folder)
        else:  # no model is chosen yet: whichever asks finds an empty gallery
            model = self.load(BUNDLED_MODEL)
            config = model.config
            nothing = VideoFeatures(
                torch.zeros(0, config.frames, config.clip.embed_dim), torch.zeros(0, config.frames).long()
            )
            return Retriever(model, Gallery.in_memory(nothing))
        try:
            model = self.load(self.model or gallery.model_name)
        except (ValueError, OSError) as error:  # it may say where things lie, which no visitor is told
            print(error, file=sys.stderr)
            raise ValueError(
                f"The model of the gallery {place.name} cannot be loaded: the output of the app says why."
            ) from error
        return Retriever(model, gallery)


def own_galleries() -> list[tuple[Path, str]]:
    """The galleries below HOME that earlier runs of the app made, each with a name for reading."""
    folders = sorted(path for path in (HOME / "galleries").glob("*") if Store.exists(path / TABLE))
    return [(path, re.sub(r"-[0-9a-f]{8}$", "", path.name)) for path in folders]


def new_folder(name: str) -> Path:
    """The folder of a new gallery, below HOME, which is not there yet. name: for reading, any text."""
    base = slug(name[:MOST_NAME])
    names: Sequence[str] = [base, *(f"{base}-{number}" for number in range(2, 1000))]
    for candidate in names:
        if not os.path.lexists(HOME / "galleries" / candidate):
            return HOME / "galleries" / candidate
    raise ValueError(f"There are too many galleries named {base}: choose another name.")


def gallery_of(videos: Path) -> Path:
    """The folder of the gallery of a folder of videos, the same at every start."""
    videos = videos.resolve()
    return HOME / "galleries" / f"{slug(videos.name)}-{text_digest(str(videos))[:8]}"


def slug(name: str) -> str:
    """A name fit for an address and a folder."""
    return re.sub(r"[^\w]+", "-", name.lower()).strip("-_")[:40] or "gallery"
