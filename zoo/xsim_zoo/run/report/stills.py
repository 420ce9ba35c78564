"""Pictures of a page that need no script: for print, and where a browser cannot unpack the pixels."""

from __future__ import annotations

import base64
import io
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from xsim_zoo.check.verdict import BLOCK_PX
from xsim_zoo.run.report.judgement import Place
from xsim_zoo.run.report.pixels import factor_for, reduced

__all__ = ["CHI2_SHOWN", "grey_still", "tinted_still"]

_SHOWN_PX: Final = 900
"""Longest side of a picture [px]: 250 dots an inch at half the width of a printed page."""

CHI2_SHOWN: Final = (1.5, 4.0)
"""Local chi2 from which on the check is drawn at all, and at which its colour is full: about 1 is expected, and noise
may be half as much again, see `xsim_zoo.check.verdict.NOISE_TOLERANCE`."""

_UNCHECKED: Final = (128, 128, 128)
_COLOURS: Final = {"check": (235, 70, 20), "spread": (200, 40, 200)}
"""The viewer draws the same, see `static/viewer.js`."""

_HATCH: Final = (0.75, 0.2)
_STRIPE_PX: Final = 8
"""Opacity of what was not judged, in turns, and the width of its stripes [px]: so it is told from grey of the image."""

_PLACE_PX: Final = 12
"""Half the side of the square around a place that fails [px of the picture]."""


def grey_still(image: NDArray[np.float32], window: tuple[float, float]) -> str:
    """Return an image (H, W), black at the first grey of the window and white at the second, as base 64 of a PNG."""
    return _png(Image.fromarray(_eight_bits(image, window)))


def tinted_still(
    image: NDArray[np.float32],
    window: tuple[float, float],
    over: NDArray[np.float32],
    kind: str,
    places: tuple[Place, ...] = (),
) -> str:
    """Return an image with a map over it as base 64 of a PNG.

    Parameters
    ----------
    image : (H, W) array
        Linear image.
    window : (black, white)
        Its grey levels.
    over : array
        For "check" the local chi2 of blocks of `BLOCK_PX`, 0 where nothing was judged; for "spread" the standard
        deviation of every pixel.
    kind : str
        "check" or "spread".
    places : tuple of Place
        Where squares are drawn.
    """
    grey = _eight_bits(image, window)
    factor = _factor(image.shape)
    if kind == "check":
        low, high = CHI2_SHOWN
        middles = (np.minimum(np.arange(side) * factor + factor // 2, full - 1)
                   for side, full in zip(grey.shape, image.shape, strict=True))  # fmt: skip
        shown = over[np.ix_(*(at // BLOCK_PX for at in middles))]
    else:
        low, high = 0.0, float(np.quantile(over, 0.999)) or 1.0
        shown = np.asarray(reduced(over, factor))
    strength = np.clip((shown - low) / (high - low), 0, 1)[..., None]
    strength = np.where(strength > 0, 0.15 + 0.65 * strength, 0)
    colours = np.broadcast_to(np.asarray(_COLOURS[kind], np.float64), (*grey.shape, 3)).copy()
    if kind == "check":
        unchecked = ~(shown > 0)
        colours[unchecked] = _UNCHECKED
        strength[unchecked] = _HATCH[0]
        stripes = np.add.outer(*map(np.arange, grey.shape)) // _STRIPE_PX % 2 == 1
        strength[unchecked & stripes] = _HATCH[1]
    mixed = grey[..., None] * (1 - strength) + colours * strength
    picture = Image.fromarray(np.rint(mixed).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for place in places:
        y, x = place.y / factor, place.x / factor
        draw.rectangle((x - _PLACE_PX, y - _PLACE_PX, x + _PLACE_PX, y + _PLACE_PX), outline=_COLOURS["check"], width=2)
    return _png(picture)


def _factor(shape: tuple[int, ...]) -> int:
    longest = max(shape)
    return factor_for((longest, 1), _SHOWN_PX)


def _eight_bits(image: NDArray[np.float32], window: tuple[float, float]) -> NDArray[np.uint8]:
    small = np.asarray(reduced(image, _factor(image.shape)), np.float64)
    black, white = window
    return np.rint(np.clip((small - black) / ((white - black) or 1.0), 0, 1) * 255).astype(np.uint8)


def _png(picture: Image.Image) -> str:
    data = io.BytesIO()
    picture.save(data, format="PNG", optimize=True)
    return base64.b64encode(data.getvalue()).decode()
