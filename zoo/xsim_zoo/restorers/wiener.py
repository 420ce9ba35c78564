"""The Wiener filter with the measured MTFs, noise spectrum and prior spectrum: the linear restorer to beat."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim_zoo.process.process import fft, ifft
from xsim_zoo.restorers.base import How, Restorer
from xsim_zoo.restorers.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from xsim_zoo.process.operator import Operator
    from xsim_zoo.process.preconditioning import Network

__all__ = ["Wiener"]


@register("wiener")
class Wiener(Restorer):
    """W_1 y with W_1 = S B_1 / (S B_1^2 + Sigma_1); with S measured, not a constant noise-to-signal ratio."""

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:  # noqa: ARG002
        """Return the filtered image (B, 1, H, W) on the padded grid."""
        estimate, _ = operator.wiener_estimate(fft(y), 1.0)
        return ifft(estimate, operator.shape)
