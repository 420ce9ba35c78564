"""One page of a radiograph through a restorer: whole or in blocks, once or as the mean of samples; then its check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from xsim.errors import InputError
from xsim_zoo.check.consistency import CUT_BORDER_PX, check
from xsim_zoo.check.verdict import merged
from xsim_zoo.process.blocks import Block, PlacedNoise, blocks
from xsim_zoo.process.padding import PaddedGrid
from xsim_zoo.restorers.base import How

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from xsim_datasets.images import Scale
    from xsim_zoo.check.verdict import Consistency
    from xsim_zoo.restorers.base import Network, Restorer
    from xsim_zoo.run.settings import RunSettings

__all__ = ["Page", "PageRestorer", "sampling_steps"]

_SAMPLE_STEPS = 20
_ROWS = 512


def sampling_steps(restorer: Restorer, settings: RunSettings) -> int:
    """Return the steps to take: those asked for, 20 for samples, or the restorer's own."""
    return settings.steps or (_SAMPLE_STEPS if settings.samples else restorer.default_steps)


@dataclass(frozen=True)
class Page:
    """A restored linear image (H, W), the standard deviation of its samples if there are any, and its check."""

    image: NDArray[np.float32]
    std: NDArray[np.float32] | None
    consistency: Consistency


@dataclass(frozen=True)
class PageRestorer:
    """Restores pages of any size; linear images exist of one block at a time.

    Parameters
    ----------
    restorer : Restorer
        What restores.
    settings : RunSettings
        How.
    scale : Scale
        What the grey levels of the pages mean.
    network : Network, optional
        Evaluates the restorer's network, e.g. in tiles.
    """

    restorer: Restorer
    settings: RunSettings
    scale: Scale
    network: Network | None

    def __call__(self, page: NDArray[Any]) -> Page:
        """Restore the grey levels (H, W) of a page."""
        grid = PaddedGrid.around((page.shape[0], page.shape[1]))
        level = self._noise_level(page)
        image = np.zeros(page.shape, np.float32)
        std = np.zeros(page.shape, np.float32) if self.settings.samples else None
        parts = blocks(grid)
        for block in parts:
            self._add_block(self._linear_block(page, grid, block), block, level, image, std)
        found = [self._checked(page, image, block) for block in parts]
        return Page(image, std, merged(found, (page.shape[0], page.shape[1])))

    def _add_block(
        self, y: Tensor, block: Block, level: float, image: NDArray[np.float32], std: NDArray[np.float32] | None
    ) -> None:
        """Add what a block answers for to the whole image, and to the spread of the samples if they are drawn."""
        if std is None:
            block.add(self._restored(y, block, level), image)
        else:
            mean, spread = self._sampled(y, block, level)
            block.add(mean, image)
            block.add(spread, std)

    def _noise_level(self, page: NDArray[Any]) -> float:
        """Return the noise level of the whole page, gathered over some rows at a time."""
        total = 0.0
        for first in range(0, len(page), _ROWS):
            rows = self.scale.linear(page[first : first + _ROWS])
            total += float(self.restorer.noise_level(rows)) * len(rows)
        return total / len(page)

    def _linear_block(self, page: NDArray[Any], grid: PaddedGrid, block: Block) -> Tensor:
        """Return what the filters of a block see, on the device: (1, 1, H', W'), open field 1.0."""
        rows, columns = (
            grid.sources(axis, reach.start, reach.stop).numpy()
            for axis, reach in enumerate((block.rows, block.columns))
        )
        y = torch.from_numpy(self.scale.linear(page.take(rows, axis=0).take(columns, axis=1)))
        if not torch.isfinite(y).all():
            raise InputError("the image holds NaN or infinite pixels: mask or repair them first")
        return y[None, None].to(self.restorer.device)

    def _restored(self, y: Tensor, block: Block, level: float, sample: int | None = None) -> NDArray[np.float32]:
        """Return what a block answers for: the answer itself, or a posterior sample."""
        noise = None
        if sample is not None:
            noise = PlacedNoise(self.settings.seed, sample, block.corner, self.restorer.device)
        how = How(
            sampling_steps(self.restorer, self.settings),
            eta=0.0 if sample is None else 1.0,
            sharpness=self.settings.sharpness,
            noise=noise,
        )
        hr = self.restorer.restore_padded(y, how, noise_level=level, network=self.network)
        return np.asarray(hr[0, 0][block.inner].float().cpu().numpy())

    def _sampled(self, y: Tensor, block: Block, level: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and standard deviation of posterior samples, gathered one by one (Welford)."""
        mean = np.zeros([part.stop - part.start for part in block.inner], np.float32)
        squares = np.zeros_like(mean)
        for number in range(self.settings.samples):
            sample = self._restored(y, block, level, number)
            step = sample - mean
            mean += step / (number + 1)
            squares += step * (sample - mean)
        return mean, np.sqrt(squares / (self.settings.samples - 1))

    def _checked(
        self, page: NDArray[Any], image: NDArray[np.float32], block: Block
    ) -> tuple[tuple[int, int], Consistency]:
        """Return where the judged part of a block begins, and what its check found."""
        part = tuple(
            reach.judged(size, CUT_BORDER_PX)
            for reach, size in zip((block.rows, block.columns), page.shape, strict=True)
        )
        found = check(self.scale.linear(page[part]), image[part], self.restorer, cuts=block.cuts)
        return (part[0].start, part[1].start), found
