"""Veiling glare from the open field: a scene of known glare, shading that must not be taken for it, and neither."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import ndimage

from xsim.measure.blind import measure_blind
from xsim.measure.blind.glare import Glare, veiling_glare
from xsim.measure.blind.mixture import SIGMAS_PX, f50_of

SIDE = 640
WEIGHTS = np.eye(SIGMAS_PX.size)[6]
"""A Gaussian of 2 px: what the edges would tell."""


def scene(share: float, sigma: float, noise: float = 0.004) -> np.ndarray:
    """Return a radiograph of two blocks by a detector that spreads so much light so wide."""
    sharp = np.ones((SIDE, SIDE))
    sharp[150:420, 190:400] = 0.3
    sharp[360:500, 330:480] = 0.5
    near = ndimage.gaussian_filter(sharp, 2.0)
    seen = (1 - share) * near + share * ndimage.gaussian_filter(near, sigma, mode="nearest")
    return seen + noise * np.random.default_rng(3).normal(size=seen.shape)


def found_in(image: np.ndarray, weights: np.ndarray = WEIGHTS) -> Glare | None:
    return veiling_glare([image], [np.ones(image.shape, bool)], weights, f50_of(weights))


def shadings() -> dict[str, np.ndarray]:
    y, x = np.meshgrid(np.linspace(-1, 1, SIDE), np.linspace(-1, 1, SIDE), indexing="ij")
    square = x**2 + y**2
    return {
        "dome": 1 - 0.05 * square,
        "tilt": 1 + 0.05 * x,
        "cos4": (1 + 0.05 * square) ** -2.0,
        "heel": 1 - 0.1 * np.exp(-2.5 * (x + 1)),
        "darker middle": 1 - 0.06 * np.exp(-2 * square),
        "brighter middle": 1 + 0.06 * np.exp(-2 * square),
    }


@pytest.mark.parametrize(("share", "sigma"), [(0.03, 30.0), (0.06, 20.0), (0.06, 50.0), (0.12, 40.0)])
def test_known_glare_is_found(share, sigma):
    found = found_in(scene(share, sigma))
    assert found is not None
    assert found.total == pytest.approx(share, rel=0.25)
    f = np.linspace(0, 0.1, 51)
    truth = 1 - share + share * np.exp(-2 * (np.pi * sigma * f) ** 2)
    assert np.abs(found.factor(f) - truth).max() < 0.25 * share
    assert found.factor(np.zeros(1))[0] == pytest.approx(1.0)


def test_none_without_glare():
    assert found_in(scene(0.0, 30.0)) is None
    assert found_in(np.ones((SIDE, SIDE))) is None


@pytest.mark.parametrize("name", list(shadings()))
def test_shading_is_no_glare(name):
    found = found_in(scene(0.0, 30.0) * shadings()[name])
    assert found is None


@pytest.mark.parametrize("name", ["dome", "tilt"])
def test_glare_is_found_beside_smooth_shading(name):
    found = found_in(scene(0.06, 30.0) * shadings()[name])
    assert found is not None
    assert found.total == pytest.approx(0.06, rel=0.25)


def test_what_edges_tell_is_not_counted_twice():
    weights = 0.94 * WEIGHTS + 0.06 * np.eye(SIGMAS_PX.size)[12]
    found = found_in(scene(0.06, float(SIGMAS_PX[12])), weights)
    assert found is None or found.total < 0.01


def test_little_open_field_shows_none():
    assert found_in(scene(0.06, 30.0)[140:430, 180:410]) is None


def test_one_side_alone_shows_none():
    assert found_in(scene(0.06, 30.0)[170:340, 300:]) is None


def test_the_detector_has_the_glare():
    image = scene(0.06, 50.0)
    turned = ndimage.rotate(image, 7.0, mode="nearest", order=1, reshape=False)
    found = measure_blind(turned)
    assert any("veiling glare" in remark for remark in found.remarks)
    truth = 0.94 * np.exp(-2 * (np.pi * 2 * found.frequency) ** 2)
    middle = (found.frequency > 0.02) & (found.frequency < 0.06)
    assert np.abs(found.mtf - truth)[middle].max() < 0.025
    assert found.mtf[0] == pytest.approx(1.0)
    assert np.interp(0.03, found.fine_frequency, found.fine_mtf) == pytest.approx(
        np.interp(0.03, found.frequency, found.mtf), abs=0.005
    )
    assert found.f50_low < found.f50 < found.f50_high
