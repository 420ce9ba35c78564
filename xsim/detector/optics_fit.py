"""Fit a screen's optical constants to measured MTF curves, so that a laboratory's own screens replace the defaults."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from xsim.curves import checked_table
from xsim.detector.light_transport import Optics
from xsim.detector.screen import Screen
from xsim.errors import InputError, check_range
from xsim.files.documents import read_text
from xsim.files.plain import TABLE
from xsim.spectrum import Spectrum

__all__ = ["FITTED", "MTF_COLUMNS", "FittedOptics", "MtfCurve", "fit_optics", "read_mtf_curves"]

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
    reader = csv.DictReader(read_text(path, TABLE).splitlines())
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
    tables = {thickness: np.array(sorted(points)).T for thickness, points in rows.items()}
    return [MtfCurve(thickness, frequency, mtf, aperture_mm) for thickness, (frequency, mtf) in tables.items()]


# The constants that MTF curves can tell, with weak log-normal priors: (median [mm], factor of one standard deviation).
_PRIORS: Final[dict[str, tuple[float, float]]] = {
    "extrapolation_sensor_mm": (0.02, 2.0),
    "extrapolation_backing_mm": (0.1, 10.0),
    "gap_mm": (0.01, 2.0),
    "diffusion_length_mm": (0.3, 10.0),
}
# Fitted unless asked otherwise: the diffusion length of undyed screens runs off to infinity.
FITTED: Final = ("extrapolation_sensor_mm", "extrapolation_backing_mm", "gap_mm")


@dataclass(frozen=True, eq=False)
class FittedOptics:
    """Optical constants with their uncertainties.

    Parameters
    ----------
    optics : Optics
        The constants.
    relative_sd : dict
        Standard deviation of each fitted constant, relative to it.
    rms : float
        RMS difference of model and measurement over all points.
    """

    optics: Optics
    relative_sd: dict[str, float]
    rms: float


def fit_optics(
    curves: Sequence[MtfCurve],
    spectrum: Spectrum,
    *,
    screen: Screen | None = None,
    names: Sequence[str] = FITTED,
) -> FittedOptics:
    """Fit optical constants to MTF curves of one or several thicknesses of the same kind of screen.

    The logarithms of the constants are fitted by least squares with weak priors, so that what the curves do not tell
    stays near what screens usually have, with an uncertainty that says so. The excess gain noise cannot be seen in
    an MTF and stays as it is.

    Parameters
    ----------
    curves : sequence of MtfCurve
        The measurements.
    spectrum : Spectrum
        The beam of the measurements.
    screen : Screen, optional
        Phosphor, packing, irradiation, and the constants that are not fitted; Gd2O2S if not given.
    names : sequence of str
        Constants to fit.

    Raises
    ------
    InputError
        If there are fewer points than constants, or a constant cannot be fitted.
    """
    if unknown := set(names) - set(_PRIORS):
        raise InputError(f"constant '{min(unknown)}' cannot be fitted to an MTF: give {', '.join(_PRIORS)}")
    points = sum(np.size(curve.mtf) for curve in curves)
    if not names or points < len(names):
        raise InputError(f"{points} points of MTF for {len(names)} constants: give more points")
    base = Screen(100.0) if screen is None else screen
    median = np.log([_PRIORS[name][0] for name in names])
    spread = np.log([_PRIORS[name][1] for name in names])

    def optics_of(logs: NDArray[np.float64]) -> Optics:
        return replace(base.optics, **dict(zip(names, np.exp(logs).tolist(), strict=True)))

    def misfit(logs: NDArray[np.float64], curve: MtfCurve) -> NDArray[np.float64]:
        """Return model minus measurement."""
        layer = replace(base, optics=optics_of(logs), mass_thickness_mg_cm2=curve.mass_thickness_mg_cm2)
        aperture = np.abs(np.sinc(curve.aperture_mm * curve.frequency_lp_mm))
        return layer.expose(spectrum, curve.frequency_lp_mm).mtf * aperture - curve.mtf

    def cost(logs: NDArray[np.float64]) -> NDArray[np.float64]:
        scaled = [misfit(logs, curve) / curve.standard_error for curve in curves]
        return np.concatenate((*scaled, (logs - median) / spread))

    start = np.log([max(asdict(base.optics)[name], 1e-3) for name in names])
    limits = np.log(1e-4), np.log(1e3)
    solution = least_squares(cost, np.clip(start, *limits), bounds=limits, x_scale=spread)
    residuals = np.concatenate([misfit(solution.x, curve) for curve in curves])
    # Where the model misses by more than the stated errors, the misfit is the better measure of them.
    excess = max(1.0, 2.0 * float(solution.cost) / points)
    jacobian = np.asarray(solution.jac)
    covariance = np.linalg.inv(jacobian.T @ jacobian) * excess
    deviations = dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True))
    return FittedOptics(optics_of(solution.x), deviations, float(np.sqrt(np.mean(np.square(residuals)))))
