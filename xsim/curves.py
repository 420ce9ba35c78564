"""Positive functions of |f| from a table, and the monotone cubic interpolation (PCHIP) behind them.

PCHIP by hand, as the import of scipy.interpolate costs more (half a second) than the use made of it. Slopes are Fritsch
and Butland's weighted harmonic means (SIAM J. Sci. Stat. Comput. 5, 300, 1984), so that the curve rises and falls with
its points and nowhere else.
"""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.errors import InputError

__all__ = ["RadialCurve", "checked_table", "monotone_cubic", "quadratic_grid"]


def monotone_cubic(x: NDArray[np.float64], y: NDArray[np.float64], wanted: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the monotone cubic through two or more points (n,), x rising, at places between the first and the last."""
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


# Cells of the uniform grid: a step of a 25 lp/mm table is then 0.003 lp/mm, far below any bend of an MTF.
_CELLS: Final = 8192
# Stands for 0 in the logarithm; the smallest normal double is 2e-308.
_SMALLEST: Final = 1e-300


def quadratic_grid(limit_lp_mm: float, count: int) -> NDArray[np.float64]:
    """Return ``count`` frequencies [lp/mm] from 0 to the limit, spaced quadratically: MTFs bend at low frequency.

    A uniform grid of 0.8 lp/mm would cost 10 % at 0.5 lp/mm.
    """
    return limit_lp_mm * np.square(np.linspace(0.0, 1.0, count))


# MTFs, spectra [mm2] and frequencies [lp/mm] are far below; squares beyond it leave 32 bits of floating point.
_MOST = 1e15


def checked_table(
    what: str, frequency_lp_mm: ArrayLike, values: ArrayLike
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return a table as arrays if it is one: rising frequencies from 0 or more, finite values of 0 or more.

    Raises
    ------
    InputError
        Naming the table and what is wrong with it.
    """
    frequency = np.atleast_1d(np.asarray(frequency_lp_mm, dtype=np.float64))
    table = np.atleast_1d(np.asarray(values, dtype=np.float64))
    if frequency.ndim != 1 or frequency.shape != table.shape or frequency.size < 2:
        raise InputError(f"{what}: {frequency.shape} frequencies and {table.shape} values: give two equal columns")
    if not (np.isfinite(frequency).all() and np.isfinite(table).all()):
        raise InputError(f"{what}: holds values that are not finite: remove them")
    if max(frequency[-1], table.max()) > _MOST:
        raise InputError(f"{what}: holds values beyond {_MOST:g}, which nobody measures: remove them")
    if frequency[0] < 0 or (np.diff(frequency) <= 0).any():
        raise InputError(f"{what}: frequencies must rise from 0 or above, each larger than the last")
    if (table < 0).any() or not table.any():
        raise InputError(f"{what}: values must be 0 or above, and some above 0")
    return frequency, table


class RadialCurve:
    """A positive function of spatial frequency.

    Between the table's rows it is monotone cubic in the logarithm (PCHIP), below the first row constant, and beyond
    the last row it goes on as the power law of the last rows, never rising.

    Parameters
    ----------
    frequency_lp_mm, values : (n,) arrays
        The table.

    Raises
    ------
    InputError
        If the table is not one (see `checked_table`).
    """

    def __init__(self, frequency_lp_mm: ArrayLike, values: ArrayLike) -> None:
        self.frequency_lp_mm, self.values = checked_table("radial table", frequency_lp_mm, values)
        log_values = np.log(np.maximum(self.values, _SMALLEST))
        self.last_lp_mm = float(self.frequency_lp_mm[-1])
        # Resampled once on a uniform grid: maps then cost an index and a linear step per bin.
        grid = np.linspace(0.0, self.last_lp_mm, _CELLS + 1)
        inside = monotone_cubic(self.frequency_lp_mm, log_values, np.maximum(grid, self.frequency_lp_mm[0]))
        self._dense = np.where(inside > np.log(_SMALLEST) / 2, np.exp(inside), 0.0)
        self._dense[-1] = self.values[-1]
        # The exponent of the power law beyond the table, from its last octave, -8 to 0.
        start = max(int(np.searchsorted(self.frequency_lp_mm, self.last_lp_mm / 2.0)) - 1, 0)
        lowest = max(float(self.frequency_lp_mm[start]), 1e-3 * self.last_lp_mm)
        rise = float(log_values[-1] - log_values[start]) / np.log(self.last_lp_mm / lowest)
        self._slope = float(np.clip(rise, -8.0, 0.0))

    def __call__(self, frequency_lp_mm: ArrayLike) -> NDArray[np.float64]:
        """Return the function at frequencies [lp/mm] of any shape."""
        frequency = np.abs(np.asarray(frequency_lp_mm, dtype=np.float64))
        place = frequency * (_CELLS / self.last_lp_mm)
        cell = np.minimum(place, _CELLS - 1).astype(np.intp)
        low = self._dense[cell]
        result = low + (self._dense[cell + 1] - low) * (place - cell)
        beyond = frequency > self.last_lp_mm
        if beyond.any():
            result = np.asarray(result)
            result[beyond] = self.values[-1] * (frequency[beyond] / self.last_lp_mm) ** self._slope
        return result
