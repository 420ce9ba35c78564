"""What is known of one detector, whatever it comes from: its blur and noise in pixels, and how sure they are.

A restorer needs a degradation, which lies between two detectors. With one there is a target in place of the other, the
MTF that the image is to have; grey values then stay its own.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.curves import RadialCurve, checked_table, quadratic_grid
from xsim.degradation.degradation import B_1_FLOOR, Degradation
from xsim.degradation.link import GreyLink, excess_noise
from xsim.degradation.target import Target, falls_to
from xsim.errors import check_range
from xsim.grids import half_plane_weights, radial_frequency

if TYPE_CHECKING:
    from xsim.detector.response import DetectorResponse

__all__ = ["NOMINAL_PITCH_MM", "KnownDetector", "pixel_rms"]

NOMINAL_PITCH_MM: Final = 0.048
"""Pitch at which tables are kept where nobody knows it [mm]: what is done in pixels does not depend on it."""

_CORNER: Final = float(np.sqrt(0.5))
"""Highest frequency of a square of pixels [cycles/px]."""

_ROWS: Final = 128
"""Rows of tables, quadratically spaced: .00005 cycles/px apart at 0, .01 at the corner."""

_PLANE: Final = (256, 256)
"""Grid over which noise spectra are averaged to the variance of a pixel."""


def pixel_rms(frequency: NDArray[np.float64], power: NDArray[np.float64]) -> float:
    """Return the standard deviation of a pixel that a noise spectrum (n,) amounts to.

    Parameters
    ----------
    frequency, power : (n,) arrays
        [cycles/px], and NNPS / pitch^2; beyond the table its end is held.
    """
    plane = np.interp(radial_frequency(_PLANE, 1.0), frequency, power)
    return float(np.sqrt(np.average(plane, weights=np.broadcast_to(half_plane_weights(_PLANE), plane.shape))))


@dataclass(frozen=True, eq=False)
class KnownDetector:
    """Blur and noise of one detector, in pixels.

    Parameters
    ----------
    source : str
        What they come from, for people: "image", "edges and flats", "data sheet", "model", ...
    frequency : (n,) array
        [cycles/px], rising from 0 to the corner of the frequency square or beyond.
    mtf : (n,) array
        Presampled MTF along a pixel axis, aperture included.
    noise_power : (n,) array
        NNPS / pitch^2 of one image's open field, such that its mean over the plane is the variance of a pixel.
    pitch_mm : float, optional
        Pixel pitch [mm]; without it lengths are not known, and nothing else is amiss.
    blur_spread, noise_spread : float, optional
        Factor by which f50 and the noise's rms may be off either way, at 95 %; None where nobody has said it.
    excess_noise : float
        See `Degradation`.
    edges, flat_px : float
        What an estimate rests on: edges, and area of flat parts [px].
    summary : str
        One line on what was assumed; empty where nothing was.
    remarks : tuple of str
        Caveats.

    Raises
    ------
    InputError
        If a table is not usable.
    """

    source: str
    frequency: NDArray[np.float64]
    mtf: NDArray[np.float64]
    noise_power: NDArray[np.float64]
    pitch_mm: float | None = None
    blur_spread: float | None = None
    noise_spread: float | None = None
    excess_noise: float = 0.0
    edges: int = 0
    flat_px: float = 0.0
    summary: str = ""
    remarks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("mtf", "noise_power"):
            frequency, values = checked_table(f"detector {name}", self.frequency, getattr(self, name))
            object.__setattr__(self, "frequency", frequency)
            object.__setattr__(self, name, values)
        if self.pitch_mm is not None:
            check_range("pixel pitch", self.pitch_mm, 1e-3, 2.0, "mm")

    @classmethod
    def of_response(
        cls,
        response: DetectorResponse,
        source: str = "model",
        *,
        frames: int = 1,
        blur_spread: float | None = None,
        noise_spread: float | None = None,
    ) -> KnownDetector:
        """Return what is known of a detector in a beam; its images are means of so many frames."""
        pitch_mm = response.pitch_mm
        frequency = quadratic_grid(1.02 * _CORNER, _ROWS)
        nnps = response.mean_nnps(frequency / pitch_mm, frames)
        return cls(
            source,
            frequency,
            response.mtf(frequency / pitch_mm),
            nnps / pitch_mm**2,
            pitch_mm,
            blur_spread=blur_spread,
            noise_spread=noise_spread,
            excess_noise=excess_noise(response),
        )

    @property
    def table_pitch_mm(self) -> float:
        """Pixel pitch of the tables of a degradation [mm]: the detector's own, or a nominal one."""
        return NOMINAL_PITCH_MM if self.pitch_mm is None else self.pitch_mm

    @property
    def f50(self) -> float:
        """Where the MTF falls to a half [cycles/px]."""
        return falls_to(self.frequency, self.mtf, 0.5)

    @property
    def noise_rms(self) -> float:
        """Standard deviation of a pixel in the open field."""
        return pixel_rms(self.frequency, self.noise_power)

    def mtf_at(self, frequency: ArrayLike) -> NDArray[np.float64]:
        """Return the MTF at frequencies [cycles/px]; beyond the table its end is held."""
        return np.interp(np.asarray(frequency, dtype=np.float64), self.frequency, self.mtf)

    def with_blur(self, factor: float) -> KnownDetector:
        """Return the detector with frequencies of its MTF stretched by a factor: above 1 it is sharper."""
        return replace(self, mtf=self.mtf_at(self.frequency / factor))

    def with_noise(self, rms: float) -> KnownDetector:
        """Return the detector with another noise of a pixel in the open field; the colour stays."""
        return replace(self, noise_power=self.noise_power * (rms / self.noise_rms) ** 2)

    def at_pitch(self, pitch_mm: float | None) -> KnownDetector:
        """Return the same pixels with another name in mm."""
        return replace(self, pitch_mm=pitch_mm)

    def degradation(self, target: Target) -> Degradation:
        """Return the degradation from images of the target's sharpness to those of this detector.

        The link is the identity. Where the detector is sharper than the target nothing is lost: B_1 is 1 there. Noise
        in what is aimed at is none, as in a mean of many frames.
        """
        pitch_mm = self.table_pitch_mm
        frequency = quadratic_grid(1.02 * _CORNER, _ROWS)
        aim = target.mtf_at(frequency)
        # Curves of the same aperture vanish together; a ratio of what is left of both there would be chance.
        ratio = self.mtf_at(frequency) / np.maximum(aim, 1e-6)
        # B_1 does not rise again where both curves are next to nothing.
        B_1 = np.minimum.accumulate(np.clip(ratio, B_1_FLOOR, 1.0))
        noise = RadialCurve(self.frequency, np.maximum(self.noise_power, 1e-12))(frequency)
        return Degradation(
            frequency / pitch_mm,
            B_1,
            noise * pitch_mm**2,
            pitch_mm,
            GreyLink.kept(),
            excess_noise=self.excess_noise,
            mtf_hr=aim,
        )

    def to_dict(self, target: Target | None = None) -> dict[str, Any]:
        """Return JSON types, see the key ``detector`` of ``zoo run``; lengths are None where the pitch is not known."""
        frequency = np.linspace(0.0, 0.5, 51)
        per = self.pitch_mm
        f50, spread, rms = self.f50, self.blur_spread, self.noise_rms

        def length(value: float | None) -> float | None:
            return None if value is None or per is None else value / per

        return {
            "source": self.source,
            "pitch_mm": per,
            "frequency_cycles_px": frequency.tolist(),
            "frequency_lp_mm": None if per is None else (frequency / per).tolist(),
            "mtf": self.mtf_at(frequency).tolist(),
            "mtf_target": None if target is None else target.mtf_at(frequency).tolist(),
            "target": None if target is None else target.name,
            "f50_cycles_px": f50,
            "f50_lp_mm": length(f50),
            "f50_low_lp_mm": length(None if spread is None else f50 / spread),
            "f50_high_lp_mm": length(None if spread is None else f50 * spread),
            "noise_open_field": rms,
            "noise_low": None if self.noise_spread is None else rms / self.noise_spread,
            "noise_high": None if self.noise_spread is None else rms * self.noise_spread,
            "edges": self.edges,
            "flat_mm2": None if per is None else self.flat_px * per**2,
        }
