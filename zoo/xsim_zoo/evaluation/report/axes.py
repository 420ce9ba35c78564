"""Axes of the report's charts: limits that cover the data, and ticks at numbers that people would choose."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xsim_zoo.evaluation.report.numerals import tick_label

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Axis", "Tick"]

_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
_CHARACTER_PX = 9.0
"""Width of a character of a label, its share of the gap to the next label included [px]."""


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis, ``at`` a fraction of its length."""

    at: float
    label: str


@dataclass(frozen=True)
class Axis:
    """One axis of a chart.

    Parameters
    ----------
    label : str
        What is plotted, with its unit in brackets.
    low, high : float
        Limits.
    log : bool
        Logarithmic; both limits are then positive.
    """

    label: str
    low: float
    high: float
    log: bool = False

    @classmethod
    def covering(cls, label: str, values: Iterable[ArrayLike], *include: float, log: bool = False) -> Axis:
        """Return an axis from the first tick below the finite ``values`` to the first above them.

        Parameters
        ----------
        label : str
            What is plotted, with its unit in brackets.
        values : iterable of array_like
            What has to fit; on a logarithmic axis only what is positive.
        *include : float
            What has to fit besides, e.g. zero or the target.
        log : bool
            Logarithmic.
        """
        flat = np.concatenate([np.ravel(np.asarray(item, dtype=float)) for item in (*values, include)])
        flat = flat[np.isfinite(flat) & (flat > 0 if log else True)]
        low, high = (float(flat.min()), float(flat.max())) if flat.size else (0.1 if log else 0.0, 1.0)
        if log:
            bounds = [value for power in range(-12, 13) for value in (10.0**power, 2 * 10.0**power, 5 * 10.0**power)]
            below = max((bound for bound in bounds if bound <= low * (1 + 1e-9)), default=low)
            above = min((bound for bound in bounds if bound >= high * (1 - 1e-9)), default=high)
            return cls(label, below, above if above > below else 10 * below, log=True)
        step = _nice_step((high - low) or abs(high) or 1.0)
        below, above = math.floor(low / step + 1e-9) * step, math.ceil(high / step - 1e-9) * step
        return cls(label, below, above if above > below else below + step)

    def fractions(self, values: ArrayLike) -> NDArray[np.float64]:
        """Return where ``values`` lie on the axis, 0 at its beginning and 1 at its end; NaN where nowhere."""
        numbers = np.asarray(values, dtype=float)
        if not self.log:
            return np.asarray((numbers - self.low) / (self.high - self.low))
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.log(numbers / self.low) / math.log(self.high / self.low)
        return np.where(np.isfinite(found), found, np.nan)

    @property
    def ticks(self) -> tuple[Tick, ...]:
        """Where the axis is labelled."""
        places = _log_ticks(self.low, self.high) if self.log else _linear_ticks(self.low, self.high)
        return tuple(Tick(float(self.fractions(place)), tick_label(place)) for place in places)

    def labelled(self, width_px: float) -> tuple[Tick, ...]:
        """Return the ticks whose labels fit side by side along ``width_px``, zero among them where it is a tick."""
        ticks = self.ticks
        if len(ticks) < 2:
            return ticks
        room = width_px * (ticks[1].at - ticks[0].at)
        every = math.ceil(max(len(tick.label) for tick in ticks) * _CHARACTER_PX / room)
        zero = next((place for place, tick in enumerate(ticks) if tick.label == "0"), 0)
        return ticks[zero % every :: every]


def _nice_step(span: float, most: int = 6) -> float:
    """Return a step of 1, 2, 2.5 or 5 times a power of ten that divides ``span`` into at most ``most`` parts."""
    power = 10.0 ** math.floor(math.log10(span / most))
    return next(step * power for step in _STEPS if span / (step * power) <= most * (1 + 1e-9))


def _linear_ticks(low: float, high: float) -> list[float]:
    step = _nice_step(high - low)
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    # Multiples of the step, rounded so that zero is written 0 rather than 1e-17.
    return [round(index * step, 12) for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    decades = math.log10(high / low)
    mantissas = (1.0, 2.0, 5.0) if decades <= 2 else (1.0,)
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    places = [mantissa * 10.0**power for power in powers for mantissa in mantissas]
    return [place for place in places if low * (1 - 1e-9) <= place <= high * (1 + 1e-9)]
