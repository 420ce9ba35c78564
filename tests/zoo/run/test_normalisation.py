"""Grey levels in and out: whose scale is used is said, and never taken from what an image happens to show.

CSBDeep/CSBDeep#47: users could not tell which percentiles normalise training, patches and prediction, and had to do it
by hand before predicting; an almost empty image then comes out on another scale.
"""

from __future__ import annotations

import numpy as np
import pytest

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim.errors import InputError
from xsim_zoo.process.physics import Physics
from xsim_zoo.run.restore import restore
from xsim_zoo.weights.loading import build

PHYSICS = Physics(closed_form(), power_law())
OPEN_FIELD = 48_000.0


@pytest.fixture(scope="module")
def wiener():
    return build("wiener", PHYSICS)


@pytest.fixture(scope="module")
def lr():
    return degrade(board(3, (120, 139)), PHYSICS, 3)


def test_the_scale_of_the_codes_does_not_matter(wiener, lr):
    linear = restore(wiener, lr).image
    for scale in (0.5, OPEN_FIELD):
        scaled = restore(wiener, (lr * scale).astype(np.float32), open_field=scale)
        np.testing.assert_allclose(scaled.image, linear, atol=1e-5)
        assert scaled.open_field == pytest.approx(scale)
        # What is saved is on the scale of what came.
        np.testing.assert_allclose(scaled.radiograph()[0].pixels, linear * scale, atol=2e-5 * scale)


def test_codes_that_nobody_normalised_are_refused_or_not_vouched_for(wiener, lr):
    codes = (lr * OPEN_FIELD).round()
    with pytest.raises(InputError, match="divide by that of the open field"):
        wiener.restore_array(codes.astype(np.uint16))
    assert not restore(wiener, codes.astype(np.float32)).consistency.consistent


def test_an_almost_empty_image_keeps_its_grey(wiener):
    """Percentiles of such an image are those of its noise: it would be stretched to the whole range."""
    hr = np.ones((128, 160), np.float32)
    hr[60:68, 70:90] = 0.7
    image = restore(wiener, degrade(hr, PHYSICS, 5)).image
    assert image[8:40, 8:-8].mean() == pytest.approx(1.0, abs=2e-3)
    assert image[8:40, 8:-8].std() < 0.02
    assert image[62:66, 76:84].mean() == pytest.approx(0.7, abs=0.03)


def test_what_else_an_image_shows_does_not_change_its_grey(wiener, lr):
    """A crop is restored as the whole is, away from its edges: nothing is normalised by what is in view."""
    whole, part = restore(wiener, lr).image, restore(wiener, lr[:, :96]).image
    inner = (slice(24, -24), slice(24, 64))
    np.testing.assert_allclose(part[inner].mean(), whole[inner].mean(), atol=1e-3)
    np.testing.assert_allclose(part[inner], whole[inner], atol=0.02)
