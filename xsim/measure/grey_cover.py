"""Which grey levels the images behind a grey-level link have shown: between them the link is a guess."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["shown_greys", "unseen_ranges"]

_BIN = 0.02
# Steps and boards fill the levels that they show; flanks between two steps leave fewer pixels in each level.
_SHARE = 0.002
_WIDEST = 0.2


def shown_greys(images: Iterable[ArrayLike]) -> NDArray[np.float64]:
    """Return the grey levels, 0.02 apart and rising, that at least 0.2 % of the pixels of some image have.

    Parameters
    ----------
    images : iterable of (H, W) arrays
        Images, open field = 1.
    """
    edges = np.arange(0.0, 1.0 + 2 * _BIN, _BIN) - 0.5 * _BIN
    shown = np.zeros(edges.size - 1, dtype=bool)
    for image in images:
        pixels = np.asarray(image, dtype=np.float64).ravel()
        shown |= np.histogram(pixels, edges)[0] >= _SHARE * pixels.size
    return (0.5 * (edges[1:] + edges[:-1]))[shown]


def unseen_ranges(greys: ArrayLike) -> list[tuple[float, float]]:
    """Return the ranges wider than 0.2 between neighbouring grey levels (n,), and from the brightest to the open field.

    What is darker than the darkest level is beyond the link, not between its levels, and is not counted.
    """
    levels = np.append(np.sort(np.asarray(greys, dtype=np.float64)), 1.0)
    return [(float(low), float(high)) for low, high in pairwise(levels) if high - low > _WIDEST]
