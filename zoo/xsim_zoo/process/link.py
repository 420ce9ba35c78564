"""The grey-level link h in torch: HR grey -> LR grey, and back.

The screens answer to different energies, so the LR image is not a blurred HR image in grey level: it is a blurred
L(HR), with L the link before the HR detector's blur (`xsim.degradation.before_blur`). Restorers work on L(x_0) with y
untouched and hand the answer through the inverse of L. Weights of before 0.2 have learned h(x_0), the curve alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps

import numpy as np
import torch
from torch import Tensor

from xsim.degradation.before_blur import sharpening
from xsim.degradation.link import GreyLink
from xsim.errors import InputError
from xsim_zoo.process.process import fft, ifft, strips

__all__ = ["LinkOnGrid", "TorchLink"]

_CELLS = 4096
"""Straight pieces of a sampled link: with so many they differ from its own curve by less than float32 resolves."""

_PIECE_PX = 2**20
"""Pixels that a link is applied to at a time: the numbers of their cells then take 8 MiB, whatever the image takes."""


def _in_pieces(curve: Callable[[TorchLink, Tensor], Tensor]) -> Callable[[TorchLink, Tensor], Tensor]:
    """Apply a curve to some pixels at a time: the numbers of their cells take twice the memory of the image."""

    @wraps(curve)
    def applied(link: TorchLink, grey: Tensor) -> Tensor:
        # Pieces that are written into one tensor have no gradient.
        if grey.numel() <= _PIECE_PX or (grey.requires_grad and torch.is_grad_enabled()):
            return curve(link, grey)
        answer = torch.empty(grey.shape, dtype=grey.dtype, device=grey.device)
        pieces = -(-grey.numel() // _PIECE_PX)
        for piece, place in zip(grey.flatten().chunk(pieces), answer.flatten().chunk(pieces), strict=True):
            place.copy_(curve(link, piece))
        return answer

    return applied


@dataclass(frozen=True)
class TorchLink:
    """A rising curve of straight pieces with its exact inverse; beyond its ends it goes on straight.

    The knots are equally spaced in the square root of HR grey, as links bend most in the dark; so the cell of an HR
    grey is computed, not searched.

    Parameters
    ----------
    hr_grey, lr_grey : (n + 1,) tensors
        Rising knots.
    slope : (n + 2,) tensor
        dLR / dHR below the first knot, in each cell, and beyond the last knot.
    """

    hr_grey: Tensor
    lr_grey: Tensor
    slope: Tensor

    @classmethod
    def sampled(cls, link: GreyLink, *, device: torch.device | str = "cpu") -> TorchLink:
        """Sample a link so densely that straight pieces are as good as its own curve.

        Raises
        ------
        InputError
            If the link does not rise.
        """
        first, last = link.hr_grey[0], link.hr_grey[-1]
        hr = first + (last - first) * np.square(np.linspace(0.0, 1.0, _CELLS + 1))
        # Differences are taken in float64: float32 knots of a flat cell may be equal.
        wide = np.concatenate([[first - 1.0], hr, [last + 1.0]])
        slope = np.diff(np.asarray(link.forward(wide), dtype=np.float64)) / np.diff(wide)
        if not (slope > 0).all():
            raise InputError("the grey-level link does not rise everywhere: give one with increasing knots")
        tables = (hr, np.asarray(link.forward(hr)), slope)
        return cls(*(torch.as_tensor(table, dtype=torch.float32, device=device) for table in tables))

    @_in_pieces
    def forward(self, hr: Tensor) -> Tensor:
        """Return the LR grey of HR grey levels."""
        share = (hr - self.hr_grey[0]) / (self.hr_grey[-1] - self.hr_grey[0])
        # Cell -1 lies below the first knot and cell n beyond the last.
        cell = torch.where(share < 0, -1.0, share.clamp_min(0).sqrt() * _CELLS).clamp_max(_CELLS).floor().long()
        knot = cell.clamp_min(0)
        return torch.addcmul(self.lr_grey[knot], self.slope[cell + 1], hr - self.hr_grey[knot])

    @_in_pieces
    def inverse(self, lr: Tensor) -> Tensor:
        """Return the HR grey of LR grey levels."""
        cell = torch.searchsorted(self.lr_grey, lr.contiguous(), right=True) - 1
        knot = cell.clamp_min(0)
        return self.hr_grey[knot] + (lr - self.lr_grey[knot]) / self.slope[cell + 1]


@dataclass(frozen=True)
class LinkOnGrid:
    """L between two detectors on one padded grid: images in HR grey -> images in LR grey, and back.

    Parameters
    ----------
    curve : TorchLink
        The link h.
    mtf_hr : (H, W // 2 + 1) tensor, optional
        MTF of the HR detector; None lets the curve act on images as they are.
    """

    curve: TorchLink
    mtf_hr: Tensor | None = None

    def forward(self, hr: Tensor) -> Tensor:
        """Return images (..., H, W) in LR grey."""
        return self._through(hr, self.curve.forward)

    def inverse(self, lr: Tensor) -> Tensor:
        """Return images (..., H, W) in HR grey: as good as L can be undone, within an rms of 1e-4 of the open field."""
        return self._through(lr, self.curve.inverse)

    def sharp(self, hr: Tensor) -> Tensor:
        """Return M+ of images (..., H, W): what the curve is applied to."""
        return hr if self.mtf_hr is None else self._filtered(fft(hr), sharpening, hr)

    def blurred(self, sharp: Tensor) -> Tensor:
        """Return M of images (..., H, W)."""
        return sharp if self.mtf_hr is None else self._filtered(fft(sharp), lambda mtf: mtf, sharp)

    def _through(self, images: Tensor, curve: Callable[[Tensor], Tensor]) -> Tensor:
        if self.mtf_hr is None:
            return curve(images)
        sharp = self.sharp(images)
        return images + self.blurred(curve(sharp).sub_(sharp))

    def _filtered(self, spectra: Tensor, gain: Callable[[Tensor], Tensor], like: Tensor) -> Tensor:
        assert self.mtf_hr is not None
        for rows in strips(self.mtf_hr):
            spectra[rows] *= gain(self.mtf_hr[rows])
        return ifft(spectra, (like.shape[-2], like.shape[-1]))
