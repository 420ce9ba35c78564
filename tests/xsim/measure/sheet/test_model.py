"""The model's sheet: closed forms of a Gaussian detector, and a gauge of wires that let little through."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from xsim import recipes
from xsim.curves import RadialCurve
from xsim.detector.performance import REFERENCE_SRB_MM, basic_spatial_resolution_mm, duplex_wire_dip
from xsim.errors import InputError
from xsim.materials import linear_attenuation_per_mm
from xsim.measure.resolution import WIRE_DIAMETERS_MM, srb_from_dips
from xsim.measure.sheet import sheet_of_model
from xsim.measure.sheet.model import behind, dosed, model_wedge, wire_profile

SETUP = recipes.paper()


def gaussian(sigma_mm: float):
    """Return the LR detector with a Gaussian in place of its screen's MTF, and next to no aperture."""
    f = np.linspace(0.0, 60.0, 600)
    sensor = replace(SETUP.lr_response.sensor, fill_factor=0.01)
    curve = RadialCurve(f, np.maximum(np.exp(-2 * (np.pi * f * sigma_mm) ** 2), 1e-30))
    return replace(SETUP.lr_response, screen_mtf=curve, sensor=sensor)


@pytest.mark.parametrize("sigma_mm", [0.04, 0.08, 0.15])
def test_a_gaussian_blurs_thin_wires_to_the_dip_of_its_ratio_to_the_wire(sigma_mm):
    """For wires that hardly absorb, the dip depends on sigma / d alone: at 1 / sqrt(2) it is 20 %."""
    # By the independent integral over frequencies of the spectrum of two round wires.
    ratio = sigma_mm / basic_spatial_resolution_mm(lambda f: np.exp(-2 * (np.pi * f * sigma_mm) ** 2))
    assert ratio == pytest.approx(0.5**0.5, rel=0.0005)
    diameter = sigma_mm / ratio
    # Aluminium of tenths of a millimetre absorbs a few percent.
    low, high = wire_profile(gaussian(sigma_mm), diameter, "Al")
    assert 1 - low / high == pytest.approx(0.2, abs=0.012)


def test_thick_tungsten_wires_dip_otherwise_than_thin_absorption_has_it():
    response = SETUP.lr_response
    dips = [1 - low / high for low, high in (wire_profile(response, 0.2, material) for material in ("W", "Al"))]
    assert dips[1] == pytest.approx(duplex_wire_dip(response.otf, 0.2), abs=0.01)
    assert dips[0] < dips[1] - 0.01


def test_the_rule_gives_the_20_percent_wire_of_exact_dips_within_5_percent():
    """Gaussians of many widths: the polynomial through the gauge's pairs against the exact crossing."""
    diameter = np.array(WIRE_DIAMETERS_MM)
    for sigma in np.geomspace(0.026, 0.3, 40):

        def otf(f, sigma=sigma):
            return np.exp(-2 * (np.pi * f * sigma) ** 2)

        truth = basic_spatial_resolution_mm(otf)
        srb, isrb = srb_from_dips(diameter, [max(duplex_wire_dip(otf, d), 0.0) for d in diameter])
        assert isrb == pytest.approx(truth, rel=0.05)
        assert srb <= truth * 1.0001
        assert srb == max(d for d in WIRE_DIAMETERS_MM if d <= truth * 1.0001)


def test_a_merged_pair_is_used_only_where_none_below_dips():
    diameter = np.array([0.2, 0.16, 0.13, 0.1])
    line = 4 * diameter - 0.36  # crosses 20 % at 0.14
    assert srb_from_dips(diameter, [*line[:3], 0.0])[1] == pytest.approx(0.14)
    # Through (0.16, 0.3), (0.13, 0.25) and (0.1, 0): a parabola.
    a, b, c = np.polyfit([0.16, 0.13, 0.1], [0.3, 0.25, 0.0], 2)
    crossing = (-b + np.sqrt(b * b - 4 * a * (c - 0.2))) / (2 * a)
    assert srb_from_dips(diameter[1:], [0.3, 0.25, 0.0]) == (0.1, pytest.approx(crossing))


def test_snr_at_1_mGy_is_the_pixels_and_its_normalisation_the_references():
    for response in (SETUP.hr_response, SETUP.lr_response):
        sheet = sheet_of_model(response)
        figures = sheet.figures()
        assert figures["dsnr_1mGy"] == pytest.approx(1 / dosed(response, 1000.0).pixel_sigma, rel=1e-6)
        assert figures["dsnrn_1mGy"] == pytest.approx(figures["dsnr_1mGy"] * REFERENCE_SRB_MM / figures["isrb_mm"])


def test_a_dosed_detector_is_the_detector_shot_with_that_dose():
    detector, spectrum = SETUP.lr, SETUP.spectrum
    for kerma in (10.0, 1000.0):
        other = detector.response(spectrum, kerma)
        assert dosed(SETUP.lr_response, kerma).pixel_sigma == pytest.approx(other.pixel_sigma, rel=1e-6)


def test_a_wedge_thins_the_beam_as_its_attenuation_says():
    """Behind next to nothing grey and noise power are 1; the sum over energies is an independent one."""
    response, w = SETUP.lr_response, np.array([0.0, 1.0, 5.0])
    grey, variance = behind(response, "Al", w)
    assert (grey[0], variance[0]) == (pytest.approx(1, abs=1e-5), pytest.approx(1, abs=1e-5))
    energy, phi = response.spectrum.energy_keV, response.spectrum.fluence_per_mm2_uGy
    weight = response.energy_response(energy)[0]
    by_hand = [float(np.sum(phi * np.exp(-linear_attenuation_per_mm("Al", energy) * t) * weight)) for t in w]
    assert grey == pytest.approx(by_hand, rel=1e-4)
    found = model_wedge(response, "Al", [1, 2, 3, 5])
    assert (np.diff(found.snr) < 0).all()
    with pytest.raises(InputError, match="three or more"):
        model_wedge(response, "Al", [1, 2])


def test_what_has_no_closed_form_is_not_on_the_sheet():
    document = sheet_of_model(SETUP.hr_response).document()
    assert "bad_pixels" not in document
    assert "wedge" not in document
    assert document["figures"]["lag_percent"] == 100 * SETUP.hr.sensor.lag
