"""Bad pixels by kind, and the clusters and lines that they form, in the manner of ASTM E2597.

Each kind is judged from shots of its own, and is not told where they are missing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from xsim.errors import InputError
from xsim.measure.checks import grey_image

__all__ = ["KINDS", "BadPixels", "Cluster", "bad_pixels", "clusters_of"]

KINDS = ("dead", "over", "under", "noisy", "non-uniform", "persistent", "neighbourhood")
"""Kinds of bad pixels (E2597; quoted in public at x-ray-forum.net, "Bad Pixel Management")."""

# A pixel that keeps less than this of its neighbours' response is taken to have none.
_NO_RESPONSE = 0.05
# Response against the median of 21 x 21 pixels, noise against the median noise: the standard's limits.
_OVER, _UNDER, _NOISY = 1.3, 0.6, 6.0
_AREA_PX, _NEAR_PX = 21, 9
# Departure of a corrected mean image from the median of 9 x 9, and of a frame after exposure, as a factor.
_UNIFORM, _PERSISTENT = 0.01, 2.0
# Noise of so many deviations makes no bad pixel.
_SIGMAS = 5.0
# Frames without radiation from which the standard takes the noise; fewer than the first are refused.
_FEWEST, _FRAMES = 10, 30
# Fewer good neighbours than this, and interpolation has nothing to stand on: a cluster kernel pixel.
_GOOD_NEIGHBOURS = 5
# A line has more bad pixels in a row than this, and beside it no more than this share of its length.
_LINE_PX, _BESIDE = 10, 0.1


@dataclass(frozen=True)
class Cluster:
    """Two or more bad pixels that touch by a side or a corner.

    Parameters
    ----------
    y, x : int
        Its first pixel.
    pixels, kernels : int
        How many bad pixels it has, and how many of them have fewer than five good neighbours.
    line : bool
        Whether it is a segment of a row or a column.
    """

    y: int
    x: int
    pixels: int
    kernels: int
    line: bool

    @property
    def relevant(self) -> bool:
        """Whether it has a kernel, so that interpolation cannot mend it."""
        return self.kernels > 0

    @property
    def name(self) -> str:
        """Return the standard's kind of name: ``rel3-17`` for 3 kernels among 17 pixels, else ``17``; ``line``."""
        size = f"rel{self.kernels}-{self.pixels}" if self.relevant else str(self.pixels)
        return f"line {size}" if self.line else size


@dataclass(frozen=True)
class BadPixels:
    """The bad pixels of a detector.

    Parameters
    ----------
    map : (H, W) bool array
        All of them.
    kinds : dict of text to int
        How many there are of each kind that could be judged; a pixel may be of several.
    clusters : tuple of Cluster
        Groups of two or more, the largest first.
    singles : int
        Bad pixels with good neighbours only.
    warnings : tuple of str
        Caveats of the measurement.
    """

    map: NDArray[np.bool_]
    kinds: dict[str, int]
    clusters: tuple[Cluster, ...]
    singles: int
    warnings: tuple[str, ...] = ()

    @property
    def count(self) -> int:
        """Return the number of bad pixels."""
        return int(self.map.sum())

    @property
    def share(self) -> float:
        """Return the share of all pixels that are bad."""
        return float(self.map.mean())


def bad_pixels(
    *,
    dark: Sequence[ArrayLike] = (),
    raw: Sequence[ArrayLike] = (),
    corrected: Sequence[ArrayLike] = (),
    after: ArrayLike | None = None,
) -> BadPixels:
    """Find bad pixels.

    Parameters
    ----------
    dark : sequence of (H, W) arrays
        Frames without radiation: the noisy pixels, and the offset of ``raw``.
    raw : sequence of (H, W) arrays
        Flat frames without gain correction or repair: the dead, over- and under-responding pixels.
    corrected : sequence of (H, W) arrays
        Flat frames, offset and gain corrected, of one exposure: the non-uniform pixels.
    after : (H, W) array, optional
        The first frame after the beam went off, offset corrected: the persistent pixels.

    Raises
    ------
    InputError
        If no shots are given, they differ in size, are too few, or ``raw`` frames hold no signal.
    """
    stacks = [
        np.array([grey_image(frame, smallest_px=_AREA_PX) for frame in frames])
        for frames in _sized(dark, raw, corrected)
    ]
    offset, response, uniform = stacks
    found: dict[str, NDArray[np.bool_]] = {}
    caveats: list[str] = []
    if response.size:
        if not offset.size:
            caveats.append("no dark frames: the flats without gain correction are taken to be offset corrected")
        found |= _response(response, offset)
    if offset.size:
        found["noisy"] = _noisy(offset, caveats)
    if uniform.size:
        found["non-uniform"] = _non_uniform(uniform.mean(axis=0), caveats)
    if after is not None:
        found["persistent"] = _persistent(grey_image(after, smallest_px=_AREA_PX))
    if not found or len({places.shape for places in found.values()}) > 1:
        raise InputError("bad pixels: give dark frames, flats or frames after an exposure, all of one size")
    bad = np.logical_or.reduce(list(found.values()))
    found["neighbourhood"] = ~bad & (_bad_neighbours(bad) == 8)
    bad |= found["neighbourhood"]
    clusters, singles = clusters_of(bad)
    kinds = {kind: int(found[kind].sum()) for kind in KINDS if kind in found}
    return BadPixels(bad, kinds, clusters, singles, tuple(caveats))


def _sized(*stacks: Sequence[ArrayLike]) -> tuple[Sequence[ArrayLike], ...]:
    """Return the stacks of frames if all frames are of one shape."""
    if len({np.shape(frame) for frames in stacks for frame in frames}) > 1:
        raise InputError("bad pixels: frames differ in size: give frames of one detector")
    return stacks


def _response(raw: NDArray[np.float64], dark: NDArray[np.float64]) -> dict[str, NDArray[np.bool_]]:
    """Return the dead, over- and under-responding pixels from flats and dark frames (n, H, W)."""
    signal = raw.mean(axis=0) - (dark.mean(axis=0) if dark.size else 0.0)
    usual = _area_median(signal)
    if not (usual > 0).all():
        raise InputError("flats without gain correction hold no signal above the dark frames: give exposed flats")
    dead = signal < _NO_RESPONSE * usual
    return {"dead": dead, "over": signal > _OVER * usual, "under": (signal < _UNDER * usual) & ~dead}


def _area_median(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the median of each pixel's area, an even tiling of 21 x 21 pixels or a little more, (H, W)."""
    height, width = image.shape
    rows, columns = (np.array_split(np.arange(side), max(side // _AREA_PX, 1)) for side in (height, width))
    medians = np.array([[np.median(image[y[0] : y[-1] + 1, x[0] : x[-1] + 1]) for x in columns] for y in rows])
    down, across = (np.repeat(np.arange(len(part)), [p.size for p in part]) for part in (rows, columns))
    return np.asarray(medians[np.ix_(down, across)])


def _noisy(dark: NDArray[np.float64], caveats: list[str]) -> NDArray[np.bool_]:
    if len(dark) < _FEWEST:
        raise InputError(f"{len(dark)} dark frames tell no pixel's noise: give {_FRAMES} or more")
    if len(dark) < _FRAMES:
        caveats.append(f"{len(dark)} dark frames of the {_FRAMES} to 100 that E2597 takes")
    sigma = dark.std(axis=0, ddof=1)
    usual = float(np.median(sigma))
    if usual == 0:
        raise InputError("dark frames are equal: they hold no noise: give frames as the detector gave them")
    return np.asarray(sigma > _NOISY * usual)


def _non_uniform(mean: NDArray[np.float64], caveats: list[str]) -> NDArray[np.bool_]:
    usual = ndimage.median_filter(mean, size=_NEAR_PX, mode="nearest")
    if not (usual > 0).all():
        raise InputError("corrected flats are not positive: give exposed flats")
    departure = mean / usual - 1
    noise = 1.4826 * float(np.median(np.abs(departure)))
    limit = max(_UNIFORM, _SIGMAS * noise)
    if limit > _UNIFORM:
        caveats.append(
            f"the mean flat's noise of {100 * noise:.2g} % hides departures of 1 %: the limit is {100 * limit:.2g} %, "
            "give more frames"
        )
    return np.asarray(np.abs(departure) > limit)


def _persistent(after: NDArray[np.float64]) -> NDArray[np.bool_]:
    usual = ndimage.median_filter(after, size=_NEAR_PX, mode="nearest")
    noise = 1.4826 * float(np.median(np.abs(after - usual)))
    # Where next to nothing is left, twice nothing is noise.
    return np.asarray((after > _PERSISTENT * np.maximum(usual, 0)) & (after - usual > _SIGMAS * noise))


def _bad_neighbours(bad: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return how many of each pixel's eight neighbours are bad; beyond the rim none is good."""
    ring = np.ones((3, 3), dtype=np.int64)
    ring[1, 1] = 0
    return np.asarray(ndimage.convolve(bad.astype(np.int64), ring, mode="constant", cval=1))


def clusters_of(bad: NDArray[np.bool_]) -> tuple[tuple[Cluster, ...], int]:
    """Return the clusters of a map (H, W) of bad pixels, the largest first, and the number of single bad pixels."""
    labels, count = ndimage.label(bad, structure=np.ones((3, 3)))
    kernels = bad & (8 - _bad_neighbours(bad) < _GOOD_NEIGHBOURS)
    clusters, singles = [], 0
    for index, box in enumerate(ndimage.find_objects(labels), start=1):
        part = labels[box] == index
        pixels = int(part.sum())
        if pixels == 1:
            singles += 1
            continue
        y, x = np.argwhere(part)[0]
        inside = int((kernels[box] & part).sum())
        clusters.append(Cluster(int(y + box[0].start), int(x + box[1].start), pixels, inside, _is_line(part)))
    assert len(clusters) + singles == count
    return tuple(sorted(clusters, key=lambda one: (-one.pixels, one.y, one.x))), singles


def _is_line(part: NDArray[np.bool_]) -> bool:
    """Tell whether a cluster is more than ten pixels in a row or column, with next to nothing beside them."""
    longest = 0
    for lines in (part, part.T):
        for line in lines:
            runs = Counter(ndimage.label(line)[0][line].tolist())
            longest = max(longest, *runs.values(), 0) if runs else longest
    return longest > _LINE_PX and int(part.sum()) - longest <= _BESIDE * longest
