"""What share of a ball its voids take, with an interval, from the fits of one ball."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsim.inspect.fit import Fit, ball_of
from xsim.inspect.search import Candidates
from xsim.inspect.shape import union_share
from xsim.inspect.sight import Optics

__all__ = ["Share", "share_of"]

_DRAWS = 200
"""Draws that an interval is made of: its ends are known to a tenth of its width."""

_SEED = 20_261_127
"""The same image gives the same interval."""

_UNSEEN = 1.5
"""What voids too small to be seen may take at 95 %, in areas of the smallest that would be."""


_EXPECTED = 2.5
"""What voids too small to be seen take on average, over the square of the smallest seen: of .6 voids a ball, of radii
of .235 of the ball's within a factor of 1.6, as `xsim.phantoms` draws them; .3 % of the area where 3.5 % is seen."""


@dataclass(frozen=True)
class Share:
    """Share of a ball's area that its voids take together.

    Parameters
    ----------
    value, low, high : float
        Mean over all fits, and the 95 % interval.
    """

    value: float
    low: float
    high: float


def share_of(found: Candidates, optics: Optics) -> Share:
    """Return the void share of a ball.

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
        value + min(_EXPECTED * found.unseen**2, 0.3 * found.unseen),
        max(0.0, value - float(np.hypot(value - min(low, value), model))),
        min(1.0, value + float(np.hypot(max(high, value) - value, model)) + _UNSEEN * found.unseen),
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
