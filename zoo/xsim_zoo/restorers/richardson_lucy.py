"""Richardson-Lucy deconvolution (Richardson 1972, Lucy 1974): maximum likelihood for Poisson noise, stopped early."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from xsim_zoo.process.process import fft, ifft
from xsim_zoo.restorers.base import How, Restorer
from xsim_zoo.restorers.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from xsim_zoo.process.operator import Operator
    from xsim_zoo.process.preconditioning import Network

__all__ = ["RichardsonLucy"]

_DARKEST = 1e-4
"""Where greys are cut off, which noise takes below 0: the iteration divides by them."""


@register("richardson-lucy")
class RichardsonLucy(Restorer):
    """x <- x B_1[y / B_1[x]]; the number of steps is the only guard against noise."""

    default_steps: ClassVar[int] = 16

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
