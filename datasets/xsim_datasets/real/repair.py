"""Bad pixels replaced by what the good ones around them make of the smoothest surface."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, sparse
from scipy.sparse.linalg import spsolve

from xsim.errors import InputError
from xsim_datasets.real.patches import mirrored, patches

__all__ = ["check_holes", "repaired"]

_STENCIL: Final = {
    (0, 0): 20.0,
    **dict.fromkeys(((-1, 0), (0, -1), (0, 1), (1, 0)), -8.0),
    **dict.fromkeys(((-1, -1), (-1, 1), (1, -1), (1, 1)), 2.0),
    **dict.fromkeys(((-2, 0), (0, -2), (0, 2), (2, 0)), 1.0),
}
"""The Laplacian of the Laplacian: zero where a surface bends no more than it must. Blurred edges and slopes go through
it almost unchanged; the median of the neighbours, which is often used, makes steps of them."""

_WIDEST_PX: Final = 32
"""Width of the widest hole that is filled [px]: within a wider one a guess would pass for an image."""


def repaired(image: NDArray[Any], bad: NDArray[np.bool_]) -> NDArray[Any]:
    """Return an image (H, W) with bad pixels replaced from good ones alone; itself where none is bad.

    Values lie within the range of the good ones among the 24 neighbours.

    Parameters
    ----------
    image : (H, W) array
        Grey levels.
    bad : (H, W) bool array
        Which pixels are bad.

    Raises
    ------
    InputError
        If a hole is wider than 32 pixels.
    """
    if not bad.any():
        return image
    at = np.array(np.nonzero(bad))
    check_holes(bad)
    values = _smoothest(image, bad, at)
    around = np.where(patches(bad, at)[:, :-1] == 0, patches(image, at)[:, :-1], np.nan)
    some = np.isfinite(around).any(axis=1)
    # Within a wide hole there are none: what is known beside all holes bounds it.
    low, high = np.full(len(values), np.nanmin(around)), np.full(len(values), np.nanmax(around))
    low[some], high[some] = np.nanmin(around[some], axis=1), np.nanmax(around[some], axis=1)
    values = np.clip(values, low, high)
    mended = image.copy()
    mended[tuple(at)] = np.rint(values) if image.dtype.kind in "ui" else values
    return mended


def check_holes(bad: NDArray[np.bool_]) -> None:
    """Refuse bad pixels (H, W) that no neighbour says anything about.

    Raises
    ------
    InputError
        If a hole is wider than 32 pixels.
    """
    if np.count_nonzero(bad) > _WIDEST_PX**2 // 2:
        depth = ndimage.distance_transform_cdt(np.pad(bad, 1, constant_values=bad.all()), "chessboard").max()
        if 2 * depth > _WIDEST_PX or bad.all():
            y, x = (int(place[0]) for place in np.nonzero(bad))
            raise InputError(
                f"a hole of bad pixels is wider than {_WIDEST_PX} px ({np.count_nonzero(bad)} are bad, the first at "
                f"x={x} y={y}): cut it out, or check the flats and the map of bad pixels"
            )


def _smoothest(image: NDArray[Any], bad: NDArray[np.bool_], at: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return what the smoothest surface through the good pixels has at the bad ones, at places (2, n)."""
    height, width = image.shape
    number = np.full(bad.shape, -1, np.int32)
    number[tuple(at)] = np.arange(at.shape[1])
    rows, columns, weights = [], [], []
    wanted = np.zeros(at.shape[1])
    for (dy, dx), weight in _STENCIL.items():
        y, x = mirrored(at[0] + dy, height), mirrored(at[1] + dx, width)
        other = number[y, x]
        unknown = other >= 0
        rows.append(np.flatnonzero(unknown))
        columns.append(other[unknown])
        weights.append(np.full(np.count_nonzero(unknown), weight))
        wanted -= np.where(unknown, 0.0, weight * image[y, x].astype(np.float64))
    system = sparse.csc_matrix(
        (np.concatenate(weights), (np.concatenate(rows), np.concatenate(columns))), shape=(wanted.size, wanted.size)
    )
    return np.asarray(spsolve(system, wanted)).reshape(-1)
