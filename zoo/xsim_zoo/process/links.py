"""The grey-level links of many set-ups at once: a batch whose images each have their own takes the kernels of one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import torch
from torch import Tensor

from xsim.degradation.before_blur import sharpening
from xsim_zoo.process.link import LinkOnGrid
from xsim_zoo.process.process import fft, ifft

__all__ = ["LinkTables"]


@dataclass(frozen=True)
class LinkTables:
    """The tables of several `LinkOnGrid`, stacked; see there and `TorchLink` for what they hold.

    Parameters
    ----------
    hr_grey, lr_grey : (S, n + 1) tensors
        Rising knots of S curves.
    slope : (S, n + 2) tensor
        Slopes below, between and beyond them.
    mtf_hr : (S, 1, H, W // 2 + 1) tensor, optional
        MTFs of the HR detectors; None where no link knows one.
    """

    hr_grey: Tensor
    lr_grey: Tensor
    slope: Tensor
    mtf_hr: Tensor | None = None

    @classmethod
    def stack(cls, links: Sequence[LinkOnGrid]) -> Self:
        """Join links on one padded grid."""
        curves = [link.curve for link in links]
        known = [link.mtf_hr for link in links if link.mtf_hr is not None]
        mtf_hr = None
        if known:
            # With an MTF of 1 the blur changes nothing, and the curve acts on the image as it is.
            still = torch.ones_like(known[0])
            mtf_hr = torch.stack([still if link.mtf_hr is None else link.mtf_hr for link in links])[:, None]
        return cls(
            torch.stack([curve.hr_grey for curve in curves]),
            torch.stack([curve.lr_grey for curve in curves]),
            torch.stack([curve.slope for curve in curves]),
            mtf_hr,
        )

    def forward(self, hr: Tensor, which: Tensor) -> Tensor:
        """Return images (B, 1, H, W) in LR grey, each by link number ``which`` (B,)."""
        if self.mtf_hr is None:
            return self._curve(hr, which)
        M, shape = self.mtf_hr[which], (hr.shape[-2], hr.shape[-1])
        sharp = ifft(fft(hr) * sharpening(M), shape)
        return hr + ifft(fft(self._curve(sharp, which).sub_(sharp)) * M, shape)

    def _curve(self, hr: Tensor, which: Tensor) -> Tensor:
        cells = self.hr_grey.shape[1] - 1
        first, last = (self.hr_grey[which, end].reshape(-1, 1, 1, 1) for end in (0, -1))
        share = (hr - first) / (last - first)
        cell = torch.where(share < 0, -1.0, share.clamp_min(0).sqrt() * cells).clamp_max(cells).floor().long()
        curve = which.reshape(-1, 1, 1, 1)
        knot = cell.clamp_min(0) + curve * (cells + 1)
        slope = self.slope.flatten()[cell + 1 + curve * (cells + 2)]
        return torch.addcmul(self.lr_grey.flatten()[knot], slope, hr - self.hr_grey.flatten()[knot])
