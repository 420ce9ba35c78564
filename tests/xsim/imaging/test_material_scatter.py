"""Scatter by material against photons that are followed one by one, and against what it must leave alone."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import xraylib
from numpy.typing import NDArray

import xsim
from xsim.errors import InputError
from xsim.imaging.geometry import DetectorPlane
from xsim.imaging.material_scatter import _DEPTHS, scatter_of_plate, scatter_table, scattered_beams
from xsim.imaging.scatter import Scatter
from xsim.materials import material
from xsim.phantoms import Phantom

SETUP = xsim.recipes.paper()
PITCH_MM = SETUP.pitch_mm


def followed(name: str, thickness_mm: float, energy_keV: float, count: int = 20_000) -> tuple[float, float, float]:
    """Follow photons through a plate; return scatter over primary behind it: first order, all orders, and an error.

    Independent of xsim's integrals: places are drawn from the total cross-sections, angles from form factors (Rayleigh)
    and from the formula of Klein and Nishina with scattering functions (Compton), as often as a photon interacts.
    """
    rng = np.random.default_rng(7)
    known = material(name)
    atoms = [(xraylib.SymbolToAtomicNumber(symbol), share) for symbol, share in known.mass_fractions]
    grid = np.arange(5.0, energy_keV + 1.0, 0.5)
    per_mm = [
        sum(share * np.array([table(z, e) for e in grid]) for z, share in atoms) * known.density_g_cm3 / 10.0
        for table in (xraylib.CS_Photo, xraylib.CS_Compt, xraylib.CS_Rayl)
    ]
    angles = np.linspace(0.0, np.pi, 1801)
    middle = 0.5 * (angles[1:] + angles[:-1])
    kept: dict[tuple[str, int], NDArray[np.float64]] = {}

    def drawn(kind: str, energy: float) -> float:
        key = (kind, 2 * round(energy / 2.0))
        if key not in kept:
            # Momentum transfer in 1/Angstrom, within the tables.
            q = np.maximum(key[1] / 12.398 * np.sin(0.5 * middle), 0.01)
            if kind == "rayleigh":
                factor = sum(w / xraylib.AtomicWeight(z) * np.array([xraylib.FF_Rayl(z, x) ** 2 for x in q.tolist()]) for z, w in atoms)  # noqa: E501  # fmt: skip
                weight = factor * (1.0 + np.cos(middle) ** 2)
            else:
                factor = sum(w / xraylib.AtomicWeight(z) * np.array([xraylib.SF_Compt(z, x) for x in q.tolist()]) for z, w in atoms)  # noqa: E501  # fmt: skip
                left = 1.0 / (1.0 + key[1] / 510.99895 * (1.0 - np.cos(middle)))
                weight = factor * left**2 * (left + 1.0 / left - np.sin(middle) ** 2)
            kept[key] = np.cumsum(weight * np.sin(middle))
            kept[key] /= kept[key][-1]
        return float(middle[min(int(np.searchsorted(kept[key], rng.random())), len(middle) - 1)])

    energy, z, cosine = np.full(count, energy_keV), np.zeros(count), np.ones(count)
    orders, alive = np.zeros(count, int), np.ones(count, bool)
    behind = np.zeros(3)
    while alive.any():
        flying = np.flatnonzero(alive)
        photo, compton, rayleigh = (np.interp(energy[flying], grid, part) for part in per_mm)
        total = photo + compton + rayleigh
        z[flying] += cosine[flying] * rng.exponential(1.0 / total)
        through, out = z[flying] > thickness_mm, (z[flying] > thickness_mm) | (z[flying] < 0.0)
        behind += np.bincount(np.minimum(orders[flying[through]], 2), minlength=3)
        alive[flying[out]] = False
        hit = flying[~out]
        kind = rng.random(len(hit)) * total[~out]
        alive[hit[kind < photo[~out]]] = False
        for place in np.flatnonzero(kind >= photo[~out]).tolist():
            n = hit[place]
            is_compton = kind[place] < (photo + compton)[~out][place]
            turn = drawn("compton" if is_compton else "rayleigh", energy[n])
            if is_compton:
                energy[n] /= 1.0 + energy[n] / 510.99895 * (1.0 - np.cos(turn))
            across = np.sqrt(max(0.0, 1.0 - cosine[n] ** 2)) * np.sin(turn)
            cosine[n] = cosine[n] * np.cos(turn) + across * np.cos(rng.uniform(0.0, 2.0 * np.pi))
            orders[n] += 1
            alive[n] = energy[n] > 6.0
    scattered = behind[1] + behind[2]
    return behind[1] / behind[0], scattered / behind[0], np.sqrt(max(scattered, 1.0)) / behind[0]


class Counter:
    """A screen that counts photons of one energy, whatever they have left."""

    def __init__(self, energy_keV: float) -> None:
        self.spectrum = replace(
            SETUP.spectrum,
            energy_keV=np.array([energy_keV]),
            fluence_per_mm2_uGy=np.ones(1),
            kerma_uGy_mm2=np.ones(1),
        )

    def energy_response(self, energy_keV: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        return np.ones(len(energy_keV)), np.ones(len(energy_keV))


@pytest.mark.parametrize(
    ("name", "thickness_mm", "energy_keV"),
    [
        ("FR-4", 1.6, 50.0),
        ("Al2O3", 0.6, 40.0),
        # Photons of light plates turn often: a minute.
        pytest.param("Al", 5.0, 60.0, marks=pytest.mark.slow),
        pytest.param("PMMA", 20.0, 60.0, marks=pytest.mark.slow),
    ],
)
def test_first_order_and_build_up_are_those_of_photons_followed(
    name: str, thickness_mm: float, energy_keV: float
) -> None:
    first, every, error = followed(name, thickness_mm, energy_keV)
    screen: Any = Counter(energy_keV)
    table = scatter_table((name,), (screen,))
    depth = float(table.attenuation_per_mm[0, 0]) * thickness_mm
    own_first = float(np.interp(depth, _DEPTHS, table.forward_per_mm[0, 0, 0])) * thickness_mm
    assert own_first == pytest.approx(first, abs=3.0 * error, rel=0.02)
    assert scatter_of_plate(name, thickness_mm, screen) == pytest.approx(every, abs=3.0 * error, rel=0.1)


def test_the_ratio_for_each_mean_free_path_is_not_one_number() -> None:
    # First orders for the LR screen behind 70 kV, worked out apart: FR-4 .09, Cu .03, SAC305 .02, alumina .21.
    found = {}
    for name, thickness_mm in (("FR-4", 1.6), ("Cu", 0.07), ("SAC305", 0.2), ("Al2O3", 0.6)):
        table = scatter_table((name,), (SETUP.lr_response,))
        primary = float(table.weights[0] @ np.exp(-table.attenuation_per_mm[:, 0] * thickness_mm))
        found[name] = scatter_of_plate(name, thickness_mm, SETUP.lr_response) / -np.log(primary)
    assert found == pytest.approx({"FR-4": 0.09, "Cu": 0.03, "SAC305": 0.02, "Al2O3": 0.21}, rel=0.3)


def plate(shape: tuple[int, int] = (96, 128)) -> Phantom:
    maps = np.zeros((2, *shape), np.float32)
    maps[0] = 1.6
    return Phantom(("FR-4", "Cu"), maps, PITCH_MM, height_mm=(0.8, 0.8))


def test_a_wide_plate_has_its_ratio_everywhere() -> None:
    phantom = plate()
    plane = DetectorPlane(phantom.shape, 1, PITCH_MM)
    (beam,) = scattered_beams(phantom, [SETUP.lr_response], plane, PITCH_MM, 5.0)
    table = scatter_table(("FR-4",), (SETUP.lr_response,))
    primary = float(table.weights[0] @ np.exp(-table.attenuation_per_mm[:, 0] * 1.6))
    np.testing.assert_allclose(beam.grey, scatter_of_plate("FR-4", 1.6, SETUP.lr_response) * primary, rtol=1e-3)


def test_scatter_lands_further_off_the_longer_the_way() -> None:
    phantom = plate((256, 256))
    phantom.thickness_mm[:] = 0.0
    phantom.thickness_mm[1, 120:136, 120:136] = 0.3
    plane = DetectorPlane(phantom.shape, 1, PITCH_MM)
    near, far = (scattered_beams(phantom, [SETUP.lr_response], plane, PITCH_MM, gap)[0].grey for gap in (1.0, 8.0))
    assert near[128, 128] > 3.0 * far[128, 128]
    assert far[128, 40] > near[128, 40]
    # What leaves the image is not lost but mirrored back: no photon is made, none vanishes.
    assert far.sum() == pytest.approx(near.sum(), rel=0.1)


def test_pairs_with_it_are_brighter_behind_the_board_and_the_same_without() -> None:
    plain = xsim.simulate_pair(plate(), SETUP, 1, clean=True)
    again = xsim.simulate_pair(plate(), replace(SETUP, scatter=Scatter(by_material=False)), 1, clean=True)
    np.testing.assert_array_equal(plain.lr, again.lr)
    assert "by_material" not in plain.settings["setup"]["scatter"]
    lit = xsim.simulate_pair(plate(), replace(SETUP, scatter=Scatter(by_material=True)), 1, clean=True)
    assert lit.settings["setup"]["scatter"]["by_material"] is True
    assert lit.lr_clean is not None
    assert plain.lr_clean is not None
    expected = scatter_of_plate("FR-4", 1.6, SETUP.lr_response)
    assert float(np.mean(lit.lr_clean / plain.lr_clean)) - 1.0 == pytest.approx(expected, rel=0.02)


def test_nothing_scatters_nothing() -> None:
    beside = Phantom((), np.zeros((0, 64, 64), np.float32), 0.5)
    plane = DetectorPlane((32, 32), 2, PITCH_MM)
    for beam in scattered_beams(beside, [SETUP.hr_response, SETUP.lr_response], plane, 0.5, 10.0):
        assert beam.grey.shape == (64, 64)
        assert not beam.grey.any()
        assert not beam.variance.any()


def test_two_ways_at_once_are_refused() -> None:
    with pytest.raises(InputError, match="one of both"):
        Scatter(ratio_per_depth=0.1, by_material=True)
