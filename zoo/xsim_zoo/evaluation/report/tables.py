"""Tables of the report: cells that know the number behind their text, so that sorting and checking use the number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from xsim_zoo.evaluation.report.axes import Axis
from xsim_zoo.evaluation.report.numerals import written

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xsim_zoo.evaluation.records import Estimate

__all__ = ["Cell", "Column", "Interval", "Number", "Table", "Text", "Whisker", "whisker_axis"]


@dataclass(frozen=True)
class Text:
    """A cell of words; ``style`` shows the mark of a curve before them."""

    kind: ClassVar[str] = "text"
    text: str
    style: int | None = None


@dataclass(frozen=True)
class Number:
    """A cell of one number, written by the format ``spec``; None says ``missing`` instead."""

    kind: ClassVar[str] = "number"
    value: float | None
    spec: str = ".3g"
    missing: str = "not measured"

    @property
    def text(self) -> str:
        """The number as people read it."""
        return self.missing if self.value is None else written(self.value, self.spec)


@dataclass(frozen=True)
class Interval:
    """A cell of a mean and its interval."""

    kind: ClassVar[str] = "interval"
    estimate: Estimate
    spec: str = ".3g"

    @property
    def mean(self) -> Number:
        """The mean."""
        return Number(self.estimate.mean, self.spec)

    @property
    def ends(self) -> tuple[Number, Number] | None:
        """Lower and upper end, if there is an interval."""
        if self.estimate.low is None or self.estimate.high is None:
            return None
        return Number(self.estimate.low, self.spec), Number(self.estimate.high, self.spec)


@dataclass(frozen=True)
class Whisker:
    """A cell with a drawing: a mean and its interval on the axis of its column."""

    kind: ClassVar[str] = "whisker"
    estimate: Estimate
    axis: Axis
    style: int

    @property
    def ends(self) -> tuple[float, float] | None:
        """Abscissas of the interval's ends, if there is one."""
        if self.estimate.low is None or self.estimate.high is None:
            return None
        return self.at(self.estimate.low), self.at(self.estimate.high)

    def at(self, value: float) -> float:
        """Return the abscissa of a value in the drawing, 200 units wide with margins of 10."""
        return round(10 + 180 * float(self.axis.fractions(value)), 2)


def whisker_axis(label: str, estimates: Iterable[Estimate]) -> Axis:
    """Return the axis of a column of whiskers: all of them and zero fit."""
    ends = [value for one in estimates for value in (one.mean, one.low, one.high) if value is not None]
    return Axis.covering(label, [ends], 0.0)


Cell: TypeAlias = Text | Number | Interval | Whisker


@dataclass(frozen=True)
class Column:
    """A column: its heading, with the unit in brackets, and the axis on which its whiskers stand."""

    label: str
    numeric: bool = True
    axis: Axis | None = None


@dataclass(frozen=True)
class Table:
    """A table whose columns sort.

    Parameters
    ----------
    caption : str
        What it shows.
    columns : tuple of Column
        Its columns.
    rows : tuple of tuple of Cell
        Its rows.
    tall : bool
        Scrolls within the page, as it has many rows.
    """

    kind: ClassVar[str] = "table"
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    tall: bool = False
