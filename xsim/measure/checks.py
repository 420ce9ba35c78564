"""What every measurement asks of an image before it trusts it."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.errors import InputError, check_range

__all__ = ["ROI", "check_not_clipped", "check_pitch", "grey_image"]

ROI = tuple[int, int, int, int]
"""A region as (x, y, width, height) in pixels."""

# Share of pixels at one extreme value above which they are a plateau of their own and not the tail of the noise.
_PILE_SHARE = 0.02


def check_pitch(pitch_mm: float) -> None:
    """Raise a PhysicsRangeError unless ``pitch_mm`` is one: 0.0001 to 10 mm."""
    check_range("pixel pitch", pitch_mm, 1e-4, 10.0, "mm")


def grey_image(image: ArrayLike, *, roi: ROI | None = None, smallest_px: int = 1) -> NDArray[np.float64]:
    """Return the region (x, y, width, height) of an image [px], or all of it, as finite float64.

    Raises
    ------
    InputError
        If the array is not two-dimensional or not finite, or the region leaves it or has a side below ``smallest_px``.
    """
    pixels = np.asarray(image)
    if pixels.ndim != 2 or pixels.dtype.kind not in "uif":
        raise InputError(f"array of shape {pixels.shape} and type {pixels.dtype}: give one grey image (H, W)")
    height, width = pixels.shape
    if roi is not None:
        x, y, w, h = roi
        if min(x, y) < 0 or min(w, h) < 1 or x + w > width or y + h > height:
            raise InputError(f"region x={x} y={y} w={w} h={h} leaves the image of {width} x {height} pixels")
        pixels = pixels[y : y + h, x : x + w]
    if min(pixels.shape) < smallest_px:
        raise InputError(
            f"region of {pixels.shape[1]} x {pixels.shape[0]} pixels is too small: give at least "
            f"{smallest_px} x {smallest_px}"
        )
    grey = pixels.astype(np.float64)
    bad = int(np.count_nonzero(~np.isfinite(grey)))
    if bad:
        raise InputError(f"{bad} pixels are NaN or infinite: mend or mask them first")
    return grey


def check_not_clipped(pixels: NDArray[np.float64], *, full_scale: float | None = None) -> tuple[str, ...]:
    """Refuse an image whose bright end is saturated; return a caveat if its dark end is cut.

    Clipping shows as pixels piled up at one extreme value: at ``full_scale``, or in an image that is noisy
    elsewhere. A noise-free image repeats its plateau values too, but has no noise on either side, and passes.
    ``full_scale`` is the largest grey value that the image format can hold.

    Raises
    ------
    InputError
        If more than 2 % of the pixels are saturated.
    """
    high, low = float(pixels.max()), float(pixels.min())
    if high == low:
        return ()
    piled_high = float(np.mean(pixels == high))
    piled_low = float(np.mean(pixels == low))
    at_scale = full_scale is not None and high >= full_scale
    noisy = max(piled_high, piled_low) > _PILE_SHARE and _is_noisy(pixels)
    if piled_high > _PILE_SHARE and (at_scale or noisy):
        raise InputError(
            f"saturated: {100 * piled_high:.1f} % of the pixels are at {high:g}: expose less or take another region"
        )
    if piled_low > _PILE_SHARE and noisy:
        return (f"{100 * piled_low:.1f} % of the pixels are cut off at {low:g}: the dark side is not linear",)
    return ()


def _is_noisy(pixels: NDArray[np.float64]) -> bool:
    """Tell whether the brighter or the darker pixels differ from their neighbours by more than a few grey levels.

    Noise of a level or two cannot be told from rounding, which piles pixels up just as clipping does.
    """
    levels = np.unique(pixels)
    grain = float(np.diff(levels).min())
    middle = (float(levels[0]) + float(levels[-1])) / 2
    steps = np.abs(np.diff(pixels, axis=1))
    bright = pixels[:, 1:] > middle
    floor = max(3.0 * grain, 1e-6 * (float(levels[-1]) - float(levels[0])))
    return any(side.any() and float(np.median(steps[side])) > floor for side in (bright, ~bright))
