"""Where the K photons of a layered phosphor are absorbed again: the exact transfer between layers, with lateral spread.

A K photon leaves isotropically and is attenuated by exp(-mu r). The density of its absorption is mu exp(-mu r) /
(4 pi r^2); with 1/r^2 exp(-mu r) = integral over m > mu of exp(-m r)/r, its two-dimensional transform at a depth
distance z is (mu/2) * integral over m > mu of exp(-kappa z)/kappa dm, kappa^2 = m^2 + (2 pi f)^2: a sum of pure
exponentials in z, which integrates over both layers in closed form and oscillates nowhere. At f = 0 it becomes the
exponential integral E3 that the one-dimensional theory has.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["layer_transfer"]

# Gauss-Legendre nodes in ln m, and where they end in units of 1/layer; beyond, the tail is known in closed form.
_NODES: Final = 40
_END: Final = 200.0


@lru_cache(maxsize=1)
def _rule() -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    nodes, weights = np.polynomial.legendre.leggauss(_NODES)
    return (nodes + 1.0) / 2.0, weights / 2.0


def layer_transfer(
    attenuation_per_mm: float, layer_mm: float, count: int, frequency_lp_mm: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the transform of where K photons from one layer are removed in another.

    Parameters
    ----------
    attenuation_per_mm : float
        Attenuation of the K photons in the layer [1/mm].
    layer_mm : float
        Thickness of one layer [mm].
    count : int
        Number of layers.
    frequency_lp_mm : (nf,) array
        Spatial frequencies [lp/mm].

    Returns
    -------
    (nf, count) array
        K_n(f): at f = 0 the probability that a photon born uniformly in layer i is removed in layer i + n (or i - n);
        elsewhere that probability times the MTF of its lateral spread.
    """
    share, weight = _rule()
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
