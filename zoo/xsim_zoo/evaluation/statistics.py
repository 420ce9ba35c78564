"""Means with intervals when images come in families: whole families are drawn, never single images."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.errors import InputError, check_range
from xsim.seeds import generator
from xsim_zoo.evaluation.records import Estimate

__all__ = ["Bootstrap", "holm"]

_LEVEL = 0.95
"""Level of every interval of an evaluation."""


@dataclass(frozen=True, eq=False)
class Bootstrap:
    """Cluster bootstrap over families (Efron and Tibshirani 1993, chapter 8; percentile intervals of 95 %).

    Every quantity of one instance sees the same resamples, so two restorers are compared on the same draws.

    Parameters
    ----------
    families : sequence
        Family of every image.
    resamples : int
        How often families are drawn anew, with replacement, as many as there are.
    seed : int
        Seed of the draws.

    Raises
    ------
    InputError
        If there are no images.
    """

    families: Sequence[Hashable]
    resamples: int = 2000
    seed: int = 0

    def __post_init__(self) -> None:
        if not len(self.families):
            raise InputError("no images to average over: give at least one")
        check_range("number of resamples", self.resamples, 100, 1_000_000)

    @property
    def count(self) -> int:
        """How many families there are."""
        return int(self._membership.max()) + 1

    @cached_property
    def _membership(self) -> NDArray[np.intp]:
        numbers: dict[Hashable, int] = {}
        return np.array([numbers.setdefault(family, len(numbers)) for family in self.families])

    @cached_property
    def _draws(self) -> NDArray[np.float64]:
        """Return how often each family was drawn, (resamples, families)."""
        rng = generator(self.seed, stage="bootstrap")
        return rng.multinomial(self.count, np.full(self.count, 1 / self.count), size=self.resamples).astype(np.float64)

    def ratio(self, numerator: ArrayLike, denominator: ArrayLike) -> Estimate:
        """Return sum(numerator) / sum(denominator) over images, both (n,), with its interval."""
        mean, samples = self._ratio(numerator, denominator)
        if self.count < 2:
            return Estimate(mean=mean, low=None, high=None)
        low, high = np.quantile(samples, [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
        return Estimate(mean=mean, low=float(low), high=float(high))

    def mean(self, values: ArrayLike) -> Estimate:
        """Return the mean of values (n,), one for each image, with its interval."""
        return self.ratio(values, np.ones(len(self.families)))

    def p_value(self, differences: ArrayLike) -> float:
        """Return the two-sided p of "the mean of these differences (n,) is zero"; 1 for a single family."""
        if self.count < 2:
            return 1.0
        _, samples = self._ratio(differences, np.ones(len(self.families)))
        tail = min(int(np.sum(samples <= 0)), int(np.sum(samples >= 0)))
        return min(1.0, 2 * (tail + 1) / (self.resamples + 1))

    def _ratio(self, numerator: ArrayLike, denominator: ArrayLike) -> tuple[float, NDArray[np.float64]]:
        sums = [
            np.bincount(self._membership, weights=np.asarray(values, dtype=np.float64), minlength=self.count)
            for values in (numerator, denominator)
        ]
        drawn = [self._draws @ total for total in sums]
        return float(sums[0].sum() / sums[1].sum()), drawn[0] / drawn[1]


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p values adjusted for their number (Holm 1979): rising with p, never below it, at most 1."""
    order = np.argsort(p_values, kind="stable")
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(order.tolist()):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted
