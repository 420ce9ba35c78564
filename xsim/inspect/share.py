"""What share of a ball its voids take, with an interval, from the fits of one ball."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsim.inspect.fit import Fit, ball_of
from xsim.inspect.search import Candidates
from xsim.inspect.shape import union_share
from xsim.inspect.sight import Optics

__all__ = ["Share", "rate_of", "share_of"]

_DRAWS = 200
"""Draws that an interval is made of: its ends are known to a tenth of its width."""

_SEED = 20_261_127
"""The same image gives the same interval."""

_UNSEEN = 1.5
"""What voids too small to be seen may take at 95 % beyond what they do on average, in areas of the smallest that would
be: with it intervals held 97 % of the balls of boards of seeds 52000 to 52027, with 1.25 those of restored images held
90 % of the balls of seeds 41000 to 41028."""

_RADIUS, _SPREAD = 0.235, 0.5
"""Median radius of a void [radii of the ball], and the spread of its logarithm, as `xsim.phantoms` draws them."""

_FROTH = 0.0055
"""Area of bubbles of 20 to 50 um, which no image shows one by one, to each void: a froth of them takes .075 of a ball's
area on average, and 15 % of the balls with voids hold one, as `xsim.phantoms` draws them; these have 1.6 voids each. A
quarter of it is seen as a few larger ones: of .6 % expected .45 % was missing on boards of seeds 52000 to 52027."""

_USUAL, _WORTH = 0.4, 1.0
"""Voids to a ball before an image is looked at, and how many voids that is worth."""


@dataclass(frozen=True)
class Share:
    """Share of a ball's area that its voids take together.

    Parameters
    ----------
    value, low, high : float
        Mean over all fits, and the 95 % interval.
    count : float
        Mean number of voids that are seen.
    unseen : float
        Share of the ball's area of the smallest void that would be seen.
    """

    value: float
    low: float
    high: float
    count: float
    unseen: float

    def with_unseen(self, rate: float) -> Share:
        """Return the share with what voids that are too small to be seen take, of so many voids to a ball."""
        hidden = rate * (_smaller(self.unseen, area=True) + _FROTH)
        high = min(1.0, self.high + hidden + _UNSEEN * self.unseen)
        return Share(min(1.0, self.value + hidden), self.low, high, self.count, self.unseen)


def rate_of(balls: Sequence[Share]) -> float:
    """Return how many voids the balls of a grid have each, seen or not, by those that are seen.

    It is the posterior's mean, where voids come by chance and as many of them are seen as their sizes tell.
    """
    share = sum(1.0 - _smaller(one.unseen) for one in balls)
    return (_WORTH + sum(one.count for one in balls)) / (_WORTH / _USUAL + share)


def _smaller(unseen: float, *, area: bool = False) -> float:
    """Return the share of voids that are smaller than one of a share of the ball's area, or their area to each void."""
    power = 2.0 * area
    depth = (0.5 * math.log(unseen) - math.log(_RADIUS)) / _SPREAD - power * _SPREAD
    # Moments of a lognormal distribution, cut off.
    mean = _RADIUS**power * math.exp(0.5 * (power * _SPREAD) ** 2)
    return float(mean * 0.5 * (1.0 + math.erf(depth / math.sqrt(2.0))))


def share_of(found: Candidates, optics: Optics) -> Share:
    """Return the share that voids which are seen take of a ball.

    Parameters
    ----------
    found : Candidates
        Fits with none, one, two, ... voids, and how likely they are.
    optics : Optics
        How far blur and shape may be off.
    """
    random = np.random.default_rng(_SEED)
    counts = random.multinomial(_DRAWS, found.probability)
    drawn = np.concatenate([_drawn(one, count, random) for one, count in zip(found.fits, counts, strict=True)])
    value = float(drawn.mean())
    low, high = (float(np.quantile(drawn, q)) for q in (0.025, 0.975))
    model = _model_error(found.best, value, optics)
    return Share(
        value,
        max(0.0, value - float(np.hypot(value - min(low, value), model))),
        min(1.0, value + float(np.hypot(max(high, value) - value, model))),
        float(found.probability @ [one.count for one in found.fits]),
        found.unseen,
    )


def _model_error(best: Fit, value: float, optics: Optics) -> float:
    """Return the error at 95 % that a wrong blur and the shape of voids bring: both move rims."""
    ball, _, voids = ball_of(best.solder)
    if not len(voids):
        return 0.0
    # A rim that a blur of width b spreads moves by less than a quarter of what the blur is off.
    rims = 2.0 * np.pi * voids[:, 2].sum() / (np.pi * ball[2] ** 2)
    return float(np.hypot(optics.area_error * value, rims * 0.25 * (optics.blur_spread - 1.0)))


def _drawn(one: Fit, count: int, random: np.random.Generator) -> NDArray[np.float64]:
    """Return void shares of a fit, drawn by its covariance."""
    if not one.count or not count:
        return np.zeros(count)
    assert one.covariance is not None
    values, vectors = np.linalg.eigh(one.covariance)
    root = vectors * np.sqrt(np.maximum(values, 0.0))
    shares = np.empty(count)
    for number in range(count):
        theta = one.theta + root @ random.standard_normal(len(one.theta))
        ball, _, voids = ball_of(theta[: len(one.solder)])
        voids = voids.copy()
        voids[:, 2] = np.clip(np.abs(voids[:, 2]), 0.0, ball[2])
        shares[number] = union_share(ball, voids, 64)
    return shares
