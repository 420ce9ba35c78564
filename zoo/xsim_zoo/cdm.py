"""Conditional diffusion with isotropic noise (as SR3, Saharia et al. 2022): the physics-blind generative rival.

x_t = alpha x_0 + sigma eps with a cosine schedule, y joined to the input. The network predicts eps as in the paper,
or x_0, or v = alpha eps - sigma x_0 (Salimans and Ho 2022), which is x_0 at the start and noise at the end and
learns fastest: the default. Sampling is DDIM from white noise.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from xsim.errors import UnknownNameError
from xsim_zoo.preconditioning import centred
from xsim_zoo.registry import register
from xsim_zoo.restorer import Examples, How, LearnedRestorer, Network
from xsim_zoo.sampling import white_noise

if TYPE_CHECKING:
    from torch import Tensor

    from xsim_zoo.batch import Batch
    from xsim_zoo.operator import Operator
    from xsim_zoo.physics import Physics
    from xsim_zoo.unet import UNet

__all__ = ["PREDICTIONS", "ConditionalDiffusion"]

PREDICTIONS = ("v", "eps", "x0")

_LAST_TIME = 0.998
"""At t = 1 nothing of x_0 is left, and eps would say nothing about it."""

_RANGE = (-0.5, 2.0)
"""Grey levels that x_0_hat is held to, or early errors of eps would be amplified some hundred times."""


@register("cdm")
class ConditionalDiffusion(LearnedRestorer):
    """Conditional diffusion with white noise, as SR3; predicts v, eps or x_0; DDIM sampling.

    Parameters
    ----------
    prediction : str
        "v", "eps" or "x0".
    """

    inputs: ClassVar[int] = 2
    default_steps: ClassVar[int] = 20
    samples: ClassVar[bool] = True

    def __init__(
        self, physics: Physics, network: UNet, *, device: torch.device | str = "cpu", prediction: str = "v"
    ) -> None:
        super().__init__(physics, network, device=device)
        if prediction not in PREDICTIONS:
            raise UnknownNameError("prediction", prediction, PREDICTIONS)
        self.prediction = prediction

    @property
    def options(self) -> dict[str, Any]:
        """Size of the network, and what it predicts."""
        return {**super().options, "prediction": self.prediction}

    def examples(self, batch: Batch) -> Examples:
        """Return noisy x_0 at uniform times beside y, and what the network predicts of them."""
        t = batch.u[:, 1] * _LAST_TIME
        alpha, sigma = (weight.reshape(-1, 1, 1, 1) for weight in _schedule(t))
        x_0, eps = centred(batch.x_0), batch.noise
        target = {"v": alpha * eps - sigma * x_0, "eps": eps, "x0": x_0}[self.prediction]
        return Examples(*_view(alpha * x_0 + sigma * eps, batch.y, t, batch.operator), target)

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:
        """Sample from white noise; without a noise source from that of seed 0."""
        noise = how.noise or white_noise(torch.Generator().manual_seed(0), y.device)
        x = noise(tuple(y.shape)).to(y.dtype)
        x_0 = x
        for t, s in pairwise(_LAST_TIME * (1 - step / how.steps) for step in range(how.steps + 1)):
            times = torch.full((len(y),), t, device=y.device, dtype=y.dtype)
            (alpha, sigma), (alpha_s, sigma_s) = (
                [float(weight) for weight in _schedule(torch.tensor(time))] for time in (t, s)
            )
            answer = network(*_view(x, y, times, operator)).to(y.dtype)
            x_0 = self._x_0(x, answer, alpha, sigma)
            eps = (x - alpha * x_0) / sigma
            # DDIM, Song et al. 2021, equations (12) and (16).
            fresh = how.eta * sigma_s / sigma * math.sqrt(max(1 - (alpha / alpha_s) ** 2, 0.0))
            x = alpha_s * x_0 + math.sqrt(max(sigma_s**2 - fresh**2, 0.0)) * eps
            if fresh > 0:
                x = x + fresh * noise(tuple(y.shape)).to(y.dtype)
        return x_0 / 4.0 + 0.5

    def _x_0(self, x: Tensor, answer: Tensor, alpha: float, sigma: float) -> Tensor:
        """Return the centred x_0_hat that the network's answer stands for."""
        x_0 = {
            "v": lambda: alpha * x - sigma * answer,
            "eps": lambda: (x - sigma * answer) / alpha,
            "x0": lambda: answer,
        }[self.prediction]()
        return x_0.clamp(*((limit - 0.5) * 4.0 for limit in _RANGE))


def _schedule(t: Tensor) -> tuple[Tensor, Tensor]:
    """Return alpha and sigma of the cosine schedule."""
    return torch.cos(t * math.pi / 2), torch.sin(t * math.pi / 2)


def _view(x_t: Tensor, y: Tensor, t: Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
    """Return what the network sees of x_t, y and t."""
    return torch.cat([x_t, centred(y)], dim=1), operator.conditions(t, torch.ones_like(t))
