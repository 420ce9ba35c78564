"""Direct hits against an independent photon-by-photon Monte Carlo, and as sparse bright events in frames.

The Monte Carlo shares nothing with xsim but the beam and the attenuation coefficients (xraylib): energies, depths, K
photons in three dimensions and hits are sampled, and the light spread is a finite-difference solution of the diffusion
equation, where xsim has Swank's closed form.
"""

from __future__ import annotations

import tempfile
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import xraylib
from scipy.linalg import solve_banded
from scipy.special import k1

import xsim
from tests.xsim.detectors import KERMA_UGY, PAPER, THICKNESSES
from xsim.detector.detector import Detector, Screen, Sensor, read_detectors, write_detectors
from xsim.detector.response import DetectorResponse
from xsim.errors import InputError, PhysicsRangeError, UnknownNameError
from xsim.imaging.noise import hit_noise, noise_sources
from xsim.imaging.pair import simulate_pair
from xsim.measure.sheet.model import dosed
from xsim.phantoms import Phantom

GOS_G_MM3, SI_G_MM3, GLASS_G_MM3 = 4.5e-3, 2.329e-3, 4.40e-3
GLASS = {"La2O3": 0.35, "BaO": 0.25, "B2O3": 0.20, "SiO2": 0.07, "ZrO2": 0.05, "ZnO": 0.05, "CaO": 0.03}
H_SENSOR, H_BACKING, DIFFUSION, GAP, GAIN_NOISE = 0.0116, 0.100, 2.0, 0.0064, 0.157  # the default optics [mm]
K_EDGE, K_PHOTON = 50.239, 43.956  # gadolinium [keV]
ELECTRONS_PER_KEV, PER_LIGHT_KEV = 1000 / 3.65, 60.0 * 0.5


def coefficient(kind: str, compound: str, energy: np.ndarray) -> np.ndarray:
    """Return a mass coefficient [mm2/g] on a fine grid, straight from xraylib."""
    grid = np.arange(5.0, 151.0, 0.05)
    table = [getattr(xraylib, f"CS_{kind}_CP")(compound, float(value)) for value in grid]
    return 100.0 * np.interp(energy, grid, table)


def light_out(thickness_mm: float, z_mm: np.ndarray, frequency: float, nodes: int = 1200) -> np.ndarray:
    """Solve G'' = q^2 G on a grid, with G' = G / h_b at the backing and G + h_s G' = 1 at the sensor."""
    q_2 = (2 * np.pi * frequency) ** 2 + DIFFUSION**-2
    # Finer towards the sensor, where G changes fastest: a uniform grid in s, z = T (1 - (1 - s)^2).
    z = thickness_mm * (1.0 - np.linspace(1.0, 0.0, nodes) ** 2)
    h = np.diff(z)
    bands, right = np.zeros((3, nodes)), np.zeros(nodes)
    bands[2, :-2], bands[0, 2:] = 2 / (h[:-1] * (h[:-1] + h[1:])), 2 / (h[1:] * (h[:-1] + h[1:]))
    bands[1, 1:-1] = -2 / (h[:-1] * h[1:]) - q_2
    # One-sided derivatives of second order from the equation itself: G(h) = G + h G' + h^2 q^2 G / 2.
    bands[1, 0], bands[0, 1] = -1 / h[0] - h[0] * q_2 / 2 - 1 / H_BACKING, 1 / h[0]
    bands[1, -1], bands[2, -2], right[-1] = 1 + H_SENSOR * (1 / h[-1] + h[-1] * q_2 / 2), -H_SENSOR / h[-1], 1.0
    return np.asarray(np.interp(z_mm, z, solve_banded((1, 1), bands, right)))


class Photons(NamedTuple):
    """Deposits of light and hits: whose, how much [electrons], where across and in depth [mm]; chance of each hit."""

    light: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]
    hits: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def follow(mass: float, silicon_mm: float, plate_mm: float, count: int, rng: np.random.Generator) -> Photons:
    """Follow photons through screen, plate and silicon, front irradiation; a hit has a chance, drawn by who asks."""
    T = mass * 1e-5 / GOS_G_MM3
    energy = rng.choice(PAPER.energy_keV, count, p=PAPER.fluence_per_mm2_uGy / PAPER.total_fluence_per_mm2_uGy)
    photo, compton = (coefficient(kind, "Gd2O2S", energy) * GOS_G_MM3 for kind in ("Photo", "Compt"))
    depth = rng.exponential(1.0, count) / (photo + compton)
    passed, absorbed = depth >= T, (depth < T) & (rng.random(count) < photo / (photo + compton))

    def hit_chance(E: np.ndarray, cosine: np.ndarray | float) -> np.ndarray:
        optical = np.zeros(len(E))
        if plate_mm:
            for oxide, share in GLASS.items():
                mu = coefficient("Photo", oxide, E) + coefficient("Compt", oxide, E)
                optical += share * mu * GLASS_G_MM3 * plate_mm
        pe, c = coefficient("Photo", "Si", E) * SI_G_MM3, coefficient("Compt", "Si", E) * SI_G_MM3
        stopped = 1 - np.exp(-(pe + c) * silicon_mm / cosine)
        return np.asarray(np.exp(-optical / cosine) * stopped * pe / (pe + c))

    who, E, z = np.flatnonzero(absorbed), energy[absorbed], depth[absorbed]
    gadolinium = 0.830767 * np.array([100.0 * xraylib.CS_Photo(64, float(value)) for value in PAPER.energy_keV])
    own = np.interp(E, PAPER.energy_keV, gadolinium / coefficient("Photo", "Gd2O2S", PAPER.energy_keV))
    emission = (1 - 1 / xraylib.JumpFactor(64, xraylib.K_SHELL)) * xraylib.FluorYield(64, xraylib.K_SHELL)
    emits = (E > K_EDGE) & (rng.random(len(E)) < own * emission)
    born, owner = z[emits], who[emits]
    cosine, azimuth = rng.uniform(-1, 1, len(born)), rng.uniform(0, 2 * np.pi, len(born))
    pe, c = (float(coefficient(kind, "Gd2O2S", np.array([K_PHOTON]))[0]) * GOS_G_MM3 for kind in ("Photo", "Compt"))
    path = rng.exponential(1 / (pe + c), len(born))
    end, sine = born + path * cosine, np.sqrt(1 - cosine**2)
    again = (end > 0) & (end < T) & (rng.random(len(born)) < pe / (pe + c))
    out = end >= T
    x, y = path * sine * np.cos(azimuth), path * sine * np.sin(azimuth)
    zeros = np.zeros(len(E))
    light_keV = np.concatenate((E - K_PHOTON * emits, np.full(again.sum(), K_PHOTON)))
    light = (
        np.concatenate((who, owner[again])),
        PER_LIGHT_KEV * light_keV * rng.gamma(1 / GAIN_NOISE, GAIN_NOISE, len(light_keV)),
        np.concatenate((zeros, x[again])),
        np.concatenate((zeros, y[again])),
        np.concatenate((z, end[again])),
    )
    # A K photon hits where its straight path leaves the screen (and the plate, on top of which it lies).
    reach = (T + plate_mm - born[out]) / cosine[out] * sine[out]
    straight = np.zeros(passed.sum())
    hits = (
        np.concatenate((np.flatnonzero(passed), owner[out])),
        ELECTRONS_PER_KEV * np.concatenate((energy[passed], np.full(out.sum(), K_PHOTON))),
        np.concatenate((straight, reach * np.cos(azimuth[out]))),
        np.concatenate((straight, reach * np.sin(azimuth[out]))),
        np.concatenate((hit_chance(energy[passed], 1.0), hit_chance(np.full(out.sum(), K_PHOTON), cosine[out]))),
    )
    return Photons(light, hits)


def moments(
    mass: float, silicon_mm: float, plate_mm: float, frequency: np.ndarray, count: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return the means over incident photons of g~(f) and |g~(f)|^2 [electrons], g what one photon leaves."""
    rng, T = np.random.default_rng(seed), mass * 1e-5 / GOS_G_MM3
    light, hits = follow(mass, silicon_mm, plate_mm, count, rng)
    signal, power = np.zeros(len(frequency)), np.zeros(len(frequency))
    owner, charge, x_hit, _, chance = hits
    for row, f in enumerate(frequency):
        gap = 2 * np.pi * f * GAP
        G = light_out(T, light[4], f) * (gap * k1(gap) if f else 1.0)
        wave = light[1] * G * np.exp(-2j * np.pi * f * light[2])
        image = np.bincount(light[0], wave.real, count) + 1j * np.bincount(light[0], wave.imag, count)
        hit = charge * np.exp(-2j * np.pi * f * x_hit)
        signal[row] = (image.sum() + chance @ hit).real / count
        # Mean over whether it hits: |g + h|^2 with its chance, |g|^2 without.
        both = np.abs(image[owner] + hit) ** 2 - np.abs(image[owner]) ** 2
        power[row] = (np.sum(np.abs(image) ** 2) + chance @ both) / count
    return signal, power


def counting(mass: float, silicon_mm: float, **sensor: Any) -> DetectorResponse:
    return Detector(Screen(mass), Sensor(active_silicon_mm=silicon_mm, **sensor)).response(PAPER, KERMA_UGY)


PLATE = {"fibre_plate_mm": 0.5, "fibre_plate_glass": "FOP-core"}


@pytest.mark.parametrize(
    ("mass", "silicon_mm", "plate"), [(33.91, 0.002, {}), (134.55, 0.005, {}), (33.91, 0.005, PLATE)]
)
def test_signal_mtf_and_nnps_agree_with_photons_one_by_one(mass: float, silicon_mm: float, plate: Any) -> None:
    response, frequency = counting(mass, silicon_mm, **plate), np.array([0.0, 1.0, 2.0, 5.0, 10.0])
    signal, power = moments(mass, silicon_mm, plate.get("fibre_plate_mm", 0.0), frequency, 200_000, seed=5)
    photons = PAPER.total_fluence_per_mm2_uGy * KERMA_UGY
    assert response.signal_electrons == pytest.approx(photons * signal[0] * response.sensor.aperture_mm**2, rel=0.01)
    np.testing.assert_allclose(response.screen_mtf(frequency), signal / signal[0], atol=0.01)
    np.testing.assert_allclose(response.presampled_nnps(frequency), power / (photons * signal[0] ** 2), rtol=0.03)


@lru_cache(maxsize=4)
def light_table(thickness_mm: float, limit: float) -> tuple[np.ndarray, np.ndarray]:
    """Return frequencies, and the light of 40 slices that shrink towards the sensor, gap included, (nf, 40)."""
    above = thickness_mm * np.linspace(1.0, 0.0, 41) ** 2
    table = np.linspace(0.0, limit, 400)
    gap = 2 * np.pi * np.maximum(table, 1e-6) * GAP
    depth = thickness_mm - (above[:-1] + above[1:]) / 2
    return table, np.array([light_out(thickness_mm, depth, f, nodes=400) for f in table]) * (gap * k1(gap))[:, None]


def flat(response: DetectorResponse, kerma_uGy: float, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return a frame [electrons] made of photons at random places, (size, size), periodic; hits drawn one by one."""
    sensor, fine = response.sensor, 3
    mass, T = response.screen.mass_thickness_mg_cm2, response.screen.mass_thickness_mg_cm2 * 1e-5 / GOS_G_MM3
    side = size * sensor.pitch_mm
    light, hits = follow(
        mass,
        sensor.active_silicon_mm,
        sensor.fibre_plate_mm,
        rng.poisson(PAPER.total_fluence_per_mm2_uGy * kerma_uGy * side**2),
        rng,
    )
    places = rng.uniform(0, side, (2, 1 + max(light[0].max(), hits[0].max())))
    row, column = ((((places[k][light[0]] + light[3 - k]) % side) / side * size * fine).astype(int) for k in (0, 1))
    above = T * np.linspace(1.0, 0.0, 41) ** 2
    layer = np.searchsorted(-above, light[4] - T, side="right") - 1
    v, u = (
        np.fft.fftfreq(size * fine, sensor.pitch_mm / fine)[:, None],
        np.fft.rfftfreq(size * fine, sensor.pitch_mm / fine),
    )
    radius = np.hypot(v, u)
    table, G = light_table(T, float(radius.max()))
    spectrum = np.zeros(radius.shape, dtype=complex)
    for index in range(40):
        here = layer == index
        cells = np.bincount(row[here] * size * fine + column[here], light[1][here], (size * fine) ** 2)
        spectrum += np.fft.rfft2(cells.reshape(size * fine, -1)) * np.interp(radius, table, G[:, index])
    spectrum *= np.sinc(sensor.aperture_mm * v) * np.sinc(sensor.aperture_mm * u) * sensor.aperture_mm**2
    density = np.fft.irfft2(spectrum, s=(size * fine, size * fine))[::fine, ::fine] * (size * fine / side) ** 2
    frame = rng.poisson(np.maximum(density, 0)).astype(float)
    real = rng.random(len(hits[0])) < hits[4]
    y, x = ((places[k][hits[0][real]] + hits[3 - k][real]) % side / sensor.pitch_mm for k in (0, 1))
    inside = np.maximum(np.abs(y % 1 - 0.5), np.abs(x % 1 - 0.5)) < 0.5 * sensor.fill_factor**0.5
    np.add.at(frame, (y[inside].astype(int), x[inside].astype(int)), hits[1][real][inside])
    return frame


@pytest.mark.slow
@pytest.mark.parametrize(("mass", "silicon_mm"), [(33.91, 0.005), (134.55, 0.005)])
def test_flats_of_photons_have_the_signal_and_the_nnps(mass: float, silicon_mm: float) -> None:
    kerma_uGy, size, images = 2.0, 96, 60
    sensor = Sensor(active_silicon_mm=silicon_mm, read_noise_e=0.0, full_well_e=1e5, adc_bits=32)
    response, rng = Detector(Screen(mass), sensor).response(PAPER, kerma_uGy), np.random.default_rng(7)
    power, mean = 0.0, 0.0
    for _ in range(images):
        frame = flat(response, kerma_uGy, size, rng)
        mean += frame.mean() / images
        power = power + np.abs(np.fft.rfft2(frame / response.signal_electrons - 1.0, norm="ortho")) ** 2 / images
    assert mean == pytest.approx(response.signal_electrons, rel=0.01)
    v, u = np.fft.fftfreq(size, response.pitch_mm)[:, None], np.fft.rfftfreq(size, response.pitch_mm)
    band = np.digitize(np.hypot(v, u), [1.0, 2.5, 4.0, 6.0, 8.0, 10.0])
    expected = response.nnps_map((size, size))
    for number in range(1, 6):
        here = band == number
        measured = np.mean(power[here]) * response.pitch_mm**2
        assert measured == pytest.approx(np.mean(expected[here]), rel=0.03), number


def test_what_is_off_is_what_it_was() -> None:
    for mass in THICKNESSES:
        off = Detector(Screen(mass), Sensor()).response(PAPER, KERMA_UGY)
        assert off.hits is None
        assert (off.hit_nnps_mm2, off.hit_share) == (0.0, 0.0)
        assert noise_sources(off, "filtered") == (off,)


@pytest.mark.parametrize("mass", THICKNESSES)
def test_a_fibre_plate_takes_the_hits_away(mass: float) -> None:
    f = np.array([1.0, 2.0, 5.0, 10.0])
    bare = Detector(Screen(mass), Sensor()).response(PAPER, KERMA_UGY)
    for silicon_mm, glass in ((0.002, "FOP-glass"), (0.005, "FOP-core")):
        response = counting(mass, silicon_mm, fibre_plate_mm=3.0, fibre_plate_glass=glass)
        np.testing.assert_allclose(response.nnps(f), bare.nnps(f), rtol=0.02)
        np.testing.assert_allclose(response.mtf(f), bare.mtf(f), rtol=0.02)
        np.testing.assert_allclose(response.dqe(f), bare.dqe(f), rtol=0.02)
        assert response.signal_electrons == pytest.approx(bare.signal_electrons, rel=1e-3)
    assert counting(mass, 0.005).nnps(f)[-1] > 5 * bare.nnps(f)[-1]


def test_frames_hold_the_variance_and_the_skewness_of_compound_poisson_hits() -> None:
    sensor = Sensor(active_silicon_mm=0.005, flat_frames=0, gain_sd=0.0)
    setup = xsim.recipes.paper(
        hr=Detector(Screen(33.91), sensor), lr=Detector(Screen(134.55), sensor), hr_frames=1, lr_frames=4
    )
    pair = simulate_pair(Phantom(("FR-4",), np.zeros((1, 512, 512), np.float32), 0.048), setup, 3)
    for image, response, frames in ((pair.hr, setup.hr_response, 1), (pair.lr, setup.lr_response, 4)):
        assert response.hits is not None
        x = image.astype(float)
        assert x.mean() == pytest.approx(1.0, abs=1e-3)
        assert x.std() * frames**0.5 == pytest.approx(response.pixel_sigma, rel=0.01)
        third = float(response.hits.number @ (response.hits.charge_e / response.signal_electrons) ** 3) / frames**2
        assert np.mean((x - x.mean()) ** 3) == pytest.approx(third, rel=0.1)


def test_hits_behind_metal_have_the_mean_and_the_variance_of_the_hardened_beam() -> None:
    response, rng = counting(134.55, 0.005), np.random.default_rng(1)
    assert response.hits is not None
    grey, variance = (np.full((700, 700), value, np.float32) for value in (0.3, 0.4))
    noise = hit_noise(rng, response, (grey, variance), 2.0)
    expected = 0.4 * response.hits.variance_e2 / response.signal_electrons**2 / 2.0
    assert np.var(noise, dtype=float) == pytest.approx(expected, rel=0.02)
    assert abs(noise.mean(dtype=float)) < 4 * (expected / noise.size) ** 0.5
    # Half of the pixels and more have no hit at all.
    assert np.mean(noise == noise.min()) > 0.5


def test_the_energy_response_counts_hits_and_restorers_expect_their_noise() -> None:
    with_hits, without = counting(134.55, 0.005), counting(134.55, 0.0)
    fluence = PAPER.fluence_per_mm2_uGy
    for weights in (*with_hits.energy_response(PAPER.energy_keV), *with_hits.hit_response(PAPER.energy_keV)):
        assert float(fluence @ weights) == pytest.approx(1.0)
    sensor = Sensor(active_silicon_mm=0.005)
    setup = xsim.recipes.paper(hr=Detector(Screen(33.91), sensor), lr=Detector(Screen(134.55), sensor))
    told, usual, f = setup.degradation(), xsim.recipes.paper().degradation(), np.array([5.0, 8.0])
    assert (told.Sigma_1_at(f) > 2.5 * usual.Sigma_1_at(f)).all()
    assert (told.B_1_at(f) != usual.B_1_at(f)).all()
    assert with_hits.dqe(f)[0] < 0.6 * without.dqe(f)[0]
    # Ten times the kerma: ten times the hits, a tenth of their noise.
    more = dosed(with_hits, 10 * KERMA_UGY)
    assert more.hit_nnps_mm2 == pytest.approx(with_hits.hit_nnps_mm2 / 10)
    assert more.hit_share == pytest.approx(with_hits.hit_share)


def test_layers_and_their_hits_make_the_same_variance() -> None:
    sensor = Sensor(active_silicon_mm=0.005, flat_frames=0, gain_sd=0.0)
    both = {"hr": Detector(Screen(33.91), sensor), "lr": Detector(Screen(134.55), sensor)}
    air = Phantom(("FR-4",), np.zeros((1, 256, 256), np.float32), 0.048)
    sigma = [
        simulate_pair(air, xsim.recipes.paper(**both, noise=model), 2).lr.std(dtype=float)
        for model in ("filtered", "layered")
    ]
    assert sigma[0] == pytest.approx(sigma[1], rel=0.03)


def test_x_rays_from_the_back_meet_the_silicon_first() -> None:
    front, back = (
        Detector(Screen(134.55, irradiation=side), Sensor(active_silicon_mm=0.005)).response(PAPER, KERMA_UGY)  # type: ignore[arg-type]
        for side in ("front", "back")
    )
    assert front.hits is not None
    assert back.hits is not None
    assert back.hits.total > 2.5 * front.hits.total


def test_impossible_silicon_is_refused_and_files_keep_it() -> None:
    with pytest.raises(PhysicsRangeError, match="active_silicon_mm"):
        Sensor(active_silicon_mm=5.0)
    with pytest.raises(UnknownNameError, match="FOP-glass"):
        Sensor(fibre_plate_glass="FOP-glas")
    with pytest.raises(InputError, match="enter by the sensor"):
        Detector(Screen(50.0, irradiation="back"), Sensor(fibre_plate_mm=3.0))
    with pytest.raises(InputError, match="no direct hits"):
        hit_noise(np.random.default_rng(1), counting(50.0, 0.0), (np.ones((2, 2), np.float32),) * 2, 1.0)
    plain = Detector(Screen(50.0))
    assert not {"active_silicon_mm", "fibre_plate_mm", "fibre_plate_glass"} & set(plain.to_dict()["sensor"])
    one = replace(plain, sensor=Sensor(active_silicon_mm=0.004, fibre_plate_mm=2.0, fibre_plate_glass="FOP-core"))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "d.toml"
        write_detectors(path, {"one": one, "plain": plain})
        assert read_detectors(path) == {"one": one, "plain": plain}
