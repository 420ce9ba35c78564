"""Noise of flat parts, with and without the object's own texture in them."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.measure.blind.flats import FlatNoise, flat_blocks, flat_noise
from xsim.measure.blind.mixture import SIGMAS_PX, mtf_columns
from xsim.measure.blind.noise import noise_of
from xsim.measure.blind.parts import choose_parts

SIDE = 512
WEIGHTS = np.where(SIGMAS_PX == 1.4, 0.7, np.where(SIGMAS_PX == 4.4, 0.3, 0.0))
NOISE = 0.008


def flat(exponent: float, seed: int) -> np.ndarray:
    """Return an open field whose noise follows the blur to a power, a tenth of its variance white."""
    f = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None])
    colour = (mtf_columns(f.ravel()) @ WEIGHTS).reshape(f.shape) ** (2 * exponent)
    power = 0.9 * colour / colour.mean() + 0.1
    white = np.random.default_rng(seed).normal(size=(SIDE, SIDE))
    return 1 + NOISE * np.fft.ifft2(np.fft.fft2(white) * np.sqrt(power)).real


def weave(depth: float, period: float = 12.0) -> np.ndarray:
    """Return bundles of fibres under 45 degrees that cross, as thickness, blurred with the image."""
    y, x = np.mgrid[:SIDE, :SIDE] / period * 2 * np.pi / np.sqrt(2)
    bundles = np.abs(np.sin((x + y) / 2)) + np.abs(np.sin((x - y) / 2)) + 0.3 * np.sin(x + y) * np.sin(x - y)
    f = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None])
    mtf = (mtf_columns(f.ravel()) @ WEIGHTS).reshape(f.shape)
    return np.fft.ifft2(np.fft.fft2(depth * (bundles - bundles.mean())) * mtf).real


def found(image: np.ndarray) -> FlatNoise:
    noise = flat_noise(flat_blocks([image], [np.ones(image.shape, bool)]), WEIGHTS)
    assert noise is not None
    return noise


@pytest.mark.parametrize("exponent", [1.0, 0.7])
def test_noise_without_texture_is_all_of_it(exponent):
    noise = found(flat(exponent, 1))
    assert noise.texture == 0
    assert noise.rms == pytest.approx(NOISE, rel=0.06)


@pytest.mark.parametrize("exponent", [1.0, 0.7])
@pytest.mark.parametrize("depth", [0.04, 0.1])
def test_texture_everywhere_is_no_noise(exponent, depth):
    image = flat(exponent, 2) + weave(depth)
    assert np.std(image) > 1.5 * NOISE  # what was taken for the noise before
    noise = found(image)
    assert noise.texture > 0.5 * np.var(weave(depth))
    assert noise.rms == pytest.approx(NOISE, rel=0.3)
    assert abs(np.log(noise.rms / NOISE)) < 2.6 * noise.error


def test_a_spectrum_that_nothing_explains_leaves_the_level_open():
    f = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.fftfreq(SIDE)[None])
    # Foam: as coarse as the blocks, and with fine detail that no blur of this width lets through.
    power = 1 / (f + 0.02) ** 4
    foam = np.fft.ifft2(np.fft.fft2(np.random.default_rng(3).normal(size=f.shape)) * np.sqrt(power / power.mean())).real
    image = flat(0.7, 2) + 5 * NOISE * foam
    noise = found(image)
    assert noise.rms > 1.5 * NOISE
    assert noise.rms * noise.least < NOISE
    said = noise_of(choose_parts([image], [np.ones(image.shape, bool)]), WEIGHTS).remarks
    assert "the flattest parts hold detail" in said[-1]
