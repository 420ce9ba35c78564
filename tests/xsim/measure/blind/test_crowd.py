"""Which blur edges have in common: drawn edges of known truth, with bevels, scatter, strangers, and too few."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.measure.blind.crowd import Crowd, crowd_of
from xsim.measure.blind.mixture import SIGMAS_PX, f50_of, mtf_columns, stretched

TRUTH = np.log(0.12)


def edges(rng: np.random.Generator, count: int, *, scatter: float, bevelled: float, noise: float = 0.03):
    """Return ln f50 of edges, and what noise makes them uncertain by."""
    error = noise * rng.uniform(0.5, 2.0, count)
    bevel = np.where(rng.random(count) < bevelled, rng.exponential(0.25, count), 0.0)
    return TRUTH - bevel + np.hypot(error, scatter) * rng.normal(size=count), error


@pytest.mark.parametrize(("scatter", "bevelled"), [(0.0, 0.0), (0.0, 0.6), (0.1, 0.0), (0.1, 0.5)])
def test_the_interval_holds_the_detector_whatever_the_object_does(scatter, bevelled):
    rng = np.random.default_rng(4)
    found = [crowd_of(*edges(rng, 24, scatter=scatter, bevelled=bevelled)) for _ in range(12)]
    off = np.array([one.place - TRUTH for one in found])
    held = np.abs(off) < 1.96 * np.hypot([one.error for one in found], 0.02)
    assert np.mean(held) >= 0.9
    assert np.median(np.abs(off)) < 0.02 + 0.4 * scatter
    assert np.median([one.scatter for one in found]) == pytest.approx(scatter, abs=0.03 + 0.3 * scatter)


def test_bevels_do_not_move_what_sharp_edges_agree_on():
    sharp, soft = np.full(6, TRUTH), TRUTH - np.linspace(0.2, 0.9, 8)
    found = crowd_of(np.r_[sharp, soft], np.full(14, 0.03))
    assert found.place == pytest.approx(TRUTH, abs=0.03)
    assert found.error < 0.06


def test_strangers_do_not_either():
    found = crowd_of(np.r_[np.full(12, TRUTH), TRUTH + 0.9, TRUTH + 0.5, TRUTH - 1.2], np.full(15, 0.03))
    assert found.place == pytest.approx(TRUTH, abs=0.03)


def test_few_that_disagree_settle_nothing():
    """A board with copper cut away around its chips: two edges sharper by half than three that agree."""
    few = crowd_of(TRUTH + np.array([0.51, 0.45, -0.07, -0.09, -0.11]), np.array([0.052, 0.044, 0.041, 0.033, 0.018]))
    assert few.error > 0.2
    assert abs(few.place - TRUTH) < 1.96 * few.error
    alone = crowd_of(np.array([TRUTH]), np.array([0.03]))
    assert 0.05 < alone.error < 0.25


def test_more_edges_narrow_the_interval_and_a_shared_scatter_stays():
    rng = np.random.default_rng(1)
    few, many = (crowd_of(*edges(rng, count, scatter=0.1, bevelled=0.3)) for count in (8, 60))
    assert isinstance(few, Crowd)
    assert 0.3 * many.scatter < many.error < few.error


@pytest.mark.parametrize("factor", [0.6, 0.9, 1.0, 1.2, 1.6])
def test_a_stretched_mixture_is_the_same_curve_at_other_frequencies(factor):
    weights = np.zeros(SIGMAS_PX.size)
    weights[[4, 6, 9]] = 0.5, 0.3, 0.2
    moved = stretched(weights, factor * f50_of(weights))
    assert moved.sum() == pytest.approx(1.0)
    assert f50_of(moved) == pytest.approx(factor * f50_of(weights), rel=1e-3)
    f = np.linspace(0.0, 0.3, 61)
    screen = (mtf_columns(f * factor) @ moved) / np.sinc(f * factor)
    assert screen == pytest.approx((mtf_columns(f) @ weights) / np.sinc(f), abs=0.04)
