"""Random fields: normal numbers, quanta, spectra."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft
from scipy import stats

from xsim.grids import half_plane_weights, radial_frequency
from xsim.imaging.noise import coloured_spectrum, quantum_noise, standard_normal
from xsim.seeds import generator


def test_normal_numbers_are_normal() -> None:
    values = standard_normal(generator(1, stage="a"), (1500, 1001)).ravel().astype(float)
    n = len(values)
    assert abs(values.mean()) < 4 / np.sqrt(n)
    assert abs(values.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs(stats.skew(values)) < 4 * np.sqrt(6 / n)
    assert abs(stats.kurtosis(values)) < 4 * np.sqrt(24 / n)
    assert stats.kstest(values[:300_000], "norm").pvalue > 1e-3
    # One in 15 787 lies beyond four standard deviations.
    assert (abs(values) > 4).sum() == pytest.approx(n / 15787, abs=4 * np.sqrt(n / 15787))


def test_normal_numbers_are_white() -> None:
    # Sine and cosine of one pair lie half a chunk apart: no frequency may stand out.
    power = np.abs(scipy.fft.rfft(standard_normal(generator(2), (2**20,)), norm="ortho")[1:-1]) ** 2
    bands = power[: 2**19 - 2**19 % 4096 - 4096].reshape(-1, 4096).mean(axis=1)
    assert np.abs(bands - 1).max() < 5 / np.sqrt(4096)


@pytest.mark.parametrize("shape", [(1,), (3, 5), (16384,), (16385,), (7, 5000)])
def test_any_shape_and_always_the_same(shape: tuple[int, ...]) -> None:
    first, again = (standard_normal(generator(3), shape) for _ in range(2))
    assert first.shape == shape
    assert first.dtype == np.float32
    np.testing.assert_array_equal(first, again)
    assert np.isfinite(first).all()


@pytest.mark.parametrize("expected", [0.02, 1.0, 20.0, 49.9, 51.0, 1e6])
def test_quanta_have_the_variance_and_the_skewness_of_their_number(expected: float) -> None:
    # 100 quanta at grey 1: n = 100 g**2 / v of equal weight.
    grey, variance = 0.3, 100 * 0.3**2 / expected
    flat = np.ones((400, 500), np.float32)
    values = quantum_noise(generator(4), flat * np.float32(grey), flat * np.float32(variance), 100.0)
    relative = values.astype(float).ravel() / variance**0.5
    n = relative.size
    assert abs(relative.mean()) < 4 / np.sqrt(n)
    assert abs(relative.var() - 1) < 4 * np.sqrt((2 + 1 / expected) / n)
    if expected < 50:
        assert stats.skew(relative) == pytest.approx(expected**-0.5, rel=0.15, abs=0.03)


def test_no_quanta_no_noise_and_no_nan() -> None:
    nothing = np.zeros((9, 9), np.float32)
    np.testing.assert_array_equal(quantum_noise(generator(5), nothing, nothing, 300.0), 0.0)


@pytest.mark.parametrize("shape", [(64, 64), (63, 50), (48, 97)])
def test_coloured_noise_has_the_spectrum_and_the_variance_asked_for(shape: tuple[int, int]) -> None:
    rng, count = generator(6), 400
    amplitude = (1.0 / (1.0 + radial_frequency(shape, 0.048))).astype(np.float32)
    power, variance = np.zeros(amplitude.shape), 0.0
    for _ in range(count):
        spectrum = coloured_spectrum(standard_normal(rng, shape), amplitude)
        image = scipy.fft.irfft2(spectrum, s=shape)
        variance += (image.astype(float) ** 2).mean() / count
        power += np.abs(scipy.fft.rfft2(image, norm="ortho")) ** 2 / count
    # First and last columns hold real bins at DC and Nyquist; they must have their full variance too.
    for part in (power[:, :1] / amplitude[:, :1] ** 2, power[:, -1:] / amplitude[:, -1:] ** 2):
        assert part.mean() == pytest.approx(1.0, abs=5 * np.sqrt(2 / (count * part.size)))
    expected = (amplitude**2 * half_plane_weights(shape)).sum() / np.prod(shape)
    assert variance == pytest.approx(expected, rel=0.03)
