"""Model observers of a signal at a known place (ICRU Report 54): two linear filters behind a few smooth channels.

The channels are Laguerre-Gauss functions, which span what is round about the place of the signal (Gallas and Barrett,
J. Opt. Soc. Am. A 20, 1725, 2003). Made from the images that they judge, both are valid behind restorers that are not
linear; each image is judged by a filter that was made from others.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.polynomial import laguerre
from numpy.typing import NDArray

from xsim.seeds import generator
from xsim_zoo.evaluation.records import Estimate

__all__ = ["area_under_curve", "detectability", "hotelling", "laguerre_gauss", "matched", "paired_areas", "scores_of"]

_FOLDS = 10
_RESAMPLES = 1000


def laguerre_gauss(
    shape: tuple[int, int], centre: tuple[float, float], width_px: float, count: int
) -> NDArray[np.float64]:
    """Return orthonormal channels (H * W, count): Laguerre polynomials under a Gaussian of ``width_px``.

    Parameters
    ----------
    shape : (H, W)
        Of the images.
    centre : (y, x)
        Where the signal is [px].
    width_px : float
        Width a of exp(-pi r^2 / a^2) [px].
    count : int
        How many channels.
    """
    y, x = np.ogrid[: shape[0], : shape[1]]
    square = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2).ravel() * 2.0 * np.pi / width_px**2
    columns = [np.exp(-0.5 * square) * laguerre.lagval(square, np.eye(count)[order]) for order in range(count)]
    # On a grid of pixels they are orthogonal only nearly.
    return np.asarray(np.linalg.qr(np.stack(columns, axis=1))[0])


def matched(present: NDArray[np.float64], absent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the filter (c,) of the observer without prewhitening: the mean difference of responses (n, c)."""
    return np.asarray(present.mean(axis=0) - absent.mean(axis=0))


def hotelling(present: NDArray[np.float64], absent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Hotelling filter (c,): the mean difference, through the inverse of the mean covariance."""
    covariance = 0.5 * (np.cov(present.T) + np.cov(absent.T))
    return np.asarray(np.linalg.solve(covariance, matched(present, absent)))


def scores_of(
    responses: NDArray[np.float64], has_signal: NDArray[np.bool_], make: Callable[..., NDArray[np.float64]], seed: int
) -> NDArray[np.float64]:
    """Return how much every image looks like one with the signal (n,), by filters made from nine tenths of the others.

    Parameters
    ----------
    responses : (n, c) array
        Responses of the channels to each image.
    has_signal : (n,) array
        Which hold the signal.
    make : callable
        `matched` or `hotelling`.
    seed : int
        Seed of the tenths.
    """
    fold = np.empty(len(responses), dtype=int)
    rng = generator(seed, stage="folds")
    for kind in (has_signal, ~has_signal):
        places = rng.permutation(np.flatnonzero(kind))
        fold[places] = np.arange(len(places)) % _FOLDS
    scores = np.zeros(len(responses))
    for number in range(_FOLDS):
        judged = fold == number
        present, absent = responses[~judged & has_signal], responses[~judged & ~has_signal]
        weights = make(present, absent)
        # Filters of different tenths differ in scale and in what they take for the middle.
        spread = np.sqrt(0.5 * ((present @ weights).var(ddof=1) + (absent @ weights).var(ddof=1)))
        middle = 0.5 * (present.mean(axis=0) + absent.mean(axis=0))
        scores[judged] = (responses[judged] - middle) @ weights / max(float(spread), 1e-12)
    return scores


def area_under_curve(present: NDArray[np.float64], absent: NDArray[np.float64]) -> float:
    """Return the chance that a score of ``present`` exceeds one of ``absent``, ties counting half (Mann-Whitney)."""
    above = present[:, None] > absent[None, :]
    return float(np.mean(above + 0.5 * (present[:, None] == absent[None, :])))


def detectability(present: NDArray[np.float64], absent: NDArray[np.float64]) -> float:
    """Return d', the distance of the two means in units of their pooled standard deviation; 0 for no scatter."""
    spread = np.sqrt(0.5 * (present.var(ddof=1) + absent.var(ddof=1)))
    return float((present.mean() - absent.mean()) / spread) if spread > 0 else 0.0


def paired_areas(
    scores: NDArray[np.float64], before: NDArray[np.float64], has_signal: NDArray[np.bool_], seed: int
) -> tuple[Estimate, Estimate]:
    """Return the AUC of scores (n,), and that AUC less the one of ``before`` (n,), each with its 95 % interval.

    Both see the same resamples of the same images, so that what they share drops out of the difference.
    """
    present, absent = np.flatnonzero(has_signal), np.flatnonzero(~has_signal)

    def areas(some: NDArray[np.intp], others: NDArray[np.intp]) -> tuple[float, float]:
        own, usual = (area_under_curve(values[some], values[others]) for values in (scores, before))
        return own, own - usual

    rng = generator(seed, stage="auc")
    drawn = [areas(rng.choice(present, len(present)), rng.choice(absent, len(absent))) for _ in range(_RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    area, change = (
        Estimate(mean=mean, low=float(below), high=float(above))
        for mean, below, above in zip(areas(present, absent), low, high, strict=True)
    )
    return area, change
