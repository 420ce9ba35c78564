"""Samplers of the reverse process, all with one signature.

A sampler takes the state at t = 1 and a denoiser that predicts the spectrum of x_0, and returns the spectrum of x_0.
Where the noise comes from is an argument: an image belongs to one generator or one stored field, not to the process.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

import torch

from xsim.errors import InputError, UnknownNameError, check_range
from xsim_zoo.process.process import fft
from xsim_zoo.process.strips import ddim_step

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from xsim_zoo.process.process import Process

__all__ = ["Denoiser", "NoiseSource", "Sampler", "ddim", "sampler", "second_order", "time_grid", "white_noise"]


class Denoiser(Protocol):
    """Predicts the spectrum of x_0 from the spectrum of x_t and t."""

    def __call__(self, X_t: Tensor, t: float, /) -> Tensor:
        """Return X_0_hat, of the shape of ``X_t``."""


class NoiseSource(Protocol):
    """Hands out fields of real white noise of unit variance, a new one at each call."""

    def __call__(self, shape: tuple[int, ...], /) -> Tensor:
        """Return a field of this shape."""


class Sampler(Protocol):
    """Walks from the state at ``times[0]`` to x_0."""

    def __call__(
        self,
        process: Process,
        denoise: Denoiser,
        X_1: Tensor,
        *,
        times: Sequence[float],
        eta: float = 0.0,
        noise: NoiseSource | None = None,
    ) -> Tensor:
        """Return the spectrum of x_0."""


def time_grid(steps: int) -> list[float]:
    """Return the times 1 = t_N > ... > t_0 = 0 with t = u^2, u equally spaced.

    All high frequencies arrive in the last steps, near t ~ 1 / (2 theta): the grid must be dense there.

    Parameters
    ----------
    steps : int
        N.

    Raises
    ------
    InputError
        If ``steps`` is below 1.
    """
    if steps < 1:
        raise InputError(f"{steps} sampling steps do nothing: give 1 or more")
    return [(step / steps) ** 2 for step in range(steps, -1, -1)]


def white_noise(generator: torch.Generator, device: torch.device | str = "cpu") -> NoiseSource:
    """Return a noise source that draws from one generator and hands the fields to ``device``.

    Parameters
    ----------
    generator : torch.Generator
        Where the numbers are drawn; one on the CPU gives the same fields on every device.
    device : torch device or str
        Where the fields are wanted.
    """

    def draw(shape: tuple[int, ...], /) -> Tensor:
        return torch.randn(shape, generator=generator, device=generator.device).to(device)

    return draw


def ddim(
    process: Process,
    denoise: Denoiser,
    X_1: Tensor,
    *,
    times: Sequence[float],
    eta: float = 0.0,
    noise: NoiseSource | None = None,
) -> Tensor:
    """Sample with the DDIM-eta family: eta = 0 is deterministic, eta = 1 the exact posterior of each step.

    Parameters
    ----------
    process : Process
        The forward process on the padded grid.
    denoise : Denoiser
        Predicts the spectrum of x_0.
    X_1 : (B, 1, H, W // 2 + 1) tensor
        Spectrum of the state at ``times[0]``; for a bridge that is y.
    times : sequence of float
        Falling times that end at 0, as of `time_grid`.
    eta : float
        Share of the posterior's noise, 0 to 1.
    noise : NoiseSource, optional
        Needed for eta > 0.

    Raises
    ------
    PhysicsRangeError
        If ``eta`` is outside [0, 1].
    InputError
        If ``eta`` > 0 and there is no noise source.
    """
    check_range("eta", eta, 0, 1)
    if eta > 0 and noise is None:
        raise InputError(f"eta {eta:g} draws noise: give a noise source, or eta 0")
    X = X_1
    del X_1  # a state of a large image is let go as soon as it is used
    for t, s in pairwise(times):
        X_0_hat = denoise(X, t)
        if s == 0:
            return X_0_hat
        Z = None
        if noise is not None and eta > 0:
            Z = fft(noise((*X.shape[:-2], *process.shape)).to(process.theta.dtype))
        X = ddim_step(process, X_0_hat, X, s=s, t=t, eta=eta, Z=Z)
        del X_0_hat, Z
    return X


def second_order(
    process: Process,
    denoise: Denoiser,
    X_1: Tensor,
    *,
    times: Sequence[float],
    eta: float = 0.0,
    noise: NoiseSource | None = None,  # noqa: ARG001  (one signature for all samplers)
) -> Tensor:
    """Sample deterministically with a two-step method of second order, at one prediction a step.

    The step t -> s is exact for an X_0_hat that is linear in the logarithm L of B_t / sqrt(r_t); the slope comes
    from the step before (DPM-Solver++ 2M, Lu et al. 2022, carried over to a rate for each frequency).

    Parameters
    ----------
    process, denoise, X_1, times
        See `ddim`.
    eta : float
        0; there is no noise in it.
    noise : NoiseSource, optional
        Not used.

    Raises
    ------
    InputError
        If ``eta`` is not 0.
    """
    if eta != 0:
        raise InputError(f"the second-order sampler is deterministic, eta {eta:g} was given: use eta 0 or ddim")
    X = X_1
    previous: tuple[Tensor, Tensor] | None = None
    for t, s in pairwise(times):
        X_0_hat = denoise(X, t)
        a, k, _ = process.ddim(s, t, 0.0)
        target = X_0_hat
        if s > 0:
            h = _log_ratio(process, s) - _log_ratio(process, t)
            if previous is not None:
                X_0_before, h_before = previous
                target = X_0_hat + (X_0_hat - X_0_before) * (h / (2 * h_before))
            previous = X_0_hat, h
        X = a * target + k * X
    return X


def _log_ratio(process: Process, t: float) -> Tensor:
    return -process.theta * t - 0.5 * torch.log(process.r(t))


_SAMPLERS: dict[str, Sampler] = {"ddim": ddim, "second-order": second_order}


def sampler(name: str) -> Sampler:
    """Return the sampler called ``name``: "ddim" or "second-order".

    Raises
    ------
    UnknownNameError
        For any other name.
    """
    if name not in _SAMPLERS:
        raise UnknownNameError("sampler", name, _SAMPLERS)
    return _SAMPLERS[name]
