"""Halves of a detector from shots of it: the blur from slanted edges, the noise from open fields.

The measurements and the smooth curves through them are those of two detectors (`xsim.measure.calibration`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.degradation.known import pixel_rms
from xsim.degradation.target import falls_to
from xsim.detector.detector import Sensor
from xsim.errors import InputError
from xsim.measure.calibration import edge_caveats, fit_mtf, fit_nnps, flat_caveats, redrawn_edge, redrawn_noise
from xsim.measure.edge import EdgeMTF, average_edges
from xsim.measure.noise import NNPS, nnps
from xsim.measure.one_detector.family import Numbers
from xsim.measure.one_detector.result import Blur, Noise, table_grid
from xsim.seeds import generator

__all__ = ["blur_of_edges", "noise_of_flats", "numbers_of_blur"]

_DRAWS: Final = 24
"""Draws of the measurements' noise: their spread is then known to 15 %."""

_TWO_SIDED: Final = 1.96
"""95 % of a normal."""

_LEAST_ERROR: Final = 0.01
"""Standard error of ln f50 and of the noise's ln rms that no number of pixels goes below: the tilt of the edge, glare
that the region does not hold, the offset, and how steady the exposure was."""


def _factor(values: Sequence[float]) -> float:
    """Return the factor either way that holds 95 % of what other measurements would have given."""
    return float(np.exp(_TWO_SIDED * np.hypot(np.std(np.log(values)), _LEAST_ERROR)))


def blur_of_edges(edges: Sequence[EdgeMTF], sensor: Sensor, *, seed: int = 0) -> Blur:
    """Return the blur that slanted edges show.

    Parameters
    ----------
    edges : sequence of EdgeMTF
        The edges, measured at frequencies up to Nyquist.
    sensor : Sensor
        Pixel pitch and fill factor.
    seed : int
        Of the draws behind the spread.

    Raises
    ------
    InputError
        If there are no edges, or they are of another pitch.
    """
    mean = average_edges(edges)
    if mean.pitch_mm != sensor.pitch_mm:
        raise InputError(f"edges of pitch {mean.pitch_mm:g} mm on a sensor of {sensor.pitch_mm:g} mm: give one pitch")
    frequency = table_grid(sensor)

    def smooth(edge: EdgeMTF) -> NDArray[np.float64]:
        return fit_mtf(edge.frequency_lp_mm, edge.mtf, edge.noise, frequency, aperture_mm=sensor.aperture_mm)

    mtf, random = smooth(mean), generator(seed, stage="edges")
    level = _seen_level(mtf)
    drawn = [falls_to(frequency, smooth(redrawn_edge(mean, random)), level) for _ in range(_DRAWS)]
    return Blur(frequency, mtf, "edges", _factor(drawn), tuple(edge_caveats(mean)))


def noise_of_flats(
    flats: Sequence[ArrayLike], sensor: Sensor, *, full_scale: float | None = None, seed: int = 0
) -> tuple[Noise, NNPS]:
    """Return the noise that open-field frames show, and the spectrum as measured.

    Parameters
    ----------
    flats : sequence of (H, W) arrays
        At least two open-field frames, offset and gain corrected.
    sensor : Sensor
        Pixel pitch.
    full_scale : float, optional
        The largest grey value of the flats' format.
    seed : int
        Of the draws behind the spread.

    Raises
    ------
    InputError
        If a flat cannot be used.
    """
    measured = nnps(flats, sensor.pitch_mm, mode="difference", full_scale=full_scale)
    frequency, random = table_grid(sensor), generator(seed, stage="flats")

    def smooth(noise: NNPS) -> NDArray[np.float64]:
        return fit_nnps(noise.frequency_lp_mm, noise.nnps_mm2, noise.standard_error_mm2, frequency)

    pitch = sensor.pitch_mm
    drawn = [pixel_rms(frequency * pitch, smooth(redrawn_noise(measured, random)) / pitch**2) for _ in range(_DRAWS)]
    noise = Noise(frequency, smooth(measured), "flats", _factor(drawn), tuple(flat_caveats(measured)))
    return noise, measured


def numbers_of_blur(blur: Blur) -> Numbers:
    """Return where a measured MTF is a half, or how much of it is left at Nyquist where it is more than that."""
    level = _seen_level(blur.mtf)
    return Numbers(points=((falls_to(blur.frequency_lp_mm, blur.mtf, level), level),))


def _seen_level(mtf: NDArray[np.float64]) -> float:
    """Return a half, or where the table ends above it a level that it still reaches."""
    return max(0.5, float(mtf[-1]) + 0.01)
