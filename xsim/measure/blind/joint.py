"""Joining edges into one blur with an interval: the sharpest ones that agree bound the detector.

An edge of an object is never sharper than ideal; bevels, pores and neighbours only blur it. Where edges scatter little
their sharpest crowd is taken, else their median, since then noise makes the sharpest ones.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsim.measure.blind.edges import Edge, refine, solve_weights
from xsim.measure.blind.mixture import SIGMAS_PX, f50_of

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

_SHARPER = 0.35
"""Weight, as a share of the largest crowd's, from which a sharper crowd that stands apart is the detector's: what lies
between the two is the object's bevels. Below, a few edges that others spoil could make it."""

_ALONG_AXIS = 0.8
"""Cosine to an axis of the edges that tell the blur along it."""

_UNLIKE = 0.12
"""Difference of ln f50 along x and y from which a detector, or a focal spot, is called anisotropic."""

_STANDS_APART = 0.25
"""Distance of crowds in ln f50."""

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
    """Return the blur that the sharpest consistent of some sound edges have in common.

    Parameters
    ----------
    edges : sequence of Edge
        At least one, from `sound_edges`.
    seed : int
        Of the draws of the interval.
    """
    group, scatter = _consistent(edges)
    weights, group = _common(group)
    if len(group) > 3:
        kept = [edge for edge in group if edge.cost(weights) < 1.3 * edge.cost(edge.weights) + 9.0]
        if 2 <= len(kept) < len(group):
            weights, group = _common(kept)
    rng = np.random.default_rng(seed)
    draws = [_solve(group, _draw(rng, group)) for _ in range(_DRAWS)]
    drawn = float(np.std(np.log(np.array([f50_of(one) for one in draws]))))
    alone = float(np.sqrt(1 / sum(1 / (edge.error**2 + 0.05**2) for edge in group)))
    error = np.sqrt(max(drawn, alone) ** 2 + _FLOOR**2 + (1.25 * scatter / np.sqrt(len(edges))) ** 2)
    return JointBlur(np.mean([weights, *draws], axis=0), np.array(draws), float(error), tuple(group))


def anisotropy(edges: Sequence[Edge]) -> tuple[float, float] | None:
    """Return f50 along x and along y [cycles/px] where the edges show that they differ, else None."""
    places, errors = [], []
    for number in (0, 1):
        own = [
            edge
            for edge in edges
            if abs(float((np.cos if number == 0 else np.sin)(edge.profile.step.angle))) > _ALONG_AXIS
        ]
        if len(own) < _ENOUGH_CLEAN:
            return None
        close, scatter = _consistent(own)
        weight = np.array([1 / (edge.error**2 + 0.03**2) for edge in close])
        told = np.log(np.array([edge.f50 for edge in close], np.float64))
        places.append(float(weight @ told / weight.sum()))
        errors.append(float(np.sqrt(1 / weight.sum() + scatter**2 / len(close) + _FLOOR**2)))
    apart = abs(places[0] - places[1])
    if apart < max(_UNLIKE, 3 * float(np.hypot(errors[0], errors[1]))):
        return None
    return float(np.exp(places[0])), float(np.exp(places[1]))


def _consistent(edges: Sequence[Edge]) -> tuple[list[Edge], float]:
    """Return the edges around the blur that most of them tell, and the scatter of ln f50."""
    place = np.log(np.array([edge.f50 for edge in edges]))
    error = np.array([np.sqrt(edge.error**2 + 0.03**2 + (3 * edge.misfit) ** 2) for edge in edges])
    weight = np.minimum(1 / error**2, 300.0)
    order = np.argsort(place)
    middle = float(place[order][np.searchsorted(np.cumsum(weight[order]), weight.sum() / 2)])
    scatter = 1.4826 * float(np.median(np.abs(place - middle)))
    width = np.hypot(0.07, np.maximum(error, 0.5 * scatter))
    density = np.array([float(weight @ np.exp(-(((place - at) / width) ** 2) / 2)) for at in place])
    crowded = np.flatnonzero(density > 0.85 * density.max())
    top = float(place[np.argmax(density)])
    centre = float(place[crowded].max()) if scatter < 0.1 else middle
    sharper = (place > max(top, centre) + _STANDS_APART) & (density > _SHARPER * density.max())
    if sharper.any():
        centre = float(place[sharper][np.argmax(density[sharper])])
        scatter = 1.4826 * float(np.median(np.abs(place[sharper] - centre)))
    for _ in range(4):
        near = weight * np.exp(-(((place - centre) / width) ** 2) / 2)
        centre = float(near @ place / near.sum())
    close = [k for k in range(len(edges)) if abs(place[k] - centre) < 0.12 + 1.5 * error[k]]
    close.sort(key=lambda k: float(error[k]))
    if not close:
        close = [int(np.argmin(np.abs(place - centre)))]
    return [edges[k] for k in close[:_MOST_EDGES]], scatter


def _common(group: list[Edge]) -> tuple[NDArray[np.float64], list[Edge]]:
    """Return the common weights and the edges refined for them."""
    best = min(group, key=lambda edge: edge.error)
    weights = best.weights
    for _ in range(4):
        group = [refine(edge, weights) for edge in group]
        weights = _solve(group, np.ones(len(group)))
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
