"""The values of chi2 above which an image contradicts its measurement, from the statistics of noise.

A local chi2 is a weighted sum of squares of band-limited Gaussian noise. It is taken for a chi-square variable of the
same mean and variance (Satterthwaite 1946). The limit is what noise alone would reach once in a thousand images, all
the places where it might being counted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from scipy.stats import chi2

from xsim.grids import radial_frequency
from xsim_zoo.check.verdict import BLOCK_PX, NOISE_TOLERANCE
from xsim_zoo.process.process import plane_mean

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from xsim_zoo.restorers.base import Restorer

__all__ = [
    "GRID_PX",
    "LINK_TOLERANCE",
    "LINK_TOLERANCE_DARK",
    "TRANSITION",
    "BandStatistics",
    "band_gain",
    "band_statistics",
    "effective_bins",
    "noise_reach",
]

LINK_TOLERANCE = 0.1
"""Relative error of local contrast that materials cause: copper and solder of one HR contrast differ so far in LR."""

LINK_TOLERANCE_DARK = 0.3
"""The same where next to nothing passes."""

TRANSITION = 1.5
"""Ratio of the frequencies between which the edge of a band rises or falls."""

_FALSE_ALARM = 1e-3
"""Share of sound images in which a band may exceed its limit by chance."""

_WIDE_BELOW_LP_MM = 2.0
"""Bands below this are judged in windows twice as wide [lp/mm]: the noise of one block has few bins there."""

GRID_PX = 256
"""Side of the grid on which the statistics of noise are worked out [px]."""


@dataclass(frozen=True)
class BandStatistics:
    """How chi2 of a band is distributed where nothing is wrong.

    Parameters
    ----------
    band_lp_mm : (low, high)
        The band [lp/mm].
    window_blocks : float
        Standard deviation of the Gaussian window of local chi2 [blocks].
    freedom : float
        Degrees of freedom of a local chi2.
    noise : (n, n) array
        Noise power in a block of pixels [grey^2] for noise of level 1 in the blocks around it.
    withheld : float
        Share of the structure's power in this band that a Wiener estimate leaves to the residual.
    local_limit, whole_limit : float
        Local chi2, and chi2 of the whole image, above which they contradict.
    """

    band_lp_mm: tuple[float, float]
    window_blocks: float
    freedom: float
    noise: NDArray[np.float32]
    withheld: float
    local_limit: float
    whole_limit: float


def band_statistics(
    restorer: Restorer, bands: Sequence[tuple[float, float]], *, level: float, area_px: int
) -> list[BandStatistics]:
    """Return the statistics of bands.

    Parameters
    ----------
    restorer : Restorer
        Whose physics it is.
    bands : sequence of (low, high)
        Bands [lp/mm].
    level : float
        Noise power of the image relative to the open field.
    area_px : int
        Area that is judged [px].
    """
    shape = (GRID_PX, GRID_PX)
    operator = restorer.operator_on(shape)
    Sigma = operator.process.with_noise_everywhere().Sigma_1[0, 0]
    seen = operator.S[0, 0] * operator.process.B(1.0)[0, 0].square()
    # W_1 B_1 of the structure reaches the answer and is explained; the rest stays in the residual.
    left = (level * Sigma / (seen + level * Sigma)).square()
    frequency = torch.as_tensor(radial_frequency(shape, restorer.physics.pitch_mm))
    found = []
    for low, high in bands:
        passed = band_gain(frequency, (low, high)).to(Sigma).square()
        window = 2.0 if high <= _WIDE_BELOW_LP_MM else 1.0
        spectrum = Sigma * passed
        freedom = _freedom(spectrum, window)
        places = max(area_px / (4 * np.pi * (window * BLOCK_PX) ** 2), 1.0)
        whole_freedom = max(effective_bins(spectrum) * area_px / GRID_PX**2, 1.0)
        found.append(
            BandStatistics(
                band_lp_mm=(low, high),
                window_blocks=window,
                freedom=freedom,
                noise=noise_reach(spectrum),
                withheld=float(plane_mean(left * seen * passed, shape) / plane_mean(seen * passed, shape)),
                local_limit=NOISE_TOLERANCE * _quantile(_FALSE_ALARM / places, freedom),
                whole_limit=NOISE_TOLERANCE * _quantile(_FALSE_ALARM, whole_freedom),
            )
        )
    return found


def band_gain(frequency_lp_mm: Tensor, band_lp_mm: tuple[float, float]) -> Tensor:
    """Return the gain of a band at frequencies [lp/mm], 0 to 1.

    Its edges are raised cosines in the logarithm, `TRANSITION` wide: sharp ones would ring from an edge of the image
    across a tenth of it.
    """
    octaves = torch.log(frequency_lp_mm.clamp_min(1e-9))
    low, high = (((octaves - np.log(edge)) / np.log(TRANSITION)).clamp_(-0.5, 0.5) for edge in band_lp_mm)
    return (0.5 + 0.5 * torch.sin(np.pi * low)) * (0.5 - 0.5 * torch.sin(np.pi * high))


def _quantile(probability: float, freedom: float) -> float:
    """Return what chi2, over its degrees of freedom, exceeds with a probability."""
    return float(chi2.isf(probability, freedom) / freedom)


def effective_bins(spectrum: Tensor) -> float:
    """Return the effective number of real bins, in the full plane, of noise with this spectrum."""
    shape = (GRID_PX, GRID_PX)
    return float(plane_mean(spectrum, shape) ** 2 / plane_mean(spectrum.square(), shape)) * GRID_PX**2


def _freedom(spectrum: Tensor, window_blocks: float) -> float:
    """Return the degrees of freedom, 2 mean^2 / variance, of the mean square of noise over a window.

    The variance is 2 sum over r of A(r) C(r)^2, with A the window's and C the noise's autocorrelation.
    """
    window = _window(window_blocks)
    A = np.fft.irfft2(np.abs(np.fft.rfft2(window)) ** 2, s=window.shape)
    C = np.fft.irfft2(spectrum.cpu().numpy(), s=window.shape)
    return float(C[0, 0] ** 2 / (A * C**2).sum())


def noise_reach(spectrum: Tensor) -> NDArray[np.float32]:
    """Return the mean square that white noise in one block gives to the blocks around it, filtered to a spectrum.

    Sharp bands ring: beside an open field a dark place shows more of its neighbour's noise than of its own.
    """
    shape = (GRID_PX, GRID_PX)
    kernel = np.fft.irfft2(np.sqrt(spectrum.cpu().numpy()), s=shape)
    block = np.zeros(shape)
    block[:BLOCK_PX, :BLOCK_PX] = 1.0
    both = np.abs(np.fft.rfft2(block)) ** 2 / BLOCK_PX**2
    power = np.fft.irfft2(np.fft.rfft2(kernel**2) * both, s=shape)[::BLOCK_PX, ::BLOCK_PX]
    return np.asarray(np.fft.fftshift(power)[1:, 1:], dtype=np.float32)


def _window(blocks: float) -> NDArray[np.float64]:
    """Return the window of a local chi2 in pixels: a Gaussian of blocks, each block flat; its sum is 1."""
    places = np.zeros((GRID_PX // BLOCK_PX,) * 2)
    places[len(places) // 2, len(places) // 2] = 1.0
    weights = gaussian_filter(places, blocks, mode="wrap")
    return np.kron(weights, np.full((BLOCK_PX, BLOCK_PX), 1.0 / BLOCK_PX**2))
