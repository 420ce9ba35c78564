"""Detectors that several tests share: the paper's two, computed or as if measured."""

from __future__ import annotations

import numpy as np

from xsim.detector.detector import Detector, DetectorResponse, Screen, Sensor
from xsim.spectrum import preset_spectrum

PAPER = preset_spectrum("paper")
KERMA_UGY = 42.56
THICKNESSES = (33.91, 134.55)


def response(thickness: float, **changes: object) -> DetectorResponse:
    return Detector(Screen(thickness), Sensor(**changes)).response(PAPER, KERMA_UGY)  # type: ignore[arg-type]


def measured_from(chosen: DetectorResponse, kerma_uGy: float = KERMA_UGY) -> Detector:
    f = np.linspace(0.0, 10.4, 80)
    return Detector.from_measured(
        mtf=(f, chosen.mtf(f)),
        nnps=(f, chosen.nnps(f)),
        kerma_uGy=kerma_uGy,
        screen=chosen.screen,
        sensor=chosen.sensor,
    )
