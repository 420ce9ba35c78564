"""Probes of inspection tasks and of uncertainty, on images whose answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import norm

from xsim.errors import InputError
from xsim_zoo.evaluation.coverage_probe import calibration, middle, nominal_levels
from xsim_zoo.evaluation.feature_probe import compared, dots_in
from xsim_zoo.evaluation.open_probe import area_under_curve, detectability, matched_scores
from xsim_zoo.evaluation.void_probe import Ball, void_areas


def _balls(radius: float, voids: list[float]) -> tuple[np.ndarray, list[Ball]]:
    """Return an image of balls in a row, with central voids of given areas [%], and what is in it."""
    balls = [Ball(32, 32 + 64 * place, area) for place, area in enumerate(voids)]
    y, x = np.mgrid[0:64, 0 : 64 * len(voids)].astype(float)
    path = np.zeros_like(y)
    for ball in balls:
        square = (y - ball.y_px) ** 2 + (x - ball.x_px) ** 2
        path += 2 * np.sqrt(np.maximum(radius**2 - square, 0))
        path -= 2 * np.sqrt(np.maximum(radius**2 * ball.void / 100 - square, 0))
    return np.exp(-0.05 * path), balls


def test_void_areas_of_sharp_balls_are_those_drawn() -> None:
    areas = [0.0, 5.0, 10.0, 20.0, 30.0, 0.0]
    image, balls = _balls(24.0, areas)
    assert void_areas(image, balls, 24.0) == pytest.approx(areas[1:5], abs=1.2)


def test_a_void_lost_in_noise_is_no_void() -> None:
    image, balls = _balls(24.0, [0.0, 0.2, 0.0, 0.0])
    noisy = image + np.random.default_rng(1).normal(0, 0.05, image.shape)
    assert void_areas(noisy, balls, 24.0) == [0.0]


@pytest.mark.parametrize("distance", [0.5, 1.5, 3.0])
def test_area_and_d_prime_of_two_normals(distance: float) -> None:
    rng = np.random.default_rng(2)
    present, absent = rng.normal(distance, 1, 3000), rng.normal(0, 1, 3000)
    assert area_under_curve(present, absent) == pytest.approx(norm.cdf(distance / math.sqrt(2)), abs=0.02)
    assert detectability(present, absent) == pytest.approx(distance, abs=0.1)


def test_ties_count_half() -> None:
    assert area_under_curve(np.ones(4), np.ones(3)) == 0.5


def test_the_observer_finds_a_known_signal_and_nothing_in_noise() -> None:
    rng = np.random.default_rng(3)
    is_open = np.arange(400) % 2 == 0
    noise = rng.normal(0, 1, (400, 24, 24))
    chance = matched_scores(noise, is_open, 0)
    # Made from the cells that it judges, the same filter would find them apart by more than two d'.
    assert abs(detectability(chance[is_open], chance[~is_open])) < 0.3
    signal = np.zeros((24, 24))
    signal[10:14, 10:14] = 1.0
    scores = matched_scores(noise + 2 * is_open[:, None, None] * signal, is_open, 0)
    assert detectability(scores[is_open], scores[~is_open]) == pytest.approx(8.0 * 0.97, rel=0.15)


def test_dots_are_found_where_they_are() -> None:
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:200, 0:200]
    places = np.array([[40.0, 50.0], [90.3, 120.6], [150.0, 60.0]])
    image = np.full((200, 200), 0.8)
    for v, u in places:
        image -= 0.1 * np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * 1.5**2))
    seen = dots_in(image + rng.normal(0, 1e-3, image.shape), 0.01)
    assert compared(seen, places) == (0, 0)
    assert compared(seen, places[:2]) == (0, 1)
    assert compared(seen[:1], places) == (2, 0)
    assert compared(np.empty((0, 2)), places) == (3, 0)
    assert compared(seen, np.empty((0, 2))) == (0, 3)


@pytest.mark.parametrize("count", [4, 8, 15])
def test_samples_of_the_right_posterior_cover_as_they_say(count: int) -> None:
    rng = np.random.default_rng(5)
    mean, sigma = rng.normal(size=40_000), rng.uniform(0.5, 2.0, 40_000)
    draws = mean + sigma * rng.normal(size=(count, 40_000))
    truth = mean + sigma * rng.normal(size=40_000)
    found = calibration(draws, truth)
    np.testing.assert_allclose(found.covered, found.nominal, atol=0.01)
    assert found.spread == pytest.approx(found.error, rel=0.02)
    # E|X - t| - E|X - X'| / 2 of equal normals is sigma / sqrt(pi).
    assert found.crps == pytest.approx(sigma.mean() / math.sqrt(math.pi), rel=0.02)


def test_samples_that_are_too_sure_are_found_out() -> None:
    rng = np.random.default_rng(6)
    truth = rng.normal(size=20_000)
    found = calibration(0.5 * rng.normal(size=(8, 20_000)), truth)
    assert all(covered < 0.7 * nominal for covered, nominal in zip(found.covered, found.nominal, strict=True))
    assert found.spread < 0.6 * found.error


def test_levels_follow_from_the_number_of_samples() -> None:
    assert nominal_levels(8) == [(4, pytest.approx(1 / 9)), (2, pytest.approx(5 / 9)), (1, pytest.approx(7 / 9))]
    with pytest.raises(InputError, match="K > 1"):
        calibration(np.zeros((1, 5)), np.zeros(5))


def test_middle_is_the_middle_and_small_images_stay_whole() -> None:
    image = np.arange(100, dtype=np.float32).reshape(10, 10)
    np.testing.assert_array_equal(middle(image, 4), image[3:7, 3:7])
    np.testing.assert_array_equal(middle(image, 40), image)
