"""The Gallery tab: every clip that can be found, and how to index one's own."""

from __future__ import annotations

import re
from html import escape
from pathlib import Path, PurePosixPath, PureWindowsPath

from diffusionret import Gallery

from .clips import card, grid

PAGE = 60  # clips that one page adds; posters load as they come into view

OWN_VIDEOS = """\
## Search your own videos

```bash
python -m diffusionret index FOLDER_OF_VIDEOS --gallery my-videos --model {model}
python -m demo --gallery my-videos
```

The first command reads every video below the folder, shows its progress and lists what it could not read; \
run it again after adding some. A `captions.csv` in it, with columns `video` and `caption`, names them. \
The bundled model knows only its own drawn world; for videos of the real world give `--model` a folder, \
a Hub id or a published `.bin` of a model that was trained on such videos.
"""


def own_videos(model: str) -> str:
    """The commands that index one's own videos, as Markdown. model: a name, or a path, of which the end is told."""
    # A name may be a path, or end in one as in clip:ARCHITECTURE:FILE.
    named = ":".join(re.split(r"[/\\]", part)[-1] if _is_path(part) else part for part in _parts(model))
    return OWN_VIDEOS.format(model=named or "storybook")


def _parts(model: str) -> list[str]:
    """The parts of clip:ARCHITECTURE:FILE; any other name whole, which may hold the colon of a drive."""
    return model.split(":", 2) if model.startswith("clip:") else [model]


def _is_path(name: str) -> bool:
    """Whether a name is a place on a machine, of whatever system."""
    return PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute()


def matching(gallery: Gallery, words: str) -> list[int]:
    """Positions of the clips whose caption or name holds all of the words, in any case and order."""
    wanted = words.lower().split()
    texts = (f"{id} {caption}".lower() for id, caption in zip(gallery.ids, gallery.captions, strict=True))
    return [i for i, text in enumerate(texts) if all(word in text for word in wanted)]


def page(gallery: Gallery, words: str = "", shown: int = PAGE) -> str:
    """The first `shown` clips that match, as markup."""
    found = matching(gallery, words)
    if not len(gallery):
        return '<p class="dr-empty">The gallery is empty: index a folder of videos first.</p>'
    if not found:
        return f'<p class="dr-empty">No clip says “{escape(words.strip())}”.</p>'
    count = (
        f"{len(found):,} of {len(gallery):,} clips" if len(found) < len(gallery) else f"{len(found):,} clips"
    )
    first = f", the first {shown} shown" if len(found) > shown else ""
    cards = (
        card(gallery.ids[i], gallery.captions[i], gallery.path(i), gallery.poster(i)) for i in found[:shown]
    )
    return (
        f'<section class="dr-results is-small"><p class="dr-foot">{count}{first}</p>{grid(cards)}</section>'
    )


def failures(gallery: Gallery) -> str:
    """The files that cannot be searched, each with its reason, folded; "" for none. Where they lie is not said."""
    if not gallery.failures:
        return ""
    count = len(gallery.failures)
    rows = "".join(
        f"<li><code>{escape(Path(failure.uri).name)}</code> {escape(failure.reason)}</li>"
        for failure in gallery.failures
    )
    files = "1 file" if count == 1 else f"{count:,} files"
    return (
        f'<details class="dr-failures"><summary>{files} cannot be searched</summary><ul>{rows}</ul></details>'
    )


def more(gallery: Gallery, words: str, shown: int) -> bool:
    """Whether clips match that `shown` leaves out."""
    return len(matching(gallery, words)) > shown
