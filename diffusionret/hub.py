"""Where models lie: with the project, in a folder, or on the Hugging Face Hub."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from difflib import get_close_matches
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import open_clip
from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model
from torch import nn

CONNECT_SECONDS = 5.0  # after which the Hub counts as out of reach


def _assets() -> Path:
    """The folder of the bundled model and gallery: in an installed package, or beside it in a checkout."""
    installed = Path(__file__).parent / "assets"
    return installed if installed.is_dir() else Path(__file__).parents[1] / "assets"


ASSETS = _assets()
BUNDLED = ASSETS / "models"


def model_folder(name: str | Path, **kwargs) -> Path:
    """The folder of config.json and weights of a model.

    name: of a bundled model, a folder, or a Hub id ("owner/name"), which is fetched where the cache has it not.
    kwargs: of `snapshot_download`. Raises FileNotFoundError when there is no such model, ConnectionError when the Hub
    is out of reach.
    """
    for folder in (BUNDLED / str(name), Path(name)):
        if (folder / "config.json").is_file():
            return folder
    return _download(str(name), **kwargs)


def _download(name: str, **kwargs) -> Path:
    if name.count("/") != 1:
        bundled = ", ".join(sorted(p.parent.name for p in BUNDLED.glob("*/config.json"))) or "none"
        raise FileNotFoundError(
            f"There is no model {name!r}: pass a bundled one ({bundled}), a folder with config.json, or a Hub id."
        )
    try:
        with without_retries():
            return Path(
                snapshot_download(name, allow_patterns=["config.json", "*.safetensors", "*.json"], **kwargs)
            )
    except (LocalEntryNotFoundError, ConnectionError, OSError) as error:
        raise ConnectionError(
            f"{name} is not in the local cache and the Hugging Face Hub cannot be reached: connect once, or pass a "
            "folder that holds config.json and the weights."
        ) from error
    except (RepositoryNotFoundError, EntryNotFoundError) as error:
        raise FileNotFoundError(f"The Hugging Face Hub has no model {name!r}.") from error


def clip_towers(architecture: str, weights: str | None) -> tuple[dict[str, Any], nn.Module]:
    """open_clip's layout of a CLIP, and its two towers.

    weights: a tag of open_clip's, a file, or None for random ones. Raises ValueError for a model or weights that
    open_clip does not know, or that do not go together, ConnectionError when the weights are neither in the cache nor
    to be fetched.
    """
    layout = open_clip.get_model_config(architecture)
    if layout is None:
        close = get_close_matches(architecture, open_clip.list_models(), n=3)
        hint = f"did you mean {' or '.join(close)}? " if close else ""
        raise ValueError(f"open_clip knows no model {architecture!r}: {hint}see open_clip.list_models().")
    by_tag = bool(weights) and not Path(weights or "").is_file()
    if weights and by_tag:
        check_weights(architecture, weights, bool(layout.get("quick_gelu")))
    try:
        with without_retries() if by_tag else nullcontext():
            return layout, open_clip.create_model(architecture, pretrained=weights, precision="fp32")
    except (OSError, RuntimeError, ValueError) as error:
        if not by_tag:
            raise ValueError(
                f"{weights} holds no weights of {architecture}: give the file of that model."
            ) from error
        raise ConnectionError(
            f"The weights {weights!r} of {architecture} are not in the local cache and could not be fetched: connect "
            "to the internet once, or copy the Hugging Face cache of a machine that has them."
        ) from error


@contextmanager
def without_retries() -> Iterator[None]:
    """Where the Hub cannot be connected to, use its cache only: the client would try again for most of a minute."""
    before = constants.HF_HUB_OFFLINE
    constants.HF_HUB_OFFLINE = before or not reachable()
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = before


def reachable() -> bool:
    """Whether the Hub's host, or the proxy before it, takes a connection."""
    hub = urlsplit(constants.ENDPOINT)
    place = urlsplit(getproxies().get(hub.scheme, constants.ENDPOINT))
    port = place.port or (80 if place.scheme == "http" else 443)
    try:
        socket.create_connection((place.hostname or "", port), CONNECT_SECONDS).close()
    except OSError:
        return False
    return True


def check_weights(architecture: str, tag: str, quick: bool) -> None:
    """Raises ValueError unless open_clip has weights `tag` for the architecture, trained with its activation.

    quick: whether the architecture's activation is QuickGELU. Another one than the weights were trained with gives
    features that are a little wrong everywhere, which no error would ever tell.
    """
    tags = list_pretrained_tags_by_model(architecture)
    settings = get_pretrained_cfg(architecture, tag)
    if not settings:
        known = f"open_clip has {', '.join(tags)}" if tags else "open_clip has none"
        raise ValueError(f"There are no weights {tag!r} of {architecture}: {known}.")
    if bool(settings.get("quick_gelu")) == quick:
        return
    other = architecture.removesuffix("-quickgelu") if quick else f"{architecture}-quickgelu"
    trained = "without" if quick else "with"
    advice = f"use clip:{other}:{tag}" if other in open_clip.list_models() else "choose other weights"
    raise ValueError(
        f"The weights {tag!r} were trained {trained} QuickGELU, unlike {architecture}: {advice}."
    )
