"""Where quantum noise comes from: the whole screen at once, its layers one by one, or the shortcut of most simulators.

A noise model splits a detector into independent sources of quantum noise, each a ``DetectorResponse`` with the quantum
NNPS and the energy response of its own share. The open-field NNPS of ``filtered`` and ``layered`` is the same.

``filtered`` gives all quanta the screen's mean noise spectrum. ``layered`` knows that the hardened beam behind metal is
absorbed deeper, so that its noise has another colour, and that every layer spreads light by a transfer of its own
(Lubberts 1968). ``white-then-blurred`` filters white noise like the signal, which is wrong by 40 % in the pixel sigma
of a thick screen; it is there to be compared with.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, fields, replace
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from xsim.curves import RadialCurve
from xsim.detector.response import DetectorResponse
from xsim.errors import InputError, UnknownNameError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from xsim.detector.deposits import Deposits

__all__ = ["NoiseLayer", "NoiseModel", "noise_layers", "noise_sources"]

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
        noise = self._noise(np.atleast_1d(np.asarray(energy_keV, dtype=np.float64)))
        fluence = self.spectrum.fluence_per_mm2_uGy
        return signal, noise / float(fluence @ self._noise(self.spectrum.energy_keV))

    def _noise(self, energy_keV: NDArray[np.float64]) -> NDArray[np.float64]:
        part = _part(self.screen.deposits(energy_keV), self.first, self.last)
        return part.per_photon()[1]


def noise_sources(response: DetectorResponse, model: NoiseModel) -> tuple[DetectorResponse, ...]:
    """Return the independent sources of a detector's quantum noise.

    Raises
    ------
    UnknownNameError
        If the model is not known.
    """
    if model not in get_args(NoiseModel):
        raise UnknownNameError("noise model", model, get_args(NoiseModel))
    if model == "layered":
        return noise_layers(response)
    return (response if model == "filtered" else _blurred_like_signal(response),)


@lru_cache(maxsize=16)
def noise_layers(response: DetectorResponse, groups: int = _GROUPS) -> tuple[NoiseLayer, ...]:
    """Return a detector's noise by depth of absorption, in groups of sub-layers with similar shares.

    Photons absorbed in different layers are independent, so that their noise powers add; light that a K photon makes
    elsewhere counts where its parent was absorbed.

    Parameters
    ----------
    response : DetectorResponse
        The detector.
    groups : int
        Number of groups, 1 or more.

    Raises
    ------
    InputError
        If there are more groups than sub-layers.
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
    known = {field.name: getattr(response, field.name) for field in fields(DetectorResponse)}
    layers = []
    for first, last in pairwise(edges):
        share = _part(deposits, int(first), int(last)).transfer(fluence, f)[1] / total
        curve = RadialCurve(f, response.quantum_nnps(f) * share)
        layers.append(NoiseLayer(**{**known, "quantum_nnps": curve}, first=int(first), last=int(last)))
    return tuple(layer for layer in layers if layer.last > layer.first)


@lru_cache(maxsize=16)
def _blurred_like_signal(response: DetectorResponse) -> DetectorResponse:
    """Return the same detector with the quantum noise that blurring white noise by the MTF would give."""
    f = response.quantum_nnps.frequency_lp_mm
    level = response.quantum_nnps(np.zeros(1))
    return replace(response, quantum_nnps=RadialCurve(f, level * np.square(response.screen_mtf(f))))


def _part(deposits: Deposits, first: int, last: int) -> Deposits:
    """Return the deposits of the photons that are absorbed in a range of sub-layers only."""
    part = copy(deposits)
    part.profile = np.zeros_like(deposits.profile)
    part.profile[:, first:last] = deposits.profile[:, first:last]
    return part
