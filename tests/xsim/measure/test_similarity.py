"""PSNR and SSIM: against scikit-image, and the laws they must obey."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.errors import InputError
from xsim.measure.similarity import psnr_dB, rmse, ssim, ssim_map

metrics = pytest.importorskip("skimage.metrics", reason="scikit-image is the oracle")


def images(seed: int, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    reference = np.cumsum(rng.normal(scale=0.05, size=shape), axis=1) + 0.5
    return reference + rng.normal(scale=0.02, size=shape), reference


@pytest.mark.parametrize("shape", [(64, 64), (11, 40), (53, 37)])
@pytest.mark.parametrize("seed", [0, 1])
def test_agree_with_scikit_image(seed: int, shape: tuple[int, int]) -> None:
    a, b = images(seed, shape)
    expected, full = metrics.structural_similarity(
        a, b, data_range=1.0, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, full=True
    )
    assert ssim(a, b) == pytest.approx(expected, abs=1e-6)
    np.testing.assert_allclose(ssim_map(a, b), full, atol=1e-6)
    assert psnr_dB(a, b) == pytest.approx(metrics.peak_signal_noise_ratio(b, a, data_range=1.0), abs=1e-6)


@given(st.integers(0, 2**32), st.floats(-0.3, 0.3))
@settings(max_examples=20, derandomize=True, deadline=None)
def test_laws(seed: int, offset: float) -> None:
    a, b = images(seed, (24, 31))
    assert ssim(a, b) == pytest.approx(ssim(b, a), abs=1e-12)
    assert ssim(a, a) == pytest.approx(1.0, abs=1e-12)
    assert ssim_map(a, b).max() <= 1 + 1e-12
    assert rmse(b + offset, b) == pytest.approx(abs(offset), abs=1e-12)
    assert psnr_dB(a, a) == math.inf


def test_a_range_of_one_is_meant_not_the_images_own() -> None:
    a, b = images(3, (32, 32))
    assert psnr_dB(a / 2, b / 2) == pytest.approx(psnr_dB(a, b) + 20 * math.log10(2))


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (np.zeros((16, 16)), np.zeros((16, 17))),
        (np.zeros(16), np.zeros(16)),
        (np.full((16, 16), np.nan), np.zeros((16, 16))),
        (np.zeros((10, 16)), np.zeros((10, 16))),
    ],
)
def test_what_cannot_be_compared_is_refused(a: np.ndarray, b: np.ndarray) -> None:
    with pytest.raises(InputError):
        ssim(a, b)
