"""Grey levels as a page carries them: 16 bits a pixel, packed, and as few as a page may weigh.

A page holds two planes of bytes, high and low, of the steps from pixel to pixel along a row; packed so, a radiograph
takes about two thirds of its bytes. Integers of up to 16 bits come through exactly.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["MOST_PX", "Part", "Plane", "factor_for", "plane_of", "reduced"]

MOST_PX: Final = 2**22
"""Pixels of an image in a page, which then weighs 25 MB at most: browsers open it at once."""

_LEVELS: Final = 65535


@dataclass(frozen=True)
class Plane:
    """An image as a page carries it: grey = offset + step * stored.

    Parameters
    ----------
    stored : (h, w) uint16 array
        What is packed.
    offset, step : float
        How grey levels follow from it.
    """

    stored: NDArray[np.uint16]
    offset: float
    step: float

    def packed(self) -> str:
        """Return the pixels as text: base 64 of zlib of both planes of bytes."""
        steps = self.stored.copy()
        steps[:, 1:] -= self.stored[:, :-1]  # modulo 2^16, which the page undoes
        high, low = (steps >> 8).astype(np.uint8), (steps & 255).astype(np.uint8)
        return base64.b64encode(zlib.compress(high.tobytes() + low.tobytes(), 6)).decode()


@dataclass(frozen=True)
class Part:
    """Which pixels of an image a view of the page shows, and how many of them are one of the page's.

    Parameters
    ----------
    name : str
        For people.
    rows, columns : slice
        The part [px].
    factor : int
        Pixels along each side whose mean is one pixel of the page.
    """

    name: str
    rows: slice
    columns: slice
    factor: int = 1

    def of(self, image: NDArray[Any]) -> NDArray[Any]:
        """Return the part of an image (H, W)."""
        return reduced(image[self.rows, self.columns], self.factor)


def factor_for(shape: tuple[int, int], most_px: int = MOST_PX) -> int:
    """Return the least factor by which the sides of an image must be reduced to hold at most so many pixels."""
    factor = 1
    while -(-shape[0] // factor) * -(-shape[1] // factor) > most_px:
        factor += 1
    return factor


def reduced(image: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return the means of squares of ``factor`` pixels, smaller ones at the ends; of factor 1 the image itself."""
    if factor == 1:
        return image
    rows, columns = (np.arange(0, side, factor) for side in image.shape)
    # Rows first: only one image in factor ever exists in double precision.
    sums = np.add.reduceat(np.add.reduceat(image, rows, axis=0, dtype=np.float64), columns, axis=1)
    counts = [
        np.diff([*starts, side]).astype(np.float64) for starts, side in zip((rows, columns), image.shape, strict=True)
    ]
    return np.asarray(sums / np.outer(*counts))


def plane_of(image: NDArray[Any], turned: Callable[[float], float] = float, *, levels: int = _LEVELS) -> Plane:
    """Return an image (h, w) as a page carries it.

    Parameters
    ----------
    image : array
        Grey levels as they are held in memory.
    turned : callable
        Gives the grey level of the file for one that is held; straight, so two levels tell all of it.
    levels : int
        Steps between the lowest and the highest grey of what is no integer of 16 bits.
    """
    low, high = float(image.min()), float(image.max())
    if image.dtype.kind in "ui" and high - low <= _LEVELS:
        stored, step = (image.astype(np.int64) - int(low)).astype(np.uint16), 1.0
    else:
        step = (high - low) / levels or 1.0
        stored = np.rint((image.astype(np.float64) - low) / step).astype(np.uint16)
    origin = turned(low)
    return Plane(stored, origin, turned(low + step) - origin)
