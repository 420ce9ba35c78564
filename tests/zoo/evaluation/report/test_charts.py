"""Axes, curves and numbers: the geometry against hand-made values."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim_zoo.evaluation.records import Estimate
from xsim_zoo.evaluation.report.axes import Axis
from xsim_zoo.evaluation.report.charts import BOX, Chart, Rule, Series
from xsim_zoo.evaluation.report.numerals import tick_label, written
from xsim_zoo.evaluation.report.tables import Whisker, whisker_axis

NAN = math.nan


def chart(*series: Series) -> Chart:
    return Chart("a", Axis("x [mm]", 0.0, 10.0), Axis("y", 0.0, 1.0), series, (Rule("one", 1.0), Rule("equal")))


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.floats(-1e6, 1e6), st.floats(1e-4, 1e4), st.sampled_from([-1, 1]))
def test_linear_axes_cover_their_values_with_a_few_even_ticks(first: float, ratio: float, sign: int) -> None:
    width = sign * ratio * (abs(first) + 1e-3)
    axis = Axis.covering("", [[first, first + width]])
    assert axis.low - 1e-6 * abs(width) <= min(first, first + width)
    assert max(first, first + width) <= axis.high + 1e-6 * abs(width)
    places = [tick.at for tick in axis.ticks]
    assert 2 <= len(places) <= 9
    np.testing.assert_allclose(np.diff(places, 2), 0, atol=1e-6)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.floats(1e-9, 1e6), st.floats(1.0, 1e6))
def test_logarithmic_axes_cover_their_values(first: float, ratio: float) -> None:
    axis = Axis.covering("", [[first, first * ratio, 0.0, -1.0, NAN]], log=True)
    assert 0 < axis.low <= first * (1 + 1e-6)
    assert axis.high >= first * ratio * (1 - 1e-6)
    assert 1 <= len(axis.ticks) <= 16


@pytest.mark.parametrize("log", [False, True])
@pytest.mark.parametrize("values", [[], [NAN], [0.0], [3.0], [3.0, 3.0]])
def test_axes_stand_whatever_there_is_to_show(values: list[float], log: bool) -> None:
    axis = Axis.covering("", [values], log=log)
    assert axis.high > axis.low
    assert len(axis.ticks) >= 2


def test_curves_stand_where_their_values_are() -> None:
    series = Series("s", np.array([0.0, 5.0, 10.0]), np.array([0.0, 0.5, 1.0]), 2)
    left, right, bottom, top = BOX.left, BOX.width - BOX.right, BOX.height - BOX.bottom, BOX.top
    expected = f"M{left:g} {bottom:g} L{(left + right) / 2:g} {(bottom + top) / 2:g} L{right:g} {top:g}"
    assert chart(series).path(series) == expected


def test_gaps_interrupt_curves_and_bands() -> None:
    x, y = np.arange(5.0), np.array([0.1, 0.2, NAN, 0.4, 0.5])
    series = Series("s", x, y, 2, y - 0.1, y + 0.1)
    assert chart(series).path(series).count("M") == 2
    assert chart(series).band(series).count("Z") == 2
    assert len(chart(series).marks(series)) == 4


def test_marks_outside_the_axes_are_left_out() -> None:
    series = Series("s", np.array([5.0, 50.0]), np.array([0.5, 0.5]), 2, joined=False)
    assert len(chart(series).marks(series)) == 1
    assert chart(series).path(series) == ""


def test_points_with_intervals_have_bars() -> None:
    one = np.array([0.5])
    series = Series("s", np.array([5.0]), one, 2, one - 0.25, one + 0.25, joined=False)
    drawn = chart(series)
    assert drawn.bars(series) == f"M{BOX.x(0.5):g} {BOX.y(0.25):g} V{BOX.y(0.75):g}"
    assert drawn.band(series) == ""


def test_lines_of_reference_are_level_or_equal() -> None:
    drawn = chart()
    assert drawn.rule(drawn.rules[0]) == f"M{BOX.x(0):g} {BOX.y(1):g} H{BOX.x(1):g}"
    assert drawn.rule(drawn.rules[1]) == f"M{BOX.x(0):g} {BOX.y(0):g} L{BOX.x(0.1):g} {BOX.y(1):g}"


def test_whiskers_share_the_axis_of_their_column() -> None:
    estimates = [Estimate(mean=1.0, low=0.5, high=1.5), Estimate(mean=-1.0, low=None, high=None)]
    axis = whisker_axis("d", estimates)
    first, second = (Whisker(estimate, axis, 2) for estimate in estimates)
    assert first.at(0.0) == second.at(0.0)
    assert first.ends is not None
    assert first.ends[0] < first.at(1.0) < first.ends[1] <= 190
    assert second.ends is None
    assert 10 <= second.at(-1.0) < first.at(0.0)


@pytest.mark.parametrize(
    ("value", "spec", "text"),
    [(-0.0004, "+.3f", "0.000"), (-1.5, ".1f", "\N{MINUS SIGN}1.5"), (0.0, "+.2f", "0.00"), (3, "d", "3")],
)
def test_numbers_are_written_for_people(value: float, spec: str, text: str) -> None:
    assert written(value, spec) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (0.25, "0.25"), (-2.5, "\N{MINUS SIGN}2.5"), (1e-6, "10⁻⁶"), (3e-7, "3\N{MIDDLE DOT}10⁻⁷")],
)
def test_ticks_are_short(value: float, text: str) -> None:
    assert tick_label(value) == text


@pytest.mark.parametrize("high", [5.0, 0.06, 6e-3, 1.2e-4])
def test_labels_of_a_narrow_axis_do_not_touch(high: float) -> None:
    axis = Axis("difference", -high, 0.0)
    shown = axis.labelled(180)
    assert "0" in [tick.label for tick in shown]
    for left, right in pairwise(shown):
        # Half of each label lies between two ticks; digits of the report's font are 7.5 px wide.
        assert 180 * (right.at - left.at) > 7.5 * (len(left.label) + len(right.label)) / 2
    assert axis.labelled(10_000) == axis.ticks
