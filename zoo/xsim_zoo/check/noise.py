"""What noise alone makes of a residual: limits of chi2, and the noise of a measurement.

A local chi2 is a weighted sum of squares of band-limited Gaussian noise. It is taken for a chi-square variable of the
same mean and variance (Satterthwaite 1946). Above the limit, which noise alone would reach once in a thousand images,
all the places where it might being counted, an image contradicts its measurement.

The measurement alone tells its noise: at the highest frequencies the blur has taken the structure away. The ratio to
the calibrated spectrum at the grey level of the place is a property of the exposure: of the dose, of the frames that
were averaged, of the screen. Far above 1 no answer can be trusted, whatever the residual looks like: a filter that
expects less noise takes some of it for structure.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.signal import oaconvolve
from scipy.stats import chi2
from torch import Tensor
from torch.nn import functional

from xsim.grids import radial_frequency
from xsim_zoo.check.verdict import BLOCK_PX, NOISE_TOLERANCE
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.process import ifft, plane_mean, strips
from xsim_zoo.restorers.base import Restorer

__all__ = [
    "BAND_PITCH_MM",
    "TRANSITION",
    "BandStatistics",
    "band_gain",
    "band_statistics",
    "block_means",
    "noise_of",
    "spread",
]

BAND_PITCH_MM = 0.048
"""Pixels for which bands and limits are given in lp/mm: at others they lie at as many cycles a pixel."""

TRANSITION = 1.5
"""Ratio of the frequencies between which the edge of a band rises or falls."""

_FALSE_ALARM = 1e-3
"""Share of sound images in which a band may exceed its limit by chance."""

_WIDE_BELOW_LP_MM = 2.0
"""Bands below this are judged in windows twice as wide [lp/mm]: the noise of one block has few bins there."""

_GRID = (256, 256)
"""Grid on which the statistics of noise are worked out [px]."""

_LEAST_LEVEL = 0.05
"""Darker blocks hold scatter and read noise, which the grey level does not tell."""

_LEAST_BLOCKS = 16
"""Fewer blocks have no median that edges and corrupted places leave alone."""

_MOST_STRUCTURE = 0.2
"""Share of structure in what passes as noise up to which it can be told from noise."""


@dataclass(frozen=True)
class BandStatistics:
    """How chi2 of a band is distributed where nothing is wrong.

    Parameters
    ----------
    band_lp_mm : (low, high)
        The band [lp/mm].
    window_blocks : float
        Standard deviation of the Gaussian window of local chi2 [blocks].
    noise : (n, n) array
        Noise power in a block of pixels [grey^2] for noise of level 1 in the blocks around it.
    withheld : float
        Share of the structure's power in this band that a Wiener estimate leaves to the residual.
    local_limit, whole_limit : float
        Local chi2, and chi2 of the whole image, above which they contradict.
    """

    band_lp_mm: tuple[float, float]
    window_blocks: float
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
    Sigma, seen = _spectra(restorer)
    # W_1 B_1 of the structure reaches the answer and is explained; the rest stays in the residual.
    left = _noise_share(Sigma, seen, level).square()
    frequency = torch.as_tensor(radial_frequency(_GRID, restorer.physics.pitch_mm))
    found = []
    for low, high in bands:
        passed = band_gain(frequency, (low, high)).to(Sigma).square()
        window = 2.0 if high * restorer.physics.pitch_mm <= 1.05 * _WIDE_BELOW_LP_MM * BAND_PITCH_MM else 1.0
        spectrum = Sigma * passed
        places = max(area_px / (4 * np.pi * (window * BLOCK_PX) ** 2), 1.0)
        whole_freedom = max(_effective_share(spectrum) * area_px, 1.0)
        found.append(
            BandStatistics(
                band_lp_mm=(low, high),
                window_blocks=window,
                noise=_noise_reach(spectrum),
                withheld=float(plane_mean(left * seen * passed, _GRID) / plane_mean(seen * passed, _GRID)),
                local_limit=NOISE_TOLERANCE * _quantile(_FALSE_ALARM / places, _freedom(spectrum, window)),
                whole_limit=NOISE_TOLERANCE * _quantile(_FALSE_ALARM, whole_freedom),
            )
        )
    return found


def _spectra(restorer: Restorer) -> tuple[Tensor, Tensor]:
    """Return Sigma_1 and the blurred prior S B_1^2 on the small grid, shape (H, W // 2 + 1)."""
    operator = restorer.operator_on(_GRID)
    Sigma = operator.process.with_noise_everywhere().Sigma_1[0, 0]
    return Sigma, operator.S[0, 0] * operator.process.B(1.0)[0, 0].square()


def _noise_share(Sigma: Tensor, seen: Tensor, level: float) -> Tensor:
    """Return the noise's share of the power of a measurement."""
    return level * Sigma / (seen + level * Sigma)


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


def _effective_share(spectrum: Tensor) -> float:
    """Return the effective number of real bins, in the full plane, of noise with this spectrum, for each pixel."""
    return float(plane_mean(spectrum, _GRID) ** 2 / plane_mean(spectrum.square(), _GRID))


def _freedom(spectrum: Tensor, window_blocks: float) -> float:
    """Return the degrees of freedom, 2 mean^2 / variance, of the mean square of noise over a window.

    The variance is 2 sum over r of A(r) C(r)^2, with A the window's and C the noise's autocorrelation.
    """
    # A Gaussian of blocks, each block flat; its sum is 1.
    places = np.zeros([side // BLOCK_PX for side in _GRID])
    places[len(places) // 2, len(places) // 2] = 1.0
    weights = gaussian_filter(places, window_blocks, mode="wrap")
    window = np.kron(weights, np.full((BLOCK_PX, BLOCK_PX), 1.0 / BLOCK_PX**2))
    A = np.fft.irfft2(np.abs(np.fft.rfft2(window)) ** 2, s=window.shape)
    C = np.fft.irfft2(spectrum.cpu().numpy(), s=window.shape)
    return float(C[0, 0] ** 2 / (A * C**2).sum())


def _noise_reach(spectrum: Tensor) -> NDArray[np.float32]:
    """Return the mean square that white noise in one block gives to the blocks around it, filtered to a spectrum.

    Sharp bands ring: beside an open field a dark place shows more of its neighbour's noise than of its own.
    """
    kernel = np.fft.irfft2(np.sqrt(spectrum.cpu().numpy()), s=_GRID)
    block = np.zeros(_GRID)
    block[:BLOCK_PX, :BLOCK_PX] = 1.0
    both = np.abs(np.fft.rfft2(block)) ** 2 / BLOCK_PX**2
    power = np.fft.irfft2(np.fft.rfft2(kernel**2) * both, s=_GRID)[::BLOCK_PX, ::BLOCK_PX]
    return np.asarray(np.fft.fftshift(power)[1:, 1:], dtype=np.float32)


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
    Sigma, seen = _spectra(restorer)
    # The noise's share to the fourth passes noise and stops structure.
    gain = (_noise_share(Sigma, seen, mean_level) ** 4).square()
    spectrum = Sigma * gain
    structure = float(plane_mean(seen * gain, _GRID))
    bright = level[judged] > _LEAST_LEVEL
    few = bright.sum() < _LEAST_BLOCKS
    if few or structure > _MOST_STRUCTURE * mean_level * float(plane_mean(spectrum, _GRID)):
        return None
    operator = restorer.operator(grid.padded)
    passed = torch.empty_like(Y)
    for rows in strips(Y):
        own = operator.rows(rows)
        own_seen = own.S[0, 0] * own.process.B(1.0)[0, 0].square()
        passed[rows] = Y[rows] * _noise_share(own.process.Sigma_1[0, 0], own_seen, mean_level) ** 4
    found = block_means(grid.crop(ifft(passed, grid.padded)).square_())[judged]
    expected = spread(level, _noise_reach(spectrum))[judged]
    freedom = _effective_share(spectrum) * BLOCK_PX**2
    return float(np.median(found[bright] / expected[bright]) * freedom / chi2.median(freedom))


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
        Noise power that level 1 in one block gives to the blocks around it, see `BandStatistics`.
    """
    around = np.pad(level, len(reach) // 2, mode="reflect" if min(level.shape) > len(reach) // 2 else "edge")
    return np.asarray(oaconvolve(around, reach, mode="valid"), dtype=np.float32)
