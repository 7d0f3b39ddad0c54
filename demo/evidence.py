"""The Evidence tab: measured results with the commands that measure them, and the model card."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path

from .clips import url

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "analysis" / "results"
MODEL_CARD = ROOT / "assets" / "models" / "storybook"
NOTHING = '<p class="dr-empty">No results are stored in analysis/results yet.</p>'


def tables(folder: Path = RESULTS) -> str:
    """Every result file of `folder` as tables, as markup. A file that cannot be read says so."""
    parts = []
    for file in sorted(folder.glob("*.json")):
        try:
            content = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            parts.append(f'<p class="dr-problem">{escape(file.name)} is not readable JSON.</p>')
            continue
        parts.append(_result(file.stem, content))
    return "".join(parts) or NOTHING


def _result(name: str, content: object) -> str:
    """A file is any JSON; "title" and "command" of an object head it, the rest becomes tables."""
    title, command = name.replace("_", " ").replace("-", " "), ""
    if isinstance(content, dict):
        content = dict(content)
        title, command = content.pop("title", title), content.pop("command", "")
    code = f"<pre><code>{escape(str(command))}</code></pre>" if command else ""
    return f'<section class="dr-evidence"><h3>{escape(str(title))}</h3>{code}{_render(content)}</section>'


def _render(value: object) -> str:
    """Objects of objects and lists of objects are tables; deeper nesting becomes headed parts."""
    if isinstance(value, dict):
        plain = {k: v for k, v in value.items() if not isinstance(v, dict | list)}
        rows = {k: v for k, v in value.items() if isinstance(v, dict) and _flat(v)}
        deeper = {k: v for k, v in value.items() if k not in plain and k not in rows}
        parts = [_table([("", plain)])] if plain else []
        parts += [_table(list(rows.items()))] if rows else []
        parts += [f"<h4>{escape(str(k))}</h4>{_render(v)}" for k, v in deeper.items()]
        return "".join(parts)
    if isinstance(value, list) and value and all(isinstance(v, dict) and _flat(v) for v in value):
        return _table([("", row) for row in value])
    return f"<p>{escape(_text(value))}</p>"


def _flat(row: dict) -> bool:
    return all(not isinstance(v, dict | list) or _interval(v) for v in row.values())


def _interval(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2 and all(isinstance(v, int | float) for v in value)


def _table(rows: list[tuple[str, dict]]) -> str:
    columns = list(dict.fromkeys(key for _, row in rows for key in row))
    named = any(name for name, _ in rows)
    head = ("<th></th>" if named else "") + "".join(f'<th scope="col">{escape(str(c))}</th>' for c in columns)
    body = "".join(
        "<tr>"
        + (f'<th scope="row">{escape(str(name))}</th>' if named else "")
        + "".join(f"<td>{escape(_text(row.get(c, '')))}</td>" for c in columns)
        + "</tr>"
        for name, row in rows
    )
    return f'<div class="dr-table"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'


def _text(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1 else f"{value:.2f}".rstrip("0").rstrip(".")
    if _interval(value):
        return f"{_text(value[0])} to {_text(value[1])}"
    if isinstance(value, list):
        return ", ".join(_text(v) for v in value)
    return "" if value is None else str(value)


def model_card(folder: Path = MODEL_CARD) -> str:
    """The model card of `folder` as Markdown without its front matter, pictures served from beside it."""
    file = folder / "README.md"
    if not file.is_file():
        return ""
    text = re.sub(r"\A---\n.*?\n---\n", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)

    def picture(match: re.Match) -> str:
        place = (folder / match[2]).resolve()
        return (
            f"![{match[1]}]({url(place)})"
            if place.is_file() and folder.resolve() in place.parents
            else match[0]
        )

    return re.sub(r"!\[([^]]*)\]\(([^)\s:]+)\)", picture, text)
