"""A phosphor screen: X rays in, light out, blur and quantum noise from its mass thickness alone.

Depth-resolved diffusion (Swank 1973) gives the light spread of every depth, the sum over depths the MTF, and the sum
of its squares the noise: deposits near the sensor are sharp, deep ones are not, so noise is always sharper than
signal (Lubberts 1968; Nishikawa & Yaffe 1990). K photons carry part of the energy, and correlate the noise, sideways
(Que & Rowlands 1995). The sums are exact second moments of shot noise (Campbell's theorem).

A K photon leaves isotropically and is attenuated by exp(-mu r). The density of its absorption is mu exp(-mu r) /
(4 pi r^2); with 1/r^2 exp(-mu r) = integral over m > mu of exp(-m r)/r, its two-dimensional transform at a depth
distance z is (mu/2) * integral over m > mu of exp(-kappa z)/kappa dm, kappa^2 = m^2 + (2 pi f)^2: a sum of pure
exponentials in z, which integrates over both layers in closed form and oscillates nowhere. At f = 0 it becomes the
exponential integral E3 that the one-dimensional theory has.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.detector.light_transport import Optics, gap_mtf, layer_light
from xsim.detector.phosphors import PRODUCTS, KEmitter, emission_probability, phosphor
from xsim.errors import InputError, UnknownNameError, check_range
from xsim.keywords import names_keywords
from xsim.materials import mass_coefficient_mm2_g
from xsim.spectrum import Spectrum
from xsim.units import g_mm2_from_mg_cm2, g_mm3_from_g_cm3, mass_thickness_mm

_Terms = list[tuple[NDArray[np.float64], NDArray[np.float64]]]

__all__ = ["Deposits", "Screen", "ScreenSignal", "layer_transfer"]

# Gauss-Legendre nodes in ln m, and where they end in units of 1/layer; beyond, the tail is known in closed form.
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(40)
_END: Final = 200.0


def layer_transfer(
    attenuation_per_mm: float, layer_mm: float, count: int, frequency_lp_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the transform K_n(f) of where K photons from one layer are removed in another, (nf, count).

    At f = 0 it is the probability that a photon born uniformly in layer i is removed in layer i + n (or i - n);
    elsewhere that probability times the MTF of its lateral spread. ``count`` is the number of layers, and the
    attenuation [1/mm] that of the K photons.
    """
    share, weight = (_NODES + 1.0) / 2.0, _WEIGHTS / 2.0
    # Work in units of the layer: m, kappa and the frequency all times layer_mm.
    start = attenuation_per_mm * layer_mm
    wave = (2.0 * np.pi * layer_mm) * frequency_lp_mm[:, None]
    end = np.maximum(_END, 20.0 * wave)
    span = np.log(end / start)
    m = start * np.exp(span * share[None, :])
    kappa = np.hypot(m, wave)
    measure = weight[None, :] * span * m / kappa

    decay = np.exp(-kappa)
    transfer = np.empty((len(frequency_lp_mm), count))
    lost = -np.expm1(-kappa)
    # Within a layer the closed form cancels for small kappa, where its series is exact enough.
    same = np.where(kappa > 1e-3, 2.0 * (kappa - lost) / np.square(np.maximum(kappa, 1e-3)), 1.0 - kappa / 3.0)
    tail = 1.0 / end[:, 0]
    transfer[:, 0] = (measure * same).sum(axis=1) + 2.0 * tail - np.square(tail)
    other = measure * np.square(lost / kappa)
    for n in range(1, count):
        transfer[:, n] = other.sum(axis=1)
        other *= decay
    if count > 1:
        transfer[:, 1] += 0.5 * np.square(tail)
    return (0.5 * start) * transfer


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
    transmission : (n,) array
        Share of the photons that pass the whole layer.
    emissions : list of (KEmitter, (n,) array)
        Elements that emit K photons, each with the chance that an absorption emits its K photon.
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
        self.transmission: NDArray[np.float64] = beam[:, -1]
        self.emissions = [
            (emitter, emission_probability(self._phosphor, emitter, energy_keV)) for emitter in self._phosphor.emitters
        ]

    def deposited_keV(self) -> NDArray[np.float64]:
        """Return the mean energy that stays in the layer per incident photon [keV], shape (n,)."""
        deposited: NDArray[np.float64] = self.profile.sum(axis=1) * self.energy_keV
        for emitter, emission in self.emissions:
            kept = self._reabsorption(emitter, np.zeros(1))[0].sum(axis=1)
            deposited -= emission * emitter.photon_keV * (self.profile @ (1.0 - kept))
        return deposited

    def transfer(
        self, fluence: NDArray[np.float64], frequency_lp_mm: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return signal S(f) [keV] and noise power W(f) [keV^2] of a beam, (nf,) each, without the gap to the sensor.

        Both are per area, as is the fluence of each energy, (n,); energy counts with the share of its light that
        reaches the sensor.
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

    def _terms(self, frequency_lp_mm: NDArray[np.float64]) -> tuple[_Terms, _Terms]:
        """Return the terms of signal and noise, whose sums over energies and layers are S(f) and W(f).

        A term is a factor by energy (n,), and one by frequency and layer (nf, nz).
        """
        E = self.energy_keV
        screen = self.screen
        excess = 1.0 + screen.optics.gain_noise
        G, G_2 = layer_light(screen.optics, screen.thickness_mm, screen.layers, frequency_lp_mm)
        # Energy and squared energy that stay where the photon is absorbed.
        local, local_2 = E, E**2
        signal, noise = [], []
        for emitter, P_K in self.emissions:
            E_K = emitter.photon_keV
            K = self._reabsorption(emitter, frequency_lp_mm)
            K_0 = self._reabsorption(emitter, np.zeros(1))[0]
            # Light of the K photon of an absorption in layer i, wherever it ends.
            G_K = np.einsum("fij,fj->fi", K, G)
            local = local - P_K * E_K
            local_2 = local_2 - P_K * E_K * (2.0 * E - E_K)
            signal.append((P_K * E_K, G_K))
            noise.append((excess * P_K * E_K**2, G_2 @ K_0.T))
            # The two deposits of one photon are correlated: their light adds in amplitude.
            noise.append((2.0 * P_K * (E - E_K) * E_K, G * G_K))
        return [*signal, (local, G)], [*noise, (excess * local_2, G_2)]

    def _reabsorption(self, emitter: KEmitter, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return K_ij(f): K photons born in layer i and photo-absorbed in layer j, shape (nf, nz, nz)."""
        screen = self.screen
        photo, compton = self._coefficients(emitter.photon_keV)
        layer_mm = screen.thickness_mm / screen.layers
        steps = layer_transfer(self.removal_per_mm(emitter.photon_keV), layer_mm, screen.layers, frequency_lp_mm)
        index = np.arange(screen.layers)
        return steps[:, np.abs(index[:, None] - index)] * (photo / (photo + compton))

    def removal_per_mm(self, photon_keV: float) -> float:
        """Return the attenuation [1/mm] of photons of one energy [keV] in the layer, coherent scattering left out."""
        photo, compton = self._coefficients(photon_keV)
        return (photo + compton) * g_mm3_from_g_cm3(self.screen.density_g_cm3)

    def _coefficients(self, photon_keV: float) -> tuple[float, float]:
        """Return the mass coefficients [mm2/g] of photo-absorption and of Compton scattering at one energy [keV]."""
        photo, compton = (
            float(mass_coefficient_mm2_g(self._phosphor.material, photon_keV, kind)[0]) for kind in ("photo", "compton")
        )
        return photo, compton


# A guard against wrong units: screens have some 10 to 300 mg/cm2.
MASS_THICKNESS_RANGE_MG_CM2: Final = (0.001, 1000.0)
# Thickness aimed at for a sub-layer [mm]; `Screen.layers` says within which numbers.
_LAYER_MM: Final = 0.008


@names_keywords
@dataclass(frozen=True)
class Screen:
    """A phosphor screen in front of a light sensor.

    Left out: the range of photo-electrons (some micrometres), energy left by Compton and coherent scattering (less
    than 5 %), and the structure of grains. X rays that the sensor absorbs itself: `xsim.detector.direct_hits`.

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
        signal, noise = deposits.transfer(fluence, np.concatenate(([0.0], frequency)))
        gap = gap_mtf(self.optics, frequency)
        mtf, power = signal[1:] / signal[0] * gap, noise[1:] * np.square(gap)
        S_0, W_0, photons = float(signal[0]), float(noise[0]), float(fluence.sum())
        absorbed, deposited_keV = (
            float(fluence @ deposits.profile.sum(axis=1)),
            float(fluence @ deposits.deposited_keV()),
        )
        return ScreenSignal(
            mtf=mtf,
            noise_keV2_per_mm2_uGy=power,
            lubberts=np.square(mtf) / (power / W_0),
            signal_keV_per_mm2_uGy=S_0,
            absorption_quantum=absorbed / photons,
            absorption_energy=deposited_keV / float(fluence @ spectrum.energy_keV),
            light_escape=S_0 / deposited_keV,
            swank=S_0**2 / (absorbed * W_0),
            dqe0=S_0**2 / (photons * W_0),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class ScreenSignal:
    """Signal and quantum noise of a screen in a beam, per uGy of air kerma.

    Parameters
    ----------
    mtf, noise_keV2_per_mm2_uGy : (n,) arrays
        MTF and quantum noise power W(f), gap included.
    lubberts : (n,) array
        Lubberts factor MTF^2(f) / [W(f) / W(0)]: 1 where noise is blurred like signal.
    signal_keV_per_mm2_uGy : float
        S(0): light that reaches the sensor, in keV of deposited energy.
    absorption_quantum, absorption_energy : float
        A_Q and A_E, the shares of the photons and of the beam's energy that stay in the layer.
    light_escape : float
        Share of the light that reaches the sensor.
    swank, dqe0 : float
        Swank factor S(0)^2 / (Phi A_Q W(0)), and the zero-frequency DQE of the screen alone.
    """

    mtf: NDArray[np.float64]
    noise_keV2_per_mm2_uGy: NDArray[np.float64]
    lubberts: NDArray[np.float64]
    signal_keV_per_mm2_uGy: float
    absorption_quantum: float
    absorption_energy: float
    light_escape: float
    swank: float
    dqe0: float

    def nnps_mm2(self, kerma_uGy: float) -> NDArray[np.float64]:
        """Return the quantum NNPS [mm2] at an air kerma, before any pixel, shape (n,)."""
        power: NDArray[np.float64] = self.noise_keV2_per_mm2_uGy / (self.signal_keV_per_mm2_uGy**2 * kerma_uGy)
        return power


def screen_product(name: str) -> Screen:
    """Return the screen of a product class (see `xsim.detector.phosphors.PRODUCTS`).

    Raises
    ------
    UnknownNameError
        Naming the nearest names.
    """
    if name not in PRODUCTS:
        raise UnknownNameError("screen", name, PRODUCTS)
    return Screen(*PRODUCTS[name])
