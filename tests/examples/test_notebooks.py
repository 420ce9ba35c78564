"""Notebooks run from top to bottom, show their pictures, and are kept without outputs."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).parents[2] / "examples" / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))

# What is made smaller, so that a notebook takes seconds: the line that says so -> in its place.
SMALLER = {
    "1-simulate-a-pair": {"SIZE = 384": "SIZE = 256"},
    "2-restore-a-radiograph": {"SIZE = 384": "SIZE = 256", "SAMPLES, STEPS = 4, 6": "SAMPLES, STEPS = 2, 2"},
    "3-train-a-small-restorer": {
        "PAIRS, SIZE, STEPS = 24, 128, 60": "PAIRS, SIZE, STEPS = 24, 64, 4",
        "patch=64": "patch=32",
    },
}
# How many pictures or charts each shows, and what it says in words.
SHOWS = {
    "1-simulate-a-pair": (3, "HR grey 0.5 is LR grey"),
    "2-restore-a-radiograph": (5, "after"),
    "3-train-a-small-restorer": (2, "restored"),
}


def cells(notebook: Path, kind: str) -> list[str]:
    document = json.loads(notebook.read_text(encoding="utf-8"))
    return ["".join(cell["source"]) for cell in document["cells"] if cell["cell_type"] == kind]


def shown(code: str, names: dict[str, Any]) -> str:
    """Run a cell, and return the HTML or text of its last expression, as a notebook shows it."""
    tree = ast.parse(code)
    last = tree.body.pop() if isinstance(tree.body[-1], ast.Expr) else None
    exec(compile(tree, "cell", "exec"), names)  # the notebooks of this repository
    if last is None:
        return ""
    assert isinstance(last, ast.Expr)
    value = eval(compile(ast.Expression(last.value), "cell", "eval"), names)
    html = getattr(value, "_repr_html_", None)
    return html() if html else "" if value is None else repr(value)


def test_there_are_three() -> None:
    assert [notebook.stem for notebook in NOTEBOOKS] == list(SMALLER)


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(notebook: Path) -> None:
    document = json.loads(notebook.read_text(encoding="utf-8"))
    assert (document["nbformat"], document["metadata"]["language_info"]) == (4, {"name": "python"})
    for number, cell in enumerate(document["cells"]):
        assert cell["id"] == f"cell-{number}"
        if cell["cell_type"] == "code":
            assert cell["outputs"] == []
            assert cell["execution_count"] is None
    assert notebook.stat().st_size < 20_000
    assert cells(notebook, "markdown")[0].startswith("# ")


@pytest.mark.slow  # about half a minute each
@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_shows_its_pictures(notebook: Path, capsys: pytest.CaptureFixture[str]) -> None:
    small, names, seen = dict(SMALLER[notebook.stem]), {"__name__": "__main__"}, ""
    for code in cells(notebook, "code"):
        for line in [line for line in small if line in code]:
            code = code.replace(line, small.pop(line))  # noqa: PLW2901
        seen += shown(code, names)
    assert not small, "these lines are not in the notebook"
    pictures, words = SHOWS[notebook.stem]
    assert len(re.findall(r"<img |<svg ", seen)) == pictures
    assert words in capsys.readouterr().out
