"""Flat-field images: are they flat, and what is left of them when the beam's slow variation is taken away."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from xsim.errors import InputError
from xsim.measure.checks import check_not_clipped, grey_image

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["check_flats", "flatten", "mend_outliers"]

# Structure in means over _BLOCK x _BLOCK pixels, as a share of the mean grey: not a flat field; doubtful.
_BLOCK = 16
_STRUCTURE_REFUSED = 0.1
_STRUCTURE_WARNED = 0.02
# Outliers beyond this many standard deviations; more than this share of them is not a few bad pixels.
_OUTLIER_SIGMAS = 7.0
_OUTLIER_SHARE = 0.002


def check_flats(
    frames: Sequence[ArrayLike], *, full_scale: float | None = None
) -> tuple[list[NDArray[np.float64]], tuple[str, ...]]:
    """Return the frames as finite float64 arrays of one shape, and caveats.

    Raises
    ------
    InputError
        If there are none, or one is unlike the others, constant, saturated, not positive or not flat.
    """
    if len(frames) == 0:
        raise InputError("no flat frames: give at least one, better 20 or more")
    flats = [grey_image(frame, smallest_px=64) for frame in frames]
    caveats: list[str] = []
    for index, flat in enumerate(flats):
        name = f"flat frame {index + 1}"
        if flat.shape != flats[0].shape:
            raise InputError(f"{name} has {flat.shape}, the first {flats[0].shape} pixels: give frames of one size")
        if flat.mean() <= 0:
            raise InputError(f"{name} has mean {flat.mean():.3g}: give flats with exposure, offset corrected")
        if np.ptp(flat) == 0:
            raise InputError(f"{name} is constant: it holds no noise to measure")
        caveats += check_not_clipped(flat, full_scale=full_scale)
        caveats += _check_structure(flat, name)
    spread = np.ptp([flat.mean() for flat in flats]) / np.mean([flat.mean() for flat in flats])
    if spread > 0.05:
        caveats.append(f"the frames' means differ by {100 * spread:.0f} %: they are not of one exposure")
    return flats, tuple(dict.fromkeys(caveats))


def _check_structure(flat: NDArray[np.float64], name: str) -> list[str]:
    """Refuse an image with structure beyond a second-order trend; report it where it is faint, and dead lines."""
    noise = flatten(flat) / flat.mean()
    caveats = _dead_lines(noise, name)
    rows, columns = (side // _BLOCK for side in flat.shape)
    blocks = noise[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK)
    # Medians, so that dead pixels and lines are not taken for structure.
    levels = np.median(blocks, axis=(1, 3))
    # Neighbouring blocks share the structure and not the noise, at least along one of the axes.
    steps = min(float(np.median(np.abs(np.diff(levels, axis=axis)))) for axis in (0, 1))
    scatter = 1.4826 * steps / np.sqrt(2.0)
    largest = float(np.abs(levels - np.median(levels)).max())
    if largest > max(_STRUCTURE_REFUSED, 8 * scatter):
        raise InputError(
            f"{name} is not flat: {100 * largest:.0f} % of structure after a second-order trend is taken away: "
            "give open-field images, gain corrected"
        )
    if largest > max(_STRUCTURE_WARNED, 8 * scatter):
        caveats.append(f"{name} holds {100 * largest:.0f} % of structure beyond a second-order trend")
    return caveats


def _dead_lines(noise: NDArray[np.float64], name: str) -> list[str]:
    """Report rows and columns whose median lies apart from their neighbours'."""
    texts = []
    for axis, kind, where in ((0, "column", "x"), (1, "row", "y")):
        lines = np.median(noise, axis=axis)
        off = np.abs(lines - ndimage.median_filter(lines, size=5, mode="nearest"))
        limit = max(10 * 1.4826 * float(np.median(off)), 3 * float(noise.std()) / np.sqrt(noise.shape[axis]))
        dead = np.flatnonzero(off > limit)
        if dead.size:
            places = ", ".join(str(place) for place in dead[:5]) + (", ..." if dead.size > 5 else "")
            texts.append(f"{name}: {kind}s apart from their neighbours at {where}={places}: see the axis of the NNPS")
    return texts


def flatten(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an image less its least-squares polynomial of second order in x and y together, mean zero.

    The six terms 1, x, y, x2, xy, y2 are made orthonormal on the grid, so that the fit is a projection.
    """
    bases = []
    for length in image.shape:
        position = np.linspace(-1.0, 1.0, length)
        bases.append(np.linalg.qr(np.stack([np.ones(length), position, position**2], axis=1))[0])
    down, across = bases
    terms = down.T @ image @ across
    terms[np.add.outer(np.arange(3), np.arange(3)) > 2] = 0.0
    return np.asarray(image - down @ terms @ across.T)


def mend_outliers(noise: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Replace single outlying pixels by the median of their neighbours; return the image and how many.

    One dead pixel among 256 x 256 would raise the whole spectrum. Full rows and columns stay: they raise the axes
    only, which are reported apart.

    Raises
    ------
    InputError
        If more than 0.2 % of the pixels lie apart.
    """
    centre = float(np.median(noise))
    sigma = 1.4826 * float(np.median(np.abs(noise - centre)))
    off = np.abs(noise - centre) > _OUTLIER_SIGMAS * sigma
    for axis in (0, 1):
        whole = np.expand_dims(off.mean(axis=axis) > 0.5, axis)
        off &= ~whole
    count = int(off.sum())
    if count > _OUTLIER_SHARE * noise.size:
        raise InputError(
            f"{100 * off.mean():.1f} % of the pixels lie more than {_OUTLIER_SIGMAS:g} standard deviations from the "
            "mean: correct bad pixels first"
        )
    if count:
        noise = np.where(off, ndimage.median_filter(noise, size=3, mode="nearest"), noise)
    return noise, count
