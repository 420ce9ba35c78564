"""Materials and how they attenuate X rays (cross-sections: xraylib, photon energies 1 to 300 keV).

The table holds what circuit boards, their parts and X-ray filters are made of, with typical industrial mass fractions
and densities [g/cm3]. A component is a chemical formula or another entry of the table. FR-4 is 60 % E-glass and 40 %
resin by mass; the ``-HF`` entries are halogen free. Bromine doubles the attenuation of FR-4 at 40 keV, so the two are
different materials, not shades of one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
import xraylib
import xraylib_np
from numpy.typing import ArrayLike, NDArray

from xsim.errors import InputError, PhysicsRangeError, UnknownNameError, check_range, nearest
from xsim.units import mm2_g_from_cm2_g

__all__ = [
    "ALIASES",
    "ENERGY_RANGE_KEV",
    "RECIPES",
    "Material",
    "linear_attenuation_per_mm",
    "mass_coefficient_mm2_g",
    "material",
    "material_names",
]

# Diglycidyl ether of bisphenol A, the usual epoxy.
_EPOXY: Final = "C21H24O4"

# name: ({component: mass fraction}, density [g/cm3])
RECIPES: Final[dict[str, tuple[dict[str, float], float]]] = {
    # laminates and plastics
    "E-glass": (
        {"SiO2": 0.545, "CaO": 0.17, "Al2O3": 0.145, "B2O3": 0.08, "MgO": 0.045, "Na2O": 0.015},
        2.58,
    ),
    "epoxy-Br": ({_EPOXY: 0.80, "Br": 0.20}, 1.40),
    "epoxy-HF": ({_EPOXY: 0.97, "P": 0.03}, 1.25),
    "FR-4": ({"E-glass": 0.60, "epoxy-Br": 0.40}, 1.90),
    "FR-4-HF": ({"E-glass": 0.60, "epoxy-HF": 0.40}, 1.90),
    "EMC": ({"SiO2": 0.85, _EPOXY: 0.15}, 1.95),
    "LCP-GF30": ({"C7H4O2": 0.70, "E-glass": 0.30}, 1.62),
    "solder-mask": ({_EPOXY: 0.75, "BaSO4": 0.25}, 1.45),
    # solders and metals
    "SAC305": ({"Sn": 0.965, "Ag": 0.03, "Cu": 0.005}, 7.37),
    "Sn63Pb37": ({"Sn": 0.63, "Pb": 0.37}, 8.40),
    "Alloy42": ({"Fe": 0.58, "Ni": 0.42}, 8.10),
    "Kovar": ({"Fe": 0.54, "Ni": 0.29, "Co": 0.17}, 8.36),
    "brass": ({"Cu": 0.63, "Zn": 0.37}, 8.45),
    "phosphor-bronze": ({"Cu": 0.948, "Sn": 0.05, "P": 0.002}, 8.80),
    "steel": ({"Fe": 0.985, "Mn": 0.01, "C": 0.005}, 7.85),
    "Ta-porous": ({"Ta": 0.94, "O": 0.06}, 7.50),
    "Au": ({"Au": 1.0}, 19.3),
    "Ni": ({"Ni": 1.0}, 8.91),
    "Ag": ({"Ag": 1.0}, 10.49),
    # ceramics, pastes and minerals
    "Al2O3": ({"Al2O3": 1.0}, 3.85),
    "BaTiO3": ({"BaTiO3": 1.0}, 5.85),
    "NiZn-ferrite": ({"Ni0.5Zn0.5Fe2O4": 1.0}, 5.00),
    "MnZn-ferrite": ({"Mn0.5Zn0.5Fe2O4": 1.0}, 4.80),
    "quartz": ({"SiO2": 1.0}, 2.65),
    "RuO2-paste": ({"RuO2": 0.30, "PbO": 0.45, "SiO2": 0.25}, 4.50),
    # what fluxes of manual and submerged arc welding leave
    "slag": ({"SiO2": 0.35, "CaO": 0.25, "TiO2": 0.20, "MnO": 0.12, "FeO": 0.08}, 3.00),
    # phosphors as crystals; a screen's packing lives in `xsim.detector.phosphors`
    "Gd2O2S": ({"Gd2O2S": 1.0}, 7.32),
    "CsI": ({"CsI": 1.0}, 4.51),
    "CaWO4": ({"CaWO4": 1.0}, 6.06),
    # surroundings
    "air": ({"N": 0.755268, "O": 0.231781, "Ar": 0.012827, "C": 0.000124}, 1.20479e-3),
    "water": ({"H2O": 1.0}, 1.0),
    "PMMA": ({"C5H8O2": 1.0}, 1.19),
}

# Plain English for the elements that filters and boards are made of.
ALIASES: Final[dict[str, str]] = {
    "aluminium": "Al",
    "aluminum": "Al",
    "antimony": "Sb",
    "barium": "Ba",
    "beryllium": "Be",
    "bismuth": "Bi",
    "cadmium": "Cd",
    "carbon": "C",
    "chromium": "Cr",
    "cobalt": "Co",
    "copper": "Cu",
    "gadolinium": "Gd",
    "gallium": "Ga",
    "germanium": "Ge",
    "gold": "Au",
    "graphite": "C",
    "hafnium": "Hf",
    "indium": "In",
    "iron": "Fe",
    "lanthanum": "La",
    "lead": "Pb",
    "magnesium": "Mg",
    "manganese": "Mn",
    "molybdenum": "Mo",
    "neodymium": "Nd",
    "nickel": "Ni",
    "niobium": "Nb",
    "palladium": "Pd",
    "platinum": "Pt",
    "rhodium": "Rh",
    "ruthenium": "Ru",
    "silicon": "Si",
    "silver": "Ag",
    "tantalum": "Ta",
    "tin": "Sn",
    "titanium": "Ti",
    "tungsten": "W",
    "uranium": "U",
    "vanadium": "V",
    "yttrium": "Y",
    "zinc": "Zn",
    "zirconium": "Zr",
    "FR4": "FR-4",
}


# Where the tables of xraylib hold and X-ray tubes work [keV].
ENERGY_RANGE_KEV = (1.0, 300.0)

Interaction = Literal["total", "photo", "compton"]
# xraylib's tables of mass coefficients [cm2/g] by interaction.
_TABLES = {"total": xraylib_np.CS_Total, "photo": xraylib_np.CS_Photo, "compton": xraylib_np.CS_Compt}
# Symbols and atomic numbers up to californium, the last element of the tables.
_ELEMENTS: Final[dict[str, int]] = {xraylib.AtomicNumberToSymbol(number): number for number in range(1, 99)}
# Names of xraylib's NIST compounds by their lower-case form.
_NIST_NAMES: Final[dict[str, str]] = {name.lower(): name for name in xraylib.GetCompoundDataNISTList()}


@dataclass(frozen=True)
class Material:
    """A homogeneous material.

    Parameters
    ----------
    name : str
        What it is called.
    mass_fractions : tuple of (symbol, fraction)
        Element symbols and their mass fractions; they sum to 1.
    density_g_cm3 : float
        Mass density [g/cm3].

    Raises
    ------
    PhysicsRangeError
        If a fraction is negative, the fractions do not sum to 1, or the density is not in (0, 25] g/cm3.
    """

    name: str
    mass_fractions: tuple[tuple[str, float], ...]
    density_g_cm3: float

    def __post_init__(self) -> None:
        check_range(f"density of {self.name}", self.density_g_cm3, 1e-6, 25.0, "g/cm3")
        for symbol, fraction in self.mass_fractions:
            check_range(f"mass fraction of {symbol} in {self.name}", fraction, 0.0, 1.0)
        total = math.fsum(fraction for _, fraction in self.mass_fractions)
        if abs(total - 1.0) > 1e-6:
            raise PhysicsRangeError(f"mass fractions of {self.name} sum to {total:g}: they must sum to 1")

    @classmethod
    def mixture(cls, name: str, components: Mapping[str, float], density_g_cm3: float) -> Material:
        """Return the mixture of formulas or known materials, given by mass fraction.

        Raises
        ------
        UnknownNameError
            If a component is neither a chemical formula nor a known material.
        """
        total: dict[str, float] = {}
        for component, share in components.items():
            for symbol, fraction in _fractions(component):
                total[symbol] = total.get(symbol, 0.0) + share * fraction
        return cls(name, tuple(sorted(total.items())), density_g_cm3)


def _fractions(component: str) -> tuple[tuple[str, float], ...]:
    """Return the mass fractions of a known material or a chemical formula."""
    if component in RECIPES and RECIPES[component][0] != {component: 1.0}:
        return material(component).mass_fractions
    try:
        parsed = xraylib.CompoundParser(component)
    except ValueError:
        raise _unknown(component) from None
    symbols = (xraylib.AtomicNumberToSymbol(number) for number in parsed["Elements"])
    return tuple(zip(symbols, parsed["massFractions"], strict=True))


def material_names() -> list[str]:
    """Return every name that `material` knows."""
    return sorted({*RECIPES, *ALIASES, *_ELEMENTS, *_NIST_NAMES.values()}, key=str.lower)


def _unknown(name: str) -> UnknownNameError:
    # Where no name is near, the board materials are the useful list, not 300 names.
    return UnknownNameError("material", name, nearest(name, material_names()) or RECIPES)


@lru_cache(maxsize=512)
def material(name: str) -> Material:
    """Return the material of this name: of a board, an element (symbol or English name), or a NIST compound.

    Names are matched as written first, then without regard to case.

    Raises
    ------
    UnknownNameError
        Naming the nearest names.
    """
    if name in RECIPES:
        return Material.mixture(name, *RECIPES[name])
    if name in _ELEMENTS:
        return Material(name, ((name, 1.0),), float(xraylib.ElementDensity(_ELEMENTS[name])))
    for known in (*RECIPES, *ALIASES, *_ELEMENTS):
        if known.lower() == name.lower():
            return material(ALIASES.get(known, known))
    if name.lower() in _NIST_NAMES:
        data = xraylib.GetCompoundDataNISTByName(_NIST_NAMES[name.lower()])
        symbols = [xraylib.AtomicNumberToSymbol(number) for number in data["Elements"]]
        # The NIST tables are rounded: their fractions sum to 1 within 1e-4 only.
        total = math.fsum(data["massFractions"])
        pairs = zip(symbols, data["massFractions"], strict=True)
        return Material(data["name"], tuple((symbol, part / total) for symbol, part in pairs), float(data["density"]))
    raise _unknown(name)


@lru_cache(maxsize=512)
def _element_table(number: int, interaction: Interaction, energies: bytes) -> NDArray[np.float64]:
    """Return mass coefficients [mm2/g] of one element; kept, since every material asks for the same few."""
    table = _TABLES[interaction](np.array([number]), np.frombuffer(energies))[0]
    coefficients: NDArray[np.float64] = mm2_g_from_cm2_g(1.0) * np.asarray(table, dtype=np.float64)
    coefficients.setflags(write=False)
    return coefficients


def mass_coefficient_mm2_g(
    substance: str | Material, energy_keV: ArrayLike, interaction: Interaction = "total"
) -> NDArray[np.float64]:
    """Return mass attenuation coefficients [mm2/g], shape (n,).

    Parameters
    ----------
    substance : str or Material
        The material or its name.
    energy_keV : (n,) array
        Photon energies [keV], 1 to 300.
    interaction : {"total", "photo", "compton"}
        All interactions, photo-absorption alone, or Compton scattering alone.

    Raises
    ------
    InputError
        If the energies are no axis of at least one.
    PhysicsRangeError
        If an energy is outside the range.
    UnknownNameError
        If the material is unknown.
    """
    chosen = material(substance) if isinstance(substance, str) else substance
    energies = np.atleast_1d(np.asarray(energy_keV, dtype=np.float64))
    if energies.ndim != 1 or not energies.size:
        raise InputError(f"energies of shape {energies.shape}: give one axis of at least one energy [keV]")
    for end in (energies.min(), energies.max()):  # both are NaN if any energy is
        check_range("photon energy", end, *ENERGY_RANGE_KEV, "keV")
    key = energies.tobytes()
    total: NDArray[np.float64] = np.sum(
        [part * _element_table(_ELEMENTS[symbol], interaction, key) for symbol, part in chosen.mass_fractions], axis=0
    )
    return total


def linear_attenuation_per_mm(substance: str | Material, energy_keV: ArrayLike) -> NDArray[np.float64]:
    """Return the linear attenuation coefficient [1/mm] of a material at each energy [keV], shape (n,).

    All interactions count (photo-absorption, coherent and Compton scattering): a scattered photon has left the beam.
    See `mass_coefficient_mm2_g` for the errors.
    """
    chosen = material(substance) if isinstance(substance, str) else substance
    return mass_coefficient_mm2_g(chosen, energy_keV) * (chosen.density_g_cm3 * 1e-3)
