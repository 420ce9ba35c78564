"""Screens: the figures that the model was agreed with, and the laws that any screen obeys."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.integrate import trapezoid
from scipy.interpolate import PchipInterpolator

from xsim.curves import monotone_cubic
from xsim.detector.light_transport import Optics, gap_mtf, light_transfer
from xsim.detector.phosphors import OPTICS, PHOSPHORS
from xsim.detector.screen import Screen, ScreenSignal
from xsim.errors import InputError, PhysicsRangeError, UnknownNameError
from xsim.spectrum import preset_spectrum, tungsten_spectrum

PAPER = preset_spectrum("paper")
FREQUENCY = np.array([1.0, 2.0, 3.0, 5.0, 10.0])
KERMA_UGY = 42.56

# An independent prototype of the same equations (70 kV, 2.5 mm Al): A_Q, A_E, Swank, DQE(0), light escape, NNPS(0).
FIGURES = {
    33.91: (0.281, 0.216, 0.720, 0.202, 0.723, 6.84e-6),
    134.55: (0.668, 0.574, 0.647, 0.432, 0.529, 3.20e-6),
}
MTF = {33.91: (0.918, 0.756, 0.588, 0.349, 0.124), 134.55: (0.587, 0.274, 0.154, 0.072, 0.024)}
LUBBERTS = {33.91: (0.97, 0.93, 0.87, 0.70, 0.37), 134.55: (0.75, 0.41, 0.24, 0.12, 0.06)}


def exposed(mass_thickness_mg_cm2: float, frequency: np.ndarray = FREQUENCY, **changes: object) -> ScreenSignal:
    return Screen(mass_thickness_mg_cm2, **changes).expose(PAPER, frequency)  # type: ignore[arg-type]


@pytest.mark.parametrize("thickness", FIGURES)
def test_screens_have_the_agreed_figures(thickness: float) -> None:
    signal = exposed(thickness)
    quantum, energy, swank, dqe0, escape, nnps0 = FIGURES[thickness]
    assert signal.absorption_quantum == pytest.approx(quantum, abs=0.005)
    assert signal.absorption_energy == pytest.approx(energy, abs=0.005)
    assert signal.swank == pytest.approx(swank, abs=0.01)
    assert signal.dqe0 == pytest.approx(dqe0, abs=0.005)
    assert signal.light_escape == pytest.approx(escape, abs=0.005)
    assert exposed(thickness, np.zeros(1)).nnps_mm2(KERMA_UGY)[0] == pytest.approx(nnps0, rel=0.03)
    np.testing.assert_allclose(signal.mtf, MTF[thickness], atol=0.01)
    np.testing.assert_allclose(signal.lubberts, LUBBERTS[thickness], atol=0.01)


@pytest.mark.parametrize("thickness", [0.5, 20.0, 33.91, 134.55, 300.0])
def test_dqe_at_zero_is_absorption_times_swank(thickness: float) -> None:
    signal = exposed(thickness)
    assert signal.dqe0 == pytest.approx(signal.absorption_quantum * signal.swank, rel=1e-12)


def test_laws_of_thickness() -> None:
    thicknesses = [5.0, 20.0, 34.0, 70.0, 134.0, 200.0, 300.0]
    frequency = np.linspace(0.0, 20.0, 41)
    signals = [exposed(value, frequency) for value in thicknesses]
    mtf = np.stack([signal.mtf for signal in signals])
    assert (mtf > 0).all()
    assert (mtf <= 1).all()
    assert (np.diff(mtf, axis=1) < 0).all()
    assert (np.diff(mtf[:, 1:], axis=0) < 0).all()
    lubberts = np.stack([signal.lubberts for signal in signals])
    assert (lubberts > 0).all()
    assert (lubberts <= 1 + 1e-12).all()
    assert lubberts[:, 0] == pytest.approx(1.0)
    for rising in ("absorption_quantum", "absorption_energy"):
        assert (np.diff([getattr(signal, rising) for signal in signals]) > 0).all()
    assert (np.diff([signal.light_escape for signal in signals]) < 0).all()


def test_a_vanishing_screen_blurs_by_its_gap_only() -> None:
    frequency = np.array([1.0, 5.0, 10.0, 20.0])
    signal = exposed(0.01, frequency)
    np.testing.assert_allclose(signal.mtf / gap_mtf(Optics(), frequency), 1.0, atol=0.005)


def test_without_losses_all_light_reaches_the_sensor() -> None:
    optics = Optics(extrapolation_backing_mm=1e6, diffusion_length_mm=1e6)
    assert exposed(134.55, optics=optics).light_escape == pytest.approx(1.0, abs=1e-4)


def test_the_sum_over_layers_has_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    coarse = [exposed(thickness) for thickness in (33.91, 134.55, 300.0, 1000.0)]
    monkeypatch.setattr(Screen, "layers", property(lambda _: 192))
    fine = [exposed(thickness) for thickness in (33.91, 134.55, 300.0, 1000.0)]
    for one, other in zip(coarse, fine, strict=True):
        np.testing.assert_allclose(one.mtf, other.mtf, atol=1e-4)
        assert one.swank == pytest.approx(other.swank, rel=5e-4)


def test_light_transfer_solves_the_diffusion_equation() -> None:
    optics, thickness = Optics(extrapolation_backing_mm=0.05, diffusion_length_mm=0.2), 0.1
    depth = np.linspace(0.0, thickness, 2001)
    frequency = np.array([0.5, 4.0])
    q_2 = (2 * np.pi * frequency) ** 2 + 1 / optics.diffusion_length_mm**2
    G = light_transfer(optics, thickness, depth, frequency)
    step = depth[1]
    curvature = np.diff(G, n=2, axis=1) / step**2
    np.testing.assert_allclose(curvature, q_2[:, None] * G[:, 1:-1], rtol=1e-3)
    # Robin condition at the backing: h_b dG/dz = G.
    slope = (-1.5 * G[:, 0] + 2 * G[:, 1] - 0.5 * G[:, 2]) / step
    np.testing.assert_allclose(optics.extrapolation_backing_mm * slope, G[:, 0], rtol=1e-4)
    # At the sensor what was born there and has not returned leaves: G + h_s dG/dz = 1.
    slope = (1.5 * G[:, -1] - 2 * G[:, -2] + 0.5 * G[:, -3]) / step
    np.testing.assert_allclose(G[:, -1] + optics.extrapolation_sensor_mm * slope, 1.0, rtol=1e-4)


def test_light_transfer_survives_extremes() -> None:
    G = light_transfer(Optics(), 5.0, np.array([0.0, 2.5, 5.0]), np.array([0.0, 1e-9, 1.0, 1e3]))
    assert np.isfinite(G).all()
    assert (G >= 0).all()
    assert (G <= 1).all()


def test_the_gap_is_lambertian() -> None:
    # Hankel transform of cos^4 / (pi d^2), the irradiance of a small Lambertian source at distance d.
    optics = Optics(gap_mm=0.02)
    radius = np.linspace(0.0, 4.0, 400_001)
    from scipy.special import j0

    spread = 2 * radius * optics.gap_mm**2 / (radius**2 + optics.gap_mm**2) ** 2
    for frequency in (2.0, 10.0):
        transform = trapezoid(spread * j0(2 * np.pi * frequency * radius), radius)
        assert gap_mtf(optics, np.array([frequency]))[0] == pytest.approx(transform, abs=2e-3)


def test_back_irradiation_raises_the_limiting_resolution() -> None:
    # Howansky et al., Med. Phys. 46, 4857 (2019): +31 % for GOS Fast Back at RQA9; not used in any fit.
    beam, frequency = preset_spectrum("RQA9"), np.linspace(0.0, 20.0, 2001)
    ends = []
    for side in ("front", "back"):
        mtf = Screen(134.55, irradiation=side).expose(beam, frequency).mtf  # type: ignore[arg-type]
        ends.append(np.interp(-0.2, -mtf, frequency))
    assert ends[1] / ends[0] == pytest.approx(1.31, abs=0.05)


def test_sharper_optics_are_sharper() -> None:
    generic, dyed, fine = (exposed(33.91, optics=OPTICS[name]) for name in ("generic", "dyed", "fine-grain"))
    assert (dyed.mtf > generic.mtf).all()
    assert (fine.mtf > generic.mtf).all()
    assert dyed.light_escape < generic.light_escape


@pytest.mark.parametrize("name", PHOSPHORS)
def test_other_phosphors_obey_the_laws(name: str) -> None:
    beam = tungsten_spectrum(100.0, (("Al", 4.0),))
    signal = Screen(100.0, name).expose(beam, FREQUENCY)
    assert (np.diff(signal.mtf) < 0).all()
    assert 0 < signal.absorption_energy <= signal.absorption_quantum < 1
    assert 0.3 < signal.swank < 1
    assert bool(PHOSPHORS[name].caveat) == (name != "Gd2O2S")


def test_packing_moves_the_blur_not_the_absorption() -> None:
    loose, tight = exposed(100.0, packing=0.4), exposed(100.0, packing=0.8)
    assert loose.absorption_quantum == pytest.approx(tight.absorption_quantum, rel=1e-12)
    assert (loose.mtf < tight.mtf).all()


def test_gain_noise_lowers_the_swank_factor_as_it_must() -> None:
    # Without the K photon's correlated pairs W scales by 1 + eps; the pairs have independent gains.
    quiet = exposed(134.55, optics=replace(Optics(), gain_noise=0.0))
    noisy = exposed(134.55, optics=replace(Optics(), gain_noise=0.157))
    assert 1.0 < quiet.swank / noisy.swank < 1.157


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"mass_thickness_mg_cm2": float("nan")}, "mass thickness nan mg/cm2"),
        ({"mass_thickness_mg_cm2": -1.0}, "0.001 to 1000 mg/cm2"),
        ({"packing": 1.5}, "packing"),
        ({"irradiation": "side"}, "front or back"),
        ({"phosphor": "GOS"}, "unknown phosphor 'GOS'"),
    ],
)
def test_impossible_screens_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises((PhysicsRangeError, InputError, UnknownNameError), match=message):
        Screen(**{"mass_thickness_mg_cm2": 34.0, **changes})  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["extrapolation_sensor_mm", "diffusion_length_mm", "gap_mm", "gain_noise"])
def test_impossible_optics_are_refused(name: str) -> None:
    for value in (-1.0, float("nan")):
        with pytest.raises(PhysicsRangeError, match=name):
            Optics(**{name: value})


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    thickness=st.floats(5.0, 300.0),
    sensor=st.floats(1e-3, 0.1),
    backing=st.floats(1e-3, 10.0),
    length=st.floats(0.02, 10.0),
    side=st.sampled_from(["front", "back"]),
)
def test_any_screen_is_a_passive_blur(
    thickness: float, sensor: float, backing: float, length: float, side: str
) -> None:
    optics = Optics(
        extrapolation_sensor_mm=sensor, extrapolation_backing_mm=backing, diffusion_length_mm=length, gap_mm=0.0
    )
    signal = exposed(thickness, np.linspace(0.0, 15.0, 16), optics=optics, irradiation=side)
    assert signal.mtf[0] == pytest.approx(1.0)
    assert (np.diff(signal.mtf) < 0).all()
    assert (signal.lubberts <= 1 + 1e-12).all()
    assert 0 < signal.swank < 1
    assert 0 < signal.light_escape < 1


@pytest.mark.parametrize("count", [2, 3, 5, 40])
def test_monotone_cubics_are_those_of_scipy(count: int) -> None:
    rng = np.random.default_rng(count)
    for _ in range(20):
        x, y = np.cumsum(rng.random(count) + 0.01), rng.standard_normal(count)
        wanted = np.linspace(x[0], x[-1], 301)
        np.testing.assert_allclose(monotone_cubic(x, y, wanted), PchipInterpolator(x, y)(wanted), atol=1e-12)
