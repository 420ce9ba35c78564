"""A training batch: whole images on their padded grid, with every random number it needs.

All draws of sample ``k`` of a run come from (seed, k) alone, so a batch is the same whatever the number of processes
and whether the run was resumed.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

from xsim.errors import InputError
from xsim.seeds import torch_seed
from xsim_zoo.process.padding import PaddedGrid
from xsim_zoo.process.process import fft

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from xsim_zoo.process.link import TorchLink
    from xsim_zoo.process.operator import Operator

__all__ = ["Batch", "check_patch", "make_batch"]


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
    noise : (B, 1, H', W') tensor
        Real white noise of unit variance.
    corners : (B, crops, 2) tensor
        First row and column of each crop on the padded grid.
    patch : int
        Side of the crops [px].
    """

    x_0: Tensor
    y: Tensor
    operator: Operator
    u: Tensor
    noise: Tensor
    corners: Tensor
    patch: int

    @property
    def crops(self) -> int:
        """Crops of each image."""
        return self.corners.shape[1]

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
class _Draws:
    """The random numbers of one sample."""

    u: Tensor
    noise: Tensor
    corners: Tensor
    symmetry: int


def _draw(seed: int, sample: int, grid: PaddedGrid, crops: int, patch: int) -> _Draws:
    generator = torch.Generator().manual_seed(torch_seed(seed, sample=sample, stage="train"))
    symmetry = int(torch.randint(8, (), generator=generator))
    u = torch.rand(2, generator=generator)
    room = torch.tensor(grid.shape) - patch + 1
    corners = (torch.rand(crops, 2, generator=generator) * room).long() + torch.tensor(grid.offset)
    return _Draws(u, torch.randn(1, *grid.padded, generator=generator), corners, symmetry)


def _turned(images: Tensor, symmetry: int) -> Tensor:
    """Return (H, W) images in one of the eight orientations; rows and columns only swap on square images."""
    turned = images.flip(-1) if symmetry & 1 else images
    turned = turned.flip(-2) if symmetry & 2 else turned
    square = images.shape[-1] == images.shape[-2]
    return turned.transpose(-1, -2) if symmetry & 4 and square else turned


def check_patch(patch: int, shape: tuple[int, int]) -> None:
    """Accept crops with a side of ``patch`` [px] of images of a shape (H, W).

    Raises
    ------
    InputError
        If they are larger than the images.
    """
    if patch > min(shape):
        raise InputError(f"patch {patch} does not fit images of {shape[0]} x {shape[1]} px: give a smaller one")


def make_batch(
    hr: Tensor,
    lr: Tensor,
    *,
    samples: Sequence[int],
    seed: int,
    crops: int,
    patch: int,
    links: Sequence[TorchLink] | None,
    operator: Operator,
    device: torch.device | str = "cpu",
) -> Batch:
    """Make a batch of stored pairs.

    Parameters
    ----------
    hr, lr : (B, H, W) tensors
        Stored images.
    samples : sequence of int
        Number of each sample in the run, which its random numbers belong to.
    seed : int
        Seed of the run.
    crops, patch : int
        Crops of each image and their side [px].
    links : sequence of TorchLink, optional
        For each sample, takes HR to LR grey; None leaves HR as it is.
    operator : Operator
        The physics on the images' padded grid.

    Raises
    ------
    InputError
        If the patch does not fit the images.
    """
    grid = PaddedGrid.around((hr.shape[-2], hr.shape[-1]))
    check_patch(patch, grid.shape)
    draws = [_draw(seed, sample, grid, crops, patch) for sample in samples]
    hr, lr = hr.to(device), lr.to(device)
    if links is not None:
        hr = torch.stack([link.forward(image) for link, image in zip(links, hr, strict=True)])
    pair = torch.stack([_turned(torch.stack([h, y]), d.symmetry) for h, y, d in zip(hr, lr, draws, strict=True)])
    pair = grid.pad(pair)
    return Batch(
        x_0=pair[:, :1],
        y=pair[:, 1:],
        operator=operator,
        u=torch.stack([d.u for d in draws]).to(device),
        noise=torch.stack([d.noise for d in draws]).to(device),
        corners=torch.stack([d.corners for d in draws]),
        patch=patch,
    )
