"""Which of two registered images holds more fine detail: what tells HR from LR when folders are mixed up."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.fft

from xsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["detail_ratio"]

_TILE_PX = 32
_STEP_PX = 16
# Cycles a pixel: below lies the contrast of whole parts, above nothing but the noise of the thick screen.
_BAND = (0.06, 0.35)


def detail_ratio(hr: NDArray[np.floating], lr: NDArray[np.floating]) -> float:
    """Return the power of an HR image at high frequencies over that of the LR image of the same object.

    Spectra are means over Hann-windowed tiles (Welch 1967). Each frequency counts by its squared coherence, the share
    of power that the two images have in common: the noise of a single LR frame is power at high frequencies too, but
    no detail. Swapping the images inverts the ratio.

    Parameters
    ----------
    hr, lr : (H, W) arrays
        Registered linear images.

    Raises
    ------
    InputError
        If the shapes differ, the images are smaller than a tile, or one holds nothing at these frequencies.
    """
    if hr.shape != lr.shape or min(hr.shape) < _TILE_PX:
        raise InputError(f"HR is {hr.shape} and LR is {lr.shape}: give one shape, {_TILE_PX} pixels or more a side")
    fine, coarse = _spectra(hr), _spectra(lr)
    power_hr, power_lr = (np.mean(np.abs(spectra) ** 2, axis=0) for spectra in (fine, coarse))
    cross = np.abs(np.mean(fine * coarse.conj(), axis=0))
    if not (power_hr.min() > 0 and power_lr.min() > 0):
        raise InputError("HR or LR holds no detail at all: check the images")
    coherence = cross**2 / (power_hr * power_lr)
    return float(np.exp(np.average(np.log(power_hr / power_lr), weights=coherence)))


def _spectra(image: NDArray[np.floating]) -> NDArray[np.complex128]:
    """Return the spectra of an image's tiles in the band, (tiles, frequencies)."""
    tiles = np.lib.stride_tricks.sliding_window_view(image, (_TILE_PX, _TILE_PX))[::_STEP_PX, ::_STEP_PX]
    tiles = tiles.reshape(-1, _TILE_PX, _TILE_PX).astype(np.float64)
    tiles = tiles - tiles.mean(axis=(1, 2), keepdims=True)
    spectra = scipy.fft.rfft2(tiles * np.outer(np.hanning(_TILE_PX), np.hanning(_TILE_PX)))
    frequency = np.hypot(scipy.fft.fftfreq(_TILE_PX)[:, None], scipy.fft.rfftfreq(_TILE_PX)[None, :])
    inside = (frequency > _BAND[0]) & (frequency < _BAND[1])
    return np.asarray(spectra[:, inside])
