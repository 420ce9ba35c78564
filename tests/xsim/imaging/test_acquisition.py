"""Acquisition: electrons, ADC, frames, fixed pattern, flat field, defects."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.xsim.chain import quiet_setup
from xsim.errors import PhysicsRangeError
from xsim.imaging.acquisition import Acquisition, FixedPattern, acquire, correct_defects, fixed_pattern
from xsim.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.detector.response import DetectorResponse

SHAPE = (300, 400)
ONES = np.ones(SHAPE, np.float32)
PERFECT = FixedPattern(ONES, ONES)


def response_of(**sensor: Any) -> DetectorResponse:
    setup = quiet_setup()
    return replace(setup.hr, sensor=replace(setup.hr.sensor, **sensor)).response(setup.spectrum, setup.kerma_uGy)


def shot(
    level: float = 1.0, response: DetectorResponse | None = None, frames: int = 1, **options: Any
) -> NDArray[np.float64]:
    options = {"acquisition": Acquisition(), "pattern": PERFECT, "seed": 1, **options}
    pattern, seed = options.pop("pattern"), options.pop("seed")
    light = np.full(SHAPE, level, np.float32)
    image = acquire(light, response or response_of(), pattern, generator(seed), frames=frames, **options).image
    return image.astype(float)


@pytest.mark.parametrize("level", [1.0, 0.5, 0.02, 0.0])
@pytest.mark.parametrize("frames", [1, 20])
def test_shot_and_read_noise_have_the_variance_of_electrons(level: float, frames: int) -> None:
    response = response_of()
    electrons = response.signal_electrons
    expected = (level / electrons + response.sensor.electronic_variance_e2 / electrons**2) / frames
    image = shot(level, response, frames)
    assert image.mean() == pytest.approx(level, abs=5 * (expected / image.size) ** 0.5)
    assert image.var() == pytest.approx(expected, rel=5 * (2 / image.size) ** 0.5)


def test_the_mean_of_frames_is_what_averaging_frames_gives() -> None:
    # Oracle: frames made one by one, digitised one by one, averaged.
    response = response_of(adc_bits=12)  # a count of 1.4 sigma: digitising matters and is still dithered
    frames = [shot(0.4, response, seed=seed) for seed in range(20)]
    made, drawn = np.mean(frames, axis=0), shot(0.4, response, 20, seed=99)
    assert drawn.mean() == pytest.approx(made.mean(), abs=4 * (2 * made.var() / made.size) ** 0.5)
    assert drawn.var() == pytest.approx(made.var(), rel=5 * (4 / made.size) ** 0.5)
    # Both lie on the same grid of twentieths of a count.
    step = response.sensor.electrons_per_count / response.signal_electrons / 20
    np.testing.assert_allclose(drawn / step, np.rint(drawn / step), atol=2e-3)


def test_lag_makes_averaging_less_effective() -> None:
    response = response_of(lag=0.3)
    ratio = shot(1.0, response, 20).var() / shot(1.0, response).var()
    assert ratio == pytest.approx(response.sensor.frame_average(20), rel=0.02)
    assert ratio > 1.7 / 20


def test_a_frame_lies_on_the_counts_of_the_adc() -> None:
    response = response_of(adc_bits=8)
    counts = shot(0.7, response) * response.signal_electrons / response.sensor.electrons_per_count
    np.testing.assert_allclose(counts, np.rint(counts), atol=1e-3)


def test_saturation_is_clipped_and_counted() -> None:
    response = response_of(full_well_e=2e5)
    light = np.where(np.arange(SHAPE[1]) < 100, 1.5, 0.2).astype(np.float32) * ONES
    result = acquire(light, response, PERFECT, generator(1), frames=1, acquisition=Acquisition())
    top = (2e5 - response.sensor.electrons_per_count) / response.signal_electrons
    assert result.saturated == 100 * SHAPE[0]
    np.testing.assert_allclose(result.image[:, :100], top, rtol=1e-4)
    assert np.isfinite(result.image).all()


@pytest.mark.parametrize("signal", [1e-9, 1e30])
def test_absurd_doses_are_neither_nan_nor_overflow(signal: float) -> None:
    response = replace(response_of(), signal_electrons=signal)
    result = acquire(ONES, response, PERFECT, generator(1), frames=1, acquisition=Acquisition())
    assert np.isfinite(result.image).all()
    assert result.saturated == (ONES.size if signal > 1 else 0)


def test_flat_field_correction_removes_gain_and_leaves_its_own_noise() -> None:
    response = response_of(gain_sd=0.05, flat_frames=16)
    pattern = fixed_pattern(response, Acquisition(), SHAPE, 7).window(SHAPE, generator(1))
    assert pattern.gain.std() == pytest.approx(0.05, rel=0.05)
    raw = shot(1.0, response, 10_000, pattern=pattern, acquisition=Acquisition(correct=False))
    corrected = shot(1.0, response, 10_000, pattern=pattern)
    assert raw.std() == pytest.approx(0.05, rel=0.05)
    # S_fix: the noise of one frame through the mean of 16 flats.
    assert corrected.std() == pytest.approx(response.pixel_sigma / 4, rel=0.03)
    assert np.corrcoef(corrected.ravel(), pattern.residual.ravel())[0, 1] > 0.99


def test_perfect_flats_leave_nothing() -> None:
    response = response_of(gain_sd=0.05)
    pattern = fixed_pattern(response, Acquisition(), SHAPE, 7).window(SHAPE, generator(1))
    expected = 1 / response.signal_electrons + response.sensor.electronic_variance_e2 / response.signal_electrons**2
    assert shot(1.0, response, pattern=pattern).var() == pytest.approx(expected, rel=0.03)


def test_shading_is_corrected_and_its_noise_is_not() -> None:
    kerma = np.linspace(0.25, 1.0, SHAPE[1], dtype=np.float32)[None, :] * ONES
    corrected = shot(0.5, kerma=kerma)
    np.testing.assert_allclose(corrected[:, :20].mean(), 0.5, rtol=1e-3)
    assert corrected[:, :20].std() > 1.8 * corrected[:, -20:].std()
    raw = shot(0.5, kerma=kerma, acquisition=Acquisition(correct=False))
    assert raw[:, :20].mean() == pytest.approx(0.13, rel=0.1)


def test_exposure_scales_the_image_and_its_shot_noise() -> None:
    image = shot(1.0, response_of(read_noise_e=0.0), exposure=1.2)
    assert image.mean() == pytest.approx(1.2, rel=1e-4)
    assert image.var() == pytest.approx(1.2 * shot(1.0, response_of(read_noise_e=0.0)).var(), rel=0.02)


def test_exposure_is_drawn_about_the_drift() -> None:
    tube = Acquisition(exposure_drift=0.1, exposure_sd=0.05)
    rng = generator(3)
    draws = [tube.exposure(rng, 4) for _ in range(4000)]
    assert np.mean(draws) == pytest.approx(1.1, abs=0.002)
    assert np.std(draws) == pytest.approx(0.025, rel=0.05)
    assert Acquisition().exposure(rng, 1) == 1.0


def test_offsets_are_subtracted_but_for_the_noise_of_their_map() -> None:
    response = response_of()
    dark = Acquisition(offset_sd_e=5000.0, dark_frames=4)
    pattern = fixed_pattern(response, dark, SHAPE, 3).window(SHAPE, generator(1))
    raw = shot(0.0, response, 10_000, pattern=pattern, acquisition=replace(dark, correct=False))
    corrected = shot(0.0, response, 10_000, pattern=pattern, acquisition=dark)
    electrons = response.signal_electrons
    assert raw.std() == pytest.approx(5000 / electrons, rel=0.02)
    assert corrected.std() == pytest.approx(response.sensor.read_noise_e / 2 / electrons, rel=0.03)


def test_defective_pixels_are_counted_and_replaced() -> None:
    response = response_of(defect_fraction=0.02)
    pattern = fixed_pattern(response, Acquisition(), SHAPE, 3).window(SHAPE, generator(1))
    light = np.broadcast_to(np.linspace(0.2, 0.8, SHAPE[1], dtype=np.float32), SHAPE).copy()
    result = acquire(light, response, pattern, generator(1), frames=20, acquisition=Acquisition())
    assert result.defective == pytest.approx(0.02 * light.size, rel=0.1)
    assert np.abs(result.image - light).max() < 0.02
    raw = acquire(light, response, pattern, generator(1), frames=20, acquisition=Acquisition(correct=False)).image
    assert (raw == 0).sum() > 800
    assert (raw > 5).sum() > 800


def test_clusters_of_defects_are_filled_from_their_rim() -> None:
    image = np.broadcast_to(np.arange(40, dtype=np.float32), (30, 40)).copy()
    bad = np.zeros((30, 40), bool)
    bad[10:17, 10:17] = bad[:, 25] = bad[0, 0] = True
    broken = np.where(bad, np.float32(1e6), image)
    filled = correct_defects(broken, bad)
    assert np.abs(filled - image).max() < 4
    np.testing.assert_array_equal(filled[~bad], image[~bad])
    assert np.abs(filled[:, 25] - 25).max() < 1e-5
    assert broken[12, 12] == 1e6


def test_an_image_of_nothing_but_defects_is_left_alone() -> None:
    np.testing.assert_array_equal(correct_defects(ONES, ONES > 0), ONES)


def test_a_detector_keeps_its_pattern_and_shots_fall_anywhere_on_it() -> None:
    response = response_of(flat_frames=16, gain_sd=0.01)
    first, other = (fixed_pattern(response, Acquisition(), SHAPE, seed) for seed in (1, 2))
    assert first is fixed_pattern(response, Acquisition(), SHAPE, 1)
    assert abs(np.corrcoef(first.residual.ravel(), other.residual.ravel())[0, 1]) < 0.02
    windows = [first.window(SHAPE, generator(seed)).residual for seed in range(20)]
    assert len({float(window[0, 0]) for window in windows}) > 10
    assert {window.shape for window in windows} == {SHAPE}


@pytest.mark.parametrize("name", ["exposure_sd", "exposure_drift", "offset_sd_e", "dark_frames"])
def test_absurd_values_are_refused(name: str) -> None:
    for bad in (-1.0, float("nan"), 1e12):
        with pytest.raises(PhysicsRangeError, match="out of range"):
            Acquisition(**{name: bad})  # type: ignore[arg-type]
