"""Smooth curves through noisy spectra: sums of decreasing functions with weights of 0 or more.

What light scatter, apertures and electronics do to an MTF or a noise spectrum is a mixture of decreasing curves. A
mixture cannot ripple, so noise at high frequency averages out, where a spline would follow it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import nnls

from xsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["fit_mtf", "fit_nnps"]

# Widths of the dictionary's curves: from far below the first frequency to far above the last.
_WIDTHS = 28
_WIDEST, _NARROWEST = 20.0, 0.01


def _dictionary(frequency: NDArray[np.float64], limit: float) -> NDArray[np.float64]:
    """Return decreasing curves that are 1 at f = 0, shape (n, 3 widths): Gaussian, exponential, algebraic tails."""
    width = limit * np.geomspace(_NARROWEST, _WIDEST, _WIDTHS)
    ratio = np.minimum(frequency[:, None] / width, 300.0)
    return np.concatenate([np.exp(-np.square(ratio)), 1.0 / np.cosh(ratio), 1.0 / (1.0 + ratio**2)], axis=1)


def fit_mtf(
    frequency_lp_mm: NDArray[np.float64],
    mtf: NDArray[np.float64],
    noise: NDArray[np.float64],
    at_lp_mm: NDArray[np.float64],
    *,
    aperture_mm: float = 0.0,
) -> NDArray[np.float64]:
    """Return a smooth MTF, 1 at f = 0, through a measured one.

    Parameters
    ----------
    frequency_lp_mm, mtf, noise : (n,) arrays
        The measured MTF and the root mean square of its noise.
    at_lp_mm : (m,) array
        Where the fit is wanted [lp/mm].
    aperture_mm : float
        Side of the photodiode [mm]; its ``sinc`` is not a mixture and is put in as known.

    Raises
    ------
    InputError
        If the table is shorter than four rows.
    """
    if frequency_lp_mm.size < 4:
        raise InputError(f"{frequency_lp_mm.size} frequencies are too few to fit an MTF: give four or more")
    limit = float(frequency_lp_mm[-1])
    # A modulus of noise is never below the noise: its excess is taken off before the fit.
    unbiased = np.sqrt(np.maximum(np.square(mtf) - np.square(noise), 0.0))
    weight = 1.0 / np.maximum(noise, 0.002)
    pixel = np.sinc(aperture_mm * frequency_lp_mm)
    rows = _dictionary(frequency_lp_mm, limit) * (pixel * weight)[:, None]
    # One heavy row holds the curve at 1 where f = 0.
    heavy = 100.0 * float(weight.max()) * np.sqrt(weight.size)
    rows = np.concatenate([rows, np.full((1, rows.shape[1]), heavy)])
    shares, _ = nnls(rows, np.append(unbiased * weight, heavy))
    return np.asarray((_dictionary(at_lp_mm, limit) @ shares) / shares.sum() * np.sinc(aperture_mm * at_lp_mm))


def fit_nnps(
    frequency_lp_mm: NDArray[np.float64],
    nnps_mm2: NDArray[np.float64],
    standard_error_mm2: NDArray[np.float64],
    at_lp_mm: NDArray[np.float64],
) -> NDArray[np.float64]:
    """Return a smooth NNPS [mm2] through a measured one; its constant part stands for electronics and aliases.

    Parameters
    ----------
    frequency_lp_mm, nnps_mm2, standard_error_mm2 : (n,) arrays
        The measured NNPS and its standard errors.
    at_lp_mm : (m,) array
        Where the fit is wanted [lp/mm].
    """
    limit = float(frequency_lp_mm[-1])
    # Standard errors that follow the scatter of their own rings would favour the low ones: the trend counts.
    relative = float(np.median(standard_error_mm2 / nnps_mm2 * np.sqrt(frequency_lp_mm)))
    level = np.exp(np.polyval(np.polyfit(np.log(frequency_lp_mm), np.log(nnps_mm2), 3), np.log(frequency_lp_mm)))
    weight = np.sqrt(frequency_lp_mm) / (relative * level)

    def curves(f: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.concatenate([_dictionary(f, limit), np.ones((f.size, 1))], axis=1)

    shares, _ = nnls(curves(frequency_lp_mm) * weight[:, None], nnps_mm2 * weight)
    return np.asarray(curves(at_lp_mm) @ shares)
