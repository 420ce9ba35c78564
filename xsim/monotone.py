"""Monotone cubic interpolation (PCHIP), without scipy.interpolate, whose import costs more than the use made of it.

Slopes are Fritsch and Butland's weighted harmonic means (SIAM J. Sci. Stat. Comput. 5, 300, 1984), so that the curve
rises and falls with its points and nowhere else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["monotone_cubic"]


def monotone_cubic(x: NDArray[np.float64], y: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the monotone cubic through points, at places between the first and the last of them.

    Parameters
    ----------
    x, y : (n,) arrays
        Points, x rising, at least two.
    wanted : array
        Where the curve is wanted; places outside [x[0], x[-1]] are not meant to be asked for.
    """
    width = np.diff(x)
    chord = np.diff(y) / width
    slope = _slopes(width, chord)
    cell = np.clip(np.searchsorted(x, wanted, side="right") - 1, 0, len(x) - 2)
    step = wanted - x[cell]
    left, right, h, rise = slope[cell], slope[cell + 1], width[cell], chord[cell]
    # Newton's form of the Hermite cubic on each cell.
    quadratic = (3.0 * rise - 2.0 * left - right) / h
    cubic = (left + right - 2.0 * rise) / h**2
    return np.asarray(y[cell] + step * (left + step * (quadratic + step * cubic)))


def _slopes(width: NDArray[np.float64], chord: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the slope at every point from cell widths and chords."""
    if len(chord) == 1:
        return np.repeat(chord, 2)
    before, after = chord[:-1], chord[1:]
    weight_before = 2.0 * width[1:] + width[:-1]
    weight_after = width[1:] + 2.0 * width[:-1]
    same_way = before * after > 0
    safe_before, safe_after = np.where(same_way, before, 1.0), np.where(same_way, after, 1.0)
    harmonic = (weight_before + weight_after) / (weight_before / safe_before + weight_after / safe_after)
    inner = np.where(same_way, harmonic, 0.0)
    first = _end_slope(width[0], width[1], chord[0], chord[1])
    last = _end_slope(width[-1], width[-2], chord[-1], chord[-2])
    return np.concatenate(([first], inner, [last]))


def _end_slope(width: float, next_width: float, chord: float, next_chord: float) -> float:
    """Return the three-point slope at an end, limited so that the end cell stays monotone."""
    slope = ((2.0 * width + next_width) * chord - width * next_chord) / (width + next_width)
    if slope * chord <= 0:
        return 0.0
    if chord * next_chord <= 0 and abs(slope) > 3.0 * abs(chord):
        return 3.0 * chord
    return float(slope)
