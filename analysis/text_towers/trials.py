"""The trials: tables of tokens and objectives that the bundled text tower does not have."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import torch
from huggingface_hub import load_torch_model
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from diffusionret.config import ModelConfig, TokenTableConfig
from diffusionret.model import DiffusionRet, build_model
from diffusionret.token_table import TokenTable
from diffusionret.training.english import SentenceEncoder, eight_bits
from diffusionret.training.storybook_features import StorybookFeatures
from diffusionret.training.storybook_text import StorybookText

SENTENCE_WEIGHT = 2.0  # of the distance to the sentence encoder's vector


class FreeTokenTable(TokenTable):
    """A table whose rows start as the sentence encoder has them and move where training has their words.

    free: [token and word, dim], added to the rows of norm 1.
    """

    def __init__(self, table: TokenTable) -> None:
        config = TokenTableConfig(table.rows.shape[1], *table.runs.shape)
        super().__init__(len(table.rows), table.project.out_features, config)
        self.load_state_dict(table.state_dict())
        self.free = nn.Parameter(torch.zeros(len(self.rows) + len(self.run_rows), config.dim))

    def forward(self, ids: Int[Tensor, "text token"]) -> Float[Tensor, "text token width"]:
        of_row = ids.clone()
        where, words = self._words(ids)
        if where:
            texts, places = torch.tensor(where, device=ids.device).T
            of_row[texts, places] = len(self.rows) + torch.tensor(words, device=ids.device)
        rows = torch.cat([self.rows, self.run_rows])[of_row].float()
        return self._entries(ids, normalize(rows, dim=-1) + self.free[of_row])


def free_rows(model: DiffusionRet) -> DiffusionRet:
    """The model with rows that may move."""
    table = model.towers.token_embedding
    assert isinstance(table, TokenTable)
    model.towers.token_embedding = FreeTokenTable(table)
    return model


def fix_rows(folder: Path) -> None:
    """Replace the movable rows of a stored model by a plain table, at 8 bits, of where they ended."""
    config = ModelConfig.from_dict(json.loads((folder / "config.json").read_text(encoding="utf-8")))
    model = free_rows(build_model(config))
    load_torch_model(model, folder, safe=True)
    table = model.towers.token_embedding
    assert isinstance(table, FreeTokenTable)
    rows = torch.cat([table.rows, table.run_rows]).float()
    moved = eight_bits(normalize(rows, dim=-1) + table.free.detach())
    parts = moved.split([len(table.rows), len(table.run_rows)])
    table.rows, table.run_rows = (part.clone() for part in parts)  # of storage of their own
    del table.free
    part = folder.with_name(f"{folder.name}.part")
    model.save_pretrained(part)
    shutil.rmtree(folder)
    part.rename(folder)


class DistilledText(StorybookText):
    """`StorybookText`, where the end token must tell what the sentence encoder says of captions and queries, too."""

    def __init__(self, features: StorybookFeatures) -> None:
        super().__init__(features)
        self.encoder = SentenceEncoder(features.device)
        sentence = nn.Linear(self.model.config.clip.embed_dim, self.encoder.dim)
        self.heads.add_module("sentence", sentence.to(features.device))

    def loss(self, step: int) -> Tensor:
        batch, written, _ = self.texts(step)
        texts = [caption.text for caption in batch.texts] + [query.text for query in written]
        found = self.heads.get_submodule("sentence")(self.features.encode_texts(texts).cls)
        distance = 1 - cosine_similarity(found, self.encoder.encode(texts))
        return super().loss(step) + SENTENCE_WEIGHT * distance.mean()
