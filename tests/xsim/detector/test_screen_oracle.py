"""An independent photon-by-photon Monte Carlo against the closed sums: it shares only G, the light spread of a depth.

Energies, depths, three-dimensional K emission and light gain are sampled; the cross-sections come from xraylib itself.
For shot noise the power spectrum is the fluence times the mean of |g~(f)|^2 over photons, g the light image of one
photon (Campbell), so that photons can be averaged one by one. The slow test makes images instead and uses nothing of
that theorem.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Literal, NamedTuple

import numpy as np
import pytest
import xraylib
from scipy.integrate import quad
from scipy.special import expn, j0

from xsim.detector.detector import Detector, Sensor
from xsim.detector.light_transport import gap_mtf, light_transfer
from xsim.detector.screen import Screen, layer_transfer
from xsim.grids import frequency_axes, radial_mean
from xsim.spectrum import Spectrum, preset_spectrum

K_EDGE, K_PHOTON = 50.239, 43.956  # gadolinium [keV]


class Light(NamedTuple):
    """Deposits of photons: whose, how much light [keV], where across and in depth [mm]."""

    photon: np.ndarray
    light_keV: np.ndarray
    x_mm: np.ndarray
    y_mm: np.ndarray
    z_mm: np.ndarray


def gos(cross_section: object, energy: np.ndarray) -> np.ndarray:
    """Return a mass coefficient of Gd2O2S [mm2/g], straight from xraylib."""
    grid = np.arange(5.0, 151.0, 0.05)
    table = [cross_section("Gd2O2S", float(value)) for value in grid]  # type: ignore[operator]
    return 100.0 * np.interp(energy, grid, table)


def simulate(screen: Screen, beam: Spectrum, count: int, rng: np.random.Generator) -> Light:
    """Follow photons one by one; the first deposit of each is at x = y = 0, its K photon's where that ends."""
    energy = rng.choice(beam.energy_keV, count, p=beam.fluence_per_mm2_uGy / beam.fluence_per_mm2_uGy.sum())
    photo, compton = gos(xraylib.CS_Photo_CP, energy), gos(xraylib.CS_Compt_CP, energy)
    density = 1e-3 * screen.density_g_cm3
    depth = rng.exponential(1.0, count) / ((photo + compton) * density)
    absorbed = (depth < screen.thickness_mm) & (rng.random(count) < photo / (photo + compton))
    photon = np.flatnonzero(absorbed)
    E, z = energy[absorbed], depth[absorbed]
    if screen.irradiation == "back":
        z = screen.thickness_mm - z
    gadolinium = 0.830767 * np.array([100.0 * xraylib.CS_Photo(64, float(value)) for value in beam.energy_keV])
    share = np.interp(E, beam.energy_keV, gadolinium / gos(xraylib.CS_Photo_CP, beam.energy_keV))
    jump, fluorescence_yield = xraylib.JumpFactor(64, xraylib.K_SHELL), xraylib.FluorYield(64, xraylib.K_SHELL)
    emits = (E > K_EDGE) & (rng.random(len(E)) < share * (1 - 1 / jump) * fluorescence_yield)
    # The K photon: isotropic, exponential path, counted where it is photo-absorbed inside.
    mu_photo, mu_compton = (
        density * 100.0 * cs("Gd2O2S", K_PHOTON) for cs in (xraylib.CS_Photo_CP, xraylib.CS_Compt_CP)
    )
    path = rng.exponential(1.0, emits.sum()) / (mu_photo + mu_compton)
    cosine, azimuth = rng.uniform(-1, 1, emits.sum()), rng.uniform(0, 2 * np.pi, emits.sum())
    sine = np.sqrt(1 - cosine**2)
    end = z[emits] + path * cosine
    inside = (end > 0) & (end < screen.thickness_mm) & (rng.random(emits.sum()) < mu_photo / (mu_photo + mu_compton))
    zeros = np.zeros(len(E))
    energy_left = np.where(emits, E - K_PHOTON, E)
    deposits = Light(
        np.concatenate((photon, photon[emits][inside])),
        np.concatenate((energy_left, np.full(inside.sum(), K_PHOTON))),
        np.concatenate((zeros, (path * sine * np.cos(azimuth))[inside])),
        np.concatenate((zeros, (path * sine * np.sin(azimuth))[inside])),
        np.concatenate((z, end[inside])),
    )
    # Gain noise: gamma distributed light with relative variance eps, each deposit on its own.
    eps = screen.optics.gain_noise
    return deposits._replace(light_keV=deposits.light_keV * rng.gamma(1 / eps, eps, len(deposits.light_keV)))


def photon_moments(
    screen: Screen, beam: Spectrum, frequency: np.ndarray, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the means over incident photons of g~(f) and |g~(f)|^2, without the gap."""
    rng = np.random.default_rng(seed)
    signal, power = np.zeros(len(frequency)), np.zeros(len(frequency))
    batches = 10
    for _ in range(batches):
        light = simulate(screen, beam, count // batches, rng)
        G = light_transfer(screen.optics, screen.thickness_mm, light.z_mm, frequency)
        wave = light.light_keV * G * np.exp(-2j * np.pi * frequency[:, None] * light.x_mm)
        for row, values in enumerate(wave):
            real = np.bincount(light.photon, values.real, minlength=count // batches)
            imaginary = np.bincount(light.photon, values.imag, minlength=count // batches)
            signal[row] += real.sum()
            power[row] += (real**2 + imaginary**2).sum()
    return signal / count, power / count


@pytest.mark.parametrize(("thickness", "side"), [(134.55, "front"), (134.55, "back"), (33.91, "front")])
def test_signal_and_noise_agree_with_photons_one_by_one(thickness: float, side: Literal["front", "back"]) -> None:
    beam = preset_spectrum("RQA5")
    screen = Screen(thickness, irradiation=side)
    frequency = np.array([0.0, 0.5, 1.0, 2.0, 4.0, 7.0])
    signal, power = photon_moments(screen, beam, frequency, 300_000, seed=5)
    expected = screen.expose(beam, frequency)
    gap = gap_mtf(screen.optics, frequency)
    closed_signal = expected.mtf / gap * expected.signal_keV_per_mm2_uGy / beam.total_fluence_per_mm2_uGy
    closed_power = expected.noise_keV2_per_mm2_uGy / gap**2 / beam.total_fluence_per_mm2_uGy
    assert signal[0] == pytest.approx(closed_signal[0], rel=0.01)
    np.testing.assert_allclose(signal / signal[0], closed_signal / closed_signal[0], atol=0.01)
    np.testing.assert_allclose(power, closed_power, rtol=0.03)


def photon_image(
    detector: Detector, beam: Spectrum, kerma_uGy: float, size: int, rng: np.random.Generator
) -> np.ndarray:
    """Return a frame [electrons] made of photons at random places, (size, size), periodic."""
    screen, sensor, fine = detector.screen, detector.sensor, 3
    side = size * sensor.pitch_mm
    light = simulate(screen, beam, rng.poisson(beam.total_fluence_per_mm2_uGy * kerma_uGy * side**2), rng)
    places = rng.uniform(0, side, (2, light.photon.max() + 1))
    row = ((places[0][light.photon] + light.y_mm) % side / side * size * fine).astype(int)
    column = ((places[1][light.photon] + light.x_mm) % side / side * size * fine).astype(int)
    # Slices shrink towards the sensor, where light spreads least and depth matters most.
    cells = 40
    above_mm = screen.thickness_mm * np.linspace(1.0, 0.0, cells + 1) ** 2
    layer = np.searchsorted(-above_mm, light.z_mm - screen.thickness_mm, side="right") - 1
    v, u = frequency_axes((size * fine, size * fine), sensor.pitch_mm / fine)
    radius = np.hypot(v, u)
    table = np.linspace(0.0, radius.max(), 2000)
    depth = screen.thickness_mm - (above_mm[:-1] + above_mm[1:]) / 2
    G = light_transfer(screen.optics, screen.thickness_mm, depth, table)
    spectrum = np.zeros(radius.shape, dtype=complex)
    for index in range(cells):
        here = layer == index
        flat = np.bincount(row[here] * size * fine + column[here], light.light_keV[here], minlength=(size * fine) ** 2)
        spectrum += np.fft.rfft2(flat.reshape(size * fine, -1)) * np.interp(radius, table, G[:, index])
    spectrum *= gap_mtf(screen.optics, radius) * np.sinc(sensor.aperture_mm * v) * np.sinc(sensor.aperture_mm * u)
    density = np.fft.irfft2(spectrum, s=(size * fine, size * fine))[::fine, ::fine] * (size * fine / side) ** 2
    electrons = density * 60.0 * sensor.quantum_efficiency * sensor.aperture_mm**2
    read = sensor.electronic_variance_e2**0.5 * rng.standard_normal((size, size))
    return rng.poisson(np.maximum(electrons, 0)) + read


@pytest.mark.slow
@pytest.mark.parametrize("thickness", [33.91, 134.55])
def test_images_of_photons_have_the_signal_the_noise_and_the_variance(thickness: float) -> None:
    beam, kerma_uGy, size, images = preset_spectrum("RQA5"), 0.5, 96, 80
    detector = Detector(Screen(thickness), Sensor(read_noise_e=20.0, full_well_e=1e5))
    response, rng = detector.response(beam, kerma_uGy), np.random.default_rng(11)
    frames = np.stack([photon_image(detector, beam, kerma_uGy, size, rng) for _ in range(images)])
    assert frames.mean() == pytest.approx(response.signal_electrons, rel=0.01)
    relative = frames / response.signal_electrons - 1.0
    assert relative.std() == pytest.approx(response.pixel_sigma, rel=0.015)
    power = np.mean(np.abs(np.fft.rfft2(relative, norm="ortho")) ** 2, axis=0) * response.pitch_mm**2
    bands = np.array([0.4, 1.2, 2.5, 4.0, 6.0, 8.0, 10.4])
    measured, _ = radial_mean(power, (size, size), response.pitch_mm, bands)
    expected, _ = radial_mean(response.nnps_map((size, size)), (size, size), response.pitch_mm, bands)
    np.testing.assert_allclose(measured, expected, rtol=0.03)


def test_k_transfer_is_the_exponential_integral_at_zero_frequency() -> None:
    mu, layer, count = 1.5, 0.005, 40
    tau, n = mu * layer, np.arange(1, count)

    def E3(x: np.ndarray) -> np.ndarray:
        return np.asarray(expn(3, x))

    same = 1.0 - (0.5 - expn(3, tau)) / tau
    other = (E3((n - 1) * tau) - 2.0 * E3(n * tau) + E3((n + 1) * tau)) / (2.0 * tau)
    np.testing.assert_allclose(layer_transfer(mu, layer, count, np.zeros(1))[0], [same, *other], rtol=1e-9)


@pytest.mark.parametrize(("step", "frequency"), [(1, 2.0), (5, 2.0), (5, 10.0), (12, 1.0)])
def test_k_transfer_is_the_hankel_transform_of_attenuated_rays(step: int, frequency: float) -> None:
    mu, layer = 1.5, 0.005

    def spread(depth: float) -> float:
        """Integrate mu exp(-mu r) / (4 pi r^2) J0 over a plane at this distance."""

        def ring(radius: float) -> float:
            r = np.hypot(radius, depth)
            return float(radius * mu * np.exp(-mu * r) / (2 * r**2) * j0(2 * np.pi * frequency * radius))

        ends = np.concatenate(([0.0, 0.02], np.arange(0.5, 60.0, 0.5) / frequency))
        return sum(quad(ring, low, high, limit=200)[0] for low, high in pairwise(ends))

    # Two uniform layers: the distance of their points is triangular around step * layer.
    nodes, weights = np.polynomial.legendre.leggauss(8)
    total = 0.0
    for low in (-1.0, 0.0):
        for node, weight in zip((nodes + 1) / 2 + low, weights / 2, strict=True):
            total += weight * (1 - abs(node)) * spread((step + node) * layer)
    computed = layer_transfer(mu, layer, step + 1, np.array([frequency]))[0, step]
    assert computed == pytest.approx(total * layer, rel=2e-3)


def test_k_photons_are_absorbed_somewhere() -> None:
    # In a layer much thicker than the path every photon is removed: the sum over layers is 1.
    transfer = layer_transfer(100.0, 0.01, 400, np.zeros(1))[0]
    assert transfer[0] + 2 * transfer[1:].sum() == pytest.approx(1.0, abs=1e-6)
