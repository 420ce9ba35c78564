"""What the check of a restored image found, in numbers and in one line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BLOCK_PX", "NOISE_TOLERANCE", "Consistency", "Suspect", "merged"]

BLOCK_PX = 8
"""Squares are averaged over blocks of this side, then over a Gaussian window of one block standard deviation [px]."""

NOISE_TOLERANCE = 1.5
"""Factor by which noise may exceed its calibration: dose, temperature, and materials that harden the beam more."""

_EVERYWHERE = 0.5
"""Share of the windows from which on a contradiction belongs to the whole image, not to a place."""


@dataclass(frozen=True)
class Suspect:
    """Where a restored image contradicts its measurement.

    Parameters
    ----------
    band_lp_mm : (low, high)
        The band [lp/mm].
    y, x : int
        Centre of the window [px].
    chi2 : float
        Local chi2.
    share : float
        Share of the image that contradicts in this band.
    """

    band_lp_mm: tuple[float, float]
    y: int
    x: int
    chi2: float
    share: float


@dataclass(frozen=True)
class Consistency:
    """The outcome of the check.

    Parameters
    ----------
    band_lp_mm : tuple of (low, high)
        Bands of frequencies [`unit`].
    chi2 : tuple of float
        chi2 of the whole image in each band.
    suspects : tuple of Suspect
        Places that contradict the measurement, at most one in each band.
    grey_residual : float
        rms by which the image's own grey-level link differs from the weights', in grey.
    power_beyond : float
        Share of the answer's power, its mean aside, at frequencies where the noise exceeds what structure leaves
        after the blur: what stands there comes from experience rather than from this measurement.
    map : (ceil(H / 8), ceil(W / 8)) float32 array
        Largest local chi2 of all bands; zero in the border, which is not judged.
    noise_factor : float, optional
        Noise power of the measurement in units of what its grey levels let expect; None where it cannot be told.
    condition : str
        What must hold beside, in words, where nobody has said whose image it is: the check cannot vouch for that.
    unit : str
        Of the bands; cycles/px where the pixel pitch is not known.
    """

    band_lp_mm: tuple[tuple[float, float], ...]
    chi2: tuple[float, ...]
    suspects: tuple[Suspect, ...]
    grey_residual: float
    power_beyond: float
    map: NDArray[np.float32]
    noise_factor: float | None = None
    condition: str = ""
    unit: str = "lp/mm"

    @property
    def excess_noise(self) -> bool:
        """Whether the measurement holds more noise than detectors and dose explain."""
        return self.noise_factor is not None and self.noise_factor > NOISE_TOLERANCE

    @property
    def consistent(self) -> bool:
        """Whether nothing contradicts the image."""
        return not self.suspects and not self.excess_noise

    @property
    def severity(self) -> float:
        """How strongly the measurement contradicts the image, to compare images."""
        noise = self.noise_factor or 0.0
        return max((suspect.chi2 for suspect in self.suspects), default=0.0) + (noise if self.excess_noise else 0.0)

    @property
    def verdict(self) -> str:
        """One line for people."""
        if self.consistent and self.condition:
            return f"consistent with the measurement if {self.condition}"
        if self.consistent:
            return "consistent with the measurement"
        factor = self.noise_factor or 1.0
        noise = f"noise is {factor:.2g} times what the weights expect"
        # What is left of the image may be no more than its noise.
        if not self.suspects or (self.excess_noise and max(self.chi2) <= NOISE_TOLERANCE * factor):
            return f"not consistent over the image: {noise}: expose at their dose, or calibrate and give --detectors"
        return f"not consistent {self._contradiction}{f'; {noise}' if self.excess_noise else ''}"

    @property
    def _contradiction(self) -> str:
        """Where the residual contradicts the image."""
        spread = [suspect for suspect in self.suspects if suspect.share > _EVERYWHERE]
        if spread:
            bands = ", ".join(f"{s.band_lp_mm[0]:g}-{s.band_lp_mm[1]:.3g} ({s.share:.0%})" for s in spread)
            return (
                f"over the image at {bands} {self.unit}: its blur or noise is not that of these detectors, or the open "
                "field is not: see --open-field, --detectors"
            )
        worst = max(self.suspects, key=lambda suspect: suspect.chi2)
        low, high = worst.band_lp_mm
        return (
            f"at y {worst.y}, x {worst.x} at {low:g}-{high:.3g} {self.unit} "
            f"(chi2 {worst.chi2:.1f}; about 1 or less is expected)"
        )

    def in_pixels(self, pitch_mm: float) -> Consistency:
        """Return the outcome with bands in cycles/px, where the pitch of the tables [mm] is only nominal."""

        def turned(band: tuple[float, float]) -> tuple[float, float]:
            return float(f"{band[0] * pitch_mm:.3g}"), float(f"{band[1] * pitch_mm:.3g}")

        return replace(
            self,
            band_lp_mm=tuple(turned(band) for band in self.band_lp_mm),
            suspects=tuple(replace(one, band_lp_mm=turned(one.band_lp_mm)) for one in self.suspects),
            unit="cycles/px",
        )

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is worth saying though nothing is wrong."""
        if self.noise_factor is None or self.noise_factor > 1 / NOISE_TOLERANCE:
            return ()
        factor = f"{self.noise_factor:.2g}"
        advice = "check --polarity and --open-field; with your own --detectors more detail comes back"
        return (f"noise is {factor} times what the weights expect: {advice}",)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, without the map."""
        return {
            "verdict": self.verdict,
            "consistent": self.consistent,
            "band_lp_mm": [list(band) for band in self.band_lp_mm] if self.unit == "lp/mm" else None,
            **({} if self.unit == "lp/mm" else {"band_cycles_px": [list(band) for band in self.band_lp_mm]}),
            "condition": self.condition,
            "chi2": list(self.chi2),
            "suspects": [vars(suspect) for suspect in self.suspects],
            "grey_residual": self.grey_residual,
            "power_beyond": self.power_beyond,
            "noise_factor": self.noise_factor,
        }


def merged(parts: Sequence[tuple[tuple[int, int], Consistency]], shape: tuple[int, int]) -> Consistency:
    """Return the outcome for a large image from those of its overlapping parts.

    Parameters
    ----------
    parts : sequence of ((row, column), Consistency)
        Where each part begins, at multiples of 8 px, and what was found there.
    shape : (H, W)
        Shape of the whole image [px].
    """
    if len(parts) == 1:
        return parts[0][1]
    found = [part for _, part in parts]
    areas = [part.map.size for part in found]
    whole = np.zeros([-(-side // BLOCK_PX) for side in shape], np.float32)
    placed = []
    for (row, column), part in parts:
        rows, columns = row // BLOCK_PX, column // BLOCK_PX
        spot = whole[rows : rows + part.map.shape[0], columns : columns + part.map.shape[1]]
        np.maximum(spot, part.map, out=spot)
        placed += [replace(suspect, y=suspect.y + row, x=suspect.x + column) for suspect in part.suspects]
    # The mean of the factors that are known, on a scale of ratios.
    factors = [part.noise_factor for part in found if part.noise_factor]
    suspects = []
    for band in found[0].band_lp_mm:
        here = [suspect for suspect in placed if suspect.band_lp_mm == band]
        if here:
            share = sum(suspect.share for suspect in here) / len(found)
            suspects.append(replace(max(here, key=lambda suspect: suspect.chi2), share=share))
    return Consistency(
        found[0].band_lp_mm,
        tuple(np.average([part.chi2 for part in found], axis=0, weights=areas).tolist()),
        tuple(suspects),
        float(np.sqrt(np.average([part.grey_residual**2 for part in found], weights=areas))),
        float(np.average([part.power_beyond for part in found], weights=areas)),
        whole,
        float(np.exp(np.mean(np.log(factors)))) if factors else None,
    )
