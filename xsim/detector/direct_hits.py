"""Direct hits: X rays that pass the screen and are absorbed in the sensor's own silicon.

A hit makes an electron for each 3.65 eV, some 10^4 of them, where a photon that the screen absorbs makes hundreds; and
they land in one pixel, unblurred by the screen. So one hit in a pixel and frame makes a few per cent of the signal, and
at the Nyquist frequency most of the noise (Yun et al., IEEE Trans. Nucl. Sci., 2009; with and without a fibre-optic
plate: Alikunju et al., Nucl. Instrum. Meth. A 1050, 168136, 2023).

What hits: photons that pass the screen without photo-absorption or Compton scattering (coherent scattering is forward,
and leaves them in the beam), and K photons that leave the screen towards the sensor. A K photon's hit is taken as
independent of the light that its parent left in the screen, which is a few per cent of its charge. Left out: the range
of photo-electrons in silicon (9 um at 30 keV: they carry charge out of a thin layer and into it, which keeps the mean
and lowers the variance), Compton electrons in silicon (some keV), and what the plate's glass scatters and fluoresces.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray
from scipy.special import expn

from xsim.detector.sensor import Sensor, plate_glass
from xsim.materials import mass_coefficient_mm2_g, material
from xsim.units import g_mm3_from_g_cm3

if TYPE_CHECKING:
    from xsim.detector.screen import Screen
    from xsim.spectrum import Spectrum

__all__ = ["DirectHits", "direct_hits", "hit_moments"]

# 3.65 eV make one electron in silicon at room temperature (Scholze et al., J. Appl. Phys. 84, 2926, 1998: 3.66).
_ELECTRONS_PER_KEV: Final = 1e3 / 3.65


@dataclass(frozen=True, eq=False)
class DirectHits:
    """Direct hits of one photodiode and frame in the open field.

    Parameters
    ----------
    charge_e : (k,) array
        Charge of a hit of each kind [electrons].
    number : (k,) array
        Mean number of hits of each kind.
    """

    charge_e: NDArray[np.float64]
    number: NDArray[np.float64]

    @property
    def total(self) -> float:
        """Return the mean number of hits."""
        return float(self.number.sum())

    @property
    def signal_e(self) -> float:
        """Return their mean charge [electrons]."""
        return float(self.number @ self.charge_e)

    @property
    def variance_e2(self) -> float:
        """Return the variance of their charge [electrons^2], that of a compound Poisson process."""
        return float(self.number @ np.square(self.charge_e))

    def times(self, factor: float) -> DirectHits:
        """Return the hits of so many times the kerma."""
        return replace(self, number=self.number * factor)


def direct_hits(screen: Screen, sensor: Sensor, spectrum: Spectrum, kerma_uGy: float) -> DirectHits | None:
    """Return the hits of a frame at an air kerma [uGy]; None where the sensor's silicon is not counted."""
    if sensor.active_silicon_mm == 0:
        return None
    energy = spectrum.energy_keV
    through, fluorescent = _hits_per_photon(screen, sensor, energy)
    photons = spectrum.fluence_per_mm2_uGy * (kerma_uGy * screen.incidence_cosine * sensor.aperture_mm**2)
    return DirectHits(
        _ELECTRONS_PER_KEV * np.append(energy, [photon_keV for photon_keV, _ in fluorescent]),
        np.append(photons * through, [photons @ share for _, share in fluorescent]),
    )


def hit_moments(
    screen: Screen, sensor: Sensor, energy_keV: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return mean charge [electrons] and mean squared charge of the hits of one photon of each energy, (n,) each."""
    through, fluorescent = _hits_per_photon(screen, sensor, energy_keV)
    charge = _ELECTRONS_PER_KEV * energy_keV
    first, second = through * charge, through * np.square(charge)
    for photon_keV, share in fluorescent:
        charge_K = _ELECTRONS_PER_KEV * photon_keV
        first, second = first + share * charge_K, second + share * charge_K**2
    return first, second


def _hits_per_photon(
    screen: Screen, sensor: Sensor, energy_keV: NDArray[np.float64]
) -> tuple[NDArray[np.float64], list[tuple[float, NDArray[np.float64]]]]:
    """Return hits per photon that enters the detector: by itself, (n,), and by its K photons, as (energy, (n,)).

    X rays that enter by the back meet the silicon before the screen.
    """
    deposits = screen.deposits(energy_keV)
    attenuation, absorbed = _silicon(sensor, energy_keV)
    cosine = screen.incidence_cosine
    through = -np.expm1(-attenuation / cosine) * absorbed
    if screen.irradiation == "front":
        through = through * deposits.transmission * np.exp(-_plate(sensor, energy_keV) / cosine)
    fluorescent = []
    for emitter, emission in deposits.emissions:
        leaves = _leaving(screen, sensor, emitter.photon_keV, deposits.removal_per_mm(emitter.photon_keV))
        fluorescent.append((emitter.photon_keV, emission * (deposits.profile @ leaves)))
    return through, fluorescent


def _leaving(screen: Screen, sensor: Sensor, photon_keV: float, removal_per_mm: float) -> NDArray[np.float64]:
    """Return the chance that a K photon born uniformly in a layer ends in the silicon, (nz,), backing first.

    It leaves isotropically: the half towards the sensor at a cosine c passes exp(-a / c) of an optical depth a, whose
    mean over c is the exponential integral E2(a), and over a layer a difference of E3.
    """
    energy = np.array([photon_keV])
    silicon, absorbed = (float(value[0]) for value in _silicon(sensor, energy))
    layer = removal_per_mm * screen.thickness_mm / screen.layers
    near = np.arange(screen.layers)[::-1] * layer + float(_plate(sensor, energy)[0])
    at_silicon = expn(3, near) - expn(3, near + layer)
    behind_it = expn(3, near + silicon) - expn(3, near + layer + silicon)
    return np.asarray(absorbed * (at_silicon - behind_it) / (2.0 * layer))


def _silicon(sensor: Sensor, energy_keV: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the optical depth of the active silicon, and the share of what it removes that is photo-absorbed."""
    photo, compton = (mass_coefficient_mm2_g("Si", energy_keV, kind) for kind in ("photo", "compton"))
    density = g_mm3_from_g_cm3(material("Si").density_g_cm3)
    return (photo + compton) * (density * sensor.active_silicon_mm), photo / (photo + compton)


def _plate(sensor: Sensor, energy_keV: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the optical depth of the fibre-optic plate, (n,)."""
    if sensor.fibre_plate_mm == 0:
        return np.zeros(energy_keV.shape)
    glass = plate_glass(sensor.fibre_plate_glass)
    photo, compton = (mass_coefficient_mm2_g(glass, energy_keV, kind) for kind in ("photo", "compton"))
    depth: NDArray[np.float64] = (photo + compton) * (g_mm3_from_g_cm3(glass.density_g_cm3) * sensor.fibre_plate_mm)
    return depth
