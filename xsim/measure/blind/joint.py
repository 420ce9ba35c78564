"""Joining edges into one blur with an interval: the blur that they have in common, see `crowd`.

The edges around it are fitted together for the shape of the curve. Where the object scatters its edges more than noise
does, the crowd says how sharp it is, and the fit only its shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsim.measure.blind.crowd import Crowd, crowd_of
from xsim.measure.blind.edges import Edge, refine, solve_weights
from xsim.measure.blind.mixture import SIGMAS_PX, f50_of, stretched

__all__ = ["JointBlur", "anisotropy", "join_edges", "sound_edges"]

_MOST_EDGES = 28
"""More edges than this no longer narrow the interval, which the objects' edges set."""

_LARGEST_ERROR = 0.5
"""Standard error of ln f50 above which an edge says nothing."""

_CLEAN, _POOR = 0.004, 0.02
"""Residual over step of an edge that is one, and of one that is something else, where noise does not explain it."""

_EXCESS = 1.5
"""Residual over noise up to which noise explains it: single steps lie at .5 to .9, bevels above 1.6."""

_ENOUGH_CLEAN, _PADDED = 3, 8
"""With as many clean edges the others are left out; with fewer this many of the best are looked at."""

_OWN_ERROR = 0.015
"""Standard error of ln f50 that one edge does not go below: its line is straight to .1 px."""

_CLOSE = 0.12
"""Edges this near in ln f50, and 1.5 standard errors more, belong together."""

_DISAGREE = 0.03
"""Scatter of ln f50 from which edges disagree by more than noise, and are weighed as edges, not by their pixels."""

_ALONG_AXIS = 0.8
"""Cosine to an axis of the edges that tell the blur along it."""

_UNLIKE = 0.12
"""Difference of ln f50 along x and y from which a detector, or a focal spot, is called anisotropic."""

_DRAWS = 60
"""Bootstrap draws: the interval's ends to a tenth of its width."""

_FLOOR = 0.02
"""Standard error of ln f50 that no number of edges goes below: objects' edges are not ideal."""


@dataclass(frozen=True)
class JointBlur:
    """One blur from several edges.

    Parameters
    ----------
    weights : (K,) array
        Of the mixture, sum 1.
    draws : (n, K) array
        Other weights that the edges allow, drawn anew.
    error : float
        Standard error of ln f50, all of it.
    edges : tuple of Edge
        Those that were joined.
    """

    weights: NDArray[np.float64]
    draws: NDArray[np.float64]
    error: float
    edges: tuple[Edge, ...]


def sound_edges(edges: Sequence[Edge]) -> list[Edge]:
    """Return the edges that may be one step of the object each, best first."""
    sound = [
        edge
        for edge in edges
        if edge.height > 0
        and edge.error < _LARGEST_ERROR
        and abs(edge.place) < 3
        and edge.height < 1.35 * np.ptp(edge.profile.grey)
        and (edge.misfit < _POOR or edge.excess < _EXCESS)
        and min(-edge.profile.reach[0], edge.profile.reach[1]) > 0.25 / edge.f50
    ]
    sound.sort(key=lambda edge: (edge.excess >= _EXCESS, edge.misfit))
    clean = sum(edge.misfit < _CLEAN or edge.excess < _EXCESS for edge in sound)
    return sound[: clean if clean >= _ENOUGH_CLEAN else _PADDED]


def join_edges(edges: Sequence[Edge], seed: int = 0) -> JointBlur:
    """Return the blur that some sound edges have in common.

    Parameters
    ----------
    edges : sequence of Edge
        At least one, from `sound_edges`.
    seed : int
        Of the draws of the interval.
    """
    crowd, group = _agreeing(edges)
    weights, group = _common(group, crowd.scatter)
    if len(group) > 3:
        kept = [edge for edge in group if edge.cost(weights) < 1.3 * edge.cost(edge.weights) + 9.0]
        if 2 <= len(kept) < len(group):
            weights, group = _common(kept, crowd.scatter)
    rng = np.random.default_rng(seed)
    counts = _counts(group, crowd.scatter)
    draws = np.array([_solve(group, counts * _draw(rng, group)) for _ in range(_DRAWS)])
    drawn = float(np.std(np.log(np.array([f50_of(one) for one in draws]))))
    error = float(np.hypot(max(drawn, crowd.error), _FLOOR))
    weights = np.mean([weights, *draws], axis=0)
    if crowd.scatter > _DISAGREE:
        # The joint fit counts pixels, but it is edges that are off, so that each has its say.
        factor = float(np.exp(crowd.place)) / f50_of(weights)
        draws = np.array([stretched(one, factor * f50_of(one)) for one in draws])
        weights = stretched(weights, factor * f50_of(weights))
    return JointBlur(weights, draws, error, tuple(group))


def anisotropy(edges: Sequence[Edge]) -> tuple[float, float] | None:
    """Return f50 along x and along y [cycles/px] where the edges show that they differ, else None."""
    crowds = []
    for along in (np.cos, np.sin):
        own = [edge for edge in edges if abs(float(along(edge.profile.step.angle))) > _ALONG_AXIS]
        if len(own) < _ENOUGH_CLEAN:
            return None
        crowds.append(_agreeing(own)[0])
    apart = abs(crowds[0].place - crowds[1].place)
    if apart < max(_UNLIKE, 3 * float(np.hypot(*(np.hypot(crowd.error, _FLOOR) for crowd in crowds)))):
        return None
    return float(np.exp(crowds[0].place)), float(np.exp(crowds[1].place))


def _agreeing(edges: Sequence[Edge]) -> tuple[Crowd, list[Edge]]:
    """Return the blur that the edges have in common, and those of them that lie around it, the surest first."""
    place = np.log(np.array([edge.f50 for edge in edges]))
    error = np.array([np.sqrt(edge.error**2 + _OWN_ERROR**2 + edge.misfit**2) for edge in edges])
    crowd = crowd_of(place, error)
    off = np.abs(place - crowd.place)
    close = [int(k) for k in np.argsort(error) if off[k] < _CLOSE + 1.5 * np.hypot(error[k], crowd.scatter)]
    return crowd, [edges[k] for k in close[:_MOST_EDGES] or [int(np.argmin(off))]]


def _counts(group: Sequence[Edge], scatter: float) -> NDArray[np.float64]:
    """Return how much of what an edge says by its pixels counts where the object scatters edges."""
    error = np.array([edge.error**2 + _OWN_ERROR**2 for edge in group])
    return error / (error + scatter**2)


def _common(group: list[Edge], scatter: float) -> tuple[NDArray[np.float64], list[Edge]]:
    """Return the common weights and the edges refined for them."""
    best = min(group, key=lambda edge: edge.error)
    weights = best.weights
    for _ in range(4):
        group = [refine(edge, weights) for edge in group]
        weights = _solve(group, _counts(group, scatter))
    return weights, group


def _solve(group: Sequence[Edge], counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights, sum 1, of the edges taken as often as ``counts``."""
    gram = np.tensordot(counts, np.stack([edge.gram for edge in group]), axes=1)
    moment = np.tensordot(counts, np.stack([edge.moment for edge in group]), axes=1)
    weights = solve_weights(gram, moment)
    return weights / max(float(weights.sum()), 1e-12) if weights.any() else np.eye(SIGMAS_PX.size)[0]


def _draw(rng: np.random.Generator, group: Sequence[Edge]) -> NDArray[np.float64]:
    """Return exponential weights of mean one for the edges: a bootstrap that leaves none wholly out."""
    return rng.exponential(size=len(group)) if len(group) > 1 else np.ones(1)
