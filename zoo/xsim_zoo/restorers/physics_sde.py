"""The physics-informed diffusion restorer: a bridge between the two detectors.

Trained on x_t ~ q(x_t | x_0, x_1 = y) and started at y, the state holds y's noise exactly once. The network corrects
the Wiener estimate of every time, see `xsim_zoo.process.preconditioning`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from xsim_zoo.process.preconditioning import WIENER_INPUTS, WienerView
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

__all__ = ["PhysicsSDE"]

_START_SHARE = 0.35
"""Share of the training at t = 1, where every restoration begins."""

_TIME_POWER = 1.5
"""Other times are u^1.5: denser near t = 0, where the fine detail arrives."""

_MIN_TIME = 1e-3
"""At t = 0 the state is x_0 itself and nothing is left to learn, and c(t), which divides the target, is zero."""


@register("physics-sde")
class PhysicsSDE(LearnedRestorer):
    """Bridge diffusion: Wiener-preconditioned x_0 prediction, started at y, any number of steps."""

    inputs: ClassVar[int] = WIENER_INPUTS
    default_steps: ClassVar[int] = 3
    samples: ClassVar[bool] = True
    adapts_to_detectors: ClassVar[bool] = True

    def examples(self, batch: Batch) -> Examples:
        """Return states of the bridge at random times, and what the Wiener filter leaves to say about x_0."""
        late = batch.u[:, 0] < _START_SHARE
        t = torch.where(late, 1.0, batch.u[:, 1].pow(_TIME_POWER).clamp_min(_MIN_TIME))
        X_t = batch.operator.process.bridge(fft(batch.x_0), fft(batch.y), t, batch.Z)
        view = WienerView.of(X_t, t, batch.operator)
        return Examples(view.features, view.conditions, view.target(batch.x_0))

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:
        """Sample from y; ``how.sharpness`` mixes the one-step answer with the sampled one."""
        first: list[Tensor] = []

        def denoise(X_t: Tensor, t: float, /) -> Tensor:
            times = torch.full((len(X_t),), t, device=X_t.device, dtype=operator.S.dtype)
            X_0_hat = fft(WienerView.of(X_t, times, operator).answer(network))
            if how.sharpness < 1 and not first:
                first.append(X_0_hat)
            return X_0_hat

        X_0 = ddim(operator.process, denoise, fft(y), times=time_grid(how.steps), eta=how.eta, noise=how.noise)
        return ifft(torch.lerp(first[0], X_0, how.sharpness) if how.sharpness < 1 else X_0, operator.shape)
