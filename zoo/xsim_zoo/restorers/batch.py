"""What learned restorers learn from: batches of whole images, and the examples that a restorer makes of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.process import fft

__all__ = ["Batch", "Examples"]


@dataclass(frozen=True)
class Batch:
    """Pairs in LR grey on the padded grid, and the random numbers of their examples.

    Parameters
    ----------
    x_0, y : (B, 1, H', W') tensors
        h(HR) and LR.
    operator : Operator
        The physics on this grid.
    u : (B, 2) tensor
        Uniform numbers, for times.
    draw_noise : callable
        Returns real white noise of unit variance, (B, 1, H', W'), the same at each call; regression never asks for it.
    corners : (B, crops, 2) tensor
        First row and column of each crop on the padded grid.
    patch : int
        Side of the crops [px].
    grid : PaddedGrid
        Where the images lie on the padded grid.
    """

    x_0: Tensor
    y: Tensor
    operator: Operator
    u: Tensor
    draw_noise: Callable[[], Tensor]
    corners: Tensor
    patch: int
    grid: PaddedGrid

    @property
    def crops(self) -> int:
        """Crops of each image."""
        return self.corners.shape[1]

    @cached_property
    def noise(self) -> Tensor:
        """Real white noise of unit variance, (B, 1, H', W')."""
        return self.draw_noise()

    @property
    def Z(self) -> Tensor:
        """Spectrum of the noise."""
        return fft(self.noise)

    def cut(self, images: Tensor) -> Tensor:
        """Return the crops (B * crops, C, patch, patch) of images (B, C, H', W')."""
        pieces = [
            image[:, top : top + self.patch, left : left + self.patch]
            for image, corners in zip(images, self.corners.tolist(), strict=True)
            for top, left in corners
        ]
        return torch.stack(pieces)


@dataclass(frozen=True)
class Examples:
    """What a network is shown and what it should answer, on the padded grid.

    Parameters
    ----------
    features : (B, C, H, W) tensor
    conditions : (B, 3 or 6) tensor
    target : (B, 1, H, W) tensor
    """

    features: Tensor
    conditions: Tensor
    target: Tensor
