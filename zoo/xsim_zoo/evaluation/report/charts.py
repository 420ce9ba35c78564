"""Line charts: what they show, and the geometry of their lines; the page's templates make SVG of it.

Curves are told apart by colour, by dashes and by the shape of their marks, so that a grey print and a colour-blind
reader lose nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from xsim_zoo.evaluation.report.axes import Axis

__all__ = ["BOX", "Box", "Chart", "Rule", "Series", "numbers"]

_MARKS = 7
"""Marks on each curve, at most."""


@dataclass(frozen=True)
class Box:
    """The drawing of a chart: its size, and the plot area within it, in SVG units."""

    width: float = 440
    height: float = 300
    left: float = 62
    right: float = 14
    top: float = 14
    bottom: float = 48

    @property
    def plot_width(self) -> float:
        """Width of the plot area."""
        return self.width - self.left - self.right

    @property
    def plot_height(self) -> float:
        """Height of the plot area."""
        return self.height - self.top - self.bottom

    def x(self, fraction: float) -> float:
        """Return the abscissa of a place on the x axis."""
        return round(self.left + fraction * self.plot_width, 2)

    def y(self, fraction: float) -> float:
        """Return the ordinate of a place on the y axis; SVG counts downwards."""
        return round(self.top + (1 - fraction) * self.plot_height, 2)


BOX = Box()
"""The drawing of every line chart."""


@dataclass(frozen=True)
class Series:
    """One curve.

    Parameters
    ----------
    name : str
        What the legend says.
    x, y : (n,) array
        The curve; NaN interrupts it.
    style : int
        Which colour, dash and mark it has.
    low, high : (n,) array, optional
        A band about it.
    joined : bool
        Whether a line joins the points; else marks stand at all of them.
    """

    name: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    style: int
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    joined: bool = True


def numbers(values: Iterable[float | None]) -> NDArray[np.float64]:
    """Return values as an array, NaN where there is none."""
    return np.array([np.nan if value is None else value for value in values], dtype=float)


@dataclass(frozen=True)
class Rule:
    """A line of reference with a word on it: level at ``value`` of the y axis, or where x and y are equal."""

    label: str
    value: float | None = None


@dataclass(frozen=True)
class Chart:
    """A line chart.

    Parameters
    ----------
    title : str
        One line above it.
    x, y : Axis
        Axes.
    series : tuple of Series
        Curves.
    rules : tuple of Rule
        Lines of reference.
    caption : str
        What to see in it.
    """

    kind: ClassVar[str] = "chart"
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    rules: tuple[Rule, ...] = ()
    caption: str = ""

    @property
    def box(self) -> Box:
        """The drawing."""
        return BOX

    @property
    def summary(self) -> str:
        """What a screen reader says instead of the drawing."""
        names = ", ".join(series.name for series in self.series)
        return f"{self.title}. {self.y.label} against {self.x.label}. Curves: {names}."

    def rule(self, rule: Rule) -> str:
        """Return a line of reference as SVG path data."""
        if rule.value is not None:
            return f"M{self.box.x(0):g} {self.box.y(float(self.y.fractions(rule.value))):g} H{self.box.x(1):g}"
        ends = np.array([max(self.x.low, self.y.low), min(self.x.high, self.y.high)])
        (x0, x1), (y0, y1) = self.x.fractions(ends).tolist(), self.y.fractions(ends).tolist()
        return f"M{self.box.x(x0):g} {self.box.y(y0):g} L{self.box.x(x1):g} {self.box.y(y1):g}"

    def rule_note(self, rule: Rule) -> tuple[float, float]:
        """Return where the word of a line of reference ends: above the line, at its right."""
        if rule.value is not None:
            return self.box.x(1) - 3, self.box.y(float(self.y.fractions(rule.value))) - 4
        value = self.x.low + 0.45 * (self.x.high - self.x.low)
        return self.box.x(0.45) - 6, self.box.y(float(self.y.fractions(value)))

    def path(self, series: Series) -> str:
        """Return the curve as SVG path data, empty where marks stand alone."""
        if not series.joined:
            return ""
        return " ".join(
            "M" + " L".join(f"{x:g} {y:g}" for x, y in run) for run in self._runs(series.x, series.y) if len(run) > 1
        )

    def band(self, series: Series) -> str:
        """Return the band about a curve as SVG path data, empty without one."""
        if not series.joined or series.low is None or series.high is None:
            return ""
        upper, lower = self._runs(series.x, series.high), self._runs(series.x, series.low)
        outlines = (there + back[::-1] for there, back in zip(upper, lower, strict=False))
        return " ".join("M" + " L".join(f"{x:g} {y:g}" for x, y in outline) + " Z" for outline in outlines)

    def bars(self, series: Series) -> str:
        """Return the intervals of points that stand alone as SVG path data, empty where a line joins them."""
        if series.joined or series.low is None or series.high is None:
            return ""
        ends = zip(self.x.fractions(series.x), self.y.fractions(series.low), self.y.fractions(series.high), strict=True)
        return " ".join(f"M{self.box.x(x):g} {self.box.y(low):g} V{self.box.y(high):g}" for x, low, high in ends)

    def marks(self, series: Series) -> list[tuple[float, float]]:
        """Return where the curve's marks stand, staggered between curves so that none hides another's."""
        points = [point for run in self._runs(series.x, series.y) for point in run]
        stride = max(1, len(points) // _MARKS) if series.joined else 1
        offset = 0 if stride == 1 else (series.style * stride // 4) % stride
        left, right, top, bottom = self.box.x(0), self.box.x(1), self.box.y(1), self.box.y(0)
        return [(x, y) for x, y in points[offset::stride] if left <= x <= right and top <= y <= bottom]

    def _runs(self, x: NDArray[np.float64], y: NDArray[np.float64]) -> list[list[tuple[float, float]]]:
        """Return the stretches of a curve between its gaps, in SVG units."""
        at_x, at_y = self.x.fractions(x), self.y.fractions(y)
        runs: list[list[tuple[float, float]]] = [[]]
        for here, there in zip(at_x.tolist(), at_y.tolist(), strict=True):
            if np.isfinite(here) and np.isfinite(there):
                runs[-1].append((self.box.x(here), self.box.y(there)))
            elif runs[-1]:
                runs.append([])
        return [run for run in runs if run]
