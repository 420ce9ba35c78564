"""Basic spatial resolution of a detector, computed as the duplex wire gauge would show it (ISO 19232-5).

A wire pair is two wires of diameter d, d apart. The pair counts as unresolved when the dip between the two peaks of
its blurred profile falls below 20 %; SRb is the diameter at which that happens. Thin absorption is assumed, so that
the profile is the chord of the wires.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import numpy as np
from scipy.special import j1

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

__all__ = ["basic_spatial_resolution_mm", "duplex_wire_dip"]

_DIP: Final = 0.2
_DIAMETERS_MM: Final = (1e-3, 5.0)
# Frequencies in units of 1/d, and where a peak may lie in units of d.
_WAVES: Final = np.linspace(0.0, 8.0, 1601)[1:] - 0.0025
_PLACES: Final = np.linspace(0.0, 1.5, 61)
_WIRES: Final = j1(np.pi * _WAVES) / _WAVES * np.cos(2.0 * np.pi * _WAVES)
_PROFILE: Final = np.cos(2.0 * np.pi * _PLACES[:, None] * _WAVES) * _WIRES


def duplex_wire_dip(otf: Callable[[NDArray[np.float64]], NDArray[np.float64]], diameter_mm: float) -> float:
    """Return the dip of a wire pair: 1 - centre / peak of its blurred profile, 0 when there is no dip.

    Parameters
    ----------
    otf : callable
        Frequencies [lp/mm] -> presampled transfer function, aperture included, with its sign.
    diameter_mm : float
        Wire diameter [mm].
    """
    profile = _PROFILE @ otf(_WAVES / diameter_mm)
    return float(1.0 - profile[0] / profile.max())


def basic_spatial_resolution_mm(otf: Callable[[NDArray[np.float64]], NDArray[np.float64]]) -> float:
    """Return SRb [mm]: the wire diameter whose pair dips by 20 %.

    Parameters
    ----------
    otf : callable
        Frequencies [lp/mm] -> presampled transfer function, aperture included, with its sign.

    Returns
    -------
    float
        SRb, or NaN if it is outside 0.001 to 5 mm.
    """
    low, high = _DIAMETERS_MM
    if duplex_wire_dip(otf, low) > _DIP or duplex_wire_dip(otf, high) < _DIP:
        return float("nan")
    # The dip rises with the diameter: halve the interval, on a logarithmic scale, down to 1e-4 of the diameter.
    while high > low * (1.0 + 1e-4):
        middle = float(np.sqrt(low * high))
        if duplex_wire_dip(otf, middle) < _DIP:
            low = middle
        else:
            high = middle
    return float(np.sqrt(low * high))
