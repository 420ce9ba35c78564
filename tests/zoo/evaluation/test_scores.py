"""Power and coherent transfer of answers whose spectra are known."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.fft

from xsim.grids import radial_frequency
from xsim_zoo.evaluation.scores import ring_centres, ring_powers

PITCH_MM = 0.048
SHAPE = (192, 160)


def _scene(seed: int) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=SHAPE)


def test_rings_end_within_nyquist() -> None:
    centres = ring_centres(PITCH_MM)
    assert centres[0] == 0.5
    assert centres[-1] + 0.25 <= 0.5 / PITCH_MM < centres[-1] + 0.75


@pytest.mark.parametrize("gain", [1.0, 0.5])
def test_a_gain_is_itself_as_transfer_and_its_square_as_power(gain: float) -> None:
    scene = _scene(1)
    found = ring_powers(gain * scene + 3.0, scene, PITCH_MM)
    np.testing.assert_allclose(found.answer / found.reference, gain**2)
    np.testing.assert_allclose(found.cross / found.reference, gain)


def test_foreign_structure_is_power_without_transfer() -> None:
    scene = _scene(1)
    found = ring_powers(scene + _scene(2), scene, PITCH_MM)
    assert np.mean(found.answer / found.reference) == pytest.approx(2.0, abs=0.1)
    assert np.mean(found.cross / found.reference) == pytest.approx(1.0, abs=0.05)


def test_a_blur_is_read_at_its_own_frequencies() -> None:
    scene = _scene(4)
    blur = np.exp(-radial_frequency(SHAPE, PITCH_MM) / 4.0)
    found = ring_powers(scipy.fft.irfft2(scipy.fft.rfft2(scene) * blur, s=SHAPE), scene, PITCH_MM)
    np.testing.assert_allclose(found.cross / found.reference, np.exp(-ring_centres(PITCH_MM) / 4.0), atol=0.02)
