"""Spectra of large images filtered a few rows at a time.

The maps of B_t, Sigma_t and W_t are as large as the image, and each formula needs several of them at once. All of
them belong to single bins, so they are evaluated on some rows of the half plane, used, and forgotten.
"""

from __future__ import annotations

from dataclasses import replace
from types import EllipsisType
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Iterator

    from torch import Tensor

    from xsim_zoo.process.operator import Operator
    from xsim_zoo.process.process import Process

__all__ = ["Rows", "ddim_step", "rows_of", "strips", "wiener_estimate"]

Rows = tuple[EllipsisType, slice, slice]

_STRIP_BINS = 2**20


def strips(maps: Tensor) -> Iterator[Rows]:
    """Yield indices of a few rows each that together cover maps (..., H, W // 2 + 1)."""
    height = maps.shape[-2]
    rows = max(1, _STRIP_BINS * height // maps.numel())
    for first in range(0, height, rows):
        yield ..., slice(first, first + rows), slice(None)


def _process_rows(process: Process, rows: Rows) -> Process:
    return replace(process, theta=process.theta[rows], Sigma_1=process.Sigma_1[rows])


def rows_of(operator: Operator, rows: Rows) -> Operator:
    """Return an operator whose maps are some rows of another's; its shape stays that of the whole image."""
    return replace(operator, process=_process_rows(operator.process, rows), S=operator.S[rows])


def wiener_estimate(X_t: Tensor, t: float | Tensor, operator: Operator) -> tuple[Tensor, Tensor]:
    """Return the spectrum W_t X_t and the rms error c(t) that it leaves, see `Operator.wiener`."""
    estimate = torch.empty_like(X_t)
    variance = torch.zeros((), dtype=operator.S.dtype, device=X_t.device)
    for rows in strips(operator.S):
        W, c = rows_of(operator, rows).wiener(t)
        estimate[rows] = W * X_t[rows]
        # The plane mean of some rows alone is their share of that of the whole plane.
        variance = variance + c.square()
    return estimate, variance.sqrt()


def ddim_step(
    process: Process, X_0_hat: Tensor, X_t: Tensor, *, s: float, t: float, eta: float, Z: Tensor | None = None
) -> Tensor:
    """Return X_s = a X_0_hat + k X_t + std Z, see `Process.ddim`; ``Z`` is the spectrum of white noise."""
    X_s = torch.empty_like(X_t)
    for rows in strips(process.theta):
        a, k, std = _process_rows(process, rows).ddim(s, t, eta)
        X_s[rows] = a * X_0_hat[rows] + k * X_t[rows]
        if Z is not None:
            X_s[rows] += std * Z[rows]
    return X_s
