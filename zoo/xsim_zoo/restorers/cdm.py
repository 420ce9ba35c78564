"""Conditional diffusion with isotropic noise (as SR3, Saharia et al. 2022): the generative rival that knows no blur.

z_t = alpha z + sigma eps with a cosine schedule, y joined to the input, DDIM sampling from white noise. With
``prediction="eps"`` it is the paper's: z is x_0, and the network predicts the noise. Small networks learn that slowly,
as every error of eps is amplified by sigma / alpha at the start, so two others can be chosen. There z is what y
leaves to say about x_0, (x_0 - y) / r with r the rms that the physics expects: ``"x0"`` predicts z itself, so that no
answer is worse than that of regression (the default), ``"v"`` predicts alpha eps - sigma z (Salimans and Ho 2022).
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, ClassVar, Final

import torch
from torch import Tensor

from xsim.errors import UnknownNameError
from xsim_zoo.network.backbone import Backbone
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.preconditioning import Network, beside
from xsim_zoo.process.sampling import NoiseSource, white_noise
from xsim_zoo.restorers.base import How
from xsim_zoo.restorers.batch import Batch, Examples
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.restorers.registry import register

__all__ = ["PREDICTIONS", "ConditionalDiffusion"]

PREDICTIONS = ("x0", "v", "eps")

_LAST_TIME: Final = 0.998
"""At t = 1 nothing of z is left, and eps would say nothing about it."""

_START_SHARE: Final = 0.3
"""Share of the training at the last time, where every restoration begins; eps has nothing to learn there."""

_RANGE: Final = (-0.5, 2.0)
"""Grey levels that x_0_hat is held to, or early errors of eps would be amplified some hundred times."""


@register("cdm")
class ConditionalDiffusion(LearnedRestorer):
    """Conditional diffusion with white noise, as SR3; predicts x_0, v or eps; DDIM sampling.

    Parameters
    ----------
    prediction : str
        "x0", "v" or "eps".

    Raises
    ------
    UnknownNameError
        If it predicts something else.
    """

    inputs: ClassVar[int] = 2
    default_steps: int = 20
    samples: bool = True

    def __init__(
        self,
        physics: Physics,
        network: Backbone,
        *,
        device: torch.device | str = "cpu",
        link: bool | None = None,
        steps: int | None = None,
        prediction: str = "x0",
    ) -> None:
        super().__init__(physics, network, device=device, link=link, steps=steps)
        if prediction not in PREDICTIONS:
            raise UnknownNameError("prediction", prediction, PREDICTIONS)
        self.prediction = prediction

    @property
    def options(self) -> dict[str, Any]:
        """Size of the network, and what it predicts."""
        return {**super().options, "prediction": self.prediction}

    def examples(self, batch: Batch) -> Examples:
        """Return noisy states at random times beside y, and what the network predicts of them."""
        t = batch.u[:, 1] * _LAST_TIME
        if self.prediction != "eps":
            t = torch.where(batch.u[:, 0] < _START_SHARE, _LAST_TIME, t)
        alpha, sigma = (weight.reshape(-1, 1, 1, 1) for weight in _schedule(t))
        origin, unit = self._frame(batch.y, batch.operator)
        z, eps = (batch.x_0 - origin) / unit, batch.noise
        target = {"x0": z, "v": alpha * eps - sigma * z, "eps": eps}[self.prediction]
        return Examples(*beside(batch.y, alpha * z + sigma * eps, t, batch.operator), target)

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:
        """Sample from white noise, without a noise source from that of seed 0.

        ``how.sharpness`` mixes the first answer, which is regression's, with the sampled one.
        """
        noise = how.noise or _same_for_each(white_noise(torch.Generator().manual_seed(0), y.device))
        origin, unit = self._frame(y, operator)
        z_t = noise(tuple(y.shape)).to(y.dtype)
        answers: list[Tensor] = []
        for t, s in pairwise(_LAST_TIME * (1 - step / how.steps) for step in range(how.steps + 1)):
            times = torch.full((len(y),), t, device=y.device, dtype=y.dtype)
            (alpha, sigma), (alpha_s, sigma_s) = (
                [float(weight) for weight in _schedule(torch.tensor(time))] for time in (t, s)
            )
            z = self._z(z_t, network(*beside(y, z_t, times, operator)).to(y.dtype), alpha, sigma)
            answers = [*answers[:1], (origin + unit * z).clamp(*_RANGE)]
            z = (answers[-1] - origin) / unit
            eps = (z_t - alpha * z) / sigma
            # DDIM, Song et al. 2021, equations (12) and (16).
            fresh = how.eta * sigma_s / sigma * math.sqrt(max(1 - (alpha / alpha_s) ** 2, 0.0))
            z_t = alpha_s * z + math.sqrt(max(sigma_s**2 - fresh**2, 0.0)) * eps
            if fresh > 0:
                z_t = z_t + fresh * noise(tuple(y.shape)).to(y.dtype)
        return torch.lerp(answers[0], answers[-1], how.sharpness)

    def _frame(self, y: Tensor, operator: Operator) -> tuple[Tensor | float, Tensor | float]:
        """Return the origin and the unit in which z measures x_0."""
        return (0.5, 0.25) if self.prediction == "eps" else (y, operator.rms_change())

    def _z(self, z_t: Tensor, answer: Tensor, alpha: float, sigma: float) -> Tensor:
        """Return the z_hat that the network's answer stands for."""
        if self.prediction == "x0":
            return answer
        return alpha * z_t - sigma * answer if self.prediction == "v" else (z_t - sigma * answer) / alpha


def _same_for_each(noise: NoiseSource) -> NoiseSource:
    """Return noise of which every image of a batch gets the same, as it does alone."""
    return lambda shape: noise((1, *shape[1:])).expand(shape)


def _schedule(t: Tensor) -> tuple[Tensor, Tensor]:
    """Return alpha and sigma of the cosine schedule."""
    return torch.cos(t * math.pi / 2), torch.sin(t * math.pi / 2)
