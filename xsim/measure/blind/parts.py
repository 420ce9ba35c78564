"""Which pixels may be used, and which parts of large images are looked at: those richest in edges, and the flattest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Part", "choose_parts", "usable_pixels"]

_WHOLE_PX = 1024 * 1024
"""Images up to here are looked at whole: two seconds of one core."""

_TILE_PX = 512
"""Side of the parts of larger images: several steps of any object fit in."""

_TILES = 4
"""Parts of one image: three with edges, one flat; together as much as a whole one."""

_ALL_TILES = 12
"""Parts of all images together: more do not narrow the interval."""

_PILE_SHARE, _PILE_RATIO = 5e-4, 4.0
"""Pixels at one extreme level are clipped if they are more than this share, and this many times those of each level
near it: a tail of noise thins out instead."""


@dataclass(frozen=True)
class Part:
    """A piece of an image.

    Parameters
    ----------
    grey : (h, w) array
        Its pixels.
    usable : (h, w) array of bool
        Which of them are neither clipped nor beside one that is.
    image : int
        Number of the image.
    top, left : int
        Where it lies there [px].
    """

    grey: NDArray[np.float64]
    usable: NDArray[np.bool_]
    image: int
    top: int
    left: int


def usable_pixels(image: NDArray[np.float64], full_scale: float | None = None) -> NDArray[np.bool_]:
    """Return which pixels are not clipped, at the bright or the dark end, nor beside a clipped one."""
    clipped = np.zeros(image.shape, bool)
    if full_scale is not None:
        clipped |= image >= full_scale
    for end in (image.max(), image.min()):
        pile = image == end
        count = int(pile.sum())
        if count > _PILE_SHARE * image.size and _is_pile(image, float(end), count):
            clipped |= pile
    return ~ndimage.binary_dilation(clipped) if clipped.any() else ~clipped


def _is_pile(image: NDArray[np.float64], end: float, count: int) -> bool:
    """Tell whether far more pixels lie at an extreme level than at those next to it."""
    away = np.abs(image - end)
    near = away[away > 0]
    if near.size == 0:
        return False
    # Levels of integer images are apart; of others a thousandth of the range is taken for one.
    level = max(float(near.min()), 1e-3 * float(near.max()))
    beside = [int(np.count_nonzero((away > k * level) & (away <= (k + 1) * level))) for k in range(3)]
    beside[0] = int(np.count_nonzero((away > 0) & (away <= level)))
    return count > _PILE_RATIO * max(*beside, 1)


def choose_parts(images: Sequence[NDArray[np.float64]], usable: Sequence[NDArray[np.bool_]]) -> list[Part]:
    """Return the parts of images to look at."""
    parts: list[Part] = []
    share = max(_ALL_TILES // len(images), 1)
    for number, (image, good) in enumerate(zip(images, usable, strict=True)):
        if image.size <= _WHOLE_PX and (len(images) <= _ALL_TILES // _TILES or max(image.shape) <= _TILE_PX):
            parts.append(Part(image, good, number, 0, 0))
        else:
            parts += _tiles(image, good, number, min(_TILES, share))
    return parts[: max(_ALL_TILES, len(images))]


def _tiles(image: NDArray[np.float64], usable: NDArray[np.bool_], number: int, count: int) -> list[Part]:
    """Return the tiles richest in steps, and the flattest one where more than one is wanted."""
    height, width = image.shape
    tall, wide = min(_TILE_PX, height), min(_TILE_PX, width)
    tops = np.unique(np.linspace(0, height - tall, -(-height // tall)).astype(int))
    lefts = np.unique(np.linspace(0, width - wide, -(-width // wide)).astype(int))
    places, rich, flat = [], [], []
    for top in tops:
        for left in lefts:
            piece = (slice(top, top + tall), slice(left, left + wide))
            cut = image[piece][: tall // 4 * 4, : wide // 4 * 4]
            small = cut.reshape(tall // 4, 4, wide // 4, 4).mean(axis=(1, 3))
            slope = np.hypot(*np.gradient(small))
            good = float(usable[piece].mean())
            places.append((int(top), int(left)))
            rich.append(good * float(np.quantile(slope, 0.97) - np.quantile(slope, 0.25)))
            flat.append(good * float(small.mean()) * float(np.mean(slope < 3 * np.quantile(slope, 0.25))))
    order = [int(k) for k in np.argsort(rich)[::-1]]
    chosen = order[:count]
    calmest = int(np.argmax(flat))
    if count > 1 and calmest not in chosen:
        chosen[-1] = calmest
    return [
        Part(
            image[top : top + tall, left : left + wide], usable[top : top + tall, left : left + wide], number, top, left
        )
        for top, left in (places[k] for k in chosen)
    ]
