"""Batches made on the device: decoded, turned, padded, linked and cut by a few kernels for all images together.

The random numbers of a sample are those of `xsim_zoo.training.batch`, except for its noise, which the device draws: so
a restorer that learns without noise sees the very numbers that it sees there.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from xsim.seeds import torch_seeds
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.restorers.batch import Batch
from xsim_zoo.training.batch import draws
from xsim_zoo.training.parts.augment import Augmentation
from xsim_zoo.training.resident.shelf import Part, Shelf, free_bytes
from xsim_zoo.training.resident.tables import SetupTables

if TYPE_CHECKING:
    from xsim_zoo.restorers.base import Restorer
    from xsim_zoo.training.data import PairSource
    from xsim_zoo.training.settings import TrainSettings

__all__ = ["DeviceBatch", "DeviceFeed", "Plan", "placed"]

_GIB: Final = 2**30

_SHARE: Final = 0.5
"""Share of the free memory that pairs take unless somebody says how much; the rest is for learning."""


@dataclass(frozen=True)
class Plan:
    """What a step will take, made on the reading thread: a few numbers a sample.

    Parameters
    ----------
    samples : sequence of int
        Numbers of the samples in the run.
    part : Part
        Where their pairs lie.
    whole : (B, 3 + 2 * crops) int64 tensor
        Row in the part, row of the set-up, orientation, and the corners of the crops.
    u : (B, 2) tensor
        Uniform numbers, for times.
    """

    samples: Sequence[int]
    part: Part
    whole: Tensor
    u: Tensor


class DeviceBatch(Batch):
    """A batch whose corners lie on the device, where its crops are cut without asking for them."""

    @cached_property
    def _places(self) -> tuple[Tensor, Tensor, Tensor]:
        """Image, rows and columns of every crop, which together have the shape (B, crops, patch, patch)."""
        side = torch.arange(self.patch, device=self.corners.device)
        image = torch.arange(len(self.corners), device=self.corners.device).reshape(-1, 1, 1, 1)
        top, left = self.corners.unbind(-1)
        return image, top[..., None, None] + side[:, None], left[..., None, None] + side

    def cut(self, images: Tensor) -> Tensor:
        """Return the crops (B * crops, C, patch, patch) of images (B, C, H', W'), channels last in memory."""
        image, rows, columns = self._places
        return images[image, :, rows, columns].movedim(-1, 2).flatten(0, 1)


def placed(images: Tensor, turn: Tensor, grid: PaddedGrid, sources: tuple[Tensor, Tensor]) -> Tensor:
    """Return images (B, C, H, W) turned, each in its own orientation, and padded: `turned`, then `PaddedGrid.pad`.

    Parameters
    ----------
    images : (B, C, H, W) tensor
    turn : (B,) tensor
        Orientations, 0 to 7.
    grid : PaddedGrid
        The grid of the images.
    sources : tensors (H',), (W',)
        Which row and column of an image stands at each of the grid.
    """
    height, width = grid.shape
    mirrored, upside_down = ((turn & bit > 0)[:, None] for bit in (1, 2))
    swapped = (turn & 4 > 0)[:, None] & (height == width)
    rows, columns = sources
    # The number of a pixel is row * W + column, so each axis of the grid adds a term of its own.
    down = torch.where(upside_down, height - 1 - rows, rows) * width
    across = torch.where(mirrored, width - 1 - columns, columns)
    down = torch.where(swapped, torch.where(mirrored, width - 1 - rows, rows), down)
    across = torch.where(swapped, torch.where(upside_down, height - 1 - columns, columns) * width, across)
    pixel = (down[:, :, None] + across[:, None, :]).flatten(1)
    pixel = pixel[:, None].expand(-1, images.shape[1], -1)
    return images.flatten(2).gather(2, pixel).reshape(*images.shape[:2], *grid.padded)


class DeviceFeed:
    """Makes the batches of a run from pairs that lie on the device.

    Parameters
    ----------
    pairs : PairSource
        The pairs.
    restorer : Restorer
        What learns from them.
    settings : TrainSettings
        Seed, crops, patch and memory.
    device : torch device
        Where it computes.
    indices_of : callable
        Returns which samples a step takes.
    steps : range
        The steps that will be taken.
    """

    def __init__(
        self,
        pairs: PairSource,
        restorer: Restorer,
        settings: TrainSettings,
        device: torch.device,
        indices_of: Callable[[int], Sequence[int]],
        steps: range,
    ) -> None:
        self._pairs, self._restorer, self._settings, self._device = pairs, restorer, settings, device
        self._grid, self._augmentation = PaddedGrid.around(pairs.shape), Augmentation.of(settings.augment)
        used = sorted({pairs.setup_of(int(index)) for index in pairs.indices("train")})
        self._row_of_setup = {setup: row for row, setup in enumerate(used)}
        self._tables = SetupTables([pairs.setups[setup] for setup in used], restorer, self._grid.padded, device)
        (top, left), (height, width) = self._grid.offset, self._grid.padded
        rows, columns = self._grid.sources(0, -top, height - top), self._grid.sources(1, -left, width - left)
        self._sources = (rows.to(device), columns.to(device))
        most = _SHARE * free_bytes(device) if settings.resident_GiB is None else settings.resident_GiB * _GIB
        self.shelf = Shelf(pairs, indices_of, steps, device, most_bytes=most, level_of=self._level_of)

    def _level_of(self, index: int, y: NDArray[np.float32]) -> float:
        if not self._restorer.noise_follows_grey:
            return 1.0
        return float(self._pairs.setups[self._pairs.setup_of(index)].noise_level(y))

    def read(self, step: int, samples: Sequence[int], indices: Sequence[int]) -> Plan:
        """Return what a batch will take; on the reading thread."""
        settings, part = self._settings, self.shelf.part_of(step)
        drawn = draws(settings.seed, samples, self._grid, settings.crops, settings.patch)
        rows = [(part.row[i], self._row_of_setup[self._pairs.setup_of(i)]) for i in indices]
        turns = self._augmentation.orientations(drawn.symmetry)
        whole = torch.cat([torch.tensor(rows), turns[:, None], drawn.corners.flatten(1)], dim=1)
        if self._device.type == "cuda":
            with torch.cuda.device(self._device):  # of this thread
                return Plan(samples, part, whole.pin_memory(), drawn.u.pin_memory())
        return Plan(samples, part, whole, drawn.u)

    def make(self, plan: Plan) -> DeviceBatch:
        """Return a batch; nothing waits for the device."""
        plan.part.used_by(self._device)
        whole, u = (tensor.to(self._device, non_blocking=True) for tensor in (plan.whole, plan.u))
        row, setup, turn = whole[:, :3].unbind(1)
        grey = self._augmentation.changed(plan.part.grey(row), self._settings.seed, plan.samples)
        pair = placed(grey, turn, self._grid, self._sources)
        level = plan.part.level[row] if self._restorer.noise_follows_grey else None
        return DeviceBatch(
            x_0=self._tables.linked(pair[:, :1], setup),
            y=pair[:, 1:],
            operator=self._tables.operator(setup, level),
            u=u,
            draw_noise=lambda: self._noise(plan.samples),
            corners=whole[:, 3:].reshape(len(whole), -1, 2),
            patch=self._settings.patch,
            grid=self._grid,
        )

    def _noise(self, samples: Sequence[int]) -> Tensor:
        """Return white noise, (B, 1, H', W'), that of each sample from a seed of its own."""
        random = torch.Generator(self._device)
        noise = torch.empty((len(samples), 1, *self._grid.padded), device=self._device)
        for image, seed in zip(noise, torch_seeds(self._settings.seed, samples, stage="noise"), strict=True):
            image.normal_(generator=random.manual_seed(seed))
        return noise
