"""The notebooks run from top to bottom on the bundled model, and hold no logic of their own."""

from __future__ import annotations

import ast
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "analysis" / "notebooks"


@pytest.mark.timeout(1800)  # each takes less than a minute; beside other work it may take many times that
@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.ipynb")), ids=lambda file: file.stem)
def test_a_notebook_runs(file):
    notebook = nbformat.read(file, as_version=4)
    nbformat.validate(notebook)
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert not any(cell.outputs for cell in cells)  # results are computed, never kept
    for cell in cells:
        logic = (ast.FunctionDef, ast.ClassDef, ast.For, ast.While, ast.If)
        assert not any(isinstance(node, logic) for node in ast.walk(ast.parse(cell.source)))
    place = {"metadata": {"path": str(FOLDER)}}
    NotebookClient(notebook, timeout=None, startup_timeout=600, resources=place).execute()
    drawn = [
        out
        for cell in cells
        for out in cell.outputs
        if "application/vnd.plotly.v1+json" in out.get("data", {})
    ]
    assert len(drawn) == sum("figures." in cell.source for cell in cells if "import" not in cell.source)
