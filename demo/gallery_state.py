"""What the Gallery tab says of a gallery: what it holds, what is being done to it, and who may do more."""

from __future__ import annotations

import secrets
from collections import Counter
from collections.abc import Sequence
from hashlib import blake2b
from html import escape
from pathlib import Path, PurePosixPath
from typing import Any

from diffusionret import Gallery
from diffusionret.benchmarks import CLIP
from diffusionret.gallery import POSTERS, TABLE
from diffusionret.inventory import inventory
from diffusionret.spans import DEFAULT, video_id
from diffusionret.video import printable

from .clips import card, clock, grid, name_of
from .gallery import headline, model_word
from .gallery_choice import Choice, first_spans, folders
from .gallery_groups import SAME, Group, groups
from .gallery_job import State, division_of
from .gallery_upload import UPLOADS
from .shelf import BUNDLED_MODEL, Place, Shelf

MOST_FAILURES = 500
MOST_SHOWN = 600  # clips in one answer
SECRET = secrets.token_bytes(16)  # so that what stands for a file's place says nothing of it
MODELS = (
    (CLIP, "Real videos: CLIP ViT-B/32",
     "Trained on 400 million pictures with captions. About 600 MB are fetched once from the Hugging Face Hub, which "
     "needs the internet; after that, no connection is needed."),
    (BUNDLED_MODEL, "The bundled model",
     "Nothing is fetched. It knows only the drawn world of the bundled clips: with real videos it shows how the app "
     "works, and its answers mean little."),
)  # fmt: skip
DIVISIONS = (
    (DEFAULT, "Windows of 30 seconds", "They overlap a little; each is searched by itself, a short video as a whole."),
    ("shots", "Shots", "From cut to cut, at most a minute; finding the cuts takes longer."),
    ("whole", "Whole videos", "One look at each file, whatever its length: quickest, and blind to single moments."),
)  # fmt: skip
OWN_MODEL = "A folder, a published .bin, a Hub id, or clip:ARCHITECTURE:FILE with weights on this machine."


def mark(uri: str) -> str:
    """What stands for a file in the page."""
    return blake2b(uri.encode(errors="surrogateescape"), key=SECRET, digest_size=9).hexdigest()


def state(shelf: Shelf, place: Place, job: State, refusal: str, watched: Sequence[str]) -> dict[str, Any]:
    """All that the tab shows beside clips, as plain values. refusal: why this visitor may not edit, "" where he may.

    Who may not edit learns nothing of folders, and of work only that there is some.
    """
    retriever = shelf.open(place)
    gallery = retriever.gallery
    editable = not refusal
    content: dict[str, Any] = {
        "key": place.key,
        "name": place.name,
        "galleries": [{"key": other.key, "name": other.name} for other in shelf.places.values()],
        "version": place.version,
        "headline": headline(retriever, place.name if len(shelf.places) > 1 else ""),
        "count": gallery.file_count,
        "spans": len(gallery),
        "model": model_word(gallery.model_name),
        "folders": [folder._asdict() for folder in folders(gallery)],
        "editable": editable,
        "refusal": refusal,
        "fixed": place.folder is None,
        "failures": [
            {"mark": mark(failure.uri), "name": printable(Path(failure.uri).name), "reason": failure.reason}
            for failure in gallery.failures[:MOST_FAILURES]
        ],
        "failed": len(gallery.failures),
        "job": {"running": job.is_running},
    }
    if editable:
        content["job"] = {
            "running": job.is_running,
            "phase": job.phase,
            **job.progress._asdict(),
            "problem": job.problem,
            "added": job.added,
            "notes": list(job.notes),
            "waiting": job.waiting,
        }
        content["hidden"] = [
            {"mark": mark(uri), "name": printable(PurePosixPath(uri).name)}
            for uri in dict.fromkeys(row.uri for row in gallery.hidden)
        ]
        content["watched"] = [
            {"mark": mark(folder), "name": printable(Path(folder).name)} for folder in watched
        ]
        content["made"] = place.is_made
        content["models"] = [dict(zip(("name", "title", "says"), model, strict=True)) for model in MODELS]
        content["own_model"] = OWN_MODEL
        content["divisions"] = [dict(zip(("name", "title", "says"), one, strict=True)) for one in DIVISIONS]
        # A fixed gallery takes no videos: those go to a new one.
        made = place.folder if place.is_made else None
        content["division"] = division_of(made) if made else DEFAULT
        content["model_chosen"] = bool(shelf.model)  # its name may be a path
    return content


def page(gallery: Gallery, choice: Choice, shown: int, grouped: bool, editable: bool) -> dict[str, Any]:
    """The first `shown` clips, or groups of them, that are meant: markup, and whether there are more."""
    positions = first_spans(gallery, choice.positions(gallery))
    if not len(gallery):
        return {"html": "", "count": 0, "more": False}
    if not positions:
        said = (
            f"No caption or file name contains “{escape(choice.words)}”."
            if choice == Choice(words=choice.words)
            else "No clip passes this filter."
        )
        return {"html": f'<p class="dr-empty">{said}</p>', "count": 0, "more": False}
    counts = Counter(gallery.file(i) for i in range(len(gallery)))
    items = groups(gallery, positions) if grouped else [Group(i, ()) for i in positions]
    all_, size = len(positions), gallery.file_count
    count = f"{all_:,} of {size:,} clips" if all_ < size else f"{size:,} {'clip' if size == 1 else 'clips'}"
    if len(items) < all_:
        count += f" in {len(items):,} groups (cosine of mean frames at least {SAME:g})"
    if len(items) > shown:
        count += f", the first {shown} shown"
    cards = grid(
        _card(gallery, item, editable, counts[gallery.file(item.position)]) for item in items[:shown]
    )
    html = f'<section class="dr-results is-small"><p class="dr-foot">{count}</p>{cards}</section>'
    return {"html": html, "count": all_, "more": len(items) > shown}


def _card(gallery: Gallery, item: Group, editable: bool, spans: int) -> str:
    """The card of a file. spans: how many it has."""
    i = item.position
    id, edit = gallery.ids[i], gallery.edit(i)
    name = escape(edit.title or printable(PurePosixPath(gallery.uri(i)).name) or id, quote=True)
    length = f" · {clock(gallery.durations[i])}" if gallery.durations[i] else ""
    length += f" · {spans:,} spans" if spans > 1 else ""
    below = f'<p class="dr-file" title="{name}">{name}{length}</p>'
    if item.others:
        ids = escape("\n".join(gallery.ids[j] for j in (i, *item.others)), quote=True)
        said = f"{len(item.others)} like this"
        below += f'<button type="button" class="dr-plain dr-alike" data-ids="{ids}">{said}</button>'
    if editable:
        below += (
            f'<button type="button" class="dr-plain dr-change" data-mark="{mark(gallery.uri(i))}" '
            f'data-title="{escape(edit.title, quote=True)}" data-caption="{escape(gallery.captions[i], quote=True)}" '
            f'aria-label="Change {name}">Change</button>'
        )
    called = name_of(video_id(id), gallery.captions[i])
    return card(id, called, gallery.path(i), gallery.poster(i), below=below, called=called)


def storage(place: Place) -> dict[str, Any]:
    """What a gallery keeps, where, in bytes; for those who may edit."""
    if place.folder is None:
        return {"folder": "with the app", "parts": []}
    folder = place.folder
    parts = (
        ("features, captions and names", folder / TABLE),
        ("posters", folder / POSTERS),
        ("copies that a browser can play", folder / "playable"),
        ("files that were dropped here", folder / UPLOADS),
    )
    sizes = [{"name": name, "bytes": _size(path)} for name, path in parts]
    videos = (
        sum(
            {row.uri: row.size for row in inventory(folder) if not row.uri.startswith(f"{UPLOADS}/")}.values()
        )
        if place.is_made
        else 0
    )
    return {"folder": printable(str(folder)), "parts": [p for p in sizes if p["bytes"]], "videos": videos}


def _size(path: Path) -> int:
    total = 0
    for file in path.rglob("*"):
        try:
            total += 0 if file.is_symlink() or not file.is_file() else file.stat().st_size
        except OSError:
            continue  # gone meanwhile
    return total
