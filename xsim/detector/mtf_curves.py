"""Measured MTF curves of screens, and the CSV files they come in."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np

from xsim.curves import checked_table
from xsim.errors import InputError, MissingFileError, check_range

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

__all__ = ["MTF_COLUMNS", "MtfCurve", "read_mtf_curves"]

MTF_COLUMNS: Final = ("mass_thickness_mg_cm2", "frequency_lp_mm", "mtf")


@dataclass(frozen=True, eq=False)
class MtfCurve:
    """A measured MTF of one screen.

    Parameters
    ----------
    mass_thickness_mg_cm2 : float
        The screen's mass thickness [mg/cm2].
    frequency_lp_mm, mtf : (n,) arrays
        The curve.
    aperture_mm : float
        Side of the square photodiodes it was measured with [mm]; 0 if their sinc was divided out.
    standard_error : float
        Error of a point of the curve.

    Raises
    ------
    InputError
        If the table is not usable.
    PhysicsRangeError
        If a value is out of range.
    """

    mass_thickness_mg_cm2: float
    frequency_lp_mm: NDArray[np.float64]
    mtf: NDArray[np.float64]
    aperture_mm: float = 0.0
    standard_error: float = 0.02

    def __post_init__(self) -> None:
        frequency, mtf = checked_table("measured MTF", self.frequency_lp_mm, self.mtf)
        check_range("largest MTF", float(mtf.max()), 0.0, 1.2)
        check_range("aperture", self.aperture_mm, 0.0, 2.0, "mm")
        check_range("standard error of the MTF", self.standard_error, 1e-6, 1.0)
        object.__setattr__(self, "frequency_lp_mm", frequency)
        object.__setattr__(self, "mtf", mtf)


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
