"""The file that a stopped training goes on from: last.pt, written whole or not at all."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

FILE = "last.pt"


def write(folder: Path, settings: Mapping[str, object], state: Mapping[str, Any]) -> None:
    """Replace the state in a folder; a kill while writing leaves the previous one whole.

    settings: what a training that goes on from it must share, by name, as JSON knows it.
    """
    part = folder / "last.part"
    torch.save({"settings": json.dumps(settings), **state}, part)
    part.replace(folder / FILE)


def read(folder: Path, settings: Mapping[str, object], device: torch.device) -> dict[str, Any] | None:
    """The state in a folder, its tensors on `device`; None where there is none.

    Raises ValueError, which names what differs, where it was written with other settings.
    """
    if not (folder / FILE).is_file():
        return None
    state = torch.load(folder / FILE, map_location=device, weights_only=True)
    before, now = json.loads(state.get("settings", "{}")), json.loads(json.dumps(settings))
    names = [*now, *(name for name in before if name not in now)]
    if different := [n for n in names if n not in before or n not in now or before[n] != now[n]]:
        raise ValueError(
            f"{folder} holds a run with another {', '.join(different)}: pass its settings, or another --runs."
        )
    return state
