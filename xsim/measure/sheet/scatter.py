"""Internal scatter radiation: the part of an edge's step that arrives far from the edge, in the manner of ASTM E2597.

What the detector's own body, fluorescence and light spread over millimetres is missing on the open side of an opaque
plate's edge and too much behind it. The share of the step that is missing beyond a stated distance, both sides
together, is told; the standard reads it from the same profile.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.errors import InputError, check_range
from xsim.measure.checks import ROI
from xsim.measure.edge import edge_mtf

__all__ = ["SCATTER_DISTANCE_MM", "InternalScatter", "internal_scatter", "scatter_from_mtf"]

SCATTER_DISTANCE_MM = 1.0
"""How far from the edge its sharp part is over [mm], unless another distance is told."""

# The plateaus begin this many times farther out.
_REACH = 3.0
# Frequencies [cycles per distance] up to which the profile of an MTF is summed, and how many.
_TOP, _COUNT = 400.0, 80001


@dataclass(frozen=True)
class InternalScatter:
    """Internal scatter radiation.

    Parameters
    ----------
    percent : float
        Share of the edge's step beyond the distance, both sides together [%].
    distance_mm : float
        The distance from the edge [mm].
    warnings : tuple of str
        Caveats of the measurement.
    """

    percent: float
    distance_mm: float
    warnings: tuple[str, ...] = ()


def internal_scatter(
    image: ArrayLike, pitch_mm: float, *, roi: ROI | None = None, distance_mm: float = SCATTER_DISTANCE_MM
) -> InternalScatter:
    """Measure the internal scatter from the image of an opaque plate's slanted edge on the detector.

    Parameters
    ----------
    image : (H, W) array
        Grey values linear in exposure.
    pitch_mm : float
        Pixel pitch [mm].
    roi : (x, y, width, height), optional
        The part with the edge: its sides reach at least three times the distance.
    distance_mm : float
        Where the sharp part of the edge is over [mm].

    Raises
    ------
    InputError
        If there is no slanted edge (see `xsim.measure.edge.edge_mtf`), or too little beside it.
    """
    check_range("distance from the edge", distance_mm, 0.01, 100.0, "mm")
    edge = edge_mtf(image, pitch_mm, roi=roi).edges[0]
    place = edge.distance_px * pitch_mm
    if min(-place[0], place[-1]) < _REACH * distance_mm:
        raise InputError(
            f"{min(-place[0], place[-1]):.3g} mm beside the edge: give a region that reaches "
            f"{_REACH * distance_mm:g} mm to both sides"
        )
    # Half a distance around the place keeps the noise low; the profile is smooth there.
    near = [float(np.mean(edge.esf[np.abs(place - side) < 0.1 * distance_mm])) for side in (distance_mm, -distance_mm)]
    missing = ((edge.bright - near[0]) + (near[1] - edge.dark)) / edge.step
    return InternalScatter(100 * missing, distance_mm, edge.warnings)


def scatter_from_mtf(
    otf: Callable[[NDArray[np.float64]], NDArray[np.float64]], *, distance_mm: float = SCATTER_DISTANCE_MM
) -> float:
    """Return the same share [%] of a detector with a transfer function of frequencies [lp/mm].

    The profile of an edge is 1/2 + integral of OTF(f) sin(2 pi f x) / (pi f) df.
    """
    f = np.linspace(0.0, _TOP, _COUNT)[1:] / distance_mm
    # Midpoints of the intervals: the integrand at 0 is finite, and the grid resolves the sine 200 times.
    f -= 0.5 * f[0]
    step = float(f[1] - f[0])
    half = float(np.sum(otf(f) * np.sin(2 * np.pi * f * distance_mm) / (np.pi * f)) * step)
    return 100.0 * (1.0 - 2.0 * half)
