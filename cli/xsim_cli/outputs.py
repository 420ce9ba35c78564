"""Tables and figures that commands write: whole or not at all, never over a file without ``--force``."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from xsim.errors import InputError
from xsim.files.whole import write_whole
from xsim_cli.common import check_output

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from matplotlib.figure import Figure

__all__ = ["CsvOption", "PlotOption", "check_outputs", "write_csv", "write_figure"]

CsvOption = Annotated[Path | None, typer.Option("--csv", help="Write the table to this CSV file.")]
PlotOption = Annotated[Path | None, typer.Option("--plot", help="Write a figure to this PNG, PDF or SVG file.")]

FIGURE_KINDS = (".png", ".pdf", ".svg")


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


def write_figure(path: Path, figure: Figure) -> None:
    """Write a figure in the kind that the file's name says."""
    data = io.BytesIO()
    figure.savefig(data, format=path.suffix.lower().lstrip("."), dpi=120)
    write_whole(path, data.getvalue())
