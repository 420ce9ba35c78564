"""How much the fluorescence of an object could add: a bound, from which the chain leaves it out.

Tin, silver and barium in solders, joints and capacitors answer X rays above their K edges (29.2, 25.5 and 37.4 keV)
with K photons of 25, 22 and 33 keV, in all directions. The bound counts every one that leaves a plate forwards as if
it met the screen, none re-absorbed but by the plate itself; photons of other shells, softer than 5 keV, stay inside.

A disc of radius r that lies g above the screen has within its own shadow no more than ``1 - g / sqrt(g^2 + r^2)`` of
it: 1 % for a ball of .5 mm under a board of 1.6 mm. The rest is a pedestal.
"""

from __future__ import annotations

import numpy as np
import xraylib
from numpy.typing import NDArray
from scipy.special import expn

from xsim.detector.detector import DetectorResponse
from xsim.errors import check_range
from xsim.materials import linear_attenuation_per_mm, material
from xsim.units import g_mm3_from_g_cm3, mm2_g_from_cm2_g

__all__ = ["fluorescence_of_plate"]

# Elements whose K photons are harder than this get out of a solder joint [keV].
_LEAST_KEV = 10.0
_LINES = (xraylib.KL2_LINE, xraylib.KL3_LINE, xraylib.KM2_LINE, xraylib.KM3_LINE, xraylib.KN2_LINE, xraylib.KN3_LINE)
# Nodes over the depth of the plate, where attenuation is smooth.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(24)


def fluorescence_of_plate(name: str, thickness_mm: float, response: DetectorResponse) -> float:
    """Return the most that a wide plate's K fluorescence adds to the primary behind it, in grey of a screen.

    Parameters
    ----------
    name : str
        Material of the plate.
    thickness_mm : float
        Its thickness [mm], above 0 to 100.
    response : DetectorResponse
        The screen and the beam.

    Raises
    ------
    UnknownNameError
        If the material is not known.
    PhysicsRangeError
        If the thickness is out of range.
    """
    check_range("thickness of the plate", thickness_mm, 1e-6, 100.0, "mm")
    known, beam = material(name), response.spectrum
    energy, fluence = np.asarray(beam.energy_keV), np.asarray(beam.fluence_per_mm2_uGy)
    mu = linear_attenuation_per_mm(known, energy)
    seen, _ = response.energy_response(energy)
    primary = float((fluence * np.exp(-mu * thickness_mm)) @ seen)
    depth = 0.5 * thickness_mm * (_NODES + 1.0)
    added = 0.0
    for symbol, share in known.mass_fractions:
        number = int(xraylib.SymbolToAtomicNumber(symbol))
        edge = float(xraylib.EdgeEnergy(number, xraylib.K_SHELL)) if number > 2 else 0.0
        if edge < _LEAST_KEV:
            continue
        above = energy > edge
        born = _emitted_per_mm(number, share * g_mm3_from_g_cm3(known.density_g_cm3), energy[above])
        arriving = np.exp(-np.outer(mu[above], depth))
        rates = np.array([xraylib.RadRate(number, line) for line in _LINES])
        for line, rate in zip(_LINES, rates / rates.sum(), strict=True):
            photon = float(xraylib.LineEnergy(number, line))
            # The integral of exp(-a / cos) over forward directions is E2(a); half of all directions are forward.
            out = 0.5 * expn(2, float(linear_attenuation_per_mm(known, photon)[0]) * (thickness_mm - depth))
            made = (fluence[above] * born) @ arriving @ (out * _WEIGHTS) * 0.5 * thickness_mm
            added += float(rate * made * response.energy_response(np.array([photon]))[0][0])
    return added / primary


def _emitted_per_mm(number: int, grams_per_mm3: float, energy_keV: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return K photons that photons above the edge make on each mm of an element."""
    jump = 1.0 - 1.0 / float(xraylib.JumpFactor(number, xraylib.K_SHELL))
    emission = jump * float(xraylib.FluorYield(number, xraylib.K_SHELL))
    photo = np.array([xraylib.CS_Photo(number, float(one)) for one in energy_keV])
    return np.asarray(emission * grams_per_mm3 * mm2_g_from_cm2_g(1.0) * photo)
