"""The phosphors of screens: what they are, how tightly they pack, how much light they give."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np
import xraylib

from xsim.errors import UnknownNameError
from xsim.materials import Material, mass_coefficient_mm2_g, material

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["PHOSPHORS", "KEmitter", "Phosphor", "emission_probability", "phosphor"]

# K fluorescence below this edge is absorbed where it is born, within a few micrometres.
_LOWEST_EDGE_KEV: Final = 15.0
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
    """One element of a phosphor that answers photo-absorption in its K shell with a K photon.

    Parameters
    ----------
    symbol : str
        The element.
    mass_fraction : float
        Its share of the phosphor's mass.
    edge_keV : float
        K edge [keV].
    photon_keV : float
        Mean energy of its K photons [keV].
    emission : float
        Probability that a photo-absorption above the edge, in this element, emits a K photon: (1 - 1/r_K) w_K.
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
    name : str
        Name, which is also the name of its `xsim.materials.material`.
    packing : float
        Usual share of the layer's volume that is phosphor.
    photons_per_keV : float
        Light yield [photons/keV].
    caveat : str
        Where the turbid-layer model stops describing it; empty where it does.
    """

    name: str
    packing: float
    photons_per_keV: float
    caveat: str = ""

    @property
    def material(self) -> Material:
        """Return the phosphor's composition at crystal density."""
        return material(self.name)

    @property
    def emitters(self) -> tuple[KEmitter, ...]:
        """Return the elements whose K photons travel through the layer."""
        return _emitters(self.name)


# Gd2O2S: 4.5 g/cm3 of phosphor in the layer, the packing for which the optical constants were fitted.
PHOSPHORS: Final[dict[str, Phosphor]] = {
    "Gd2O2S": Phosphor("Gd2O2S", packing=0.6148, photons_per_keV=60.0),
    "CaWO4": Phosphor(
        "CaWO4",
        packing=0.60,
        photons_per_keV=20.0,
        caveat="optical constants are those of Gd2O2S: fit them to measured MTF curves before trusting the MTF",
    ),
    "CsI": Phosphor(
        "CsI",
        packing=0.80,
        photons_per_keV=54.0,
        caveat="columnar CsI(Tl) guides light; as a turbid layer its MTF is a lower bound: fit the optical constants",
    ),
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


@lru_cache(maxsize=32)
def _emitters(name: str) -> tuple[KEmitter, ...]:
    found = []
    for symbol, fraction in material(name).mass_fractions:
        number = xraylib.SymbolToAtomicNumber(symbol)
        edge = xraylib.EdgeEnergy(number, xraylib.K_SHELL)
        if edge >= _LOWEST_EDGE_KEV:
            rates = np.array([xraylib.RadRate(number, line) for line in _K_LINES])
            energies = np.array([xraylib.LineEnergy(number, line) for line in _K_LINES])
            jump = xraylib.JumpFactor(number, xraylib.K_SHELL)
            emission = (1.0 - 1.0 / jump) * xraylib.FluorYield(number, xraylib.K_SHELL)
            photon = float(np.average(energies, weights=rates))
            found.append(KEmitter(symbol, fraction, float(edge), photon, float(emission)))
    return tuple(found)


def emission_probability(
    substance: Phosphor, emitter: KEmitter, energy_keV: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return P_K(E), the chance that a photo-absorption anywhere in the phosphor emits this element's K photon."""
    own = emitter.mass_fraction * mass_coefficient_mm2_g(emitter.symbol, energy_keV, "photo")
    share = own / mass_coefficient_mm2_g(substance.material, energy_keV, "photo")
    return np.where(energy_keV > emitter.edge_keV, share * emitter.emission, 0.0)
