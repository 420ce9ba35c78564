"""Fit a screen's optical constants to measured MTF, NNPS and DQE, so that a laboratory's own replace the defaults.

Each curve may have a beam, pixels and an irradiation of its own. What comes out is a posterior: constants with the
covariance of their logarithms, from which detectors and recipes draw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from xsim.detector.detector import Detector
from xsim.detector.light_transport import Optics
from xsim.detector.measured_curves import Curve, DetectorCurve, MtfCurve
from xsim.detector.screen import Screen
from xsim.errors import InputError
from xsim.files.documents import read_toml
from xsim.files.toml import write_toml
from xsim.spectrum import Spectrum

__all__ = [
    "FITTED",
    "DetectorCurve",
    "FittedOptics",
    "MtfCurve",
    "fit_optics",
    "posterior_bands",
    "read_fit",
    "write_fit",
]

# The constants that curves can tell, with weak log-normal priors: (median, factor of one standard deviation).
_PRIORS: Final[dict[str, tuple[float, float]]] = {
    "extrapolation_sensor_mm": (0.02, 2.0),
    "extrapolation_backing_mm": (0.1, 10.0),
    "gap_mm": (0.01, 2.0),
    "diffusion_length_mm": (0.3, 10.0),
    "gain_noise": (0.15, 3.0),
    "lateral_ratio": (0.4, 2.0),
}
# Constants whose posterior is normal in themselves rather than in their logarithms.
_ALONG_A_LINE: Final = frozenset({"extrapolation_sensor_mm", "gap_mm"})
# Fitted unless asked otherwise: the diffusion length of undyed screens runs off to infinity.
FITTED: Final = ("extrapolation_sensor_mm", "extrapolation_backing_mm", "gap_mm")
# Values of the constants that are looked at, within what `Optics` takes.
_LIMITS: Final = {name: (1e-3, 1.0) if name == "gap_mm" else (1e-3, 10.0) for name in _PRIORS} | {
    "extrapolation_backing_mm": (1e-4, 1e3),
    "diffusion_length_mm": (1e-3, 1e3),
    "lateral_ratio": (0.01, 1.0),
}


@dataclass(frozen=True, eq=False)
class FittedOptics:
    """Optical constants with their uncertainties: a normal distribution of the relative change of those fitted.

    For most it is the change of the logarithm. The face towards the sensor and the gap blur alike, so that curves tell
    little more than a sum of the two: they trade along a straight line, not along one of their logarithms.

    Parameters
    ----------
    optics : Optics
        The constants.
    relative_sd : dict
        Standard deviation of each fitted constant, relative to it.
    rms : float
        RMS difference of model and measurement over all points of MTFs; 0 if there are none.
    covariance : (n, n) array or None
        Covariance of the relative changes, in the order of ``relative_sd``; None takes them for independent.
    """

    optics: Optics
    relative_sd: dict[str, float]
    rms: float
    covariance: NDArray[np.float64] | None = None

    def draw(self, count: int, rng: np.random.Generator) -> list[Optics]:
        """Draw sets of constants, which belong together, from the posterior."""
        names = list(self.relative_sd)
        deviations = np.array([self.relative_sd[name] for name in names])
        covariance = np.diag(np.square(deviations)) if self.covariance is None else self.covariance
        # A factor of the covariance that is no matter whether it is singular.
        values, vectors = np.linalg.eigh(covariance)
        steps = rng.standard_normal((count, len(names))) @ (vectors * np.sqrt(np.maximum(values, 0.0))).T
        factors = np.where([name in _ALONG_A_LINE for name in names], np.maximum(1.0 + steps, 1e-9), np.exp(steps))
        low, high = np.exp(_log_limits(names))
        drawn = np.clip(factors * [getattr(self.optics, name) for name in names], low, high)
        return [replace(self.optics, **dict(zip(names, row.tolist(), strict=True))) for row in drawn]

    def to_dict(self) -> dict[str, Any]:
        """Return the fit as JSON and TOML types; `from_dict` turns them back."""
        covariance = {} if self.covariance is None else {"covariance": self.covariance.tolist()}
        return {"optics": self.optics.to_dict(), "relative_sd": self.relative_sd, "rms": self.rms, **covariance}

    @classmethod
    def from_dict(cls, tables: Mapping[str, Any]) -> FittedOptics:
        """Return the fit that `to_dict` described.

        Raises
        ------
        InputError
            If a key is missing, unknown or not usable.
        """
        try:
            deviations = {str(name): float(value) for name, value in tables["relative_sd"].items()}
            covariance = np.asarray(tables["covariance"], dtype=np.float64) if "covariance" in tables else None
            found = cls(Optics(**tables["optics"]), deviations, float(tables["rms"]), covariance)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise InputError(f"fitted optics: {error}: give what xsim detector --save-fit writes") from None
        if unknown := set(deviations) - set(_PRIORS):
            raise InputError(f"fitted optics: '{min(unknown)}' is no constant: give {', '.join(_PRIORS)}")
        if covariance is not None and covariance.shape != (len(deviations),) * 2:
            raise InputError(f"fitted optics: covariance of shape {covariance.shape} for {len(deviations)} constants")
        return found


def _log_limits(names: Sequence[str]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    low, high = np.log([_LIMITS[name] for name in names]).T
    return low, high


def read_fit(path: Path) -> FittedOptics:
    """Return the fitted optics of a TOML file that `write_fit` wrote; errors name the file."""
    tables = read_toml(path)
    try:
        return FittedOptics.from_dict(tables)
    except InputError as error:
        raise InputError(f"{path}: {error}") from None


def write_fit(path: Path, fit: FittedOptics) -> None:
    """Write fitted optics as a TOML file."""
    write_toml(path, fit.to_dict())


def fit_optics(
    curves: Sequence[Curve],
    spectrum: Spectrum | None = None,
    *,
    screen: Screen | None = None,
    names: Sequence[str] | None = None,
) -> FittedOptics:
    """Fit optical constants to curves of one or several thicknesses of the same kind of screen.

    The logarithms of the constants are fitted by least squares with weak priors, so that what the curves do not tell
    stays near what screens usually have, with an uncertainty that says so. The excess gain noise cannot be seen in
    an MTF: without NNPS or DQE it stays as it is.

    Parameters
    ----------
    curves : sequence of MtfCurve and DetectorCurve
        The measurements.
    spectrum : Spectrum, optional
        The beam of those that have none of their own.
    screen : Screen, optional
        Phosphor, packing, irradiation, and the constants that are not fitted; Gd2O2S if not given.
    names : sequence of str, optional
        Constants to fit; `FITTED`, the gain noise where there are NNPS or DQE, and the lateral ratio of columns.

    Raises
    ------
    InputError
        If there are fewer points than constants, a constant cannot be fitted, or a curve has no beam.
    """
    noisy = any(isinstance(curve, DetectorCurve) for curve in curves)
    base = Screen(100.0) if screen is None else screen
    if names is None:
        columns = ("lateral_ratio",) if base.optics.lateral_ratio < 1.0 else ()
        names = (*FITTED, *(("gain_noise",) if noisy else ()), *columns)
    allowed = [name for name in _PRIORS if noisy or name != "gain_noise"]
    if unknown := set(names) - set(allowed):
        raise InputError(f"constant '{min(unknown)}' cannot be fitted to these curves: give {', '.join(allowed)}")
    points = sum(np.size(curve.frequency_lp_mm) for curve in curves)
    if not names or points < len(names):
        raise InputError(f"{points} points of curves for {len(names)} constants: give more points")
    if spectrum is None and any(curve.spectrum is None for curve in curves):
        raise InputError("a curve has no beam: give it one, or one for all")
    median, spread = np.log([_PRIORS[name] for name in names]).T

    def optics_of(logs: NDArray[np.float64]) -> Optics:
        return replace(base.optics, **dict(zip(names, np.exp(logs).tolist(), strict=True)))

    def cost(logs: NDArray[np.float64]) -> NDArray[np.float64]:
        layer = replace(base, optics=optics_of(logs))
        return np.concatenate((*(curve.misfit(layer, spectrum) for curve in curves), (logs - median) / spread))

    start = np.log([max(asdict(base.optics)[name], 1e-3) for name in names])
    limits = _log_limits(names)
    solution = least_squares(cost, np.clip(start, *limits), bounds=limits, x_scale=spread)
    layer = replace(base, optics=optics_of(solution.x))
    off = [one.misfit(layer, spectrum) * one.standard_error for one in curves if isinstance(one, MtfCurve)]
    # Where the model misses by more than the stated errors, the misfit is the better measure of them.
    excess = max(1.0, float(np.mean(np.square(solution.fun[:points]))))
    of_data, of_priors = np.split(np.asarray(solution.jac), [points])
    covariance = np.linalg.inv(of_data.T @ of_data / excess + of_priors.T @ of_priors)
    deviations = dict(zip(names, np.sqrt(np.diag(covariance)).tolist(), strict=True))
    rms = float(np.sqrt(np.mean(np.square(np.concatenate(off))))) if off else 0.0
    return FittedOptics(optics_of(solution.x), deviations, rms, covariance)


# Draws for a band: its ends, at 95 %, are then known to a tenth of its width.
_DRAWS: Final = 100


def posterior_bands(
    fit: FittedOptics, detector: Detector, spectrum: Spectrum, kerma_uGy: float, frequency_lp_mm: ArrayLike
) -> dict[str, NDArray[np.float64]]:
    """Return within what MTF, NNPS and DQE of a detector lie at 95 %, as the fit of its optics leaves them, (n,) each.

    The keys are ``mtf_low``, ``mtf_high``, ``nnps_low_mm2``, ``nnps_high_mm2``, ``dqe_low`` and ``dqe_high``. The same
    fit gives the same bands.
    """
    curves: dict[str, list[NDArray[np.float64]]] = {"mtf": [], "nnps": [], "dqe": []}
    for optics in fit.draw(_DRAWS, np.random.default_rng(0)):
        drawn = replace(detector, screen=replace(detector.screen, optics=optics))
        response = drawn.response(spectrum, kerma_uGy)
        for name, rows in curves.items():
            rows.append(getattr(response, name)(frequency_lp_mm))
    bands: dict[str, NDArray[np.float64]] = {}
    for name, rows in curves.items():
        low, high = np.percentile(rows, [2.5, 97.5], axis=0)
        unit = "_mm2" if name == "nnps" else ""
        bands |= {f"{name}_low{unit}": low, f"{name}_high{unit}": high}
    return bands
