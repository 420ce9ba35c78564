"""Pictures of the wrong thing for every measurement: noise, flats, text, patterns, a board, targets of other kinds."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy import ndimage

PX = 256
PITCH = 0.05
Picture = NDArray[np.float64]


def _noise(sigma: float, blur: float = 0.0, seed: int = 0) -> Picture:
    white = np.random.default_rng(seed).standard_normal((PX, PX))
    if blur:
        white = ndimage.gaussian_filter(white, blur)
    return sigma * white / white.std()


def _text(size: int, blur: float) -> Picture:
    image = Image.new("L", (PX, PX), 230)
    draw = ImageDraw.Draw(image)
    for line in range(1, PX // (size + 4)):
        draw.text((6, line * (size + 4)), "The quick brown fox jumps over 0123456789", fill=40, font_size=size)
    return ndimage.gaussian_filter(np.asarray(image) / 255.0, blur) + _noise(0.005)


def _board() -> Picture:
    """Return rows of balls and leads beside a chip, as boards have them."""
    y, x = np.indices((PX, PX)).astype(float)
    grey = np.full((PX, PX), 0.9)
    grey[(y < 150) & (np.hypot(x % 20 - 10, y % 20 - 10) < 6)] = 0.4
    grey[(y > 170) & (y < 230) & (x % 16 < 8)] *= 0.6
    grey[(abs(x - 60) < 40) & (abs(y - 200) < 12)] *= 0.7
    return ndimage.gaussian_filter(grey, 1.2) + _noise(0.005)


@lru_cache(maxsize=1)
def wrong_targets() -> dict[str, Picture]:
    """Return pictures by name, open field about 1; an edge, steps and flats are among them."""
    y, x = np.indices((PX, PX)) / PX
    chirp = 0.5 + 0.3 * np.sin(2 * np.pi * (8 * x + 20 * x**2))
    wires = np.ones((PX, PX))
    steps = 0.9 * 0.7 ** np.floor(8 * x)
    edge = 0.2 + 0.8 * (x - 0.5 - 0.05 * (y - 0.5) > 0)
    for place, width in ((30, 16), (60, 16), (110, 12), (132, 12), (170, 8), (184, 8)):
        wires[:, place : place + width] = 0.4
    checker = 0.3 + 0.6 * (((8 * x).astype(int) + (8 * y).astype(int)) % 2)
    sharp = {"chirp": chirp, "checker": checker, "steps": steps}
    blurred = {name: ndimage.gaussian_filter(grey, 1.0) + _noise(0.005) for name, grey in sharp.items()}
    return blurred | {
        "flat": 1 + _noise(0.01, seed=1),
        "noise": 1 + _noise(0.1, seed=2),
        "blurred noise": 1 + _noise(0.1, blur=3.0, seed=3),
        "row noise": 1 + _noise(0.01, seed=4) + 0.02 * np.random.default_rng(4).standard_normal((PX, 1)),
        "gradient": 0.2 + 0.7 * x + _noise(0.005),
        "text": _text(10, 0.8),
        "large text": _text(48, 1.0),
        "stripes": 0.5 + 0.3 * np.sin(2 * np.pi * 16 * x) + _noise(0.005),
        "tilted stripes": 0.5 + 0.3 * np.sin(2 * np.pi * 16 * (x + 0.05 * y)) + _noise(0.005),
        "even wires": ndimage.gaussian_filter(wires, 1.0) + _noise(0.005),
        "board": _board(),
        "edge": ndimage.gaussian_filter(edge, 1.0) + _noise(0.005),
    }
