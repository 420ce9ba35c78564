"""Detectors from measured curves: they give their tables back, and refuse what is no curve."""

from __future__ import annotations

import numpy as np
import pytest

from tests.xsim.detectors import KERMA_UGY, PAPER, THICKNESSES, measured_from, response
from xsim.detector.detector import Detector, Measured, Screen, Sensor
from xsim.errors import InputError


@pytest.mark.parametrize("thickness", THICKNESSES)
def test_a_measured_detector_gives_its_tables_back(thickness: float) -> None:
    chosen = response(thickness)
    again = measured_from(chosen).response(PAPER, KERMA_UGY)
    f = np.linspace(0.0, 10.0, 37)
    np.testing.assert_allclose(again.mtf(f), chosen.mtf(f), rtol=5e-3)
    # The radial table forgets that the sampled NNPS depends on direction near Nyquist.
    np.testing.assert_allclose(again.nnps(f), chosen.nnps(f), rtol=0.03)
    assert again.pixel_sigma == pytest.approx(chosen.pixel_sigma, rel=0.01)
    assert again.signal_electrons == pytest.approx(chosen.signal_electrons, rel=1e-9)


@pytest.mark.parametrize("first", [0, 3])
def test_a_measured_mtf_is_one_at_zero(first: int) -> None:
    f = np.linspace(0.0, 10.0, 41)
    mtf = (f[first:], response(33.91).mtf(f)[first:] * (0.97 if first == 0 else 1.0))
    detector = Detector.from_measured(
        mtf=mtf, nnps=([0.1, 9.0], [1e-5, 1e-6]), kerma_uGy=1.0, screen=Screen(34.0), sensor=Sensor()
    )
    measured = detector.response(PAPER, 1.0)
    assert measured.mtf(0.0) == pytest.approx(1.0)
    assert measured.mtf(2.0) == pytest.approx(response(33.91).mtf(2.0), rel=1e-3)


def test_a_measured_detector_scales_with_kerma() -> None:
    detector = measured_from(response(33.91))
    half, whole = (detector.response(PAPER, kerma) for kerma in (KERMA_UGY / 2, KERMA_UGY))
    assert half.nnps(1.0)[0] == pytest.approx(2.0 * whole.nnps(1.0)[0], rel=1e-3)


@pytest.mark.parametrize(
    ("mtf", "message"),
    [
        (([0.0, 1.0], [1.0]), "two equal columns"),
        (([0.0, 1.0], [1.0, float("nan")]), "not finite"),
        (([1.0, 0.0], [1.0, 0.5]), "must rise"),
        (([0.0, 1.0], [1.0, -0.5]), "0 or above"),
        (([0.0, 1.0], [0.0, 0.5]), "starts at 0"),
    ],
)
def test_unusable_measurements_are_refused(mtf: tuple[list[float], list[float]], message: str) -> None:
    nnps = ([0.0, 5.0], [1e-5, 1e-6])
    with pytest.raises(InputError, match=message):
        Detector.from_measured(mtf=mtf, nnps=nnps, kerma_uGy=1.0, screen=Screen(34.0), sensor=Sensor())


def test_measured_is_checked_from_a_file_as_well() -> None:
    with pytest.raises(InputError, match="two equal columns"):
        Measured((0.0, 1.0), (1.0,), (0.0, 1.0), (1e-5, 1e-6), 1.0)
