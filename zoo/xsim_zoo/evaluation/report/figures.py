"""Line charts of the report, drawn by matplotlib as SVG that stands inside the page.

Curves are told apart by colour, by dashes and by the shape of their marks, so that a grey print and a colour-blind
reader lose nothing. Colours are the page's own, by the names of its style sheet, so that they follow its dark mode.
"""

from __future__ import annotations

import io
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from markupsafe import Markup, escape
from matplotlib import rc_context
from matplotlib.axes import Axes
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.ticker import FixedFormatter, FixedLocator, MaxNLocator
from numpy.typing import ArrayLike, NDArray

__all__ = ["FREQUENCY", "Axis", "Chart", "ReferenceLine", "Series", "numbers", "tick_label"]

FREQUENCY = "spatial frequency [lp/mm]"
"""Label of an axis of frequencies."""

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")

_CHARACTER_PX = 9.0
"""Width of a character of a label, its share of the gap to the next label included [px]."""

_SIZE_IN = (440 / 72, 300 / 72)
"""Size of a chart: 440 x 300 points, two of which stand side by side on a wide page."""

_PLOT = (0.145, 0.17, 0.82, 0.75)
"""Left, bottom, width and height of the plot in the drawing: labels of five characters fit left of it, a word above."""

_MARKS = 7
"""Marks on each curve, at most: enough to follow it through a crossing."""

_INK = {"ink": "#010203", "muted": "#010204", "grid": "#010205", **{f"s{k}": f"#0102{k + 16:02x}" for k in range(10)}}
"""Stand-ins for the colours of the style sheet: matplotlib draws in these, and the page's names take their place."""

_DASHES: tuple[tuple[float, ...], ...] = (
    (2, 3), (), (), (8, 3), (4, 2), (10, 3, 2, 3), (2, 2), (6, 2, 2, 2, 2, 2), (12, 4), (1, 3),
)  # fmt: skip
_SHAPES = ("o", "s", "o", "^", "D", "v", "x", "+", "h", [(-1, -1), (-1, 1), (1, -1), (1, 1), (-1, -1)])
"""Dashes and marks of each style, as the legend and the style sheet have them."""

_NOTE = {"ha": "right", "va": "bottom", "color": _INK["muted"], "fontsize": 10, "fontstyle": "italic"}
"""How the word on a line of reference is written."""


def tick_label(value: float) -> str:
    """Return a round number in full, or as a multiple of a power of ten where that would be long."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return f"{value:.6g}".replace("-", "\N{MINUS SIGN}")
    power = math.floor(math.log10(abs(value)) + 1e-9)
    factor = f"{value / 10.0**power:.3g}".replace("-", "\N{MINUS SIGN}")
    ten = "10" + str(power).translate(_SUPERSCRIPTS)
    return ten if factor == "1" else f"{factor}\N{MIDDLE DOT}{ten}"


def numbers(values: Iterable[float | None]) -> NDArray[np.float64]:
    """Return values as an array, NaN where there is none."""
    return np.array([np.nan if value is None else value for value in values], dtype=float)


@dataclass(frozen=True)
class Axis:
    """One axis of a chart, or of a column of whiskers.

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
        label, log
            See `Axis`.
        values : iterable of array_like
            What has to fit; on a logarithmic axis only what is positive.
        *include : float
            What has to fit besides, e.g. zero or the target.
        """
        flat = np.concatenate([np.ravel(np.asarray(item, dtype=float)) for item in (*values, include)])
        flat = flat[np.isfinite(flat) & (flat > 0 if log else True)]
        low, high = (float(flat.min()), float(flat.max())) if flat.size else (0.1 if log else 0.0, 1.0)
        if log:
            below = max(bound for bound in _rounds(low) if bound <= low * (1 + 1e-9))
            above = min(bound for bound in _rounds(high) if bound >= high * (1 - 1e-9))
            return cls(label, below, above if above > below else 10 * below, log=True)
        ticks = _locator().tick_values(low, high if high > low else low + (abs(low) or 1.0))
        return cls(label, float(ticks[0]), float(ticks[-1]))

    def fraction(self, value: float) -> float:
        """Return where a value lies on a linear axis, 0 at its beginning and 1 at its end."""
        return (value - self.low) / (self.high - self.low)

    @property
    def ticks(self) -> tuple[float, ...]:
        """Where the axis is labelled: numbers that people would choose."""
        if self.log:
            few = math.log10(self.high / self.low) <= 2
            places = [bound for bound in _rounds(self.low, self.high) if few or _is_power(bound)]
        else:
            places = [round(float(tick), 12) for tick in _locator().tick_values(self.low, self.high)]
        slack = 1e-9 * (self.high - self.low)
        return tuple(place for place in places if self.low - slack <= place <= self.high + slack)

    def labelled(self, width_px: float) -> tuple[float, ...]:
        """Return the ticks whose labels fit side by side along ``width_px``, zero among them where it is a tick."""
        ticks = self.ticks
        if len(ticks) < 2:
            return ticks
        room = width_px * (self.fraction(ticks[1]) - self.fraction(ticks[0]))
        every = math.ceil(max(len(tick_label(tick)) for tick in ticks) * _CHARACTER_PX / room)
        zero = ticks.index(0.0) if 0.0 in ticks else 0
        return ticks[zero % every :: every]


def _locator() -> MaxNLocator:
    return MaxNLocator(6, steps=[1, 2, 2.5, 5, 10])


def _rounds(low: float, high: float | None = None) -> list[float]:
    """Return 1, 2 and 5 times the powers of ten about the numbers."""
    first, last = (math.floor(math.log10(end)) for end in (low, high or low))
    return [factor * 10.0**power for power in range(first - 1, last + 2) for factor in (1.0, 2.0, 5.0)]


def _is_power(value: float) -> bool:
    return abs(math.log10(value) - round(math.log10(value))) < 1e-6


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


@dataclass(frozen=True)
class ReferenceLine:
    """A line with a word on it: level at ``value`` of the y axis, or where x and y are equal."""

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
    lines : tuple of ReferenceLine
        Lines of reference.
    caption : str
        What to see in it.
    """

    kind: ClassVar[str] = "chart"
    title: str
    x: Axis
    y: Axis
    series: tuple[Series, ...]
    lines: tuple[ReferenceLine, ...] = ()
    caption: str = ""

    @property
    def summary(self) -> str:
        """What a screen reader says instead of the drawing."""
        names = ", ".join(series.name for series in self.series)
        return f"{self.title}. {self.y.label} against {self.x.label}. Curves: {names}."

    def svg(self, identity: str) -> Markup:
        """Return the drawing as an SVG element; the same chart gives the same text.

        Parameters
        ----------
        identity : str
            Begins every id of the drawing, so that those of a page's charts differ.
        """
        with rc_context({"svg.fonttype": "none", "svg.hashsalt": identity, "font.size": 12}):
            figure = Figure(figsize=_SIZE_IN)
            FigureCanvasSVG(figure)
            self._draw(figure.add_axes(_PLOT))
            text = io.StringIO()
            figure.savefig(text, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
        return _embedded(text.getvalue(), identity, self.title, self.summary)

    def _draw(self, axes: Axes) -> None:
        axes.set_axisbelow(True)
        axes.set_xlim(self.x.low, self.x.high)
        axes.set_yscale("log" if self.y.log else "linear")
        axes.set_ylim(self.y.low, self.y.high)
        for axis, drawn in ((self.x, axes.xaxis), (self.y, axes.yaxis)):
            drawn.set_major_locator(FixedLocator(axis.ticks))
            drawn.set_major_formatter(FixedFormatter([tick_label(tick) for tick in axis.ticks]))
            drawn.set_minor_locator(FixedLocator([]))
            drawn.set_label_text(axis.label, color=_INK["ink"])
        axes.grid(color=_INK["grid"], linewidth=1)
        axes.tick_params(colors=_INK["muted"], length=0, pad=6)
        for side, spine in axes.spines.items():
            spine.set_visible(side in {"left", "bottom"})
            spine.set_color(_INK["muted"])
        for line in self.lines:
            _draw_reference(axes, line)
        for series in self.series:
            _draw_series(axes, series)


def _draw_reference(axes: Axes, line: ReferenceLine) -> None:
    style: dict[str, Any] = {"color": _INK["muted"], "linewidth": 1, "dashes": (1, 3)}
    words: dict[str, Any] = {**_NOTE, "textcoords": "offset points"}
    if line.value is None:
        (low, high), (bottom, top) = axes.get_xlim(), axes.get_ylim()
        ends = [max(low, bottom), min(high, top)]
        axes.plot(ends, ends, **style)
        middle = low + 0.45 * (high - low)
        axes.annotate(line.label, (middle, middle), (-6, 0), **words)
        return
    axes.axhline(line.value, **style)
    axes.annotate(line.label, (1, line.value), (-3, 2), xycoords=("axes fraction", "data"), **words)


def _draw_series(axes: Axes, series: Series) -> None:
    colour, shape = _INK[f"s{series.style}"], _SHAPES[series.style]
    if series.joined:
        # Styles are drawn thin where they are dense, as the HR reference is.
        (curve,) = axes.plot(series.x, series.y, color=colour, linewidth=1.3 if series.style == 1 else 2)
        curve.set_gid("curve")
        if _DASHES[series.style]:
            curve.set_dashes([length / curve.get_linewidth() for length in _DASHES[series.style]])
    if series.low is not None and series.high is not None:
        if series.joined:
            axes.fill_between(series.x, series.low, series.high, color=colour, alpha=0.14, linewidth=0)
        else:
            axes.vlines(series.x, series.low, series.high, color=colour, linewidth=1.5)
    (left, right), (bottom, top) = axes.get_xlim(), axes.get_ylim()
    seen = np.flatnonzero(np.isfinite(series.y) & (series.x >= left) & (series.x <= right))
    seen = seen[(series.y[seen] >= bottom) & (series.y[seen] <= top)]
    # Staggered between curves, so that none hides another's.
    stride = max(1, len(seen) // _MARKS) if series.joined else 1
    seen = seen[(series.style * stride // 4) % stride :: stride]
    axes.plot(series.x[seen], series.y[seen], shape, color=colour, markersize=6.5, markeredgewidth=1.5, clip_on=False)


def _embedded(text: str, identity: str, title: str, summary: str) -> Markup:
    """Return a drawing of matplotlib as an element of the page: no header, no styles, ids and colours of the page's."""
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>|<style[^>]*>.*?</style>|<defs>\s*</defs>", "", text, flags=re.DOTALL)
    text = re.sub(r'<g id="curve">\s*<path', '<g><path class="drawn"', text)
    text = re.sub(r'<g id="[^"]*"', "<g", text)
    text = re.sub(r'( id="|url\(#|href="#)', rf"\g<1>{identity}-", text)
    text = re.sub(r' style="([^"]*)"', _attributes, text)
    for name, colour in _INK.items():
        text = text.replace(colour, f"var(--{name})")
    size = " ".join(f"{72 * side:g}" for side in _SIZE_IN)
    start = f'<svg role="img" aria-label="{escape(summary)}" viewBox="0 0 {size}" xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink">'
    return Markup(f"{start}<title>{escape(title)}</title><desc>{escape(summary)}</desc>{text.partition('>')[2]}")  # noqa: S704


def _attributes(style: re.Match[str]) -> str:
    """Return a style as attributes: the page's security policy admits no styles but those of its sheet."""
    pairs = (part.split(":", 1) for part in style[1].split(";") if ":" in part)
    kept = [(key.strip(), value.strip()) for key, value in pairs if key.strip() not in {"font", "font-family"}]
    return "".join(f' {key}="{escape(value)}"' for key, value in kept)
