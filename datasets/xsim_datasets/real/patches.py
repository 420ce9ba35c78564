"""Pixels with their neighbours, and the noise by which a pixel departs from them: for the search for bad ones."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["AROUND", "PixelNoise", "lattice", "mirrored", "patches"]

AROUND: Final = tuple((dy, dx) for dy in range(-2, 3) for dx in range(-2, 3) if (dy, dx) != (0, 0))
"""Places of the 24 neighbours in 5 x 5 pixels, (y, x)."""

_FOUR: Final = [AROUND.index(place) for place in ((-1, 0), (0, -1), (0, 1), (1, 0))]

_LOG_ODDS: Final = 25.0
"""Noise alone reaches its limit with odds of exp(-25), in no image ever; Gaussian noise needs 7 standard deviations."""

_SAMPLES: Final = 2**13
"""Pixels that an image is judged by, about: 16 levels of 500 pixels, whose noise is known to 6 %."""

_LEVELS: Final = 16

_LEAST_RANGE: Final = 1e-3
"""Share of an image's range that never counts as a defect: images without noise have rounding and interpolation."""


@dataclass(frozen=True)
class PixelNoise:
    """Noise of a pixel less the mean of its four neighbours, by grey level.

    Parameters
    ----------
    level, sd : (n,) arrays
        Grey levels, rising, and the standard deviation there.
    quantum : float
        Grey level of a quantum, if all noise of the brightest part were quantum noise: tails of few quanta are longer
        than Gaussian.
    """

    level: NDArray[np.float64]
    sd: NDArray[np.float64]
    quantum: float

    @classmethod
    def of(cls, image: NDArray[Any]) -> PixelNoise:
        """Measure the noise of an image (H, W)."""
        found = patches(image, lattice(image.shape))
        residual = found[:, -1] - found[:, _FOUR].mean(axis=1)
        medians = np.median(found[:, :-1], axis=1)
        bins = np.array_split(np.argsort(medians, kind="stable"), _LEVELS)
        level = np.array([np.median(medians[one]) for one in bins])
        # 1.48 median absolute deviations are a standard deviation where structure is rare.
        sd = np.array([1.48 * np.median(np.abs(residual[one])) for one in bins])
        span = float(level[-1] - level[0])
        floor = max(_LEAST_RANGE * span, 0.5 if image.dtype.kind in "ui" else 1e-6 * abs(float(level[-1])))
        sd = np.maximum(sd, floor)
        # The mean: where quanta are few the median may be none at all.
        brightest = float(found[bins[-1], :-1].mean())
        return cls(level, sd, float(sd[-1] ** 2) / brightest if brightest > 0 else 0.0)

    def at(self, level: ArrayLike) -> NDArray[np.float64]:
        """Return the standard deviation at grey levels."""
        return np.asarray(np.interp(np.asarray(level, float), self.level, self.sd))

    def limit(self, level: NDArray[Any]) -> NDArray[np.float64]:
        """Return the deviation that noise does not reach, by Bernstein's inequality for sums of quanta."""
        jump = _LOG_ODDS / 3 * self.quantum
        return np.asarray(jump + np.sqrt(jump**2 + 2 * _LOG_ODDS * self.at(level) ** 2))


def lattice(shape: tuple[int, ...]) -> NDArray[np.intp]:
    """Return places (2, n) all over an image of a shape (H, W); no period of an object is met always in one phase."""
    step = max(1, int(np.sqrt(shape[0] * shape[1] / _SAMPLES)))
    y, x = np.meshgrid(np.arange(step // 2, shape[0], step), np.arange(step // 2, shape[1], step), indexing="ij")
    return np.stack([y.ravel(), ((x + y * 7 // 3) % shape[1]).ravel()])


def patches(image: NDArray[Any], at: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return the neighbours of pixels at places (2, n) in the order of `AROUND`, and last the pixels, (n, 25)."""
    height, width = image.shape
    found = np.empty((at.shape[1], 25))
    for number, (dy, dx) in enumerate((*AROUND, (0, 0))):
        found[:, number] = image[mirrored(at[0] + dy, height), mirrored(at[1] + dx, width)]
    return found


def mirrored(at: NDArray[np.intp], length: int) -> NDArray[np.intp]:
    """Return places along an axis with those outside mirrored at the first and the last pixel."""
    return np.asarray(length - 1 - np.abs(length - 1 - np.abs(at)))
