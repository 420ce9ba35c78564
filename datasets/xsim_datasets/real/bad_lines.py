"""Rows and columns of an image, one or two wide, that neither side of them shares: dead lines of a detector.

A wire that lies along the rows is shared by its neighbours, as every blur is; an edge lies between its sides.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xsim_datasets.real.patches import PixelNoise

__all__ = ["add_columns"]

_PIECE_PX: Final = 128
"""Length of the pieces that are judged [px]: a median of so many knows a tenth of their noise."""

_SHORTEST_PX: Final = 32
"""Length of the shortest piece that is judged [px]."""

_ONE_SIDED: Final = 0.3
"""Share of a piece beyond one half that lies on one side of its neighbours: noise reaches .2 in no image ever."""

_LEAST_SIGMAS: Final = 3.0
"""Deviation of a bad line in standard deviations of a pixel: those below are gain, not defects."""

_STRUCTURE: Final = 2.0
"""The same in units of the contrast of the lines around it: objects have faint lines beside strong ones."""

_SHARED: Final = 0.08
"""Share of a line's deviation that those beside it may have: blur by .5 pixels (rms) gives .16."""

_SHARED_NOISE: Final = 0.1
"""What noise adds to that, in standard deviations of a pixel."""

_BESIDE_PX: Final = 3
"""Columns on either side that a bad one is compared with."""

_SMOOTH_PX: Final = 9
"""Pixels along a line whose median says whether it is bad there."""


def add_columns(image: NDArray[Any], bad: NDArray[np.bool_], noise: PixelNoise) -> None:
    """Mark in ``bad`` (H, W) the columns of an image, or long parts of them, that are bad."""
    height, width = image.shape
    if height < _SHORTEST_PX or width < 2 * _SHORTEST_PX:
        return
    pieces = max(1, height // _PIECE_PX)
    bounds = [height * number // pieces for number in range(pieces + 1)]
    found: dict[int, NDArray[np.bool_]] = {}
    for first, last in pairwise(bounds):
        for x, wide, deviation in _bad_in(image[first:last].astype(np.float32), noise):
            beside = (image[:, x - 1].astype(float) + image[:, x + wide]) / 2
            for column in range(x, x + wide):
                # A column goes on to both ends as long as it departs by half as much.
                smooth = ndimage.median_filter(image[:, column] - beside, _SMOOTH_PX, mode="nearest")
                parts, _ = ndimage.label(smooth * np.sign(deviation) > abs(deviation) / 2)
                inside = np.unique(parts[first:last])
                found[column] = found.get(column, False) | np.isin(parts, inside[inside > 0])
    for column, part in found.items():
        # Behind metal it departs by less; what lies between two parts of a dead line is dead as well.
        before, after = (np.logical_or.accumulate(one) for one in (part, part[::-1]))
        bad[:, column] |= before & after[::-1]


def _bad_in(part: NDArray[np.float32], noise: PixelNoise) -> Iterator[tuple[int, int, float]]:
    """Yield the columns of a piece (rows, W) that are bad: the first of each, how many, and their deviation."""
    width = part.shape[1]
    apart = part[:, 1:-1] - (part[:, :-2] + part[:, 2:]) / 2
    one_sided = np.maximum(*(np.count_nonzero(side, axis=0) for side in (apart > 0, apart < 0))) / len(part)
    some = np.flatnonzero(one_sided > 0.5 + _ONE_SIDED)
    # Most of these are smooth, and depart by nothing; one of a bad pair departs by half of what it is off.
    sd = noise.at(np.median(part[:, some], axis=0))
    some = some[np.abs(np.median(apart[:, some], axis=0)) > _LEAST_SIGMAS / 2 * sd]
    for x in some + 1:
        for first, wide in ((x, 1), (x, 2), (x - 1, 2)):
            if first < _BESIDE_PX or first + wide + _BESIDE_PX > width:
                continue
            deviation = _deviation(part[:, first - _BESIDE_PX : first + wide + _BESIDE_PX], noise)
            if deviation:
                yield int(first), wide, deviation
                break


def _deviation(part: NDArray[np.float32], noise: PixelNoise) -> float:
    """Return by how much the columns in the middle of a piece depart from both sides; 0 if they are not bad."""
    beside, bad = [*range(_BESIDE_PX), *range(-_BESIDE_PX, 0)], range(_BESIDE_PX, part.shape[1] - _BESIDE_PX)
    left, right = part[:, bad.start - 1], part[:, bad.stop]
    steps = np.array([np.median(part[:, column] - side) for column in bad for side in (left, right)])
    least, sign = np.abs(steps).min(), np.sign(steps[0])
    contrast = np.ptp([np.median(part[:, column] - left) for column in beside])
    shared = sign * np.median((left + right - part[:, bad.start - 2] - part[:, bad.stop + 1]) / 2)
    sd = float(noise.at(np.median(left)))
    found = (
        (np.sign(steps) == sign).all()
        and least > max(_LEAST_SIGMAS * sd, _STRUCTURE * contrast, np.abs(steps).max() / 2)
        and shared < _SHARED * least + _SHARED_NOISE * sd
    )
    return float(sign * least) if found else 0.0
