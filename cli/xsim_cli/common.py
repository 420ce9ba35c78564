"""Options that every command shares, and the two ways in which commands speak: JSON on stdout, lines on stderr."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from xsim.errors import InputError, MissingFileError

__all__ = [
    "DebugOption",
    "DetectorsOption",
    "ForceOption",
    "ImagingOption",
    "JsonOption",
    "check_output",
    "emit_json",
    "existing",
    "say",
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]
DebugOption = Annotated[bool, typer.Option("--debug", help="Show a traceback when something fails.")]
DetectorsOption = Annotated[
    Path | None, typer.Option(help="Two measured detectors in place of the recipe's, a file of `xsim calibrate`.")
]
ImagingOption = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Change a key of the recipe's [imaging], e.g. sensor.read_noise_e=800; repeat for more.",
    ),
]
ForceOption = Annotated[bool, typer.Option("--force", help="Replace an output that exists.")]


def say(line: str) -> None:
    """Print a line for people on stderr."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _plain(value: Any) -> Any:
    """Return ``value`` as JSON types: arrays as lists, paths as text, NaN and infinities as null."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if hasattr(value, "tolist"):
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, (str, int, bool)) or value is None:
        return value
    return str(value)


def emit_json(command: str, payload: dict[str, Any]) -> None:
    """Print the one JSON document of a command, with its schema name first."""
    document = {"schema": f"xsim.{command}/1", **_plain(payload)}
    sys.stdout.write(json.dumps(document, indent=1, allow_nan=False) + "\n")
    sys.stdout.flush()


def existing(path: Path) -> Path:
    """Return ``path`` if it exists.

    Raises
    ------
    MissingFileError
        Naming the path.
    """
    if not path.exists():
        raise MissingFileError(f"{path}: no such file or folder: check the path")
    return path


def check_output(path: Path, *, force: bool, inputs: tuple[Path, ...] = ()) -> Path:
    """Return ``path`` if it may be written.

    Raises
    ------
    InputError
        If it exists and ``force`` is off, is one of the inputs or a folder, or lies in one that does not exist.
    """
    for item in inputs:
        if path.exists() and item.exists() and path.samefile(item):
            raise InputError(f"{path}: is also an input: give another output")
    if path.is_dir():
        raise InputError(f"{path}: is a folder: give a file to write")
    if path.exists() and not force:
        raise InputError(f"{path}: exists already: give another output or --force")
    if not path.absolute().parent.is_dir():
        raise InputError(f"{path}: its folder does not exist: make {path.absolute().parent} first")
    return path
