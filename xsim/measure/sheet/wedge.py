"""Contrast sensitivity and material thickness range from a step wedge, in the manner of ASTM E2597.

The standard's wedges have grooves of 5 % of the thickness in their steps. Here the contrast of such a groove follows
from how the grey value falls from step to step, so that any wedge of known thicknesses serves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from xsim.errors import InputError
from xsim.measure.checks import grey_image
from xsim.measure.wedge import wedge_steps

__all__ = ["GROOVE", "RANGE_SNR", "StepWedge", "read_wedge", "wedge_figures"]

GROOVE = 0.05
"""Depth of the groove whose contrast is told, as a share of the thickness (E2597)."""

RANGE_SNR = {"1": 250.0, "2": 130.0}
"""Least SNR of the thickest material, for contrast sensitivities of 1 and 2 % (E2597)."""

# The thinnest material leaves this share of the largest grey value (E2597).
_BRIGHT = 0.8
# Steps lie on one line, one beside the other: their middles leave it by less than this share of its length.
_OFF_LINE = 0.12
# Pixels of a step next to its flanks, which blur and scatter reach.
_MARGIN_PX = 2
_LEAST_PX = 60


@dataclass(frozen=True)
class StepWedge:
    """A step wedge as it was read.

    Parameters
    ----------
    thickness_mm : (n,) array
        Thickness of the steps [mm], rising; 0 is the open field beside the wedge, if it is in view.
    level, sigma : (n,) arrays
        Grey value and noise of each step [grey levels].
    snr, cnr, contrast_sensitivity : (n,) arrays
        Level over noise; contrast of a groove of 5 % over noise, and 5 / that [%] (NaN in the open field).
    csa_percent : float
        The achievable contrast sensitivity: that of the best step [%].
    range_mm : dict of text to (thin, thick)
        Material thickness range [mm] for 1 and 2 %: from where the grey value is 80 % of the largest to where the
        SNR is 250 and 130. None where the wedge does not reach it.
    warnings : tuple of str
        Caveats of the measurement.
    """

    thickness_mm: NDArray[np.float64]
    level: NDArray[np.float64]
    sigma: NDArray[np.float64]
    snr: NDArray[np.float64]
    cnr: NDArray[np.float64]
    contrast_sensitivity: NDArray[np.float64]
    csa_percent: float
    range_mm: dict[str, tuple[float | None, float | None]]
    warnings: tuple[str, ...] = ()


def read_wedge(
    images: Sequence[ArrayLike], thickness_mm: Sequence[float], *, full_scale: float | None = None
) -> StepWedge:
    """Read a step wedge.

    Parameters
    ----------
    images : sequence of (H, W) arrays
        One image, or several alike, whose differences then are the noise; grey values linear, offset corrected.
    thickness_mm : sequence of float
        Thickness of every step in view [mm], in any order.
    full_scale : float, optional
        The largest grey value that the detector gives, for the thin end of the range.

    Raises
    ------
    InputError
        If there are not as many steps as thicknesses, they do not lie in a row from thick to thin, or are unlike.
    """
    frames = [grey_image(image, smallest_px=64) for image in images]
    if not frames or len({frame.shape for frame in frames}) > 1:
        raise InputError("images of a wedge: give one, or several of one size")
    thickness = np.sort(np.asarray(thickness_mm, dtype=np.float64))
    if thickness.size < 3 or not (np.diff(thickness) > 0).all() or thickness[0] < 0:
        raise InputError("thicknesses of the wedge: give three or more different ones of 0 or above, in mm")
    mean = np.asarray(np.mean(frames, axis=0))
    steps = wedge_steps(mean)[::-1]
    if len(steps) == thickness.size + 1 and thickness[0] > 0:
        thickness = np.append(0.0, thickness)
    if len(steps) != thickness.size:
        raise InputError(
            f"no such step wedge: {len(steps)} flat areas and {thickness.size} thicknesses: tell the thickness of "
            "every step in view, or cut the image to them"
        )
    _check_row([place for (_, place), w in zip(steps, thickness, strict=True) if w > 0])
    level, sigma = (
        np.array(column) for column in zip(*(_step(mean, frames, place) for _, place in steps), strict=True)
    )
    return wedge_figures(thickness, level, sigma, full_scale=full_scale, frames=len(frames))


def _check_row(places: Sequence[NDArray[np.bool_]]) -> None:
    """Refuse areas whose middles do not follow each other along a line in the order of their grey values."""
    middles = np.array([ndimage.center_of_mass(place) for place in places])
    centred = middles - middles.mean(axis=0)
    _, _, axes = np.linalg.svd(centred, full_matrices=False)
    along, across = (centred @ axis for axis in axes)
    order = np.diff(along)
    if not ((order > 0).all() or (order < 0).all()) or np.abs(across).max() > _OFF_LINE * np.ptp(along):
        raise InputError(
            "no step wedge: the flat areas do not follow each other in a row from thick to thin: "
            "cut the image to the wedge"
        )


def _step(
    mean: NDArray[np.float64], frames: Sequence[NDArray[np.float64]], place: NDArray[np.bool_]
) -> tuple[float, float]:
    """Return grey value and noise of a step: of differences of frames, or of one frame about its plane."""
    inner = ndimage.binary_erosion(place, iterations=_MARGIN_PX)
    place = inner if inner.sum() >= _LEAST_PX else place
    y, x = np.nonzero(place)
    plane = np.stack([np.ones(y.size), y - y.mean(), x - x.mean()], axis=1)

    def scatter(image: NDArray[np.float64]) -> float:
        left = image[place] - plane @ np.linalg.lstsq(plane, image[place], rcond=None)[0]
        return float(np.sqrt(np.sum(left**2) / (y.size - 3)))

    noise = [scatter(one - other) / np.sqrt(2.0) for one, other in pairwise(frames)] or [scatter(frames[0])]
    return float(mean[place].mean()), float(np.sqrt(np.mean(np.square(noise))))


def wedge_figures(
    thickness_mm: NDArray[np.float64],
    level: NDArray[np.float64],
    sigma: NDArray[np.float64],
    *,
    full_scale: float | None = None,
    frames: int = 2,
) -> StepWedge:
    """Return what follows from thickness [mm], grey value and noise of steps, each (n,), thickness rising.

    The logarithm of the grey value is followed by parabolas through three steps each.

    Raises
    ------
    InputError
        If the grey value does not fall with the thickness, or there is no noise.
    """
    if not ((np.diff(level) < 0).all() and (level > 0).all() and (sigma > 0).all()):
        raise InputError("steps of the wedge: grey values must fall with the thickness, and hold noise")
    slope = np.gradient(np.log(level), thickness_mm, edge_order=2)
    snr = level / sigma
    cnr = snr * -np.expm1(slope * GROOVE * thickness_mm)
    sensitivity = np.divide(100 * GROOVE, cnr, out=np.full(cnr.size, np.nan), where=cnr > 0)
    thin = None if full_scale is None else _crossing(thickness_mm, np.log(level / (_BRIGHT * full_scale)))
    if full_scale is not None and level[0] <= _BRIGHT * full_scale:
        thin = float(thickness_mm[0])
    caveats: tuple[str, ...] = ()
    if frames < 2:
        caveats += ("one image of the wedge: its noise holds the detector's fixed pattern and the wedge's own",)
    if full_scale is None:
        caveats += ("no largest grey value is known: the thickness range has no thin end: give --full-scale",)
    limits = {name: _crossing(thickness_mm, np.log(snr / least)) for name, least in RANGE_SNR.items()}
    for name, end in limits.items():
        if end is None:
            where = "above" if snr[-1] > RANGE_SNR[name] else "below"
            caveats += (f"the SNR is {where} {RANGE_SNR[name]:g} at every step: no thick end for {name} % sensitivity",)
    ranges = {name: (None if end is None else thin, end) for name, end in limits.items()}
    return StepWedge(thickness_mm, level, sigma, snr, cnr, sensitivity, float(np.nanmin(sensitivity)), ranges, caveats)


def _crossing(thickness_mm: NDArray[np.float64], value: NDArray[np.float64]) -> float | None:
    """Return the thickness [mm] at which a value falls through 0, straight between steps; None if it does not."""
    below = np.flatnonzero(value <= 0)
    if below.size == 0 or below[0] == 0:
        return None
    i = int(below[0])
    share = value[i - 1] / (value[i - 1] - value[i])
    return float(thickness_mm[i - 1] + share * (thickness_mm[i] - thickness_mm[i - 1]))
