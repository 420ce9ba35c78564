"""Quantum noise: its sources in the screen, its random fields with few quanta, and its colour.

A noise model splits a detector into independent sources of quantum noise, each a ``DetectorResponse`` with the quantum
NNPS and the energy response of its own share. The open-field NNPS of ``filtered`` and ``layered`` is the same.

``filtered`` gives all quanta the screen's mean noise spectrum. ``layered`` knows that the hardened beam behind metal is
absorbed deeper, so that its noise has another colour, and that every layer spreads light by a transfer of its own
(Lubberts 1968). ``white-then-blurred`` filters white noise like the signal, which is wrong by 40 % in the pixel sigma
of a thick screen; it is there to be compared with.

Direct hits in the sensor's silicon are a source of their own, whatever the model: few, bright, each in one pixel
(`hit_noise`).

Coloured noise is filtered *real* white noise. Complex numbers drawn on the half plane of ``rfft2`` would lose half the
variance of its first and last column.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import scipy.fft
from numpy.typing import ArrayLike, NDArray

from xsim.compiled import compiled
from xsim.curves import RadialCurve
from xsim.detector.response import DetectorResponse
from xsim.detector.screen import Deposits
from xsim.errors import InputError

__all__ = [
    "HitNoise",
    "NoiseModel",
    "coloured_spectrum",
    "hit_noise",
    "hit_source",
    "noise_layers",
    "noise_sources",
    "quantum_noise",
    "standard_normal",
]

NoiseModel = Literal["filtered", "layered", "white-then-blurred"]

# Groups of sub-layers with equal shares of the noise: more than these change the image by less than its noise.
_GROUPS = 6


@dataclass(frozen=True, kw_only=True, eq=False)
class NoiseLayer(DetectorResponse):
    """The noise of the quanta that are absorbed in some of a screen's sub-layers.

    Parameters
    ----------
    first, last : int
        Range of sub-layers, backing first, ``last`` not included.
    """

    first: int
    last: int

    def energy_response(self, energy_keV: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the screen's signal and this part's noise power per photon, both 1 when summed over the open field."""
        signal, _ = super().energy_response(energy_keV)
        noise, in_beam = (
            _part(self.screen.deposits(energies), self.first, self.last).per_photon()[1]
            for energies in (np.atleast_1d(energy_keV), self.spectrum.energy_keV)
        )
        return signal, noise / float(self.spectrum.fluence_per_mm2_uGy @ in_beam)


@dataclass(frozen=True, kw_only=True, eq=False)
class HitNoise(DetectorResponse):
    """The direct hits of a detector as a source of noise."""

    def energy_response(self, energy_keV: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the hits' mean charge and mean squared charge per photon, both 1 when summed over the open field."""
        return self.hit_response(np.atleast_1d(np.asarray(energy_keV, dtype=np.float64)))


@lru_cache(maxsize=32)
def hit_source(response: DetectorResponse) -> HitNoise | None:
    """Return a detector's direct hits as a source of noise; None where they are not counted."""
    return None if response.hits is None else HitNoise(**_fields_of(response))


def _fields_of(response: DetectorResponse) -> dict[str, Any]:
    return {field.name: getattr(response, field.name) for field in fields(DetectorResponse)}


@lru_cache(maxsize=32)
def noise_sources(response: DetectorResponse, model: NoiseModel) -> tuple[DetectorResponse, ...]:
    """Return the independent sources of a detector's quantum noise, direct hits left out (see `hit_source`)."""
    if model == "layered":
        return noise_layers(response)
    if response.hits is not None:
        # Its own variance holds the hits' too; that of all layers together is the light's alone.
        (response,) = noise_layers(response, groups=1)
    if model == "filtered":
        return (response,)
    # The quantum noise that blurring white noise by the MTF would give.
    f = response.quantum_nnps.frequency_lp_mm
    level = response.quantum_nnps(np.zeros(1))
    return (replace(response, quantum_nnps=RadialCurve(f, level * np.square(response.screen_mtf(f)))),)


@lru_cache(maxsize=16)
def noise_layers(response: DetectorResponse, groups: int = _GROUPS) -> tuple[NoiseLayer, ...]:
    """Return a detector's noise by depth of absorption, in groups of sub-layers with similar shares.

    Photons absorbed in different layers are independent, so that their noise powers add; light that a K photon makes
    elsewhere counts where its parent was absorbed.

    Raises
    ------
    InputError
        If there is no group, or more groups than sub-layers.
    """
    count = response.screen.layers
    if not 1 <= groups <= count:
        raise InputError(f"{groups} noise layers for a screen of {count} sub-layers: give 1 to {count}")
    f = response.quantum_nnps.frequency_lp_mm
    fluence = response.spectrum.fluence_per_mm2_uGy
    deposits = response.screen.deposits(response.spectrum.energy_keV)
    power = np.array([_part(deposits, j, j + 1).transfer(fluence, np.zeros(1))[1][0] for j in range(count)])
    cumulated = np.append(0.0, np.cumsum(power)) / power.sum()
    inner = np.searchsorted(cumulated, np.arange(1, groups) / groups)
    # At least one sub-layer to a group, whatever the shares.
    inner = np.clip(inner, np.arange(1, groups), count - groups + np.arange(1, groups))
    edges = np.maximum.accumulate(np.concatenate(([0], inner, [count])))
    total = deposits.transfer(fluence, f)[1]
    known = _fields_of(response)
    layers = []
    for first, last in pairwise(edges):
        share = _part(deposits, int(first), int(last)).transfer(fluence, f)[1] / total
        curve = RadialCurve(f, response.quantum_nnps(f) * share)
        layers.append(NoiseLayer(**{**known, "quantum_nnps": curve}, first=int(first), last=int(last)))
    return tuple(layer for layer in layers if layer.last > layer.first)


def _part(deposits: Deposits, first: int, last: int) -> Deposits:
    """Return the deposits of the photons that are absorbed in a range of sub-layers only."""
    part = copy(deposits)
    part.profile = np.zeros_like(deposits.profile)
    part.profile[:, first:last] = deposits.profile[:, first:last]
    return part


# Charges of hits in the table that they are drawn from, each as likely as another.
_CHARGES = 256
# Hits of a pixel that are drawn one by one; of more, whose number is still drawn, the sum of the charges is a normal
# number. Charges spread by a quarter of their mean with a skewness of .8: that of a sum of thirteen is .2, and next to
# none of the variance, which the number makes.
_MOST_HITS = 12


def hit_noise(
    rng: np.random.Generator,
    response: DetectorResponse,
    beam: tuple[NDArray[np.float32], NDArray[np.float32]],
    frames: float,
) -> NDArray[np.float32]:
    """Draw the fluctuation of direct hits, (H, W), in units of the open field's grey.

    A compound Poisson process: a number of hits, and a charge for each. Charges are spread as in the open field, and
    scaled behind an object so that mean and variance are those of the hardened beam.

    Parameters
    ----------
    rng : numpy.random.Generator
        Source of the numbers.
    response : DetectorResponse
        The detector, whose direct hits are counted.
    beam : (grey, variance)
        Mean and variance of the hits' charge on the pixels, (H, W) each, in units of the open field's.
    frames : float
        Independent frames whose mean it is.

    Raises
    ------
    InputError
        If the detector counts no direct hits.
    """
    hits = response.hits
    if hits is None:
        raise InputError("the sensor counts no direct hits: give active_silicon_mm above 0")
    # The mean of each of equally likely slices of the distribution, so that the table has its mean exactly.
    order = np.argsort(hits.charge_e)
    cumulated = np.append(0.0, np.cumsum(hits.number[order])) / hits.total
    charge = np.append(0.0, np.cumsum(hits.number[order] * hits.charge_e[order])) / hits.total
    edges = np.interp(np.linspace(0.0, 1.0, _CHARGES + 1), cumulated, charge)
    table = (np.diff(edges) * (_CHARGES / response.signal_electrons)).astype(np.float32)
    grey, variance = (np.ascontiguousarray(part, dtype=np.float32) for part in beam)
    return np.asarray(_draw_hits(rng, grey, variance, hits.total * frames, table, frames))


@compiled()
def _draw_hits(rng, grey, variance, number, table, frames):  # type: ignore[no-untyped-def]
    """Return the sum of each pixel's charges, divided by the frames, less its mean."""
    noise = np.zeros(grey.shape, dtype=np.float32)
    mean, spread = table.mean(), table.std()
    for y in range(grey.shape[0]):
        for x in range(grey.shape[1]):
            if grey[y, x] <= 0.0 or variance[y, x] <= 0.0:
                continue
            # A charge is scaled by variance / grey, the number by grey**2 / variance.
            scale = variance[y, x] / grey[y, x]
            expected = number * grey[y, x] / scale
            count = rng.poisson(expected)
            if count > _MOST_HITS:
                total = count * mean + np.sqrt(count) * spread * rng.standard_normal()
            else:
                total = 0.0
                for _ in range(count):
                    total += table[int(rng.random() * len(table))]
            noise[y, x] = (total - expected * mean) * scale / frames
    return noise


# Pairs of normals drawn at once: the three buffers stay in the L1 and L2 caches.
_PAIRS = 8192
# Pixels with fewer quanta than this draw a Poisson number; above, its skewness is lost in the blur.
_FEW_QUANTA = 50.0


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """Draw normal numbers (float32) of mean 0 and variance 1, two to three times as fast as numpy's own method.

    Box and Muller's transform on numpy's vectorised logarithm, sine and cosine. Both uniform numbers have 24 bits, so
    that values reach 5.9 standard deviations. The generator's bits must come in words of 64.
    """
    count = int(np.prod(shape))
    values = np.empty(count + count % 2, dtype=np.float32)
    for start in range(0, len(values), 2 * _PAIRS):
        part = values[start : start + 2 * _PAIRS]
        half = len(part) // 2
        bits = rng.bit_generator.random_raw(half).view(np.uint32)
        bits >>= 8
        uniform = bits.astype(np.float32)
        uniform *= np.float32(2.0**-24)
        radius, angle = uniform[:half], uniform[half:]
        radius += np.float32(2.0**-25)
        np.log(radius, out=radius)
        radius *= np.float32(-2.0)
        np.sqrt(radius, out=radius)
        angle *= np.float32(2.0 * np.pi)
        np.cos(angle, out=part[:half])
        np.sin(angle, out=part[half:])
        part[:half] *= radius
        part[half:] *= radius
    return values[:count].reshape(shape)


def quantum_noise(
    rng: np.random.Generator, grey: NDArray[np.float32], variance: NDArray[np.float32], quanta: float
) -> NDArray[np.float32]:
    """Draw the fluctuation of independent quanta of equal weight, uncorrelated between pixels.

    A pixel of grey g and variance v, (H, W) each and 0 or more, behaves like ``quanta * g**2 / v`` of them. Where they
    are few their number is Poissonian, so that the fluctuation has the right skewness too.
    """
    noise = standard_normal(rng, grey.shape)
    if _scale(noise, grey, variance, np.float32(quanta / _FEW_QUANTA)):
        few = grey * grey * np.float32(quanta / _FEW_QUANTA) < variance
        g, v = grey[few].astype(float), variance[few]
        expected = np.maximum(g**2 / v * quanta, 1e-12)
        noise[few] = (rng.poisson(expected) - expected) * np.sqrt(v / expected)
    return noise


@compiled()
def _scale(noise, grey, variance, enough):  # type: ignore[no-untyped-def]
    """Give white noise its local variance, in place; return how many pixels have few quanta."""
    few = 0
    for y in range(noise.shape[0]):
        for x in range(noise.shape[1]):
            few += grey[y, x] * grey[y, x] * enough < variance[y, x]
            noise[y, x] *= np.sqrt(variance[y, x])
    return few


def coloured_spectrum(white: NDArray[np.float32], amplitude: NDArray[np.float32]) -> NDArray[np.complex64]:
    """Return the ``rfft2`` of real white noise (H, W), whose local variance may follow the object, after a filter.

    The amplitude, (H, W // 2 + 1), is the square root of the wanted bin variances: ``sqrt(NNPS) / pitch``.
    """
    spectrum = scipy.fft.rfft2(white)
    spectrum *= amplitude
    return np.asarray(spectrum)
