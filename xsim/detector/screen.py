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

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.detector.compton import energy_nodes, node_shares, scattered_moments
from xsim.detector.light_transport import Optics, gap_mtf, layer_light
from xsim.detector.obliquity import ObliqueTransfer
from xsim.detector.phosphors import PRODUCTS, emission_probability, phosphor
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

    Photo-absorption deposits energy, and Compton scattering where the screen says so; else it attenuates only.
    Coherent scattering is ignored.

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
        # Oblique rays cross the layer over a longer way.
        beam = np.exp(-removal[:, None] * (faces / screen.incidence_cosine)[None, :])
        profile = (photo / removal)[:, None] * -np.diff(beam, axis=1)
        self.profile: NDArray[np.float64] = profile if screen.irradiation == "front" else profile[:, ::-1]
        self.transmission: NDArray[np.float64] = beam[:, -1]
        # Scatterings for each photo-absorption, which share its profile.
        self._scatterings: NDArray[np.float64] | None = compton / photo if screen.compton_deposits else None
        self.emissions = [
            (emitter, emission_probability(self._phosphor, emitter, energy_keV)) for emitter in self._phosphor.emitters
        ]

    def deposited_keV(self) -> NDArray[np.float64]:
        """Return the mean energy that stays in the layer per incident photon [keV], shape (n,)."""
        deposited: NDArray[np.float64] = self.profile.sum(axis=1) * self.energy_keV
        for emitter, emission in self.emissions:
            kept = self._reabsorption(emitter.photon_keV, np.zeros(1))[0].sum(axis=1)
            deposited -= emission * emitter.photon_keV * (self.profile @ (1.0 - kept))
        if self._scatterings is not None:
            first, _ = scattered_moments(self.energy_keV)
            deposited += self._scatterings * (self.energy_keV - first) * self.profile.sum(axis=1)
            for photon_keV, left, share in self._scattered(first):
                kept = self._reabsorption(photon_keV, np.zeros(1))[0].sum(axis=1)
                deposited += self._scatterings * share * left * first * (self.profile @ kept)
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

    def signal_by_layer(
        self, fluence: NDArray[np.float64], frequency_lp_mm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return S(f) [keV] by the layer where the photons were absorbed, (nf, nz); their sum is that of `transfer`."""
        signal, _ = self._terms(frequency_lp_mm)
        parts = [by_layer * ((fluence * by_energy) @ self.profile) for by_energy, by_layer in signal]
        return np.asarray(np.sum(parts, axis=0))

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
            K = self._reabsorption(emitter.photon_keV, frequency_lp_mm)
            K_0 = self._reabsorption(emitter.photon_keV, np.zeros(1))[0]
            # Light of the K photon of an absorption in layer i, wherever it ends.
            G_K = np.einsum("fij,fj->fi", K, G)
            local = local - P_K * E_K
            local_2 = local_2 - P_K * E_K * (2.0 * E - E_K)
            signal.append((P_K * E_K, G_K))
            noise.append((excess * P_K * E_K**2, G_2 @ K_0.T))
            # The two deposits of one photon are correlated: their light adds in amplitude.
            noise.append((2.0 * P_K * (E - E_K) * E_K, G * G_K))
        signal, noise = [*signal, (local, G)], [*noise, (excess * local_2, G_2)]
        if self._scatterings is not None:
            self._add_compton(signal, noise, (G, G_2), frequency_lp_mm)
        return signal, noise

    def _add_compton(
        self,
        signal: _Terms,
        noise: _Terms,
        light: tuple[NDArray[np.float64], NDArray[np.float64]],
        frequency_lp_mm: NDArray[np.float64],
    ) -> None:
        """Add the terms of Compton scattering: the electron's where it happens, the photon's where that ends."""
        assert self._scatterings is not None
        E, rate, (G, G_2) = self.energy_keV, self._scatterings, light
        excess = 1.0 + self.screen.optics.gain_noise
        first, second = scattered_moments(E)
        signal.append((rate * (E - first), G))
        noise.append((excess * rate * (E**2 - 2.0 * E * first + second), G_2))
        for photon_keV, left, share in self._scattered(first):
            K = self._reabsorption(photon_keV, frequency_lp_mm)
            K_0 = self._reabsorption(photon_keV, np.zeros(1))[0]
            G_K = np.einsum("fij,fj->fi", K, G)
            signal.append((rate * share * left * first, G_K))
            noise.append((excess * rate * share * left**2 * second, G_2 @ K_0.T))
            noise.append((2.0 * rate * share * left * (E * first - second), G * G_K))

    def _scattered(self, photon_keV: NDArray[np.float64]) -> Iterator[tuple[float, float, NDArray[np.float64]]]:
        """Yield energies [keV], what an absorption there leaves of it, and their shares of photons of others, (n,)."""
        emitters = self._phosphor.emitters
        nodes = energy_nodes(emitter.edge_keV for emitter in emitters)
        lost = np.zeros(len(nodes))
        for emitter in emitters:
            escapes = 1.0 - float(self._reabsorption(emitter.photon_keV, np.zeros(1))[0].sum(axis=1).mean())
            lost += emission_probability(self._phosphor, emitter, nodes) * emitter.photon_keV * escapes
        for node, out, share in zip(nodes.tolist(), lost.tolist(), node_shares(photon_keV, nodes), strict=True):
            if share.any():
                yield node, 1.0 - out / node, share

    def _reabsorption(self, photon_keV: float, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return K_ij(f): photons of an energy [keV] born in layer i and photo-absorbed in layer j, (nf, nz, nz)."""
        screen = self.screen
        photo, compton = self._coefficients(photon_keV)
        layer_mm = screen.thickness_mm / screen.layers
        steps = layer_transfer(self.removal_per_mm(photon_keV), layer_mm, screen.layers, frequency_lp_mm)
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
# Laminography stays below; of grazing rays a screen of finite size lets many out by its edge.
_MOST_OBLIQUE_DEG: Final = 60.0
# Thickness aimed at for a sub-layer [mm]; `Screen.layers` says within which numbers.
_LAYER_MM: Final = 0.008


@names_keywords
@dataclass(frozen=True)
class Screen:
    """A phosphor screen in front of a light sensor.

    Left out: the range of photo-electrons (some micrometres), coherent scattering, the energy that Compton scattering
    leaves (less than 5 %) unless it is asked for, and the structure of grains. X rays that the sensor absorbs itself:
    `xsim.detector.direct_hits`.

    Parameters
    ----------
    mass_thickness_mg_cm2 : float
        Phosphor per area [mg/cm2], binder not counted.
    phosphor : str
        ``Gd2O2S``, ``CaWO4``, ``CsI`` (as a powder) or ``CsI-columnar``, all but the first with the caveat that
        `xsim.detector.phosphors` gives.
    optics : Optics, optional
        Optical constants; those of the phosphor's usual layers if not given.
    irradiation : {"front", "back"}
        Where X rays enter: through the backing (front), or through the sensor (back: absorption is densest at the
        sensor, and the image sharper).
    packing : float, optional
        Share of the layer's volume that is phosphor; the phosphor's usual one if not given.
    incidence_deg : float
        Angle between the rays and the screen's normal [degree], -60 to 60, along the rows of the image: above zero
        they come from where the rows begin. The beam keeps its air kerma, of which an area of the screen catches the
        cosine.
    compton_deposits : bool
        Whether Compton scattering in the layer deposits energy: 1 % more at 70 to 120 kV, 2 to 4 % in hard beams.
        A_Q and the Swank factor still count photo-absorptions.

    Raises
    ------
    PhysicsRangeError
        If the mass thickness is outside 0.001 to 1000 mg/cm2, the packing outside 0.05 to 1, or the angle outside -60
        to 60 degree.
    UnknownNameError
        If the phosphor is unknown.
    """

    mass_thickness_mg_cm2: float
    phosphor: str = "Gd2O2S"
    optics: Optics = None  # type: ignore[assignment]  # until __post_init__ takes the phosphor's
    irradiation: Literal["front", "back"] = "front"
    packing: float | None = None
    incidence_deg: float = 0.0
    compton_deposits: bool = False

    def __post_init__(self) -> None:
        check_range("mass thickness", self.mass_thickness_mg_cm2, *MASS_THICKNESS_RANGE_MG_CM2, "mg/cm2")
        if self.packing is not None:
            check_range("packing", self.packing, 0.05, 1.0)
        check_range("incidence_deg", self.incidence_deg, -_MOST_OBLIQUE_DEG, _MOST_OBLIQUE_DEG, "degree")
        if self.irradiation not in {"front", "back"}:
            raise InputError(f"irradiation '{self.irradiation}' is not known: give front or back")
        usual = phosphor(self.phosphor).optics
        object.__setattr__(self, "optics", self.optics or usual)

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

    @property
    def incidence_cosine(self) -> float:
        """Return the cosine of the angle of incidence, exactly 1 where rays are normal."""
        return float(np.cos(np.radians(self.incidence_deg)))

    def deposits(self, energy_keV: ArrayLike) -> Deposits:
        """Return where and how photons of each energy deposit theirs, and what the sensor sees of it at f = 0."""
        return Deposits(self, np.asarray(energy_keV, dtype=np.float64))

    def expose(self, spectrum: Spectrum, frequency_lp_mm: ArrayLike) -> ScreenSignal:
        """Return signal and quantum noise of the screen in a beam, at spatial frequencies [lp/mm]."""
        frequency = np.atleast_1d(np.asarray(frequency_lp_mm, dtype=np.float64))
        deposits = self.deposits(spectrum.energy_keV)
        # Photons per area of the screen, on which oblique rays fall more thinly.
        fluence = spectrum.fluence_per_mm2_uGy * self.incidence_cosine
        signal, noise = deposits.transfer(fluence, np.concatenate(([0.0], frequency)))
        gap = gap_mtf(self.optics, frequency)
        mtf, power = signal[1:] / signal[0] * gap, noise[1:] * np.square(gap)
        oblique = self._oblique(deposits, fluence, frequency, gap) if self.incidence_deg else None
        if oblique is not None:
            mtf = oblique.mean()
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
            oblique=oblique,
        )

    def _oblique(
        self,
        deposits: Deposits,
        fluence: NDArray[np.float64],
        frequency_lp_mm: NDArray[np.float64],
        gap: NDArray[np.float64],
    ) -> ObliqueTransfer:
        """Return the transfer function of oblique rays, whose deeper light stands further along the tilt."""
        light = deposits.signal_by_layer(fluence, np.concatenate(([0.0], frequency_lp_mm)))
        per_mm, layer_mm = np.tan(np.radians(self.incidence_deg)), self.thickness_mm / self.layers
        way_mm = (np.arange(self.layers) + 0.5) * layer_mm
        place_mm = per_mm * (way_mm if self.irradiation == "front" else way_mm[::-1])
        centre_mm = float(light[0] @ place_mm / light[0].sum())
        table = light[1:] / light[0].sum() * gap[:, None]
        return ObliqueTransfer(frequency_lp_mm, table, place_mm - centre_mm, float(per_mm * layer_mm), -centre_mm)


@dataclass(frozen=True, kw_only=True, eq=False)
class ScreenSignal:
    """Signal and quantum noise of a screen in a beam, per uGy of air kerma.

    Parameters
    ----------
    mtf, noise_keV2_per_mm2_uGy : (n,) arrays
        MTF (averaged over all directions where rays are oblique) and quantum noise power W(f), gap included.
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
    oblique : ObliqueTransfer or None
        The transfer function by direction; None where rays are normal to the screen.
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
    oblique: ObliqueTransfer | None = None

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
