"""Where models lie: with the project, in a folder, or on the Hugging Face Hub."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import snapshot_download
from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError, RepositoryNotFoundError


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
