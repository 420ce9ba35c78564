"""A phosphor screen: X rays in, light out, blur and quantum noise from its mass thickness alone.

Depth-resolved diffusion (Swank 1973) gives the light spread of every depth, the sum over depths the MTF, and the sum
of its squares the noise: deposits near the sensor are sharp, deep ones are not, so noise is always sharper than
signal (Lubberts 1968; Nishikawa & Yaffe 1990). K photons carry part of the energy, and correlate the noise, sideways
(Que & Rowlands 1995). The sums are exact second moments of shot noise (Campbell's theorem).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Literal

import numpy as np

from xsim.errors import InputError, check_range
from xsim.fluorescence import layer_transfer
from xsim.light_transport import Optics, gap_mtf, light_transfer
from xsim.materials import mass_coefficient_mm2_g
from xsim.phosphors import emission_probability, phosphor
from xsim.units import g_mm2_from_mg_cm2, mass_thickness_mm

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from xsim.spectrum import Spectrum

__all__ = ["Deposits", "Screen", "ScreenSignal"]

MASS_THICKNESS_RANGE_MG_CM2: Final = (0.001, 1000.0)
_LAYER_MM: Final = 0.008


@dataclass(frozen=True)
class Screen:
    """A phosphor screen in front of a light sensor.

    Parameters
    ----------
    mass_thickness_mg_cm2 : float
        Phosphor per area [mg/cm2], binder not counted.
    phosphor : str
        ``Gd2O2S``, ``CaWO4`` or ``CsI`` (the last two with the caveat that `xsim.phosphors` gives).
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
        """Return how many sub-layers the depth integrals use: 8 um each, at least 32."""
        return max(32, round(self.thickness_mm / _LAYER_MM))

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


class Deposits:
    """What photons of each energy do in a screen: where they are absorbed and how their energy is shared.

    Parameters
    ----------
    screen : Screen
        The screen.
    energy_keV : (n,) array
        Photon energies [keV].

    Attributes
    ----------
    profile : (n, nz) array
        Probability of photo-absorption in each layer, the layer at the backing first.
    """

    def __init__(self, screen: Screen, energy_keV: NDArray[np.float64]) -> None:
        self.screen = screen
        self.energy_keV = energy_keV
        powder = phosphor(screen.phosphor)
        self._powder = powder
        photo = mass_coefficient_mm2_g(powder.material, energy_keV, "photo")
        removal = photo + mass_coefficient_mm2_g(powder.material, energy_keV, "compton")
        # Only photo-absorption deposits; Compton scattering attenuates; coherent scattering is ignored.
        faces = np.linspace(0.0, g_mm2_from_mg_cm2(screen.mass_thickness_mg_cm2), screen.layers + 1)
        beam = np.exp(-removal[:, None] * faces[None, :])
        profile = (photo / removal)[:, None] * -np.diff(beam, axis=1)
        self.profile = profile if screen.irradiation == "front" else profile[:, ::-1]
        self._emission = [emission_probability(powder, emitter, energy_keV) for emitter in powder.emitters]

    @property
    def absorbed(self) -> NDArray[np.float64]:
        """Return the probability that a photon is photo-absorbed, shape (n,)."""
        share: NDArray[np.float64] = self.profile.sum(axis=1)
        return share

    @property
    def deposited_keV(self) -> NDArray[np.float64]:
        """Return the mean energy that stays in the layer per incident photon [keV], shape (n,)."""
        energy = self.absorbed * self.energy_keV
        for emitter, emission in zip(self._powder.emitters, self._emission, strict=True):
            kept = self._reabsorption(emitter.photon_keV, np.zeros(1))[0].sum(axis=1)
            energy -= emission * emitter.photon_keV * (self.profile @ (1.0 - kept))
        return energy

    def transfer(
        self, weights: NDArray[np.float64], frequency_lp_mm: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return S(f) [keV] and W(f) [keV2] summed over energies with these weights, each of shape (nf,)."""
        G = self._light(frequency_lp_mm)
        energy = self.energy_keV
        local, local_2 = weights * energy, weights * energy**2
        S = np.zeros(len(frequency_lp_mm))
        W = np.zeros(len(frequency_lp_mm))
        excess = 1.0 + self.screen.optics.gain_noise
        for emitter, emission in zip(self._powder.emitters, self._emission, strict=True):
            E_K = emitter.photon_keV
            K = self._reabsorption(E_K, frequency_lp_mm)
            G_K = np.einsum("fij,fj->fi", K, G)
            G2_K = np.square(G) @ self._reabsorption(E_K, np.zeros(1))[0].T
            emitted = weights * emission
            local = local - emitted * E_K
            local_2 = local_2 - emitted * E_K * (2.0 * energy - E_K)
            S += G_K @ ((emitted * E_K) @ self.profile)
            W += excess * (G2_K @ ((emitted * E_K**2) @ self.profile))
            # The two deposits of one photon are correlated: their light adds in amplitude.
            W += (G * G_K) @ ((emitted * 2.0 * (energy - E_K) * E_K) @ self.profile)
        S += G @ (local @ self.profile)
        W += excess * (np.square(G) @ (local_2 @ self.profile))
        return S, W

    def zero_frequency(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return signal [keV] and noise power [keV2] at f = 0 of one incident photon of each energy, each (n,)."""
        G = self._light(np.zeros(1))[0]
        energy = self.energy_keV
        excess = 1.0 + self.screen.optics.gain_noise
        local, local_2 = energy.copy(), energy**2
        S, W = np.zeros_like(energy), np.zeros_like(energy)
        for emitter, emission in zip(self._powder.emitters, self._emission, strict=True):
            E_K = emitter.photon_keV
            K = self._reabsorption(E_K, np.zeros(1))[0]
            local -= emission * E_K
            local_2 -= emission * E_K * (2.0 * energy - E_K)
            S += emission * E_K * (self.profile @ (K @ G))
            W += emission * E_K**2 * excess * (self.profile @ (K @ G**2))
            W += emission * 2.0 * (energy - E_K) * E_K * (self.profile @ (G * (K @ G)))
        return S + local * (self.profile @ G), W + local_2 * excess * (self.profile @ G**2)

    def _light(self, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return G of every layer's centre, shape (nf, nz)."""
        screen = self.screen
        centres = np.asarray((np.arange(screen.layers) + 0.5) * (screen.thickness_mm / screen.layers), np.float64)
        return light_transfer(screen.optics, screen.thickness_mm, centres, frequency_lp_mm)

    def _reabsorption(self, photon_keV: float, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return K_ij(f): K photons born in layer i and photo-absorbed in layer j, shape (nf, nz, nz)."""
        screen = self.screen
        photo, compton = (
            float(mass_coefficient_mm2_g(self._powder.material, photon_keV, kind)[0]) for kind in ("photo", "compton")
        )
        attenuation = (photo + compton) * screen.density_g_cm3 * 1e-3
        layer = screen.thickness_mm / screen.layers
        steps = layer_transfer(attenuation, layer, screen.layers, frequency_lp_mm) * (photo / (photo + compton))
        index = np.arange(screen.layers)
        return steps[:, np.abs(index[:, None] - index[None, :])]
