"""What others build on: annotated and documented as a whole, functions that fit a screen, typed at the door."""

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
import xsim_datasets

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


DOORS = {"xsim": xsim, "xsim_datasets": xsim_datasets}
# What users may write, and what mypy must refuse: the doors are lazy, and their names typed all the same.
RIGHT = {
    "xsim": """
import xsim
from xsim.phantoms import target
pair = xsim.simulate_pair(target("edge"), xsim.recipes.paper(), seed=1)
area: float = pair.hr.size * xsim.units.mm_from_um(48.0) ** 2
""",
    "xsim_datasets": """
import xsim_datasets
store = xsim_datasets.PairStore.open("pairs.zarr")
hr, lr = store.read(0)
seed: int = xsim_datasets.plan_of(xsim_datasets.load_recipe("tiny"), 1).seed
""",
}
WRONG = {
    "xsim": 'import xsim\nxsim.simulate_pair("nonsense", 3, sed=7)\n',
    "xsim_datasets": "import xsim_datasets\nxsim_datasets.load_recipe(3).imagine\n",
}


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
