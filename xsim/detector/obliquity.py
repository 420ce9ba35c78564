"""Oblique rays: what a screen blurs, and absorbs, when X rays cross it at an angle.

A ray at an angle t to the normal crosses the layer over a length 1 / cos t as long, so that more of it is absorbed, and
nearer to where it enters. Photons of one ray that are absorbed at different depths make their light at different
places: depth times tan t along the tilt. The image of an edge is blurred by that, along the tilt only. Noise is not:
each photon's light stays as it is, wherever the photon is displaced to (measured so: Tkaczyk et al., Proc. SPIE 6142,
61423F, 2006). What noise sees is the other depth of absorption.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.curves import RadialCurve

__all__ = ["ObliqueTransfer"]

# Directions of the mean over all: by symmetry within a quarter of the circle.
_DIRECTIONS: Final = 24


@dataclass(frozen=True, eq=False)
class ObliqueTransfer:
    """The transfer function of a screen for rays that are tilted along the rows of the image.

    Its phase is that of a blur without symmetry. The centre of the image, the mean place of the light, stays where it
    is: a displacement of the whole image is the geometry's, and what registration finds.

    Parameters
    ----------
    frequency_lp_mm : (n,) array
        Frequencies |f| of the table [lp/mm].
    light : (n, nz) array
        What each sub-layer transfers at |f|, gap included; the sum over layers at f = 0 is 1.
    place_mm : (nz,) array
        Where along the tilt the light of a sub-layer stands [mm].
    layer_mm : float
        What a sub-layer spreads a ray over along the tilt [mm].
    entry_mm : float
        Where along the tilt the rays enter the screen [mm].
    hits : (share, place_mm)
        Share of the signal that direct hits in the silicon make, unblurred, and where they stand [mm].
    """

    frequency_lp_mm: NDArray[np.float64]
    light: NDArray[np.float64]
    place_mm: NDArray[np.float64]
    layer_mm: float
    entry_mm: float
    hits: tuple[float, float] = (0.0, 0.0)

    def __call__(self, frequency_lp_mm: ArrayLike, along_lp_mm: ArrayLike) -> NDArray[np.complex128]:
        """Return the transfer function at |f| where the component along the tilt is u; shapes that go together."""
        frequency, u = np.broadcast_arrays(np.abs(frequency_lp_mm), np.asarray(along_lp_mm, dtype=np.float64))
        total = np.zeros(frequency.shape, dtype=np.complex128)
        for curve, place in zip(self._curves, self.place_mm.tolist(), strict=True):
            total += curve(frequency) * np.exp(-2j * np.pi * place * np.asarray(along_lp_mm))
        return self._with_hits(total * np.sinc(self.layer_mm * u), u)

    def with_hits(self, share: float, way_mm: float) -> ObliqueTransfer:
        """Return the transfer function where hits make a share of the signal, so far behind where rays enter [mm]."""
        return replace(self, hits=(share, self.entry_mm + way_mm))

    def along(self) -> NDArray[np.float64]:
        """Return the MTF along the tilt at the frequencies of the table, (n,)."""
        return np.abs(self._at(1.0))

    def across(self) -> NDArray[np.float64]:
        """Return the MTF across the tilt at the frequencies of the table, (n,)."""
        return np.abs(self._at(0.0))

    def mean(self) -> NDArray[np.float64]:
        """Return the MTF averaged over all directions at the frequencies of the table, (n,)."""
        angles = (np.arange(_DIRECTIONS) + 0.5) * (np.pi / 2 / _DIRECTIONS)
        return np.asarray(np.mean([np.abs(self._at(share)) for share in np.cos(angles).tolist()], axis=0))

    def _at(self, share: float) -> NDArray[np.complex128]:
        """Return the transfer function where so much of the frequency is along the tilt, (n,)."""
        u = share * self.frequency_lp_mm
        phase = np.exp(-2j * np.pi * u[:, None] * self.place_mm)
        return self._with_hits((self.light * phase).sum(axis=1) * np.sinc(self.layer_mm * u), u)

    def _with_hits(self, light: NDArray[np.complex128], u: NDArray[np.float64]) -> NDArray[np.complex128]:
        share, place_mm = self.hits
        if share == 0:
            return light
        return np.asarray((1.0 - share) * light + share * np.exp(-2j * np.pi * place_mm * u))

    @cached_property
    def _curves(self) -> list[RadialCurve]:
        """One curve a layer: they are smooth, where the sum of all with their phases is not."""
        return [RadialCurve(self.frequency_lp_mm, values) for values in self.light.T]
