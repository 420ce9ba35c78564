"""Regression: the backbone asked for x_0 in one step, from y alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from xsim_zoo.process import plane_mean
from xsim_zoo.registry import register
from xsim_zoo.restorer import Examples, How, LearnedRestorer, Network

if TYPE_CHECKING:
    from torch import Tensor

    from xsim_zoo.batch import Batch
    from xsim_zoo.operator import Operator

__all__ = ["Regression"]


@register("unet")
class Regression(LearnedRestorer):
    """The plain U-Net: x_0_hat = y + c F(y), with c the rms difference that the physics expects."""

    inputs: ClassVar[int] = 1

    def examples(self, batch: Batch) -> Examples:
        """Return y and the scaled difference x_0 - y."""
        c = _rms_change(batch.operator)
        return Examples(
            features=centred(batch.y),
            conditions=_conditions(batch.operator, c, len(batch.y)),
            target=(batch.x_0 - batch.y) / c,
        )

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network | None) -> Tensor:  # noqa: ARG002
        """Return the network's x_0 (B, 1, H, W) on the padded grid."""
        c = _rms_change(operator)
        return y + c * (network or self.network)(centred(y), _conditions(operator, c, len(y)))


def centred(images: Tensor) -> Tensor:
    """Return grey levels of 0 to 1 as numbers of zero mean and unit size."""
    return (images - 0.5) * 4.0


def _rms_change(operator: Operator) -> Tensor:
    """Return the expected rms of x_0 - y over the picture, without its mean (which the prior leaves open)."""
    process = operator.process
    change = operator.S * (1 - process.B(1.0)).square() + process.Sigma_1
    return plane_mean(change, process.shape).sqrt()


def _conditions(operator: Operator, c: Tensor, count: int) -> Tensor:
    return operator.conditions(torch.ones(count, device=c.device), c)
