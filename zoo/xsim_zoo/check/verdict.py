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

_ONE_PLACE_PX = 4 * BLOCK_PX
"""What contradicts in several bands or parts is one place within this distance [px], as windows are 2 blocks wide."""

_NAMED = 3
"""Places that the verdict names; the others are counted there, and listed beside it."""


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
    area_px : int
        Area of this place [px]; 0 where no place stands out.
    """

    band_lp_mm: tuple[float, float]
    y: int
    x: int
    chi2: float
    share: float
    area_px: int = 0

    def near(self, other: Suspect) -> bool:
        """Return whether two lie at one place."""
        return float(np.hypot(self.y - other.y, self.x - other.x)) < _ONE_PLACE_PX


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
        Places that contradict the measurement, all of them in each band.
    grey_residual : float
        rms by which the image's own grey-level link differs from the weights', in grey.
    power_beyond : float
        Share of the answer's power, its mean aside, at frequencies where the noise exceeds what structure leaves
        after the blur: what stands there comes from experience rather than from this measurement.
    map : (ceil(H / 8), ceil(W / 8)) float32 array
        Largest local chi2 of all bands; NaN where nothing is judged, as in the border.
    noise_factor : float, optional
        Noise power of the measurement in units of what its grey levels let expect; None where it cannot be told.
    condition : str
        What must hold beside, in words, where nobody has said whose image it is: the check cannot vouch for that.
    unit : str
        Of the bands; cycles/px where the pixel pitch is not known.
    doubts : tuple of str
        Why nothing can be judged: what of the image's scale, polarity, pitch or grey levels is only guessed, or is no
        measurement any more.
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
    doubts: tuple[str, ...] = ()

    @property
    def excess_noise(self) -> bool:
        """Whether the measurement holds more noise than detectors and dose explain."""
        return self.noise_factor is not None and self.noise_factor > NOISE_TOLERANCE

    @property
    def contradicted(self) -> bool:
        """Whether the measurement, as it is understood, contradicts the image."""
        return bool(self.suspects) or self.excess_noise

    @property
    def consistent(self) -> bool:
        """Whether the image can be judged, and nothing contradicts it."""
        return not self.doubts and not self.contradicted

    @property
    def checked(self) -> float:
        """Share of the image's area that was judged."""
        return float(np.isfinite(self.map).mean()) if self.map.size else 0.0

    @property
    def places(self) -> tuple[Suspect, ...]:
        """The places that contradict the measurement, each once though it may do so in several bands, worst first."""
        return _apart(self.suspects)

    @property
    def severity(self) -> float:
        """How strongly the measurement contradicts the image, to compare images."""
        noise = self.noise_factor or 0.0
        return max((suspect.chi2 for suspect in self.suspects), default=0.0) + (noise if self.excess_noise else 0.0)

    @property
    def verdict(self) -> str:
        """One line for people."""
        if self.doubts:
            found = f"; as assumed it is {self._contradiction}" if self.contradicted else ""
            return f"not judged: {'; '.join(self.doubts)}{found}"
        if self.contradicted:
            return self._contradiction
        return f"consistent with the measurement{f' if {self.condition}' if self.condition else ''}"

    @property
    def _contradiction(self) -> str:
        """What contradicts the image."""
        factor = self.noise_factor or 1.0
        noise = f"noise is {factor:.2g} times what its detector lets expect"
        # What is left of the image may be no more than its noise.
        if not self.suspects or (self.excess_noise and max(self.chi2) <= NOISE_TOLERANCE * factor):
            return f"not consistent over the image: {noise}: expose at its dose, or calibrate and give --detectors"
        return f"not consistent {self._where}{f'; {noise}' if self.excess_noise else ''}"

    @property
    def _where(self) -> str:
        """Where the residual contradicts the image."""
        spread = {suspect.band_lp_mm: suspect for suspect in self.suspects if suspect.share > _EVERYWHERE}
        if spread:
            bands = ", ".join(f"{low:g}-{high:.3g} ({s.share:.0%})" for (low, high), s in sorted(spread.items()))
            return (
                f"over the image at {bands} {self.unit}: its blur or noise is not that of these detectors, or the open "
                "field is not: see --open-field, --detectors"
            )
        named = [self._named(place) for place in self.places[:_NAMED]]
        more = len(self.places) - len(named)
        return ", ".join(named) + (f", and at {more} places more" if more else "") + " (about 1 or less is expected)"

    def _named(self, place: Suspect) -> str:
        low, high = place.band_lp_mm
        return f"at y {place.y}, x {place.x} at {low:g}-{high:.3g} {self.unit} (chi2 {place.chi2:.1f})"

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
        return (f"noise is {factor} times what its detector lets expect: {advice}",)

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types, without the map."""
        return {
            "verdict": self.verdict,
            "consistent": self.consistent,
            "judged": not self.doubts,
            "doubts": list(self.doubts),
            "checked_share": self.checked,
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
    whole = np.full([-(-side // BLOCK_PX) for side in shape], np.nan, np.float32)
    placed = []
    for (row, column), part in parts:
        rows, columns = row // BLOCK_PX, column // BLOCK_PX
        spot = whole[rows : rows + part.map.shape[0], columns : columns + part.map.shape[1]]
        np.fmax(spot, part.map, out=spot)
        placed += [replace(suspect, y=suspect.y + row, x=suspect.x + column) for suspect in part.suspects]
    # The mean of the factors that are known, on a scale of ratios.
    factors = [part.noise_factor for part in found if part.noise_factor]
    suspects = []
    for band in found[0].band_lp_mm:
        shares = [next((s.share for s in part.suspects if s.band_lp_mm == band), 0.0) for part in found]
        share = float(np.average(shares, weights=areas))
        # Two parts that overlap both see what lies there.
        here = _apart([suspect for suspect in placed if suspect.band_lp_mm == band])
        suspects += [replace(suspect, share=share) for suspect in here]
    return Consistency(
        found[0].band_lp_mm,
        tuple(np.average([part.chi2 for part in found], axis=0, weights=areas).tolist()),
        tuple(suspects),
        float(np.sqrt(np.average([part.grey_residual**2 for part in found], weights=areas))),
        float(np.average([part.power_beyond for part in found], weights=areas)),
        whole,
        float(np.exp(np.mean(np.log(factors)))) if factors else None,
    )


def _apart(suspects: Sequence[Suspect]) -> tuple[Suspect, ...]:
    """Return the worst of those that lie at one place, worst first."""
    apart: list[Suspect] = []
    for suspect in sorted(suspects, key=lambda one: -one.chi2):
        if not any(suspect.near(other) for other in apart):
            apart.append(suspect)
    return tuple(apart)
