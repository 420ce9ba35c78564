"""How sure the curves of a detector file are: each with what it may be at 95 %, where that is known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xsim.degradation.degradation import B_1_FLOOR

if TYPE_CHECKING:
    from xsim.degradation.degradation import Degradation
    from xsim.degradation.known import KnownDetector
    from xsim.degradation.known_file import KnownFile
    from xsim.degradation.target import Target

__all__ = ["Band", "Between", "between_bands", "mtf_band", "nnps_band"]

_SIGMAS: Final = 2.0
"""Standard deviations either way that hold 95 %."""


@dataclass(frozen=True, eq=False)
class Band:
    """A curve and what it may be.

    Parameters
    ----------
    value : (n,) array
        The curve.
    low, high : (n,) arrays, optional
        Ends of the interval at 95 %; None where nobody has said how sure the curve is.
    """

    value: NDArray[np.float64]
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None


@dataclass(frozen=True, eq=False)
class Between:
    """What lies between two detectors, or between a target and one.

    Parameters
    ----------
    degradation : Degradation
        All of it.
    B_1, Sigma_1_mm2 : Band
        Blur, and noise of the open field [mm2].
    target : str, optional
        Name of the target; None between two detectors.
    """

    degradation: Degradation
    B_1: Band
    Sigma_1_mm2: Band
    target: str | None = None


def mtf_band(known: KnownDetector, frequency: NDArray[np.float64]) -> Band:
    """Return the MTF of a detector at frequencies (n,) [cycles/px]: its f50 may be off, so frequencies stretch."""
    mtf, spread = known.mtf_at(frequency), known.blur_spread
    if spread is None:
        return Band(mtf)
    return Band(mtf, known.mtf_at(frequency * spread), known.mtf_at(frequency / spread))


def nnps_band(known: KnownDetector, frequency: NDArray[np.float64]) -> Band:
    """Return the NNPS [mm2] of a detector at frequencies (n,) [cycles/px]: its rms may be off, so power scales."""
    nnps = np.interp(frequency, known.frequency, known.noise_power) * known.table_pitch_mm**2
    spread = known.noise_spread
    return Band(nnps) if spread is None else Band(nnps, nnps / spread**2, nnps * spread**2)


def between_bands(file: KnownFile, frequency: NDArray[np.float64], target: Target | None = None) -> Between:
    """Return B_1 and Sigma_1 of a detector file at frequencies (n,) [cycles/px].

    Parameters
    ----------
    file : KnownFile
        One detector, or two.
    frequency : (n,) array
        [cycles/px].
    target : Target, optional
        What takes the place of HR. One detector needs it.

    Notes
    -----
    A calibration says the standard deviations itself. Elsewhere the spreads of HR and LR are taken to be independent;
    noise of HR, a mean of many frames, adds nothing to that of Sigma_1.
    """
    degradation = file.degradation
    if target is not None:
        degradation = file.lr.degradation(target)
    if degradation is None:
        raise ValueError("one detector needs a target")
    at = frequency / degradation.pitch_mm
    B_1 = np.interp(at, degradation.frequency_lp_mm, degradation.B_1)
    Sigma_1 = np.interp(at, degradation.frequency_lp_mm, degradation.Sigma_1_mm2)
    name = None if target is None else target.name
    if target is None and file.B_1_sd is not None and file.Sigma_1_sd_mm2 is not None:
        blur, noise = (
            _SIGMAS * np.interp(at, degradation.frequency_lp_mm, sd) for sd in (file.B_1_sd, file.Sigma_1_sd_mm2)
        )
        bands = (
            Band(B_1, np.maximum(B_1 - blur, 0.0), np.minimum(B_1 + blur, 1.0)),
            Band(Sigma_1, np.maximum(Sigma_1 - noise, 0.0), Sigma_1 + noise),
        )
        return Between(degradation, *bands, name)
    sides = [mtf_band(file.lr, frequency)]
    if target is None and file.hr is not None:
        sides.append(mtf_band(file.hr, frequency))
    return Between(degradation, _ratio(B_1, sides), _noise(Sigma_1, nnps_band(file.lr, frequency)), name)


def _ratio(B_1: NDArray[np.float64], sides: list[Band]) -> Band:
    """Return B_1 with the relative errors of its numerator and, where it has one that errs, its denominator."""
    down = up = np.zeros_like(B_1)
    for index, side in enumerate(sides):
        if side.low is None or side.high is None:
            return Band(B_1)
        ends = [np.log(np.maximum(end, B_1_FLOOR) / np.maximum(side.value, B_1_FLOOR)) for end in (side.low, side.high)]
        lower, higher = ends if index == 0 else ends[::-1]
        down, up = down + np.square(lower), up + np.square(higher)
    return Band(B_1, B_1 * np.exp(-np.sqrt(down)), np.minimum(B_1 * np.exp(np.sqrt(up)), 1.0))


def _noise(Sigma_1: NDArray[np.float64], nnps: Band) -> Band:
    if nnps.low is None or nnps.high is None:
        return Band(Sigma_1)
    return Band(Sigma_1, np.maximum(Sigma_1 - (nnps.value - nnps.low), 0.0), Sigma_1 + (nnps.high - nnps.value))
