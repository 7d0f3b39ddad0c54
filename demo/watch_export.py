"""The player as one HTML page that works from a file: no server, no network, posters inside."""

from __future__ import annotations

import base64
import json
import mimetypes
from functools import lru_cache
from html import escape
from pathlib import Path

from diffusionret import Retriever, SearchResult

from . import theme
from .watch import TEMPLATE, candidates, noises, payload


def contents(retriever: Retriever, result: SearchResult) -> dict:
    """What the player needs of a result, with its posters as data and without addresses of files."""
    sent = payload(result, noises(retriever, result))
    for hit, item in zip(candidates(result), sent["candidates"], strict=True):
        item["poster"] = _data(hit.poster) if hit.poster else ""
        item["video"] = ""
    return sent


def page(sent: dict) -> str:
    """The page. Every text of the payload reaches it as JSON and is shown as text."""
    title = escape(f"{sent['query']} · DiffusionRet")
    # "<" would end the script or start a comment inside it.
    data = json.dumps(sent).replace("<", "\\u003c")
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>{theme.styles()}{STYLE}</style>
</head>
<body>
<div class="gradio-container"><main>
<header class="dr-header"><h1>DiffusionRet</h1><p>{escape(sent["query"])}</p></header>
{TEMPLATE}
</main></div>
{theme.scripts()}
<script>
document.body.classList.toggle("dark", matchMedia("(prefers-color-scheme: dark)").matches);
new window.DiffusionRet.Player(document.querySelector(".dr-player")).load({data});
</script>
</body>
</html>
"""


STYLE = """
body { margin: 0; font-family: var(--dr-sans); }
.gradio-container main { padding-top: 26px !important; }
.gradio-container .dr-player { margin-top: 26px; }
.gradio-container button { font: inherit; cursor: pointer; }
"""


@lru_cache(maxsize=512)
def _data(file: Path) -> str:
    kind = mimetypes.guess_type(file.name)[0] or "image/jpeg"
    return f"data:{kind};base64,{base64.b64encode(file.read_bytes()).decode('ascii')}"
