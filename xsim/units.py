"""Unit conversions, each named ``y_from_x``; nothing else in xsim multiplies by powers of ten.

Inside xsim lengths are mm, spatial frequencies lp/mm, energies keV, air kerma uGy, mass thicknesses mg/cm2,
fluences photons/mm2 and NNPS mm2.
"""

from __future__ import annotations

__all__ = ["g_mm2_from_mg_cm2", "g_mm3_from_g_cm3", "mass_thickness_mm", "mm2_g_from_cm2_g", "mm_from_um"]


def mm_from_um(length_um: float) -> float:
    """Convert a length from um to mm."""
    return length_um * 1e-3


def g_mm2_from_mg_cm2(mass_thickness_mg_cm2: float) -> float:
    """Convert a mass thickness from mg/cm2 to g/mm2 (1 mg/cm2 = 1e-5 g/mm2)."""
    return mass_thickness_mg_cm2 * 1e-5


def mg_cm2_from_g_mm2(mass_per_area_g_mm2: float) -> float:
    """Convert a mass per area from g/mm2 to mg/cm2 (1 g/mm2 = 1e5 mg/cm2)."""
    return mass_per_area_g_mm2 * 1e5


def g_mm3_from_g_cm3(density_g_cm3: float) -> float:
    """Convert a density from g/cm3 to g/mm3."""
    return density_g_cm3 * 1e-3


def mm2_g_from_cm2_g(coefficient_cm2_g: float) -> float:
    """Convert a mass attenuation coefficient from cm2/g to mm2/g."""
    return coefficient_cm2_g * 100.0


def mass_thickness_mm(mass_thickness_mg_cm2: float, density_g_cm3: float) -> float:
    """Return the geometric thickness [mm] of a layer of given mass thickness and density."""
    return g_mm2_from_mg_cm2(mass_thickness_mg_cm2) / g_mm3_from_g_cm3(density_g_cm3)
