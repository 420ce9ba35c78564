"""X-ray spectra of tubes: SpekPy makes the bare tube, xraylib filters it, the disk keeps it.

SpekPy takes seconds for a tube, so the bare spectrum of each (tube voltage, anode angle, model) is cached; filters are
applied afterwards and cost nothing. The choice of the physics model moves the kerma per mAs by some 12 % but the
fluence per kerma, which is all that a detector sees, by 2 % at most.

Tubes reflect from a thick tungsten anode, or shine through a thin target as microfocus tubes do; targets of molybdenum
end at 50 kV, where SpekPy ends.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError, PhysicsRangeError, UnknownNameError, check_range
from xsim.files.cache import load_arrays, store_arrays
from xsim.keywords import names_keywords
from xsim.materials import linear_attenuation_per_mm, material
from xsim.units import mm2_g_from_cm2_g

__all__ = [
    "MODELS",
    "PRESETS",
    "Spectrum",
    "beam_of",
    "bearable_spot_mm",
    "half_value_layer_mm",
    "parse_filter",
    "preset_spectrum",
    "tungsten_spectrum",
]

# SpekPy's physics models for a reflection target, by its own names.
MODELS: Final = ("kqp", "casim", "spekpy-v1", "spekcalc", "sim", "diff", "classical")

# Tube voltages at which SpekPy's models were validated against Monte Carlo (20 to 300 kV; Omar et al., Med. Phys. 47,
# 4005, 2020), from where a tungsten tube is of use, and anode angles of tubes on the market.
KVP_RANGE: Final = (30.0, 300.0)
ANODE_ANGLE_RANGE_DEG: Final = (5.0, 45.0)

# Targets, the tube voltages [kV] to which SpekPy has each, thermal conductivity of the hot metal [W/(mm K)] (at some
# 2000 K, from handbooks, good to 10 %), and melting point [K].
TARGETS: Final[dict[str, tuple[float, float, float]]] = {"W": (300.0, 0.105, 3695.0), "Mo": (50.0, 0.088, 2896.0)}
# Thickness of transmission targets [um]: below, electrons of 30 kV pass; above, none of their photons.
TRANSMISSION_RANGE_UM: Final = (0.1, 100.0)
_ROOM_K: Final = 300.0

Filters = tuple[tuple[str, float], ...]

# Tube voltage [kV] and filters. RQA: IEC 61267, tube filtration of 2.5 mm Al plus the added filter of the standard.
# They meet the half-value layers of its edition of 2005 (6.8 mm Al at RQA5, not the 7.1 mm of 1994) and the fluences of
# IEC 62220-1-1:2015.
# ``paper`` is the seed paper's tube; the paper states no filtration, 2.5 mm Al is the common minimum.
PRESETS: Final[dict[str, tuple[float, Filters]]] = {
    "RQA3": (50.0, (("Al", 12.5),)),
    "RQA5": (70.0, (("Al", 23.5),)),
    "RQA7": (90.0, (("Al", 32.5),)),
    "RQA9": (120.0, (("Al", 42.5),)),
    "paper": (70.0, (("Al", 2.5),)),
}

# 1 keV/g in uGy.
_UGY_PER_KEV_G: Final = 1.602176634e-7
_MM2_PER_CM2: Final = 100.0
# Width of the energy bins [keV]: a 70 kV beam has 140.
_BIN_KEV: Final = 0.5


@names_keywords
@dataclass(frozen=True, eq=False)
class Spectrum:
    """An X-ray beam, per unit of the air kerma that it makes.

    Parameters
    ----------
    energy_keV : (n,) array
        Bin centres [keV].
    fluence_per_mm2_uGy : (n,) array
        Photons of each bin [1/(mm2 uGy)].
    kerma_uGy_mm2 : (n,) array
        Air kerma of one photon per mm2 of each bin [uGy mm2].
    kvp : float
        Tube voltage [kV].
    filters : tuple of (material, thickness_mm)
        Everything between anode and object.
    anode_angle_deg : float
        Anode angle [degrees].
    model : str
        SpekPy's physics model.
    kerma_uGy_per_mAs : float
        Air kerma in the beam at 1 m from the focal spot, in vacuum [uGy/mAs]; NaN if unknown.
    target : str
        What electrons hit.
    transmission_um : float or None
        Thickness of a target that the beam passes [um]; None for a thick anode that reflects.
    """

    energy_keV: NDArray[np.float64]
    fluence_per_mm2_uGy: NDArray[np.float64]
    kerma_uGy_mm2: NDArray[np.float64]
    kvp: float
    filters: Filters
    anode_angle_deg: float
    model: str
    kerma_uGy_per_mAs: float = math.nan
    target: str = "W"
    transmission_um: float | None = None

    @property
    def total_fluence_per_mm2_uGy(self) -> float:
        """Return the photons of all energies [1/(mm2 uGy)]."""
        return float(self.fluence_per_mm2_uGy.sum())

    @property
    def mean_energy_keV(self) -> float:
        """Return the mean photon energy [keV]."""
        return float(np.average(self.energy_keV, weights=self.fluence_per_mm2_uGy))

    def filtered(self, name: str, thickness_mm: float) -> Spectrum:
        """Return the beam behind one more filter, again per uGy (of the kerma behind the filter).

        Raises
        ------
        UnknownNameError
            If the material is unknown.
        PhysicsRangeError
            If the thickness is outside 0 to 1000 mm or the filter leaves nothing of the beam.
        """
        check_range(f"filter thickness of {name}", thickness_mm, 0.0, 1000.0, "mm")
        fluence = self.fluence_per_mm2_uGy * np.exp(-linear_attenuation_per_mm(name, self.energy_keV) * thickness_mm)
        kerma = float(fluence @ self.kerma_uGy_mm2)
        if not kerma > 1e-12:
            raise PhysicsRangeError(
                f"filter {name}:{thickness_mm:g} leaves nothing of a {self.kvp:g} kV beam: use less"
            )
        filters = (*self.filters, (material(name).name, float(thickness_mm)))
        output = self.kerma_uGy_per_mAs * kerma
        return replace(self, fluence_per_mm2_uGy=fluence / kerma, filters=filters, kerma_uGy_per_mAs=output)

    def settings(self) -> dict[str, object]:
        """Return what `tungsten_spectrum` needs to make this beam again, as JSON types."""
        return {
            "kvp": self.kvp,
            "filters": [list(item) for item in self.filters],
            "anode_angle_deg": self.anode_angle_deg,
            "model": self.model,
            # What came after the first stores is written where it says something: stores keep their bytes.
            **({} if self.target == "W" else {"target": self.target}),
            **({} if self.transmission_um is None else {"transmission_um": self.transmission_um}),
        }


@names_keywords
def tungsten_spectrum(
    kvp: float = 70.0,
    filters: Filters = (("Al", 2.5),),
    anode_angle_deg: float = 12.0,
    model: str = "kqp",
    *,
    target: str = "W",
    transmission_um: float | None = None,
) -> Spectrum:
    """Return the spectrum of a tube, of tungsten if nothing else is said, behind filters, per uGy of air kerma.

    Parameters
    ----------
    kvp : float
        Tube voltage [kV], 30 to 300.
    filters : tuple of (material, thickness_mm)
        Filters in any order; every name that `xsim.materials.material` knows.
    anode_angle_deg : float
        Anode angle [degrees], 5 to 45.
    model : str
        SpekPy's physics model, one of `MODELS`.
    target : {"W", "Mo"}
        What electrons hit; molybdenum to 50 kV.
    transmission_um : float, optional
        Thickness of a target that the beam passes straight [um], 0.1 to 100, of tubes with a microfocus; the anode
        angle says nothing then. A thick anode reflects if it is not given.

    Raises
    ------
    PhysicsRangeError
        If the voltage, the angle or a thickness is out of range.
    UnknownNameError
        If the model, the target or a filter's material is unknown.
    """
    _check_tube(kvp, anode_angle_deg, model, target, transmission_um)
    # One object for one beam, however it was asked for: detector responses are cached by it.
    plain = tuple((str(name), float(thickness_mm)) for name, thickness_mm in filters)
    through = None if transmission_um is None else float(transmission_um)
    return _filtered_tube(float(kvp), plain, float(anode_angle_deg), model, target, through)


def _check_tube(kvp: float, anode_angle_deg: float, model: str, target: str, transmission_um: float | None) -> None:
    check_range("tube voltage", kvp, *KVP_RANGE, "kV")
    check_range("anode angle", anode_angle_deg, *ANODE_ANGLE_RANGE_DEG, "degrees")
    if model not in MODELS:
        raise UnknownNameError("spectrum model", model, MODELS)
    if target not in TARGETS:
        raise UnknownNameError("target", target, TARGETS)
    if kvp > TARGETS[target][0]:
        raise PhysicsRangeError(
            f"a {target} target at {kvp:g} kV: SpekPy, which makes the spectra, ends at {TARGETS[target][0]:g} kV: "
            "give a lower voltage or target W"
        )
    old = model in {"spekcalc", "spekpy-v1"}
    if transmission_um is not None:
        check_range("thickness of the transmission target", transmission_um, *TRANSMISSION_RANGE_UM, "um")
    if old and (target != "W" or transmission_um is not None):
        raise PhysicsRangeError(f"model {model} knows thick tungsten anodes only: give kqp or casim")


def bearable_spot_mm(power_W: float, target: str = "W") -> float:
    """Return the smallest focal spot [mm] that a target bears at a power [W].

    A disc of even heat on a half space is warmest in its middle, by ``2 P / (pi kappa d)``; that must not melt: .56 W
    for each um of tungsten. Targets on diamond bear about twice as much, and rotating anodes far more.

    Source: H. S. Carslaw and J. C. Jaeger, Conduction of Heat in Solids, 2nd ed. (1959), section 10.5.

    Raises
    ------
    PhysicsRangeError
        If the power is not from 0 to 5000 W.
    UnknownNameError
        If the target is unknown.
    """
    check_range("power of the tube", power_W, 0.0, 5000.0, "W")
    if target not in TARGETS:
        raise UnknownNameError("target", target, TARGETS)
    _, conductivity, melting_K = TARGETS[target]
    return 2.0 * power_W / (math.pi * conductivity * (melting_K - _ROOM_K))


@lru_cache(maxsize=32)
def _filtered_tube(
    kvp: float, filters: Filters, anode_angle_deg: float, model: str, target: str, transmission_um: float | None
) -> Spectrum:
    energy, fluence, kerma = _bare_tube(kvp, anode_angle_deg, model, target, transmission_um)
    output = float(fluence @ kerma)
    spectrum = Spectrum(
        energy, fluence / output, kerma, kvp, (), anode_angle_deg, model, output, target, transmission_um
    )
    for name, thickness_mm in filters:
        spectrum = spectrum.filtered(name, thickness_mm)
    return spectrum


def parse_filter(text: str) -> tuple[str, float]:
    """Return (material, thickness_mm) of a filter written as ``MATERIAL:MM``, e.g. ``Al:2.5``.

    Raises
    ------
    InputError
        If the text is not of that form.
    UnknownNameError
        If the material is unknown.
    """
    name, _, thickness = text.rpartition(":")
    try:
        pair = name, float(thickness)
    except ValueError:
        pair = "", 0.0
    if not pair[0]:
        raise InputError(f"filter '{text}' is not MATERIAL:MM: give e.g. Al:2.5")
    material(pair[0])
    return pair


def preset_spectrum(name: str, anode_angle_deg: float = 12.0, model: str = "kqp") -> Spectrum:
    """Return a beam by name: ``RQA3``, ``RQA5``, ``RQA7``, ``RQA9`` (IEC 61267) or ``paper``.

    Raises
    ------
    UnknownNameError
        If there is no such preset.
    """
    if name not in PRESETS:
        raise UnknownNameError("beam", name, PRESETS)
    kvp, filters = PRESETS[name]
    return tungsten_spectrum(kvp, filters, anode_angle_deg, model)


def beam_of(text: str) -> Spectrum:
    """Return the beam of a text: a preset's name, or a tube voltage [kV] and filters, ``70 Al:21.5 Cu:0.1``.

    Raises
    ------
    InputError
        If it is neither.
    """
    words = text.split()
    if len(words) == 1 and words[0] in PRESETS:
        return preset_spectrum(words[0])
    try:
        kvp = float(words[0])
    except (IndexError, ValueError):
        raise InputError(f"beam '{text}': give one of {', '.join(PRESETS)}, or e.g. 70 Al:21.5") from None
    return tungsten_spectrum(kvp, tuple(parse_filter(word) for word in words[1:]))


def half_value_layer_mm(spectrum: Spectrum, name: str = "Al", layers: int = 1) -> tuple[float, ...]:
    """Return the first ``layers`` half-value layers [mm] of a beam: each halves what air kerma the last one left.

    Scatter from the absorber is not counted (narrow beam, as IEC 61267 defines it).

    Raises
    ------
    InputError
        If ``layers`` is not 1 or more.
    UnknownNameError
        If the material is unknown.
    """
    if layers < 1:
        raise InputError(f"{layers} half-value layers: ask for 1 or more")
    attenuation = linear_attenuation_per_mm(name, spectrum.energy_keV)
    weights = spectrum.fluence_per_mm2_uGy * spectrum.kerma_uGy_mm2
    depths = [0.0]
    for layer in range(1, layers + 1):
        depth = depths[-1]
        # Newton's method on the kerma's logarithm, which is convex and falls: the iteration closes in from the start.
        for _ in range(60):
            left = weights * np.exp(-attenuation * depth)
            kerma = float(left.sum())
            step = math.log(kerma / 0.5**layer) * kerma / float(left @ attenuation)
            depth += step
            if abs(step) <= 1e-12 * depth:
                break
        depths.append(depth)
    return tuple(np.diff(depths).tolist())


def _bare_tube(
    kvp: float, anode_angle_deg: float, model: str, target: str = "W", transmission_um: float | None = None
) -> Iterable[NDArray[np.float64]]:
    """Return the bins of an unfiltered tube, from the cache.

    Energy [keV], fluence at 1 m [1/(mm2 mAs)], and the air kerma of one photon per mm2 [uGy mm2].
    """
    key = f"spekpy-3/{kvp!r}/{anode_angle_deg!r}/{model}/{_BIN_KEV}"
    if target != "W" or transmission_um is not None:
        key += f"/{target}/{transmission_um!r}"
    stored = load_arrays("tube", key)
    if stored is None or set(stored) != {"energy", "fluence", "kerma"}:
        stored = _run_spekpy(kvp, anode_angle_deg, model, target, transmission_um)
        store_arrays("tube", key, stored)
    return stored["energy"], stored["fluence"], stored["kerma"]


def _run_spekpy(
    kvp: float, anode_angle_deg: float, model: str, target: str, transmission_um: float | None
) -> dict[str, NDArray[np.float64]]:
    import spekpy  # noqa: PLC0415  half a second that a cached beam does not need

    # SpekPy's angle of a beam straight through a target is -90 degrees.
    through = {} if transmission_um is None else {"th": -90.0, "trans": True, "thick": transmission_um}
    how = {"kvp": kvp, "th": anode_angle_deg, "targ": target, **through}
    tube = spekpy.Spek(dk=_BIN_KEV, physics=model, z=100.0, mas=1.0, **how)
    energy, fluence = (np.asarray(item, dtype=np.float64) for item in tube.get_spectrum(edges=False, diff=False))
    # The mass energy-absorption coefficients [cm2/g] are SpekPy's own, so that its kerma is met exactly.
    absorbed = np.asarray(tube.muen_air_data.get_muen_over_rho_air(energy), dtype=np.float64)
    kerma = energy * mm2_g_from_cm2_g(1.0) * absorbed * _UGY_PER_KEV_G
    return {"energy": energy, "fluence": fluence / _MM2_PER_CM2, "kerma": kerma}
