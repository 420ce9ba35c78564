"""Where a restorer keeps its state: the padded grid of an image, and the blocks that a large image is cut into.

The discrete Fourier transform sees a periodic image; a reflected border of at least 32 pixels keeps the wrap-around
away from the picture. The state stays on the padded grid during all steps and is cropped once, at the end.

The filters of a restorer hold all of what they see in memory, so that must be bounded. Up to 64 megapixels one block is
the whole padded grid. Beyond, a block is a window of that grid, which goes on periodically as the filters take it to
do; so blocks at the edge of an image see what the filters of the whole image see there. Each has a margin in which the
reach of filters and network dies away, and what is kept crosses over linearly. All blocks have one shape, so one set of
maps serves them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from xsim.errors import InputError

__all__ = [
    "BORDER_PX",
    "MARGIN_PX",
    "WHOLE_PX",
    "Block",
    "PaddedGrid",
    "Pixels",
    "Span",
    "array_of",
    "blocks",
    "fast_size",
]

BORDER_PX = 32
"""Smallest reflected border on each side [px]."""

WIDE_BORDER_PX = 96
"""That of images of more than 64 megapixels [px]: what the network makes of the grid's edge stays outside the image,
so that blocks of it, which see the grid go on, give the same."""

WHOLE_PX = 2**26
"""Images of up to as many pixels are filtered as a whole [px]."""

GRID_MULTIPLE_PX = 8
"""Padded sides are multiples of this, the stride of the U-Net's deepest level [px]."""

BLOCK_PX = 8192
"""Longest side of the blocks of larger images, margins included [px]: as many pixels as `WHOLE_PX`."""

MARGIN_PX = 512
"""Margin of the blocks [px]: beyond it no filter reaches by more than about 3 of 65535 grey levels."""

_ROWS = 512
"""Rows of a large image that are read at a time, where it is summed up: some 50 MB of the widest."""

_CROSS_PX = 32
"""Where neighbours meet their answers cross over within so many pixels [px]: they differ by a few of 65535 levels."""


def fast_size(size: int, multiple: int = GRID_MULTIPLE_PX) -> int:
    """Return the smallest multiple of ``multiple`` that is >= ``size`` and has no prime factor above 7."""
    candidate = -(-size // multiple) * multiple
    # 210 = 2 3 5 7: only numbers of these primes divide a power of it.
    while pow(210, candidate.bit_length(), candidate):
        candidate += multiple
    return candidate


@dataclass(frozen=True)
class PaddedGrid:
    """An image's place on its padded grid.

    Parameters
    ----------
    shape : (H, W)
        Shape of the image [px].
    padded : (H', W')
        Shape of the grid [px].
    """

    shape: tuple[int, int]
    padded: tuple[int, int]

    @classmethod
    def around(cls, shape: tuple[int, int], border_px: int | None = None) -> PaddedGrid:
        """Return the grid of an image: a border of at least ``border_px`` on each side and fast sides.

        The border is 32 px wide if it is not given, and 96 px on images too large to be filtered as a whole.

        Raises
        ------
        InputError
            If the image has no pixels.
        """
        height, width = shape
        if height < 1 or width < 1:
            raise InputError(f"an image of {height} x {width} pixels cannot be restored: give one with pixels")
        if border_px is None:
            border_px = BORDER_PX if height * width <= WHOLE_PX else WIDE_BORDER_PX
        return cls((height, width), (fast_size(height + 2 * border_px), fast_size(width + 2 * border_px)))

    @property
    def offset(self) -> tuple[int, int]:
        """Row and column of the image's first pixel on the grid, multiples of 8.

        The network's cells so lie on the same pixels of an image whatever the size of the grid around it.
        """
        top, left = (
            (padded - side) // 2 // GRID_MULTIPLE_PX * GRID_MULTIPLE_PX
            for padded, side in zip(self.padded, self.shape, strict=True)
        )
        return top, left

    def sources(self, axis: int, start: int, stop: int) -> Tensor:
        """Return which pixels of the image stand at positions of the grid, along one axis.

        The grid shows the image, reflected about the centres of its edge pixels, and goes on periodically.

        Parameters
        ----------
        axis : int
            0 for rows, 1 for columns.
        start, stop : int
            Positions, relative to the first pixel of the image.
        """
        size, before = self.shape[axis], self.offset[axis]
        place = (torch.arange(start, stop) + before) % self.padded[axis] - before
        period = max(2 * (size - 1), 1)
        index = place % period
        return torch.minimum(index, period - index).clamp_(0, size - 1)

    def pad(self, images: Tensor) -> Tensor:
        """Return ``images`` (..., H, W) on the grid (..., H', W'), reflected about the centres of the edge pixels."""
        for axis in (0, 1):
            start = -self.offset[axis]
            index = self.sources(axis, start, start + self.padded[axis])
            images = images.index_select(axis - 2, index.to(images.device))
        return images

    def crop(self, images: Tensor) -> Tensor:
        """Return the part (..., H, W) of ``images`` (..., H', W') that holds the picture."""
        top, left = self.offset
        return images[..., top : top + self.shape[0], left : left + self.shape[1]]


@dataclass(frozen=True)
class Span:
    """A part of an image along one axis: what is seen of it, and what is kept. All in pixels of the image.

    Parameters
    ----------
    start, stop : int
        What filters or the network see; that of filters may lie outside the image, on its padded grid and the
        periods of that.
    first, last : int
        What is kept of it, with half of the crossings to its neighbours.
    cross : (bool, bool)
        Whether it crosses over to a neighbour at the lower and the upper end.
    """

    start: int
    stop: int
    first: int
    last: int
    cross: tuple[bool, bool] = (False, False)

    @property
    def seen(self) -> slice:
        """The part that is seen."""
        return slice(self.start, self.stop)

    @property
    def kept(self) -> slice:
        """The part that is kept."""
        return slice(self.first, self.last)

    @property
    def inner(self) -> slice:
        """The kept part, counted from the first pixel that is seen."""
        return slice(self.first - self.start, self.last - self.start)

    def share(self) -> NDArray[np.float32]:
        """Return how much each kept pixel counts; shares of neighbours add up to one."""
        share = np.ones(self.last - self.first, np.float32)
        rise = (np.arange(_CROSS_PX, dtype=np.float32) + 0.5) / _CROSS_PX
        if self.cross[0]:
            share[:_CROSS_PX] = rise
        if self.cross[1]:
            share[-_CROSS_PX:] = 1 - rise
        return share


class Block(NamedTuple):
    """A part of an image, as rows and columns."""

    rows: Span
    columns: Span

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of what the filters see [px]."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def inner(self) -> tuple[slice, slice]:
        """The kept part, in coordinates of the block."""
        return self.rows.inner, self.columns.inner

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the image where the block's first pixel lies; it may be below zero."""
        return self.rows.start, self.columns.start

    @property
    def cuts(self) -> tuple[tuple[bool, bool], tuple[bool, bool]]:
        """Which sides, (top, bottom) and (left, right), are cuts through the image."""
        return self.rows.cross, self.columns.cross

    def judged(self, shape: tuple[int, int], border_px: int) -> tuple[slice, slice]:
        """Return the part of an image of this shape that is checked with the block: what it keeps and a border."""
        rows, columns = (
            slice(max(span.first - border_px, 0), min(span.last + border_px, side))
            for span, side in zip(self, shape, strict=True)
        )
        return rows, columns

    def add(self, part: NDArray[np.float32], whole: NDArray[np.float32]) -> None:
        """Add the block's kept part, weighted by its share, to the whole image."""
        if any(any(ends) for ends in self.cuts):
            part = part * self.rows.share()[:, None] * self.columns.share()
        whole[self.rows.kept, self.columns.kept] += part


def blocks(
    grid: PaddedGrid, *, whole_px: int = WHOLE_PX, block_px: int = BLOCK_PX, margin_px: int = MARGIN_PX
) -> list[Block]:
    """Cut an image into blocks of one shape; into one, its padded grid, where it is small enough.

    Parameters
    ----------
    grid : PaddedGrid
        The image and its grid.
    whole_px : int
        Most pixels of an image that is not cut.
    block_px, margin_px : int
        Longest side and least margin of the blocks [px].
    """
    whole = grid.shape[0] * grid.shape[1] <= whole_px
    rows, columns = (
        [Span(-before, padded - before, 0, size)] if whole or padded <= block_px else _cut(size, block_px, margin_px)
        for size, padded, before in zip(grid.shape, grid.padded, grid.offset, strict=True)
    )
    return [Block(row, column) for row in rows for column in columns]


def _cut(size: int, block_px: int, margin_px: int) -> list[Span]:
    # Multiples of 8 keep the network's cells where they are in the whole image.
    count = -(-size // (block_px - 2 * margin_px))
    length = -(-size // (count * GRID_MULTIPLE_PX)) * GRID_MULTIPLE_PX
    seen = fast_size(length + 2 * margin_px)
    before = (seen - length) // 2 // GRID_MULTIPLE_PX * GRID_MULTIPLE_PX
    half = _CROSS_PX // 2
    return [
        Span(
            first - before,
            first - before + seen,
            max(first - half, 0),
            min(first + length + half, size),
            (first > 0, first + length < size),
        )
        for first in range(0, size, length)
    ]


def array_of(image: ArrayLike | Tensor) -> NDArray[Any]:
    """Return an image as an array, from any device.

    Raises
    ------
    InputError
        If it is a tensor that wants gradients, which arrays do not have, or of a type that numpy lacks.
    """
    if isinstance(image, torch.Tensor):
        if image.requires_grad:
            raise InputError("a tensor with requires_grad was given, and arrays have no gradient: call restorer(y)")
        if image.dtype == torch.bfloat16:
            raise InputError("a tensor of torch.bfloat16 was given: give y.float()")
        image = image.cpu()
    return np.asarray(image)


@dataclass(frozen=True)
class Pixels:
    """An image whose grey levels are made linear where they are asked for, so that no linear copy of it is held.

    Parameters
    ----------
    stored : (H, W) array
        Its grey levels.
    linear : callable, optional
        Turns some of them into grey as restorers take it, open field 1.0; None takes them as they are.
    """

    stored: NDArray[Any]
    linear: Callable[[NDArray[Any]], NDArray[np.float32]] | None = None

    @classmethod
    def of(cls, image: ArrayLike | Tensor | Pixels) -> Pixels:
        """Return an image as one that can be read in parts.

        Raises
        ------
        InputError
            If an array is not two-dimensional.
        """
        if isinstance(image, Pixels):
            return image
        grey = array_of(image)
        if grey.ndim != 2:
            meant = ", here image[..., 0]" if grey.ndim == 3 and grey.shape[-1] == 1 else ""
            raise InputError(f"an image of shape {grey.shape} was given: give one of shape (H, W){meant}")
        if grey.dtype.kind != "f":
            raise InputError(
                f"an image of {grey.dtype} codes was given: divide by that of the open field, or give it to restore()"
            )
        return cls(grey.astype(np.float32, copy=False))

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.stored.shape[0], self.stored.shape[1]

    def part(self, rows: NDArray[np.int64], columns: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the pixels of some rows and columns.

        Raises
        ------
        InputError
            If one of them is NaN or infinite.
        """
        stored = self.stored.take(rows, axis=0).take(columns, axis=1)
        part = stored if self.linear is None else self.linear(stored)
        if not np.isfinite(part).all():
            raise InputError("the image holds NaN or infinite pixels: mask or repair them first")
        return part

    def row_parts(self) -> Iterator[NDArray[np.float32]]:
        """Yield the image some rows at a time, for what is summed up over it."""
        height, width = self.shape
        for first in range(0, height, _ROWS):
            yield self.part(np.arange(first, min(first + _ROWS, height)), np.arange(width))
