"""The Evidence tab: results as pictures and tables, whatever a file holds; and the stored results themselves."""

from __future__ import annotations

import json

import numpy as np
import pytest

pytest.importorskip("skia")  # the scripts draw their clips

from analysis import calibration_top1, measure
from demo import evidence


def test_a_result_is_a_sentence_a_picture_a_command_and_its_figures(tmp_path):
    rows = [{"name": "<b>", "gain": g, "interval": [g - 1, g + 1]} for g in (-2.0, 3.0)]
    content = {"title": "T & U", "command": "python -m x", "shows": "It <helps>.", "rows": rows}
    (tmp_path / "x.json").write_text(json.dumps(content))
    shown = evidence.tables(tmp_path)
    assert (
        "It &lt;helps&gt;." in shown and "python -m x" in shown and "<svg" in shown and "T &amp; U" in shown
    )
    assert "<b>" not in shown and "&lt;b&gt;" in shown and "+3.0" in shown and "-2.0" in shown
    assert shown.index("cx=") and "<details>" in shown


def test_rows_of_other_forms_have_no_picture():
    for rows in (None, [], [1], [{"a": 1}], [{"gain": 1.0}], [{"gain": None, "interval": [0, 1]}], "rows"):
        assert evidence.plot(rows) == ""
    points = [{"readout": "sharp", "share": 0.9, "right": 0.5, "count": 3}]
    assert 'cy="130.0"' in evidence.plot(points)


@pytest.mark.parametrize("name", ["generation_helps", "sampler_settings", "calibration_top1", "out_domain"])
def test_stored_results_have_all_that_the_tab_shows(name):
    content = json.loads((measure.RESULTS / f"{name}.json").read_text(encoding="utf-8"))
    assert content["command"] == f"python -m analysis.{name}" and content["shows"] and content["minutes"] >= 0
    assert evidence.plot(content["rows"])


def test_reliability_of_honest_and_of_boastful_shares():
    rng = np.random.default_rng(0)
    share = rng.random(20000)
    rows, error = calibration_top1.reliability(share, (rng.random(20000) < share).astype(float))
    assert error < 0.02 and sum(r["count"] for r in rows) == 20000 and len(rows) == 10
    _, error = calibration_top1.reliability(np.ones(10), np.zeros(10))
    assert error == 1.0
