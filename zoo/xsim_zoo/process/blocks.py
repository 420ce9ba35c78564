"""Large images in blocks: the filters of a restorer hold all of what they see in memory, so that must be bounded.

Up to 64 megapixels one block is the whole padded grid. Beyond, a block is a window of that grid, which goes on
periodically as the filters take it to do; so blocks at the edge of an image see what the filters of the whole image
see there. Each has a margin in which the reach of filters and network dies away, and what is kept crosses over
linearly. All blocks have one shape, so one set of maps serves them, and noise belongs to places of the image.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from xsim.seeds import torch_seed
from xsim_zoo.process.padding import GRID_MULTIPLE_PX, WHOLE_PX, PaddedGrid, fast_size

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["Block", "PlacedNoise", "Reach", "blocks"]

BLOCK_PX = 8192
"""Longest side of the blocks of larger images, margins included [px]."""

MARGIN_PX = 512
"""Margin of the blocks [px]: beyond it no filter reaches by more than about 3 of 65535 grey levels."""

_CROSS_PX = 32
_CELL_PX = 256


@dataclass(frozen=True)
class Reach:
    """A block along one axis, in pixels of the image.

    Parameters
    ----------
    first, last : int
        What the block answers for, with half of the crossings to its neighbours.
    start, stop : int
        What its filters see; it may lie outside the image, on its padded grid and the periods of that.
    cross : (bool, bool)
        Whether a neighbour follows at the lower and the upper end.
    """

    first: int
    last: int
    start: int
    stop: int
    cross: tuple[bool, bool] = (False, False)

    @property
    def kept(self) -> slice:
        """The part of the image that the block answers for."""
        return slice(self.first, self.last)

    @property
    def inner(self) -> slice:
        """The same part, in coordinates of the block."""
        return slice(self.first - self.start, self.last - self.start)

    def judged(self, size: int, border_px: int) -> slice:
        """Return the part of an image of this size that is checked with the block: what it keeps and a border."""
        return slice(max(self.first - border_px, 0), min(self.last + border_px, size))

    def share(self) -> NDArray[np.float32]:
        """Return how much each kept pixel counts; shares of neighbours add up to one."""
        share = np.ones(self.last - self.first, np.float32)
        rise = (np.arange(_CROSS_PX, dtype=np.float32) + 0.5) / _CROSS_PX
        if self.cross[0]:
            share[:_CROSS_PX] = rise
        if self.cross[1]:
            share[-_CROSS_PX:] = 1 - rise
        return share


@dataclass(frozen=True)
class Block:
    """A part of an image, as rows and columns."""

    rows: Reach
    columns: Reach

    @property
    def shape(self) -> tuple[int, int]:
        """Shape of what the filters see [px]."""
        return self.rows.stop - self.rows.start, self.columns.stop - self.columns.start

    @property
    def kept(self) -> tuple[slice, slice]:
        """The part of the image that the block answers for."""
        return self.rows.kept, self.columns.kept

    @property
    def inner(self) -> tuple[slice, slice]:
        """The same part, in coordinates of the block."""
        return self.rows.inner, self.columns.inner

    @property
    def corner(self) -> tuple[int, int]:
        """Row and column of the image where the block's first pixel lies; it may be below zero."""
        return self.rows.start, self.columns.start

    @property
    def cuts(self) -> tuple[tuple[bool, bool], tuple[bool, bool]]:
        """Which sides, (top, bottom) and (left, right), are cuts through the image."""
        return self.rows.cross, self.columns.cross

    def add(self, part: NDArray[np.float32], whole: NDArray[np.float32]) -> None:
        """Add the block's kept part, weighted by its share, to the whole image."""
        if any(any(ends) for ends in self.cuts):
            part = part * self.rows.share()[:, None] * self.columns.share()
        whole[self.kept] += part


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
        [_all(grid, axis)] if whole or grid.padded[axis] <= block_px else _axis(grid.shape[axis], block_px, margin_px)
        for axis in (0, 1)
    )
    return [Block(row, column) for row in rows for column in columns]


def _all(grid: PaddedGrid, axis: int) -> Reach:
    start = -grid.offset[axis]
    return Reach(0, grid.shape[axis], start, start + grid.padded[axis])


def _axis(size: int, block_px: int, margin_px: int) -> list[Reach]:
    # Multiples of 8 keep the network's cells where they are in the whole image.
    count = -(-size // (block_px - 2 * margin_px))
    length = -(-size // (count * GRID_MULTIPLE_PX)) * GRID_MULTIPLE_PX
    seen = fast_size(length + 2 * margin_px)
    before = (seen - length) // 2 // GRID_MULTIPLE_PX * GRID_MULTIPLE_PX
    half = _CROSS_PX // 2
    return [
        Reach(
            max(first - half, 0),
            min(first + length + half, size),
            first - before,
            first - before + seen,
            (first > 0, first + length < size),
        )
        for first in range(0, size, length)
    ]


class PlacedNoise:
    """White noise that belongs to places: cell by cell, each from its own generator.

    Parameters
    ----------
    seed, sample : int
        Seed of the run and number of the sample.
    corner : (row, column)
        Where in the image the first pixel of the fields lies; borders reach below zero.
    device : torch device
        Where the fields are wanted.
    """

    def __init__(self, seed: int, sample: int, corner: tuple[int, int], device: torch.device) -> None:
        self._seed, self._sample, self._corner, self._device = seed, sample, corner, device
        self._drawn = 0

    def __call__(self, shape: tuple[int, ...], /) -> Tensor:
        """Return the next field of this shape (..., H, W); leading axes must be 1."""
        field = torch.empty(shape[-2:])
        for row, from_rows, to_rows in _cells(self._corner[0], shape[-2]):
            for column, from_columns, to_columns in _cells(self._corner[1], shape[-1]):
                field[to_rows, to_columns] = self._cell(row, column)[from_rows, from_columns]
        self._drawn += 1
        return field.expand(shape).to(self._device)

    def _cell(self, row: int, column: int) -> Tensor:
        stage = f"restore/{self._drawn}/{row}/{column}"
        generator = torch.Generator().manual_seed(torch_seed(self._seed, sample=self._sample, stage=stage))
        return torch.randn((_CELL_PX, _CELL_PX), generator=generator)


def _cells(start: int, length: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield each cell along an axis, which part of it a stretch covers, and where in the stretch that lies."""
    for cell in range(start // _CELL_PX, (start + length - 1) // _CELL_PX + 1):
        first = cell * _CELL_PX - start
        low, high = max(first, 0), min(first + _CELL_PX, length)
        yield cell, slice(low - first, high - first), slice(low, high)
