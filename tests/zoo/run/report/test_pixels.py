"""Pixels in a page: what goes in comes out, whole numbers exactly."""

from __future__ import annotations

import base64
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from xsim_zoo.run.report.pixels import Part, Plane, factor_for, plane_of, reduced


def unpacked(text: str, shape: tuple[int, int]) -> np.ndarray:
    """Undo what a page does, written anew from its description."""
    planes = np.frombuffer(zlib.decompress(base64.b64decode(text)), np.uint8).reshape(2, *shape).astype(np.int64)
    return np.cumsum(planes[0] * 256 + planes[1], axis=1) % 65536


def greys(plane: Plane) -> np.ndarray:
    return plane.offset + plane.step * unpacked(plane.packed(), plane.stored.shape)


@settings(max_examples=60, deadline=None)
@given(
    arrays.arrays(
        st.sampled_from([np.uint8, np.uint16, np.int16]),
        arrays.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=9),
    )
)
def test_integers_come_through_exactly(image):
    np.testing.assert_array_equal(greys(plane_of(image)), image)


def test_white_at_zero_is_shown_as_the_file_holds_it():
    image = np.arange(12, dtype=np.uint16).reshape(3, 4)
    np.testing.assert_array_equal(greys(plane_of(image, lambda level: 4095.0 - level)), 4095 - image)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint32, np.int64])
def test_other_types_come_through_to_half_a_step(dtype):
    image = (np.random.default_rng(0).normal(size=(20, 31)) * 1e6 + 1e7).astype(dtype)
    step = (float(image.max()) - float(image.min())) / 65535
    assert np.abs(greys(plane_of(image)) - image).max() <= 0.5001 * step


def test_an_image_of_one_grey_is_kept():
    assert (greys(plane_of(np.full((3, 3), 0.25, np.float32))) == 0.25).all()


@pytest.mark.parametrize("factor", [1, 2, 3, 7, 50])
def test_reduced_pixels_are_the_means_of_their_squares(factor):
    image = np.random.default_rng(1).integers(0, 65536, (23, 40), np.uint16)
    small = reduced(image, factor)
    for row, column in np.ndindex(small.shape):
        square = image[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        assert small[row, column] == pytest.approx(square.mean(), rel=1e-12)
    assert small.shape == (-(-23 // factor), -(-40 // factor))


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 10**6))
def test_the_factor_is_the_least_that_will_do(height, width, most):
    factor = factor_for((height, width), most)
    held = [-(-height // f) * -(-width // f) for f in (factor, max(factor - 1, 1))]
    assert held[0] <= most
    assert factor == 1 or held[1] > most


def test_a_part_is_cut_before_it_is_reduced():
    image = np.arange(100.0).reshape(10, 10)
    np.testing.assert_array_equal(Part("part", slice(2, 6), slice(4, 8), 2).of(image), reduced(image[2:6, 4:8], 2))
