"""Calibration recovers the detectors that made the images, and refuses what it cannot tell apart."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim import recipes
from xsim.degradation.degradation import Degradation
from xsim.degradation.link import GreyLink
from xsim.detector.detector import read_detectors
from xsim.errors import InputError
from xsim.measure.calibration import calibrate, fit_mtf, fit_nnps, measure_detector, read_calibration, write_calibration
from xsim.measure.edge import edge_mtf
from xsim.measure.wedge import unseen_ranges

SHAPE = (320, 320)
FLATS = 12


def edge_spread(response, angle_deg: float) -> tuple[np.ndarray, np.ndarray]:
    """Return distances [mm] and the edge profile along a tilted edge, by the sine transform of the known OTF."""
    angle, side = np.radians(angle_deg), response.sensor.aperture_mm
    df = 0.02
    f = np.arange(df / 2, 2 / response.pitch_mm, df)
    otf = response.screen_mtf(f) * np.sinc(f * side * np.cos(angle)) * np.sinc(f * side * np.sin(angle))
    s = np.linspace(-10, 10, 4001)
    return s, 0.5 + np.sin(2 * np.pi * np.outer(s, f)) @ (otf / (np.pi * f)) * df


def noise(response, rng: np.random.Generator, frames: int = 1) -> np.ndarray:
    variance = response.nnps_map(SHAPE) / response.pitch_mm**2 / frames
    return np.fft.irfft2(np.fft.rfft2(rng.normal(size=SHAPE)) * np.sqrt(variance), s=SHAPE)


def edge_image(response, rng: np.random.Generator, angle_deg: float = 3.0, frames: int = 20) -> np.ndarray:
    s, profile = edge_spread(response, angle_deg)
    y, x = np.indices(SHAPE)
    angle = np.radians(angle_deg)
    distance = ((x - 160.3) * np.cos(angle) - (y - 160) * np.sin(angle)) * response.pitch_mm
    image = 0.1 + 0.9 * np.interp(distance, s, profile)
    return image + noise(response, rng, frames) * np.sqrt(image)


@pytest.fixture(scope="module")
def setup():
    return recipes.paper()


@pytest.fixture(scope="module")
def measured(setup):
    rng = np.random.default_rng(1)
    found = []
    for response, detector in ((setup.hr_response, setup.hr), (setup.lr_response, setup.lr)):
        edges = [edge_mtf(edge_image(response, rng, angle), setup.pitch_mm) for angle in (2.5, 4.0)]
        flats = [1 + noise(response, rng) for _ in range(FLATS)]
        found.append(
            measure_detector(edges, flats, kerma_uGy=setup.kerma_uGy, screen=detector.screen, sensor=detector.sensor)
        )
    return found


@pytest.fixture(scope="module")
def calibration(setup, measured):
    return calibrate(*measured, setup.spectrum, link=setup.degradation().link)


def test_mtfs_within_0015_up_to_6_lp_mm(setup, measured):
    f = np.linspace(0, 6, 61)
    for found, response in zip(measured, (setup.hr_response, setup.lr_response), strict=True):
        again = found.detector.response(setup.spectrum, setup.kerma_uGy)
        assert np.abs(again.mtf(f) - response.mtf(f)).max() < 0.015


def test_sigma_within_5_percent(setup, calibration):
    truth, found = setup.degradation(), calibration.degradation
    f = np.linspace(0.5, 10, 96)
    ratio = np.interp(f, found.frequency_lp_mm, found.Sigma_1_mm2) / np.interp(
        f, truth.frequency_lp_mm, truth.Sigma_1_mm2
    )
    assert np.abs(ratio - 1).max() < 0.05
    B = [np.interp(f[f <= 6], one.frequency_lp_mm, one.B_1) for one in (found, truth)]
    assert np.abs(B[0] - B[1]).max() < 0.015


def test_uncertainties_cover_the_errors(setup, calibration):
    truth, found = setup.degradation(), calibration.degradation
    assert np.array_equal(truth.frequency_lp_mm, found.frequency_lp_mm)
    band = (found.frequency_lp_mm > 0.5) & (found.frequency_lp_mm < 6)
    z = (found.B_1 - truth.B_1)[band] / np.hypot(calibration.B_1_sd[band], 5e-4)
    assert np.sqrt(np.mean(z**2)) < 3
    assert np.all(calibration.Sigma_1_sd_mm2[band] < 0.05 * found.Sigma_1_mm2[band])


def test_file_round_trip(setup, calibration, tmp_path):
    path = tmp_path / "DETECTORS.toml"
    write_calibration(path, calibration)
    hr, lr, degradation = read_calibration(path)
    assert np.allclose(degradation.B_1, calibration.degradation.B_1)
    assert degradation.link.hr_grey == calibration.degradation.link.hr_grey
    assert degradation.link.lr_grey == calibration.degradation.link.lr_grey
    again = Degradation.between(
        hr.response(setup.spectrum, setup.kerma_uGy),
        lr.response(setup.spectrum, setup.kerma_uGy),
        link=degradation.link,
    )
    assert np.allclose(again.B_1, degradation.B_1, rtol=1e-6)
    assert set(read_detectors(path)) == {"hr", "lr"}
    path.write_text("[hr]\nx = 1\n")
    with pytest.raises(InputError, match=r"table \[degradation\] is missing"):
        read_calibration(path)


def test_link_from_registered_pairs(setup, measured):
    """A staircase seen by both: the link is the curve that made the LR greys."""
    link = GreyLink((0.0, 0.3, 0.6, 1.0), (0.0, 0.36, 0.66, 1.0))
    steps = np.repeat(np.linspace(0.05, 1, 12), 40)
    hr = np.tile(steps, (120, 1))
    truth = setup.degradation()
    lr = np.fft.irfft2(np.fft.rfft2(link.forward(hr)) * truth.B_1_map(hr.shape), s=hr.shape)
    found = calibrate(*measured, setup.spectrum, pairs=[(hr, lr)])
    grey = np.linspace(0.1, 0.95, 30)
    assert found.degradation.link.source == "pairs"
    assert np.abs(found.degradation.link.forward(grey) - link.forward(grey)).max() < 0.01
    assert not any("nominal screens" in text for text in found.warnings)


def test_greys_that_no_image_showed_are_said_to_be_guessed(setup, measured):
    coarse = np.repeat([0.15, 0.2, 0.3, 0.45, 0.6, 1.0], 40) * np.ones((240, 1))
    found = calibrate(*measured, setup.spectrum, pairs=[(coarse, coarse)]).warnings
    assert sum("is a guess" in text for text in found) == 1
    assert any(text.startswith("grey-level link between 0.60 and 1.00 is a guess") for text in found)
    fine = np.repeat(np.linspace(0.6, 1.0, 6), 40) * np.ones((240, 1))
    both = calibrate(*measured, setup.spectrum, pairs=[(coarse, coarse), (fine, fine)]).warnings
    assert not any("is a guess" in text for text in both)
    link = GreyLink((0.0, 0.2, 0.6, 1.0), (0.0, 0.3, 0.7, 1.0))
    assert sum("is a guess" in text for text in calibrate(*measured, setup.spectrum, link=link).warnings) == 2


@given(st.lists(st.floats(0.0, 1.0), min_size=1, max_size=20))
def test_unseen_ranges_are_wide_and_hold_no_level(greys):
    for low, high in unseen_ranges(greys):
        assert high - low > 0.2
        assert not any(low < grey < high for grey in greys)
    assert unseen_ranges([*greys, *np.linspace(0, 1, 7)]) == []


def test_without_pairs_the_link_is_said_to_be_nominal(setup, measured):
    found = calibrate(*measured, setup.spectrum)
    assert found.degradation.link.source == "physics"
    assert any("not measured" in text for text in found.warnings)


def test_swapped_detectors_are_refused(setup, measured):
    hr, lr = measured
    with pytest.raises(InputError, match="swapped"):
        calibrate(lr, hr, setup.spectrum, link=GreyLink.identity())


def test_one_flat_is_refused_and_few_are_reported(setup, measured):
    hr, lr = measured
    rng = np.random.default_rng(2)
    few = [1 + noise(setup.hr_response, rng) for _ in range(3)]
    options = {"kerma_uGy": setup.kerma_uGy, "screen": setup.hr.screen, "sensor": setup.hr.sensor}
    with pytest.raises(InputError, match="at least two"):
        measure_detector([hr.mtf], few[:1], **options)
    shy = measure_detector([hr.mtf], few, **options)
    found = calibrate(shy, lr, setup.spectrum, link=GreyLink.identity())
    assert any("3 are few" in text for text in found.warnings)


def test_unlike_pitches_are_refused(setup, measured):
    from xsim.detector.detector import Sensor

    with pytest.raises(InputError, match="one pitch"):
        measure_detector([measured[0].mtf], [], kerma_uGy=1, screen=setup.hr.screen, sensor=Sensor(pitch_mm=0.1))


def wiener(degradation: Degradation, y: np.ndarray, power: np.ndarray) -> np.ndarray:
    """Restore an LR image with its degradation and the power spectrum of sharp images in LR grey."""
    B, Sigma = degradation.B_1_map(y.shape), degradation.Sigma_1_map(y.shape)
    spectrum = np.fft.rfft2(y - y.mean(), norm="ortho") * power * B / (power * B**2 + Sigma)
    return degradation.link.inverse(np.fft.irfft2(spectrum, s=y.shape, norm="ortho") + y.mean())


@pytest.mark.slow
def test_wiener_with_calibrated_tables_loses_less_than_02_dB(setup, calibration):
    from xsim import phantoms
    from xsim.imaging.pair import simulate_pair

    boards = [phantoms.random_board(seed=500 + i, shape=(512, 512)) for i in range(5)]
    pairs = [simulate_pair(board, setup, seed=i) for i, board in enumerate(boards)]
    sharp, blurred = pairs[0].hr.astype(float), pairs[0].lr.astype(float)
    inner = (slice(24, -24),) * 2
    dB = []
    for degradation in (setup.degradation(), calibration.degradation):
        others = [degradation.link.forward(pair.hr.astype(float)) for pair in pairs[1:]]
        power = np.mean([np.abs(np.fft.rfft2(x - x.mean(), norm="ortho")) ** 2 for x in others], axis=0)
        error = wiener(degradation, blurred, power) - sharp
        dB.append(-10 * np.log10(np.mean(error[inner] ** 2)))
    assert dB[1] > dB[0] - 0.2


@settings(derandomize=True, deadline=None, max_examples=15)
@given(f50=st.floats(0.5, 6), seed=st.integers(0, 2**31))
def test_fits_never_rise_and_beat_the_noise(f50, seed):
    f = np.linspace(0, 10, 101)
    truth = 1 / (1 + (f / f50) ** 2)
    noise_sd = 0.02
    rng = np.random.default_rng(seed)
    seen = np.abs(
        truth + rng.normal(0, noise_sd / np.sqrt(2), f.size) + 1j * rng.normal(0, noise_sd / np.sqrt(2), f.size)
    )
    fit = fit_mtf(f, seen, np.full(f.size, noise_sd), f)
    assert fit[0] == pytest.approx(1)
    assert np.all(np.diff(fit) <= 1e-12)
    assert np.sqrt(np.mean((fit - truth) ** 2)) < 0.6 * noise_sd
    nnps = 1e-6 * truth[1:] + 1e-8
    spectrum = nnps * (1 + 0.03 * rng.normal(size=nnps.size))
    smooth = fit_nnps(f[1:], spectrum, 0.03 * nnps, f[1:])
    assert np.sqrt(np.mean((smooth / nnps - 1) ** 2)) < 0.03


def test_fit_needs_rows():
    with pytest.raises(InputError, match="too few"):
        fit_mtf(np.arange(3.0), np.ones(3), np.ones(3), np.arange(3.0))
