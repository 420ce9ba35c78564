"""Where X rays leave their energy in a layered screen, and what the sensor sees of it: signal and quantum noise.

Depth-resolved diffusion (Swank 1973) gives the light spread of every depth, the sum over depths the MTF, and the sum
of its squares the noise: deposits near the sensor are sharp, deep ones are not, so noise is always sharper than
signal (Lubberts 1968; Nishikawa & Yaffe 1990). K photons carry part of the energy, and correlate the noise, sideways
(Que & Rowlands 1995). The sums are exact second moments of shot noise (Campbell's theorem).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from xsim.detector.fluorescence import layer_transfer
from xsim.detector.light_transport import layer_light
from xsim.detector.phosphors import emission_probability, phosphor
from xsim.materials import mass_coefficient_mm2_g
from xsim.units import g_mm2_from_mg_cm2, g_mm3_from_g_cm3

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.detector.phosphors import KEmitter
    from xsim.detector.screen import Screen

__all__ = ["Deposits"]


class _Term(NamedTuple):
    """One product of the sums over energy and depth: a factor by energy (n,), and by frequency and layer (nf, nz)."""

    by_energy: NDArray[np.float64]
    by_layer: NDArray[np.float64]


class Deposits:
    """What photons of each energy do in a screen.

    Only photo-absorption deposits energy; Compton scattering attenuates; coherent scattering is ignored.

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
        self._phosphor = phosphor(screen.phosphor)
        photo, compton = (
            mass_coefficient_mm2_g(self._phosphor.material, energy_keV, kind) for kind in ("photo", "compton")
        )
        removal = photo + compton
        faces = np.linspace(0.0, g_mm2_from_mg_cm2(screen.mass_thickness_mg_cm2), screen.layers + 1)
        beam = np.exp(-removal[:, None] * faces[None, :])
        profile = (photo / removal)[:, None] * -np.diff(beam, axis=1)
        self.profile: NDArray[np.float64] = profile if screen.irradiation == "front" else profile[:, ::-1]
        # (emitter, P_K): with P_K the chance that an absorption emits this element's K photon.
        self._emissions = [
            (emitter, emission_probability(self._phosphor, emitter, energy_keV)) for emitter in self._phosphor.emitters
        ]

    @property
    def absorbed(self) -> NDArray[np.float64]:
        """Return the probability that a photon is photo-absorbed, shape (n,)."""
        return np.asarray(self.profile.sum(axis=1))

    @property
    def deposited_keV(self) -> NDArray[np.float64]:
        """Return the mean energy that stays in the layer per incident photon [keV], shape (n,)."""
        deposited = self.absorbed * self.energy_keV
        for emitter, emission in self._emissions:
            kept = self._reabsorption(emitter, np.zeros(1))[0].sum(axis=1)
            deposited -= emission * emitter.photon_keV * (self.profile @ (1.0 - kept))
        return deposited

    def transfer(
        self, fluence: NDArray[np.float64], frequency_lp_mm: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return signal S(f) [keV] and noise power W(f) [keV^2] of a beam, the gap to the sensor not included.

        Parameters
        ----------
        fluence : (n,) array
            Photons of each energy per area.
        frequency_lp_mm : (nf,) array
            Spatial frequencies [lp/mm].

        Returns
        -------
        S, W : (nf,) arrays
            Both per that area; energy counts with the share of its light that reaches the sensor.
        """
        signal, noise = (
            np.sum([by_layer @ ((fluence * by_energy) @ self.profile) for by_energy, by_layer in terms], axis=0)
            for terms in self._terms(frequency_lp_mm)
        )
        return signal, noise

    def per_photon(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return S(0) [keV] and W(0) [keV^2] of one incident photon of each energy, each (n,)."""
        signal, noise = (
            np.sum([by_energy * (self.profile @ by_layer[0]) for by_energy, by_layer in terms], axis=0)
            for terms in self._terms(np.zeros(1))
        )
        return signal, noise

    def _terms(self, frequency_lp_mm: NDArray[np.float64]) -> tuple[list[_Term], list[_Term]]:
        """Return the terms of signal and noise, whose sums over energies and layers are S(f) and W(f)."""
        E = self.energy_keV
        screen = self.screen
        excess = 1.0 + screen.optics.gain_noise
        G, G_2 = layer_light(screen.optics, screen.thickness_mm, screen.layers, frequency_lp_mm)
        # Energy and squared energy that stay where the photon is absorbed.
        local, local_2 = E, E**2
        signal, noise = [], []
        for emitter, P_K in self._emissions:
            E_K = emitter.photon_keV
            K = self._reabsorption(emitter, frequency_lp_mm)
            K_0 = self._reabsorption(emitter, np.zeros(1))[0]
            # Light of the K photon of an absorption in layer i, wherever it ends.
            G_K = np.einsum("fij,fj->fi", K, G)
            local = local - P_K * E_K
            local_2 = local_2 - P_K * E_K * (2.0 * E - E_K)
            signal.append(_Term(P_K * E_K, G_K))
            noise.append(_Term(excess * P_K * E_K**2, G_2 @ K_0.T))
            # The two deposits of one photon are correlated: their light adds in amplitude.
            noise.append(_Term(2.0 * P_K * (E - E_K) * E_K, G * G_K))
        signal.append(_Term(local, G))
        noise.append(_Term(excess * local_2, G_2))
        return signal, noise

    def _reabsorption(self, emitter: KEmitter, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return K_ij(f): K photons born in layer i and photo-absorbed in layer j, shape (nf, nz, nz)."""
        screen = self.screen
        photo, compton = (
            float(mass_coefficient_mm2_g(self._phosphor.material, emitter.photon_keV, kind)[0])
            for kind in ("photo", "compton")
        )
        attenuation_per_mm = (photo + compton) * g_mm3_from_g_cm3(screen.density_g_cm3)
        layer_mm = screen.thickness_mm / screen.layers
        steps = layer_transfer(attenuation_per_mm, layer_mm, screen.layers, frequency_lp_mm)
        index = np.arange(screen.layers)
        return steps[:, np.abs(index[:, None] - index)] * (photo / (photo + compton))
