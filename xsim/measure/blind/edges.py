"""Fitting one edge: what its profile says of the blur, whatever its levels, slopes, place and neighbours are.

All but the mixture's weights is projected out. What is left is a small quadratic form in the weights, so that edges
are joined, and drawn anew for an interval, by adding up.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from xsim.measure.blind.mixture import SIGMAS_PX, edge_columns, f50_of, spread_of
from xsim.measure.blind.profiles import Profile

__all__ = ["Edge", "fit_edge", "refine", "solve_weights"]

_SLOPE = 0.0006
"""Slope of a plateau, as a share of the step a pixel, that is taken for likely: castings and gradients of the beam."""

_SHIFT_PX = 1.0
"""How far from the fitted line a step is taken to lie at most."""

_TAIL_PX, _TAIL_PRIOR = 5.0, 0.12
"""Wider components than this are held near zero with this standard deviation: where windows are short, a tail as wide
as they are cannot be told from the plateau."""

_ROUNDS = 4
"""Rounds of weights and places: the last one moves f50 by less than 1 %."""


@dataclass(frozen=True)
class Edge:
    """What one edge says of the blur.

    Parameters
    ----------
    profile : Profile
        Its profile.
    place : float
        Where the step lies [px].
    neighbours : tuple of float
        Where the steps beside it lie [px].
    gram, moment, power : (K, K), (K,) arrays and float
        The quadratic form power - 2 moment w + w gram w is the squared misfit of weights w in noise variances.
    weights : (K,) array
        Its own best weights, sum 1.
    height : float
        Of the step [grey].
    noise : float
        Standard deviation of one pixel that its misfit amounts to, correlation counted in [grey].
    misfit : float
        RMS of the residual over the height of the step.
    excess : float
        RMS of the residual over that of the image's noise.
    f50, error : float
        Of its own weights [cycles/px], and the standard error of ln f50.
    """

    profile: Profile
    place: float
    neighbours: tuple[float, ...]
    gram: NDArray[np.float64]
    moment: NDArray[np.float64]
    power: float
    weights: NDArray[np.float64]
    height: float
    noise: float
    misfit: float = 0.0
    excess: float = 0.0
    f50: float = 0.0
    error: float = 0.0

    def cost(self, weights: NDArray[np.float64]) -> float:
        """Return the squared misfit of weights, at the height that suits them best, in noise variances."""
        match = float(self.moment @ weights)
        return self.power - match**2 / max(float(weights @ self.gram @ weights), 1e-12)


def solve_weights(
    gram: NDArray[np.float64], moment: NDArray[np.float64], prior: float = _TAIL_PRIOR
) -> NDArray[np.float64]:
    """Return the non-negative weights of least misfit."""
    ridge = np.where(SIGMAS_PX > _TAIL_PX, 1 / prior**2, 1e-3)
    factor = np.linalg.cholesky(gram + np.diag(ridge + 1e-9 * np.trace(gram)))
    return np.asarray(nnls(factor.T, np.linalg.solve(factor, moment))[0])


def _project(edge: Edge, weights: NDArray[np.float64]) -> tuple[Edge, NDArray[np.float64]]:
    """Return the edge with its quadratic form for a blur near ``weights`` and its residual there; places move."""
    profile, sigma = edge.profile, edge.noise
    d, angle = profile.distance, profile.step.angle
    root = np.sqrt(profile.count) / sigma
    x = d - edge.place
    spread, line = edge_columns(x, angle)
    columns = [np.ones_like(d), np.minimum(x, 0.0), np.maximum(x, 0.0), line @ weights]
    for place in edge.neighbours:
        beside, slope = edge_columns(d - place, angle)
        columns += [beside @ weights, slope @ weights]
    nuisance = np.stack(columns, axis=1) * root[:, None]
    height = max(abs(edge.height), 1e-6)
    known = np.full(nuisance.shape[1], 1e-9)
    known[1:3] = 1 / (_SLOPE * height)
    known[3] = 1 / (_SHIFT_PX * height)
    known[5::2] = 1 / (_SHIFT_PX * height)
    tall = np.vstack([nuisance, np.diag(known)])
    basis = np.vstack([spread * height * root[:, None], np.zeros((known.size, SIGMAS_PX.size))])
    grey = np.r_[profile.grey * root, np.zeros(known.size)]
    q, r = np.linalg.qr(tall)
    free_basis, free_grey = basis - q @ (q.T @ basis), grey - q @ (q.T @ grey)
    gram, moment = free_basis.T @ free_basis, free_basis.T @ free_grey
    scale = float(moment @ weights) / max(float(weights @ gram @ weights), 1e-12)
    left = grey - scale * (basis @ weights)
    rest = np.linalg.solve(r, q.T @ left)
    residual = (left - tall @ rest)[: d.size] / root
    place = edge.place - float(np.clip(rest[3] / (scale * height), -0.7, 0.7)) if abs(scale) > 0.05 else edge.place
    beside_places = tuple(
        old - float(np.clip(move / amount, -0.7, 0.7)) if abs(amount) > 0.02 * height else old
        for old, amount, move in zip(edge.neighbours, rest[4::2], rest[5::2], strict=True)
    )
    power = float(free_grey @ free_grey)
    moved = replace(
        edge, place=place, neighbours=beside_places, gram=gram, moment=moment, power=power, height=scale * height
    )
    return moved, residual


def refine(edge: Edge, weights: NDArray[np.float64], rounds: int = 2) -> Edge:
    """Return the edge with places, levels and quadratic form as they are for a common blur."""
    for _ in range(rounds):
        edge, _ = _project(edge, weights)
    return edge


def fit_edge(profile: Profile, pixel_noise: float, cell_noise: float) -> Edge | None:
    """Return what an edge says by itself; None where it says nothing.

    Parameters
    ----------
    profile : Profile
        The profile across it.
    pixel_noise : float
        Standard deviation of a pixel at this grey, roughly [grey].
    cell_noise : float
        That of the mean of 1 x 8 pixels.
    """
    count = SIGMAS_PX.size
    none = np.zeros((count, count)), np.zeros(count)
    edge = Edge(profile, 0.0, profile.neighbours, *none, 0.0, np.zeros(count), profile.contrast, pixel_noise)
    # The single width that fits best is where to begin.
    starts = [_project(edge, one)[0] for one in np.eye(count)[2:10:2]]
    best = int(np.argmin([start.cost(one) for start, one in zip(starts, np.eye(count)[2:10:2], strict=True)]))
    edge, weights = starts[best], np.eye(count)[2:10:2][best]
    residual = np.zeros(profile.distance.size)
    for turn in range(_ROUNDS):
        found = solve_weights(edge.gram, edge.moment)
        if found.sum() <= 0:
            return None
        weights = found / found.sum()
        edge, residual = _project(edge, weights)
        if turn >= 1:
            edge, residual = _project(replace(edge, noise=_noise_of(residual, profile, pixel_noise)), weights)
    held = weights > 1e-6
    covariance = np.zeros((count, count))
    ridge = np.where(SIGMAS_PX > _TAIL_PX, 1 / _TAIL_PRIOR**2, 1.0)
    covariance[np.ix_(held, held)] = np.linalg.inv((edge.gram + np.diag(ridge))[np.ix_(held, held)])
    root_mean = float(np.sqrt(profile.count @ residual**2 / profile.count.sum()))
    # Coarse grain is alike in the pixels of a strip, and in the bins of a pixel: only strips average it.
    expected = np.hypot(cell_noise * np.sqrt(8 / profile.step.length), pixel_noise / np.sqrt(profile.count.mean()))
    return replace(
        edge,
        weights=weights,
        misfit=root_mean / max(abs(edge.height), 1e-9),
        excess=float(root_mean / expected),
        f50=f50_of(weights),
        error=spread_of(weights, covariance),
    )


def _noise_of(residual: NDArray[np.float64], profile: Profile, pixel_noise: float) -> float:
    """Return the pixel noise that a residual amounts to: neighbouring bins that agree count as fewer."""
    scaled = residual * np.sqrt(profile.count)
    variance = max(float(np.mean(scaled**2)), 0.3 * pixel_noise**2)
    agree = float(np.clip(scaled[1:] @ scaled[:-1] / max(float(scaled @ scaled), 1e-30), 0.0, 0.95))
    return float(np.sqrt(variance * (1 + agree) / (1 - agree)))
