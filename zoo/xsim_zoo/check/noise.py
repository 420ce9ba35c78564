"""The noise of a measurement in units of what the detectors make; the measurement alone tells it.

At the highest frequencies the blur has taken the structure away, so what a radiograph shows there is its noise. The
ratio to the calibrated spectrum at the grey level of the place is a property of the exposure: of the dose, of the
frames that were averaged, of the screen. Far above 1 no answer can be trusted, whatever the residual looks like:
a filter that expects less noise takes some of it for structure.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.signal import oaconvolve
from scipy.stats import chi2
from torch.nn import functional

from xsim_zoo.check.limits import GRID_PX, effective_bins, noise_reach
from xsim_zoo.check.verdict import BLOCK_PX
from xsim_zoo.process.process import ifft, plane_mean, strips

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from xsim_zoo.process.grid import PaddedGrid
    from xsim_zoo.process.operator import Operator
    from xsim_zoo.restorers.base import Restorer

__all__ = ["block_means", "noise_of", "spread"]

_LEAST_LEVEL = 0.05
"""Darker blocks hold scatter and read noise, which the grey level does not tell."""

_LEAST_BLOCKS = 16
"""Fewer blocks have no median that edges and corrupted places leave alone."""

_MOST_STRUCTURE = 0.2
"""Share of structure in what passes as noise up to which it can be told from noise."""


def noise_of(
    Y: Tensor, level: NDArray[np.float32], judged: tuple[slice, slice], restorer: Restorer, grid: PaddedGrid
) -> float | None:
    """Return the noise power of a measurement in units of what the restorer's physics lets expect.

    A filter passes the frequencies at which noise exceeds the blurred prior; of the blocks of what is left, each over
    its expected noise, the median counts, which edges and corrupted places do not move.

    Parameters
    ----------
    Y : (H, W // 2 + 1) complex tensor
        Spectrum of the measurement on the padded grid.
    level : (ceil(H / 8), ceil(W / 8)) array
        Noise power that the grey level of each block lets expect, relative to the open field.
    judged : (rows, columns)
        The blocks that count.
    restorer : Restorer
        Whose physics it is.
    grid : PaddedGrid
        Where the image lies.

    Returns
    -------
    float or None
        None where it cannot be told: too few blocks, or structure at all frequencies.
    """
    mean_level = float(level.mean())
    small = restorer.operator_on((GRID_PX, GRID_PX))
    small = replace(small, process=small.process.with_noise_everywhere())
    gain = _noise_gain(small, mean_level).square()
    passed = plane_mean(small.process.Sigma_1[0, 0] * gain, (GRID_PX, GRID_PX))
    structure = plane_mean(small.S[0, 0] * small.process.B(1.0)[0, 0].square() * gain, (GRID_PX, GRID_PX))
    spectrum = small.process.Sigma_1[0, 0] * gain
    bright = level[judged] > _LEAST_LEVEL
    if bright.sum() < _LEAST_BLOCKS or float(structure) > _MOST_STRUCTURE * mean_level * float(passed):
        return None
    expected = spread(level, noise_reach(spectrum))[judged]
    found = block_means(_noise_picture(Y, restorer.operator(grid.padded), mean_level, grid).square_())[judged]
    freedom = effective_bins(spectrum) * BLOCK_PX**2 / GRID_PX**2
    return float(np.median(found[bright] / expected[bright]) * freedom / chi2.median(freedom))


def _noise_gain(operator: Operator, level: float) -> Tensor:
    """Return the gain that passes noise and stops structure: the noise's share of the measurement, to the fourth."""
    Sigma = level * operator.process.Sigma_1[0, 0]
    return (Sigma / (operator.S[0, 0] * operator.process.B(1.0)[0, 0].square() + Sigma)) ** 4


def _noise_picture(Y: Tensor, operator: Operator, level: float, grid: PaddedGrid) -> Tensor:
    passed = torch.empty_like(Y)
    for rows in strips(Y):
        passed[rows] = Y[rows] * _noise_gain(operator.rows(rows), level)
    return grid.crop(ifft(passed, grid.padded))


def block_means(image: Tensor) -> NDArray[np.float32]:
    """Return the means of blocks (ceil(H / 8), ceil(W / 8)); the last row and column of blocks may be smaller."""
    means = functional.avg_pool2d(image[None, None], BLOCK_PX, ceil_mode=True, count_include_pad=False)
    return np.asarray(means[0, 0].cpu().numpy())


def spread(level: NDArray[np.float32], reach: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the noise power of every block, from the levels of the blocks around it.

    Parameters
    ----------
    level : (h, w) array
        Noise level of each block.
    reach : (n, n) array
        Noise power that level 1 in one block gives to the blocks around it, see `xsim_zoo.check.limits`.
    """
    around = np.pad(level, len(reach) // 2, mode="reflect" if min(level.shape) > len(reach) // 2 else "edge")
    return np.asarray(oaconvolve(around, reach, mode="valid"), dtype=np.float32)
