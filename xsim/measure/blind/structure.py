"""How far structure reaches above noise in a radiograph, and what its spectrum would be without the blur."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xsim.degradation.known import KnownDetector

__all__ = ["Structure", "structure_of"]

_RINGS: Final = 64
"""Rings of the spectrum, spaced geometrically over a factor of 300, as those of the prior."""

_HIGHEST: Final = 0.75
"""End of the last ring [cycles/px]: the corner of the frequency square and a little more."""

_LARGEST_PX: Final = 1024
"""Side of the part in the middle that is looked at [px]: its spectrum is that of the whole, and takes .1 s."""

_ABOVE: Final = 1.0
"""Power of structure over that of noise, down to which structure is seen."""

_LEAST_MTF: Final = 0.1
"""Below, dividing by the MTF says more about the MTF's error than about the object."""

_FEWEST: Final = 6
"""Rings that are taken for structure whatever they hold: the first periods of the image."""

_TREND: Final = 14
"""Rings that the trend beyond the last is drawn from: a factor of 3.5 in frequency."""

_SLOPES: Final = (-4.5, -2.0)
"""Exponents of the spectra of objects: edges alone give -3, smooth bodies less, textures more."""


@dataclass(frozen=True)
class Structure:
    """Radial spectrum of an image's structure.

    Parameters
    ----------
    frequency, power : (n,) arrays
        [cycles/px], and the power (orthonormal bins) of the scene, without blur and noise; beyond ``last`` a trend.
    last : float
        Highest frequency at which structure is seen above noise [cycles/px].
    """

    frequency: NDArray[np.float64]
    power: NDArray[np.float64]
    last: float


def structure_of(image: NDArray[np.floating], known: KnownDetector) -> Structure:
    """Return the spectrum of the structure in an image (H, W), open field 1, of a known detector."""
    rows, columns = ((max(side - _LARGEST_PX, 0) // 2, min(side, _LARGEST_PX)) for side in image.shape)
    grey = np.asarray(image[rows[0] :, columns[0] :][: rows[1], : columns[1]], dtype=np.float64)
    # A window whose square has mean 1 keeps the noise's power, and joins opposite borders.
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in grey.shape))
    window /= np.sqrt(np.mean(window**2))
    power = np.abs(np.fft.rfft2((grey - np.average(grey, weights=window)) * window, norm="ortho")) ** 2
    radius = np.hypot(np.fft.fftfreq(grey.shape[0])[:, None], np.fft.rfftfreq(grey.shape[1])[None])
    edges = np.geomspace(_HIGHEST / 300, _HIGHEST, _RINGS + 1)
    count, _ = np.histogram(radius, edges)
    total, _ = np.histogram(radius, edges, weights=power)
    held = count > 0
    frequency, count = np.sqrt(edges[1:] * edges[:-1])[held], count[held]
    noise = np.interp(frequency, known.frequency, known.noise_power) * float(np.clip(grey.mean(), 0.02, 1.0))
    mtf = known.mtf_at(frequency)
    seen = total[held] / count - noise
    hidden = np.flatnonzero((seen <= _ABOVE * noise) | (mtf < _LEAST_MTF))
    last = max(int(hidden[0]) if len(hidden) else len(frequency), _FEWEST)
    scene = np.empty_like(frequency)
    scene[:last] = np.maximum(seen[:last], 0.05 * noise[:last] + 1e-15) / np.maximum(mtf[:last], _LEAST_MTF) ** 2
    trend = slice(max(last - _TREND, 0), last)
    slope, _ = np.polyfit(np.log(frequency[trend]), np.log(scene[trend]), 1, w=np.sqrt(count[trend]))
    scene[last:] = scene[last - 1] * (frequency[last:] / frequency[last - 1]) ** float(np.clip(slope, *_SLOPES))
    return Structure(frequency, scene, float(frequency[last - 1]))
