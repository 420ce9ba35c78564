"""The open field of a radiograph, found in the image itself where it shows one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from xsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["OpenField", "find_open_field", "open_field_signal"]

_BLOCK_PX = 8
_PLATEAU = 0.95
_FLAT = 0.01
"""Relative spread that shading may cause where nothing stands in the beam."""
_MEAN_NOISE = 0.45
"""Noise of a block's mean over that of its pixels; noise of thick screens is correlated, so it is not 1 / 8."""
_NOISE_BLOCKS = 2**16


@dataclass(frozen=True)
class OpenField:
    """The brightest part of an image, which is the open field if it is flat.

    Parameters
    ----------
    signal : float
        Its signal, in grey levels.
    share : float
        Share of the image that belongs to it.
    flat : bool
        Whether it varies no more than noise and shading let it. The bare laminate of a board that fills the field
        can be as flat.
    """

    signal: float
    share: float
    flat: bool


def find_open_field(signal: NDArray[np.floating]) -> OpenField:
    """Look for the open field in an image (H, W).

    Means of 8 x 8 pixels put hot pixels and noise aside; of those within 5 % of the brightest (their 99.5th
    percentile) the median is the answer. It is flat if neither their spread nor the way up to the brightest exceeds
    what noise does to such means; the noise is that of the quietest blocks of the image, scaled as quantum noise.

    Raises
    ------
    InputError
        If there is no signal.
    """
    blocks = _in_blocks(signal)
    means = blocks.mean(axis=(1, 3), dtype=np.float64)
    brightest = float(np.quantile(means, 0.995))
    if not brightest > 0:
        raise InputError("no part of the image is brighter than zero: check --polarity, or give --open-field")
    plateau = means[means >= _PLATEAU * brightest]
    level = float(np.median(plateau))
    # 1.48 median absolute deviations are a standard deviation where outliers are few.
    spread = 1.48 * float(np.median(np.abs(plateau - level))) / level
    limit = max(_FLAT, _MEAN_NOISE * _noise(blocks, level))
    return OpenField(level, plateau.size / means.size, spread <= limit and brightest / level - 1 <= limit)


def open_field_signal(signal: NDArray[np.floating]) -> float:
    """Estimate the open-field signal of an image, see `find_open_field`: of its brightest part where it shows none.

    Raises
    ------
    InputError
        If there is no signal.
    """
    return find_open_field(signal).signal


def _in_blocks(signal: NDArray[Any]) -> NDArray[Any]:
    """Return an image as (rows, 8, columns, 8); what is left over at its end is dropped."""
    height, width = signal.shape
    rows, columns = max(height // _BLOCK_PX, 1), max(width // _BLOCK_PX, 1)
    high, wide = min(height, _BLOCK_PX), min(width, _BLOCK_PX)
    return signal[: rows * high, : columns * wide].reshape(rows, high, columns, wide)


def _noise(blocks: NDArray[Any], level: float) -> float:
    """Return the relative noise of a pixel at a level, from the quietest blocks of the image."""
    step = max(1, round((blocks.shape[0] * blocks.shape[2] / _NOISE_BLOCKS) ** 0.5))
    some = blocks[::step, :, ::step].astype(np.float64)
    # Quantum noise grows with the square root of the signal; in the dark other noise remains.
    expected = np.sqrt(np.maximum(some.mean(axis=(1, 3)), 0.05 * level) * level)
    return float(np.quantile(some.std(axis=(1, 3)) / expected, 0.05))
