"""Diffusion restorers between the two detectors: the bridge of this project, and the paper's to the letter.

The bridge is trained on x_t ~ q(x_t | x_0, x_1 = y) and started at y, so that the state holds y's noise exactly once.
Its network corrects the Wiener estimate of every time, see `xsim_zoo.process.preconditioning`.

The paper's is there to be compared with. Its network sees (x_t, y, t) and predicts x_0 directly, and nothing links the
grey levels. Read best, the noise Z of its equation (1) is what the pair's own y holds: then training follows the very
path that sampling takes from y, q drops out, and differences of grey level fade along it. Read to the letter, the noise
is independent of y with q the NNPS of the LR detector (equation 2): a start at y then counts its noise twice, carries
its grey levels on, and there is no noise at f = 0, where a real LR image has most of it.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import copy
from dataclasses import replace
from typing import Any, ClassVar, Final, Self

import torch
from torch import Tensor

from xsim.errors import InputError, UnknownNameError, check_range
from xsim_zoo.network.backbone import Backbone
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.physics import Physics
from xsim_zoo.process.preconditioning import WIENER_INPUTS, Network, WienerView, beside, centred
from xsim_zoo.process.process import fft, ifft
from xsim_zoo.process.sampling import NoiseSource, ddim, time_grid
from xsim_zoo.restorers.base import How
from xsim_zoo.restorers.batch import Batch, Examples
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.restorers.registry import register

__all__ = ["COUPLINGS", "STARTS", "PaperSDE", "PhysicsSDE"]

COUPLINGS: Final = ("pair", "independent")
STARTS: Final = ("y", "linked")

_START_SHARE = 0.35
"""Share of the training at t = 1, where every restoration begins."""

_TIME_POWER = 1.5
"""Other times are u^1.5: denser near t = 0, where the fine detail arrives."""

_MIN_TIME = 1e-3
"""At t = 0 the state is x_0 itself and nothing is left to learn, and c(t), which divides the target, is zero."""


@register("physics-sde")
class PhysicsSDE(LearnedRestorer):
    """Bridge diffusion: Wiener-preconditioned x_0 prediction, started at y, any number of steps.

    Parameters
    ----------
    temperature : float
        Factor of the noise that posterior samples are drawn with. Each step puts a mean in place of a sample, and the
        process knows nothing of what one link cannot say about many materials: with 1 the samples of a small network
        agree too well. See `xsim_zoo.training.finishing.temperature`, which measures it.

    Raises
    ------
    PhysicsRangeError
        If the temperature is out of range.
    """

    inputs: ClassVar[int] = WIENER_INPUTS
    default_steps: int = 3
    samples: bool = True
    adapts_to_detectors: ClassVar[bool] = True

    def __init__(
        self,
        physics: Physics,
        network: Backbone,
        *,
        device: torch.device | str = "cpu",
        link: bool | None = None,
        steps: int | None = None,
        error_share: float = 0.0,
        temperature: float = 1.0,
    ) -> None:
        super().__init__(physics, network, device=device, link=link, steps=steps, error_share=error_share)
        check_range("temperature", temperature, 0.5, 2.0)
        self.temperature = temperature

    @property
    def options(self) -> dict[str, Any]:
        """Size of the network, and the temperature of samples where it is not 1."""
        return super().options | ({} if self.temperature == 1.0 else {"temperature": self.temperature})

    def examples(self, batch: Batch) -> Examples:
        """Return states of the bridge at random times, and what the Wiener filter leaves to say about x_0."""
        late = batch.u[:, 0] < _START_SHARE
        t = torch.where(late, 1.0, batch.u[:, 1].pow(_TIME_POWER).clamp_min(_MIN_TIME))
        X_t = batch.operator.process.bridge(fft(batch.x_0), fft(batch.y), t, batch.Z)
        view = WienerView.of(X_t, t, batch.operator)
        return Examples(view.features, view.conditions, view.target(batch.x_0))

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:
        """Sample from y; ``how.sharpness`` mixes the one-step answer with the sampled one."""
        if how.noise is not None and self.temperature != 1.0:
            how = replace(how, noise=_warmed(how.noise, self.temperature))
        return _sampled(y, operator, how, lambda X_t, t: WienerView.of(X_t, t, operator).answer(network))


@register("physics-sde-paper")
class PaperSDE(LearnedRestorer):
    """The paper's method: states between the pair's own HR and LR, y as condition, no grey-level link.

    Parameters
    ----------
    coupling : str
        "pair": the noise of a state is the pair's own, X_t = B_t X_0 + sqrt(r_t) (Y - B_1 X_0), so that y is the state
        at t = 1, and whatever else y and x_0 differ in fades with the noise; sampled with eta = 0, as fresh noise would
        belong to no pair. "independent": equation (1) with noise of its own and q = NNPS_LR of equation (2).
    start : str
        What sampling starts from: "y", or "linked", y taken to HR grey by the link that the network is not told.

    Raises
    ------
    UnknownNameError
        If there is no such coupling or start.
    """

    inputs: ClassVar[int] = 2
    default_steps: int = 3
    uses_link: bool = False
    noise_follows_grey: ClassVar[bool] = False

    def __init__(
        self,
        physics: Physics,
        network: Backbone,
        *,
        device: torch.device | str = "cpu",
        link: bool | None = None,
        steps: int | None = None,
        coupling: str = "pair",
        start: str = "y",
    ) -> None:
        super().__init__(physics, network, device=device, link=link, steps=steps)
        for what, value, known in (("coupling", coupling, COUPLINGS), ("start", start, STARTS)):
            if value not in known:
                raise UnknownNameError(what, value, known)
        self.coupling, self.start = coupling, start
        self.samples = coupling == "independent"

    def starting_at(self, start: str) -> Self:
        """Return this restorer with another start of its sampling; the network stays."""
        if start not in STARTS:
            raise UnknownNameError("start", start, STARTS)
        other = copy(self)
        other.start = start
        return other

    @property
    def options(self) -> dict[str, Any]:
        """Size of the network, and which reading of the paper it is."""
        return {**super().options, "coupling": self.coupling, "start": self.start}

    def adapt(self, operator: Operator) -> Operator:
        """Return the operator; with independent noise that with Sigma_1 = q (1 - B_1^2), q = NNPS_LR.

        A calibrated Sigma_1 is NNPS_LR less the little that the HR mean's own noise leaves after the blur; it
        stands for NNPS_LR here.
        """
        if self.coupling == "pair" or self.physics.degradation.mode == "paper":
            return operator
        process = operator.process
        # Where measured MTFs cross (B_1 > 1) the words give a negative power: no noise is the nearest they allow.
        Sigma_1 = (process.Sigma_1 * -torch.expm1(-2 * process.theta)).clamp_min(0)
        return replace(operator, process=replace(process, Sigma_1=Sigma_1))

    def examples(self, batch: Batch) -> Examples:
        """Return states at uniform times beside y, and x_0."""
        t, process = batch.u[:, 1], batch.operator.process
        if self.coupling == "pair":
            X_t = process.between(fft(batch.x_0), fft(batch.y), t)
        else:
            X_t = process.marginal(fft(batch.x_0), t, batch.Z)
        state = centred(ifft(X_t, batch.operator.shape))
        return Examples(*beside(batch.y, state, t, batch.operator), centred(batch.x_0))

    def solve(self, y: Tensor, operator: Operator, how: How, network: Network) -> Tensor:
        """Sample from y, with y as the condition of every step.

        Raises
        ------
        InputError
            If noise is asked for (eta > 0) that no pair has.
        """
        if how.eta > 0 and self.coupling == "pair":
            raise InputError(f"'{self.name}' knows no noise but the pair's own: give eta 0, or take physics-sde")

        def predict(X_t: Tensor, t: Tensor) -> Tensor:
            state = centred(ifft(X_t, operator.shape))
            return network(*beside(y, state, t, operator)).to(y.dtype) / 4.0 + 0.5

        state = self.link_on(operator.shape).inverse(y) if self.start == "linked" else y
        return _sampled(state, operator, how, predict)


def _warmed(noise: NoiseSource, temperature: float) -> NoiseSource:
    """Return a noise source of so many times the amplitude."""
    return lambda shape: temperature * noise(shape)


def _sampled(y: Tensor, operator: Operator, how: How, predict: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    """Sample from y, with x_0_hat = predict(X_t, t)."""
    first: list[Tensor] = []

    def denoise(X_t: Tensor, t: float, /) -> Tensor:
        times = torch.full((len(X_t),), t, device=y.device, dtype=y.dtype)
        X_0_hat = fft(predict(X_t, times))
        if how.sharpness < 1 and not first:
            first.append(X_0_hat)
        return X_0_hat

    X_0 = ddim(operator.process, denoise, fft(y), times=time_grid(how.steps), eta=how.eta, noise=how.noise)
    return ifft(torch.lerp(first[0], X_0, how.sharpness) if how.sharpness < 1 else X_0, operator.shape)
