"""The profile across a straight step, as far as it is one step between even plateaus, and the steps beside it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xsim.measure.blind.steps import Step

__all__ = ["REACH_PX", "Profile", "profile_across", "slope_across"]

Array = NDArray[np.float64]

REACH_PX = 48
"""How far from a step its profile goes: the tails of a screen beyond hold a hundredth of its light."""

_SHORTEST_SIDE_PX = 6
"""Less of a plateau does not show where the step ends."""

_CELL_PX = 8.0
"""Along a step evenness is judged by means over this length."""

_BINS_PER_PX = 4
"""Bins of the profile: finer than any blur with the pixel's aperture in it."""

_SECOND_STEP = 0.08
"""Slope, as a share of the step's own, above which a maximum of the slope is another step."""

_APART_PX = 3.0
"""Nearer steps are one: a bevel."""

_MOST_NEIGHBOURS = 3
"""More steps in one window leave too few pixels to each."""


@dataclass(frozen=True)
class Profile:
    """Grey values across one step.

    Parameters
    ----------
    step : Step
        Where it lies.
    distance : (n,) array
        Mean distance of each bin's pixels from the line [px], rising towards the brighter side.
    grey, count : (n,) arrays
        Mean grey value and number of pixels of each bin.
    neighbours : tuple of float
        Where other steps lie along the same axis [px].
    contrast : float
        Rough height of the step.
    slope : float
        Its largest slope [grey per px].
    """

    step: Step
    distance: Array
    grey: Array
    count: Array
    neighbours: tuple[float, ...]
    contrast: float
    slope: float

    @property
    def weight(self) -> float:
        """How much a step tells by its height and length."""
        return self.contrast * float(np.sqrt(self.step.length))

    @property
    def reach(self) -> tuple[float, float]:
        """Where the profile begins and ends [px]."""
        return float(self.distance[0]), float(self.distance[-1])


def profile_across(image: Array, usable: NDArray[np.bool_], step: Step, cell_noise: float) -> Profile | None:
    """Return the profile of a step; None where it is no single step between plateaus.

    Parameters
    ----------
    image : (H, W) array
        Grey values.
    usable : (H, W) array of bool
        Where pixels are neither clipped nor bad.
    step : Step
        The step.
    cell_noise : float
        Standard deviation of the mean of 1 x 8 pixels [grey].
    """
    across = _across(image, usable, step)
    if across is None:
        return None
    d, grey, mean, full, slope = across
    along, middle = mean.shape[1], REACH_PX
    contrast = float(slope[middle - 8 : middle + 8].sum())
    peak = float(slope[middle - 5 : middle + 5].max())
    if peak <= 0 or contrast < 5 * cell_noise:
        return None
    noise = cell_noise / np.sqrt(along)
    uneven = mean.std(axis=1, ddof=1) > np.hypot(2.2 * cell_noise, 0.02 * contrast) * (1 + (np.abs(slope) > 0.1 * peak))
    uneven |= ~full
    sides, neighbours = [], []
    for sign in (-1, 1):
        side = slice(middle, None) if sign > 0 else slice(middle - 1, None, -1)
        width, beside = _one_side(slope[side], uneven[side], peak, noise)
        sides.append(width)
        neighbours += [sign * place for place in beside]
    if min(sides) < _SHORTEST_SIDE_PX:
        return None
    inside = (d > -sides[0]) & (d < sides[1])
    bins = np.floor((d[inside] + REACH_PX) * _BINS_PER_PX).astype(np.int64)
    count = np.bincount(bins).astype(np.float64)
    held = count > 0
    return Profile(
        step,
        np.bincount(bins, d[inside])[held] / count[held],
        np.bincount(bins, grey[inside])[held] / count[held],
        count[held],
        tuple(neighbours),
        contrast,
        peak,
    )


def slope_across(image: Array, usable: NDArray[np.bool_], step: Step) -> tuple[Array, int] | None:
    """Return the slope across a step, pixel by pixel with the step in the middle, and the cells along it."""
    across = _across(image, usable, step)
    return None if across is None else (across[4], across[2].shape[1])


def _across(
    image: Array, usable: NDArray[np.bool_], step: Step
) -> tuple[Array, Array, Array, NDArray[np.bool_], Array] | None:
    """Return distance and grey of the pixels, the cells' means, which rows of them are full, and the mean slope."""
    half = step.length / 2 - min(4.0, step.length / 8)
    d, u, grey = _pixels(image, usable, step, half)
    if d.size < 200:
        return None
    along = max(2, round(2 * half / _CELL_PX))
    mean, counts = _cells(d, u, grey, half, along)
    full = np.asarray((counts >= 0.4 * 2 * half / along).all(axis=1))
    middle = REACH_PX
    if not full[middle - 7 : middle + 7].all():
        return None
    low = middle - int(np.argmin(full[middle - 1 :: -1])) if not full[:middle].all() else 0
    high = middle + int(np.argmin(full[middle:])) if not full[middle:].all() else 2 * REACH_PX
    profile = np.where(full, mean.mean(axis=1), 0.0)
    profile[:low], profile[high:] = profile[low], profile[high - 1]
    slope = np.asarray(np.gradient(ndimage.uniform_filter1d(profile, 3, mode="nearest")))
    return d, grey, mean, full, slope


def _pixels(image: Array, usable: NDArray[np.bool_], step: Step, half: float) -> tuple[Array, Array, Array]:
    """Return distance across, place along and grey of the pixels around a step."""
    c, s = np.cos(step.angle), np.sin(step.angle)
    high, wide = (int(REACH_PX * abs(a) + half * abs(b)) + 2 for a, b in ((s, c), (c, s)))
    top, left = max(int(step.y) - high, 0), max(int(step.x) - wide, 0)
    part = (slice(top, int(step.y) + high + 1), slice(left, int(step.x) + wide + 1))
    shape = image[part].shape
    y = np.arange(top, top + shape[0])[:, None] - step.y
    x = np.arange(left, left + shape[1])[None, :] - step.x
    d, u = x * c + y * s, y * c - x * s
    inside = (np.abs(u) < half) & (np.abs(d) < REACH_PX - 0.01) & usable[part]
    return d[inside], u[inside], image[part][inside]


def _cells(d: Array, u: Array, grey: Array, half: float, along: int) -> tuple[Array, Array]:
    """Return mean and number of pixels in cells of one pixel across and about eight along, (across, along)."""
    across = 2 * REACH_PX
    cell = np.floor(d + REACH_PX).astype(np.int64) * along
    cell += np.clip(((u + half) / (2 * half) * along).astype(np.int64), 0, along - 1)
    counts = np.bincount(cell, minlength=across * along)
    safe = np.maximum(counts, 1)
    mean = np.bincount(cell, grey, minlength=across * along) / safe
    # The pixels of a cell do not lie at its middle; along a slope that would look uneven.
    off = np.bincount(cell, d, minlength=across * along) / safe
    mean, off = mean.reshape(across, along), off.reshape(across, along)
    off -= (np.arange(across) - REACH_PX + 0.5)[:, None]
    level = mean.mean(axis=1)
    mean = np.where(counts.reshape(across, along) > 0, mean - off * np.gradient(level)[:, None], level[:, None])
    return mean, np.asarray(counts.reshape(across, along), np.float64)


def _one_side(slope: Array, uneven: NDArray[np.bool_], peak: float, noise: float) -> tuple[float, list[float]]:
    """Return how far a side reaches, and the places of further steps on it, from its slope outwards [px]."""
    # Bins right at the step may be uneven by a bent line; the profile's residual shows that later.
    width = 3 + int(np.argmax(uneven[3:])) if uneven[3:].any() else len(uneven)
    size = np.abs(slope)
    least = max(_SECOND_STEP * peak, 5 * 0.8 * noise)
    tops = np.flatnonzero((size[1:-1] >= size[:-2]) & (size[1:-1] > size[2:]) & (size[1:-1] > least)) + 1
    places: list[float] = []
    last = 0
    for top in tops:
        if top < _APART_PX or top > width + _SHORTEST_SIDE_PX:
            continue
        valley = last + int(np.argmin(size[last : top + 1]))
        # A maximum must rise out of the flank it stands on.
        if size[top] < 1.3 * size[valley] + 2 * noise:
            continue
        if top < width - 5 and top - last > _APART_PX and len(places) < _MOST_NEIGHBOURS:
            places.append(float(top) + 0.5)
            last = int(top)
        else:
            width = min(width, valley)
            break
    return float(max(width - 1, 0) if width < len(uneven) else width), places
