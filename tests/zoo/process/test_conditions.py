"""What networks are told of detectors, against closed forms, and what weights have met."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim_zoo.process.conditions import Met, detector_shape, link_shape

PITCH_MM = 0.1
FREQUENCY = np.linspace(0.0, 20.0, 400)


def gaussian(scale_mm: float, noise: float, colour: float = 0.0) -> Degradation:
    """Return B_1 = exp(-(f a)^2) and Sigma_1 = noise^2 pitch^2 exp(-colour f pitch)."""
    B_1 = np.maximum(np.exp(-((scale_mm * FREQUENCY) ** 2)), 1e-3)
    Sigma_1 = noise**2 * PITCH_MM**2 * np.exp(-colour * FREQUENCY * PITCH_MM)
    return Degradation(FREQUENCY, B_1, Sigma_1, PITCH_MM, GreyLink.identity())


def test_the_shape_of_detectors_is_the_closed_form() -> None:
    shape = detector_shape(gaussian(0.15, 0.01, colour=3.0))
    cycles = np.array([0.1, 0.2, 0.35, 0.5])
    np.testing.assert_allclose(shape[:4], np.exp(-((1.5 * cycles) ** 2)), rtol=2e-3)
    assert shape[4] == pytest.approx(3.0 * 0.35, rel=1e-2)
    assert detector_shape(gaussian(0.15, 0.01))[4] == pytest.approx(0.0, abs=1e-9)


def test_it_is_in_pixels() -> None:
    one = gaussian(0.15, 0.01, colour=3.0)
    double = replace(one, frequency_lp_mm=FREQUENCY / 2, Sigma_1_mm2=one.Sigma_1_mm2 * 4, pitch_mm=2 * PITCH_MM)
    np.testing.assert_allclose(detector_shape(double), detector_shape(one), rtol=1e-9)
    coarse = detector_shape(one, 2 * PITCH_MM)[:4]
    np.testing.assert_allclose(coarse, np.exp(-((0.75 * np.array([0.1, 0.2, 0.35, 0.5])) ** 2)), rtol=2e-3)


def test_an_identity_link_has_no_shape() -> None:
    assert not link_shape(GreyLink.identity()).any()


def test_what_was_not_met_is_named() -> None:
    met = Met.of([gaussian(0.05, 0.01), gaussian(0.15, 0.03, colour=2.0)])
    x = (np.arange(400) + 0.5) / 400 - 0.5  # the frequency square, by midpoints
    share = np.exp(-2.0 * np.hypot(x[:, None], x)).mean()
    assert met.ranges["noise of the open field [%]"] == pytest.approx((1.0, 3.0 * np.sqrt(share)), rel=0.01)
    assert met.outside(gaussian(0.10, 0.015, colour=1.0)) == ()
    assert Met.from_dict(met.to_dict()).ranges == met.ranges
    (blurred, *_) = met.outside(gaussian(0.3, 0.015, colour=1.0))
    assert blurred.startswith("B_1 at 0.1 cycles/px")
    assert "(met: " in blurred
    noisy = met.outside(gaussian(0.10, 0.015, colour=1.0), noise_level=25.0)
    assert len(noisy) == 1
    assert noisy[0].startswith("noise of the open field [%]")
    far = replace(gaussian(0.10, 0.015), pitch_mm=0.1 * 4)
    assert any(text.startswith("pixel pitch") for text in met.outside(far))
    assert not any(text.startswith("pixel pitch") for text in met.outside(far, in_mm=False))
