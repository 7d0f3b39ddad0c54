"""What the public names promise, from their docstrings: `python -m analysis.api` writes diffusionret/API.md."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from types import ModuleType
from typing import Any

import diffusionret
from diffusionret.ood import report

PAGE = Path(diffusionret.__file__).with_name("API.md")
WIDTH = 100  # of a signature in one line
ORDER = (
    *("Retriever", "SearchResult", "Hit", "Gallery", "Trajectory"),
    *("DiffusionRet", "TextFeatures", "VideoFeatures", "load_model", "load_published", "metrics"),
)
# Not imported by users, but what `Retriever.inspect` returns.
REPORTS = (report.Report, report.Answer, report.Neighbour, report.Stability, report.WordEffect)
HEAD = """\
# Public names

`from diffusionret import {names}`

Shapes stand in brackets, [query candidate], as in the annotations. `python -m analysis.api` writes this page from the
docstrings; [CONTRIBUTING](../CONTRIBUTING.md) says which file holds what.
"""


def page() -> str:
    """The page, as Markdown."""
    public = [getattr(diffusionret, name) for name in ORDER]
    names = [*ORDER, *(item.__name__ for item in REPORTS)]
    contents = [
        f"- [{name}](#{name.lower()}): {_first_sentence(item)}"
        for name, item in zip(names, [*public, *REPORTS], strict=True)
    ]
    parts = [HEAD.format(names=", ".join(ORDER)), "\n".join(contents)]
    for name, item in zip(names, [*public, *REPORTS], strict=True):
        parts += _module(name, item) if isinstance(item, ModuleType) else _entry(name, item)
    return "\n\n".join(part.strip("\n") for part in parts) + "\n"


def main() -> None:
    PAGE.write_text(page(), encoding="utf-8")
    print(f"wrote {PAGE}")


def _entry(name: str, item: Any) -> Iterator[str]:
    """A class or a function: heading, signature, docstring, members."""
    yield f"## {name}"
    yield _code(_signature(name, item))
    yield _prose(item)
    if inspect.isclass(item):
        for member, value in vars(item).items():
            yield from _member(f"{name}.{member}", value)


def _module(name: str, module: ModuleType) -> Iterator[str]:
    """A module: heading, docstring, and its own public classes and functions."""
    yield f"## {name}"
    yield _prose(module)
    for member, value in vars(module).items():
        own = getattr(value, "__module__", None) == module.__name__
        if own and not member.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value)):
            yield f"### {name}.{member}"
            yield _code(_signature(f"{name}.{member}", value))
            yield _prose(value)


def _member(name: str, value: Any) -> Iterator[str]:
    """A method or property of a class, where it is public; fields stand in the signature of their class."""
    if name.partition(".")[2].startswith("_"):
        return
    if isinstance(value, (property, cached_property)):
        function: Any = value.fget if isinstance(value, property) else value.func
        signature = name + _annotation(inspect.signature(function).return_annotation, ": ")
    elif isinstance(value, (classmethod, staticmethod)) or inspect.isfunction(value):
        function = getattr(value, "__func__", value)
        signature = _signature(name, function, bound=not isinstance(value, staticmethod))
    else:
        return
    yield f"### {name}"
    yield _code(signature)
    yield _prose(function)


def _signature(name: str, item: Any, bound: bool = False) -> str:
    """`name(arguments) -> result`, in several lines where it is long. bound: without the first argument."""
    signature = inspect.signature(item)
    parameters = list(signature.parameters.values())[bound:]
    pieces, starred = [], False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            pieces.append("*")
        starred |= parameter.kind in (parameter.KEYWORD_ONLY, parameter.VAR_POSITIONAL)
        pieces.append(_parameter(parameter))
    result = "" if inspect.isclass(item) else _annotation(signature.return_annotation, " -> ")
    line = f"{name}({', '.join(pieces)}){result}"
    if len(line) <= WIDTH:
        return line
    return "\n".join([f"{name}(", *(f"    {piece}," for piece in pieces), f"){result}"])


def _parameter(parameter: inspect.Parameter) -> str:
    stars = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
    text = f"{stars}{parameter.name}{_annotation(parameter.annotation, ': ')}"
    if parameter.default is parameter.empty:
        return text
    value = "..." if repr(parameter.default) == "<factory>" else repr(parameter.default)
    return f"{text} = {value}"


def _annotation(annotation: Any, before: str) -> str:
    if annotation is inspect.Signature.empty:
        return ""
    text = annotation if isinstance(annotation, str) else inspect.formatannotation(annotation)
    return before + text.replace("' ", "'")  # jaxtyping marks a single axis by a space


def _code(text: str) -> str:
    return "```python\n" + text.replace("'", '"') + "\n```"


def _prose(item: Any) -> str:
    """A docstring as Markdown: arguments and fields as a list, what is returned and raised in paragraphs."""
    names = [] if isinstance(item, ModuleType) else list(inspect.signature(item).parameters)
    if not names:
        return _plain(inspect.getdoc(item) or "")
    name = rf"(?:{'|'.join(map(re.escape, names))})(?: \[[^\]]*\])?"
    argument = re.compile(rf"(?:^|(?<=[.;] ))({name}(?:(?:,| and) {name})*): ")
    paragraphs = []
    for paragraph in (inspect.getdoc(item) or "").split("\n\n"):
        for text in re.split(r"(?<=\.) (?=Raises |Returns )", " ".join(paragraph.split())):
            head, *rest = argument.split(text)
            pairs = zip(rest[::2], rest[1::2], strict=True)
            points = [f"- **{_plain(names)}**: {_plain(what.strip().rstrip(';.'))}." for names, what in pairs]
            paragraphs += [_plain(head.strip())] if head.strip() else []
            paragraphs += ["\n".join(points)] if points else []
    return "\n\n".join(paragraphs)


def _plain(text: str) -> str:
    """Text in which, outside code, what would be markup is a plain character."""
    parts = re.split(r"(`[^`]*`|^ {4}.*$)", text, flags=re.MULTILINE)
    return "".join(part if i % 2 else re.sub(r"([<*])", r"\\\1", part) for i, part in enumerate(parts))


def _first_sentence(item: Any) -> str:
    return re.split(r"(?<=[.:])\s", " ".join(_prose(item).split("\n\n")[0].split()))[0].rstrip(":.") + "."


if __name__ == "__main__":
    main()
