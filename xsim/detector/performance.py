"""The figures by which detectors are compared: absorption, Swank factor, MTF, NNPS, DQE, SRb, SNRn.

SRb is computed as the duplex wire gauge would show it (ISO 19232-5): a wire pair is two wires of diameter d, d apart.
It counts as unresolved when the dip between the two peaks of its blurred profile falls below 20 %, and SRb is the
diameter at which that happens. Thin absorption is assumed, so that the profile is the chord of the wires.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import j1

from xsim.curves import RadialCurve
from xsim.detector.phosphors import phosphor
from xsim.detector.response import DetectorResponse
from xsim.errors import InputError, check_range

__all__ = [
    "REFERENCE_SRB_MM",
    "Performance",
    "basic_spatial_resolution_mm",
    "duplex_wire_dip",
    "frequency_of",
    "performance",
]

# ISO 19232-5: a pair whose dip is below 20 % is not resolved.
_DIP: Final = 0.2
# Where SRb is looked for: wider and narrower than any screen that the model describes.
_DIAMETERS_MM: Final = (1e-3, 5.0)
# Frequencies in units of 1/d, and where a peak may lie in units of d.
_WAVES: Final = np.linspace(0.0, 8.0, 1601)[1:] - 0.0025
_PLACES: Final = np.linspace(0.0, 1.5, 61)
# The spectrum of two round wires, and what of it stands at each place.
_WIRES: Final = j1(np.pi * _WAVES) / _WAVES * np.cos(2.0 * np.pi * _WAVES)
_PROFILE: Final = np.cos(2.0 * np.pi * _PLACES[:, None] * _WAVES) * _WIRES


def duplex_wire_dip(otf: Callable[[NDArray[np.float64]], NDArray[np.float64]], diameter_mm: float) -> float:
    """Return the dip of a pair of wires of a diameter [mm]: 1 - centre / peak of its blurred profile, or 0.

    ``otf`` turns frequencies [lp/mm] into the presampled transfer function, aperture included, with its sign.
    """
    profile = _PROFILE @ otf(_WAVES / diameter_mm)
    return float(1.0 - profile[0] / profile.max())


def basic_spatial_resolution_mm(otf: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> float:
    """Return SRb [mm]: the wire diameter whose pair dips by 20 % (see `duplex_wire_dip`), NaN beyond 0.001 to 5 mm."""
    low, high = _DIAMETERS_MM
    if duplex_wire_dip(otf, low) > _DIP or duplex_wire_dip(otf, high) < _DIP:
        return float("nan")
    # The dip rises with the diameter: halve the interval, on a logarithmic scale, down to 1e-4 of the diameter.
    while high > low * (1.0 + 1e-4):
        middle = float(np.sqrt(low * high))
        low, high = (middle, high) if duplex_wire_dip(otf, middle) < _DIP else (low, middle)
    return float(np.sqrt(low * high))


REFERENCE_SRB_MM: Final = 0.0886
"""SNRn is the SNR that a detector with this basic spatial resolution would have [mm] (ISO 17636-2)."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Performance:
    """Figures of one detector in one beam, open field, one frame.

    Parameters
    ----------
    mass_thickness_mg_cm2, phosphor, caveat
        The screen, and where the model stops describing its phosphor (empty where it does).
    pitch_mm, kerma_uGy : float
        Pixel pitch [mm] and air kerma of the frame [uGy].
    absorption_quantum, absorption_energy, light_escape : float
        A_Q, A_E, and the share of the light that reaches the sensor.
    swank, dqe0 : float
        Swank factor, and DQE(0) = A_Q * Swank, of the screen alone.
    frequency_lp_mm : (n,) array
        Spatial frequencies [lp/mm] of the curves.
    mtf_screen, mtf : (n,) arrays
        MTF of screen and gap (and of direct hits where they are counted), and presampled MTF along a pixel axis; of
        oblique rays the mean over all directions.
    incidence_deg : float
        Angle between the rays and the screen's normal [degree].
    mtf_along, mtf_across : (n,) arrays
        Presampled MTF along and across the tilt of oblique rays.
    nnps_mm2, dqe, lubberts : (n,) arrays
        Digital NNPS [mm2], DQE with it, and the Lubberts factor.
    f50_lp_mm, f10_lp_mm : float
        Where the screen's MTF falls to 0.5 and 0.1 [lp/mm].
    pixel_sigma : float
        Relative standard deviation of a pixel.
    signal_electrons, full_well_share : float
        Mean signal [electrons] and its share of the full well; above 1 the open field saturates.
    srb_mm, snrn : float
        Basic spatial resolution [mm] (ISO 19232-5) and normalised SNR (ISO 17636-2).
    hits_per_pixel, hit_share, hit_variance_share : float
        Direct hits of a pixel and frame, and their shares of the signal and of the variance of a pixel; 0 where the
        sensor counts none.
    """

    mass_thickness_mg_cm2: float
    phosphor: str
    caveat: str
    pitch_mm: float
    kerma_uGy: float
    absorption_quantum: float
    absorption_energy: float
    light_escape: float
    swank: float
    dqe0: float
    frequency_lp_mm: NDArray[np.float64]
    mtf_screen: NDArray[np.float64]
    mtf: NDArray[np.float64]
    incidence_deg: float
    mtf_along: NDArray[np.float64]
    mtf_across: NDArray[np.float64]
    nnps_mm2: NDArray[np.float64]
    dqe: NDArray[np.float64]
    lubberts: NDArray[np.float64]
    f50_lp_mm: float
    f10_lp_mm: float
    pixel_sigma: float
    signal_electrons: float
    full_well_share: float
    srb_mm: float
    snrn: float
    hits_per_pixel: float
    hit_share: float
    hit_variance_share: float


def performance(response: DetectorResponse, frequency_lp_mm: ArrayLike) -> Performance:
    """Return the figures of a detector in a beam.

    Parameters
    ----------
    response : DetectorResponse
        The detector in its beam, at its kerma.
    frequency_lp_mm : (n,) array
        Where MTF, NNPS and DQE are wanted [lp/mm], rising from 0 or above.

    Raises
    ------
    InputError
        If the frequencies are not usable.
    """
    frequency = np.atleast_1d(np.asarray(frequency_lp_mm, dtype=np.float64))
    if frequency.ndim != 1 or not frequency.size or (np.diff(frequency) <= 0).any():
        raise InputError("frequencies must rise, each larger than the last: sort them")
    check_range("spatial frequency", frequency[0], 0.0, 1000.0, "lp/mm")
    check_range("spatial frequency", frequency[-1], 0.0, 1000.0, "lp/mm")
    screen = response.screen
    signal = screen.expose(response.spectrum, frequency)
    along, across = response.mtf_by_direction(frequency)
    srb_mm = basic_spatial_resolution_mm(response.otf)
    return Performance(
        mass_thickness_mg_cm2=screen.mass_thickness_mg_cm2,
        phosphor=screen.phosphor,
        caveat=phosphor(screen.phosphor).caveat,
        pitch_mm=response.pitch_mm,
        kerma_uGy=response.kerma_uGy,
        absorption_quantum=signal.absorption_quantum,
        absorption_energy=signal.absorption_energy,
        light_escape=signal.light_escape,
        swank=signal.swank,
        dqe0=signal.dqe0,
        frequency_lp_mm=frequency,
        mtf_screen=response.screen_mtf(frequency),
        mtf=response.mtf(frequency),
        incidence_deg=screen.incidence_deg,
        mtf_along=along,
        mtf_across=across,
        nnps_mm2=response.nnps(frequency),
        dqe=response.dqe(frequency),
        lubberts=signal.lubberts,
        f50_lp_mm=frequency_of(response.screen_mtf, 0.5),
        f10_lp_mm=frequency_of(response.screen_mtf, 0.1),
        pixel_sigma=response.pixel_sigma,
        signal_electrons=response.signal_electrons,
        full_well_share=response.signal_electrons / response.sensor.full_well_e,
        srb_mm=srb_mm,
        snrn=REFERENCE_SRB_MM / srb_mm / response.pixel_sigma,
        hits_per_pixel=0.0 if response.hits is None else response.hits.total,
        hit_share=response.hit_share,
        hit_variance_share=response.hit_nnps_mm2 / (response.pixel_sigma * response.pitch_mm) ** 2,
    )


def frequency_of(mtf: RadialCurve, level: float) -> float:
    """Return the lowest frequency [lp/mm] at which an MTF falls to a level below 1; NaN if its table never does."""
    frequency = np.linspace(0.0, mtf.frequency_lp_mm[-1], 16385)
    value = mtf(frequency)
    below = np.flatnonzero(value < level)
    if not below.size:
        return float("nan")
    end = int(below[0])
    share = (value[end - 1] - level) / (value[end - 1] - value[end])
    return float(frequency[end - 1] + share * (frequency[end] - frequency[end - 1]))
