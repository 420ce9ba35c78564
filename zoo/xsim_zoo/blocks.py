"""Large images in blocks: the filters of a restorer need the whole padded image in memory, so it must be bounded.

Each block is restored with a margin in which the reach of its filters and of its network dies away, and the kept
parts cross over linearly. Every block has one shape, so one set of filters serves all of them, and noise belongs to
places of the image, so blocks draw the same noise where they overlap.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np
import torch

from xsim.seeds import torch_seed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["BLOCK_PX", "MARGIN_PX", "Block", "PlacedNoise", "blocks", "joined"]

BLOCK_PX = 3064
"""Side of the blocks, margins included [px]; images up to it are restored whole."""

MARGIN_PX = 192
"""Margin of the blocks [px]."""

_CROSS_PX = 32
_CELL_PX = 256


@dataclass(frozen=True)
class Block:
    """A part of an image.

    Parameters
    ----------
    rows, columns : slice
        What is restored, margins included.
    """

    rows: slice
    columns: slice

    @property
    def origin(self) -> tuple[int, int]:
        """Row and column of the first pixel."""
        return int(self.rows.start), int(self.columns.start)

    def cuts(self, shape: tuple[int, ...]) -> tuple[tuple[bool, bool], tuple[bool, bool]]:
        """Return which sides, (top, bottom) and (left, right), are cuts through an image of this shape."""
        rows, columns = self.rows, self.columns
        return (rows.start > 0, rows.stop < shape[0]), (columns.start > 0, columns.stop < shape[1])


def blocks(shape: tuple[int, ...], block_px: int = BLOCK_PX, margin_px: int = MARGIN_PX) -> list[Block]:
    """Cut an image into equal blocks that overlap by two margins at least; one where it is small enough.

    Parameters
    ----------
    shape : (H, W)
        Shape of the image [px].
    block_px, margin_px : int
        Longest side and margin of the blocks [px].
    """
    rows, columns = (_axis(size, block_px, margin_px) for size in shape)
    return [Block(row, column) for row in rows for column in columns]


def _axis(size: int, block_px: int, margin_px: int) -> list[slice]:
    if size <= block_px:
        return [slice(0, size)]
    count = -(-(size - 2 * margin_px) // (block_px - 2 * margin_px))
    # As short as the overlaps allow: what lies in them is computed twice.
    length = -(-(size + 2 * margin_px * (count - 1)) // (8 * count)) * 8
    # Multiples of 8 keep the network's cells where they are in the whole image; the last block may gain 7 pixels.
    starts = [int(at) // 8 * 8 for at in np.linspace(0, size - length, count)]
    return [*(slice(start, start + length) for start in starts[:-1]), slice(starts[-1], size)]


def joined(
    shape: tuple[int, ...], parts: Iterator[tuple[Block, NDArray[np.float32]]], margin_px: int = MARGIN_PX
) -> NDArray[np.float32]:
    """Join restored blocks; each counts fully inside its margins and fades out linearly across their middle."""
    first = next(parts)
    if first[1].shape == shape:
        return first[1]
    total = np.zeros(shape, np.float32)
    weight = np.zeros(shape, np.float32)
    for block, image in chain([first], parts):
        fade = np.multiply.outer(
            _fade(block.rows, shape[0], margin_px), _fade(block.columns, shape[1], margin_px)
        ).astype(np.float32)
        total[block.rows, block.columns] += fade * image
        weight[block.rows, block.columns] += fade
    np.divide(total, weight, out=total)
    return total


def _fade(part: slice, size: int, margin_px: int) -> NDArray[np.float64]:
    length = part.stop - part.start
    ramp = (np.arange(length) + 0.5 - (margin_px - _CROSS_PX / 2)) / _CROSS_PX
    rising = np.ones(length) if part.start == 0 else ramp.clip(0, 1)
    falling = np.ones(length) if part.stop == size else ramp.clip(0, 1)[::-1]
    return np.asarray(np.minimum(rising, falling))


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
