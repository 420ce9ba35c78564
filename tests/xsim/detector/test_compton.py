"""Compton deposits: photons that scatter, one by one and in their true directions, against the closed sums."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import xraylib
from scipy.integrate import trapezoid

from xsim.detector.compton import scattered_moments
from xsim.detector.detector import Detector, read_detectors, write_detectors
from xsim.detector.light_transport import light_transfer
from xsim.detector.screen import Screen
from xsim.errors import InputError
from xsim.materials import mass_coefficient_mm2_g
from xsim.spectrum import beam_of, preset_spectrum

HARD = beam_of("150 Cu:3")
K_EDGE, K_PHOTON = 50.239, 43.956  # gadolinium [keV]
FREQUENCY = np.array([0.0, 0.5, 2.0])


class Photons:
    """Photons in a layer of Gd2O2S, each with the signal and place of its deposits; only G is shared."""

    def __init__(self, screen: Screen, count: int, seed: int) -> None:
        self.screen, self.rng = screen, np.random.default_rng(seed)
        self.density = 1e-3 * screen.density_g_cm3
        self.wave = np.zeros((len(FREQUENCY), count), complex)
        self.deposited = np.zeros(count)

    def leave(self, who: np.ndarray, keV: np.ndarray, z: np.ndarray, x: np.ndarray) -> None:
        """Leave energy of some photons at places in the layer, each deposit with a gain of its own."""
        eps = self.screen.optics.gain_noise
        light = keV * self.rng.gamma(1 / eps, eps, len(keV))
        G = light_transfer(self.screen.optics, self.screen.thickness_mm, z, FREQUENCY)
        np.add.at(self.deposited, who, keV)
        self.wave[:, who] += light * G * np.exp(-2j * np.pi * FREQUENCY[:, None] * x)

    def fly(self, E: np.ndarray, z: np.ndarray, x: np.ndarray, to: np.ndarray) -> tuple[np.ndarray, ...]:
        """Return where photons end, whether inside, and whether absorbed rather than scattered there."""
        photo, compton = (mass_coefficient_mm2_g("Gd2O2S", E, kind) for kind in ("photo", "compton"))
        path = self.rng.exponential(1.0, len(E)) / ((photo + compton) * self.density)
        z, x = z + path * to[:, 2], x + path * to[:, 0]
        inside = (z > 0) & (z < self.screen.thickness_mm)
        return z, x, inside, self.rng.random(len(E)) < photo / (photo + compton)

    def absorb(self, who: np.ndarray, E: np.ndarray, z: np.ndarray, x: np.ndarray) -> None:
        """Absorb photons, and follow their K photons."""
        share = 0.830767 * mass_coefficient_mm2_g("Gd", E, "photo") / mass_coefficient_mm2_g("Gd2O2S", E, "photo")
        emission = (1 - 1 / xraylib.JumpFactor(64, xraylib.K_SHELL)) * xraylib.FluorYield(64, xraylib.K_SHELL)
        emits = (E > K_EDGE) & (self.rng.random(len(E)) < share * emission)
        self.leave(who, np.where(emits, E - K_PHOTON, E), z, x)
        energy = np.full(int(emits.sum()), K_PHOTON)
        end, end_x, inside, absorbed = self.fly(energy, z[emits], x[emits], self.anywhere(len(energy)))
        kept = inside & absorbed
        self.leave(who[emits][kept], energy[kept], end[kept], end_x[kept])

    def anywhere(self, count: int) -> np.ndarray:
        """Return isotropic directions, (count, 3)."""
        way = self.rng.standard_normal((count, 3))
        return way / np.linalg.norm(way, axis=1, keepdims=True)

    def scatter(self, E: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return energies and directions of photons along z after scattering, drawn by rejection."""
        cosine, left = np.empty(len(E)), np.empty(len(E))
        open_ = np.ones(len(E), bool)
        while open_.any():
            trial = self.rng.uniform(-1, 1, int(open_.sum()))
            ratio = 1 / (1 + E[open_] / 510.999 * (1 - trial))
            taken = self.rng.random(len(trial)) < ratio**2 * (ratio + 1 / ratio - 1 + trial**2) / 2
            where = np.flatnonzero(open_)[taken]
            cosine[where], left[where] = trial[taken], ratio[taken]
            open_[where] = False
        azimuth, sine = self.rng.uniform(0, 2 * np.pi, len(E)), np.sqrt(1 - cosine**2)
        return E * left, np.stack([sine * np.cos(azimuth), sine * np.sin(azimuth), cosine], axis=1)

    def run(self) -> None:
        count = len(self.deposited)
        E = self.rng.choice(HARD.energy_keV, count, p=HARD.fluence_per_mm2_uGy / HARD.fluence_per_mm2_uGy.sum())
        zeros = np.zeros(count)
        z, x, inside, absorbed = self.fly(E, zeros, zeros, np.tile([0.0, 0.0, 1.0], (count, 1)))
        first = np.flatnonzero(inside & absorbed)
        self.absorb(first, E[first], z[first], x[first])
        who = np.flatnonzero(inside & ~absorbed)
        after, to = self.scatter(E[who])
        self.leave(who, E[who] - after, z[who], x[who])
        end, end_x, inside, absorbed = self.fly(after, z[who], x[who], to)
        kept = inside & absorbed
        self.absorb(who[kept], after[kept], end[kept], end_x[kept])
        again = inside & ~absorbed  # a second electron; what goes on from there is let go
        last, _ = self.scatter(after[again])
        self.leave(who[again], after[again] - last, end[again], end_x[again])


def test_compton_deposits_are_those_of_photons_that_scatter() -> None:
    screen, without = (Screen(300.0, compton_deposits=on) for on in (True, False))
    photons = Photons(screen, 400_000, 4)
    photons.run()
    weights = HARD.fluence_per_mm2_uGy / HARD.fluence_per_mm2_uGy.sum()
    on, off = (float(weights @ one.deposits(HARD.energy_keV).deposited_keV()) for one in (screen, without))
    followed = photons.deposited.mean()
    assert on > 1.02 * off
    assert followed == pytest.approx(on, rel=0.006)
    assert followed - off == pytest.approx(on - off, rel=0.2)
    signal, power = photons.wave.mean(axis=1), np.square(np.abs(photons.wave)).mean(axis=1)
    expected_S, expected_W = screen.deposits(HARD.energy_keV).transfer(weights, FREQUENCY)
    assert np.abs(signal[0]) == pytest.approx(expected_S[0], rel=0.007)
    np.testing.assert_allclose(np.abs(signal) / np.abs(signal[0]), expected_S / expected_S[0], atol=0.006)
    np.testing.assert_allclose(power, expected_W, rtol=0.02)


def test_moments_of_scattering_are_those_of_klein_and_nishina() -> None:
    # Mean energy transfers, from integrals written out over the angle; 100 keV leaves 13.8 keV with its electron.
    energy = np.array([20.0, 100.0, 300.0])
    first, second = scattered_moments(energy)
    assert 100.0 - first[1] == pytest.approx(13.8, abs=0.1)
    cosine = np.linspace(-1, 1, 20001)
    for E, mean, square in zip(energy, first, second, strict=True):
        left = 1 / (1 + E / 510.999 * (1 - cosine))
        density = left**2 * (left + 1 / left - 1 + cosine**2)
        density /= trapezoid(density, cosine)
        assert mean == pytest.approx(E * trapezoid(density * left, cosine), rel=1e-6)
        assert square == pytest.approx(E**2 * trapezoid(density * left**2, cosine), rel=1e-6)


def test_it_matters_little_at_70_kV_more_in_hard_beams_and_is_off_by_default(tmp_path: Path) -> None:
    gained = []
    for beam in (preset_spectrum("paper"), HARD):
        on, off = (Screen(134.55, compton_deposits=one).expose(beam, [1.0]) for one in (True, False))
        gained.append(on.absorption_energy / off.absorption_energy - 1.0)
        assert on.absorption_quantum == off.absorption_quantum
        assert on.light_escape == pytest.approx(off.light_escape, rel=0.02)
        assert on.mtf[0] == pytest.approx(off.mtf[0], abs=0.01)
    assert 0.0 < gained[0] < 0.01 < gained[1] < 0.06
    for screen in (Screen(34.0), Screen(34.0, compton_deposits=True)):
        write_detectors(tmp_path / "d.toml", {"one": Detector(screen)})
        assert read_detectors(tmp_path / "d.toml") == {"one": Detector(screen)}
        assert ("compton" in (tmp_path / "d.toml").read_text(encoding="utf-8")) == screen.compton_deposits
    with pytest.raises(InputError, match="compton_deposits is 1: give true or false"):
        Detector.from_dict({"screen": {"mass_thickness_mg_cm2": 34.0, "compton_deposits": 1}})
