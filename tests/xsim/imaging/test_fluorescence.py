"""The bound on the object's fluorescence against photons drawn one by one."""

from __future__ import annotations

import numpy as np
import pytest
import xraylib

import xsim
from xsim.errors import PhysicsRangeError
from xsim.imaging.fluorescence import fluorescence_of_plate
from xsim.materials import linear_attenuation_per_mm

RESPONSE = xsim.recipes.paper().lr_response


def test_tin_plates_are_those_of_photons_drawn() -> None:
    rng, thickness, count = np.random.default_rng(3), 0.1, 400_000
    beam = RESPONSE.spectrum
    energy = rng.choice(beam.energy_keV, count, p=beam.fluence_per_mm2_uGy / beam.total_fluence_per_mm2_uGy)
    mu = np.interp(energy, beam.energy_keV, linear_attenuation_per_mm("Sn", beam.energy_keV))
    depth = rng.exponential(1.0 / mu)
    grey = np.interp(energy, beam.energy_keV, RESPONSE.energy_response(beam.energy_keV)[0])
    primary = grey[depth > thickness].sum()
    photo = np.interp(energy, np.arange(5.0, 71.0), [xraylib.CS_Photo(50, e) for e in np.arange(5.0, 71.0)])
    total = np.interp(energy, np.arange(5.0, 71.0), [xraylib.CS_Total(50, e) for e in np.arange(5.0, 71.0)])
    chance = photo / total * (1.0 - 1.0 / xraylib.JumpFactor(50, xraylib.K_SHELL)) * xraylib.FluorYield(50, 0)
    born = (depth <= thickness) & (energy > 29.2) & (rng.random(count) < chance)
    cosine = 2.0 * rng.random(count) - 1.0
    out = born & (cosine > 0.0)
    # All K photons at their mean of 25.7 keV here, line by line there.
    left = rng.exponential(1.0 / linear_attenuation_per_mm("Sn", 25.7)[0], count)
    through = out & (left > (thickness - depth) / np.maximum(cosine, 1e-9))
    found = through.sum() * RESPONSE.energy_response(np.array([25.7]))[0][0] / primary
    assert fluorescence_of_plate("Sn", thickness, RESPONSE) == pytest.approx(found, rel=0.1)


def test_what_has_no_hard_k_photons_adds_nothing() -> None:
    assert fluorescence_of_plate("Cu", 0.1, RESPONSE) == 0.0
    assert fluorescence_of_plate("Al", 1.0, RESPONSE) == 0.0


def test_bounds_of_what_boards_hold() -> None:
    # What the documentation says of parts of boards in contact with the LR screen, in the paper's beam.
    for name, thickness, bound in (("SAC305", 0.2, 0.24), ("Ag", 0.01, 0.05), ("BaTiO3", 0.3, 0.18)):
        assert fluorescence_of_plate(name, thickness, RESPONSE) < bound
    assert fluorescence_of_plate("solder-mask", 0.025, RESPONSE) < 0.002
    assert fluorescence_of_plate("FR-4", 1.6, RESPONSE) < 0.003
    with pytest.raises(PhysicsRangeError, match="thickness"):
        fluorescence_of_plate("Sn", 0.0, RESPONSE)
