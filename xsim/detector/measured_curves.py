"""Measured MTF, NNPS and DQE of screens, as optical constants are fitted to them, and their CSV file."""

from __future__ import annotations

import csv
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
from numpy.typing import NDArray

from xsim.curves import checked_table
from xsim.detector.detector import Detector
from xsim.detector.screen import Screen
from xsim.detector.sensor import Sensor
from xsim.errors import InputError, check_range
from xsim.files.documents import read_text
from xsim.files.plain import TABLE
from xsim.spectrum import Spectrum, beam_of

__all__ = ["MTF_COLUMNS", "Curve", "DetectorCurve", "MtfCurve", "read_curves"]

# Columns of a file of measured curves.
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
    spectrum : Spectrum or None
        Its beam, if another than that of the other curves.
    irradiation : {"front", "back"} or None
        Where X rays entered, if elsewhere than with the other curves.

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
    spectrum: Spectrum | None = None
    irradiation: Literal["front", "back"] | None = None

    def __post_init__(self) -> None:
        frequency, mtf = _checked("measured MTF", self.frequency_lp_mm, self.mtf)
        check_range("largest MTF", float(mtf.max()), 0.0, 1.2)
        check_range("aperture", self.aperture_mm, 0.0, 2.0, "mm")
        check_range("standard error of the MTF", self.standard_error, 1e-6, 1.0)
        object.__setattr__(self, "frequency_lp_mm", frequency)
        object.__setattr__(self, "mtf", mtf)

    def misfit(self, screen: Screen, spectrum: Spectrum | None) -> NDArray[np.float64]:
        """Return model minus measurement, in standard errors, (n,); the beam is for curves that have none."""
        layer = _layer(screen, self.mass_thickness_mg_cm2, self.irradiation)
        aperture = np.abs(np.sinc(self.aperture_mm * self.frequency_lp_mm))
        found = layer.expose(self.spectrum or _given(spectrum), self.frequency_lp_mm).mtf * aperture
        return np.asarray((found - self.mtf) / self.standard_error)


@dataclass(frozen=True, eq=False)
class DetectorCurve:
    """A measured digital NNPS or DQE of one screen on a sensor; its error is relative.

    Parameters
    ----------
    quantity : {"nnps", "dqe"}
        What was measured, NNPS in mm2.
    mass_thickness_mg_cm2 : float
        The screen's mass thickness [mg/cm2].
    frequency_lp_mm, values : (n,) arrays
        The curve; one point will do.
    sensor : Sensor
        What it was measured with.
    kerma_uGy : float
        Air kerma of a frame [uGy].
    relative_error : float
        Error of a point of the curve, relative to it.
    spectrum, irradiation
        As of `MtfCurve`.

    Raises
    ------
    InputError
        If the table or the quantity is not usable.
    PhysicsRangeError
        If a value is out of range.
    """

    quantity: Literal["nnps", "dqe"]
    mass_thickness_mg_cm2: float
    frequency_lp_mm: NDArray[np.float64]
    values: NDArray[np.float64]
    sensor: Sensor
    kerma_uGy: float
    relative_error: float = 0.1
    spectrum: Spectrum | None = None
    irradiation: Literal["front", "back"] | None = None

    def __post_init__(self) -> None:
        if self.quantity not in {"nnps", "dqe"}:
            raise InputError(f"quantity '{self.quantity}' is not known: give nnps or dqe")
        frequency, values = _checked(f"measured {self.quantity.upper()}", self.frequency_lp_mm, self.values)
        if (values <= 0).any():
            raise InputError(f"measured {self.quantity.upper()}: holds zeros: leave them out")
        check_range("relative error", self.relative_error, 1e-6, 2.0)
        object.__setattr__(self, "frequency_lp_mm", frequency)
        object.__setattr__(self, "values", values)

    def misfit(self, screen: Screen, spectrum: Spectrum | None) -> NDArray[np.float64]:
        """Return the logarithm of model over measurement, in relative errors, as `MtfCurve.misfit`, (n,)."""
        detector = Detector(_layer(screen, self.mass_thickness_mg_cm2, self.irradiation), self.sensor)
        response = detector.response(self.spectrum or _given(spectrum), self.kerma_uGy)
        found = (response.nnps if self.quantity == "nnps" else response.dqe)(self.frequency_lp_mm)
        return np.asarray(np.log(np.maximum(found, 1e-30) / self.values) / self.relative_error)


Curve = MtfCurve | DetectorCurve


def _checked(what: str, frequency: Any, values: Any) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a table, which unlike `checked_table`'s may be a single point."""
    frequency, values = (np.atleast_1d(np.asarray(part, dtype=np.float64)) for part in (frequency, values))
    if frequency.shape == (1,) == values.shape:
        check_range(f"frequency of the {what}", float(frequency[0]), 0.0, 1000.0, "lp/mm")
        check_range(what, float(values[0]), 0.0, 1e6)
        return frequency, values
    return checked_table(what, frequency, values)


def _layer(screen: Screen, mass_thickness_mg_cm2: float, irradiation: Literal["front", "back"] | None) -> Screen:
    side = irradiation or screen.irradiation
    return replace(screen, mass_thickness_mg_cm2=mass_thickness_mg_cm2, irradiation=side)


def _given(spectrum: Spectrum | None) -> Spectrum:
    if spectrum is None:
        raise InputError("a curve has no beam: give it one, or one for all")
    return spectrum


# Columns of a file of curves that may be left out.
_MORE_COLUMNS: Final = ("quantity", "beam", "irradiation", "pitch_mm", "kerma_uGy", "error")


def read_curves(path: Path, sensor: Sensor) -> list[Curve]:
    """Return the measured curves of a CSV file: MTF, NNPS and DQE, each with a beam of its own if it has one.

    Parameters
    ----------
    path : Path
        CSV with a header and the columns ``mass_thickness_mg_cm2``, ``frequency_lp_mm``, and ``mtf`` or ``value``; and,
        where they are wanted, ``quantity`` (mtf, nnps, dqe), ``beam`` (see `xsim.spectrum.beam_of`), ``irradiation``,
        ``pitch_mm``, ``kerma_uGy`` (which NNPS and DQE need), ``error`` (of an MTF; relative of NNPS and DQE).
    sensor : Sensor
        What they were measured with, beside the pitch.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If a column is missing or a value not usable; the message names the line.
    """
    reader, value = _reader(path)
    groups: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for row in reader:
        about = tuple((row.get(name) or "").strip() for name in _MORE_COLUMNS)
        try:
            mass, frequency, number = (float(row[name]) for name in (*MTF_COLUMNS[:2], value))
        except (TypeError, ValueError):
            raise InputError(f"{path}: line {reader.line_num}: a value is no number: correct it") from None
        groups.setdefault((repr(mass), *about), []).append((frequency, number))
    if not groups:
        raise InputError(f"{path}: holds no rows: give measured points")
    try:
        return [_curve(group, np.array(sorted(points)).T, sensor) for group, points in groups.items()]
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def _curve(group: tuple[str, ...], table: NDArray[np.float64], sensor: Sensor) -> Curve:
    """Return one curve of a file, from its columns as texts, empty where they are not given."""
    mass, quantity, beam, irradiation, pitch_mm, kerma_uGy, error = group
    pixels = replace(sensor, pitch_mm=float(pitch_mm), full_well_e=0.0) if pitch_mm else sensor
    rest: dict[str, Any] = {"spectrum": beam_of(beam) if beam else None, "irradiation": irradiation or None}
    if irradiation not in {"", "front", "back"}:
        raise InputError(f"irradiation '{irradiation}' is not known: give front or back")
    if quantity in {"", "mtf"}:
        return MtfCurve(float(mass), table[0], table[1], pixels.aperture_mm, float(error or 0.02), **rest)
    if not kerma_uGy:
        raise InputError(f"{quantity}: the column kerma_uGy is empty: NNPS and DQE need it")
    name: Any = quantity
    return DetectorCurve(name, float(mass), table[0], table[1], pixels, float(kerma_uGy), float(error or 0.1), **rest)


def _reader(path: Path) -> tuple[csv.DictReader[str], str]:
    """Return the rows of a file of curves, and the name of the column of their values."""
    reader = csv.DictReader(read_text(path, TABLE).splitlines())
    columns = set(reader.fieldnames or ())
    value = "value" if "value" in columns else MTF_COLUMNS[2]
    if missing := {*MTF_COLUMNS[:2], value} - columns:
        raise InputError(f"{path}: no column '{min(missing)}': give the columns {', '.join(MTF_COLUMNS)}")
    return reader, value
