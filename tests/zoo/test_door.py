"""The door `xsim_zoo`: light, unchanged by looking at it, and typed."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import xsim_zoo

if TYPE_CHECKING:
    from xsim_zoo.restorers.restoration import Restoration
    from xsim_zoo.run.restore import Restored

ROOT = Path(__file__).parents[2]


def test_type_checkers_and_python_see_the_same_names() -> None:
    tree = ast.parse(Path(xsim_zoo.__file__).read_text(encoding="utf-8"))
    (seen,) = [node for node in tree.body if isinstance(node, ast.If) and isinstance(node.test, ast.Name)]
    typed = {name.asname: node.module for node in seen.body if isinstance(node, ast.ImportFrom) for name in node.names}
    assert typed == xsim_zoo._HOMES
    assert dir(xsim_zoo) == sorted(typed)
    assert all(callable(getattr(xsim_zoo, name)) for name in typed)
    with pytest.raises(AttributeError, match="no attribute 'laod'"):
        _ = xsim_zoo.laod


def test_the_import_is_light_and_sets_nothing() -> None:
    script = "import os, sys; before = dict(os.environ); import xsim_zoo; dir(xsim_zoo); "
    script += "print('torch' in sys.modules, dict(os.environ) == before)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, env=os.environ)
    assert done.stdout.split() == ["False", "True"]


def as_promised(restored: Restored) -> Restoration:
    """Held by mypy: what `Restorer.restore` promises is what `xsim_zoo.run.restore` gives."""
    return restored


@pytest.mark.slow
def test_mypy_refuses_what_is_no_name(tmp_path: Path) -> None:
    script = tmp_path / "user.py"
    script.write_text("import xsim_zoo\nxsim_zoo.load(3)\nxsim_zoo.load('wiener').restore('a.tif').save('b.tif')\n")
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--config-file", str(ROOT / "pyproject.toml"), str(script)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 'user.py:2: error: Argument 1 to "load"' in told.stdout
    assert "user.py:3" not in told.stdout
