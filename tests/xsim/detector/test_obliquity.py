"""Oblique rays: integrals over rays, and photons followed along them, against the closed sums; what must not change."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import numpy as np
import pytest
import xraylib
from scipy.integrate import trapezoid

import xsim
from xsim.detector.detector import Detector, Sensor, read_detectors, write_detectors
from xsim.detector.light_transport import gap_mtf, light_transfer
from xsim.detector.screen import Screen
from xsim.errors import PhysicsRangeError
from xsim.materials import mass_coefficient_mm2_g
from xsim.phantoms import Phantom
from xsim.spectrum import beam_of, preset_spectrum

PAPER = preset_spectrum("paper")
K_EDGE, K_PHOTON = 50.239, 43.956  # gadolinium [keV]
FREQUENCY = np.array([0.5, 1.0, 2.0, 4.0])


@pytest.mark.parametrize("side", ["front", "back"])
@pytest.mark.parametrize("tilt_deg", [20.0, 45.0])
def test_mtf_along_the_tilt_is_the_integral_over_rays(tilt_deg: float, side: Literal["front", "back"]) -> None:
    # Below the K edge, where a photon leaves all its energy where it is absorbed: one integral along the ray.
    beam, screen = beam_of("49 Al:3"), Screen(134.55, irradiation=side, incidence_deg=tilt_deg)
    tilt, T = np.radians(tilt_deg), screen.thickness_mm
    way = np.linspace(0.0, T / np.cos(tilt), 4001)
    depth = way * np.cos(tilt) if side == "front" else T - way * np.cos(tilt)
    photo, compton = (mass_coefficient_mm2_g("Gd2O2S", beam.energy_keV, kind) for kind in ("photo", "compton"))
    density = 1e-3 * screen.density_g_cm3
    removed = np.exp(-density * (photo + compton)[:, None] * way) * (density * photo * beam.energy_keV)[:, None]
    light = (beam.fluence_per_mm2_uGy @ removed) * light_transfer(screen.optics, T, depth, np.append(0.0, FREQUENCY))
    along = np.exp(-2j * np.pi * FREQUENCY[:, None] * way * np.sin(tilt))
    whole = trapezoid(light[0], way)
    expected = np.abs(trapezoid(light[1:] * along, way, axis=1)) / whole * gap_mtf(screen.optics, FREQUENCY)
    oblique = screen.expose(beam, FREQUENCY).oblique
    assert oblique is not None
    np.testing.assert_allclose(oblique.along(), expected, atol=1e-3)
    assert (oblique.along() < 0.998 * oblique.across()).all()


def follow(screen: Screen, count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, int]:
    """Follow photons along oblique rays that enter at x = 0, and their K photons from where they are absorbed.

    Returns the sums of g~(f) and |g~(f)|^2 along the tilt, f = 0 first, and how many were absorbed; only G is shared.
    """
    energy = rng.choice(PAPER.energy_keV, count, p=PAPER.fluence_per_mm2_uGy / PAPER.fluence_per_mm2_uGy.sum())
    photo, compton = (mass_coefficient_mm2_g("Gd2O2S", energy, kind) for kind in ("photo", "compton"))
    density, tilt, T = 1e-3 * screen.density_g_cm3, np.radians(screen.incidence_deg), screen.thickness_mm
    way = rng.exponential(1.0, count) / ((photo + compton) * density)
    here = (way * np.cos(tilt) < T) & (rng.random(count) < photo / (photo + compton))
    E, depth, x = energy[here], (way * np.cos(tilt))[here], (way * np.sin(tilt))[here]
    share = 0.830767 * mass_coefficient_mm2_g("Gd", E, "photo") / photo[here]
    emission = (1 - 1 / xraylib.JumpFactor(64, xraylib.K_SHELL)) * xraylib.FluorYield(64, xraylib.K_SHELL)
    emits = (E > K_EDGE) & (rng.random(len(E)) < share * emission)
    photo_K, compton_K = (mass_coefficient_mm2_g("Gd2O2S", [K_PHOTON], kind)[0] for kind in ("photo", "compton"))
    path = rng.exponential(1.0, len(E)) / ((photo_K + compton_K) * density)
    cosine, azimuth = rng.uniform(-1, 1, len(E)), rng.uniform(0, 2 * np.pi, len(E))
    end, end_x = depth + path * cosine, x + path * np.sqrt(1 - cosine**2) * np.cos(azimuth)
    kept = emits & (end > 0) & (end < T) & (rng.random(len(E)) < photo_K / (photo_K + compton_K))
    eps = screen.optics.gain_noise
    first = np.where(emits, E - K_PHOTON, E) * rng.gamma(1 / eps, eps, len(E))
    second = np.where(kept, K_PHOTON, 0.0) * rng.gamma(1 / eps, eps, len(E))
    places = (depth, np.clip(end, 0.0, T))
    signal, power = [], []
    for f in (0.0, *FREQUENCY):
        seen = (z if screen.irradiation == "front" else T - z for z in places)
        G, G_K = (light_transfer(screen.optics, T, z, np.array([f]))[0] for z in seen)
        wave = first * G * np.exp(-2j * np.pi * f * x) + second * G_K * np.exp(-2j * np.pi * f * end_x)
        signal.append(wave.sum())
        power.append((np.abs(wave) ** 2).sum())
    return np.array(signal), np.array(power), len(E)


@pytest.mark.parametrize("side", ["front", "back"])
def test_signal_and_noise_agree_with_photons_along_oblique_rays(side: Literal["front", "back"]) -> None:
    count, screen = 200_000, Screen(134.55, irradiation=side, incidence_deg=45.0)
    signal, power, absorbed = follow(screen, count, np.random.default_rng(3))
    expected = screen.expose(PAPER, FREQUENCY)
    gap, photons = gap_mtf(screen.optics, FREQUENCY), PAPER.fluence_per_mm2_uGy.sum() * np.cos(np.radians(45.0))
    assert expected.oblique is not None
    np.testing.assert_allclose(np.abs(signal[1:] / signal[0]) * gap, expected.oblique.along(), atol=0.006)
    assert absorbed / count == pytest.approx(expected.absorption_quantum, abs=0.004)
    assert signal[0].real / count == pytest.approx(expected.signal_keV_per_mm2_uGy / photons, rel=0.01)
    # The noise of photons that are displaced whole is not blurred by the tilt.
    np.testing.assert_allclose(power[1:] / count * np.square(gap), expected.noise_keV2_per_mm2_uGy / photons, rtol=0.02)


def test_normal_rays_cost_and_change_nothing_and_a_small_tilt_little(tmp_path: Path) -> None:
    normal, slightly = (Screen(134.55, incidence_deg=angle).expose(PAPER, FREQUENCY) for angle in (0.0, 0.5))
    assert normal.oblique is None
    np.testing.assert_allclose(slightly.mtf, normal.mtf, atol=1e-3)
    assert slightly.signal_keV_per_mm2_uGy == pytest.approx(normal.signal_keV_per_mm2_uGy, rel=1e-3)
    for angle in (0.0, 30.0):
        detector = Detector(Screen(34.0, incidence_deg=angle))
        write_detectors(tmp_path / "d.toml", {"one": detector})
        assert read_detectors(tmp_path / "d.toml") == {"one": detector}
        assert ("incidence_deg" in (tmp_path / "d.toml").read_text(encoding="utf-8")) == bool(angle)


@pytest.mark.parametrize("silicon_mm", [0.0, 0.005])
def test_a_response_has_one_mtf_along_the_tilt_and_another_across(silicon_mm: float) -> None:
    sensor = Sensor(active_silicon_mm=silicon_mm)
    response, normal = (
        Detector(Screen(134.55, incidence_deg=angle), sensor).response(PAPER, 40.0) for angle in (45.0, 0.0)
    )
    along, across = response.mtf_by_direction(FREQUENCY)
    mean = response.mtf(FREQUENCY)
    assert (along < mean).all()
    assert (mean < across).all()
    shape, pixel_mm = (64, 96), 0.024
    transfer = response.mtf_map(shape, pixel_mm)
    u, v = np.fft.rfftfreq(shape[1], pixel_mm), np.abs(np.fft.fftfreq(shape[0], pixel_mm))
    np.testing.assert_allclose(np.abs(transfer[0]), response.mtf_by_direction(u)[0], atol=1e-9)
    np.testing.assert_allclose(np.abs(transfer[:, 0]), response.mtf_by_direction(v)[1], atol=1e-9)
    # Nothing is displaced as a whole: near f = 0 the light's phase vanishes with the third power of f.
    if not silicon_mm:
        assert abs(np.angle(transfer[0, 1])) < 0.02
    # More is absorbed of each ray, of which an area catches fewer; DQE(0) is that of the photons it catches.
    photons = np.cos(np.radians(45.0)) * PAPER.total_fluence_per_mm2_uGy * 40.0
    assert response.dqe([0.01])[0] == pytest.approx(1.0 / (photons * response.nnps([0.01])[0]), rel=1e-3)
    assert response.dqe([0.01])[0] > normal.dqe([0.01])[0]
    assert response.signal_electrons < normal.signal_electrons
    if response.hits is not None and normal.hits is not None:
        assert response.hits.total < normal.hits.total


def test_an_edge_along_the_tilt_stays_sharp_and_one_across_it_does_not() -> None:
    setup = xsim.recipes.paper()
    setup = replace(setup, lr=Detector(replace(setup.lr.screen, incidence_deg=45.0), setup.lr.sensor), lr_frames=4)
    steepest = []
    for turned in (False, True):
        copper = np.zeros((1, 96, 96), np.float32)
        copper[:, :, 48:] = 0.1
        phantom = Phantom(("Cu",), copper.swapaxes(1, 2).copy() if turned else copper, setup.pitch_mm)
        image = xsim.simulate_pair(phantom, setup, 1, clean=True).lr_clean
        assert image is not None
        profile = image.mean(axis=1) if turned else image.mean(axis=0)
        steepest.append(np.abs(np.diff(profile)).max() / np.ptp(profile))
    # Where the first varies along the rows, the tilt blurs it.
    assert steepest[0] < 0.9 * steepest[1]


def test_rays_from_the_other_end_of_the_rows_blur_as_in_a_mirror() -> None:
    one, other = (Screen(134.55, incidence_deg=angle).expose(PAPER, FREQUENCY) for angle in (30.0, -30.0))
    assert one.oblique is not None
    assert other.oblique is not None
    np.testing.assert_allclose(other.mtf, one.mtf, atol=1e-12)
    np.testing.assert_allclose(other.noise_keV2_per_mm2_uGy, one.noise_keV2_per_mm2_uGy)
    np.testing.assert_allclose(other.oblique(FREQUENCY, FREQUENCY), np.conj(one.oblique(FREQUENCY, FREQUENCY)))


def test_a_tilted_view_meets_the_screens_at_its_tilt() -> None:
    setup = xsim.recipes.paper()
    tilted = replace(setup, geometry=replace(setup.geometry, tilt_deg=-30.0))
    asked = Detector(replace(setup.lr.screen, incidence_deg=-30.0), setup.lr.sensor)
    assert tilted.lr_response is asked.response(setup.spectrum, setup.kerma_uGy)
    assert tilted.to_dict()["lr"] == setup.to_dict()["lr"]
    # B_1 knows: the thick screen loses more. A screen that states its own angle keeps it, and measured curves stay.
    assert tilted.degradation().B_1_at(np.array([2.0]))[0] < setup.degradation().B_1_at(np.array([2.0]))[0] - 0.01
    assert replace(tilted, lr=replace(asked, screen=replace(asked.screen, incidence_deg=10.0))).lr_response.screen == (
        replace(asked.screen, incidence_deg=10.0)
    )
    curves = {"mtf": ([0.0, 2.0, 10.0], [1.0, 0.3, 0.05]), "nnps": ([0.0, 10.0], [1e-5, 1e-6])}
    measured = Detector.from_measured(**curves, kerma_uGy=40.0, screen=setup.lr.screen, sensor=setup.lr.sensor)
    assert replace(tilted, lr=measured).lr_response.screen.incidence_deg == 0.0


def test_the_tail_of_a_slit_points_to_the_source() -> None:
    """Light of the entrance is blurred most, and lies on the side where the source stands."""
    setup = xsim.recipes.paper()
    plate = np.full((1, 65, 65), 0.5, np.float32)
    plate[0, :, 32] = 0.0
    lines = []
    for tilt_deg in (40.0, -40.0):
        tilted = replace(setup, geometry=replace(setup.geometry, tilt_deg=tilt_deg))
        image = xsim.simulate_pair(Phantom(("Cu",), plate, setup.pitch_mm), tilted, 1, clean=True).lr_clean
        assert image is not None
        lines.append(image.mean(axis=0).astype(float))
    np.testing.assert_allclose(lines[1], lines[0][::-1], atol=1e-5)
    bright, x = lines[0] - lines[0].min(), np.arange(65.0)
    assert bright @ (x - bright @ x / bright.sum()) ** 3 < 0


@pytest.mark.parametrize("angle", [-60.5, 60.5, float("nan")])
def test_grazing_rays_are_refused(angle: float) -> None:
    with pytest.raises(PhysicsRangeError, match=r"incidence_deg .* -60 to 60 degree"):
        Screen(34.0, incidence_deg=angle)
