"""Dark, flat and bad pixels: the options that `zoo run`, `measure` and `calibrate` share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from xsim.errors import InputError
from xsim_cli.common import existing

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_datasets.real.corrections import Corrections

__all__ = ["BadPixelsOption", "DarkOption", "FlatOption", "RepairOption", "corrections_of"]

DarkOption = Annotated[
    Path | None,
    typer.Option(metavar="FILE|FOLDER", help="Frames without beam, averaged and subtracted; with --flat."),
]
FlatOption = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE|FOLDER", help="Frames without object, averaged, less the dark: what images are divided by."
    ),
]
_BAD_PIXELS = "Repair bad pixels: {}; those that a map marks (not zero) or that a folder of open frames shows."
BadPixelsOption = Annotated[
    str,
    typer.Option(metavar="auto|none|MAP", help=_BAD_PIXELS.format("those found in each image; none")),
]
"""Of commands that repair unless told otherwise."""
RepairOption = Annotated[
    str,
    typer.Option("--bad-pixels", metavar="none|auto|MAP", help=_BAD_PIXELS.format("none; those found in each image")),
]
"""Of commands that measure what is there unless told otherwise."""


def corrections_of(
    dark: Path | None,
    flat: Path | None,
    bad_pixels: str,
    *,
    open_field: float | None = None,
    polarity: str | None = None,
    scale: str = "linear",
    names: tuple[str, str] = ("--dark", "--flat"),
    noise_of: Sequence[Path] = (),
) -> Corrections:
    """Read the corrections that the options name, before anything is computed.

    Parameters
    ----------
    dark, flat, bad_pixels
        The options.
    open_field, polarity, scale : optional
        Options that flats leave no room for.
    names : (dark, flat)
        What the first two are called.
    noise_of : sequence of Path, optional
        Frames whose noise is going to be measured.

    Raises
    ------
    MissingFileError, InputError
        If a file is missing or cannot be used, or options contradict one another.
    """
    if dark is not None and flat is None:
        raise InputError(f"{dark}: {names[0]} was given without {names[1]}: give both")
    if flat is not None and open_field is not None:
        raise InputError(f"{names[1]} says the open field: leave out --open-field")
    if flat is not None and polarity == "metal-bright":
        raise InputError(f"{names[1]} needs raw data, whose metal is dark: leave out --polarity metal-bright")
    if flat is not None and scale != "linear":
        raise InputError(f"{names[1]} needs raw data, which are linear: leave out --scale {scale}")
    for path in (dark, flat):
        if path is not None:
            existing(path)
    if flat is not None and any(path.samefile(flat) or path.parent.samefile(flat) for path in noise_of):
        raise InputError(f"{flat}: holds frames whose noise is measured, and would cancel: give others as {names[1]}")
    if bad_pixels not in {"auto", "none"}:
        existing(Path(bad_pixels))

    from xsim_datasets.real.corrections import Corrections

    return Corrections.of_files(dark, flat, bad_pixels)
