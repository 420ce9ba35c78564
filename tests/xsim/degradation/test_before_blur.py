"""The link before the HR detector's blur: what it is exactly, and that it is nearer to two detectors than h(HR)."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from xsim import recipes
from xsim.degradation.before_blur import before_blur, sharpening
from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink


@pytest.fixture(scope="module")
def between() -> Degradation:
    return recipes.paper().degradation()


def blocks(seed: int, size: int = 192) -> NDArray[np.float64]:
    """Return an image of random flat blocks, all greys."""
    return np.kron(np.random.default_rng(seed).uniform(0.05, 1.0, (size // 12, size // 12)), np.ones((12, 12)))


def filtered(image: NDArray[np.float64], gain: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.fft.irfft2(gain * np.fft.rfft2(image), s=image.shape)


def test_the_sharpening_inverts_what_passes_and_spares_what_does_not() -> None:
    mtf = np.array([1.0, 0.5, 0.1, 0.0])
    assert sharpening(mtf) == pytest.approx([1.0, 0.505 / 0.26, 5.05, 0.0])


def test_a_straight_link_changes_nothing_and_flat_images_see_the_curve(between: Degradation) -> None:
    image, M = blocks(0), between.mtf_hr_map((192, 192))
    np.testing.assert_allclose(before_blur(image, lambda grey: grey, M), image, atol=1e-12)
    np.testing.assert_allclose(between.linked(np.full((32, 48), 0.4)), between.link.forward(0.4), atol=1e-12)


def test_an_unknown_hr_mtf_leaves_the_curve_alone(between: Degradation) -> None:
    image = blocks(1)
    np.testing.assert_array_equal(before_blur(image, between.link.forward, None), between.link.forward(image))


def test_it_comes_nearer_to_the_blurred_link_than_the_linked_blur(between: Degradation) -> None:
    """Both detectors look at x: HR shows M x, and LR a blur of M h(x)."""
    M = between.mtf_hr_map((192, 192))
    assert M is not None
    x = blocks(2)
    hr, truth = filtered(x, M), filtered(np.asarray(between.link.forward(x)), M)
    commuted, after = (
        float(np.sqrt(np.mean((image - truth) ** 2))) for image in (between.linked(hr), between.link.forward(hr))
    )
    assert commuted < after / 3


def test_its_inverse_is_that_of_the_inverse_curve(between: Degradation) -> None:
    M = between.mtf_hr_map((192, 192))
    assert M is not None
    hr = filtered(blocks(3), M)
    back = before_blur(between.linked(hr), between.link.inverse, M)
    assert np.sqrt(np.mean((back - hr) ** 2)) < 3e-4


def test_pairs_give_the_link_back_through_both_blurs(between: Degradation) -> None:
    M, B = between.mtf_hr_map((192, 192)), between.B_1_map((192, 192))
    assert M is not None
    rng = np.random.default_rng(5)
    pairs = []
    for seed in range(3):
        x = blocks(seed)
        lr = filtered(np.asarray(between.link.forward(x)), M * B) + 0.003 * rng.standard_normal(x.shape)
        pairs.append((filtered(x, M), lr))
    grey = np.linspace(0.06, 1.0, 40)
    first = GreyLink.from_pairs(pairs, between.B_1_map, between.mtf_hr_map)
    after = GreyLink.from_pairs(pairs, between.B_1_map)
    wrong = [np.abs(link.forward(grey) - between.link.forward(grey)).max() for link in (first, after)]
    assert wrong[0] < 3e-3
    assert first.residual < after.residual
