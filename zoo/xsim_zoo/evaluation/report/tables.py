"""The parts of the page: sections made of blocks, each a dataclass with a template of its ``kind``.

Cells of tables know the number behind their text; `Naming` says what restorers and metrics are called.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, TypeAlias, TypeVar

from xsim_zoo.evaluation.records import INPUT, TRUTH, Estimate, Picture, Verdict
from xsim_zoo.evaluation.report.figures import Axis, Chart, Series, numbers

__all__ = [
    "METRICS",
    "Absent",
    "Block",
    "Cell",
    "Column",
    "Facts",
    "Gallery",
    "Interval",
    "Metric",
    "Naming",
    "Notes",
    "Number",
    "PageSection",
    "PictureCard",
    "Slider",
    "Table",
    "Text",
    "Tile",
    "VerdictList",
    "Whisker",
    "table_of",
    "whisker_axis",
    "written",
]

R = TypeVar("R")

_NAMES = {INPUT: "LR as it is", TRUTH: "HR reference"}

_COMPETITOR_STYLES = 8
"""Colours that are told apart by the colour-blind, and dashes that are told apart in grey: more are not."""


def written(value: float, spec: str) -> str:
    """Return ``value`` in the format ``spec``, with a true minus, and no sign before what is rounded to zero."""
    text = format(value, spec)
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


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
        return round(10 + 180 * self.axis.fraction(value), 2)


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


def table_of(caption: str, rows: Sequence[R], cells: Mapping[str, Callable[[R], Cell]], *, tall: bool = False) -> Table:
    """Return a table with a line for each row.

    Parameters
    ----------
    caption : str
        What it shows.
    rows : sequence
        What it is made of; at least one.
    cells : dict of heading to callable
        The columns, each with what makes a row's cell.
    tall : bool
        See `Table`.
    """
    made = tuple(tuple(cell(row) for cell in cells.values()) for row in rows)
    columns = (
        Column(label, not isinstance(first, Text), first.axis if isinstance(first, Whisker) else None)
        for label, first in zip(cells, made[0], strict=True)
    )
    return Table(caption, tuple(columns), made, tall)


@dataclass(frozen=True)
class Metric:
    """How a metric is called and written, and which way is better."""

    label: str
    spec: str
    better: str


METRICS = {
    "psnr_dB": Metric("PSNR [dB]", ".2f", "higher is better"),
    "ssim": Metric("SSIM", ".4f", "higher is better, at most 1"),
    "rmse": Metric("RMSE [open field]", ".5f", "lower is better"),
    "bias": Metric("bias [open field]", "+.5f", "0 is best"),
    "unsupported": Metric("unsupported power", ".4f", "power where the measurement says nothing; that of HR is right"),
}


@dataclass(frozen=True)
class Naming:
    """The restorers of one evaluation: their names for people and the style of their curves."""

    labels: tuple[str, ...]

    def name(self, label: str) -> str:
        """Return what people read for a label."""
        return _NAMES.get(label, label)

    def style(self, label: str) -> int:
        """Return the style of a label's curves: 0 for LR, 1 for HR, then one each; the ninth restorer shares."""
        if label in (INPUT, TRUTH):
            return (INPUT, TRUTH).index(label)
        return 2 + self.labels.index(label) % _COMPETITOR_STYLES

    def cell(self, label: str) -> Text:
        """Return a table's cell with the name and its mark."""
        return Text(self.name(label), self.style(label))

    def curve(
        self,
        label: str,
        x: Iterable[float],
        y: Iterable[float | None],
        low: Iterable[float | None] | None = None,
        high: Iterable[float | None] | None = None,
        *,
        joined: bool = True,
    ) -> Series:
        """Return the curve of a label, see `Series`; None among its numbers interrupts it."""
        below, above = (None if end is None else numbers(end) for end in (low, high))
        return Series(self.name(label), numbers(x), numbers(y), self.style(label), below, above, joined)

    def means(self, label: str, x: Iterable[float], estimates: Sequence[Estimate]) -> Series:
        """Return the curve of a label's means, in the band of their intervals."""
        return self.curve(label, x, *([getattr(one, end) for one in estimates] for end in ("mean", "low", "high")))

    def metric(self, key: str, unit: str) -> Metric:
        """Return how a metric is written; one that is not known is called by its key."""
        return METRICS.get(key) or Metric(f"{key} [{unit}]" if unit else key, ".4g", "")


@dataclass(frozen=True)
class VerdictList:
    """The checks and how they ended."""

    kind: ClassVar[str] = "verdicts"
    checks: tuple[Verdict, ...]


@dataclass(frozen=True)
class Notes:
    """A list of sentences."""

    kind: ClassVar[str] = "notes"
    lines: tuple[str, ...]


@dataclass(frozen=True)
class Facts:
    """Names and values, one pair a line."""

    kind: ClassVar[str] = "facts"
    caption: str
    pairs: tuple[tuple[str, Cell], ...]


@dataclass(frozen=True)
class Absent:
    """A part that was not measured, and why."""

    kind: ClassVar[str] = "absent"
    what: str
    why: str


@dataclass(frozen=True)
class Tile:
    """One picture: ``role`` is lr, restored, hr or ssim; ``scores`` are names, numbers and units."""

    role: str
    name: str
    picture: Picture
    scores: tuple[tuple[str, Number, str], ...] = ()

    @property
    def window(self) -> tuple[Number, Number]:
        """The grey levels shown as black and white."""
        return Number(self.picture.low, ".3g"), Number(self.picture.high, ".3g")


@dataclass(frozen=True)
class PictureCard:
    """The pictures of one window of one image."""

    title: str
    detail: str
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Gallery:
    """Cards, one below the other, under a heading; the slider takes its pictures from them."""

    kind: ClassVar[str] = "gallery"
    cards: tuple[PictureCard, ...]
    heading: str = ""


@dataclass(frozen=True)
class Slider:
    """The place where LR, restored and HR of any card of the page are wiped over one another."""

    kind: ClassVar[str] = "slider"


Block: TypeAlias = VerdictList | Notes | Facts | Absent | Gallery | Slider | Table | Chart


@dataclass(frozen=True)
class PageSection:
    """A section of the page: ``key`` is its anchor, ``lead`` says how to read it."""

    key: str
    title: str
    lead: str
    blocks: tuple[Block, ...]
