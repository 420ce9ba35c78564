"""Restorers that learn nothing: what they know is the measured MTFs, noise spectrum and prior spectrum."""

from __future__ import annotations

from typing import Final

import torch
from torch import Tensor

from xsim_zoo.process.operator import Operator
from xsim_zoo.process.preconditioning import Network
from xsim_zoo.process.process import fft, ifft
from xsim_zoo.restorers.base import How, Restorer
from xsim_zoo.restorers.registry import register

__all__ = ["LINKED_LR", "LinkedLR", "RichardsonLucy", "TotalVariation", "Wiener"]

LINKED_LR: Final = "lr-linked"
"""Name of the LR image brought to HR grey, which takes part in tables as if it were a restorer."""

_DARKEST = 1e-4
"""Where greys are cut off, which noise takes below 0: the iteration divides by them."""

_RATE = 16.0
"""Rate of the Laplace prior of gradients [per grey level a pixel]."""

_SPLITTING = 20.0
"""Weight of the split gradients, relative to the rate: how fast the iteration goes, not where it ends."""


@register(LINKED_LR)
class LinkedLR(Restorer):
    """The LR image itself, brought to HR grey by the link: what a restorer has to beat."""

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:  # noqa: ARG002
        """Return the image as it is."""
        return y


@register("wiener")
class Wiener(Restorer):
    """W_1 y with W_1 = S B_1 / (S B_1^2 + Sigma_1); with S measured, not a constant noise-to-signal ratio.

    The linear restorer to beat.
    """

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:  # noqa: ARG002
        """Return the filtered image (B, 1, H, W) on the padded grid."""
        estimate, _ = operator.wiener_estimate(fft(y), 1.0)
        return ifft(estimate, operator.shape)


@register("richardson-lucy")
class RichardsonLucy(Restorer):
    """x <- x B_1[y / B_1[x]]; the number of steps is the only guard against noise.

    Maximum likelihood for Poisson noise, stopped early (Richardson 1972, Lucy 1974).
    """

    default_steps: int = 16

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:  # noqa: ARG002
        """Return the image after ``how.steps`` iterations (B, 1, H, W), on the padded grid."""
        B_1 = operator.process.B(1.0)

        def blur(image: Tensor) -> Tensor:
            # B_1 is real and even: the blur is its own adjoint.
            return ifft(B_1 * fft(image), operator.shape)

        y = y.clamp_min(_DARKEST)
        x = y
        for _ in range(how.steps):
            x = (x * blur(y / blur(x).clamp_min(_DARKEST))).clamp_min(_DARKEST)
        return x


@register("tv")
class TotalVariation(Restorer):
    """Minimise sum |B_1 X - Y|^2 / (2 Sigma_1) + rate sum |grad x| by alternating directions.

    Total-variation deconvolution (Rudin, Osher and Fatemi 1992) with the measured MTF and noise spectrum.
    """

    default_steps: int = 40

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:  # noqa: ARG002
        """Return the image after ``how.steps`` iterations (B, 1, H, W), on the padded grid."""
        process = operator.process.with_noise_everywhere()
        B_1, penalty = process.B(1.0), _RATE * _SPLITTING
        height, width = process.shape
        laplacian = _second_difference(height, y)[:, None] + _second_difference(width, y)[None, : width // 2 + 1]
        known = B_1 * fft(y) / process.Sigma_1
        curvature = B_1.square() / process.Sigma_1 + penalty * laplacian
        split = scaled_dual = torch.zeros_like(_gradient(y))
        x = y
        for _ in range(how.steps):
            x = ifft((known + penalty * fft(_divergence(split - scaled_dual))) / curvature, process.shape)
            gradient = _gradient(x) + scaled_dual
            # Shrink the length of every gradient by rate / penalty.
            length = gradient.square().sum(dim=1, keepdim=True).sqrt().clamp_min(1e-12)
            split = gradient * (1 - 1 / (_SPLITTING * length)).clamp_min(0)
            scaled_dual = gradient - split
        return x


def _second_difference(size: int, like: Tensor) -> Tensor:
    """Return the eigenvalues of minus the periodic second difference, shape (size,)."""
    frequency = torch.fft.fftfreq(size, device=like.device, dtype=like.dtype)
    return 2 - 2 * torch.cos(2 * torch.pi * frequency)


def _gradient(x: Tensor) -> Tensor:
    """Return periodic forward differences along y and x, shape (B, 2, H, W)."""
    return torch.cat([x.roll(-1, -2) - x, x.roll(-1, -1) - x], dim=1)


def _divergence(v: Tensor) -> Tensor:
    """Return the adjoint of `_gradient`, shape (B, 1, H, W)."""
    along_y, along_x = v[:, :1], v[:, 1:]
    return along_y.roll(1, -2) - along_y + along_x.roll(1, -1) - along_x
