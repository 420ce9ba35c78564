"""SNR by the standard's definition, duplex wires in closed form, SRb from dips."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from xsim.detector.performance import basic_spatial_resolution_mm
from xsim.errors import InputError
from xsim.measure.resolution import WIRE_DIAMETERS_MM, duplex_wire, flat_snr, normalised_snr, srb_from_dips

PITCH = 0.05


def gauge(sigma_mm: float, *, tilt_deg: float = 3.0, noise: float = 0.0) -> np.ndarray:
    """Return a gauge of 13 pairs, thin absorption, Gaussian blur, drawn 8 times finer along the profile."""
    fine = PITCH / 8
    s = np.arange(0, 36, fine)
    attenuation = np.zeros_like(s)
    place = 2.0
    for diameter in WIRE_DIAMETERS_MM[:13]:
        for centre in (place + diameter / 2, place + 2.5 * diameter):
            attenuation += np.sqrt(np.maximum((diameter / 2) ** 2 - (s - centre) ** 2, 0))
        place += 3 * diameter + 1.2
    blurred = ndimage.gaussian_filter1d(attenuation, sigma_mm / fine)
    y, x = np.indices((int(34 / PITCH), 60)) * PITCH
    angle = np.radians(tilt_deg)
    across = y * np.cos(angle) - x * np.sin(angle) + 0.3
    image = 1 - 0.3 * np.interp(across, s, blurred)
    return image + np.random.default_rng(1).normal(0, noise, image.shape)


@pytest.mark.parametrize("sigma_mm", [0.06, 0.1, 0.16])
def test_gauge_against_the_computed_srb(sigma_mm):
    """The oracle integrates the blurred chord of one pair over frequencies; the gauge is an image of 13."""
    found = duplex_wire(gauge(sigma_mm, noise=0.0002), PITCH)
    truth = basic_spatial_resolution_mm(lambda f: np.exp(-2 * (np.pi * f * sigma_mm) ** 2))
    assert found.isrb_mm == pytest.approx(truth, rel=0.04)
    assert found.srb_mm in WIRE_DIAMETERS_MM
    assert found.srb_mm <= truth * 1.02


@pytest.mark.parametrize("turn", range(4))
def test_gauge_in_any_direction(turn):
    base = duplex_wire(gauge(0.1), PITCH)
    assert duplex_wire(np.rot90(gauge(0.1), turn), PITCH).isrb_mm == pytest.approx(base.isrb_mm, rel=0.03)


def test_blur_only_lowers_the_dips():
    sharp, blurred = duplex_wire(gauge(0.08), PITCH), duplex_wire(gauge(0.12), PITCH)
    count = min(sharp.dip.size, blurred.dip.size)
    assert np.all(blurred.dip[:count] <= sharp.dip[:count] + 0.01)


def test_srb_from_dips_by_hand():
    diameter = np.array([0.2, 0.16, 0.13, 0.1])
    # dip = 1 - (0.11 / d)^2 is no polynomial; this one is: dip = 4 d - 0.36 crosses 0.2 at 0.14.
    srb, isrb = srb_from_dips(diameter, 4 * diameter - 0.36)
    assert (srb, isrb) == (0.13, pytest.approx(0.14))
    assert srb_from_dips(diameter, np.full(4, 0.5)) == pytest.approx((np.nan, np.nan), nan_ok=True)
    assert np.isnan(srb_from_dips(diameter[2:], np.array([0.3, 0.1]))[1])
    with pytest.raises(InputError, match="falling"):
        srb_from_dips(diameter[::-1], diameter)


def test_snr_is_mean_over_sigma():
    image = np.random.default_rng(2).normal(1000, 8, (220, 400))
    found = flat_snr(image)
    assert found.snr == pytest.approx(125, rel=0.02)
    assert found.snr_blocks == pytest.approx(125, rel=0.06)
    assert found.warnings == ()


def test_negative_control_the_median_needs_its_factor():
    image = np.random.default_rng(3).normal(1000, 8, (2000, 400))
    lines = image.reshape(-1, 20)
    assert np.median(lines.std(axis=1, ddof=1)) < 8 * 0.988
    assert flat_snr(image).sigma == pytest.approx(8, rel=0.004)


def test_smoothing_raises_snr_and_not_the_block_snr():
    image = np.random.default_rng(4).normal(1000, 8, (400, 400))
    smooth = flat_snr(ndimage.gaussian_filter(image, 1.0))
    assert smooth.snr > 3 * 125
    assert smooth.snr_blocks == pytest.approx(125, rel=0.25)  # a little of the blur reaches across 8 pixels


def test_normalised_snr():
    assert normalised_snr(100, 0.0886) == pytest.approx(100)
    assert normalised_snr(100, 0.1772) == pytest.approx(50)
    for srb in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError, match="above 0"):
            normalised_snr(100, srb)


def test_few_lines_are_said_to_be_few():
    image = np.random.default_rng(5).normal(1000, 8, (30, 25))
    assert "30 lines" in flat_snr(image).warnings[0]


@pytest.mark.parametrize(
    ("image", "cause"),
    [
        (np.ones((64, 64)), "constant"),
        (np.ones((10, 64)), "too small"),
        (np.random.default_rng(6).normal(-5, 1, (64, 64)), "not positive"),
        (np.minimum(np.random.default_rng(7).normal(100, 5, (64, 64)), 100), "saturated"),
    ],
)
def test_snr_refuses_by_name(image, cause):
    with pytest.raises(InputError, match=cause):
        flat_snr(image)


@pytest.mark.parametrize("image", [np.ones((64, 64)), np.random.default_rng(8).normal(100, 1, (300, 64))])
def test_gauge_refuses_by_name(image):
    with pytest.raises(InputError, match=r"no (duplex )?wires"):
        duplex_wire(image, PITCH)
