"""The degradation between two detectors: its end point, its process, its limits, and where it refuses."""

from __future__ import annotations

import json
import tomllib
import warnings

import numpy as np
import pytest

from xsim.degradation.degradation import B_1_FLOOR, Degradation
from xsim.degradation.link import GreyLink
from xsim.detector.detector import Detector, DetectorResponse, Screen, Sensor
from xsim.errors import InputError, PhysicsRangeError, UnknownNameError, XsimWarning
from xsim.files.toml import toml_text
from xsim.grids import half_plane_weights, radial_frequency
from xsim.materials import linear_attenuation_per_mm
from xsim.spectrum import preset_spectrum

PAPER = preset_spectrum("paper")
KERMA_UGY = 42.56


def response(thickness: float, kerma_uGy: float = KERMA_UGY, **changes: object) -> DetectorResponse:
    return Detector(Screen(thickness), Sensor(**changes)).response(PAPER, kerma_uGy)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def paper() -> Degradation:
    return Degradation.between(response(33.91), response(134.55))


def test_b_1_is_the_ratio_of_the_two_mtfs(paper: Degradation) -> None:
    f = np.linspace(0.0, 10.0, 41)
    ratio = response(134.55).mtf(f) / response(33.91).mtf(f)
    np.testing.assert_allclose(np.interp(f, paper.frequency_lp_mm, paper.B_1), ratio, atol=2e-3)
    assert paper.B_1[0] == 1.0
    assert (np.diff(paper.B_1[paper.frequency_lp_mm < 9.0]) < 0).all()
    # Near-sensor light keeps it from vanishing: about 0.19 at the corner of the sampled square.
    assert np.interp(14.7, paper.frequency_lp_mm, paper.B_1) == pytest.approx(0.19, abs=0.015)


def test_the_process_ends_at_the_noise_of_the_lr_detector(paper: Degradation) -> None:
    hr, lr, shape = response(33.91), response(134.55), (192, 160)
    hr_scale, _ = hr.frames_factors(20)
    lr_scale, _ = lr.frames_factors(1)
    hr_in_lr_grey = paper.link.slope(1.0) ** 2 * hr_scale * hr.nnps_map(shape)
    ended = (paper.B_1_map(shape) ** 2 * hr_in_lr_grey) / hr.pitch_mm**2 + paper.Sigma_1_map(shape)
    wanted = lr_scale * lr.nnps_map(shape) / lr.pitch_mm**2
    below = radial_frequency(shape, lr.pitch_mm) < 6.0
    np.testing.assert_allclose(ended[below], wanted[below], rtol=0.01)
    # The tables are radial; sampled noise is not, towards Nyquist. Its total is right all the same.
    weights = half_plane_weights(shape)
    assert (ended * weights).sum() == pytest.approx((wanted * weights).sum(), rel=2e-3)


def test_frames_lag_and_flats_enter_the_hr_noise() -> None:
    hr, lr = response(33.91, lag=0.2, flat_frames=16, structure_sd=0.001), response(134.55, flat_frames=0)
    one, many = (Degradation.between(hr, lr, frames, GreyLink.identity()) for frames in (10, 1000))
    S_one, S_many = ((lr.nnps(0.5) - np.interp(0.5, d.frequency_lp_mm, d.Sigma_1_mm2)) for d in (one, many))
    B_2 = np.interp(0.5, one.frequency_lp_mm, one.B_1) ** 2
    flat = hr.sensor.frame_average(16)
    structure = 0.001**2 * hr.pitch_mm**2
    for S, frames in ((S_one, 10), (S_many, 1000)):
        expected = hr.nnps(0.5) * (hr.sensor.frame_average(frames) + flat) + structure
        assert pytest.approx(expected, rel=0.01) == S / B_2


def test_paper_mode_has_no_noise_at_zero_frequency(paper: Degradation) -> None:
    literal = Degradation.between(response(33.91), response(134.55), mode="paper")
    assert literal.Sigma_1_mm2[0] == 0.0
    # Equation (2) at t = 1, with q the LR noise.
    f = literal.frequency_lp_mm
    scale, _ = response(134.55).frames_factors(1)
    np.testing.assert_allclose(
        literal.Sigma_1_mm2, scale * response(134.55).nnps(f) * (1 - literal.B_1**2), rtol=1e-9, atol=1e-16
    )
    # Of the real LR mottle it leaves an eighth at 0.08 lp/mm and nine tenths at 2.1.
    share = literal.Sigma_1_mm2 / paper.Sigma_1_mm2
    assert np.interp(0.08, f, share) < 0.2
    assert np.interp(2.1, f, share) > 0.85


@pytest.mark.parametrize("shape", [(64, 64), (63, 50), (48, 97), (1, 8)])
def test_maps_of_any_size_and_pitch(paper: Degradation, shape: tuple[int, int]) -> None:
    for pitch in (None, 0.024, 0.1):
        f = radial_frequency(shape, pitch or paper.pitch_mm)
        B_1, Sigma_1 = paper.B_1_map(shape, pitch), paper.Sigma_1_map(shape, pitch)
        assert B_1.shape == Sigma_1.shape == f.shape
        assert (B_1 <= 1).all()
        assert (B_1 >= B_1_FLOOR).all()
        assert np.isfinite(Sigma_1).all()
        assert Sigma_1[0, 0] == pytest.approx(paper.Sigma_1_mm2[0] / (pitch or paper.pitch_mm) ** 2)


def test_noise_behind_boards_follows_photon_statistics(paper: Degradation) -> None:
    """Behind 0.1 mm of copper, signal and noise power of the energy-integrating detector are sums over energies."""
    lr = response(134.55)
    energy = lr.spectrum.energy_keV
    left = lr.spectrum.fluence_per_mm2_uGy * np.exp(-0.1 * linear_attenuation_per_mm("Cu", energy))
    signal, variance = lr.energy_response(energy)
    grey, power = float(left @ signal), float(left @ variance)
    assert paper.noise_level(np.full((4, 4), grey)) == pytest.approx(power, rel=0.03)
    assert power > 1.05 * grey


def test_noise_level_is_a_mean_over_pixels_of_each_image(paper: Degradation) -> None:
    images = np.random.default_rng(0).uniform(0.1, 1.0, (3, 6, 8))
    levels = paper.noise_level(images)
    assert levels.shape == (3,)
    one = [[float(paper.noise_level(np.full((1, 1), grey))) for grey in image.ravel()] for image in images]
    np.testing.assert_allclose(levels, np.mean(one, axis=1))
    assert paper.noise_level(np.ones((2, 2))) == 1.0
    assert paper.noise_level(np.zeros((2, 2))) > 0


def test_it_survives_json_and_toml(paper: Degradation) -> None:
    for tables in (json.loads(json.dumps(paper.to_dict())), tomllib.loads(toml_text(paper.to_dict()))):
        again = Degradation.from_dict(tables)
        assert again.to_dict() == paper.to_dict()
        np.testing.assert_array_equal(again.Sigma_1_map((32, 32)), paper.Sigma_1_map((32, 32)))


def test_it_says_how_sharp_the_hr_images_are(paper: Degradation) -> None:
    assert paper.mtf_hr is not None
    np.testing.assert_allclose(paper.mtf_hr, response(33.91).mtf(paper.frequency_lp_mm))
    tables = paper.to_dict()
    del tables["mtf_hr"]
    assert Degradation.from_dict(tables).mtf_hr is None


def test_swapped_detectors_are_refused_with_the_frequency() -> None:
    with pytest.raises(InputError, match=r"lp/mm: LR must be the blurrier of the two: are they swapped\?"):
        Degradation.between(response(134.55), response(33.91))


def test_different_pitches_are_refused() -> None:
    with pytest.raises(InputError, match=r"HR pitch 0\.05 mm and LR pitch 0\.1 mm differ"):
        Degradation.between(response(33.91, pitch_mm=0.05), response(134.55, pitch_mm=0.1))


def test_different_fill_factors_are_part_of_the_blur() -> None:
    hr, lr = response(33.91, fill_factor=0.5), response(33.91, fill_factor=1.0)
    between = Degradation.between(hr, lr, link=GreyLink.identity())
    f = np.array([2.0, 6.0, 10.0])
    np.testing.assert_allclose(np.interp(f, between.frequency_lp_mm, between.B_1), lr.mtf(f) / hr.mtf(f), rtol=2e-3)
    assert np.isfinite(between.B_1).all()


def test_noise_that_leaves_nothing_to_add_is_clipped_with_a_warning() -> None:
    # One HR frame at a thousandth of the dose is noisier than LR.
    with pytest.warns(XsimWarning, match=r"Sigma_1 clipped from 0 to .* lp/mm: HR noise exceeds LR noise there"):
        clipped = Degradation.between(response(33.91, kerma_uGy=0.05), response(134.55), hr_frames=1)
    assert (clipped.Sigma_1_mm2 > 0).all()


def test_a_slight_excess_of_a_measured_mtf_is_clipped_with_a_warning() -> None:
    f = np.linspace(0.0, 10.4, 60)
    hr = response(33.91)
    wavy = Detector.from_measured(
        mtf=(f, hr.mtf(f) * (1 + 0.02 * np.sin(f))),
        nnps=(f, hr.nnps(f) * 4),
        kerma_uGy=KERMA_UGY,
        screen=Screen(33.91),
        sensor=Sensor(),
    ).response(PAPER, KERMA_UGY)
    with pytest.warns(XsimWarning, match="B_1 clipped from"):
        clipped = Degradation.between(hr, wavy, link=GreyLink.identity())
    assert clipped.B_1.max() == 1.0


def test_the_paper_pair_needs_no_clipping() -> None:
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        paper = Degradation.between(response(33.91), response(134.55))
    assert not said
    assert (paper.Sigma_1_mm2 > 0).all()


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"B_1": [1.0, 1.2]}, InputError, "outside"),
        ({"B_1": [1.0, 0.0]}, InputError, "outside"),
        ({"Sigma_1_mm2": [1.0, float("nan")]}, InputError, "not finite"),
        ({"frequency_lp_mm": [0.0, 0.0]}, InputError, "must rise"),
        ({"pitch_mm": -1.0}, PhysicsRangeError, "pixel pitch"),
        ({"mode": "own"}, UnknownNameError, "calibrated"),
        ({"B_1": None}, InputError, "the key 'B_1' is missing"),
        ({"mtf_hr": [1.0, -0.1]}, InputError, "mtf_hr"),
        ({"mtf_hr": [1.0]}, InputError, "mtf_hr"),
    ],
)
def test_unusable_tables_are_refused(
    paper: Degradation, changes: dict[str, object], error: type[Exception], message: str
) -> None:
    tables = {
        "frequency_lp_mm": [0.0, 5.0],
        "B_1": [1.0, 0.5],
        "Sigma_1_mm2": [1e-6, 1e-7],
        "pitch_mm": 0.05,
        **changes,
    }
    with pytest.raises(error, match=message):
        Degradation.from_dict({name: value for name, value in tables.items() if value is not None})


def test_frames_must_be_whole_and_positive() -> None:
    with pytest.raises(PhysicsRangeError, match="number of frames"):
        Degradation.between(response(33.91), response(134.55), hr_frames=0)
