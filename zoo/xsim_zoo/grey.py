"""The grey-level link h in torch: HR grey -> LR grey, and back.

The screens answer to different energies, so the LR image is not a blurred HR image in grey level: it is a blurred
h(HR). Restorers work on h(x_0) with y untouched and hand the answer through the inverse of h.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from xsim.errors import InputError

if TYPE_CHECKING:
    from torch import Tensor

    from xsim.link import GreyLink

__all__ = ["TorchLink"]

_POINTS = 2049
_NEAREST = 1e-5


@dataclass(frozen=True)
class TorchLink:
    """A rising piecewise-linear curve with its exact inverse; beyond the last knots it goes on straight.

    Parameters
    ----------
    hr_grey, lr_grey : (n,) tensors
        Rising knots.
    """

    hr_grey: Tensor
    lr_grey: Tensor

    @classmethod
    def sampled(cls, link: GreyLink, *, device: torch.device | str = "cpu") -> TorchLink:
        """Sample a link so densely that straight lines between the knots are as good as its own curve.

        Raises
        ------
        InputError
            If the link does not rise.
        """
        knots = np.asarray(link.hr_grey, dtype=float)
        # The curve bends most in the dark, so points crowd there; no two so close that float32 cannot part them.
        grid = knots[0] + (knots[-1] - knots[0]) * np.square(np.linspace(0.0, 1.0, _POINTS))
        apart = np.abs(grid[:, None] - knots).min(axis=1) > _NEAREST
        # A far point on each side carries the straight ends.
        hr = np.unique([knots[0] - 1.0, *grid[apart & (grid > _NEAREST)], *knots, knots[-1] + 1.0])
        lr = np.asarray(link.forward(hr), dtype=float)
        if not (np.diff(lr) > 0).all():
            raise InputError("the grey-level link does not rise everywhere: give one with increasing knots")
        return cls(
            torch.as_tensor(hr, dtype=torch.float32, device=device),
            torch.as_tensor(lr, dtype=torch.float32, device=device),
        )

    def forward(self, hr: Tensor) -> Tensor:
        """Return the LR grey of HR grey levels."""
        return _interpolate(hr, self.hr_grey, self.lr_grey)

    def inverse(self, lr: Tensor) -> Tensor:
        """Return the HR grey of LR grey levels."""
        return _interpolate(lr, self.lr_grey, self.hr_grey)


def _interpolate(values: Tensor, x: Tensor, y: Tensor) -> Tensor:
    cell = torch.searchsorted(x, values.contiguous()).clamp_(1, len(x) - 1)
    slope = (y[1:] - y[:-1]) / (x[1:] - x[:-1])
    return torch.addcmul(y[cell], slope[cell - 1], values - x[cell])
