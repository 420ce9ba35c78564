"""One detector from ordinary radiographs of it: what was seen blind, as a detector file."""

from __future__ import annotations

import numpy as np

from xsim.detector.detector import Screen, Sensor
from xsim.errors import InputError
from xsim.measure.blind import BlindDetector
from xsim.measure.one_detector.family import Family, fit_member
from xsim.measure.one_detector.result import Blur, Noise, OneDetector, join, table_grid
from xsim.measure.one_detector.shots import numbers_of_blur
from xsim.spectrum import Spectrum

__all__ = ["detector_seen"]


def detector_seen(
    found: BlindDetector,
    *,
    screen: Screen | None = None,
    phosphor: str = "Gd2O2S",
    sensor: Sensor,
    kerma_uGy: float,
    spectrum: Spectrum,
    warnings: tuple[str, ...] = (),
) -> OneDetector:
    """Return the detector that was seen in ordinary radiographs.

    Parameters
    ----------
    found : BlindDetector
        What `xsim.measure.blind.measure_blind` found.
    screen : Screen, optional
        What the screen is, nominally; without it the one of the family with that f50.
    phosphor : str
        Phosphor of the family.
    sensor : Sensor
        Pixel pitch and fill factor.
    kerma_uGy : float
        What the dose of the images is called [uGy].
    spectrum : Spectrum
        The beam.
    warnings : tuple of str
        Caveats beside those of the estimate.

    Raises
    ------
    InputError
        If its pixel pitch is not known.
    """
    if found.pitch_mm is None:
        raise InputError("a detector file is in mm and the pixel pitch is not known: give --pitch-mm")
    known, pitch = found.known(), found.pitch_mm
    assert known.blur_spread is not None
    assert known.noise_spread is not None
    frequency = table_grid(sensor)
    blur = Blur(frequency, known.mtf_at(frequency * pitch), "image", known.blur_spread)
    power = np.interp(frequency * pitch, known.frequency, known.noise_power)
    noise = Noise(frequency, power * pitch**2, "image", known.noise_spread)
    if screen is None:
        family = Family(Screen(100.0, phosphor), sensor, spectrum, kerma_uGy)
        screen = fit_member(family, numbers_of_blur(blur)).response.screen
    text = f"the noise is that of these images, at a dose that is not known and called {kerma_uGy:g} uGy"
    return join(
        blur, noise, screen=screen, sensor=sensor, kerma_uGy=kerma_uGy, spectrum=spectrum,
        warnings=(*found.remarks, *warnings, text),
    )  # fmt: skip
