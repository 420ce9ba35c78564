"""Detectors as TOML files, and measured MTF curves as CSV files."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING, Final

import numpy as np

from xsim.detector import Detector
from xsim.errors import InputError, MissingFileError
from xsim.optics_fit import MtfCurve
from xsim.toml_files import read_toml, write_toml

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

__all__ = ["MTF_COLUMNS", "read_detectors", "read_mtf_curves", "write_detectors"]

MTF_COLUMNS: Final = ("mass_thickness_mg_cm2", "frequency_lp_mm", "mtf")


def read_detectors(path: Path) -> dict[str, Detector]:
    """Return the detectors of a TOML file by name.

    Either the file itself is one detector (tables ``screen``, ``sensor``, ``measured``; it gets the file's name), or
    every table that holds a ``screen`` is one, e.g. ``[hr.screen]``; other tables are left alone.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it holds no usable detector.
    """
    tables = read_toml(path)
    parts = {path.stem: tables} if "screen" in tables else tables
    found = {name: table for name, table in parts.items() if isinstance(table, dict) and "screen" in table}
    if not found:
        raise InputError(f"{path}: holds no detector: give a table [screen], or several [NAME.screen]")
    detectors = {}
    for name, table in found.items():
        try:
            detectors[name] = Detector.from_dict(table)
        except InputError as error:
            raise InputError(f"{path}: {name}: {error}") from None
    return detectors


def write_detectors(path: Path, detectors: Mapping[str, Detector]) -> None:
    """Write detectors as a TOML file that `read_detectors` reads."""
    write_toml(path, {name: detector.to_dict() for name, detector in detectors.items()})


def read_mtf_curves(path: Path, *, aperture_mm: float = 0.0) -> list[MtfCurve]:
    """Return the measured MTF curves of a CSV file, one for each mass thickness.

    Parameters
    ----------
    path : Path
        CSV with a header and the columns ``mass_thickness_mg_cm2``, ``frequency_lp_mm`` and ``mtf``.
    aperture_mm : float
        Side of the photodiodes of the measurement [mm]; 0 if their sinc was divided out.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If a column is missing or a value is no number; the message names the line.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise MissingFileError(f"{path}: no such file: check the path") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: is no text: give a CSV file with the columns {', '.join(MTF_COLUMNS)}") from None
    reader = csv.DictReader(text.splitlines())
    if missing := set(MTF_COLUMNS) - set(reader.fieldnames or ()):
        raise InputError(f"{path}: no column '{min(missing)}': give the columns {', '.join(MTF_COLUMNS)}")
    rows: dict[float, list[tuple[float, float]]] = {}
    for row in reader:
        try:
            thickness, frequency, mtf = (float(row[name]) for name in MTF_COLUMNS)
        except (TypeError, ValueError):
            raise InputError(f"{path}: line {reader.line_num}: a value is no number: correct it") from None
        rows.setdefault(thickness, []).append((frequency, mtf))
    if not rows:
        raise InputError(f"{path}: holds no rows: give measured points")
    curves = []
    for thickness, points in rows.items():
        frequency_lp_mm, values = np.array(sorted(points), dtype=np.float64).T
        curves.append(MtfCurve(thickness, frequency_lp_mm, values, aperture_mm))
    return curves
