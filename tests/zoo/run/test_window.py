"""The part of a picture that is enlarged: where the object changed most, not where a collimator or a film ends."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.errors import InputError
from xsim_zoo.run.figure import _outside, _window, check_roi

Y, X = np.mgrid[:600, :700]


def holds(window, y: int, x: int) -> bool:
    return window[0].start <= y < window[0].stop and window[1].start <= x < window[1].stop


def round_field():
    """Return an image behind a round collimator, which changes most at its rim and a little at a wire."""
    distance = np.hypot(X - 350, Y - 300)
    image = np.where(distance < 280, 0.9, 0.0).astype(np.float32)
    change = np.where(abs(distance - 280) < 3, 0.2, 0.0).astype(np.float32)
    image[280:320, 400:404], change[280:320, 398:406] = 0.4, 0.05
    return image, change, (300, 401)


def film():
    """Return a scanned film that ends within the image, beside a small flaw."""
    image, change = np.full(Y.shape, 0.5, np.float32), np.zeros(Y.shape, np.float32)
    image[:80, :200], change[78:82, :200] = 1.6, 0.3
    image[300:310, 300:302], change[300:310, 298:304] = 0.2, 0.05
    return image, change, (304, 300)


@pytest.mark.parametrize("case", [round_field, film])
def test_the_object_is_shown_rather_than_what_surrounds_it(case) -> None:
    image, change, place = case()
    nothing = np.zeros(image.shape, bool)
    assert not holds(_window(change, nothing), *place)
    window = _window(change, _outside(image))
    assert holds(window, *place)
    assert not _outside(image)[window].any()


def test_a_dark_part_within_the_object_is_of_it() -> None:
    image = round_field()[0]
    image[250:350, 300:500] = 0.0  # a slab of lead, away from the rim
    assert not _outside(image)[250:350, 300:500].any()


def test_an_image_without_anything_else_is_shown_where_it_changed() -> None:
    black = np.zeros((300, 300), np.float32)
    change = black.copy()
    change[150:160, 140:150] = 1
    assert holds(_window(change, _outside(black)), 155, 145)
    small = np.full((100, 90), 0.5, np.float32)
    assert _window(small, _outside(small)) == (slice(0, 100), slice(0, 90))


def test_a_chosen_window_is_taken_as_it_is_or_refused() -> None:
    assert check_roi((10, 20, 30, 40), (100, 90)) == (slice(20, 60), slice(10, 40))
    for roi in ((70, 0, 30, 30), (-1, 0, 20, 20), (0, 0, 7, 20)):
        with pytest.raises(InputError, match="--roi"):
            check_roi(roi, (100, 90))
