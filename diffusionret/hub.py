"""Where models lie: with the project, in a folder, or on the Hugging Face Hub."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies

from huggingface_hub import constants, snapshot_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError
from open_clip import list_models
from open_clip.pretrained import get_pretrained_cfg, list_pretrained_tags_by_model

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
    advice = f"use clip:{other}:{tag}" if other in list_models() else "choose other weights"
    raise ValueError(
        f"The weights {tag!r} were trained {trained} QuickGELU, unlike {architecture}: {advice}."
    )
