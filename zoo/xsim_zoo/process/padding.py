"""The padded grid on which a restorer keeps its state.

The discrete Fourier transform sees a periodic image; a reflected border of at least 32 pixels keeps the wrap-around
away from the picture. The state stays on the padded grid during all steps and is cropped once, at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xsim.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["BORDER_PX", "GRID_MULTIPLE_PX", "WHOLE_PX", "PaddedGrid", "fast_size"]

BORDER_PX = 32
"""Smallest reflected border on each side [px]."""

WIDE_BORDER_PX = 96
"""That of images of more than 64 megapixels [px]: what the network makes of the grid's edge stays outside the image,
so that blocks of it, which see the grid go on, give the same."""

WHOLE_PX = 2**26
"""Images of up to as many pixels are filtered as a whole [px]."""

GRID_MULTIPLE_PX = 8
"""Padded sides are multiples of this, the stride of the U-Net's deepest level [px]."""


def fast_size(size: int, multiple: int = GRID_MULTIPLE_PX) -> int:
    """Return the smallest multiple of ``multiple`` that is >= ``size`` and has no prime factor above 7."""
    candidate = -(-size // multiple) * multiple
    while not _is_smooth(candidate):
        candidate += multiple
    return candidate


def _is_smooth(number: int) -> bool:
    for prime in (2, 3, 5, 7):
        while number % prime == 0:
            number //= prime
    return number == 1


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
