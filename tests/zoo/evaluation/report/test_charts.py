"""Axes, curves and numbers: what is drawn against hand-made values."""

from __future__ import annotations

import math
import re
from itertools import pairwise
from xml.etree import ElementTree as ET

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim_zoo.evaluation.records import Estimate
from xsim_zoo.evaluation.report.figures import Axis, Chart, ReferenceLine, Series, tick_label
from xsim_zoo.evaluation.report.tables import Whisker, whisker_axis, written

NAN = math.nan
NAME = "{http://www.w3.org/2000/svg}"


def chart(*series: Series) -> Chart:
    lines = (ReferenceLine("one", 1.0), ReferenceLine("equal"))
    return Chart("a < b", Axis("x [mm]", 0.0, 10.0), Axis("y", 0.0, 1.0), series, lines)


def drawn(*series: Series) -> ET.Element:
    return ET.fromstring(chart(*series).svg("one"))


def curves(root: ET.Element) -> list[list[list[tuple[float, float]]]]:
    """Return the stretches of points of every curve."""
    found = []
    for path in (path for path in root.iter(f"{NAME}path") if path.get("class") == "drawn"):
        stretches = re.findall(r"M([^M]*)", path.get("d") or "")
        found.append([[tuple(map(float, point)) for point in re.findall(r"([-\d.]+) ([-\d.]+)", s)] for s in stretches])
    return found  # type: ignore[return-value]


@settings(derandomize=True, deadline=None, max_examples=200)
@given(st.floats(-1e6, 1e6), st.floats(1e-4, 1e4), st.sampled_from([-1, 1]))
def test_linear_axes_cover_their_values_with_a_few_even_ticks(first: float, ratio: float, sign: int) -> None:
    width = sign * ratio * (abs(first) + 1e-3)
    axis = Axis.covering("", [[first, first + width]])
    assert axis.low - 1e-6 * abs(width) <= min(first, first + width)
    assert max(first, first + width) <= axis.high + 1e-6 * abs(width)
    places = [axis.fraction(tick) for tick in axis.ticks]
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
    (((left, bottom), (x, y), (right, top)),) = curves(
        drawn(Series("s", np.array([0.0, 5.0, 10.0]), np.array([0.0, 0.5, 1.0]), 2))
    )[0]
    assert left < right
    assert top < bottom
    assert (x, y) == pytest.approx(((left + right) / 2, (bottom + top) / 2))


def test_gaps_interrupt_curves_and_bands() -> None:
    x, y = np.arange(5.0), np.array([0.1, 0.2, NAN, 0.4, 0.5])
    root = drawn(Series("s", x, y, 2, y - 0.1, y + 0.1))
    assert [len(stretch) for stretch in curves(root)[0]] == [2, 2]
    assert len(list(root.iter(f"{NAME}use"))) == 4
    bands = [path for path in root.iter(f"{NAME}path") if path.get("fill-opacity") == "0.14"]
    assert sum((path.get("d") or "").count("z") for path in bands) == 2


def test_marks_outside_the_axes_are_left_out() -> None:
    root = drawn(Series("s", np.array([5.0, 50.0]), np.array([0.5, 0.5]), 2, joined=False))
    assert len(list(root.iter(f"{NAME}use"))) == 1
    assert curves(root) == []


def test_a_drawing_repeats_says_what_it_is_and_needs_no_style() -> None:
    x = np.arange(1.0, 9.0)
    first = chart(*(Series(f"s{style}", x, x / (10 + style), style) for style in range(10)))
    text = first.svg("one")
    assert text == first.svg("one")
    assert " style=" not in text
    assert "<style" not in text
    assert {f"var(--s{style})" for style in range(10)} <= set(re.findall(r"var\(--\w+\)", text))
    root = ET.fromstring(text)
    assert root.findtext(f"{NAME}title") == "a < b"
    assert (root.findtext(f"{NAME}desc") or "").endswith("Curves: s0, s1, s2, s3, s4, s5, s6, s7, s8, s9.")
    own, other = (set(re.findall(r' id="([^"]*)"', first.svg(name))) for name in ("one", "two"))
    assert own
    assert not own & other
    # Styles differ by their dashes or their marks, not by colour alone.
    dashes = [path.get("stroke-dasharray") for path in root.iter(f"{NAME}path") if path.get("class") == "drawn"]
    assert len(set(dashes)) >= 8


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
    assert 0.0 in shown
    for left, right in pairwise(shown):
        # Half of each label lies between two ticks; digits of the report's font are 7.5 px wide.
        room = 180 * (axis.fraction(right) - axis.fraction(left))
        assert room > 7.5 * (len(tick_label(left)) + len(tick_label(right))) / 2
    assert axis.labelled(10_000) == axis.ticks
