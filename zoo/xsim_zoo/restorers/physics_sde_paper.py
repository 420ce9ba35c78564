"""The paper's diffusion restorer to the letter, to be compared with.

x_t is simulated with noise of its own, independent of y (equation 1), q is the NNPS of the LR detector (equation 2),
the network sees (x_t, y, t) and predicts x_0 directly, nothing links the grey levels, noise behind boards is taken for
that of the open field, and sampling starts at y. That start counts y's noise twice, and the process has no noise at
f = 0 where a real LR image has most of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import torch

from xsim_zoo.process.preconditioning import centred
from xsim_zoo.process.process import fft, ifft
from xsim_zoo.process.sampling import ddim, time_grid
from xsim_zoo.restorers.base import How, LearnedRestorer
from xsim_zoo.restorers.batch import Examples
from xsim_zoo.restorers.registry import register

if TYPE_CHECKING:
    from torch import Tensor

    from xsim_zoo.process.operator import Operator
    from xsim_zoo.process.preconditioning import Network
    from xsim_zoo.restorers.batch import Batch

__all__ = ["PaperSDE"]


@register("physics-sde-paper")
class PaperSDE(LearnedRestorer):
    """The paper's literal set-up: independent x_t, y as condition, q = NNPS_LR, no grey-level link."""

    inputs: ClassVar[int] = 2
    default_steps: ClassVar[int] = 3
    samples: ClassVar[bool] = True
    uses_link: ClassVar[bool] = False
    noise_follows_grey: ClassVar[bool] = False

    def adapt(self, operator: Operator) -> Operator:
        """Return the operator with Sigma_1 = q (1 - B_1^2), q = NNPS_LR.

        A calibrated Sigma_1 is NNPS_LR less the little that the HR mean's own noise leaves after the blur; it
        stands for NNPS_LR here.
        """
        if self.physics.degradation.mode == "paper":
            return operator
        process = operator.process
        # Where measured MTFs cross (B_1 > 1) the words give a negative power: no noise is the nearest they allow.
        Sigma_1 = (process.Sigma_1 * -torch.expm1(-2 * process.theta)).clamp_min(0)
        return replace(operator, process=replace(process, Sigma_1=Sigma_1))

    def examples(self, batch: Batch) -> Examples:
        """Return independent states at uniform times beside y, and x_0."""
        t = batch.u[:, 1]
        X_t = batch.operator.process.marginal(fft(batch.x_0), t, batch.Z)
        features, conditions = _view(X_t, batch.y, t, batch.operator)
        return Examples(features, conditions, centred(batch.x_0))

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:
        """Sample from y, with y as the condition of every step."""
        first: list[Tensor] = []

        def denoise(X_t: Tensor, t: float, /) -> Tensor:
            times = torch.full((len(X_t),), t, device=y.device, dtype=y.dtype)
            X_0_hat = fft(network(*_view(X_t, y, times, operator)).to(y.dtype) / 4.0 + 0.5)
            first.extend([] if first else [X_0_hat])
            return X_0_hat

        X_0 = ddim(operator.process, denoise, fft(y), times=time_grid(how.steps), eta=how.eta, noise=how.noise)
        return ifft(torch.lerp(first[0], X_0, how.sharpness) if how.sharpness < 1 else X_0, operator.shape)


def _view(X_t: Tensor, y: Tensor, t: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
    """Return what the network sees of x_t, y and t."""
    x_t = ifft(X_t, operator.shape)
    return torch.cat([centred(x_t), centred(y)], dim=1), operator.conditions(t, torch.ones_like(t))
