"""Which image is the sharper one: blur lowers the ratio as it should, and noise does not fake detail."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter

from xsim.errors import InputError
from xsim_datasets.real.registration import detail_ratio


@pytest.fixture(scope="module")
def scene() -> np.ndarray:
    """An image of many rectangles: edges in every place."""
    rng = np.random.default_rng(11)
    image = np.ones((256, 256))
    for y, x, height, width in rng.integers((0, 0, 4, 4), (240, 240, 40, 40), (80, 4)):
        image[y : y + height, x : x + width] *= rng.uniform(0.5, 0.95)
    return image


def test_a_factor_on_the_amplitude_is_its_square_in_power(scene: np.ndarray) -> None:
    assert detail_ratio(scene, scene) == 1.0
    assert detail_ratio(scene, 0.5 * scene) == pytest.approx(4.0, rel=1e-9)


def test_swapping_inverts_the_ratio(scene: np.ndarray) -> None:
    lr = gaussian_filter(scene, 1.2)
    assert detail_ratio(scene, lr) * detail_ratio(lr, scene) == pytest.approx(1.0, rel=1e-9)


def test_more_blur_is_less_detail(scene: np.ndarray) -> None:
    ratios = [detail_ratio(scene, gaussian_filter(scene, blur)) for blur in (0.3, 0.6, 1.2)]
    assert 1.0 < ratios[0] < ratios[1] < ratios[2]


def test_noise_of_the_lr_frame_is_no_detail(scene: np.ndarray) -> None:
    lr = gaussian_filter(scene, 1.5)
    noisy = lr + np.random.default_rng(12).normal(0.0, 0.05, lr.shape)
    # Its fine power exceeds that of the sharp image, so that plain power would call the pair swapped.
    step = np.diff(scene, axis=0), np.diff(noisy, axis=0)
    assert step[1].var() > step[0].var()
    assert detail_ratio(scene, noisy) > 1.5
    assert detail_ratio(noisy, scene) < 1 / 1.5


def test_what_cannot_be_compared_is_refused(scene: np.ndarray) -> None:
    with pytest.raises(InputError, match="one shape"):
        detail_ratio(scene, scene[:-1])
    with pytest.raises(InputError, match="one shape"):
        detail_ratio(scene[:20], scene[:20])
    with pytest.raises(InputError, match="no detail"):
        detail_ratio(scene, np.zeros_like(scene))
