"""A phosphor screen: X rays in, light out, blur and quantum noise from its mass thickness alone."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from xsim.detector.deposits import Deposits
from xsim.detector.light_transport import Optics, gap_mtf
from xsim.detector.phosphors import phosphor
from xsim.errors import InputError, check_range
from xsim.units import mass_thickness_mm

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from xsim.spectrum import Spectrum

__all__ = ["Screen", "ScreenSignal"]

MASS_THICKNESS_RANGE_MG_CM2: Final = (0.001, 1000.0)
_LAYER_MM: Final = 0.008


@dataclass(frozen=True)
class Screen:
    """A phosphor screen in front of a light sensor.

    Left out: the range of photo-electrons (some micrometres), energy left by Compton and coherent scattering (less
    than 5 %), light made of X rays that the sensor absorbs itself, and the structure of grains.

    Parameters
    ----------
    mass_thickness_mg_cm2 : float
        Phosphor per area [mg/cm2], binder not counted.
    phosphor : str
        ``Gd2O2S``, ``CaWO4`` or ``CsI`` (the last two with the caveat that `xsim.detector.phosphors` gives).
    optics : Optics
        Optical constants.
    irradiation : {"front", "back"}
        Where X rays enter: through the backing (front), or through the sensor (back: absorption is densest at the
        sensor, and the image sharper).
    packing : float, optional
        Share of the layer's volume that is phosphor; the phosphor's usual one if not given.

    Raises
    ------
    PhysicsRangeError
        If the mass thickness is outside 0.001 to 1000 mg/cm2 or the packing outside 0.05 to 1.
    UnknownNameError
        If the phosphor is unknown.
    """

    mass_thickness_mg_cm2: float
    phosphor: str = "Gd2O2S"
    optics: Optics = field(default_factory=Optics)
    irradiation: Literal["front", "back"] = "front"
    packing: float | None = None

    def __post_init__(self) -> None:
        check_range("mass thickness", self.mass_thickness_mg_cm2, *MASS_THICKNESS_RANGE_MG_CM2, "mg/cm2")
        if self.packing is not None:
            check_range("packing", self.packing, 0.05, 1.0)
        if self.irradiation not in {"front", "back"}:
            raise InputError(f"irradiation '{self.irradiation}' is not known: give front or back")
        phosphor(self.phosphor)

    @property
    def density_g_cm3(self) -> float:
        """Return the phosphor mass per volume of layer [g/cm3]."""
        powder = phosphor(self.phosphor)
        packing = powder.packing if self.packing is None else self.packing
        return powder.material.density_g_cm3 * packing

    @property
    def thickness_mm(self) -> float:
        """Return the geometric thickness of the layer [mm]."""
        return mass_thickness_mm(self.mass_thickness_mg_cm2, self.density_g_cm3)

    @property
    def layers(self) -> int:
        """Return how many sub-layers the depth integrals use: 8 um each, but 32 to 96."""
        return min(max(32, round(self.thickness_mm / _LAYER_MM)), 96)

    def deposits(self, energy_keV: ArrayLike) -> Deposits:
        """Return where and how photons of each energy deposit theirs, and what the sensor sees of it at f = 0."""
        return Deposits(self, np.asarray(energy_keV, dtype=np.float64))

    def expose(self, spectrum: Spectrum, frequency_lp_mm: ArrayLike) -> ScreenSignal:
        """Return signal and quantum noise of the screen in a beam, at spatial frequencies [lp/mm]."""
        frequency = np.atleast_1d(np.asarray(frequency_lp_mm, dtype=np.float64))
        deposits = self.deposits(spectrum.energy_keV)
        fluence = spectrum.fluence_per_mm2_uGy
        zero_and_all = np.concatenate(([0.0], frequency))
        signal, noise = deposits.transfer(fluence, zero_and_all)
        gap = gap_mtf(self.optics, frequency)
        return ScreenSignal(
            frequency_lp_mm=frequency,
            mtf=signal[1:] / signal[0] * gap,
            noise_keV2_per_mm2_uGy=noise[1:] * np.square(gap),
            signal_keV_per_mm2_uGy=float(signal[0]),
            zero_noise_keV2_per_mm2_uGy=float(noise[0]),
            absorbed_per_mm2_uGy=float(fluence @ deposits.absorbed),
            deposited_keV_per_mm2_uGy=float(fluence @ deposits.deposited_keV),
            fluence_per_mm2_uGy=float(fluence.sum()),
            incident_keV_per_mm2_uGy=float(fluence @ spectrum.energy_keV),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ScreenSignal:
    """Signal and quantum noise of a screen in a beam, per uGy of air kerma.

    Parameters
    ----------
    frequency_lp_mm, mtf, noise_keV2_per_mm2_uGy : (n,) arrays
        Spatial frequencies, MTF and quantum noise power W(f), gap included.
    signal_keV_per_mm2_uGy, zero_noise_keV2_per_mm2_uGy : float
        S(0) and W(0): light that reaches the sensor, in keV of deposited energy, and its noise power.
    absorbed_per_mm2_uGy, deposited_keV_per_mm2_uGy : float
        Photons absorbed, and the energy that stays in the layer.
    fluence_per_mm2_uGy, incident_keV_per_mm2_uGy : float
        Photons and energy of the beam.
    """

    frequency_lp_mm: NDArray[np.float64]
    mtf: NDArray[np.float64]
    noise_keV2_per_mm2_uGy: NDArray[np.float64]
    signal_keV_per_mm2_uGy: float
    zero_noise_keV2_per_mm2_uGy: float
    absorbed_per_mm2_uGy: float
    deposited_keV_per_mm2_uGy: float
    fluence_per_mm2_uGy: float
    incident_keV_per_mm2_uGy: float

    @property
    def absorption_quantum(self) -> float:
        """Return A_Q, the share of photons absorbed."""
        return self.absorbed_per_mm2_uGy / self.fluence_per_mm2_uGy

    @property
    def absorption_energy(self) -> float:
        """Return A_E, the share of the beam's energy that stays in the layer."""
        return self.deposited_keV_per_mm2_uGy / self.incident_keV_per_mm2_uGy

    @property
    def light_escape(self) -> float:
        """Return the share of the light that reaches the sensor."""
        return self.signal_keV_per_mm2_uGy / self.deposited_keV_per_mm2_uGy

    @property
    def swank(self) -> float:
        """Return the Swank factor S(0)^2 / (Phi A_Q W(0))."""
        return self.signal_keV_per_mm2_uGy**2 / (self.absorbed_per_mm2_uGy * self.zero_noise_keV2_per_mm2_uGy)

    @property
    def dqe0(self) -> float:
        """Return the zero-frequency DQE of the screen alone."""
        return self.signal_keV_per_mm2_uGy**2 / (self.fluence_per_mm2_uGy * self.zero_noise_keV2_per_mm2_uGy)

    @property
    def lubberts(self) -> NDArray[np.float64]:
        """Return the Lubberts factor MTF^2(f) / [W(f) / W(0)], shape (n,): 1 where noise is blurred like signal."""
        return np.square(self.mtf) / (self.noise_keV2_per_mm2_uGy / self.zero_noise_keV2_per_mm2_uGy)

    def nnps_mm2(self, kerma_uGy: float) -> NDArray[np.float64]:
        """Return the quantum NNPS [mm2] at an air kerma, before any pixel, shape (n,)."""
        power: NDArray[np.float64] = self.noise_keV2_per_mm2_uGy / (self.signal_keV_per_mm2_uGy**2 * kerma_uGy)
        return power
