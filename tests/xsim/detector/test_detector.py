"""Detectors: the agreed figures, sampling and aliasing, what metals look like."""

from __future__ import annotations

import math
import pickle

import numpy as np
import pytest
from scipy.integrate import trapezoid

from tests.xsim.detectors import KERMA_UGY, PAPER, THICKNESSES, response
from xsim.curves import quadratic_grid
from xsim.detector.detector import Detector, Screen
from xsim.detector.performance import performance
from xsim.errors import PhysicsRangeError
from xsim.grids import half_plane_weights, radial_frequency
from xsim.materials import linear_attenuation_per_mm
from xsim.spectrum import preset_spectrum


@pytest.mark.parametrize(
    ("thickness", "f50", "f10", "sigma"), [(33.91, 3.61, 11.3, 0.0179), (134.55, 1.20, 4.0, 0.0068)]
)
def test_detectors_have_the_agreed_figures(thickness: float, f50: float, f10: float, sigma: float) -> None:
    figures = performance(response(thickness), [1.0, 2.0, 3.0, 5.0, 10.0])
    assert figures.f50_lp_mm == pytest.approx(f50, rel=0.01)
    assert figures.f10_lp_mm == pytest.approx(f10, rel=0.01)
    assert figures.pixel_sigma == pytest.approx(sigma, rel=0.01)
    assert figures.dqe0 == pytest.approx(figures.absorption_quantum * figures.swank, rel=1e-12)
    assert (figures.dqe < figures.dqe0).all()
    assert figures.snrn == pytest.approx(0.0886 / figures.srb_mm / figures.pixel_sigma)


def test_light_ratio_of_the_two_screens() -> None:
    hr, lr = (response(thickness) for thickness in THICKNESSES)
    assert lr.signal_electrons / hr.signal_electrons == pytest.approx(1.95, abs=0.01)
    assert hr.signal_electrons == pytest.approx(2.6e5, rel=0.02)


@pytest.mark.parametrize("thickness", THICKNESSES)
@pytest.mark.parametrize("shape", [(256, 256), (63, 50), (48, 97)])
def test_nnps_summed_over_bins_is_the_pixel_variance(thickness: float, shape: tuple[int, int]) -> None:
    chosen = response(thickness)
    nnps = chosen.nnps_map(shape)
    assert nnps.shape == (shape[0], shape[1] // 2 + 1)
    summed = np.sum(nnps * half_plane_weights(shape)) / (shape[0] * shape[1] * chosen.pitch_mm**2)
    # The same variance without sampling: presampled noise integrated over the plane, far beyond the aliases summed.
    axis = quadratic_grid(20.0 / chosen.pitch_mm, 1201)
    v, u = axis[:, None], axis[None, :]
    aperture = np.sinc(chosen.sensor.aperture_mm * v) * np.sinc(chosen.sensor.aperture_mm * u)
    presampled = chosen.quantum_nnps(np.hypot(v, u)) * aperture**2
    integral = 4.0 * trapezoid(trapezoid(presampled, axis), axis)
    white = (chosen.shot_nnps_mm2 + chosen.read_nnps_mm2) / chosen.pitch_mm**2
    assert summed == pytest.approx(integral + white, rel=1e-3)
    assert chosen.pixel_sigma == pytest.approx(math.sqrt(summed), rel=1e-3)


@pytest.mark.parametrize("pitch_mm", [0.001, 0.01, 0.2, 2.0])
def test_the_screen_does_not_depend_on_the_pixels(pitch_mm: float) -> None:
    figures = performance(response(134.55, pitch_mm=pitch_mm), [0.1, 1.0, 3.0])
    expected = Screen(134.55).expose(PAPER, [0.1, 1.0, 3.0])
    np.testing.assert_allclose(figures.mtf_screen, expected.mtf, rtol=5e-3)
    assert figures.f50_lp_mm == pytest.approx(1.20, rel=0.01)
    assert figures.f10_lp_mm == pytest.approx(4.0, rel=0.02)
    assert math.isfinite(figures.srb_mm)


def test_a_map_is_the_straightforward_sum_over_aliases() -> None:
    chosen, shape = response(134.55), (20, 15)
    pitch, side = chosen.pitch_mm, chosen.sensor.aperture_mm
    expected = np.zeros((20, 8))
    for row in range(20):
        for column in range(8):
            for k in range(-2, 3):
                for n in range(-2, 3):
                    v = (row if row < 10 else row - 20) / (20 * pitch) + k / pitch
                    u = column / (15 * pitch) + n / pitch
                    T = np.sinc(side * u) * np.sinc(side * v)
                    expected[row, column] += float(chosen.quantum_nnps(np.hypot(u, v))) * T**2
    white = chosen.shot_nnps_mm2 + chosen.read_nnps_mm2
    np.testing.assert_allclose(chosen.nnps_map(shape), expected + white, rtol=1e-9)


def test_directional_mean_agrees_with_rings_of_the_map() -> None:
    chosen, shape = response(33.91), (256, 256)
    f = radial_frequency(shape, chosen.pitch_mm)
    nnps, weights = chosen.nnps_map(shape), np.broadcast_to(half_plane_weights(shape), (256, 129))
    for low, high in ((1.0, 1.2), (5.0, 5.2), (9.8, 10.2), (12.0, 12.4)):
        ring = (f >= low) & (f < high)
        mean = np.average(nnps[ring], weights=weights[ring])
        assert chosen.nnps((low + high) / 2)[0] == pytest.approx(mean, rel=0.02)


def test_transfer_maps_follow_the_curves() -> None:
    chosen = response(33.91)
    presampled = chosen.mtf_map((8, 64), 0.024)
    u = np.fft.rfftfreq(64, 0.024)
    np.testing.assert_allclose(np.abs(presampled[0]), chosen.mtf(u), rtol=1e-12)
    assert presampled[0, 0] == 1.0
    side = chosen.sensor.aperture_mm
    v, u = np.fft.fftfreq(9, 0.05)[:, None], np.fft.rfftfreq(7, 0.05)
    bare = chosen.mtf_map((9, 7), 0.05) / (np.sinc(side * v) * np.sinc(side * u))
    np.testing.assert_allclose(bare, chosen.screen_mtf(radial_frequency((9, 7), 0.05)))


def test_fewer_photons_more_noise() -> None:
    one, two = (Detector(Screen(34.0)).response(PAPER, kerma) for kerma in (10.0, 20.0))
    assert one.quantum_nnps(1.0) == pytest.approx(2.0 * two.quantum_nnps(1.0), rel=1e-9)
    assert two.signal_electrons == pytest.approx(2.0 * one.signal_electrons)
    assert one.read_nnps_mm2 == pytest.approx(4.0 * two.read_nnps_mm2)


@pytest.mark.parametrize("thickness", THICKNESSES)
def test_energy_response_is_one_in_the_open_field(thickness: float) -> None:
    chosen = response(thickness)
    signal, variance = chosen.energy_response(PAPER.energy_keV)
    assert PAPER.fluence_per_mm2_uGy @ signal == pytest.approx(1.0, rel=1e-12)
    assert PAPER.fluence_per_mm2_uGy @ variance == pytest.approx(1.0, rel=1e-12)


@pytest.mark.parametrize(
    ("name", "thickness_mm", "hr", "lr"),
    [("Cu", 0.035, 0.761, 0.809), ("Cu", 0.105, 0.505, 0.575), ("Sn", 0.1, 0.330, 0.341), ("Fe", 0.3, 0.338, 0.402)],
)
def test_metals_are_lighter_in_the_thick_screen(name: str, thickness_mm: float, hr: float, lr: float) -> None:
    passed = PAPER.fluence_per_mm2_uGy * np.exp(-linear_attenuation_per_mm(name, PAPER.energy_keV) * thickness_mm)
    greys = [passed @ response(thickness).energy_response(PAPER.energy_keV)[0] for thickness in THICKNESSES]
    assert greys == pytest.approx([hr, lr], abs=0.005)


def test_responses_are_kept_and_travel() -> None:
    detector = Detector(Screen(33.91))
    # The beam is asked for again, as other tests may have made so many that the first is not kept any more.
    first = detector.response(preset_spectrum("paper"), KERMA_UGY)
    assert Detector(Screen(33.91)).response(preset_spectrum("paper"), KERMA_UGY) is first
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(copy.nnps_map((16, 16)), first.nnps_map((16, 16)))


@pytest.mark.parametrize("kerma", [0.0, -1.0, float("nan"), 1e12])
def test_impossible_kerma_is_refused(kerma: float) -> None:
    with pytest.raises(PhysicsRangeError, match="air kerma"):
        Detector(Screen(34.0)).response(PAPER, kerma)
