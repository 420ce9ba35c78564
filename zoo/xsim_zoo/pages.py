"""One linear image through a restorer: whole or in blocks, once or as the mean of samples, and then its check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xsim_zoo.blocks import Block, PlacedNoise, blocks, joined
from xsim_zoo.consistency import check
from xsim_zoo.padding import PaddedGrid
from xsim_zoo.verdict import merged

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

    from xsim_zoo.restorer import Network, Restorer
    from xsim_zoo.run_settings import RunSettings
    from xsim_zoo.verdict import Consistency

__all__ = ["Page", "PageRestorer", "sampling_steps"]

_SAMPLE_STEPS = 20


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
    """Restores linear images of any size.

    Parameters
    ----------
    restorer : Restorer
        What restores.
    settings : RunSettings
        How.
    pitch_mm : float
        Pixel pitch [mm].
    network : Network, optional
        Evaluates the restorer's network, e.g. in tiles.
    """

    restorer: Restorer
    settings: RunSettings
    pitch_mm: float
    network: Network | None

    def __call__(self, y: NDArray[np.float32]) -> Page:
        """Restore an LR image (H, W), open field 1.0."""
        image, std = self._sampled(y) if self.settings.samples else (joined(y.shape, self._parts(y)), None)
        found = []
        for block in blocks(y.shape):
            part = np.s_[block.rows, block.columns]
            found.append((block.origin, check(y[part], image[part], self.restorer, cuts=block.cuts(y.shape))))
        return Page(image, std, merged(found, (y.shape[0], y.shape[1])))

    def _sampled(self, y: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return mean and standard deviation of posterior samples, gathered one by one (Welford)."""
        mean, squares = np.zeros_like(y), np.zeros_like(y)
        for number in range(self.settings.samples):
            sample = joined(y.shape, self._parts(y, number))
            step = sample - mean
            mean += step / (number + 1)
            squares += step * (sample - mean)
        return mean, np.sqrt(squares / (self.settings.samples - 1))

    def _parts(self, y: NDArray[np.float32], sample: int | None = None) -> Iterator[tuple[Block, NDArray[np.float32]]]:
        """Yield the restored blocks: of the answer, or of a posterior sample."""
        for block in blocks(y.shape):
            part = y[block.rows, block.columns]
            yield (
                block,
                self.restorer.restore_array(
                    part,
                    pitch_mm=self.pitch_mm,
                    steps=sampling_steps(self.restorer, self.settings),
                    eta=0.0 if sample is None else 1.0,
                    sharpness=self.settings.sharpness,
                    noise=None if sample is None else self._noise(block, part.shape, sample),
                    network=self.network,
                ),
            )

    def _noise(self, block: Block, shape: tuple[int, ...], sample: int) -> PlacedNoise:
        offset = PaddedGrid.around((shape[0], shape[1])).offset
        corner = (block.origin[0] - offset[0], block.origin[1] - offset[1])
        return PlacedNoise(self.settings.seed, sample, corner, self.restorer.device)
