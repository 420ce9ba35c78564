"""SNR over dose: windows of white noise by hand, the law of quanta and electronics, and what is no flat."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.errors import InputError
from xsim.measure.sheet import DoseSNR, dose_snr, efficiency


def flats(mean: float, sigma: float, *, frames: int = 3, seed: int = 0, pattern: float = 0.0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    fixed = 1 + pattern * rng.standard_normal((300, 300))
    return [mean * fixed + sigma * rng.standard_normal((300, 300)) for _ in range(frames)]


def point(kerma_uGy: float, dsnr: float) -> DoseSNR:
    return DoseSNR(kerma_uGy, 1.0, dsnr, 2, 1)


def test_white_noise_has_the_snr_of_its_sigma_whatever_the_pattern_and_the_trend():
    trend = 1 + 0.1 * np.linspace(-1, 1, 300)
    found = dose_snr([trend * frame for frame in flats(1000, 5, pattern=0.02)], 400)
    assert found.dsnr == pytest.approx(200, rel=0.01)
    assert (found.frames, found.windows) == (3, 36)


def test_a_bad_pixel_or_two_do_not_move_it():
    frames = flats(1000, 5)
    rng = np.random.default_rng(3)
    for frame in frames:
        frame[10, 10], frame[120, 220] = rng.uniform(0, 5000, 2)
    assert dose_snr(frames, 400).dsnr == pytest.approx(200, rel=0.01)


def test_quanta_and_electronics_are_told_apart_exactly():
    """SNR^-2 = q / D + e / D^2 with D in mGy."""
    q, e = 1e-5, 4e-6
    doses = np.array([0.1, 0.5, 2.0])
    found = efficiency([point(1000 * d, (q / d + e / d**2) ** -0.5) for d in doses], isrb_mm=0.1772)
    assert found.dsnr_1mGy == pytest.approx((q + e) ** -0.5, rel=1e-6)
    assert found.dsnrn_1mGy == pytest.approx(found.dsnr_1mGy / 2)
    assert found.read_noise_share == pytest.approx((e / 0.01) / (q / 0.1 + e / 0.01), rel=1e-6)
    assert found.departure < 1e-6
    assert not found.extrapolated


def test_one_dose_scales_with_its_root_and_says_that_it_goes_beyond():
    found = efficiency([point(250, 100)])
    assert found.dsnr_1mGy == pytest.approx(200)
    assert found.dsnrn_1mGy is None
    assert found.read_noise_share is None
    assert "beyond the doses" in found.warnings[0]


def test_a_wrong_kerma_is_noticed():
    honest = [point(d, 10 * d**0.5) for d in (200, 400, 800, 1600)]
    assert efficiency(honest).warnings == ()
    told_wrongly = [*honest[:3], point(1000, honest[3].dsnr)]
    assert "check the kermas" in efficiency(told_wrongly).warnings[0]


@pytest.mark.parametrize(
    ("frames", "cause"),
    [
        (flats(1000, 5)[:1], "two or more"),
        ([np.ones((60, 60))] * 2, "equal"),
        ([np.ones((60, 60)), np.ones((60, 70))], "differ in size"),
        ([flats(1000, 5)[0], flats(1300, 5)[0]], "one exposure"),
        ([-frame for frame in flats(1000, 5)], "not positive"),
        ([frame * (1 + 0.4 * (np.indices((300, 300))[1] > 150)) for frame in flats(1000, 5)], "not flat"),
    ],
)
def test_refuses_by_name(frames, cause):
    with pytest.raises(InputError, match=cause):
        dose_snr(frames, 400)


def test_refuses_doses_and_resolutions_that_are_none():
    with pytest.raises(InputError, match="kerma"):
        dose_snr(flats(1000, 5), 0.0)
    with pytest.raises(InputError, match="no flats"):
        efficiency([])
    with pytest.raises(InputError, match="not above 0"):
        efficiency([point(250, 100)], isrb_mm=0.0)
