"""Probes of inspection tasks and of uncertainty, on images whose answer is known."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import norm

from xsim.errors import InputError
from xsim_zoo.evaluation.probes.coverage import middle, nominal_levels, sample_statistics
from xsim_zoo.evaluation.probes.features import Responses, responses_in
from xsim_zoo.evaluation.probes.opens import (
    area_under_curve,
    detectability,
    hotelling,
    laguerre_gauss,
    matched,
    paired_areas,
    scores_of,
)
from xsim_zoo.evaluation.probes.voids import FALSE_CALLS, Ball, areas_of, deficits, seen

if TYPE_CHECKING:
    from collections.abc import Callable


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


def test_void_areas_of_sharp_and_of_blurred_balls_are_those_drawn() -> None:
    areas = [0.0, *np.linspace(2.0, 35.0, 12).tolist(), 0.0]
    image, balls = _balls(24.0, areas)
    labelled = np.array(areas[1:-1])
    assert areas_of(deficits(image, balls, 24.0)[1:-1], labelled) == pytest.approx(labelled, abs=0.3)
    # What blur spreads it does not take away.
    assert areas_of(deficits(gaussian_filter(image, 5.0), balls, 24.0)[1:-1], labelled) == pytest.approx(
        labelled, abs=1.0
    )


def test_no_ball_is_measured_with_its_own_label() -> None:
    rng = np.random.default_rng(8)
    labelled = rng.uniform(1.0, 30.0, 400)
    guessed = areas_of(rng.uniform(1.0, 2.0, 400), labelled)
    assert abs(np.corrcoef(guessed, labelled)[0, 1]) < 0.15
    labelled[0] = 1e6
    again = areas_of(np.r_[1.0, rng.uniform(1.0, 2.0, 399)], labelled)
    assert abs(again[0]) <= 100.0


def test_one_sound_ball_in_twenty_is_called_voided() -> None:
    rng = np.random.default_rng(9)
    sound, others = rng.normal(0, 1, 20_000), rng.normal(0, 1, 20_000)
    assert seen(others, sound).mean() == pytest.approx(FALSE_CALLS, abs=0.01)
    assert seen(others + 4.0, sound).mean() > 0.98


@pytest.mark.parametrize("distance", [0.5, 1.5, 3.0])
def test_area_and_d_prime_of_two_normals(distance: float) -> None:
    rng = np.random.default_rng(2)
    present, absent = rng.normal(distance, 1, 3000), rng.normal(0, 1, 3000)
    assert area_under_curve(present, absent) == pytest.approx(norm.cdf(distance / math.sqrt(2)), abs=0.02)
    assert detectability(present, absent) == pytest.approx(distance, abs=0.1)


def test_ties_count_half() -> None:
    assert area_under_curve(np.ones(4), np.ones(3)) == 0.5


@pytest.fixture(scope="module")
def channels() -> np.ndarray:
    return laguerre_gauss((24, 24), (11.7, 11.8), 8.0, 6)


def test_channels_are_orthonormal_and_round(channels: np.ndarray) -> None:
    np.testing.assert_allclose(channels.T @ channels, np.eye(6), atol=1e-12)
    centred = laguerre_gauss((25, 25), (12.0, 12.0), 8.0, 4).T.reshape(4, 25, 25)
    np.testing.assert_allclose(centred, centred.swapaxes(1, 2), atol=1e-12)


@pytest.mark.parametrize("make", [matched, hotelling])
def test_observers_come_near_the_ideal_one_in_white_noise_and_find_nothing_in_noise_alone(
    make: Callable[..., np.ndarray], channels: np.ndarray
) -> None:
    rng = np.random.default_rng(3)
    has_signal = np.arange(1000) % 2 == 0
    noise = rng.normal(0, 1, (1000, 576))
    signal = channels[:, 0] * 2.0 + channels[:, 1]
    images = noise + has_signal[:, None] * signal
    # The ideal observer of white noise knows the signal, and has a d' of its norm over sigma.
    ideal = detectability(images[has_signal] @ signal, images[~has_signal] @ signal)
    assert ideal == pytest.approx(math.sqrt(5.0), rel=0.15)
    scores = scores_of(images @ channels, has_signal, make, 0)
    assert detectability(scores[has_signal], scores[~has_signal]) == pytest.approx(ideal, rel=0.03)
    chance = scores_of(noise @ channels, has_signal, make, 0)
    assert abs(detectability(chance[has_signal], chance[~has_signal])) < 0.2


@pytest.mark.parametrize(("make", "expected"), [(matched, 2 / math.sqrt(10)), (hotelling, math.sqrt(10) / 3)])
def test_only_the_hotelling_observer_undoes_coloured_noise(make: Callable[..., np.ndarray], expected: float) -> None:
    rng = np.random.default_rng(10)
    has_signal = np.arange(8000) % 2 == 0
    responses = rng.normal(0, 1, (8000, 2)) * [3.0, 1.0] + has_signal[:, None]
    scores = scores_of(responses, has_signal, make, 0)
    assert detectability(scores[has_signal], scores[~has_signal]) == pytest.approx(expected, rel=0.08)


def test_paired_areas_know_that_two_answers_see_the_same_noise() -> None:
    rng = np.random.default_rng(11)
    has_signal = np.arange(200) % 2 == 0
    scores = rng.normal(0, 1, 200) + has_signal
    area, change = paired_areas(scores, scores, has_signal, 0)
    assert area.low < area.mean < area.high
    assert (change.mean, change.low, change.high) == (0.0, 0.0, 0.0)
    _, change = paired_areas(scores + 0.5 * has_signal, scores, has_signal, 0)
    assert 0 < change.low < change.mean < change.high < area.high - area.low + change.mean


def test_dots_are_judged_at_the_same_rate_of_false_calls_whatever_the_noise() -> None:
    rng = np.random.default_rng(4)
    y, x = np.mgrid[0:200, 0:200]
    places = np.array([[40, 50], [90, 70], [150, 60]])
    image = np.full((200, 200), 0.8)
    for v, u in places:
        image -= 0.1 * np.exp(-((y - v) ** 2 + (x - u) ** 2) / (2 * 1.5**2))
    for noise, missed in ((1e-4, 0), (1e-3, 0), (0.2, 3)):
        found = responses_in(image + rng.normal(0, noise, image.shape), places)
        assert np.sum(found.blank > found.threshold(2)) == 2
        assert np.sum(found.dots <= found.threshold(2)) >= missed * 0.6
        # Noise, however strong, is not invention.
        assert found.invented(0.01) == 0
    image -= 0.1 * np.exp(-((y - 100) ** 2 + (x - 150) ** 2) / (2 * 1.5**2))
    assert responses_in(image + rng.normal(0, 1e-3, image.shape), places).invented(0.01) == 1


def test_an_image_without_peaks_has_a_threshold_of_nothing() -> None:
    assert Responses(np.ones(3), np.empty(0), 0.0).threshold(2) == 0.0


@pytest.mark.parametrize("count", [4, 8, 15])
def test_samples_of_the_right_posterior_cover_as_they_say(count: int) -> None:
    rng = np.random.default_rng(5)
    mean, sigma = rng.normal(size=40_000), rng.uniform(0.5, 2.0, 40_000)
    draws = mean + sigma * rng.normal(size=(count, 40_000))
    truth = mean + sigma * rng.normal(size=40_000)
    found = sample_statistics(draws, truth)
    np.testing.assert_allclose(found.covered, found.nominal, atol=0.01)
    assert found.spread == pytest.approx(found.error, rel=0.02)
    # E|X - t| - E|X - X'| / 2 of equal normals is sigma / sqrt(pi).
    assert found.crps == pytest.approx(sigma.mean() / math.sqrt(math.pi), rel=0.02)


def test_samples_that_are_too_sure_are_found_out() -> None:
    rng = np.random.default_rng(6)
    truth = rng.normal(size=20_000)
    found = sample_statistics(0.5 * rng.normal(size=(8, 20_000)), truth)
    assert all(covered < 0.7 * nominal for covered, nominal in zip(found.covered, found.nominal, strict=True))
    assert found.spread < 0.6 * found.error


def test_levels_follow_from_the_number_of_samples() -> None:
    assert nominal_levels(8) == [(4, pytest.approx(1 / 9)), (2, pytest.approx(5 / 9)), (1, pytest.approx(7 / 9))]
    with pytest.raises(InputError, match="K > 1"):
        sample_statistics(np.zeros((1, 5)), np.zeros(5))


def test_middle_is_the_middle_and_small_images_stay_whole() -> None:
    image = np.arange(100, dtype=np.float32).reshape(10, 10)
    np.testing.assert_array_equal(middle(image, 4), image[3:7, 3:7])
    np.testing.assert_array_equal(middle(image, 40), image)
