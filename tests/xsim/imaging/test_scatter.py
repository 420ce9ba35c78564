"""Scatter and glare: kernels, conservation, what carries noise."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.errors import PhysicsRangeError
from xsim.imaging.projection import Beam
from xsim.imaging.scatter import Scatter, add_glare, add_scatter, wide_blur


def board(shape: tuple[int, int] = (200, 240)) -> Beam:
    grey = np.random.default_rng(2).uniform(0.05, 1.0, shape).astype(np.float32)
    return Beam(grey, grey * np.float32(1.1))


def test_kernel_is_the_exponential_it_claims() -> None:
    # Oracle: the sum over the kernel drawn on the pixels, far from the border.
    pixel, reach = 0.1, 2.0
    image = np.zeros((401, 401), np.float32)
    image[190:211, 170:231] = 1.0
    y, x = np.mgrid[-200:201, -200:201] * pixel
    for at in ((200, 200), (200, 260), (150, 180)):
        r = np.hypot(y - (at[0] - 200) * pixel, x - (at[1] - 200) * pixel)
        expected = (image * np.exp(-r / reach)).sum() * pixel**2 / (2 * np.pi * reach**2)
        assert wide_blur(image, reach, pixel)[at] == pytest.approx(expected, rel=0.03)


@pytest.mark.parametrize("shape", [(64, 64), (33, 200), (1, 7)])
def test_a_constant_stays_what_it_is(shape: tuple[int, int]) -> None:
    np.testing.assert_allclose(wide_blur(np.full(shape, 0.3, np.float32), 5.0, 0.048), 0.3, rtol=1e-5)


def test_the_border_is_mirrored_not_wrapped() -> None:
    image = np.zeros((200, 200), np.float32)
    image[:, :20] = 1.0
    assert wide_blur(image, 1.0, 0.1)[100, -1] < 1e-3


def test_open_field_scatters_nothing_and_neither_does_lead() -> None:
    for level in (1.0, 0.0):
        flat = np.full((64, 64), level, np.float32)
        scattered = add_scatter(Beam(flat, flat), Scatter(0.1), 0.048)
        np.testing.assert_allclose(scattered.grey, level, atol=1e-6)


def test_a_plate_has_the_ratio_asked_for() -> None:
    # A wide plate of optical depth d: scatter to primary is ratio * d.
    grey = np.full((64, 64), np.exp(-0.7), np.float32)
    scattered = add_scatter(Beam(grey, grey), Scatter(0.05), 0.048)
    np.testing.assert_allclose(scattered.grey / grey - 1, 0.05 * 0.7, rtol=1e-4)
    np.testing.assert_allclose(scattered.variance / grey - 1, 0.05 * 0.7, rtol=1e-4)


def test_scatter_lifts_what_is_opaque() -> None:
    beam = board()
    beam.grey[90:110, 100:140] = beam.variance[90:110, 100:140] = 1e-6
    scattered = add_scatter(beam, Scatter(0.05, range_mm=3.0), 0.048)
    assert 0.003 < scattered.grey[100, 120] < 0.05
    assert (scattered.grey >= beam.grey).all()
    assert (scattered.variance >= beam.variance).all()


def test_glare_moves_light_but_makes_none() -> None:
    beam = board()
    veiled = add_glare(beam, Scatter(glare=0.1, glare_range_mm=0.5), 0.048)
    assert veiled.grey.mean() == pytest.approx(beam.grey.mean(), rel=2e-3)
    np.testing.assert_allclose(veiled.variance, beam.variance * 0.81, rtol=1e-6)
    assert veiled.grey.std() < beam.grey.std()
    flat = np.ones((50, 50), np.float32)
    np.testing.assert_allclose(add_glare(Beam(flat, flat), Scatter(glare=0.2), 0.048).grey, 1.0, rtol=1e-5)


def test_off_is_free() -> None:
    beam = board()
    assert add_glare(add_scatter(beam, Scatter(), 0.048), Scatter(), 0.048) is beam


@pytest.mark.parametrize("name", ["ratio_per_depth", "range_mm", "glare", "glare_range_mm"])
def test_absurd_values_are_refused(name: str) -> None:
    for bad in (-1.0, float("nan"), 1e9):
        with pytest.raises(PhysicsRangeError, match="out of range"):
            Scatter(**{name: bad})
