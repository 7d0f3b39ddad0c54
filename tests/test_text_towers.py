"""The trials of text towers: rows of the table of tokens that may move."""

from __future__ import annotations

import torch
from test_token_table import small_model

from analysis.text_towers.command import CHOSEN_BY, RUNS, WORDS, sentence, validation_figures
from analysis.text_towers.trials import FreeTokenTable, fix_rows, free_rows
from diffusionret.model import DiffusionRet
from diffusionret.tokenizer import token_ids
from diffusionret.training import records

TEXTS = ["a terrapin and a dog", "speedboats at night"]


def test_rows_that_may_move_start_where_they_are() -> None:
    model = small_model()
    before = model.encode_text(TEXTS).cls
    torch.testing.assert_close(free_rows(model).encode_text(TEXTS).cls, before)


def test_only_rows_of_the_texts_move() -> None:
    model = free_rows(small_model())
    table = model.towers.token_embedding
    assert isinstance(table, FreeTokenTable)
    model.encode_text(TEXTS).cls.square().sum().backward()
    assert table.free.grad is not None
    word = token_ids("terrapin")
    ids = {i for text in TEXTS for i in token_ids(text)} - set(word)
    moved = (table.free.grad.abs().amax(1) > 0).nonzero().flatten().tolist()
    assert set(moved) == ids | {len(table.rows)}, "tokens, and one word as a whole"


def test_rows_that_moved_are_stored_as_a_table_of_the_plain_kind(tmp_path) -> None:
    model = free_rows(small_model())
    table = model.towers.token_embedding
    assert isinstance(table, FreeTokenTable)
    torch.nn.init.normal_(table.free, std=0.2)
    moved = model.encode_text(TEXTS).cls.detach()
    model.save_pretrained(tmp_path / "best")
    fix_rows(tmp_path / "best")
    stored = DiffusionRet.from_pretrained(tmp_path / "best")
    fix_rows(tmp_path / "best")  # a second time changes nothing
    again = DiffusionRet.from_pretrained(tmp_path / "best")
    assert all(torch.equal(part, again.state_dict()[name]) for name, part in stored.state_dict().items())
    found = stored.encode_text(TEXTS).cls.detach()
    assert (found - moved).norm() < 0.05 * (moved - small_model().encode_text(TEXTS).cls).norm()


def test_the_figures_of_validation_are_those_of_the_weights_that_were_kept(tmp_path) -> None:
    names = dict.fromkeys(CHOSEN_BY, 0.0)
    for step, score, best in ((1, 5.0, 5.0), (2, 7.0, 7.0), (3, 6.0, 7.0)):
        figures = names | {"queries": float(step), "roles": 1.0}
        record = records.ValidationRecord(step, 1.0, score, best, 0, figures)
        records.append(tmp_path, records.line(record))
    assert validation_figures(tmp_path) == names | {"queries": 2.0}


def test_the_sentence_gives_the_span_of_seeds() -> None:
    row = {"trained": 70.0, "held out": 80.0, "unseen": 30.0, "natural_fits": 90.0}
    said = {"queries": 60.0, "natural_R1": 80.0, **{f"word_{name}": 40.0 for name in WORDS}}
    rows = [row | {"table": t, "seed": s, "validation": said} for t, s in RUNS]
    rows[0] = rows[0] | {"unseen": 33.0}
    words = sentence(rows)
    assert set(said) == set(CHOSEN_BY) and len(set(RUNS)) == len(RUNS)
    assert "a learned table: words of validation 40.0 (40.0 to 40.0)" in words
    assert "unseen 31.0 (30.0 to 33.0)" in words and "128 free dimensions" in words
