"""The program's manners: one line for an error, the right exit code, help that can be read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import typer

from xsim.errors import DamageError, EnvironmentFaultError, InputError, UnknownNameError
from xsim_cli import app, common, doctor
from xsim_datasets.recipe.recipe import recipe_names

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def run(*arguments: str) -> int:
    try:
        app.main(list(arguments))
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def program(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "xsim_cli.app", *arguments],
        capture_output=True, text=True, timeout=120, check=False, **options,  # type: ignore[call-overload]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["detektor"], "did you mean detector"),
        (["zoo", "rum"], "No such command 'rum'"),
        (["spectrum", "--kv", "70"], "No such option"),
        (["spectrum", "--kvp", "seventy"], "seventy"),
        (["zoo", "run"], "Missing argument"),
        (["zoo", "info", "physic-sde"], "did you mean physics-sde"),
    ],
)
def test_a_bad_command_line_is_one_line_and_exit_2(
    arguments: list[str], words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*arguments) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("xsim: ")
    assert said.err.count("\n") == 1
    assert words in said.err


@pytest.mark.parametrize("group", [(), ("dataset",), ("measure",), ("phantom",), ("zoo",)])
def test_a_group_without_a_command_shows_its_help(group: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(*group) == 2
    said = capsys.readouterr()
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0].startswith("Usage: ")
    assert lines[0].endswith(" ".join((*group, "[OPTIONS] COMMAND [ARGS]...")))
    assert any(line.startswith("  Example: xsim ") for line in lines)
    assert not [line for line in lines if line.endswith("...") and line != lines[0]], "a help line is cut off"


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (InputError("a.tif: is no image: give one"), 2),
        (UnknownNameError("restorer", "x", ["unet"]), 2),
        (DamageError("store: shard 3 is torn: make it again"), 1),
        (EnvironmentFaultError("disk full: make room"), 1),
        (MemoryError(), 1),
        (OSError(28, "No space left on device", "out.tif"), 1),
        (RuntimeError("a bug"), 1),
    ],
)
def test_every_error_becomes_one_line_and_its_exit_code(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(args: object) -> None:
        raise error

    monkeypatch.setattr(app, "_run", fail)
    assert run("doctor") == code
    said = capsys.readouterr().err
    assert said.startswith("xsim: ")
    assert said.count("\n") == 1
    assert "Traceback" not in said


def test_debug_lets_the_traceback_through(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(args: object) -> None:
        raise InputError("seen")

    monkeypatch.setattr(app, "_run", fail)
    with pytest.raises(InputError, match="seen"):
        app.main(["doctor", "--debug"])


@pytest.mark.parametrize("place", [0, 1, 2, 4])
def test_debug_may_stand_anywhere(place: int) -> None:
    words = ["zoo", "info", "physics-sde", "--weights", "missing"]
    words.insert(place, "--debug")
    with pytest.raises(UnknownNameError, match="missing"):
        app.main(words)


def leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the commands that do something."""
    children = getattr(command, "commands", {})
    if not children:
        yield path
    for name, child in children.items():
        yield from leaves(child, (*path, name))


def test_every_command_shows_the_option_for_a_traceback(capsys: pytest.CaptureFixture[str]) -> None:
    group: Any = typer.main.get_command(app.app)
    context = type(group).context_class(group)
    for name in app.COMMANDS:
        for path in leaves(group.resolve_command(context, [name])[1], (name,)):
            assert run(*path, "--help") == 0
            assert capsys.readouterr().out.count("--debug") == 1, path


def test_interrupts_end_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(app, "_run", interrupt)
    assert run("doctor") == 130


def test_help_keeps_the_units(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("zoo", "run", "--help") == 0
    assert "[mm]" in capsys.readouterr().out


def test_every_shipped_recipe_is_named_by_the_help(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("dataset", "make", "--help") == 0
    text = capsys.readouterr().out
    named = text[text.index("A shipped name (") :].partition("(")[2].partition(")")[0]
    assert sorted(" ".join(named.split()).split(", ")) == recipe_names()


def test_json_has_no_nan_and_names_its_schema(capsys: pytest.CaptureFixture[str]) -> None:
    common.emit_json("test", {"value": float("nan"), "list": (1, float("inf")), "path": common.Path("a")})
    document = json.loads(capsys.readouterr().out)
    assert document == {"schema": "xsim.test/1", "value": None, "list": [1, None], "path": "a"}
    assert next(iter(document)) == "schema"


def test_version_is_the_package_version() -> None:
    from xsim import __version__

    assert program("--version").stdout.strip() == f"xsim {__version__}"


def test_another_program_called_xsim_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "site-packages"
    (place / "xsim-1.0.3.dist-info").mkdir(parents=True)
    (place / "xsim_xray-0.2.0.dist-info").mkdir()
    monkeypatch.setattr(sys, "path", [*sys.path, str(place)])
    assert [row["check"] for row in doctor._packages() if "xsim-1.0.3" in row["is"]] == ["xsim"]
    said = program("--version", env={**os.environ, "PYTHONPATH": os.pathsep.join([*sys.path])})
    assert said.returncode == 0
    assert said.stderr == (
        "xsim: warning: xsim-1.0.3 is installed beside xsim-xray, and both are called xsim: pip uninstall xsim, then "
        "pip install --force-reinstall xsim-xray\n"
    )


def test_files_of_another_package_in_place_of_ours_are_one_line(tmp_path: Path) -> None:
    (tmp_path / "xsim").mkdir()
    (tmp_path / "xsim" / "__init__.py").write_text("")
    said = program(
        "doctor", env={**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}, cwd=tmp_path
    )
    assert said.returncode == 2
    assert said.stderr.count("\n") == 1
    assert "another package has put itself in the place of xsim's files" in said.stderr
