"""The observer of voids: how much attenuation a ball lacks in all, which no blur changes, and what area that means."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["FALSE_CALLS", "Ball", "areas_of", "deficits", "seen"]

FALSE_CALLS = 0.05
"""Share of the sound balls that may be called voided where detection is counted."""

_LEAST_GREY = 1e-3


@dataclass(frozen=True)
class Ball:
    """A ball: its centre in pixels, and the area of its void in % of its own."""

    y_px: int
    x_px: int
    void: float


def deficits(image: NDArray[np.floating], balls: Sequence[Ball], radius_px: float) -> NDArray[np.float64]:
    """Return the attenuation that every ball lacks against the median sound ball, summed over its disc, (n,).

    Blur spreads what a void lacks and keeps its sum, so small voids count in full where a threshold on the depth
    would lose them.

    Parameters
    ----------
    image : (H, W) array
        Grey, open field 1.0.
    balls : sequence of Ball
        The balls, some of them sound, all at the same phase of the pixel grid.
    radius_px : float
        Radius of a ball [px].
    """
    reach = int(np.ceil(radius_px))
    offset = np.arange(-reach, reach + 1)
    inside = np.hypot(*np.meshgrid(offset, offset)) <= radius_px - 0.5
    attenuation = -np.log(np.maximum(np.asarray(image, dtype=np.float64), _LEAST_GREY))
    patches = np.array(
        [
            attenuation[ball.y_px - reach : ball.y_px + reach + 1, ball.x_px - reach : ball.x_px + reach + 1][inside]
            for ball in balls
        ]
    )
    sound = np.array([ball.void == 0 for ball in balls])
    return np.asarray((np.median(patches[sound], axis=0) - patches).sum(axis=1))


def areas_of(deficit: NDArray[np.float64], labelled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the void areas that deficits mean, (n,) in the unit of the labels, by calibration on other balls.

    The deficit of a sphere goes with the cube of its radius and its area with the square. A line through
    area = a + b deficit^(2/3) is fitted to every second ball and read for the others, and the other way round: each
    image is calibrated on itself, as a gauge would be, and no ball on its own label.

    Parameters
    ----------
    deficit, labelled : (n,) arrays
        Deficits of balls with a void, and the areas of their voids; at least four.
    """
    size = np.cbrt(np.maximum(deficit, 0.0)) ** 2
    even = np.arange(len(size)) % 2 == 0
    areas = np.zeros(len(size))
    for judged in (even, ~even):
        slope, start = np.polyfit(size[~judged], labelled[~judged], 1)
        areas[judged] = start + slope * size[judged]
    return np.clip(areas, 0.0, 100.0)


def seen(deficit: NDArray[np.float64], sound: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which deficits (n,) exceed all but 5 % of those of the sound balls (m,)."""
    return np.asarray(deficit > np.quantile(sound, 1.0 - FALSE_CALLS))
