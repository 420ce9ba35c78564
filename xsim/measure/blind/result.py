"""What is known of a detector after a look at its radiographs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsim.degradation.known import KnownDetector

__all__ = ["BlindDetector", "BlindNoise"]


@dataclass(frozen=True)
class BlindNoise:
    """Noise of the open field, in shares of it.

    Parameters
    ----------
    rms, low, high : float
        Standard deviation of a pixel, and its 95 % interval.
    frequency, power : (m,) arrays
        Measured radial spectrum: frequency [cycles/px] and power, such that white noise of variance v has power v.
    fine_frequency, fine_power : (n,) arrays
        The smooth spectrum that was fitted to it, up to the corner of the frequency square; its mean over the plane is
        rms**2.
    coloured, white : float
        Variances of the part that the blur colours and of the white one; rms**2 together.
    flat_px : float
        Area of the flat parts it was measured on [px].
    flat_places : (m, 3) array of int
        Image, row and column [px] of the first pixel of each flat block of 32 x 32.
    remarks : tuple of str
        Caveats.
    """

    rms: float
    low: float
    high: float
    frequency: NDArray[np.float64]
    power: NDArray[np.float64]
    fine_frequency: NDArray[np.float64]
    fine_power: NDArray[np.float64]
    coloured: float
    white: float
    flat_px: float
    flat_places: NDArray[np.int64]
    remarks: tuple[str, ...] = ()

    @property
    def white_share(self) -> float:
        """Share of the variance that is white."""
        return self.white / (self.coloured + self.white)


@dataclass(frozen=True)
class BlindDetector:
    """A detector's blur and noise, estimated from ordinary radiographs.

    Parameters
    ----------
    frequency : (n,) array
        [cycles/px], from 0 to Nyquist.
    mtf, low, high : (n,) arrays
        Presampled MTF along the pixel axes, pixel aperture included, and its 95 % interval.
    f50, f50_low, f50_high : float
        Where it falls to a half, and the 95 % interval [cycles/px].
    noise : BlindNoise
        Noise of the open field.
    edges : int
        How many edges were joined.
    pitch_mm : float, optional
        Pixel pitch [mm]; lengths are known with it alone.
    edge_places : (edges, 4) array
        Image, row, column [px] and direction of the normal [rad] of each edge.
    fine_frequency, fine_mtf : (m,) arrays
        The MTF as far as the corner of the frequency square and beyond, as tables for restoring.
    weights : (K,) array
        Of the mixture of widths that the edges tell (`xsim.measure.blind.mixture`), veiling glare aside.
    blur_remarks : tuple of str
        Caveats of the blur.
    """

    frequency: NDArray[np.float64]
    mtf: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]
    f50: float
    f50_low: float
    f50_high: float
    noise: BlindNoise
    edges: int
    pitch_mm: float | None
    edge_places: NDArray[np.float64]
    fine_frequency: NDArray[np.float64]
    fine_mtf: NDArray[np.float64]
    weights: NDArray[np.float64]
    blur_remarks: tuple[str, ...] = ()

    @property
    def remarks(self) -> tuple[str, ...]:
        """Caveats, of the blur and of the noise."""
        return self.blur_remarks + self.noise.remarks

    @property
    def flat_px(self) -> float:
        """Area of the flat parts that the noise was measured on [px]."""
        return self.noise.flat_px

    @property
    def flat_places(self) -> NDArray[np.int64]:
        """Image, row and column [px] of the first pixel of each flat block of 32 x 32, (m, 3)."""
        return self.noise.flat_places

    @property
    def frequency_lp_mm(self) -> NDArray[np.float64] | None:
        """The frequencies [lp/mm]; None without a pitch."""
        return None if self.pitch_mm is None else self.frequency / self.pitch_mm

    @property
    def flat_mm2(self) -> float | None:
        """Area of the flat parts [mm2]; None without a pitch."""
        return None if self.pitch_mm is None else self.flat_px * self.pitch_mm**2

    def known(self) -> KnownDetector:
        """Return what a restorer needs of it."""
        noise = self.noise
        return KnownDetector(
            "image",
            self.fine_frequency,
            np.maximum(self.fine_mtf, 0.0),
            np.interp(self.fine_frequency, noise.fine_frequency, noise.fine_power),
            self.pitch_mm,
            blur_spread=self.f50_high / self.f50,
            noise_spread=noise.high / noise.rms,
            edges=self.edges,
            flat_px=self.flat_px,
            summary=self.summary(),
            remarks=self.remarks,
        )

    def summary(self) -> str:
        """Return the one line that says what was estimated."""
        scale, unit = (1.0, "cycles/px") if self.pitch_mm is None else (self.pitch_mm, "lp/mm")
        area = f"{self.flat_px:.3g} px" if self.flat_mm2 is None else f"{self.flat_mm2:.3g} mm2"
        blur = f"f50 {self.f50 / scale:.2g} {unit} ({self.f50_low / scale:.2g} to {self.f50_high / scale:.2g})"
        rms, low, high = (100 * value for value in (self.noise.rms, self.noise.low, self.noise.high))
        return (
            f"detector: estimated from {self.edges} edge{'s' * (self.edges != 1)} and {area} of flat: {blur}, "
            f"noise {rms:.2g} % of the open field ({low:.2g} to {high:.2g})"
        )
