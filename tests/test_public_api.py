"""What others build on: annotated and documented as a whole, functions that fit a screen, no import circle."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import mypy.api
import pytest

import xsim

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT / name for name in ("xsim", "datasets/xsim_datasets", "zoo/xsim_zoo", "cli/xsim_cli")]
LIBRARIES = ("xsim", "xsim_datasets", "xsim_zoo")
LONGEST = 60


def modules(package: str) -> list[str]:
    found = importlib.import_module(package)
    return [package, *(info.name for info in pkgutil.walk_packages(found.__path__, f"{package}."))]


def members(thing: type) -> Iterator[tuple[str, Any]]:
    """Yield the public methods and properties that a class defines itself."""
    for name, member in vars(thing).items():
        inner = member.fget if isinstance(member, property) else getattr(member, "__func__", member)
        if not name.startswith("_") and inspect.isfunction(inner):
            yield f"{thing.__qualname__}.{name}", inner


def public(package: str) -> Iterator[tuple[str, Any]]:
    """Yield every public function, class and method of a package."""
    for module_name in modules(package):
        module = importlib.import_module(module_name)
        for name in getattr(module, "__all__", []):
            thing = getattr(module, name)
            if getattr(thing, "__module__", "").split(".")[0] != package:
                continue
            if inspect.isclass(thing):
                yield f"{module_name}.{name}", thing
                yield from ((f"{module_name}.{inner}", member) for inner, member in members(thing))
            elif inspect.isfunction(thing):
                yield f"{module_name}.{name}", thing


@pytest.mark.parametrize("package", LIBRARIES)
def test_every_module_says_what_it_is_for_and_what_it_offers(package: str) -> None:
    for name in modules(package):
        module = importlib.import_module(name)
        assert module.__doc__, name
        assert all(hasattr(module, offered) for offered in getattr(module, "__all__", [])), name


@pytest.mark.parametrize("package", LIBRARIES)
def test_everything_public_is_documented(package: str) -> None:
    found = dict(public(package))
    assert len(found) > 50
    assert not [name for name, thing in found.items() if not (thing.__doc__ or "").strip()]


@pytest.mark.parametrize("package", LIBRARIES)
def test_everything_public_is_annotated(package: str) -> None:
    bare = []
    for name, thing in public(package):
        if inspect.isclass(thing):
            continue
        signature = inspect.signature(thing)
        for parameter in signature.parameters.values():
            if parameter.name not in {"self", "cls"} and parameter.annotation is parameter.empty:
                bare.append(f"{name}({parameter.name})")
        if signature.return_annotation is signature.empty:
            bare.append(f"{name} ->")
    assert not bare


def sources() -> list[Path]:
    return [path for folder in FOLDERS for path in sorted(folder.rglob("*.py"))]


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Return the lines of signature and body, without the docstring, which is as long as it has to be."""
    assert function.end_lineno is not None
    documented = ast.get_docstring(function) is not None
    doc = (function.body[0].end_lineno or 0) - function.body[0].lineno + 1 if documented else 0
    return function.end_lineno - function.lineno + 1 - doc


def test_no_function_is_longer_than_a_screen() -> None:
    long = {
        f"{path.relative_to(ROOT)}:{node.name}": length(node)
        for path in sources()
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and length(node) > LONGEST
    }
    assert not long


def names_of_modules() -> dict[str, Path]:
    found = {}
    for folder in FOLDERS:
        for path in folder.rglob("*.py"):
            parts = path.relative_to(folder.parent).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imported_at_once(path: Path, known: set[str]) -> set[str]:
    """Return our modules that a file imports when it is itself imported: not inside functions, nor for types only."""
    found: set[str] = set()

    def visit(nodes: list[ast.stmt]) -> None:
        for node in nodes:
            if isinstance(node, ast.Import):
                found.update(alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                # Of a package one may take a module, without needing what the package itself offers.
                found.update(inner if inner <= known else {node.module} | inner)
            elif isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
                visit(node.orelse)
            elif not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                visit([child for child in ast.iter_child_nodes(node) if isinstance(child, ast.stmt)])

    visit(ast.parse(path.read_text(encoding="utf-8")).body)
    return found & known


def circle_in(graph: dict[str, set[str]]) -> list[str]:
    """Return the modules of one import circle, none if there is no circle."""
    done: set[str] = set()

    def follow(name: str, way: list[str]) -> list[str]:
        if name in way:
            return [*way[way.index(name) :], name]
        if name not in done:
            for other in sorted(graph.get(name, ())):
                if circle := follow(other, [*way, name]):
                    return circle
            done.add(name)
        return []

    return next((circle for name in sorted(graph) if (circle := follow(name, []))), [])


def test_no_import_circle() -> None:
    known = names_of_modules()
    graph = {name: imported_at_once(path, set(known)) - {name} for name, path in known.items()}
    assert circle_in(graph) == []


def test_the_check_sees_a_circle() -> None:
    assert circle_in({"a": {"b"}, "b": {"c"}, "c": {"b"}}) == ["b", "c", "b"]
    assert circle_in({"a": {"b", "c"}, "b": {"c"}, "c": set()}) == []


DOORS = {"xsim": xsim}
# What users may write, and what mypy must refuse: the doors are lazy, and their names typed all the same.
RIGHT = {
    "xsim": """
import xsim
from xsim.phantoms import target
pair = xsim.simulate_pair(target("edge"), xsim.recipes.paper(), seed=1)
area: float = pair.hr.size * xsim.units.mm_from_um(48.0) ** 2
""",
}
WRONG = {"xsim": 'import xsim\nxsim.simulate_pair("nonsense", 3, sed=7)\n'}


@pytest.mark.parametrize("door", DOORS)
def test_a_door_lists_what_it_offers(door: str) -> None:
    package = DOORS[door]
    assert set(package.__all__) == set(dir(package))
    assert all(getattr(package, name) is not None for name in package.__all__)


def refused(program: str, path: Path) -> list[str]:
    """Return the errors that mypy finds in a program."""
    path.write_text(program)
    told, failed, _ = mypy.api.run([str(path), "--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary"])
    assert not failed
    return [line for line in told.splitlines() if ": error: " in line]


@pytest.mark.slow  # a minute without mypy's cache
@pytest.mark.parametrize("door", DOORS)
def test_a_door_is_typed(door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert refused(RIGHT[door], tmp_path / "right.py") == []
    assert refused(WRONG[door], tmp_path / "wrong.py")
