"""Which blur some edges have in common: a crowd that agrees, softer ones beside it, and a few that are something else.

Every edge tells ln f50 with an error of its own. The edges of an object are never ideal: a bevel or a slope of solder
only blurs, so that part of the edges lie below the detector by amounts that are drawn from an exponential; a gap in the
copper beside a chip, or the weave of a board, moves an edge either way, by a scatter that all edges of an image share
and that is not known beforehand; and a few edges are none. How large scatter and bevels are, and how many edges have
one, follows from the edges themselves, and what they leave open widens the answer.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_ndtr

__all__ = ["Crowd", "crowd_of"]

Array = NDArray[np.float64]

_SCATTERS = (0.01, 0.03, 0.06, 0.1, 0.14, 0.2, 0.3)
"""Standard deviations of ln f50 that the object may give its edges: plates have .01, boards with copper around their
chips .05 to .15."""

_LIKELY_SCATTER = 0.06
"""Half of the prior's weight lies below: twice and half of it move no estimate by half of its error."""

_BEVELS = (0.1, 0.3, 0.8)
"""Mean amounts by which bevels lower ln f50: from solder beside a chip to a casting's draft."""

_SHARP_SHARES = (0.2, 0.5, 0.8)
"""Shares of the edges that have no bevel."""

_STRANGE, _STRANGE_WIDTH = 0.1, 4.0
"""Share of the edges that are none, and the width of ln f50 that they lie in: f50 from .01 to .5 cycles/px."""

_COARSE, _FINE = 121, 61
"""Places that are tried: over all edges, and over the part that is likely."""

_AROUND = 5.0
"""Standard deviations that the likely part reaches to each side."""

_MARGIN = 0.3
"""How far beyond the outermost edges the detector may lie in ln f50."""

_SHARED = 0.5
"""Share of the scatter that all edges of an object may have in common, since one design rule or one tool made them:
it does not average out. Of twelve boards the mean edge lay up to this share off."""


@dataclass(frozen=True)
class Crowd:
    """The blur that some edges have in common.

    Parameters
    ----------
    place, error : float
        ln f50 of the detector, and its standard error.
    scatter : float
        Standard deviation of ln f50 among edges without a bevel, beyond what noise gives them.
    """

    place: float
    error: float
    scatter: float


def crowd_of(places: Array, errors: Array) -> Crowd:
    """Return the blur that edges have in common.

    Parameters
    ----------
    places, errors : (n,) arrays
        ln f50 of each edge, and what noise makes it uncertain by.
    """
    tried = np.linspace(places.min() - _MARGIN, places.max() + _MARGIN, _COARSE)
    mean, spread, _ = _weighed(places, errors, tried)
    reach = _AROUND * max(spread, float(errors.min()), tried[1] - tried[0])
    mean, spread, scatter = _weighed(places, errors, np.linspace(mean - reach, mean + reach, _FINE))
    return Crowd(mean, float(np.hypot(spread, _SHARED * scatter)), scatter)


def _weighed(places: Array, errors: Array, tried: Array) -> tuple[float, float, float]:
    """Return mean and standard deviation of the detector's ln f50, and the mean scatter, over all that may be."""
    scores = np.stack([_scores(places, errors, tried, scatter) for scatter in _SCATTERS])
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    at = chances.sum(axis=(0, 1))
    mean = float(at @ tried)
    scatter = float(chances.sum(axis=(1, 2)) @ np.array(_SCATTERS))
    return mean, float(np.sqrt(at @ (tried - mean) ** 2)), scatter


def _scores(places: Array, errors: Array, tried: Array, scatter: float) -> Array:
    """Return the logarithm of the chance of the edges, for each kind of bevels and place that is tried, (k, m)."""
    width = np.hypot(errors, scatter)
    off = places[None, :] - tried[:, None]
    even = np.exp(-((off / width) ** 2) / 2) / (width * np.sqrt(2 * np.pi))
    found = []
    for bevel in _BEVELS:
        # A normal less an exponential.
        tail = off / bevel + width**2 / (2 * bevel**2) + log_ndtr(-off / width - width / bevel)
        softer = np.exp(tail) / bevel
        for sharp in _SHARP_SHARES:
            chance = sharp * even + (1 - sharp - _STRANGE) * softer + _STRANGE / _STRANGE_WIDTH
            found.append(np.log(chance).sum(axis=1))
    return np.asarray(np.stack(found) - np.log1p((scatter / _LIKELY_SCATTER) ** 2))
