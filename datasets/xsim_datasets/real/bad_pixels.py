"""Hot and dead pixels of one image: what no object and no noise can do, which is to stand out from every side at once.

A radiograph is blurred before it is sampled. Along an edge or a wire a pixel passes for the interpolation of its
neighbours, and a dot, however small, is shared with them. A pixel that fails both, by more than noise and than the
structure around it explain, is bad; so are rows and columns that neither side shares (`bad_lines`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xsim_datasets.real.bad_lines import add_columns
from xsim_datasets.real.patches import AROUND, PixelNoise, lattice, mirrored, patches

__all__ = ["find_bad_pixels"]

_AXES: Final = ((0, 1), (1, 0), (1, 1), (1, -1))
_INNER: Final = [number for number, place in enumerate(AROUND) if max(map(abs, place)) == 1]
_OUTER: Final = [number for number, place in enumerate(AROUND) if max(map(abs, place)) == 2]

_ROWS: Final = 64
"""Rows that are searched at a time: they stay in the cache, and no copy of a large image is held."""

_SMALLEST_PX: Final = 16
"""Side of the smallest image that is searched: less tells nothing about its noise."""

_STRUCTURE: Final = 0.75
"""Share of the contrast around it that a pixel stands out by, at least: corners as sharp as pixels reach 2 / 3."""

_SHARPEST: Final = 4.0
"""The same in units of what 1 in 200 pixels of the image's own structure reaches."""

_MORE: Final = 0.5
"""Each neighbour that is like it raises both by this share: drilled vias of two by two pixels reach 1.4 times the
contrast of the copper around them (40 simulated boards)."""

_STRONG: Final = 20.0
"""Contrast, in standard deviations, from which on structure counts as such."""

_FEW: Final = 200
"""With fewer pixels of structure nothing is said about its sharpness."""

_ALIKE: Final = 0.5
"""Neighbours closer to a pixel than this share of what it stands out by make a cluster with it."""

_SHARED: Final = 0.05
"""Share of a pixel's deviation that its neighbours may have in the median: a dot blurred by .5 pixels (rms) gives .08,
and all indirect detectors blur by more; by 1 pixel, .5."""

_BLURRED, _MOST_SHARED = 0.3, 0.2
"""Where structure says that an image is blurred, its neighbours may have up to .2: what it reaches (see `_SHARPEST`) is
.25 and more with a blur of one pixel or less, .16 with two, where a dot gives its neighbours .8."""

_SHARED_NOISE, _SHARED_STRUCTURE = 0.5, 0.15
"""What noise, in standard deviations, and structure, as a share of its contrast, add to that."""

_LEAST_KNOWN: Final = 6
"""Good neighbours without which a pixel is not judged."""

_BATCH: Final = 2**15
"""Pixels that are looked at together: 7 MB of neighbours."""

_PASSES: Final = 6
"""Rounds in which clusters are eaten from their ends: enough for 10 pixels in a line."""


def find_bad_pixels(image: NDArray[Any]) -> NDArray[np.bool_]:
    """Return which pixels of an image (H, W) are hot, dead or stuck: single ones, small clusters, rows and columns.

    A detector that blurs by less than half a pixel, as photon-counting ones may, shows true dots that look the same.
    """
    bad = np.zeros(image.shape, bool)
    if min(image.shape) < _SMALLEST_PX:
        return bad
    noise = PixelNoise.of(image)
    add_columns(image, bad, noise)
    add_columns(image.T, bad.T, noise)
    lines = bad.copy()
    limits = _Limits.of(image, noise)
    at = np.concatenate([*_standing_out(image, noise)], axis=1)
    for _ in range(_PASSES):
        found = [part[:, _judged(_seen(image, bad, part), noise, limits)] for part in _batches(at)]
        new = np.concatenate(found, axis=1)
        if not new.size:
            return bad
        bad[tuple(new)] = True
        at = _beside(new, bad)
    # What is still being eaten is no cluster: a line that somebody has drawn.
    clusters, _ = ndimage.label(bad & ~lines, np.ones((3, 3)))
    return np.asarray(bad & ~np.isin(clusters, clusters[tuple(new)]) | lines)


@dataclass(frozen=True)
class _Seen:
    """What pixels look like among those around them, each (n,) array in grey levels towards the pixel's own side.

    Parameters
    ----------
    level : array
        Median of the neighbours.
    height : array
        The pixel less that.
    out : array
        The least by which it departs from the interpolation of its neighbours along any direction.
    contrast : array
        Range of the neighbours; three of them at either end, which may belong to a cluster, are left out.
    shared : array
        Median of the eight next neighbours less that of the sixteen around them.
    alike : array
        How many of the next neighbours are like it, or bad.
    judged : bool array
        Whether enough of the neighbours are good.
    """

    level: NDArray[np.float64]
    height: NDArray[np.float64]
    out: NDArray[np.float64]
    contrast: NDArray[np.float64]
    shared: NDArray[np.float64]
    alike: NDArray[np.intp]
    judged: NDArray[np.bool_]


def _seen(image: NDArray[Any], bad: NDArray[np.bool_], at: NDArray[np.intp]) -> _Seen:
    """Look at the pixels at places (2, n), and at their neighbours that are not bad."""
    found = patches(image, at)
    good = patches(bad, at)[:, :-1] == 0
    counts = good.sum(axis=1)
    judged = counts >= _LEAST_KNOWN
    around = np.where(good | ~judged[:, None], found[:, :-1], np.nan)
    level = _median(around)
    sign = np.where(found[:, -1] >= level, 1.0, -1.0)
    around = sign[:, None] * (around - level[:, None])
    height = sign * (found[:, -1] - level)
    out = _out(height, around)
    # NaN, of what is bad, is sorted last.
    ordered, last = np.sort(around, axis=1), np.where(judged, counts, around.shape[1]) - 4
    contrast = ordered[np.arange(len(ordered)), np.maximum(last, 0)] - ordered[:, 3]
    inner, outer = (_median(around[:, part]) for part in (_INNER, _OUTER))
    close = np.abs(around[:, _INNER] - height[:, None]) < _ALIKE * out[:, None]
    alike = np.count_nonzero(close | ~good[:, _INNER], axis=1)
    return _Seen(level, height, out, np.maximum(contrast, 0.0), inner - outer, alike, judged)


def _out(height: NDArray[np.float64], around: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the least by which pixels depart from their neighbours' interpolation along the four directions.

    Along each the neighbours next to it count, or one of the next but one, in case the next is of the same cluster.
    """
    least = np.full(len(height), np.inf)
    for dy, dx in _AXES:
        a, b, c, d = (around[:, AROUND.index((k * dy, k * dx))] for k in (-2, -1, 1, 2))
        most = np.fmax(np.fmax(height - (b + c) / 2, height - (2 * b + d) / 3), height - (a + 2 * c) / 3)
        least = np.fmin(least, np.where(np.isnan(most), height - (a + d) / 2, most))
    return np.where(np.isfinite(least), least, -np.inf)


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the medians of rows without their NaN; 0 where there is nothing else."""
    ordered, count = np.sort(values, axis=1), np.isfinite(values).sum(axis=1)
    rows = np.arange(len(values))
    return np.where(count > 0, (ordered[rows, (count - 1) // 2] + ordered[rows, count // 2]) / 2, 0.0)


@dataclass(frozen=True)
class _Limits:
    """What structure of an image reaches, and bad pixels surpass: the sharper it is, the more of it looks like them.

    Parameters
    ----------
    contrast : float
        Share of the contrast around it that a single bad pixel stands out by.
    shared : float
        Share of its deviation that its neighbours may have.
    """

    contrast: float = _STRUCTURE
    shared: float = _SHARED

    @classmethod
    def of(cls, image: NDArray[Any], noise: PixelNoise) -> _Limits:
        """Return the limits of an image (H, W) by its own structure, if it has any."""
        seen = _seen(image, np.zeros(image.shape, bool), lattice(image.shape))
        strong = seen.contrast > _STRONG * noise.at(seen.level)
        if strong.sum() < _FEW:
            return cls()
        own = float(np.quantile(seen.out[strong] / seen.contrast[strong], 0.995))
        return cls(max(_STRUCTURE, _SHARPEST * own), float(np.clip(_BLURRED - own, _SHARED, _MOST_SHARED)))


def _judged(seen: _Seen, noise: PixelNoise, limits: _Limits) -> NDArray[np.bool_]:
    """Return which pixels are bad."""
    least = limits.contrast * (1 + _MORE * seen.alike) * seen.contrast
    allowed = limits.shared * seen.height + _SHARED_NOISE * noise.at(seen.level) + _SHARED_STRUCTURE * seen.contrast
    return np.asarray(seen.judged & (seen.out > noise.limit(seen.level)) & (seen.out > least) & (seen.shared < allowed))


def _standing_out(image: NDArray[Any], noise: PixelNoise) -> Iterator[NDArray[np.intp]]:
    """Yield places (2, n) of pixels above, or below, one neighbour of each opposite pair by about more than noise."""
    margin = float(noise.limit(noise.level).min())
    for first in range(0, image.shape[0], _ROWS):
        last = min(first + _ROWS, image.shape[0])
        rows = image[mirrored(np.arange(first - 1, last + 1), image.shape[0])].astype(np.float32)
        part = np.pad(rows, ((0, 0), (1, 1)), mode="reflect")
        here = part[1:-1, 1:-1]
        low, high = np.full_like(here, -np.inf), np.full_like(here, np.inf)
        height, width = here.shape
        for dy, dx in _AXES:
            one, other = (part[1 + s * dy :, 1 + s * dx :][:height, :width] for s in (1, -1))
            np.maximum(low, np.minimum(one, other), out=low)
            np.minimum(high, np.maximum(one, other), out=high)
        y, x = np.nonzero((here > low + margin) | (here < high - margin))
        # Few enough now for the noise of their own level; the level is rough, so a little less is asked for.
        value, low, high = here[y, x], low[y, x], high[y, x]
        some = (value > low + 0.8 * noise.limit(low)) | (value < high - 0.8 * noise.limit(high))
        yield np.stack([y[some] + first, x[some]])


def _batches(at: NDArray[np.intp]) -> Iterator[NDArray[np.intp]]:
    """Yield places (2, n) some at a time; all of them at once would take a hundred times the memory of an image."""
    for first in range(0, max(at.shape[1], 1), _BATCH):
        yield at[:, first : first + _BATCH]


def _beside(at: NDArray[np.intp], bad: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return places (2, n) of pixels next to some that are not known to be bad."""
    steps = np.array([(dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1)]).T
    places = (at[:, :, None] + steps[:, None, :]).reshape(2, -1)
    places = places[:, (places >= 0).all(axis=0) & (places[0] < bad.shape[0]) & (places[1] < bad.shape[1])]
    return np.unique(places[:, ~bad[tuple(places)]], axis=1)
