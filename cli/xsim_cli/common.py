"""What commands share: options, JSON on stdout and lines on stderr, tables and figures in files.

Files are written whole or not at all, and never over one that exists without ``--force``.
"""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError, MissingFileError
from xsim.files.whole import write_whole

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from matplotlib.figure import Figure

__all__ = [
    "CsvOption",
    "DetectorsOption",
    "ForceOption",
    "ImagingOption",
    "JsonOption",
    "PlotOption",
    "check_output",
    "check_outputs",
    "emit_json",
    "existing",
    "numbers_of",
    "say",
    "write_csv",
    "write_figure",
]

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]
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
CsvOption = Annotated[Path | None, typer.Option("--csv", help="Write the table to this CSV file.")]
PlotOption = Annotated[Path | None, typer.Option("--plot", help="Write a figure to this PNG, PDF or SVG file.")]

FIGURE_KINDS = (".png", ".pdf", ".svg")


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


def numbers_of(text: str, option: str) -> list[float]:
    """Return the numbers of a comma-separated option.

    Raises
    ------
    InputError
        Naming the option.
    """
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"{option} {text}: is no list of numbers: give some separated by commas") from None


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


def check_outputs(csv_path: Path | None, plot: Path | None, *, force: bool, inputs: tuple[Path, ...] = ()) -> None:
    """Refuse outputs that may not be written, before any work is done.

    Raises
    ------
    InputError
        If one exists and ``force`` is off, is an input, or the figure's kind is unknown.
    """
    for path in (csv_path, plot):
        if path is not None:
            check_output(path, force=force, inputs=inputs)
    if plot is not None and plot.suffix.lower() not in FIGURE_KINDS:
        raise InputError(f"{plot}: unknown kind of figure '{plot.suffix}': give {', '.join(FIGURE_KINDS)}")
    if csv_path is not None and csv_path == plot:
        raise InputError(f"{plot}: is asked for as table and as figure: give two files")


def write_csv(path: Path | None, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with a header line, if a file is wanted."""
    if path is None:
        return
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())


def write_figure(path: Path | None, draw: Callable[[Any], Figure]) -> None:
    """Write a figure in the kind that the file's name says, if one is wanted.

    Parameters
    ----------
    path : Path, optional
        The file.
    draw : callable
        Takes the module `xsim_cli.figures`, which is imported only now, and returns the figure.
    """
    if path is None:
        return
    from xsim_cli import figures

    data = io.BytesIO()
    draw(figures).savefig(data, format=path.suffix.lower().lstrip("."), dpi=120)
    write_whole(path, data.getvalue())
