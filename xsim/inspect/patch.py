"""The pixels around one ball: what is fitted, how the detector shows it, and what may be on the board under it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from xsim.inspect.sight import Sight, transfer_of

__all__ = ["Patch", "cut_patch"]

Array = NDArray[np.float64]

_TAIL_PX = 8
"""Pixels around those that are fitted: how far a whitened blur reaches."""

_BUMP, _BUMP_WIDTH = 0.3, 0.75
"""Distance of the bumps that make up the background [radii], and their width [of the distance]: traces are a third to a
half of a ball wide, and what is finer is noise."""

_LEAST_BUMP_PX = 3.0
"""Their least distance [px]: what a blurred image can tell apart."""

_LEAST_STRUCTURE = 0.03
"""Least spread of the background's optical density: a trace of half an ounce on an inner layer is .1."""


@dataclass(eq=False)
class Patch:
    """Pixels around one ball.

    Parameters
    ----------
    data : (h, w) array
        The whitened image.
    top, left : int
        Row and column of its first pixel in the image.
    use : (h, w) bool array
        Pixels that are fitted.
    inside : (h, w) array
        1 where the object is modelled, 0 where the image itself stands for it.
    outside : (h, w) array
        What shines in from there.
    base : (h, w) array
        Background: a plane of optical density, through what surrounds the ball.
    bumps : (B, h, w) array
        What the background's density may differ from it by, each of 1.
    inner : (B,) bool array
        Those under the ball.
    structure : float
        Spread of the background's density around the ball.
    weight : (h, w) array
        One over the standard deviation of each pixel.
    doubt : float
        Factor on the noise by which it is told what would be seen.
    """

    data: Array
    top: int
    left: int
    use: NDArray[np.bool_]
    inside: Array
    outside: Array
    base: Array
    bumps: Array
    inner: NDArray[np.bool_]
    structure: float
    weight: Array
    _transfer: Array = field(repr=False)
    _size: tuple[int, int] = field(repr=False)
    doubt: float = 1.0

    @property
    def shape(self) -> tuple[int, int]:
        """Return (h, w)."""
        return int(self.data.shape[0]), int(self.data.shape[1])

    def seen(self, maps: Array) -> Array:
        """Return maps (..., h, w) of pixel means as the detector shows them."""
        height, width = self.shape
        # Single precision is a millionth of the light, a thousandth of the noise, and half of the time.
        spectrum = scipy.fft.rfft2(np.asarray(maps, dtype=np.float32), s=self._size)
        spectrum *= self._transfer.astype(np.float32)
        return np.asarray(scipy.fft.irfft2(spectrum, s=self._size)[..., :height, :width], dtype=np.float64)

    def matched(self, kernel: Array, left: Array, power: Array) -> tuple[Array, Array]:
        """Return, for every place, how a small thing there agrees with what is left, and what it would be alone.

        Parameters
        ----------
        kernel : (n, n) array
            The thing, in a square of odd side.
        left, power : (h, w) arrays
            Residuals times weights, and weights, both times how much of the thing is seen.

        Returns
        -------
        agreement, own : (h, w) arrays
            ``agreement**2 / own`` is the fall of the sum of squares by the thing at its best strength.
        """
        half = kernel.shape[0] // 2
        whole = np.zeros(self._size)
        whole[: kernel.shape[0], : kernel.shape[1]] = kernel
        spectrum = scipy.fft.rfft2(np.roll(whole, (-half, -half), axis=(0, 1))) * self._transfer
        shown = scipy.fft.irfft2(spectrum, s=self._size)
        found = []
        for maps, template in ((left, shown), (power, shown**2)):
            spectrum = scipy.fft.rfft2(maps, s=self._size) * np.conj(scipy.fft.rfft2(template))
            found.append(scipy.fft.irfft2(spectrum, s=self._size)[: self.shape[0], : self.shape[1]])
        return found[0], found[1]

    def distance(self, y: float, x: float) -> Array:
        """Return the distance of each pixel from a place of the image [px]."""
        rows, columns = np.ogrid[self.top : self.top + self.shape[0], self.left : self.left + self.shape[1]]
        return np.asarray(np.hypot(rows - y, columns - x))


def cut_patch(sight: Sight, y: float, x: float, radius: float, reach: float) -> Patch:
    """Cut out the pixels around a ball.

    Parameters
    ----------
    sight : Sight
        The whitened image.
    y, x, radius : float
        Where the ball is thought to be [px].
    reach : float
        How far around its centre pixels are fitted [px].
    """
    half = math.ceil(reach + _TAIL_PX)
    height, width = sight.grey.shape
    top, left = max(round(y) - half, 0), max(round(x) - half, 0)
    window = np.s_[top : min(round(y) + half + 1, height), left : min(round(x) + half + 1, width)]
    data = sight.grey[window]
    rows, columns = np.mgrid[top : top + data.shape[0], left : left + data.shape[1]]
    distance = np.hypot(rows - y, columns - x)
    size = (
        scipy.fft.next_fast_len(data.shape[0] + 2 * _TAIL_PX, real=True),
        scipy.fft.next_fast_len(data.shape[1] + 2 * _TAIL_PX, real=True),
    )
    inside = np.clip(reach + 0.5 - distance, 0.0, 1.0)
    own = scipy.fft.rfft2(inside * sight.object_grey[window], s=size) * transfer_of(size, sight.optics)
    outside = sight.blurred[window] - scipy.fft.irfft2(own, s=size)[: data.shape[0], : data.shape[1]]
    base, structure = _background(data, rows - y, columns - x, radius, reach)
    bumps, inner = _bumps(rows - y, columns - x, radius, reach)
    return Patch(
        data,
        top,
        left,
        distance <= reach - 1.0,
        inside,
        outside,
        base,
        bumps,
        inner,
        max(structure, _LEAST_STRUCTURE),
        1.0 / sight.noise[window],
        transfer_of(size, sight.optics, without_pixel=True),
        size,
        sight.optics.doubt,
    )


def _background(data: Array, rows: Array, columns: Array, radius: float, reach: float) -> tuple[Array, float]:
    """Return a background (h, w) whose density is a plane through the ring around the ball, and the ring's spread."""
    density = np.log(np.maximum(gaussian_filter(data, 1.5), 1e-3))
    distance = np.hypot(rows, columns)
    ring = (distance > radius + max(2.0, 0.25 * (reach - radius))) & (distance <= reach)
    design = np.stack([np.ones(int(ring.sum())), rows[ring] / radius, columns[ring] / radius], axis=1)
    plane = np.linalg.lstsq(design, density[ring], rcond=None)[0]
    left = density[ring] - design @ plane
    spread = 1.4826 * float(np.median(np.abs(left - np.median(left))))
    slope = plane[1] * rows / radius + plane[2] * columns / radius
    return np.exp(plane[0] + np.clip(slope, -0.7, 0.7)), spread


def _bumps(rows: Array, columns: Array, radius: float, reach: float) -> tuple[Array, NDArray[np.bool_]]:
    """Return round bumps (B, h, w) on a square grid around the ball, and which of them lie under it."""
    step = max(_BUMP * radius, _LEAST_BUMP_PX)
    count = int(reach / step) + 1
    steps = [(i, j) for i in range(-count, count + 1) for j in range(-count, count + 1)]
    centres = [(step * i, step * j) for i, j in steps if math.hypot(i, j) * step <= reach + 0.3 * step]
    width = _BUMP_WIDTH * step
    bumps = np.stack([np.exp(-0.5 * ((rows - a) ** 2 + (columns - b) ** 2) / width**2) for a, b in centres])
    # Independent bumps of spread 1 make a background of spread 1.
    norm = float(np.median(np.sqrt((bumps**2).sum(axis=0))[np.hypot(rows, columns) < radius]))
    return bumps / norm, np.array([math.hypot(a, b) < radius for a, b in centres])
