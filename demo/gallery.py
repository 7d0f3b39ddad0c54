"""The Gallery tab: every clip that can be found, and the way to one's own. static/gallery.js fills it."""

from __future__ import annotations

import re
from pathlib import PurePosixPath, PureWindowsPath

from diffusionret import Retriever
from diffusionret.config import CLIP

FRAME = """\
<div class="dr-gallery">
<div class="dr-gallery-head"></div>
<section class="dr-add" hidden></section>
<section class="dr-job" aria-live="polite" hidden></section>
<form class="dr-filter" role="search" aria-label="Filter">
<div id="filter"><input type="search" name="words" maxlength="200" placeholder="Words of a caption or file name" \
aria-label="Words of a caption or file name"></div>
<select name="folder" aria-label="Folder" hidden><option value="">All folders</option></select>
<details class="dr-more-filters"><summary>Length and date</summary><div>
<label>From <input type="number" name="shortest" min="0" step="any" placeholder="0"> s</label>
<label>to <input type="number" name="longest" min="0" step="any" placeholder="any"> s</label>
<label>Dated from <input type="date" name="since"></label>
<label>until <input type="date" name="until"></label>
</div></details>
<label class="dr-check"><input type="checkbox" name="grouped" checked> Group near-duplicates</label>
<button type="button" class="dr-plain dr-within" hidden>Search within these</button>
<button type="button" class="dr-plain dr-clear" hidden>Show all</button>
</form>
<div id="clips"></div>
<button type="button" class="dr-plain" id="more" hidden>Show more</button>
<div class="dr-troubles"></div>
<p class="dr-note dr-privacy">{privacy}</p>
</div>"""
VISITORS = (
    "Queries, pictures and clips are sent to the server that runs this app, which writes none of them down. "
    "Pictures are searched; speech, sound and text on the screen are not."
)
PRIVACY = (
    "Nothing leaves the machine that runs this app: videos, queries and captions stay on it. The gallery keeps "
    "features, small posters, "
    "names and captions, copies only where a browser cannot play a file, and what was dropped here. "
    "Pictures are searched; speech, sound and text on the screen are not."
)
SCRIPT = "window.DiffusionRet.mountGallery(element);"

OWN_VIDEOS = f"""\
## In a shell

```bash
python -m diffusionret index FOLDER_OF_VIDEOS --gallery my-videos --model {CLIP}
python -m demo --gallery my-videos
```

The first command reads every video below the folder, shows its progress and lists what it could not read; \
run it again after adding some. CLIP's weights (about 600 MB) are downloaded once. A `captions.csv` in the folder, \
with the columns `video` and `caption`, adds captions. The bundled model knows only its own drawn world; `--model` \
also takes the folder, the Hub id or the published `.bin` of a model that was trained on real videos. A gallery keeps \
its model.
"""


def frame(read_only: bool) -> str:
    """The tab before it is filled, as markup. read_only: whether the app is for visitors."""
    return FRAME.format(privacy=VISITORS if read_only else PRIVACY)


def headline(retriever: Retriever, name: str = "") -> str:
    """What the head of the page says of a retriever. name: of its gallery, where there are several."""
    model = retriever.model.config.name or "untitled model"
    clips = retriever.gallery.file_count
    count = f"{name + ' · ' if name else ''}{clips:,} clip{'' if clips == 1 else 's'}"
    device = retriever.device.type.upper()
    ranking = "" if retriever.generates else " · similarity only"
    return f"{model} · {count} · {device}{ranking}" if clips else f"{count} · {device}"


def model_word(model: str) -> str:
    """What a model is called where anybody reads it: of a path, its end."""
    # A name may be a path, or end in one as in clip:ARCHITECTURE:FILE.
    return ":".join(re.split(r"[/\\]", part)[-1] if _is_path(part) else part for part in _parts(model))


def _parts(model: str) -> list[str]:
    """The parts of clip:ARCHITECTURE:FILE; any other name whole, which may hold the colon of a drive."""
    return model.split(":", 2) if model.startswith("clip:") else [model]


def _is_path(name: str) -> bool:
    """Whether a name is a place on a machine, of whatever system."""
    return PurePosixPath(name).is_absolute() or PureWindowsPath(name).is_absolute()
