"""A whole restoration of images of one size in operations that every runtime has: no FFT, no complex numbers.

Padded grid, noise level, filters, network, sampler and link, as `Restorer.restore_array` does them with eta 0. A
Fourier transform is two products with matrices of cosines and sines; it costs N^3 where an FFT costs N^2 log N, and
what runs a network runs it. Maps of a size are constants, so a graph belongs to one size.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Final, cast

import numpy as np
import torch
from torch import Tensor, nn

from xsim.degradation.before_blur import sharpening
from xsim.errors import InputError, UnknownNameError
from xsim.grids import half_plane_weights
from xsim_zoo.process.grid import PaddedGrid
from xsim_zoo.process.link import LinkOnGrid, TorchLink
from xsim_zoo.process.operator import Operator
from xsim_zoo.process.power import gain_of
from xsim_zoo.process.process import LEAST_RMS
from xsim_zoo.process.sampling import time_grid
from xsim_zoo.restorers.base import Restorer
from xsim_zoo.restorers.learned import LearnedRestorer

__all__ = ["LARGEST_PX", "WHOLE", "RestorationGraph"]

WHOLE: Final = ("physics-sde", "unet-wiener", "wiener")
"""Restorers whose whole restoration can be a graph: those that correct the Wiener estimate, by a network or not."""

LARGEST_PX: Final = 2048
"""Longest side of a graph's images [px]: matrices of cosines beyond take more than a network's weights and its time."""

_LEAST_GREY, _OPEN_FIELD = 0.02, 1.0
"""Greys that noise follows, see `Degradation.local_noise_level`, with which a test compares this."""


class RestorationGraph(nn.Module):
    """LR images (B, 1, H, W) in grey, open field 1.0 -> HR images, of one size.

    Parameters
    ----------
    restorer : Restorer
        One of `WHOLE`, between its detectors.
    shape : (H, W)
        Size of the images [px].
    steps : int, optional
        Sampling steps; None takes the restorer's own.

    Raises
    ------
    UnknownNameError
        If the restorer is not one of `WHOLE`.
    InputError
        If the size is too large, or the detectors were not told.
    """

    rows: Tensor
    columns: Tensor

    def __init__(self, restorer: Restorer, shape: tuple[int, int], *, steps: int | None = None) -> None:
        super().__init__()
        if restorer.name not in WHOLE:
            raise UnknownNameError("restorer that fits into one graph", restorer.name, WHOLE)
        if restorer.awaits_detectors:
            raise InputError("these weights have learned many detectors: tell which these are with --detectors")
        if max(shape) > LARGEST_PX:
            raise InputError(f"images of {shape} px do not fit into one graph: give sides of {LARGEST_PX} at most")
        self.shape, self.grid = shape, PaddedGrid.around(shape)
        self.follows = restorer.noise_follows_grey
        self.excess_noise = restorer.physics.degradation.excess_noise
        self.network = restorer.network if isinstance(restorer, LearnedRestorer) else None
        self.error_share = restorer.error_share
        operator = restorer.operator_on(self.grid.padded)
        count = (restorer.default_steps if steps is None else steps) if restorer.name == "physics-sde" else 1
        self.fourier = _Fourier(self.grid.padded)
        self.sampler = nn.ModuleList(_Step(operator, t, s) for t, s in pairwise(time_grid(count)))
        link = restorer.physics.link_on(self.grid.padded, "cpu")
        self.link = _Unlink(link, self.fourier) if restorer.uses_link else None
        for axis, name in enumerate(("rows", "columns")):
            before = self.grid.offset[axis]
            self.register_buffer(name, self.grid.sources(axis, -before, self.grid.padded[axis] - before))

    def forward(self, lr: Tensor) -> Tensor:
        """Return the HR images (B, 1, H, W)."""
        level = self._noise_level(lr)
        # index_select instead of a reflecting pad: an image may be smaller than its border.
        state = self.fourier(lr.index_select(-2, self.rows).index_select(-1, self.columns))
        for step in cast("list[_Step]", self.sampler):
            estimate, x_0 = step.estimate(state, level, self.fourier, self.network)
            state = step.next(state, estimate if x_0 is None else self.fourier(x_0))
        if self.error_share:
            state = state * cast("list[_Step]", self.sampler)[0].power_gain(level, self.error_share)
        x_0 = self.fourier.inverse(state)
        top, left = self.grid.offset
        hr = x_0 if self.link is None else self.link(x_0)
        return hr[..., top : top + self.shape[0], left : left + self.shape[1]]

    def _noise_level(self, lr: Tensor) -> Tensor:
        """Return the noise power (B, 1, 1, 1) of each image relative to the open field."""
        if not self.follows:
            return torch.ones_like(lr[..., :1, :1])
        grey = lr.clamp(_LEAST_GREY, _OPEN_FIELD)
        return (grey * (1.0 + self.excess_noise * (1.0 - grey))).mean(dim=(-2, -1), keepdim=True)


class _Fourier(nn.Module):
    """rfft2(norm="ortho") of images (B, 1, H, W) as real and imaginary parts (B, 2, H, W // 2 + 1), and its inverse."""

    row_cos: Tensor
    row_sin: Tensor
    column_cos: Tensor
    column_sin: Tensor
    twice: Tensor

    def __init__(self, shape: tuple[int, int]) -> None:
        super().__init__()
        for name, size, kept in (("row", shape[0], shape[0]), ("column", shape[1], shape[1] // 2 + 1)):
            # The product is taken modulo the size: angles of some thousand turns would lose digits.
            turns = np.outer(np.arange(size), np.arange(kept)) % size * (2 * math.pi / size)
            for part, values in (("cos", np.cos(turns)), ("sin", np.sin(turns))):
                self.register_buffer(f"{name}_{part}", torch.as_tensor(values / math.sqrt(size), dtype=torch.float32))
        twice = np.full(shape[1] // 2 + 1, 2.0)
        twice[0] = twice[-1] = 1.0  # padded sides are even
        self.register_buffer("twice", torch.as_tensor(twice, dtype=torch.float32))

    def forward(self, images: Tensor) -> Tensor:
        a, b = images @ self.column_cos, -(images @ self.column_sin)
        cos, sin = self.row_cos, self.row_sin
        return torch.cat([cos @ a + sin @ b, cos @ b - sin @ a], dim=1)

    def inverse(self, spectra: Tensor) -> Tensor:
        a, b = spectra[:, :1], spectra[:, 1:]
        cos, sin = self.row_cos, self.row_sin
        real, imaginary = (cos @ a - sin @ b) * self.twice, (cos @ b + sin @ a) * self.twice
        return real @ self.column_cos.T - imaginary @ self.column_sin.T


class _Step(nn.Module):
    """One step t -> s: the Wiener estimate at t, what the network makes of it, and the state at s."""

    B: Tensor
    S: Tensor
    Sigma: Tensor
    Sigma_1: Tensor
    a: Tensor
    k: Tensor
    weights: Tensor
    detectors: Tensor

    def __init__(self, operator: Operator, t: float, s: float) -> None:
        super().__init__()
        self.t, self.s = t, s
        process = operator.process
        weights = torch.as_tensor(half_plane_weights(process.shape), dtype=torch.float32) / math.prod(process.shape)
        maps = {"B": process.B(t), "S": operator.S, "Sigma": process.Sigma(t), "Sigma_1": process.Sigma_1}
        if s > 0:
            maps["a"], maps["k"], _ = process.ddim(s, t, 0.0)
        for name, values in {**maps, "weights": weights}.items():
            self.register_buffer(name, values)
        self.register_buffer("detectors", operator.detectors)

    def estimate(
        self, state: Tensor, level: Tensor, fourier: _Fourier, network: nn.Module | None
    ) -> tuple[Tensor, Tensor | None]:
        """Return the spectrum of the Wiener estimate, and x_0 where a network corrects it."""
        Sigma = self.Sigma * level
        # As in `Operator.wiener`.
        share = self.S / (self.S * self.B.square() + Sigma).clamp_min(torch.finfo(torch.float32).tiny)
        spectrum = share * self.B * state
        if network is None:
            return spectrum, None
        c = self._mean(share * Sigma).sqrt()
        estimate = fourier.inverse(spectrum)
        features = torch.cat([(estimate - 0.5) * 4.0, (fourier.inverse(state) - estimate) / c], dim=1)
        noise = self._mean(self.Sigma_1 * level).sqrt()
        rms = [value.clamp_min(LEAST_RMS).log().flatten(1) for value in (noise, c)]
        told = torch.cat([torch.full_like(rms[0], self.t), *rms, self.detectors.expand(state.shape[0], -1)], dim=1)
        return spectrum, estimate + c * network(features, told)

    def next(self, state: Tensor, X_0: Tensor) -> Tensor:
        """Return the spectrum of the state at s: x_0 itself at s = 0."""
        return X_0 if self.s == 0 else self.a * X_0 + self.k * state

    def power_gain(self, level: Tensor, error_share: float) -> Tensor:
        """Return the gain of the answer's spectrum; of the step from 1."""
        return gain_of(self.S, self.B, self.Sigma_1 * level, error_share)

    def _mean(self, maps: Tensor) -> Tensor:
        """Return the mean over the whole plane, (B, 1, 1, 1)."""
        return (maps * self.weights).sum(dim=(-2, -1), keepdim=True)


class _Unlink(nn.Module):
    """The inverse of the grey-level link, see `LinkOnGrid.inverse`."""

    mtf: Tensor
    sharpening: Tensor

    def __init__(self, link: LinkOnGrid, fourier: _Fourier) -> None:
        super().__init__()
        self.fourier, self.filtered = fourier, link.mtf_hr is not None
        if link.mtf_hr is not None:
            self.register_buffer("mtf", link.mtf_hr)
            self.register_buffer("sharpening", sharpening(link.mtf_hr))
        self.curve = _Curve(link.curve)

    def forward(self, lr: Tensor) -> Tensor:
        sharp = self.fourier.inverse(self.sharpening * self.fourier(lr)) if self.filtered else lr
        change: Tensor = self.curve(sharp) - sharp
        return lr + (self.fourier.inverse(self.mtf * self.fourier(change)) if self.filtered else change)


class _Curve(nn.Module):
    """The inverse of a link of straight pieces; cells are found by bisection, as not every runtime has a search."""

    searched: Tensor
    hr_grey: Tensor
    lr_grey: Tensor
    slope: Tensor

    def __init__(self, curve: TorchLink) -> None:
        super().__init__()
        knots = len(curve.lr_grey)
        self.bits = knots.bit_length()
        beyond = torch.full((2**self.bits - knots,), torch.inf)
        self.register_buffer("searched", torch.cat([curve.lr_grey, beyond]))
        for name in ("hr_grey", "lr_grey", "slope"):
            self.register_buffer(name, getattr(curve, name))

    def forward(self, lr: Tensor) -> Tensor:
        knot = torch.zeros_like(lr, dtype=torch.int64)
        for bit in reversed(range(self.bits)):
            higher = knot + 2**bit
            knot = torch.where(self.searched[higher] <= lr, higher, knot)
        cell = torch.where(lr < self.lr_grey[0], 0, knot + 1)
        return self.hr_grey[knot] + (lr - self.lr_grey[knot]) / self.slope[cell]
