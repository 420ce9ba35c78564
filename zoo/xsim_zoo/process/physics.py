"""What a restorer knows about the two detectors it stands between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from xsim.degradation.degradation import Degradation
from xsim.errors import InputError
from xsim_zoo.process.prior import RadialSpectrum

__all__ = ["Physics"]

_PITCH_TOLERANCE = 0.01
"""Relative difference of two pitches that count as one: tags of files are rounded to about so much."""


@dataclass(frozen=True)
class Physics:
    """The degradation between two detectors, and the power spectrum of sharp images in LR grey.

    Parameters
    ----------
    degradation : Degradation
        B_1, Sigma_1 and the grey-level link, at one pixel pitch.
    spectrum : RadialSpectrum
        S(f) of h(x_0), the sharp images in LR grey.
    """

    degradation: Degradation
    spectrum: RadialSpectrum

    @property
    def pitch_mm(self) -> float:
        """Pixel pitch for which the tables hold [mm]."""
        return float(self.degradation.pitch_mm)

    @property
    def linked(self) -> bool:
        """Whether the two grey levels differ, so that the link does something."""
        return not self.degradation.link.is_identity

    def is_pitch(self, pitch_mm: float | None) -> bool:
        """Return whether a pixel pitch [mm] is this one, to 1 %; an unknown one (None) is taken to be."""
        return pitch_mm is None or abs(pitch_mm / self.pitch_mm - 1) <= _PITCH_TOLERANCE

    def check_pitch(self, pitch_mm: float | None) -> None:
        """Accept images of this pixel pitch [mm], or of an unknown one (None).

        Raises
        ------
        InputError
            If it differs by more than 1 %: the tables hold the pixel aperture, and networks learn in pixels.
        """
        if not self.is_pitch(pitch_mm):
            raise InputError(
                f"the image has a pixel pitch of {pitch_mm:g} mm, the weights hold for {self.pitch_mm:g} mm: resample "
                f"the image, train at its pitch, or force --pitch-mm {self.pitch_mm:g}"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return JSON types."""
        return {"degradation": self.degradation.to_dict(), "spectrum": self.spectrum.to_dict()}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Physics:
        """Build from what `to_dict` returned."""
        return cls(Degradation.from_dict(data["degradation"]), RadialSpectrum.from_dict(data["spectrum"]))
