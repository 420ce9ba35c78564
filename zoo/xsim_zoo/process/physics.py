"""What a restorer knows about the two detectors it stands between."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from xsim.degradation.degradation import Degradation
from xsim.errors import InputError
from xsim.keywords import names_keywords
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.link import LinkOnGrid, TorchLink
from xsim_zoo.process.prior import RadialSpectrum

__all__ = ["Physics", "in_lr_grey", "link_on"]

_PITCH_TOLERANCE = 0.01
"""Relative difference of two pitches that count as one: tags of files are rounded to about so much."""

_ONE_PRIOR = 2.0
"""Factor between pitches within which one spectrum of objects in mm serves: `universal` learned with it."""


def link_on(
    degradation: Degradation, shape: tuple[int, int], device: torch.device | str = "cpu", *, first: bool = True
) -> LinkOnGrid:
    """Return the link of a degradation on a padded grid (H, W) [px]; ``first`` as `Physics.link_first`.

    Raises
    ------
    InputError
        If the link does not rise.
    """
    curve = TorchLink.sampled(degradation.link, device=device)
    M = degradation.mtf_hr_map(shape) if first and not degradation.link.is_identity else None
    return LinkOnGrid(curve, None if M is None else torch.as_tensor(M, dtype=torch.float32, device=device))


def in_lr_grey(hr: Tensor, degradation: Degradation, *, first: bool = True) -> Tensor:
    """Return an HR image (H, W) in LR grey, linked on its reflected grid; ``first`` as `Physics.link_first`."""
    grid = PaddedGrid.around((hr.shape[-2], hr.shape[-1]))
    return grid.crop(link_on(degradation, grid.padded, hr.device, first=first).forward(grid.pad(hr)))


@names_keywords
@dataclass(frozen=True)
class Physics:
    """The degradation between two detectors, and the power spectrum of sharp images in LR grey.

    Parameters
    ----------
    degradation : Degradation
        B_1, Sigma_1 and the grey-level link, at one pixel pitch.
    spectrum : RadialSpectrum
        S(f) of L(x_0), the sharp images in LR grey.
    link_first : bool
        Whether the grey-level link acts before the blur of the HR detector, as physics has it; weights of before 0.2
        have learned it after. Where the MTF of the HR detector is not known it acts on the image as it is.
    """

    degradation: Degradation
    spectrum: RadialSpectrum
    link_first: bool = True

    @property
    def pitch_mm(self) -> float:
        """Pixel pitch for which the tables hold [mm]."""
        return float(self.degradation.pitch_mm)

    def between(self, degradation: Degradation) -> Physics:
        """Return the physics of two other detectors for the same objects.

        S(f) stays what it is in mm where their pixels are of about the size that it was measured at; of others the
        objects are taken to look alike in pixels.
        """
        own, other = self.pitch_mm, float(degradation.pitch_mm)
        near = 1 / _ONE_PRIOR <= other / own <= _ONE_PRIOR
        spectrum = self.spectrum if near else self.spectrum.at_pitch(own, other)
        return replace(self, degradation=degradation, spectrum=spectrum)

    @property
    def linked(self) -> bool:
        """Whether the two grey levels differ, so that the link does something."""
        return not self.degradation.link.is_identity

    def link_on(self, shape: tuple[int, int], device: torch.device | str = "cpu") -> LinkOnGrid:
        """Return the link on a padded grid (H, W) [px].

        Raises
        ------
        InputError
            If the link does not rise.
        """
        return link_on(self.degradation, shape, device, first=self.link_first)

    def in_lr_grey(self, hr: Tensor) -> Tensor:
        """Return an HR image (H, W) in LR grey, linked on its reflected grid."""
        return in_lr_grey(hr, self.degradation, first=self.link_first)

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
        return {
            "degradation": self.degradation.to_dict(),
            "spectrum": self.spectrum.to_dict(),
            "link_first": self.link_first,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Physics:
        """Build from what `to_dict` returned."""
        return cls(
            Degradation.from_dict(data["degradation"]),
            RadialSpectrum.from_dict(data["spectrum"]),
            bool(data.get("link_first", False)),  # cards of before 0.2 do not say it
        )
