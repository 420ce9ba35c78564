"""Binned pixels, two gains, structured fixed pattern and ghosts: each against what it stands for, done the long way."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from tests.xsim.chain import quiet_setup
from xsim.detector.detector import Detector, DetectorResponse, Screen, Sensor
from xsim.errors import PhysicsRangeError, UnknownNameError
from xsim.grids import frequency_axes, half_plane_weights
from xsim.imaging.acquisition import Acquisition, FixedPattern, acquire
from xsim.seeds import generator
from xsim.spectrum import preset_spectrum

PAPER = preset_spectrum("paper")
SHAPE = (256, 256)
ONES = np.ones(SHAPE, np.float32)


def response_of(**sensor: Any) -> DetectorResponse:
    setup = quiet_setup()
    return replace(setup.hr, sensor=replace(setup.hr.sensor, **sensor)).response(setup.spectrum, setup.kerma_uGy)


def shot(light: np.ndarray, response: DetectorResponse, frames: int = 1, **options: Any) -> np.ndarray:
    pattern = FixedPattern(ONES, ONES)
    options = {"acquisition": Acquisition(), **options}
    return acquire(light, response, pattern, generator(1), frames=frames, **options).image.astype(float)


def test_binned_noise_is_that_of_photodiodes_added_four_by_four() -> None:
    fine, binned = (
        Detector(Screen(34.0), Sensor(pitch_mm=pitch, binning=count, fill_factor=0.7)).response(PAPER, 40.0)
        for pitch, count in ((0.048, 1), (0.096, 2))
    )
    assert binned.signal_electrons == pytest.approx(4.0 * fine.signal_electrons, rel=1e-9)
    assert binned.sensor.full_well_e == pytest.approx(4.0 * fine.sensor.full_well_e, rel=1e-9)
    # The NNPS of the fine image, averaged over 2 x 2 pixels and then sampled at every second.
    n = 64
    nnps = np.zeros((n, n))
    nnps[:, : n // 2 + 1] = fine.nnps_map((n, n))
    nnps[:, n // 2 + 1 :] = np.roll(nnps[::-1], 1, axis=0)[:, n // 2 - 1 : 0 : -1]
    mean = np.square(np.cos(np.pi * np.fft.fftfreq(n)))
    filtered = nnps * mean[:, None] * mean[None, :]
    half = n // 2
    folded = sum(filtered[a : a + half, b : b + half] for a in (0, half) for b in (0, half))
    np.testing.assert_allclose(binned.nnps_map((half, half)), folded[:, : half // 2 + 1], rtol=0.01)
    # One large photodiode of the same area samples otherwise; with no gaps between them they are the same.
    plain = Sensor(pitch_mm=0.096, fill_factor=1.0)
    f = np.linspace(0.0, 30.0, 61)
    np.testing.assert_allclose(replace(plain, binning=4).aperture_mtf(f), plain.aperture_mtf(f), atol=1e-12)
    assert abs(replace(plain, fill_factor=0.5, binning=2).aperture_mtf([9.0])[0]) < 0.9 * np.sinc(0.096 * 0.5**0.5 * 9)


def test_reading_binned_pixels_is_as_noisy_as_reading_each() -> None:
    single, binned = Sensor(read_noise_e=300.0, full_well_e=1e6), Sensor(read_noise_e=300.0, full_well_e=4e6, binning=2)
    assert binned.electrons_per_count == pytest.approx(single.electrons_per_count)
    assert binned.electronic_variance_e2 == pytest.approx(4.0 * single.electronic_variance_e2)
    assert binned.dark_noise_e == 600.0


@pytest.mark.parametrize("frames", [1, 9])
def test_two_gains_read_dark_pixels_quietly_and_bright_ones_as_before(frames: int) -> None:
    sensor = {"read_noise_e": 2000.0, "high_gain_well_e": 1e5, "high_gain_read_noise_e": 100.0, "adc_bits": 12}
    response, single = response_of(**sensor), response_of(**{**sensor, "high_gain_well_e": 0.0})
    electrons = response.signal_electrons
    for level, gained in ((0.0, True), (0.9 * 1e5 / electrons, True), (0.8, False)):
        light = np.full(SHAPE, level, np.float32)
        image, usual = (shot(light, one, frames) for one in (response, single))
        electronic = 100.0**2 + (1e5 / 2**12) ** 2 / 12 if gained else single.sensor.electronic_variance_e2
        expected = (level / electrons + electronic / electrons**2) / frames
        assert image.var() == pytest.approx(expected, rel=5 * (2 / image.size) ** 0.5)
        assert image.mean() == pytest.approx(level, abs=5 * (expected / image.size) ** 0.5)
        assert np.array_equal(image, usual) == (not gained)
    # The sheet of the open field knows in which gain it is read.
    assert response.read_nnps_mm2 == single.read_nnps_mm2
    assert (
        replace(response, signal_electrons=9e4).read_nnps_mm2
        < 0.01 * replace(single, signal_electrons=9e4).read_nnps_mm2
    )


@pytest.mark.parametrize("length_mm", [0.02, 0.3])
def test_a_structured_pattern_has_the_spread_and_spectrum_that_are_stated(length_mm: float) -> None:
    sensor = Sensor(structure_sd=0.01, structure_mm=length_mm)
    pattern = np.stack([sensor.structure_map(SHAPE, seed) for seed in range(8)]).astype(float) - 1.0
    patches = SHAPE[0] * sensor.pitch_mm / max(length_mm, sensor.pitch_mm)
    assert pattern.std() == pytest.approx(0.01, rel=4.0 / patches)
    measured = sensor.pitch_mm**2 / pattern[0].size * np.square(np.abs(np.fft.rfft2(pattern))).mean(axis=0)
    v, u = frequency_axes(SHAPE, sensor.pitch_mm)
    stated = sensor.structure_nnps_mm2(v, u)
    weights = np.broadcast_to(half_plane_weights(SHAPE), stated.shape)
    assert np.average(stated, weights=weights) / sensor.pitch_mm**2 == pytest.approx(0.01**2, rel=1e-6)
    for low, high in ((0.0, 0.5), (0.5, 2.0), (2.0, 5.0)):
        ring = (np.hypot(v, u) >= low) & (np.hypot(v, u) < high)
        if stated[ring].sum() > 1e-3 * stated.sum():
            assert measured[ring].sum() == pytest.approx(stated[ring].sum(), rel=6.0 / (8 * ring.sum()) ** 0.5 + 0.01)
    # The neighbours' correlation is that of the stated length.
    along = (pattern[:, :, 1:] * pattern[:, :, :-1]).mean() / pattern.var()
    assert along == pytest.approx(np.exp(-((sensor.pitch_mm / length_mm) ** 2) / 2), abs=0.01)


def test_what_averaging_leaves_has_the_structure_of_the_pattern() -> None:
    white, grained = (response_of(structure_sd=0.01, structure_mm=length) for length in (0.0, 0.2))
    f = np.array([0.05, 1.0, 5.0])
    own = 1.0 / 20 * white.nnps(f)
    np.testing.assert_allclose(white.mean_nnps(f, 20) - own, 0.01**2 * white.pitch_mm**2, rtol=1e-9)
    law = 0.01**2 * 2.0 * np.pi * 0.2**2 * np.exp(-2.0 * (np.pi * 0.2 * f) ** 2)
    np.testing.assert_allclose(grained.mean_nnps(f, 20) - own, law, rtol=1e-3, atol=1e-12)


def test_lines_run_over_the_whole_field() -> None:
    pattern = Sensor(line_sd=0.004).structure_map((400, 300), 2).astype(float)
    assert pattern.mean(axis=1).std() == pytest.approx(0.004, rel=0.15)
    assert pattern.mean(axis=0).std() == pytest.approx(0.004, rel=0.17)
    lines = pattern.mean(axis=1, keepdims=True) + pattern.mean(axis=0, keepdims=True) - pattern.mean()
    assert np.abs(pattern - lines).max() < 1e-6


@pytest.mark.parametrize("frames", [1, 3])
def test_lag_leaves_a_ghost_of_what_was_before(frames: int) -> None:
    lag, light = 0.2, np.where(np.arange(SHAPE[1]) < 100, 0.3, 0.8) * ONES
    # Frame by frame: a share of each is what the last one was.
    for before, level in (("open", 1.0), ("dark", 0.0), ("steady", None)):
        state, shown = (light if level is None else np.full(SHAPE, level)), []
        for _ in range(frames):
            state = (1.0 - lag) * light + lag * state
            shown.append(state)
        image = shot(light.astype(np.float32), response_of(lag=lag, lag_before=before, read_noise_e=0.0), frames)
        for part in (slice(0, 100), slice(100, None)):
            assert image[:, part].mean() == pytest.approx(np.mean(shown, axis=0)[:, part].mean(), abs=1e-4)
    ghost = shot(ONES, response_of(lag=lag, read_noise_e=0.0), before=light.astype(np.float32))
    assert ghost[:, :100].mean() == pytest.approx(0.8 + 0.2 * 0.3, abs=1e-4)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"binning": 0}, "binning 0"), ({"binning": 1.5}, "binning 1.5 is no whole"),
     ({"structure_mm": -1.0}, "structure_mm"), ({"line_sd": 1.0}, "line_sd"),
     ({"high_gain_well_e": 3e6}, "100 to 2.2e.06 electrons"),
     ({"lag_before": "yesterday"}, "unknown sensor lag_before")],
)  # fmt: skip
def test_impossible_pixels_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((PhysicsRangeError, UnknownNameError), match=message):
        Sensor(**changes)


def test_files_keep_what_is_unusual_and_nothing_else() -> None:
    assert not {"binning", "structure_mm", "line_sd", "lag_before"} & set(Detector(Screen(34.0)).to_dict()["sensor"])
    unusual = Sensor(binning=2, structure_mm=0.1, line_sd=0.01, lag_before="dark", high_gain_well_e=1e5)
    detector = Detector(Screen(34.0), unusual)
    assert Detector.from_dict(detector.to_dict()) == detector
