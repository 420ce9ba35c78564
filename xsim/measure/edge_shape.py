"""Is the profile of an edge that of a blur? A bevel, a rounded or a doubled edge has an MTF of its own.

Whatever blurs an edge in a detector (light that spreads, a pixel's aperture) is a mixture of bells: its line spread is
even, and once the aperture is divided out the logarithm of its MTF falls ever less steeply over f^2. The line spread of
a straight bevel is a box, whose MTF falls ever more steeply; those of absorbing bevels and rounded edges are uneven.
A bevel of less than about two sigmas of the blur leaves no mark, and nothing in the image tells it from more blur: by
then the frequency at which the MTF is half reads up to a seventh too low.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.measure.edge_spread import EdgeSpread

__all__ = ["check_shape"]

# Frequencies [cycles/px]: up to .8, where the aperture still lets through a fifth.
_FREQUENCY: NDArray[np.float64] = np.linspace(0.0, 0.8, 161)
# (f_low / f_half)^2 of a Gaussian, ln(1 / .15) / ln 2, in units of which the fall is given: a box has .75.
_HALF, _LOW = 0.5, 0.15
_GAUSSIAN = np.log(_LOW) / np.log(_HALF)
# A fall below the first is a ramp's; below the second it may be. Above 1 - .01 every blur measured here lies: a bevel
# leaves .98 where it is as wide as the two sigmas of a Gaussian blur, .94 at three, .90 at four.
_FALL_REFUSED, _FALL_WARNED = 0.97, 0.98
# By how much noise of the MTF moves the fall: 2 / .15 / (2 ln(1 / .15)), at .15 on a Gaussian.
_FALL_NOISE = 3.5
# Odd part of the line spread's spectrum, in units of the MTF at 0. Absorbing bevels of three sigmas leave .02 to .03.
_UNEVEN_REFUSED, _UNEVEN_WARNED = 0.025, 0.015
# What so many standard deviations of the noise explain is not held against an edge; to warn, fewer.
_SIGMAS, _SIGMAS_WARNED = 3.0, 2.0
# The largest odd part among many frequencies exceeds its rms by more than a single one.
_LARGEST = 4.0 / 3.0


def check_shape(spread: EdgeSpread) -> tuple[str, ...]:
    """Refuse an edge whose profile is no blur's, naming what it is; return a caveat where it may be none.

    Profiles with overshoot are a filter's: their fall is not judged.

    Raises
    ------
    InputError
        If the profile is uneven or a ramp beyond what noise explains.
    """
    transfer, noise = spread.complex_transfer(_FREQUENCY)
    mtf = np.abs(transfer) / np.sinc(_FREQUENCY)
    half, low = _first_below(mtf, _HALF), _first_below(mtf, _LOW)
    if not np.isfinite(half):
        return ()
    reach = (low if np.isfinite(low) else 0.5) >= _FREQUENCY
    scatter = float(noise[reach].max())
    uneven = float(np.abs(_centred(transfer, mtf, half >= _FREQUENCY).imag[reach]).max())
    if uneven - _LARGEST * _SIGMAS * scatter > _UNEVEN_REFUSED:
        raise InputError(
            f"not a sharp edge: its profile is uneven by {100 * uneven:.0f} %, as of a rounded, bevelled or tilted "
            "edge: give the --roi of an edge that is sharp and upright in the beam"
        )
    fall = 1.0 if spread.overshoot or spread.undershoot else (low / half) ** 2 / _GAUSSIAN
    if fall + _SIGMAS * _FALL_NOISE * scatter < _FALL_REFUSED:
        raise InputError(
            "not a sharp edge: its profile is a ramp, as of a bevel, of two edges or of motion: "
            "give the --roi of an edge that is sharp and upright in the beam"
        )
    if (
        uneven - _LARGEST * _SIGMAS_WARNED * scatter > _UNEVEN_WARNED
        or fall + _SIGMAS_WARNED * _FALL_NOISE * scatter < _FALL_WARNED
    ):
        return ("the profile is not quite that of a blur: if the edge is bevelled or rounded, the MTF reads low",)
    return ()


def _first_below(mtf: NDArray[np.float64], level: float) -> float:
    """Return the lowest frequency [cycles/px] at which an MTF falls below a level; NaN if it does not."""
    below = np.flatnonzero(mtf < level)
    if below.size == 0 or below[0] == 0:
        return float("nan")
    high = int(below[0])
    share = (mtf[high - 1] - level) / (mtf[high - 1] - mtf[high])
    return float(_FREQUENCY[high - 1] + share * (_FREQUENCY[high] - _FREQUENCY[high - 1]))


def _centred(
    transfer: NDArray[np.complex128], mtf: NDArray[np.float64], where: NDArray[np.bool_]
) -> NDArray[np.complex128]:
    """Return the transfer function about the middle of its line spread, where an even one is real."""
    phase, weight = np.unwrap(np.angle(transfer)), mtf**2 * where
    shift = np.sum(weight * phase * _FREQUENCY) / np.sum(weight * _FREQUENCY**2)
    return np.asarray(transfer * np.exp(-1j * shift * _FREQUENCY))
