"""The physics-informed diffusion restorer: a bridge between the two detectors.

Trained on x_t ~ q(x_t | x_0, x_1 = y) and started at y, the state holds y's noise exactly once. The network
corrects the Wiener estimate of every time: x_0_hat = W_t x_t + c(t) F(x_t, t), with c(t) the error that the Wiener
filter expects to make (the preconditioning of Karras et al. 2022, here for each frequency).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import torch

from xsim_zoo.process import fft, ifft
from xsim_zoo.registry import register
from xsim_zoo.restorer import Examples, How, LearnedRestorer, Network
from xsim_zoo.sampling import sampler, time_grid

if TYPE_CHECKING:
    from torch import Tensor

    from xsim_zoo.batch import Batch
    from xsim_zoo.operator import Operator

__all__ = ["PhysicsSDE"]

_START_SHARE = 0.35
"""Share of the training at t = 1, where every restoration begins."""

_TIME_POWER = 1.5
"""Other times are u^1.5: denser near t = 0, where the fine detail arrives."""

_MIN_TIME = 1e-3


@register("physics-sde")
class PhysicsSDE(LearnedRestorer):
    """Bridge coupling, Wiener-preconditioned x_0 prediction, any number of steps."""

    inputs: ClassVar[int] = 2
    default_steps: ClassVar[int] = 3
    samples: ClassVar[bool] = True

    def examples(self, batch: Batch) -> Examples:
        """Return states of the bridge at random times, and what the Wiener filter leaves to say about x_0."""
        late = batch.u[:, 0] < _START_SHARE
        t = torch.where(late, 1.0, batch.u[:, 1].pow(_TIME_POWER).clamp_min(_MIN_TIME))
        X_t = batch.operator.process.bridge(fft(batch.x_0), fft(batch.y), t, batch.Z)
        estimate, features, conditions, c = self._view(X_t, t, batch.operator)
        return Examples(features, conditions, (batch.x_0 - estimate) / c)

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network | None) -> Tensor:
        """Sample from y; ``how.sharpness`` mixes the one-step answer with the sampled one."""
        first: list[Tensor] = []

        def denoise(X_t: Tensor, t: float, /) -> Tensor:
            X_0_hat = self.predict(X_t, t, operator, network)
            first.extend([] if first else [X_0_hat])
            return X_0_hat

        X_0 = sampler(how.sampler)(
            operator.process, denoise, fft(y), times=time_grid(how.steps), eta=how.eta, noise=how.noise
        )
        return ifft(torch.lerp(first[0], X_0, how.sharpness) if how.sharpness < 1 else X_0, operator.shape)

    def predict(self, X_t: Tensor, t: float, operator: Operator, network: Network | None = None) -> Tensor:
        """Return the spectrum of x_0_hat given the spectrum of x_t."""
        times = torch.full((len(X_t),), t, device=X_t.device, dtype=operator.S.dtype)
        estimate, features, conditions, c = self._view(X_t, times, operator)
        return fft(estimate + c * (network or self.network)(features, conditions).to(c.dtype))

    def _view(self, X_t: Tensor, t: Tensor, operator: Operator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return the Wiener estimate, the network's features and conditions, and c(t)."""
        W, c = operator.wiener(t)
        estimate = ifft(W * X_t, operator.shape)
        # What the filter took away, in units of its own error, keeps its size from t = 1 to t = 0.
        removed = (ifft(X_t, operator.shape) - estimate) / c
        features = torch.cat([(estimate - 0.5) * 4.0, removed], dim=1)
        return estimate, features, operator.conditions(t, c), c
