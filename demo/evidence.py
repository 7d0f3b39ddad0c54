"""The Evidence tab: measured results with the commands that measure them, and the model card."""

from __future__ import annotations

import json
import re
from html import escape
from pathlib import Path
from typing import TypeGuard

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
        drawn = [picture.read_text(encoding="utf-8") for picture in sorted(folder.glob(f"{file.stem}/*.svg"))]
        parts.append(_result(file.stem, content, "".join(drawn)))
    return "".join(parts) or NOTHING


def _result(name: str, content: object, pictures: str = "") -> str:
    """A file is any JSON; "title" and "command" of an object head it, the rest becomes tables.

    pictures: SVG of the folder of the same name.
    """
    title, command = name.replace("_", " ").replace("-", " "), ""
    shows = chart = ""
    if isinstance(content, dict):
        content = dict(content)
        title, command = content.pop("title", title), content.pop("command", "")
        shows = content.pop("shows", "")
        chart = plot(content.get("rows"))
    code = f"<pre><code>{escape(str(command))}</code></pre>" if command else ""
    says = f"<p>{escape(str(shows))}</p>" if shows else ""
    numbers = _render(content)
    if pictures:
        chart += f'<div class="dr-pictures">{pictures}</div>'
    if chart:
        numbers = f"<details><summary>All figures</summary>{numbers}</details>"
    heading = f"<h3>{escape(str(title))}</h3>"
    return f'<section class="dr-evidence">{heading}{says}{chart}{code}{numbers}</section>'


LINE, LETTER, WIDE = 19, 6.4, 640  # pixels: height of a row, width of a letter of its name, width of a chart


def plot(rows: object) -> str:
    """Rows of a result as a picture, as markup: points with their intervals, or a reliability diagram.

    A row's own figures appear over its point. "" for rows of any other form.
    """
    if not isinstance(rows, list) or not rows or not all(isinstance(row, dict) for row in rows):
        return ""
    if all(_number(row.get("share")) and _number(row.get("right")) for row in rows):
        return _reliability(rows)
    value = "gain" if all(_number(row.get("gain")) for row in rows) else "R1"
    if all(_number(row.get(value)) and _interval(row.get("interval")) for row in rows):
        return _intervals(rows, value)
    return ""


def _intervals(rows: list[dict], value: str) -> str:
    """A line a row: its name, the interval, the point. Gains have a line at zero, where nothing changes."""
    ends = [end for row in rows for end in row["interval"]] + [0.0]
    low, high = min(ends), max(ends)
    high += (high - low or 1.0) * 0.02
    names = [_name(row) for row in rows]
    label = int(LETTER * max(map(len, names))) + 14
    wide = label + WIDE // 2

    def x(number: float) -> float:
        return label + (number - low) / (high - low) * (wide - label - 44)

    height = LINE * len(rows) + 22
    zero = f'<line x1="{x(0):.1f}" x2="{x(0):.1f}" y1="0" y2="{height - 20}" stroke="var(--dr-line)"/>'
    parts = [zero, f'<text x="{x(0):.1f}" y="{height - 6}" text-anchor="middle" class="dr-soft">0</text>']
    for i, (name, row) in enumerate(zip(names, rows, strict=True)):
        y, (left, right) = LINE * i + 11, row["interval"]
        told = "; ".join(f"{k} {_text(v)}" for k, v in row.items())
        parts.append(
            f"<g><title>{escape(told)}</title>"
            f'<rect x="0" y="{y - 9}" width="{wide}" height="{LINE}" fill="transparent"/>'
            f'<text x="{label - 10}" y="{y + 4}" text-anchor="end">{escape(name)}</text>'
            f'<line x1="{x(left):.1f}" x2="{x(right):.1f}" y1="{y}" y2="{y}" stroke="var(--dr-soft)"/>'
            f'<circle cx="{x(row[value]):.1f}" cy="{y}" r="3.5" fill="var(--dr-signal)"/>'
            f'<text x="{wide - 40}" y="{y + 4}">{row[value]:{"+.1f" if value == "gain" else ".1f"}}</text></g>'
        )
    what = "Change of R@1 in points" if value == "gain" else "R@1 in percent"
    return _drawing(parts, wide, height, f"{what}, with 95 % intervals")


def _reliability(rows: list[dict]) -> str:
    """What was claimed (to the right) against what was true (up), a point a bin, larger with more queries."""
    side, edge = 260, 34
    most = max(row.get("count", 1) for row in rows)
    kinds = list(dict.fromkeys(_name(row) for row in rows))
    names = ("signal", "soft", "ink", "line", "rust", "up")
    colours = [f"var(--dr-{name})" for name in names]
    parts = [
        f'<line x1="{edge}" y1="{side}" x2="{edge + side}" y2="0" stroke="var(--dr-line)"/>',
        f'<path d="M{edge} 0V{side}H{edge + side}" fill="none" stroke="var(--dr-line)"/>',
        f'<text x="{edge + side / 2}" y="{side + 20}" text-anchor="middle">share that is claimed</text>',
        f'<text transform="translate(14 {side / 2}) rotate(-90)" text-anchor="middle">share that is right</text>',
    ]
    for row in rows:
        kind = kinds.index(_name(row))
        told = "; ".join(f"{k} {_text(v)}" for k, v in row.items())
        parts.append(
            f'<circle cx="{edge + side * row["share"]:.1f}" cy="{side * (1 - row["right"]):.1f}" '
            f'r="{3 + 7 * (row.get("count", 1) / most) ** 0.5:.1f}" fill="{colours[kind % len(colours)]}" '
            f'fill-opacity="0.75"><title>{escape(told)}</title></circle>'
        )
    for i, kind in enumerate(kinds):
        y = 20 + 20 * i
        parts.append(
            f'<circle cx="{edge + side + 34}" cy="{y - 4}" r="5" fill="{colours[i % len(colours)]}"/>'
        )
        parts.append(f'<text x="{edge + side + 46}" y="{y}">{escape(kind)}</text>')
    return _drawing(parts, WIDE, side + 30, "Claimed against true shares; on the diagonal they agree")


def _drawing(parts: list[str], width: int, height: int, label: str) -> str:
    return (
        f'<div class="dr-table"><svg viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}" '
        f'style="width: 100%; min-width: 34rem; max-width: {width}px; font-size: 12px; fill: var(--dr-ink)">'
        f"{''.join(parts)}</svg></div><p>{escape(label)}.</p>"
    )


def _name(row: dict) -> str:
    """What a row is of: its words."""
    return ", ".join(value for value in row.values() if isinstance(value, str))


def _number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


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


def _interval(value: object) -> TypeGuard[list[float]]:
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
    """The model card of `folder` as Markdown without its front matter."""
    file = folder / "README.md"
    if not file.is_file():
        return ""
    return re.sub(r"\A---\n.*?\n---\n", "", file.read_text(encoding="utf-8"), flags=re.DOTALL)
