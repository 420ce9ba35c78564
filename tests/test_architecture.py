"""The house rules: which room may import which, what start-up may load."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "xsim": ROOT / "xsim",
    "xsim_datasets": ROOT / "datasets",
    "xsim_zoo": ROOT / "zoo",
    "xsim_cli": ROOT / "cli",
}
ORDER = list(FLOORS)  # lower floors first; imports go down only
HEAVY = {"numpy", "torch", "scipy", "zarr", "numba", "matplotlib", "spekpy", "xraylib", "pydantic"}


def imported_packages(path: Path) -> set[str]:
    """Return the top-level packages that a file imports anywhere, also inside functions."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found.add((node.module or "").split(".")[0])
    return found


def sources(floor: str) -> list[Path]:
    files = sorted(FLOORS[floor].rglob("*.py"))
    assert files, f"no sources found for {floor}"
    return files


@pytest.mark.parametrize("floor", ORDER)
def test_imports_go_down_only(floor: str) -> None:
    above = set(ORDER[ORDER.index(floor) + 1 :])
    for path in sources(floor):
        assert not imported_packages(path) & above, path


@pytest.mark.parametrize(("floor", "banned"), [("xsim", {"torch", "zarr"}), ("xsim_datasets", {"torch"})])
def test_lower_floors_never_import(floor: str, banned: set[str]) -> None:
    for path in sources(floor):
        assert not imported_packages(path) & banned, path


def test_the_check_sees_a_forbidden_import(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def f():\n    from xsim_zoo.restorers.registry import get\n", encoding="utf-8")
    assert "xsim_zoo" in imported_packages(bad)


def loaded_after(arguments: list[str]) -> set[str]:
    """Return the heavy packages in ``sys.modules`` after the program ran with these arguments."""
    code = (
        "import sys, json\nfrom xsim_cli.app import main\n"
        f"try:\n    main({arguments!r})\nexcept SystemExit as end:\n    assert not end.code, end.code\n"
        f"print('\\n' + json.dumps(sorted(set(sys.modules) & {HEAVY!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_help_and_version_import_nothing_heavy() -> None:
    # Typer's own import of pydantic, where its version has one, is not ours to forbid.
    assert loaded_after(["--help"]) <= {"pydantic"}
    assert loaded_after(["--version"]) <= {"pydantic"}


def commands() -> list[str]:
    from xsim_cli.app import COMMANDS

    return list(COMMANDS)


@pytest.mark.parametrize("command", commands())
def test_every_command_helps_without_heavy_imports(command: str) -> None:
    assert loaded_after([command, "--help"]) <= {"pydantic"}
