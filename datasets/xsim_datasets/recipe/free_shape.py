"""Detectors whose curves have any shape: blur and noise as a family of functions, without a model of a screen.

Frequencies are in cycles per pixel: to a network a detector is a curve over those, whatever its pitch. The MTF is a
stretched exponential (1: exponential, as thick screens have; 2: Gaussian; below 1: long tails), with a second,
exponential, component of long reach (glare, a fibre plate, an X ray that travels) and the square of the pixel, or none.
The noise is partly white, partly coloured as a power of the MTF.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from xsim.detector.detector import Detector, Measured
from xsim_datasets.recipe.tables import Number, Table

__all__ = ["FreeShape", "free_detectors", "free_mtf", "free_nnps_mm2"]


class FreeShape(Table):
    """Curves of free shape; the energies that the screens take up stay those of the model."""

    hr_f50_cycles_px: Number = 0.35
    """Where the HR detector's core falls to a half."""
    f50_ratio: Number = 0.5
    """Where the LR detector's core does, as a share of that."""
    exponent: Number = 1.0
    """Exponent of both cores: 1 exponential, 2 Gaussian, below 1 with long tails."""
    tail: Number = 0.0
    """Share of the LR detector's signal that spreads far."""
    tail_px: Number = 8.0
    """How far it spreads."""
    aperture: Number = 0.9
    """Side of the square that the pixels average over, 0 for none."""
    noise: Number = 0.02
    """Standard deviation of a pixel of one LR frame in the open field, as a share of it."""
    noise_ratio: Number = 0.2
    """The same of the mean of all HR frames, as a share of that of all LR frames."""
    colour: Number = 0.7
    """Share of that variance which is coloured by the MTF; the rest is white."""
    colour_exponent: Number = 2.0
    """Power of the MTF that colours it: 2 for thin screens, less for thick ones."""


# Rows of the tables, spaced as squares: MTFs bend at low frequency.
_ROWS = 96
# Side of the grid of frequencies over which the coloured noise is averaged to a pixel's variance.
_GRID = 64
# Of the white noise, the share that light's photo-electrons make; reading makes the rest.
_SHOT = 0.7
# White noise that every sensor has, whatever a recipe says: a share of a pixel's variance.
_LEAST_WHITE = 0.02
# Where the open field stands in the full well of a detector whose electrons follow from its noise.
_FILLED = 0.6


def free_mtf(
    cycles_px: NDArray[np.float64], *, f50: float, exponent: float, tail: float, tail_px: float, aperture: float
) -> NDArray[np.float64]:
    """Return the presampled MTF along a pixel axis at frequencies [cycles/px]."""
    core = np.exp(-math.log(2.0) * (cycles_px / f50) ** exponent)
    far = np.exp(-2.0 * math.pi * tail_px * cycles_px)
    blurred: NDArray[np.float64] = ((1.0 - tail) * core + tail * far) * np.abs(np.sinc(aperture * cycles_px))
    return blurred


def free_nnps_mm2(
    cycles_px: NDArray[np.float64],
    mtf: NDArray[np.float64],
    *,
    noise: float,
    colour: float,
    exponent: float,
    pitch_mm: float,
) -> NDArray[np.float64]:
    """Return the digital NNPS [mm2] of one frame, whose pixels have a relative standard deviation of ``noise``.

    The coloured part is a power of the MTF, scaled so that its mean over the square of frequencies that pixels can
    hold is its share of the variance.
    """
    axis = (np.arange(_GRID) + 0.5) / (2.0 * _GRID)
    square = np.hypot(axis[:, None], axis[None, :])
    mean = float(np.mean(np.interp(square.ravel(), cycles_px, mtf**exponent)))
    colour = min(colour, 1.0 - _LEAST_WHITE)
    nnps: NDArray[np.float64] = (noise * pitch_mm) ** 2 * ((1.0 - colour) + colour * mtf**exponent / mean)
    return nnps


def free_detectors(
    shape: Any, hr: Detector, lr: Detector, kerma_uGy: float, frames: tuple[int, int]
) -> tuple[Detector, Detector]:
    """Return the HR and the LR detector of a drawn `FreeShape`, with screens and pixels of two modelled ones.

    ``frames`` are those that the HR and the LR image average.
    """
    f50 = shape.hr_f50_cycles_px
    sharp = {"exponent": shape.exponent, "tail": 0.0, "tail_px": 1.0, "aperture": shape.aperture}
    far = sharp | {"tail": shape.tail, "tail_px": shape.tail_px}
    averages = [det.sensor.frame_average(count) for det, count in zip((hr, lr), frames, strict=True)]
    hr_noise = shape.noise * shape.noise_ratio * math.sqrt(averages[1] / averages[0])
    return (
        _free(hr, shape, {"f50": f50, **sharp}, hr_noise, kerma_uGy),
        _free(lr, shape, {"f50": f50 * shape.f50_ratio, **far}, shape.noise, kerma_uGy),
    )


def _free(model: Detector, shape: Any, blur: dict[str, float], noise: float, kerma_uGy: float) -> Detector:
    """Return a detector of these curves; its electrons are as many as its white noise tells."""
    pitch = model.sensor.pitch_mm
    # To the corner of the square that pixels can hold.
    cycles_px = math.sqrt(0.5) * np.square(np.linspace(0.0, 1.0, _ROWS))
    mtf = free_mtf(cycles_px, **blur)
    nnps = free_nnps_mm2(
        cycles_px, mtf, noise=noise, colour=shape.colour, exponent=shape.colour_exponent, pitch_mm=pitch
    )
    white = max(1.0 - shape.colour, _LEAST_WHITE) * noise**2
    electrons = 1.0 / (_SHOT * white)
    sensor = replace(
        model.sensor,
        full_well_e=max(electrons / _FILLED, 200.0),
        read_noise_e=math.sqrt((1.0 - _SHOT) * white) * electrons,
    )
    frequency = tuple((cycles_px / pitch).tolist())
    measured = Measured(
        frequency,
        tuple(mtf.tolist()),
        frequency,
        tuple(nnps.tolist()),
        kerma_uGy,
        electrons,
        mtf_source="free shape",
        nnps_source="free shape",
    )
    return Detector(model.screen, sensor, measured)
