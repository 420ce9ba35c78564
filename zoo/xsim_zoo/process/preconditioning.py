"""What a network is shown of a blurred, noisy state, and what it is asked for: the rest that a Wiener filter leaves.

x_0_hat = W_t x_t + c(t) F. The filter does what linear physics can do, the network answers for the rest in units of
the filter's own expected error, so that its target has unit size at every time (Karras et al. 2022, per frequency).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from xsim_zoo.process.operator import Operator
from xsim_zoo.process.process import ifft

__all__ = ["WIENER_INPUTS", "Network", "WienerView", "beside", "centred"]

WIENER_INPUTS = 2
"""Channels that a network sees: the Wiener estimate, and what the filter took away."""


Network = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""A network, or what evaluates one tile by tile on the whole padded image.

It makes one channel (B, 1, H, W) of features (B, C, H, W) and conditions (B, 3, 6 or 11)."""


def centred(images: Tensor) -> Tensor:
    """Return grey levels of 0 to 1 as numbers of zero mean and about unit size."""
    return (images - 0.5) * 4.0


def beside(y: Tensor, state: Tensor, t: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
    """Return features (B, 2, H, W), a state beside y, and conditions of a network that is shown no estimate."""
    return torch.cat([state, centred(y)], dim=1), operator.conditions(t, torch.ones_like(t))


@dataclass(frozen=True)
class WienerView:
    """A state as a network sees it.

    Parameters
    ----------
    estimate : (B, 1, H, W) tensor
        W_t x_t.
    c : (B, 1, 1, 1) tensor
        Its expected rms error.
    features : (B, 2, H, W) tensor
        The estimate, centred, and what the filter took away, in units of c.
    conditions : (B, 3, 6 or 11) tensor
        See `Operator.conditions`.
    """

    estimate: Tensor
    c: Tensor
    features: Tensor
    conditions: Tensor

    @classmethod
    def of(cls, X_t: Tensor, t: Tensor, operator: Operator) -> WienerView:
        """Look at states with spectra ``X_t`` (B, 1, H, W // 2 + 1) at times ``t`` (B,)."""
        spectrum, c = operator.wiener_estimate(X_t, t)
        estimate = ifft(spectrum, operator.shape)
        del spectrum
        # In place, as each of these is as large as the image.
        features = torch.cat([estimate, ifft(X_t, operator.shape)], dim=1)
        features[:, 1:].sub_(estimate).div_(c)
        features[:, :1].sub_(0.5).mul_(4.0)
        return cls(estimate, c, features, operator.conditions(t, c))

    def target(self, x_0: Tensor) -> Tensor:
        """Return what the network should answer for the sharp images (B, 1, H, W)."""
        return (x_0 - self.estimate) / self.c

    def answer(self, network: Network) -> Tensor:
        """Return x_0_hat (B, 1, H, W)."""
        return torch.addcmul(self.estimate, self.c, network(self.features, self.conditions).to(self.c.dtype))
