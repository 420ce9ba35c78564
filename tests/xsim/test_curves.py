"""Radial curves, and the figures of resolution that are read off them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.curves import RadialCurve, quadratic_grid
from xsim.detector.performance import basic_spatial_resolution_mm, duplex_wire_dip, frequency_of


def test_resolution_of_a_box_is_what_wires_in_real_space_say() -> None:
    box = 0.1
    diameter = basic_spatial_resolution_mm(lambda f: np.sinc(box * f))
    x = np.arange(-0.6, 0.6, 1e-4)
    chords = sum(2 * np.sqrt(np.maximum((diameter / 2) ** 2 - (x - c) ** 2, 0.0)) for c in (-diameter, diameter))
    blurred = np.convolve(chords, np.ones(1000) / 1000, "same")
    assert 1 - blurred[len(x) // 2] / blurred.max() == pytest.approx(0.2, abs=0.005)
    assert duplex_wire_dip(np.ones_like, 0.1) == pytest.approx(1.0, abs=0.01)
    assert math.isnan(basic_spatial_resolution_mm(lambda f: np.where(f < 0.01, 1.0, 1e-9)))


def test_levels_are_found_on_known_curves() -> None:
    f = np.linspace(0.0, 10.0, 200)
    assert frequency_of(RadialCurve(f, np.exp(-f)), 0.5) == pytest.approx(math.log(2), rel=1e-4)
    assert math.isnan(frequency_of(RadialCurve(f, np.exp(-f)), 1e-9))


def test_radial_curves_hold_their_table_and_go_on_falling() -> None:
    f = quadratic_grid(10.0, 40)
    curve = RadialCurve(f, 1 / (1 + f**2))
    dense = np.linspace(0.0, 10.0, 500)
    np.testing.assert_allclose(curve(dense), 1 / (1 + dense**2), rtol=2e-3)
    beyond = curve(np.array([10.0, 20.0, 100.0]))
    assert (np.diff(beyond) < 0).all()
    assert curve(np.array([[20.0]])) == pytest.approx(curve(10.0) / 4, rel=0.05)
    np.testing.assert_array_equal(curve(-dense), curve(dense))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(values=st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=12))
def test_radial_curves_stay_within_their_neighbours(values: list[float]) -> None:
    f = np.arange(len(values), dtype=float)
    curve = RadialCurve(f, values)
    for left in range(len(values) - 1):
        inside = curve(np.linspace(left, left + 1, 11))
        low, high = sorted(values[left : left + 2])
        assert (inside >= low * (1 - 2e-3)).all()
        assert (inside <= high * (1 + 2e-3)).all()
