"""Compton scattering in a screen: what the electron leaves at once, and the scattered photon elsewhere.

A photon of 100 keV that scatters leaves its electron 14 keV on average, and goes on with 86. In Gd2O2S at 100 keV one
in twenty interactions is such a one, and the layer keeps part of the photon as well: a few per cent of the energy that
it takes from a hard beam. Free electrons at rest (Klein and Nishina, Z. Phys. 52, 853, 1929); the scattered photon is
taken to leave isotropically, as a K photon does, and to scatter no second time. Its K fluorescence takes the mean share
out of the layer that K photons of all depths take.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

import numpy as np
from numpy.typing import NDArray

__all__ = ["energy_nodes", "node_shares", "scattered_moments"]

# Electron mass [keV].
_ELECTRON_KEV: Final = 510.999
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(32)
# Energies [keV] of scattered photons between which what becomes of them is interpolated: near 25 % apart, where there
# are enough of them to matter.
_GRID_KEV: Final = (10.0, 30.0, 45.0, 60.0, 75.0, 95.0, 120.0, 150.0, 190.0, 240.0, 300.0)
# Beside a K edge, where all of that jumps.
_BESIDE_KEV: Final = 0.01


def scattered_moments(energy_keV: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the means of E' [keV] and of E'^2 [keV^2] of photons after one scattering, (n,) each."""
    left = 1.0 / (1.0 + energy_keV[:, None] / _ELECTRON_KEV * (1.0 - _NODES))
    chance = np.square(left) * (left + 1.0 / left - 1.0 + np.square(_NODES)) * _WEIGHTS
    total = chance.sum(axis=1)
    first, second = ((chance * left**power).sum(axis=1) / total for power in (1, 2))
    return first * energy_keV, second * np.square(energy_keV)


def energy_nodes(edges_keV: Iterable[float]) -> NDArray[np.float64]:
    """Return energies [keV] between which to interpolate, for a phosphor of these K edges."""
    beside = (edge + side for edge in edges_keV for side in (-_BESIDE_KEV, _BESIDE_KEV))
    return np.array(sorted({*_GRID_KEV, *beside}))


def node_shares(energy_keV: NDArray[np.float64], nodes_keV: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights of the nodes in a linear interpolation at each energy, (nodes, n)."""
    return np.array([np.interp(energy_keV, nodes_keV, one) for one in np.eye(len(nodes_keV))])
