"""Power of an answer and its coherent transfer against frequency, ring by ring."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft

from xsim.grids import nyquist_lp_mm, radial_mean

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["RingPowers", "ring_centres", "ring_powers"]

_STEP_LP_MM = 0.5


def ring_centres(pitch_mm: float) -> NDArray[np.float64]:
    """Return the centres of rings 0.5 lp/mm wide, from 0.5 lp/mm to the last one within Nyquist [lp/mm]."""
    count = int((nyquist_lp_mm(pitch_mm) - _STEP_LP_MM / 2) / _STEP_LP_MM + 1e-9)
    return np.arange(1, count + 1, dtype=np.float64) * _STEP_LP_MM


@dataclass(frozen=True)
class RingPowers:
    """Spectra of an answer X and of its reference R, averaged over rings, (n,) each.

    Parameters
    ----------
    reference : array
        <|R|^2>.
    answer : array
        <|X|^2>.
    cross : array
        Re <R* X>.
    """

    reference: NDArray[np.float64]
    answer: NDArray[np.float64]
    cross: NDArray[np.float64]


def ring_powers(answer: NDArray[np.floating], reference: NDArray[np.floating], pitch_mm: float) -> RingPowers:
    """Compare the spectra of two images (H, W) without their means, under a Hann window of unit mean square.

    Without the window the steps between opposite borders would leak over all frequencies.
    """
    shape = (answer.shape[0], answer.shape[1])
    window = np.outer(np.hanning(shape[0]), np.hanning(shape[1]))
    window /= np.sqrt(np.mean(window**2))
    X, R = (scipy.fft.rfft2((image - np.mean(image)) * window, norm="ortho") for image in (answer, reference))
    centres = ring_centres(pitch_mm)
    edges = np.append(centres - _STEP_LP_MM / 2, centres[-1] + _STEP_LP_MM / 2)
    means = [
        radial_mean(values, shape, pitch_mm, edges)[0]
        for values in (np.abs(R) ** 2, np.abs(X) ** 2, (R.conj() * X).real)
    ]
    return RingPowers(*means)
