"""Blur as a mixture of Gaussians with the pixel's aperture: edge spreads that are linear in the weights.

    MTF(f) = sinc(f) * sum_k w_k exp(-2 (pi sigma_k f)**2),   w_k >= 0, sum_k w_k = 1

Exponentials, Lorentzians, stretched exponentials and their sums are all such mixtures, so no family is chosen.
The aperture is a box in x and one in y: across an edge with normal (c, s) two boxes of width c and s.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

__all__ = ["SIGMAS_PX", "crossing", "edge_columns", "f50_of", "mtf_columns", "spread_of", "stretched"]

SIGMAS_PX = np.array([0.12, 0.3, 0.45, 0.65, 0.95, 1.4, 2.0, 3.0, 4.4, 6.5, 9.5, 14.0, 21.0])
"""Widths [px]: a factor of about 1.45 apart, between which mixtures interpolate to .002 of MTF."""

_STEP_PX = 1 / 32
"""Grid of the tables: linear interpolation is good to 1e-4 of a step."""

_END_PX = 104.0
"""Twice the reach of a profile, since steps beside it are looked at from where they lie."""

_ANGLES = 9
"""Directions from 0 to 45 degrees whose apertures are told apart; the boxes' variance is the same in all."""


def _second_integral(d: NDArray[np.float64], sigma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the second integral of a Gaussian's edge spread."""
    z = d / sigma
    density = np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi)
    return np.asarray(((d**2 + sigma**2) * ndtr(z) + d * sigma * density) / 2)


@lru_cache(maxsize=_ANGLES)
def _table(number: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return edge spreads and their slopes over the grid, (grid, K), for one direction."""
    angle = np.pi / 4 * number / (_ANGLES - 1)
    c, s = np.cos(angle), max(float(np.sin(angle)), 0.02)  # a narrower box is lost in rounding
    d = np.arange(-_END_PX, _END_PX + _STEP_PX / 2, _STEP_PX)[:, None]
    corners = ((1, 1), (1, -1), (-1, 1), (-1, -1))
    spread = np.zeros((d.size, SIGMAS_PX.size))
    for a, b in corners:
        spread += a * b * _second_integral(d + (a * c + b * s) / 2, SIGMAS_PX)
    spread /= c * s
    return spread, np.asarray(np.gradient(spread, _STEP_PX, axis=0))


def edge_columns(d: NDArray[np.float64], angle: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return edge spread and line spread of each width at distances d [px], both (n, K), normal at ``angle`` [rad]."""
    folded = np.arctan2(*sorted((abs(np.sin(angle)), abs(np.cos(angle)))))
    spread, line = _table(round(float(folded) / (np.pi / 4) * (_ANGLES - 1)))
    place = np.clip((d + _END_PX) / _STEP_PX, 0, len(spread) - 1.001)
    low = place.astype(np.int64)
    part = (place - low)[:, None]
    return spread[low] * (1 - part) + spread[low + 1] * part, line[low] * (1 - part) + line[low + 1] * part


def mtf_columns(f: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the MTF of each width, aperture included, at frequencies [cycles/px] along an axis, (n, K)."""
    return np.asarray(np.exp(-2 * (np.pi * np.multiply.outer(f, SIGMAS_PX)) ** 2) * np.sinc(f)[..., None])


_HALVINGS = 20
"""Halvings of the step along the grid of widths: to 1e-5 of f50."""

_FINE = np.linspace(0.0, 1.0, 801)
_FINE_COLUMNS = mtf_columns(_FINE)


def f50_of(weights: NDArray[np.float64], level: float = 0.5) -> float:
    """Return where the MTF of a mixture falls to a level [cycles/px]."""
    return crossing(_FINE_COLUMNS @ (weights / weights.sum()), level)


def crossing(mtf: NDArray[np.float64], level: float = 0.5, grid: NDArray[np.float64] = _FINE) -> float:
    """Return where a curve over a grid from 0 to 1 cycles/px falls to a level."""
    k = int(np.argmax(mtf < level))
    if k == 0:
        return float(grid[-1])
    return float(grid[k] - (level - mtf[k]) / (mtf[k - 1] - mtf[k]) * (grid[k] - grid[k - 1]))


def stretched(weights: NDArray[np.float64], f50: float) -> NDArray[np.float64]:
    """Return the mixture of like shape whose f50 is another [cycles/px]; widths are moved along their grid."""
    number = np.arange(SIGMAS_PX.size, dtype=np.float64)
    low, high = -float(SIGMAS_PX.size), float(SIGMAS_PX.size)

    def moved(by: float) -> NDArray[np.float64]:
        place = np.clip(number + by, 0, SIGMAS_PX.size - 1)
        below = np.minimum(place.astype(np.int64), SIGMAS_PX.size - 2)
        part = place - below
        lower = np.bincount(below, weights * (1 - part), number.size)
        return np.asarray(lower + np.bincount(below + 1, weights * part, number.size), np.float64)

    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if f50_of(moved(middle)) > f50 else (low, middle)
    return moved((low + high) / 2)


def spread_of(weights: NDArray[np.float64], covariance: NDArray[np.float64]) -> float:
    """Return the standard error of ln f50 that a covariance of the weights brings."""
    total = float(weights.sum())
    f = f50_of(weights)
    here, there = mtf_columns(np.array([f, 1.02 * f]))
    falling = float((there - here) @ weights) / total / 0.02  # d MTF / d ln f
    rise = (here - 0.5) / total  # the sum of the weights divides too
    return float(np.sqrt(max(rise @ covariance @ rise, 0.0)) / max(-falling, 1e-3))
