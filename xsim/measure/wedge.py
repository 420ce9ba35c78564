"""Step wedges: the grey levels of the steps, and the grey-level link of two detectors that saw the same wedge.

Also: which grey levels the images behind a link have shown, since between them the link is a guess.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from xsim.degradation.link import GreyLink
from xsim.errors import InputError
from xsim.measure.checks import check_not_clipped, grey_image

__all__ = ["link_from_wedge", "shown_greys", "unseen_ranges", "wedge_levels", "wedge_steps"]

# Smoothing [px] before slopes are taken: noise of single pixels has none then, steps keep theirs.
_SMOOTH_PX = 3.0
# A step is an area of at least this share of the image, and of so many pixels.
_AREA_SHARE = 0.002
_AREA_PX = 150
# Relative slopes [1/px] beyond this many times the usual one, and beyond this, belong to the flanks between steps.
# On a thick screen steps run into each other's tails: where one limit joins them, a lower one may tell them apart.
_FLANKS = (4.0, 2.0, 1.5)
_FLANK_LEAST = 5e-4
# Levels whose ratio is closer to 1 than this are one step seen twice.
_APART = 0.03


def wedge_levels(image: ArrayLike) -> NDArray[np.float64]:
    """Return the grey levels of the flat areas of an image, rising.

    Parameters
    ----------
    image : (H, W) array
        A step wedge; the open field beside it is a step as well.

    Raises
    ------
    InputError
        If there are fewer than three steps, or the brightest is saturated.
    """
    pixels = grey_image(image, smallest_px=32)
    check_not_clipped(pixels)
    return np.array([level for level, _ in wedge_steps(pixels)])


def wedge_steps(pixels: NDArray[np.float64]) -> list[tuple[float, NDArray[np.bool_]]]:
    """Return grey level and place (H, W) of each flat area of an image (H, W), the levels rising.

    Raises
    ------
    InputError
        If there are fewer than three.
    """
    # Steps of equal thickness change the grey level by equal factors, so slopes count relative to it.
    smooth = ndimage.gaussian_filter(pixels, _SMOOTH_PX, mode="nearest")
    floor = 1e-3 * max(float(smooth.max()), 1e-12)
    slope = np.hypot(*np.gradient(np.log(np.maximum(smooth, floor))))
    # Noise lifts the slopes of its own surroundings: dark steps have another usual slope than the open field.
    usual = ndimage.median_filter(slope[::4, ::4], size=31, mode="nearest")
    usual = np.kron(usual, np.ones((4, 4)))[: slope.shape[0], : slope.shape[1]]
    usual = np.minimum(usual, 2.0 * float(np.median(slope)))
    found = [_steps(pixels, slope <= np.maximum(factor * usual, _FLANK_LEAST), floor) for factor in _FLANKS]
    most = max(found, key=len)
    if len(most) < 3:
        raise InputError(f"{len(most)} steps found: give a wedge of three or more")
    return most


def _steps(pixels: NDArray[np.float64], flat: NDArray[np.bool_], floor: float) -> list[tuple[float, NDArray[np.bool_]]]:
    """Return level and place of the large flat areas, the levels rising, those of one step merged."""
    # A gap in a flank must not join two steps.
    labels, _ = ndimage.label(ndimage.binary_erosion(flat, iterations=2))
    sizes = np.bincount(labels.ravel())
    large = [index for index in range(1, sizes.size) if sizes[index] >= max(_AREA_PX, _AREA_SHARE * pixels.size)]
    levels = np.array([float(np.median(pixels[labels == index])) for index in large])
    order = [place for place in np.argsort(levels) if levels[place] > floor]
    steps: list[list[int]] = []
    for place in order:
        if not steps or levels[place] > (1 + _APART) * levels[steps[-1][-1]]:
            steps.append([])
        steps[-1].append(int(place))
    return [(float(levels[step].mean()), np.isin(labels, [large[place] for place in step])) for step in steps]


def link_from_wedge(hr: ArrayLike, lr: ArrayLike) -> GreyLink:
    """Return the grey-level link of two detectors from one image each of the same step wedge.

    The images need not be registered: the steps correspond in the order of their grey levels.

    Parameters
    ----------
    hr, lr : (H, W) arrays
        The wedge, open field = 1.

    Raises
    ------
    InputError
        If the numbers of steps differ, or there are fewer than three.
    """
    sharp, blurred = wedge_levels(hr), wedge_levels(lr)
    if sharp.size != blurred.size:
        raise InputError(
            f"{sharp.size} steps in the HR image of the wedge and {blurred.size} in the LR image: "
            "give images of the same wedge, with steps wider than the blur"
        )
    if sharp[0] > 0 and blurred[0] > 0:
        # No signal is no signal on both.
        sharp, blurred = np.append(0.0, sharp), np.append(0.0, blurred)
    return GreyLink(tuple(sharp.tolist()), tuple(blurred.tolist()), "wedge")


# Width of the grey levels that count as one.
_BIN = 0.02
# Steps and boards fill the levels that they show; flanks between two steps leave fewer pixels in each level.
_SHARE = 0.002
# A gap as wide as this holds a bend of the link that no straight guess would follow.
_WIDEST = 0.2


def shown_greys(images: Iterable[ArrayLike]) -> NDArray[np.float64]:
    """Return the grey levels, 0.02 apart and rising, of at least 0.2 % of the pixels of some image (H, W)."""
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
