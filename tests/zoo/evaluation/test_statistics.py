"""Intervals against closed forms: the normal one, whole families, Holm's own example."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xsim.errors import InputError
from xsim_zoo.evaluation.statistics import Bootstrap, holm


def test_interval_of_a_mean_is_the_normal_one() -> None:
    values = np.random.default_rng(1).normal(30.0, 2.0, 400)
    found = Bootstrap(range(400), 4000).mean(values)
    half = 1.96 * values.std(ddof=1) / np.sqrt(400)
    assert found.mean == pytest.approx(values.mean())
    assert found.low == pytest.approx(values.mean() - half, abs=0.08 * half)
    assert found.high == pytest.approx(values.mean() + half, abs=0.08 * half)


def test_copies_of_an_image_in_its_family_narrow_nothing() -> None:
    values = np.random.default_rng(2).normal(size=40)
    once = Bootstrap(range(40)).mean(values)
    fourfold = Bootstrap(np.repeat(np.arange(40), 4).tolist()).mean(np.repeat(values, 4))
    alone = Bootstrap(range(160)).mean(np.repeat(values, 4))
    assert fourfold.low == pytest.approx(once.low)
    assert alone.high is not None
    assert once.high is not None
    assert alone.high - alone.mean < 0.7 * (once.high - once.mean)


def test_ratio_is_that_of_the_sums() -> None:
    numerator, denominator = np.array([1.0, 10.0, 3.0]), np.array([2.0, 5.0, 1.0])
    assert Bootstrap("abc").ratio(numerator, denominator).mean == pytest.approx(14 / 8)


def test_one_family_has_no_interval() -> None:
    found = Bootstrap(["only", "only"]).mean([1.0, 3.0])
    assert (found.mean, found.low, found.high) == (2.0, None, None)
    assert Bootstrap(["only"]).p_value([1.0]) == 1.0


def test_p_value_tells_a_shift_from_none() -> None:
    noise = np.random.default_rng(3).normal(size=60)
    assert Bootstrap(range(60)).p_value(noise - noise.mean()) > 0.5
    assert Bootstrap(range(60)).p_value(noise + 1.0) < 0.01


def test_holm_on_a_worked_example() -> None:
    # Three tests: 3 x .01, then 2 x .03, then the larger of that and 1 x .04.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_keeps_order_and_never_lowers(p_values: list[float]) -> None:
    adjusted = holm(p_values)
    assert all(p <= q <= 1 for p, q in zip(p_values, adjusted, strict=True))
    ordered = [adjusted[i] for i in np.argsort(p_values, kind="stable")]
    assert ordered == sorted(ordered)


def test_no_images_are_refused() -> None:
    with pytest.raises(InputError, match="no images"):
        Bootstrap([])
