"""One restoration in all eight orientations of an image, turned back and averaged.

A network is not quite the same in all directions, and what differs between them averages out; eight times the work.
What is the same in all directions, as the filters are, gains nothing.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:  # settings know the number of orientations, and are read before torch is loaded
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xsim_zoo.process.grid import Pixels

__all__ = ["ORIENTATIONS", "averaged"]

# Those that keep an oblong image's shape come first: the maps of its grid are made anew where the shape changes.
_TURNS: Final = tuple((quarters, mirrored) for quarters in (0, 2, 1, 3) for mirrored in (False, True))

ORIENTATIONS: Final = len(_TURNS)
"""Four turns, each as it is and mirrored: how many times the work it is."""

_ROWS = 512
"""Rows that are added at a time, to hold few copies of a large image."""


def averaged(image: Pixels, restore: Callable[[Pixels], NDArray[np.float32]]) -> NDArray[np.float32]:
    """Return the mean answer over all orientations of an image.

    Parameters
    ----------
    image : Pixels
        The image (H, W); turned ones are views of it.
    restore : callable
        Returns the answer, of the shape of what it is given.

    Returns
    -------
    (H, W) float32 array
        In the image's own orientation; pixels are moved, never interpolated.
    """
    mean = np.zeros(image.shape, np.float32)
    for number, (quarters, mirrored) in enumerate(_TURNS):
        turned = replace(image, stored=_turned(image.stored, quarters, mirrored=mirrored))
        answer = _back(restore(turned), quarters, mirrored=mirrored)
        for first in range(0, len(mean), _ROWS):
            rows = slice(first, first + _ROWS)
            mean[rows] += (answer[rows] - mean[rows]) / (number + 1)
    return mean


def _turned(image: NDArray[Any], quarters: int, *, mirrored: bool) -> NDArray[Any]:
    return np.rot90(image[:, ::-1] if mirrored else image, quarters)


def _back(image: NDArray[Any], quarters: int, *, mirrored: bool) -> NDArray[Any]:
    turned = np.rot90(image, -quarters)
    return turned[:, ::-1] if mirrored else turned
