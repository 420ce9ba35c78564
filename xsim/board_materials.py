"""What circuit boards, their parts and X-ray filters are made of.

Mass fractions and densities [g/cm3] are typical industrial values. A component is a chemical formula or another
entry of the table. FR-4 is 60 % E-glass and 40 % resin by mass; the ``-HF`` entries are halogen free. Bromine doubles
the attenuation of FR-4 at 40 keV, so the two are different materials, not shades of one.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ALIASES", "RECIPES"]

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
