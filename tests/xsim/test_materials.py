"""Materials: cross-sections against NIST's tables, compositions, names."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.errors import InputError, PhysicsRangeError, UnknownNameError
from xsim.materials import (
    ALIASES,
    RECIPES,
    Material,
    linear_attenuation_per_mm,
    mass_coefficient_mm2_g,
    material,
    material_names,
)

# Total mass attenuation coefficients with coherent scattering [cm2/g] at photon energies [keV]:
# J. H. Hubbell and S. M. Seltzer, NIST Standard Reference Database 126 (X-ray mass attenuation coefficients).
NIST_CM2_G = {
    "Al": {20: 3.441, 30: 1.128, 40: 0.5685, 50: 0.3681, 60: 0.2778, 80: 0.2018, 100: 0.1704},
    "Fe": {20: 25.68, 30: 8.176, 40: 3.629, 50: 1.958, 60: 1.205, 80: 0.5952, 100: 0.3717},
    "Cu": {20: 33.79, 30: 10.92, 40: 4.862, 50: 2.613, 60: 1.593, 80: 0.7630, 100: 0.4584},
    "Sn": {30: 41.21, 40: 19.42, 50: 10.70, 60: 6.564, 80: 3.029, 100: 1.676},
    "Gd": {60: 11.75, 80: 5.573, 100: 3.109},
    "W": {40: 10.67, 50: 5.949, 60: 3.713, 80: 7.810, 100: 4.438},
    "Pb": {20: 86.36, 30: 30.32, 40: 14.36, 50: 8.041, 60: 5.021, 80: 2.419, 100: 5.549},
}


@pytest.mark.parametrize("symbol", NIST_CM2_G)
def test_cross_sections_agree_with_the_tables_of_nist(symbol: str) -> None:
    energy, tabulated = np.array(list(NIST_CM2_G[symbol].items()), dtype=float).T
    np.testing.assert_allclose(mass_coefficient_mm2_g(symbol, energy) / 100.0, tabulated, rtol=1e-3)


def test_parts_are_less_than_the_whole() -> None:
    energy = np.linspace(10.0, 140.0, 50)
    whole, photo, compton = (mass_coefficient_mm2_g("Gd2O2S", energy, kind) for kind in ("total", "photo", "compton"))
    assert (photo + compton < whole).all()
    # What is missing is coherent scattering, which never dominates here.
    assert (photo + compton > 0.6 * whole).all()


# notes on boards: FR-4 with bromine 0.201/mm at 40 keV, its resin 0.247/mm, E-glass 0.153/mm; without bromine 0.088/mm.
@pytest.mark.parametrize(
    ("name", "per_mm"), [("FR-4", 0.201), ("FR-4-HF", 0.088), ("epoxy-Br", 0.247), ("E-glass", 0.153)]
)
def test_laminates_attenuate_as_their_composition_says(name: str, per_mm: float) -> None:
    assert linear_attenuation_per_mm(name, 40.0)[0] == pytest.approx(per_mm, rel=0.03)


def test_a_mixture_is_the_sum_of_its_parts() -> None:
    energy = np.array([25.0, 40.0, 60.0])
    laminate = 0.6 * mass_coefficient_mm2_g("E-glass", energy) + 0.4 * mass_coefficient_mm2_g("epoxy-Br", energy)
    np.testing.assert_allclose(mass_coefficient_mm2_g("FR-4", energy), laminate, rtol=1e-12)


@pytest.mark.parametrize("name", sorted(RECIPES))
def test_every_board_material_is_whole(name: str) -> None:
    made = material(name)
    assert sum(share for _, share in made.mass_fractions) == pytest.approx(1.0)
    assert (linear_attenuation_per_mm(name, [20.0, 60.0, 120.0]) > 0).all()


def test_names_in_english_in_any_case_and_from_nist() -> None:
    for alias, symbol in ALIASES.items():
        assert material(alias.upper()) == material(symbol)
    assert material("sac305") is material("SAC305")
    assert material("polyethylene").density_g_cm3 == pytest.approx(0.94, abs=0.02)
    assert {"Cu", "FR-4", "copper", "Kapton Polyimide Film"} <= set(material_names())


@pytest.mark.parametrize(
    ("name", "hint"), [("Unobtanium", "did you mean"), ("Coper", "copper"), ("sac350", "SAC305"), ("qqqqqq", "FR-4")]
)
def test_an_unknown_material_names_its_neighbours(name: str, hint: str) -> None:
    with pytest.raises(UnknownNameError, match=hint):
        material(name)


@pytest.mark.parametrize("density", [0.0, -1.0, float("nan"), 1e3])
def test_impossible_densities_are_refused(density: float) -> None:
    with pytest.raises(PhysicsRangeError, match="density of x"):
        Material("x", (("Cu", 1.0),), density)


def test_fractions_must_sum_to_one() -> None:
    with pytest.raises(PhysicsRangeError, match=r"sum to 0\.9"):
        Material("x", (("Cu", 0.5), ("Zn", 0.4)), 8.0)


@pytest.mark.parametrize("energy", [[0.5], [30.0, 400.0], [float("nan")], [30.0, float("inf")]])
def test_energies_outside_the_tables_are_refused(energy: list[float]) -> None:
    with pytest.raises(PhysicsRangeError, match="1 to 300 keV"):
        linear_attenuation_per_mm("Cu", energy)


def test_energies_must_be_one_axis() -> None:
    with pytest.raises(InputError, match="one axis"):
        linear_attenuation_per_mm("Cu", np.ones((2, 2)))


@settings(derandomize=True, deadline=None, max_examples=40)
@given(share=st.floats(0.01, 0.99), energy=st.floats(5.0, 150.0))
def test_any_mixture_lies_between_its_components(share: float, energy: float) -> None:
    mixed = mass_coefficient_mm2_g(Material.mixture("m", {"Cu": share, "Sn": 1.0 - share}, 8.0), energy)[0]
    ends = [mass_coefficient_mm2_g(name, energy)[0] for name in ("Cu", "Sn")]
    assert min(ends) * (1 - 1e-9) <= mixed <= max(ends) * (1 + 1e-9)
