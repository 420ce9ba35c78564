"""Everything that says what a phosphor is: composition, packing, light yield, optical constants, products made of it.

A new phosphor is a new entry of `PHOSPHORS`, and of `PRODUCTS` where there is a product class of it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Final

import numpy as np
import xraylib
from numpy.typing import NDArray

from xsim.detector.light_transport import Optics
from xsim.errors import UnknownNameError
from xsim.materials import Material, mass_coefficient_mm2_g, material

__all__ = ["OPTICS", "PHOSPHORS", "PRODUCTS", "KEmitter", "Phosphor", "emission_probability", "phosphor"]

# K fluorescence below this edge is absorbed where it is born, within a few micrometres.
_LOWEST_EDGE_KEV: Final = 15.0
# The strong K alpha and beta lines, over which the mean energy of a K photon is taken.
_K_LINES: Final = (
    xraylib.KL2_LINE,
    xraylib.KL3_LINE,
    xraylib.KM2_LINE,
    xraylib.KM3_LINE,
    xraylib.KN2_LINE,
    xraylib.KN3_LINE,
)


@dataclass(frozen=True)
class KEmitter:
    """An element of a phosphor, by its mass fraction, that answers photo-absorption in its K shell with a K photon.

    ``photon_keV`` is the mean energy of its K photons [keV], and ``emission`` the probability that a photo-absorption
    above the edge [keV], in this element, emits one: (1 - 1/r_K) w_K.
    """

    symbol: str
    mass_fraction: float
    edge_keV: float
    photon_keV: float
    emission: float


@dataclass(frozen=True)
class Phosphor:
    """A phosphor as the powder or film that screens are made of.

    Parameters
    ----------
    material : Material
        Composition at crystal density.
    packing : float
        Usual share of the layer's volume that is phosphor.
    photons_per_keV : float
        Light yield [photons/keV].
    caveat : str
        Where the turbid-layer model stops describing it; empty where it does.
    optics : Optics
        Optical constants of its usual layers.
    """

    material: Material
    packing: float
    photons_per_keV: float
    caveat: str = ""
    optics: Optics = field(default_factory=Optics)

    @cached_property
    def emitters(self) -> tuple[KEmitter, ...]:
        """Return the elements whose K photons travel through the layer."""
        found = []
        for symbol, fraction in self.material.mass_fractions:
            number = xraylib.SymbolToAtomicNumber(symbol)
            edge = xraylib.EdgeEnergy(number, xraylib.K_SHELL)
            if edge >= _LOWEST_EDGE_KEV:
                rates = [xraylib.RadRate(number, line) for line in _K_LINES]
                energies = [xraylib.LineEnergy(number, line) for line in _K_LINES]
                jump = xraylib.JumpFactor(number, xraylib.K_SHELL)
                emission = (1.0 - 1.0 / jump) * xraylib.FluorYield(number, xraylib.K_SHELL)
                photon = float(np.average(energies, weights=rates))
                found.append(KEmitter(symbol, fraction, float(edge), photon, float(emission)))
        return tuple(found)


# Optical constants by kind of layer. Thin, fine-detail screens measure sharper than one set of constants for all
# thicknesses says: a dye explains it, or grains so fine that both extrapolation lengths shrink by the same factor.
# Columns of CsI: a fit to the points of CsI in ``references.csv`` (docs/explanation/references.md shows it), which hold
# for both thicknesses and both beams.
OPTICS: Final[dict[str, Optics]] = {
    "generic": Optics(),
    "dyed": Optics(diffusion_length_mm=0.08),
    "fine-grain": Optics(extrapolation_sensor_mm=0.0116 * 0.64, extrapolation_backing_mm=0.100 * 0.64),
    "columnar": Optics(
        extrapolation_sensor_mm=0.0142,
        extrapolation_backing_mm=4.6,
        diffusion_length_mm=0.50,
        gap_mm=0.0223,
        gain_noise=0.0154,
        lateral_ratio=0.328,
    ),
}

# Packing and light yield are typical of the powder (CsI: of the columns). A phosphor that `xsim.materials` does not
# know brings its composition: Material.mixture("Gd2O3", {"Gd2O3": 1.0}, density_g_cm3=7.07).
PHOSPHORS: Final[dict[str, Phosphor]] = {
    # 4.5 g/cm3 of phosphor in the layer, the packing for which the optical constants were fitted.
    "Gd2O2S": Phosphor(material("Gd2O2S"), packing=0.6148, photons_per_keV=60.0),
    "CaWO4": Phosphor(
        material("CaWO4"),
        packing=0.60,
        photons_per_keV=20.0,
        caveat="optical constants are those of Gd2O2S: fit them to measured MTF curves before trusting the MTF",
    ),
    # As a powder: what stores and detector files of before there were columns mean by it.
    "CsI": Phosphor(
        material("CsI"),
        packing=0.80,
        photons_per_keV=54.0,
        caveat="columnar CsI(Tl) guides light; as a turbid layer its MTF is a lower bound: "
        "give CsI-columnar, or fit the optical constants",
    ),
    "CsI-columnar": Phosphor(
        material("CsI"),
        packing=0.80,
        photons_per_keV=54.0,
        caveat="constants of columns fitted to four points of MTF and two of DQE, of two detectors: "
        "fit them to your own",
        optics=OPTICS["columnar"],
    ),
}

# Classes of screens on the market: phosphor per area [mg/cm2], which phosphor, and its optical constants.
# The mass thicknesses are those of the product classes; the optical constants are fits to remembered reference curves,
# good to some 15 % in MTF. Fit them to your own measurements (`xsim.detector.optics_fit`) before trusting them further.
PRODUCTS: Final[dict[str, tuple[float, str, Optics]]] = {
    "fine": (34.0, "Gd2O2S", OPTICS["fine-grain"]),
    "fine-dyed": (34.0, "Gd2O2S", OPTICS["dyed"]),
    "regular": (70.0, "Gd2O2S", OPTICS["generic"]),
    "standard-plus": (100.0, "Gd2O2S", OPTICS["generic"]),
    "fast": (134.0, "Gd2O2S", OPTICS["generic"]),
    # 0.125 and 0.6 mm of columns.
    "columnar-thin": (45.0, "CsI-columnar", OPTICS["columnar"]),
    "columnar-thick": (216.0, "CsI-columnar", OPTICS["columnar"]),
    # The two screens of the seed paper, with the constants that fit all thicknesses at once.
    "paper-hr": (33.91, "Gd2O2S", OPTICS["generic"]),
    "paper-lr": (134.55, "Gd2O2S", OPTICS["generic"]),
}


def phosphor(name: str) -> Phosphor:
    """Return a phosphor by name.

    Raises
    ------
    UnknownNameError
        Naming the nearest names.
    """
    if name not in PHOSPHORS:
        raise UnknownNameError("phosphor", name, PHOSPHORS)
    return PHOSPHORS[name]


def emission_probability(
    substance: Phosphor, emitter: KEmitter, energy_keV: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return P_K(E), the chance that a photo-absorption anywhere in the phosphor emits this element's K photon."""
    own = emitter.mass_fraction * mass_coefficient_mm2_g(emitter.symbol, energy_keV, "photo")
    share = own / mass_coefficient_mm2_g(substance.material, energy_keV, "photo")
    return np.where(energy_keV > emitter.edge_keV, share * emitter.emission, 0.0)
