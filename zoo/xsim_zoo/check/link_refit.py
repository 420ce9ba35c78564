"""The grey-level link of one image, fitted to it through the blur."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
import torch
from scipy.optimize import nnls

from xsim_zoo.process.process import fft

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray
    from torch import Tensor

__all__ = ["refitted"]

_KNOTS = 7


def refitted(h: Tensor, Y: Tensor, B: Tensor, Sigma: Tensor, below: Tensor) -> Tensor:
    """Return a monotone curve of ``h`` such that, blurred, it comes nearest to the measurement.

    The curve is straight between 7 knots; its rises from knot to knot are found by least squares with none of them
    negative, over the spectral bins of ``below``, each weighted by its noise.

    Parameters
    ----------
    h : (H, W) tensor
        Linked answer in LR grey, on the padded grid.
    Y : (H, W // 2 + 1) complex tensor
        Spectrum of the measurement.
    B, Sigma : (n,) tensors
        Blur and noise variance of the bins that take part.
    below : (H, W // 2 + 1) tensor of bool
        Which bins these are.
    """
    weights = Sigma.rsqrt()
    passed = B * weights
    places = np.linspace(float(h.min()), float(h.max()), _KNOTS)
    rows = torch.stack([_real(fft(step)[below] * passed) for step in _steps(h, places)]).double().numpy()
    seen = _real(Y[below] * weights).double().numpy()
    gram, target = rows @ rows.T, rows @ seen
    # Cholesky turns the sums over bins back into as many rows as unknowns; the ridge stands in for greys not met.
    root = np.linalg.cholesky(gram + 1e-9 * np.trace(gram) / len(gram) * np.eye(len(gram)))
    rises, _ = nnls(root.T, np.linalg.solve(root, target))
    curve = torch.zeros_like(h)
    for rise, step in zip(rises, _steps(h, places), strict=True):
        curve.add_(step, alpha=float(rise))
    return curve


def _real(spectrum: Tensor) -> Tensor:
    return torch.view_as_real(spectrum).flatten().cpu()


def _steps(h: Tensor, places: NDArray[np.float64]) -> Iterator[Tensor]:
    """Yield a constant and, for each interval of knots, how far every pixel has climbed it (0 to 1)."""
    yield torch.ones_like(h)
    for low, high in pairwise(places.tolist()):
        yield h.sub(low).div_(high - low).clamp_(0, 1)
