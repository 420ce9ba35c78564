"""What others build on: annotated and documented as a whole, functions that fit a screen, typed at the door."""

from __future__ import annotations

import ast
import importlib
import inspect
import os
import pkgutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, is_typeddict

import pytest

import xsim
import xsim_datasets
import xsim_zoo

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[1]
FOLDERS = [ROOT / name for name in ("xsim", "datasets/xsim_datasets", "zoo/xsim_zoo", "cli/xsim_cli")]
LIBRARIES = ("xsim", "xsim_datasets", "xsim_zoo")
LONGEST = 60


def mypy_api() -> Any:
    return pytest.importorskip("mypy.api", reason="mypy is not installed: make setup")


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
    told, failed, _ = mypy_api().run([str(path), "--config-file", str(ROOT / "pyproject.toml"), "--no-error-summary"])
    assert not failed
    return [line for line in told.splitlines() if ": error: " in line]


@pytest.mark.slow  # a minute without mypy's cache
@pytest.mark.parametrize("door", DOORS)
def test_a_door_is_typed(door: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    assert refused(RIGHT[door], tmp_path / "right.py") == []
    assert refused(WRONG[door], tmp_path / "wrong.py")


def signature_of(thing: Any) -> inspect.Signature | None:
    """Return what a caller may write; None of what takes nothing by name: protocols, errors, typed dictionaries."""
    unnamed = inspect.isclass(thing) and (
        Protocol in thing.__mro__ or issubclass(thing, BaseException) or is_typeddict(thing)
    )
    return None if unnamed else inspect.signature(thing)


@pytest.mark.parametrize("package", [*LIBRARIES, "xsim_cli"])
def test_no_public_callable_takes_just_anything(package: str) -> None:
    """Editors complete keywords, and type checkers refuse a wrong one, only where a signature names them."""
    loose = []
    for name, thing in public(package):
        signature = signature_of(thing)
        for parameter in () if signature is None else signature.parameters.values():
            if parameter.kind is parameter.VAR_KEYWORD and "Unpack[" not in str(parameter.annotation):
                loose.append(f"{name}(**{parameter.name})")
    # torch's own signature of a module's constructor, and what exceptions take: a message.
    assert [
        name for name in loose if not name.startswith(("xsim_zoo.network.backbone.Backbone(", "xsim.errors."))
    ] == []


def test_keywords_by_name_are_the_fields_that_they_stand_for() -> None:
    """What `Unpack` lists for editors is what the callables take, no more and no less."""
    from xsim.imaging.setup import PairChanges, PairSetup
    from xsim_datasets.recipe.recipe import Recipe, RecipeChanges
    from xsim_zoo.restorers.restoration import RestorerOptions, RunOptions
    from xsim_zoo.run.settings import RunSettings
    from xsim_zoo.weights.loading import arguments_of

    assert set(PairChanges.__annotations__) == {field.name for field in fields(PairSetup)}
    # The name is the file's, and the imaging has a keyword of its own.
    assert set(RecipeChanges.__annotations__) == set(Recipe.model_fields) - {"name", "imaging"}
    assert set(RunOptions.__annotations__) == {field.name for field in fields(RunSettings)}
    own = [name for name in xsim_zoo.names() if xsim_zoo.get(name).__module__.startswith("xsim_zoo.")]
    assert set(RestorerOptions.__annotations__) == set().union(*(arguments_of(xsim_zoo.get(name)) for name in own))


def offered() -> Iterator[tuple[str, Any]]:
    """Yield the callables of the doors that take keywords and can be called."""
    for door in (xsim, xsim.phantoms, xsim.recipes, xsim_datasets, xsim_zoo):
        for name in door.__all__:
            thing = getattr(door, name)
            if callable(thing) and not inspect.isabstract(thing) and inspect.signature(thing).parameters:
                yield f"{door.__name__}.{name}", thing


# What is given besides the wrong keyword, and the right one, where a function checks keywords of its own.
OPEN = {
    "xsim.recipes.paper": ((), "kerma_uGy"),
    "xsim_datasets.load_recipe": (("tiny",), "size_px"),
    "xsim_zoo.build": (("physics-sde", None), "temperature"),
    "xsim_zoo.restore": ((None, None), "sharpness"),
}


@pytest.mark.parametrize(("name", "thing"), [pytest.param(*one, id=one[0]) for one in offered()])
def test_a_wrong_keyword_is_answered_with_the_nearest(name: str, thing: Any) -> None:
    given, keyword = OPEN[name] if name in OPEN else ((), list(inspect.signature(thing).parameters)[-1])
    with pytest.raises((TypeError, ValueError), match=f"(?i)did you mean .*{keyword}"):
        thing(*given, **{keyword + keyword[-1]: 1})


EXAMPLE = ROOT / "examples" / "whole_api.py"


def test_the_example_uses_the_whole_public_api() -> None:
    text = EXAMPLE.read_text(encoding="utf-8")
    said = {"xsim": xsim, "datasets": xsim_datasets, "zoo": xsim_zoo}
    functions = {
        f"{alias}.{name}"
        for alias, door in said.items()
        for name in door.__all__
        if not inspect.ismodule(getattr(door, name))
    }
    assert len(functions) > 50
    assert [name for name in sorted(functions) if name not in text] == []


@pytest.mark.slow  # half a minute, and a minute more without mypy's cache
def test_the_example_runs_and_is_strictly_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    told, failed, status = mypy_api().run(["--strict", "--config-file", str(ROOT / "pyproject.toml"), str(EXAMPLE)])
    assert status == 0, told + failed
    path = os.pathsep.join(str(ROOT / folder) for folder in (".", "datasets", "zoo", "cli"))
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), str(tmp_path / "all")],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "all" / "restored.tif").exists()
    assert "consistent with the measurement" in done.stdout


@pytest.mark.slow
def test_mypy_refuses_keywords_that_do_not_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    wrong = """
import xsim
import xsim_datasets
import xsim_zoo
xsim.recipes.paper(kerma_ugy=3.0)
xsim.simulate_pair(xsim.phantoms.target("edge"), xsim.recipes.paper(), sed=1)
xsim_datasets.load_recipe("tiny", size=3)
xsim_datasets.load_recipe("tiny", size_px="many")
xsim_zoo.load("wiener").restore("a.tif", sharpnes=1.0)
xsim_zoo.build("physics-sde", xsim_zoo.load("wiener").physics, temperatur=1.0)
"""
    lines = {int(line.split(":")[1]) for line in refused(wrong, tmp_path / "wrong.py")}
    assert lines == {5, 6, 7, 8, 9, 10}
