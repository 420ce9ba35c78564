"""Restorers by name: the light table says what the modules register, and wrong names cost nothing."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import pytest

import xsim_zoo
from xsim.errors import InputError, UnknownNameError
from xsim_zoo import restorers
from xsim_zoo.restorers import registry
from xsim_zoo.restorers.base import Restorer


def test_the_table_is_what_the_modules_register() -> None:
    """Every module of the package is imported, so a restorer that the table forgot would show."""
    for module in pkgutil.iter_modules(restorers.__path__, "xsim_zoo.restorers."):
        importlib.import_module(module.name)
    # Tests and benchmarks of the same process register restorers of their own.
    ours = {name: cls.__module__ for name, cls in registry._registry.items()}
    registered = {name: module for name, module in ours.items() if module.startswith("xsim_zoo.")}
    assert registered == registry._BUILTIN | registry._UNLISTED
    assert not registry._UNLISTED.keys() & set(xsim_zoo.names())
    assert all(xsim_zoo.get(name).name == name for name in registry._UNLISTED)
    assert all(xsim_zoo.get(name).name == name for name in xsim_zoo.names())


def test_unknown_names_suggest_the_right_one() -> None:
    with pytest.raises(UnknownNameError, match="did you mean physics-sde"):
        xsim_zoo.get("physic-sde")
    with pytest.raises(UnknownNameError, match="physics-sde"):
        xsim_zoo.load("physic-sde")


def test_a_wrong_name_on_the_command_line_is_refused_without_torch() -> None:
    """For every command that takes a name, before its other arguments are looked at."""
    code = """
import sys
from xsim_cli.app import main
for command in (["info"], ["run", "x.tif"], ["train", "--data", "x", "-o", "y"],
                ["finetune", "--data", "x", "-o", "y"], ["export", "-o", "x"]):
    try:
        main(["zoo", command[0], "physic-sde", *command[1:]])
    except SystemExit as end:
        assert end.code == 2, command
assert "torch" not in sys.modules
assert "zarr" not in sys.modules
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("did you mean physics-sde") == done.stderr.count("\n") == 5


def test_a_name_cannot_be_taken_twice() -> None:
    with pytest.raises(InputError, match="registered already by"):

        @xsim_zoo.register("wiener")
        class Other(Restorer):
            """Another one."""

    assert xsim_zoo.get("wiener").__name__ == "Wiener"


def test_a_name_of_the_table_is_taken_before_its_module_is_imported() -> None:
    code = """
from xsim.errors import InputError
from xsim_zoo.restorers.registry import register
try:
    register("wiener")(type("Other", (), {}))
except InputError as error:
    assert "registered already by xsim_zoo.restorers.classical" in str(error)
else:
    raise SystemExit("it was taken")
"""
    subprocess.run([sys.executable, "-c", code], timeout=120, check=True)
