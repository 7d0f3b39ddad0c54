"""Vectors of CLIP's tokens that know English before training begins: a frozen table at 8 bits, read by token ids.

Every token string (and common words of several tokens) was encoded alone by a sentence encoder and reduced to few
dimensions, see training/english.py. A tower of one's own then starts with words that lie as their meanings do, those
that its training never shows among them; one linear map brings them into the tower.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import normalize

from .config import TokenTableConfig

SCALE = 0.3  # of what enters the tower, about as large as the position vectors that training finds


class TokenTable(nn.Module):
    """In the place of a learned embedding: ids -> vectors.

    rows: int8 [token dim], directions only. runs: int32 [word piece], the ids of words of several tokens, padded with
    0; run_rows: int8 [word dim]. Every piece of such a word has the vector of the whole. The last two ids, start and
    end, are learned. last: bool [token], whether a token ends a word.
    """

    rows: Tensor
    runs: Tensor
    run_rows: Tensor
    last: Tensor

    def __init__(self, vocab_size: int, width: int, config: TokenTableConfig) -> None:
        super().__init__()
        self.register_buffer("rows", torch.zeros(vocab_size, config.dim, dtype=torch.int8))
        self.register_buffer("last", torch.zeros(vocab_size, dtype=torch.bool))
        self.register_buffer("runs", torch.zeros(config.words, config.pieces, dtype=torch.int32))
        self.register_buffer("run_rows", torch.zeros(config.words, config.dim, dtype=torch.int8))
        self.project = nn.Linear(config.dim, width)
        self.norm = nn.LayerNorm(width)
        self.ends = nn.Parameter(0.02 * torch.randn(2, width))
        self._index: dict[tuple[int, ...], int] | None = None
        self._is_last: list[bool] = []

    def forward(self, ids: Int[Tensor, "text token"]) -> Float[Tensor, "text token width"]:
        rows = self.rows[ids]
        where, words = self._words(ids)
        if where:
            texts, places = torch.tensor(where, device=ids.device).T
            rows[texts, places] = self.run_rows[torch.tensor(words, device=ids.device)]
        return self._entries(ids, rows.float())

    def _entries(
        self, ids: Int[Tensor, "text token"], vectors: Float[Tensor, "text token dim"]
    ) -> Float[Tensor, "text token width"]:
        """What enters the tower, the learned start and end among it. vectors: of any norm, only directions count."""
        x = SCALE * self.norm(self.project(normalize(vectors, dim=-1)))
        start = len(self.rows) - 2
        is_end = ids >= start
        return torch.where(is_end[..., None], self.ends[(ids - start).clamp(min=0)], x)

    def _words(self, ids: Tensor) -> tuple[list[tuple[int, int]], list[int]]:
        """Where pieces of known words stand, (text, token), and which word each belongs to."""
        if not len(self.runs):
            return [], []
        if self._index is None:  # weights are loaded after the module is made
            self._index = {tuple(i for i in line if i): word for word, line in enumerate(self.runs.tolist())}
            self._is_last = self.last.tolist()
        where, words = [], []
        for text, line in enumerate(ids.tolist()):
            first = 1
            for place, token in enumerate(line[1:], 1):
                if token >= len(self._is_last) - 1:  # the end token
                    break
                if self._is_last[token]:
                    word = self._index.get(tuple(line[first : place + 1])) if place > first else None
                    if word is not None:
                        where += [(text, i) for i in range(first, place + 1)]
                        words += [word] * (place + 1 - first)
                    first = place + 1
        return where, words
