from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn.functional import layer_norm, normalize

from diffusionret.config import STORYBOOK, ModelConfig, TokenTableConfig
from diffusionret.model import DiffusionRet, build_model
from diffusionret.token_table import SCALE, TokenTable
from diffusionret.tokenizer import token_ids, token_strings, tokenize
from diffusionret.training.english import eight_bits, read_table

VOCABULARY = 49408


def table(words: tuple[str, ...] = (), dim: int = 8) -> TokenTable:
    """A table with random rows, and rows of words of several tokens."""
    torch.manual_seed(0)
    runs = [token_ids(word) for word in words]
    made = TokenTable(VOCABULARY, 12, TokenTableConfig(dim, len(runs), max(map(len, runs), default=1)))
    made.rows.copy_(torch.randint(-127, 128, made.rows.shape))
    made.run_rows.copy_(torch.randint(-127, 128, made.run_rows.shape))
    made.last.copy_(torch.tensor(token_strings()[1]))
    for i, run in enumerate(runs):
        made.runs[i, : len(run)] = torch.tensor(run)
    return made


def entry(made: TokenTable, row: torch.Tensor) -> torch.Tensor:
    """A row as the tower is to see it, the slow way."""
    x = made.project(normalize(row.float(), dim=-1))
    return SCALE * layer_norm(x, x.shape[-1:], made.norm.weight, made.norm.bias)


def test_tokens_and_whole_words() -> None:
    made = table(("terrapin", "speedboat"))
    ids, _ = tokenize(["a terrapin and a dog", "speedboats", "speedboat"], 16)
    vectors = made(ids)
    pieces = token_ids("terrapin")
    assert len(pieces) > 1 and ids[0, 2 : 2 + len(pieces)].tolist() == pieces
    torch.testing.assert_close(vectors[0, 1], entry(made, made.rows[ids[0, 1]]))
    for i in range(len(pieces)):  # every piece is the whole word
        torch.testing.assert_close(vectors[0, 2 + i], entry(made, made.run_rows[0]))
    torch.testing.assert_close(vectors[2, 1], entry(made, made.run_rows[1]))
    assert not torch.allclose(vectors[1, 1], entry(made, made.run_rows[1]))  # another word: not in the table
    torch.testing.assert_close(vectors[:, 0], made.ends[:1].expand(3, -1))


def test_a_word_without_a_row_is_its_pieces() -> None:
    made = table(("speedboat",))
    ids, _ = tokenize(["terrapin"], 16)
    for i in range(1, 1 + len(token_ids("terrapin"))):
        torch.testing.assert_close(made(ids)[0, i], entry(made, made.rows[ids[0, i]]))


def test_only_the_map_and_the_ends_learn() -> None:
    made = table()
    assert {name for name, _ in made.named_parameters()} == {
        "project.weight", "project.bias", "norm.weight", "norm.bias", "ends"
    }  # fmt: skip


def small_model() -> DiffusionRet:
    """A model over a table, with weights that half precision holds."""
    clip = replace(
        STORYBOOK.clip, text_layers=1, text_width=24, embed_dim=16, token_table=TokenTableConfig(8, 1, 2)
    )
    made = table(("terrapin",))
    model = build_model(replace(STORYBOOK, clip=clip, temporal_layers=1)).eval()
    model.towers.token_embedding.load_state_dict(made.state_dict() | {
        name: part for name, part in model.towers.token_embedding.state_dict().items()
        if name.startswith(("project", "norm", "ends"))
    })  # fmt: skip
    return model.half().float()


def test_a_model_with_a_table_survives_saving(tmp_path) -> None:
    model = small_model()
    model.save_pretrained(tmp_path)
    again = DiffusionRet.from_pretrained(tmp_path)
    assert again.config == model.config and again.towers.token_embedding.rows.dtype == torch.int8
    texts = ["a terrapin", "dog"]
    torch.testing.assert_close(again.encode_text(texts).cls, model.encode_text(texts).cls)


def test_settings_without_a_table_are_as_they_were() -> None:
    assert "token_table" not in ModelConfig().to_dict()["clip"]
    assert ModelConfig.from_dict(ModelConfig().to_dict()) == ModelConfig()


def test_eight_bits_keep_directions() -> None:
    rows = torch.randn(50, 128)
    kept = eight_bits(rows)
    assert kept.dtype == torch.int8 and kept.abs().amax(1).eq(127).all()
    assert (normalize(rows, dim=1) * normalize(kept.float(), dim=1)).sum(1).min() > 0.999


def test_training_says_which_command_makes_the_table(tmp_path) -> None:
    with pytest.raises(FileNotFoundError, match="diffusionret tokens"):
        read_table(tmp_path / "tokens.safetensors")
