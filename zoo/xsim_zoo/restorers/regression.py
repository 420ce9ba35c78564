"""Regression: the backbone asked for x_0 in one step, from y alone."""

from __future__ import annotations

from typing import ClassVar, Final

import torch
from torch import Tensor

from xsim_zoo.process.operator import Operator
from xsim_zoo.process.preconditioning import WIENER_INPUTS, Network, WienerView, centred
from xsim_zoo.process.process import fft
from xsim_zoo.restorers.base import How
from xsim_zoo.restorers.batch import Batch, Examples
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.restorers.registry import register

__all__ = ["LogRegression", "Regression", "WienerRegression"]

_LEAST_GREY: Final = 0.01
"""Where -ln is cut off, as noise takes dark pixels below 0."""

_MIDDLE_GREY: Final = 0.5
"""Where a difference in grey is turned into one in -ln, to give the network's answers about unit size."""


@register("unet")
class Regression(LearnedRestorer):
    """Plain regression: x_0_hat = y + c F(y), with c the rms difference that the physics expects."""

    inputs: ClassVar[int] = 1

    def examples(self, batch: Batch) -> Examples:
        """Return y and the scaled difference x_0 - y."""
        c = batch.operator.rms_change()
        conditions = _conditions(batch.operator, c, len(batch.y))
        return Examples(centred(batch.y), conditions, (batch.x_0 - batch.y) / c)

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:  # noqa: ARG002
        """Return the network's x_0 (B, 1, H, W) on the padded grid."""
        c = operator.rms_change()
        return y + c * network(centred(y), _conditions(operator, c, len(y))).to(y.dtype)


@register("unet-log")
class LogRegression(LearnedRestorer):
    """Plain regression on line integrals: -ln x_0_hat = -ln y + c F(-ln y), as laboratories often feed networks.

    Noise and blur are added to the grey, not to its logarithm, so that both depend on the image here.
    """

    inputs: ClassVar[int] = 1

    def examples(self, batch: Batch) -> Examples:
        """Return -ln y and the scaled difference of the line integrals."""
        c = batch.operator.rms_change()
        depth = _depth(batch.y)
        target = (_depth(batch.x_0) - depth) * (_MIDDLE_GREY / c)
        return Examples(depth - 1.0, _conditions(batch.operator, c, len(depth)), target)

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:  # noqa: ARG002
        """Return the network's x_0 (B, 1, H, W) on the padded grid."""
        c, depth = operator.rms_change(), _depth(y)
        change = network(depth - 1.0, _conditions(operator, c, len(y))).to(y.dtype)
        return torch.exp(-(depth + c / _MIDDLE_GREY * change))


@register("unet-wiener")
class WienerRegression(LearnedRestorer):
    """Regression with the physics skip: x_0_hat = W_1 y + c F(y, W_1 y)."""

    inputs: ClassVar[int] = WIENER_INPUTS
    adapts_to_detectors: ClassVar[bool] = True

    def examples(self, batch: Batch) -> Examples:
        """Return y beside its Wiener estimate, and what that leaves to say about x_0."""
        view = _view(batch.y, batch.operator)
        return Examples(view.features, view.conditions, view.target(batch.x_0))

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:  # noqa: ARG002
        """Return the network's x_0 (B, 1, H, W) on the padded grid."""
        return _view(y, operator).answer(network)


def _depth(grey: Tensor) -> Tensor:
    """Return the line integral -ln of a grey level."""
    return -grey.clamp_min(_LEAST_GREY).log()


def _view(y: Tensor, operator: Operator) -> WienerView:
    return WienerView.of(fft(y), torch.ones(len(y), device=y.device, dtype=y.dtype), operator)


def _conditions(operator: Operator, c: Tensor, count: int) -> Tensor:
    return operator.conditions(torch.ones(count, device=c.device, dtype=c.dtype), c)
