"""The sampler of the reverse process, and where its noise comes from.

The sampler takes the state at t = 1 and a denoiser that predicts the spectrum of x_0, and returns the spectrum of x_0.
The source of noise is an argument: an image belongs to one generator or to its places, not to the process.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Self

import torch
from torch import Tensor

from xsim.errors import InputError, check_range
from xsim.seeds import torch_seed
from xsim_zoo.process.process import Process, fft, strips

__all__ = ["Denoiser", "NoiseSource", "PlacedNoise", "ddim", "time_grid", "white_noise"]

_CELL_PX = 256
"""Side of the cells of placed noise [px]; another side is other noise for the same seed."""


Denoiser = Callable[[torch.Tensor, float], torch.Tensor]
"""Predicts the spectrum of x_0 from the spectrum of x_t, of the same shape, and t."""

NoiseSource = Callable[[tuple[int, ...]], torch.Tensor]
"""Hands out fields of real white noise of unit variance and the shape that is asked for, a new one at each call."""


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
        X_s = torch.empty_like(X)
        for rows in strips(process.theta):
            a, k, std = process.rows(rows).ddim(s, t, eta)
            X_s[rows] = a * X_0_hat[rows] + k * X[rows]
            if Z is not None:
                X_s[rows] += std * Z[rows]
        X = X_s
        del X_s, X_0_hat, Z
    return X


class PlacedNoise:
    """White noise that belongs to places: cell by cell, each from its own generator.

    Parameters
    ----------
    seed, sample : int
        Seed of the run and number of the sample.
    device : torch device
        Where the fields are wanted.
    corner : (row, column)
        Where in the image the first pixel of the fields lies; borders reach below zero.
    """

    def __init__(self, seed: int, sample: int, device: torch.device, corner: tuple[int, int] = (0, 0)) -> None:
        self._seed, self._sample, self._device, self._corner = seed, sample, device, corner
        self._drawn = 0

    def at(self, corner: tuple[int, int]) -> Self:
        """Return the same noise for fields whose first pixel lies elsewhere in the image, from the first draw on."""
        return type(self)(self._seed, self._sample, self._device, corner)

    def __call__(self, shape: tuple[int, ...], /) -> Tensor:
        """Return the next field of this shape (..., H, W); leading axes must be 1."""
        field = torch.empty(shape[-2:])
        for row, from_rows, to_rows in _cells(self._corner[0], shape[-2]):
            for column, from_columns, to_columns in _cells(self._corner[1], shape[-1]):
                field[to_rows, to_columns] = self._cell(row, column)[from_rows, from_columns]
        self._drawn += 1
        return field.expand(shape).to(self._device)

    def _cell(self, row: int, column: int) -> Tensor:
        stage = f"restore/{self._drawn}/{row}/{column}"
        generator = torch.Generator().manual_seed(torch_seed(self._seed, sample=self._sample, stage=stage))
        return torch.randn((_CELL_PX, _CELL_PX), generator=generator)


def _cells(start: int, length: int) -> Iterator[tuple[int, slice, slice]]:
    """Yield each cell along an axis, which part of it a stretch covers, and where in the stretch that lies."""
    for cell in range(start // _CELL_PX, (start + length - 1) // _CELL_PX + 1):
        first = cell * _CELL_PX - start
        low, high = max(first, 0), min(first + _CELL_PX, length)
        yield cell, slice(low - first, high - first), slice(low, high)
