"""What commands share: options, JSON on stdout and lines on stderr, tables and figures in files.

Files are written whole or not at all, and never over one that exists without ``--force``.
"""

from __future__ import annotations

import csv
import io
import json
import math
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError, MissingFileError, UnknownNameError
from xsim.files.whole import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout and nothing else there.")]


def _detector_file(text: str | None) -> str | None:
    """Return the path of the detector file that a path or a name means, checked before anything heavy is imported."""
    from xsim.detector.named import resolve

    return None if text is None else str(resolve(text))


def _detector_files(texts: list[str] | None) -> list[str] | None:
    """Return the path of every detector file that a path or a name means."""
    from xsim.detector.named import resolve

    return None if texts is None else [str(resolve(text)) for text in texts]


DetectorsOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME",
        callback=_detector_file,
        help="Detectors in place of the recipe's: HR and LR, or LR alone, beside a thin screen as HR.",
    ),
]
DetectorFilesOption = Annotated[
    list[str] | None,
    typer.Option(
        "--detector",
        metavar="FILE|NAME",
        callback=_detector_files,
        help="Detectors of a file instead, or by their name; repeat for more.",
    ),
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

WeightsOption = Annotated[Path | None, typer.Option(help="Weights file or run folder instead of the shipped one.")]
OwnDetectorsOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE|NAME",
        callback=_detector_file,
        help="Your own detectors: a file of `xsim calibrate` or `xsim detector --save`, or a name of `xsim detectors`.",
    ),
]
DeviceOption = Annotated[str, typer.Option(help="auto, cpu, cuda, mps.")]


def _known(name: str) -> str:
    """Return the name of a restorer, checked before anything heavy is imported."""
    from xsim_zoo.restorers.registry import check_name

    try:
        return check_name(name)
    except UnknownNameError:
        from xsim_zoo.weights.card import read_card, shipped

        if name not in shipped():
            raise
        owner = read_card(shipped()[name].with_suffix(".json")).restorer
        raise InputError(f"'{name}' are weights, not a restorer: say {owner} --weights {name}") from None


RestorerName = Annotated[str, typer.Argument(help="Name of a restorer, see `xsim zoo list`.", callback=_known)]

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


def write_csv(path: Path, header: Sequence[str], rows: Iterable[Sequence[Any]]) -> None:
    """Write a table with a header line."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    write_whole(path, text.getvalue().encode())


def report(command: str, payload: dict[str, Any], lines: Iterable[str], *, json_: bool) -> None:
    """Print a result as JSON, or as lines with the warnings that it holds on stderr."""
    if json_:
        emit_json(command, payload)
        return
    for line in lines:
        typer.echo(line)
    for text in payload.get("warnings", ()):
        say(f"warning: {text}")


class Outputs:
    """Where a command's result goes: a table, a figure, stdout. What may not be written is refused here, before work.

    Parameters
    ----------
    csv_path, plot : Path, optional
        Files to write the table and the figure to.
    force : bool
        Replace files that exist.
    json_ : bool
        Print JSON rather than lines.
    inputs : tuple of Path
        Files that are never written over.

    Raises
    ------
    InputError
        See `check_outputs`.
    """

    def __init__(
        self, csv_path: Path | None, plot: Path | None, *, force: bool, json_: bool, inputs: tuple[Path, ...] = ()
    ) -> None:
        check_outputs(csv_path, plot, force=force, inputs=inputs)
        self._csv, self._plot, self._json = csv_path, plot, json_

    def write(
        self,
        command: str,
        payload: dict[str, Any],
        lines: Iterable[str],
        *,
        table: Mapping[str, Iterable[Any]],
        figure: Callable[[Any], Figure],
    ) -> None:
        """Write table and figure where they are wanted, and print the result.

        Parameters
        ----------
        command, payload, lines
            See `report`.
        table : mapping of name to iterable
            The columns.
        figure : callable
            Takes the module `xsim_cli.figures`, which is imported only where a figure is wanted: matplotlib is slow.
        """
        if self._csv is not None:
            write_csv(self._csv, tuple(table), zip(*table.values(), strict=True))
        if self._plot is not None:
            from xsim_cli import figures

            data = io.BytesIO()
            figure(figures).savefig(data, format=self._plot.suffix.lower().lstrip("."), dpi=120)
            write_whole(self._plot, data.getvalue())
        report(command, payload, lines, json_=self._json)
