"""The radial power spectrum S(f) of sharp images: the prior that the Wiener filter needs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from xsim.curves import checked_table
from xsim.degradation.degradation import Degradation
from xsim.errors import InputError
from xsim.grids import radial_frequency, radial_mean
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.process import fft

__all__ = ["RadialSpectrum"]

_RINGS = 64
"""Rings of the table, spaced geometrically over a factor of 300 in frequency: S(f) falls as a power law, smoothly."""

_LEAST_MTF = 1e-3
"""Where less passes, what is seen is noise, and says nothing about another detector."""


@dataclass(frozen=True)
class RadialSpectrum:
    """Power spectral density of images against |f|.

    Parameters
    ----------
    frequency_lp_mm : (n,) array
        Rising frequencies above zero [lp/mm].
    S_mm2 : (n,) array
        Power spectral density [mm2] of images whose open field is 1.0.
    mtf_squared : (n,) array, optional
        Mean square of the MTFs of the detectors that took them; None where these are not known.
    """

    frequency_lp_mm: NDArray[np.float64]
    S_mm2: NDArray[np.float64]
    mtf_squared: NDArray[np.float64] | None = None

    @classmethod
    def measure(
        cls, images: Iterable[Tensor], pitches_mm: Sequence[float], detectors: Sequence[Degradation] = ()
    ) -> RadialSpectrum:
        """Measure the mean spectrum of images (H, W) on their reflected grids, where the filter will use it.

        Parameters
        ----------
        images : iterable of (H, W) tensors
            Sharp images, open field 1.0.
        pitches_mm : sequence of float
            Pixel pitch of each [mm].
        detectors : sequence of Degradation, optional
            What took each; their HR MTFs are averaged as the images are.

        Raises
        ------
        InputError
            If there is no image, or the images hold no structure.
        """
        corner = 0.5 * np.sqrt(2) / min(pitches_mm, default=1.0)
        edges = np.geomspace(corner / 300, corner, _RINGS + 1)
        centres = np.sqrt(edges[:-1] * edges[1:])
        mtfs = [mtf for detector in detectors if (mtf := _mtf_squared(detector, centres)) is not None]
        known = 0 < len(mtfs) == len(detectors)
        total, passed, count = np.zeros((3, _RINGS))
        for number, (image, pitch_mm) in enumerate(zip(images, pitches_mm, strict=True)):
            grid = PaddedGrid.around((image.shape[-2], image.shape[-1]))
            power = fft(grid.pad(image.double())).abs().square().cpu().numpy() * pitch_mm**2
            mean, weight = radial_mean(power, grid.padded, pitch_mm, edges)
            total += np.where(weight > 0, mean, 0) * weight
            if known:
                passed += mtfs[number] * weight
            count += weight
        filled = count > 0
        if not filled.any() or not (total[filled] > 0).all():
            raise InputError("the power spectrum of these images is empty: give images with structure")
        return cls(centres[filled], total[filled] / count[filled], passed[filled] / count[filled] if known else None)

    def behind(self, degradation: Degradation) -> RadialSpectrum:
        """Return the spectrum of the same scenes taken by another HR detector: S goes with the square of its MTF.

        A prior that is the mean of many detectors is too smooth for the sharpest of them, and too rough for others.
        Where either MTF is not known the spectrum stays as it is.

        Parameters
        ----------
        degradation : Degradation
            What lies between that detector and another.
        """
        own = _mtf_squared(degradation, self.frequency_lp_mm)
        if own is None or self.mtf_squared is None:
            return self
        ratio = np.clip(own / np.maximum(self.mtf_squared, _LEAST_MTF**2), _LEAST_MTF**2, None)
        return replace(self, S_mm2=self.S_mm2 * ratio, mtf_squared=own)

    def at_pitch(self, old_mm: float, new_mm: float) -> RadialSpectrum:
        """Return the same spectrum in pixels, on pixels of another pitch [mm]: objects look alike at any scale."""
        ratio = new_mm / old_mm
        return replace(self, frequency_lp_mm=self.frequency_lp_mm / ratio, S_mm2=self.S_mm2 * ratio**2)

    def fixed(self) -> RadialSpectrum:
        """Return this spectrum for good: it stays what it is behind any HR detector."""
        return replace(self, mtf_squared=None)

    def map(self, shape: tuple[int, int], pitch_mm: float) -> NDArray[np.float64]:
        """Return S in bin variances (mm2 / pitch^2) on a grid, shape (H, W // 2 + 1).

        Between the rings log S is linear in log f, below the first ring S is held. The mean of an image says
        nothing about another one: its prior is as good as flat (10^6 times the strongest ring).
        """
        frequency = radial_frequency(shape, pitch_mm)
        log_f = np.log(np.maximum(frequency, self.frequency_lp_mm[0] * 1e-3))
        S = np.exp(np.interp(log_f, np.log(self.frequency_lp_mm), np.log(self.S_mm2)))
        S[0, 0] = self.S_mm2.max() * 1e6
        return np.asarray(S / pitch_mm**2)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        tables = {"frequency_lp_mm": self.frequency_lp_mm, "S_mm2": self.S_mm2, "mtf_squared": self.mtf_squared}
        return {name: table.tolist() for name, table in tables.items() if table is not None}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RadialSpectrum:
        """Build from what `to_dict` returned.

        Raises
        ------
        InputError
            If the tables differ in length, do not rise, or are not positive.
        """
        frequency, S = checked_table("S(f)", data["frequency_lp_mm"], data["S_mm2"])
        if not (frequency[0] > 0 and (S > 0).all()):
            raise InputError("the table of S(f) is unusable: frequencies must rise from above zero and S be positive")
        if data.get("mtf_squared") is None:
            return cls(frequency, S)
        mtf_squared = np.asarray(data["mtf_squared"], dtype=float)
        if mtf_squared.shape != S.shape or not (mtf_squared >= 0).all() or not np.isfinite(mtf_squared).all():
            raise InputError("the table of S(f) is unusable: its squared MTFs must be as many, and 0 or above")
        return cls(frequency, S, mtf_squared)


def _mtf_squared(degradation: Degradation, frequency_lp_mm: NDArray[np.float64]) -> NDArray[np.float64] | None:
    if degradation.mtf_hr is None:
        return None
    return np.square(np.interp(frequency_lp_mm, degradation.frequency_lp_mm, degradation.mtf_hr))
