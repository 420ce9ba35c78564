"""Probes of spatial response and noise against closed forms."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
import scipy.fft
from scipy.ndimage import gaussian_filter

import xsim.phantoms
from xsim.degradation.link import GreyLink
from xsim.grids import radial_frequency
from xsim.measure.bars import square_wave_ctf
from xsim_zoo.evaluation.probes.bars import GROUPS_LP_MM, contrast_transfer
from xsim_zoo.evaluation.probes.edges import Condition, conditions, edge_response
from xsim_zoo.evaluation.probes.mismatch import Mismatch, degraded
from xsim_zoo.evaluation.probes.noise import noise_gain
from xsim_zoo.evaluation.probes.shapes import weak_error
from xsim_zoo.process.physics import Physics
from xsim_zoo.restorers.classical import Wiener

if TYPE_CHECKING:
    from types import SimpleNamespace

    from numpy.typing import NDArray

PITCH_MM = 0.048
SIDE = 256


def _edge(contrast: float, angle_deg: float = 3.0) -> NDArray[np.float32]:
    """Return a slanted edge seen by pixels, of grey 0.8 on its bright side."""
    phantom = xsim.phantoms.target("edge", (4 * SIDE, 4 * SIDE), PITCH_MM / 4, thickness_mm=1.0, angle_deg=angle_deg)
    cover = phantom.thickness_mm[0].reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3))
    return (0.8 * (1.0 - contrast * cover)).astype(np.float32)


def test_the_true_image_transfers_everything() -> None:
    edge = _edge(0.3)
    found = edge_response("hr", Condition(0.3), [edge, edge], edge, PITCH_MM)
    values = [value for value in found.transfer if value is not None]
    assert len(values) > 15
    np.testing.assert_allclose(values, 1.0, atol=1e-6)
    assert found.overshoot < 0.01


def test_wiener_transfers_what_its_formula_says(toys: SimpleNamespace) -> None:
    degradation = toys.closed_form(GreyLink.identity())
    restorer = Wiener(Physics(degradation, toys.power_law()))
    edge = _edge(0.1)
    padded = np.pad(edge.astype(np.float64), 64, mode="reflect")
    blurred = scipy.fft.irfft2(scipy.fft.rfft2(padded) * degradation.B_1_map(padded.shape), s=padded.shape)
    y = blurred[64:-64, 64:-64].astype(np.float32)
    found = edge_response("wiener", Condition(0.1), [restorer.restore_array(y)], edge, PITCH_MM)
    f = np.asarray(found.frequency_lp_mm)
    B = np.exp(-((f / 4.0) ** 1.2))
    S = np.interp(f, toys.power_law().frequency_lp_mm, toys.power_law().S_mm2)
    Sigma = np.interp(f, degradation.frequency_lp_mm, degradation.Sigma_1_mm2) * degradation.noise_level(y)
    W = S * B / (S * B**2 + Sigma)
    known = np.array([value is not None for value in found.transfer])
    assert known[: int(6 / 0.5)].all()
    measured = np.array([np.nan if value is None else value for value in found.transfer])
    np.testing.assert_allclose(measured[known], (W * B)[known], atol=0.02)


def test_a_flat_answer_transfers_nothing() -> None:
    flat = np.random.default_rng(1).normal(0.8, 0.01, (SIDE, SIDE)).astype(np.float32)
    found = edge_response("flat", Condition(0.3), [flat], _edge(0.3), PITCH_MM)
    assert set(found.transfer) == {None}


def test_every_edge_lies_as_it_says() -> None:
    assert len(set(conditions(quick=False))) == len(conditions(quick=False))
    assert Condition(0.3, polarity="metal-right", direction="horizontal").turn_deg == 273.0


def test_bars_have_the_contrast_of_the_blur_they_went_through() -> None:
    sigma_mm = 0.05
    phantom = xsim.phantoms.target("bars", (4 * SIDE, 4 * SIDE), PITCH_MM / 4, thickness_mm=1.0, angle_deg=3.0)
    soft = gaussian_filter(phantom.thickness_mm[0], sigma_mm / (PITCH_MM / 4))
    image = 0.9 * (1.0 - 0.3 * soft.reshape(SIDE, 4, SIDE, 4).mean(axis=(1, 3)))
    # The pixel's square, along the normal of bars that are turned by 3 degrees, is nearly a box.
    expected = square_wave_ctf(GROUPS_LP_MM, lambda f: np.exp(-2 * (np.pi * sigma_mm * f) ** 2) * np.sinc(PITCH_MM * f))
    found = [contrast_transfer(image, lp_mm, 0.27, PITCH_MM)[0] for lp_mm in GROUPS_LP_MM]
    for lp_mm, value, ideal in zip(GROUPS_LP_MM, found, expected, strict=True):
        if ideal > 0.05:
            assert value == pytest.approx(ideal, abs=0.03), lp_mm


def test_a_filter_s_noise_gain_is_its_square() -> None:
    rng = np.random.default_rng(5)
    frames = [rng.normal(0.8, 0.01, (224, 224)).astype(np.float32) for _ in range(16)]
    transfer = np.exp(-radial_frequency((224, 224), PITCH_MM) / 6.0)
    answers = [scipy.fft.irfft2(scipy.fft.rfft2(f) * transfer, s=f.shape).astype(np.float32) for f in frames]
    found = noise_gain("filter", answers, frames, PITCH_MM)
    f = np.asarray(found.frequency_lp_mm)
    gain = np.array([np.nan if value is None else value for value in found.gain])
    np.testing.assert_allclose(gain[4:28], np.exp(-2 * f[4:28] / 6.0), rtol=0.1)
    assert noise_gain("same", frames, frames, PITCH_MM).gain[5] == pytest.approx(1.0)


def test_an_answer_without_noise_has_no_gain() -> None:
    rng = np.random.default_rng(6)
    frames = [rng.normal(0.8, 0.01, (224, 224)).astype(np.float32) for _ in range(4)]
    flat = [np.full((224, 224), 0.8, np.float32)] * 4
    assert set(noise_gain("flat", flat, frames, PITCH_MM).gain) == {None}


def test_mismatched_blur_is_the_stated_one_at_another_frequency(toys: SimpleNamespace) -> None:
    degradation = toys.closed_form(GreyLink.identity(), noise=1e-12)
    period = 16
    wave = 0.5 + 0.2 * np.cos(2 * np.pi * np.arange(SIDE) / period)[None, :].repeat(SIDE, axis=0)
    f = 1 / (period * PITCH_MM)
    for factor in (0.9, 1.0, 1.1):
        y = degraded(wave.astype(np.float32), degradation, Mismatch(mtf=factor), np.random.default_rng(0))
        middle = y[100:150, 64:192]
        amplitude = 2 * np.abs(np.mean((middle - middle.mean()) * np.exp(-2j * np.pi * np.arange(128) / period)))
        assert amplitude / 0.2 == pytest.approx(np.exp(-((f / factor / 4.0) ** 1.2)), rel=0.01)


def test_mismatched_dose_and_shift_do_what_they_say(toys: SimpleNamespace) -> None:
    degradation = toys.closed_form(GreyLink.identity())
    flat = np.full((SIDE, SIDE), 0.6, np.float32)
    noise = {
        dose: degraded(flat, degradation, Mismatch(dose=dose), np.random.default_rng(0)).std() for dose in (0.5, 1, 2)
    }
    assert noise[0.5] / noise[1] == pytest.approx(np.sqrt(2), rel=1e-3)
    assert noise[1] / noise[2] == pytest.approx(np.sqrt(2), rel=1e-3)
    quiet = toys.closed_form(GreyLink.identity(), noise=1e-12)
    board = toys.board(3, (128, 128))
    here = degraded(board, quiet, Mismatch(), np.random.default_rng(0))
    there = degraded(board, quiet, Mismatch(shift_px=1.0), np.random.default_rng(0))
    np.testing.assert_allclose(there[:, 33:96], here[:, 32:95], atol=2e-3)


def test_errors_count_where_the_measurement_is_weak(toys: SimpleNamespace) -> None:
    degradation = toys.closed_form(GreyLink.identity(), width=2.0)
    rng = np.random.default_rng(7)
    clean = rng.normal(0.5, 0.1, (128, 128))
    weak = degradation.B_1_map(clean.shape) < 0.25
    spectrum = scipy.fft.rfft2(clean)
    for where, expected in ((weak, 1.0), (~weak, 0.0)):
        emptied = scipy.fft.irfft2(np.where(where, 0.0, spectrum), s=clean.shape)
        emptied += clean.mean() - emptied.mean()
        # The window spreads a little over the limit.
        assert weak_error(emptied, clean, degradation) == pytest.approx(expected, abs=0.03)
    assert weak_error(clean, clean, degradation) == 0.0
    assert weak_error(clean, clean, toys.closed_form(GreyLink.identity(), width=1e3)) is None
