"""Frequency grids of real images, and means over rings.

Images are ``image[y, x]``, spectra come from ``rfft2`` and have shape ``(H, W // 2 + 1)`` with DC at ``[0, 0]``.
With ``norm="ortho"`` a bin of the spectrum of noise has variance ``NNPS / pitch**2`` (NNPS in mm2, pitch in mm).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["frequency_axes", "half_plane_weights", "nyquist_lp_mm", "radial_frequency", "radial_mean"]


def nyquist_lp_mm(pitch_mm: float) -> float:
    """Return the Nyquist frequency [lp/mm] of a pixel pitch [mm]."""
    return 0.5 / pitch_mm


def frequency_axes(shape: tuple[int, int], pitch_mm: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return ``(v, u)``, the signed frequencies [lp/mm] along y, shape (H, 1), and x, shape (1, W // 2 + 1)."""
    height, width = shape
    v = np.fft.fftfreq(height, d=pitch_mm).astype(np.float64)[:, None]
    u = np.fft.rfftfreq(width, d=pitch_mm).astype(np.float64)[None, :]
    return v, u


def radial_frequency(shape: tuple[int, int], pitch_mm: float) -> NDArray[np.float64]:
    """Return |f| [lp/mm] of every ``rfft2`` bin of an image of this shape, shape (H, W // 2 + 1)."""
    v, u = frequency_axes(shape, pitch_mm)
    return np.hypot(v, u)


def half_plane_weights(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return how often each half-plane column stands in the full plane, shape (1, W // 2 + 1).

    Inner columns count twice, kx = 0 and (even W) the Nyquist column once: the pixel variance is the mean of the
    bin variances over the *full* plane.
    """
    width = shape[1]
    weights = np.full((1, width // 2 + 1), 2.0)
    weights[0, 0] = 1.0
    if width % 2 == 0:
        weights[0, -1] = 1.0
    return weights


def radial_mean(
    values: NDArray[np.floating], shape: tuple[int, int], pitch_mm: float, edges_lp_mm: NDArray[np.floating]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Average a half-plane map over rings of |f|.

    Parameters
    ----------
    values : (H, W // 2 + 1) array
        What to average, e.g. squared moduli of a spectrum.
    shape : (H, W)
        Shape of the image that the map belongs to.
    pitch_mm : float
        Pixel pitch [mm].
    edges_lp_mm : (n + 1,) array
        Ring edges [lp/mm]; a bin on an edge belongs to the ring above it.

    Returns
    -------
    mean, weight : (n,) arrays
        Full-plane mean of each ring (NaN where it is empty) and the number of full-plane bins in it.
    """
    ring = np.digitize(radial_frequency(shape, pitch_mm), edges_lp_mm) - 1
    count = len(edges_lp_mm) - 1
    inside = (ring >= 0) & (ring < count)
    weights = np.broadcast_to(half_plane_weights(shape), values.shape)[inside]
    total = np.bincount(ring[inside], weights=weights, minlength=count).astype(np.float64)
    summed = np.bincount(ring[inside], weights=weights * values[inside], minlength=count).astype(np.float64)
    with np.errstate(invalid="ignore"):
        mean = np.where(total > 0, summed / total, np.nan)
    return mean, total
