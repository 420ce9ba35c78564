"""The spectrum of structure behind blur and noise, of scenes whose spectrum is drawn."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.degradation.known import KnownDetector
from xsim.measure.blind.structure import structure_of

SIDE = 512


def scene(rng, slope=-3.0, power=1e-4):
    """Return a Gaussian scene of mean .5 with power ``power (f / .05)^slope``."""
    f = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    f[0, 0] = 1.0
    spectrum = np.fft.rfft2(rng.normal(size=(SIDE, SIDE)), norm="ortho") * np.sqrt(power * (f / 0.05) ** slope)
    spectrum[0, 0] = f[0, 0] = 0
    return 0.5 + np.fft.irfft2(spectrum, s=(SIDE, SIDE), norm="ortho"), f


@pytest.mark.parametrize("noise", [1e-6, 1e-5])
def test_the_spectrum_of_the_scene_comes_back(noise):
    rng = np.random.default_rng(3)
    image, f = scene(rng)
    grid = np.linspace(0.0, 0.75, 301)
    mtf = np.exp(-((grid / 0.2) ** 2))
    blurred = np.fft.irfft2(np.fft.rfft2(image) * np.interp(f, grid, mtf), s=image.shape)
    blurred += np.sqrt(noise * 0.5) * rng.normal(size=image.shape)
    found = structure_of(blurred, KnownDetector("test", grid, mtf, np.full(grid.size, noise)))
    # Structure equals noise where 1e-4 (f / .05)^-3 exp(-2 (f / .2)^2) = noise / 2.
    left = 1e-4 * (grid[1:] / 0.05) ** -3 * mtf[1:] ** 2 < noise * 0.5
    wanted = grid[1:][np.argmax(left)]
    assert found.last == pytest.approx(wanted, rel=0.2)
    seen = (found.frequency > 0.02) & (found.frequency < 0.3)
    ratio = found.power[seen] / (1e-4 * (found.frequency[seen] / 0.05) ** -3)
    assert 0.7 < np.exp(np.mean(np.log(ratio))) < 1.4
    assert 0.3 < ratio.min() < ratio.max() < 3.0
