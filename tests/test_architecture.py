"""The house rules: which room may import which, how full a room may be, what start-up may load."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FLOORS = {
    "xsim": ROOT / "xsim",
    "xsim_datasets": ROOT / "datasets" / "xsim_datasets",
    "xsim_zoo": ROOT / "zoo" / "xsim_zoo",
    "xsim_cli": ROOT / "cli" / "xsim_cli",
}
ORDER = list(FLOORS)  # lower floors first; imports go down only
HEAVY = {"numpy", "torch", "scipy", "zarr", "numba", "matplotlib", "spekpy", "xraylib", "pydantic"}


ROOMS = {
    "xsim": [
        *(
            "_version",
            "errors",
            "keywords",
            "notebook",
            "names",
            "plugins",
            "units",
            "seeds",
            "grids",
            "curves",
            "files",
            "compiled",
            "materials",
            "spectrum",
            "phantoms",
        ),
        *("detector", "degradation", "imaging", "measure", "inspect", "recipes"),
    ],
    "xsim_datasets": ["images", "progress", "store", "recipe", "real", "pictures", "pair_folder", "scan"],
    "xsim_zoo": [
        "pages",
        "process",
        "operators",
        "network",
        "restorers",
        "weights",
        "check",
        "run",
        "exports",
        "training",
        "evaluation",
        "study",
    ],
}
"""Rooms and single files of each package; a room imports only what stands before it."""

LARGEST_ROOM = 16
"""Files that lie flat in one folder: more than a person takes in at a glance is split by idea."""


def sources(floor: str) -> list[Path]:
    files = sorted(FLOORS[floor].rglob("*.py"))
    assert files, f"no sources found for {floor}"
    return files


def module_of(path: Path, floor: str) -> str:
    parts = path.relative_to(FLOORS[floor].parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imported(path: Path, known: set[str]) -> set[str]:
    """Return what a file imports anywhere: at the top, inside functions, for types only; our modules by whole name."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            # Of a package one may take a module, without needing what the package itself offers.
            found |= {name if name in known else str(node.module) for name in names}
    return found


def graph() -> dict[str, set[str]]:
    """Return who imports whom among our modules; the doors of the packages, which name everything, are left out."""
    files = {module_of(path, floor): path for floor in ORDER for path in sources(floor)}
    known = set(files)
    return {name: (imported(path, known) & known) - {name} for name, path in files.items() if name not in FLOORS}


def room(module: str) -> str:
    """Return the room of a module: the second part of its name."""
    return module.split(".")[1] if "." in module else ""


def upward(edges: dict[str, set[str]]) -> list[str]:
    """Return the imports that go up, between packages or between the rooms of one."""
    wrong = []
    for name, others in edges.items():
        floor = name.split(".")[0]
        for other in sorted(others):
            above = other.split(".")[0]
            if ORDER.index(above) > ORDER.index(floor):
                wrong.append(f"{name} -> {other}")
            elif above == floor and floor in ROOMS:
                order = ROOMS[floor]
                if other == floor and room(name) in order:
                    wrong.append(f"{name} -> the door of its own package")
                elif other != floor and order.index(room(other)) > order.index(room(name)):
                    wrong.append(f"{name} -> {other}")
    return wrong


def test_every_module_has_its_room() -> None:
    homeless = [
        path
        for floor, order in ROOMS.items()
        for path in sources(floor)
        if (name := module_of(path, floor)) != floor and room(name) not in order
    ]
    assert not homeless


def test_imports_go_down_only() -> None:
    assert not upward(graph())


def test_no_import_circle_types_included() -> None:
    assert circle_in(graph()) == []


def test_no_folder_is_crowded() -> None:
    counts = Counter(path.parent for floor in ORDER for path in sources(floor) if path.name != "__init__.py")
    assert not {str(folder): count for folder, count in counts.items() if count > LARGEST_ROOM}


@pytest.mark.parametrize(("floor", "banned"), [("xsim", {"torch", "zarr"}), ("xsim_datasets", {"torch"})])
def test_lower_floors_never_import(floor: str, banned: set[str]) -> None:
    for path in sources(floor):
        assert not {name.split(".")[0] for name in imported(path, set())} & banned, path


def test_the_checks_see_what_is_forbidden(tmp_path: Path) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from xsim_zoo.run import restore\n"
        "def f():\n    from xsim_zoo.check.verdict import Consistency\n",
        encoding="utf-8",
    )
    seen = imported(bad, {"xsim_zoo.run.restore", "xsim_zoo.check.verdict"})
    assert seen >= {"xsim_zoo.run.restore", "xsim_zoo.check.verdict"}
    assert upward({"xsim_zoo.process.prior": {"xsim_zoo.run.restore"}})
    assert upward({"xsim.grids": {"xsim_zoo.run.restore"}})
    assert not upward({"xsim_zoo.run.restore": {"xsim_zoo.process.prior", "xsim.grids"}})
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


def circle_in(edges: dict[str, set[str]]) -> list[str]:
    """Return the modules of one import circle, none if there is no circle."""
    done: set[str] = set()

    def follow(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name not in done:
            for other in sorted(edges.get(name, ())):
                if circle := follow(other, [*way, name]):
                    return circle
            done.add(name)
        return []

    return next((circle for name in sorted(edges) if (circle := follow(name, []))), [])


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
