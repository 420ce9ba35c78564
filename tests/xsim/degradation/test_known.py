"""One detector and a target: the degradation between them, and what is refused."""

from __future__ import annotations

import numpy as np
import pytest

from xsim.degradation.known import NOMINAL_PITCH_MM, KnownDetector
from xsim.degradation.target import Target, falls_to, of_csv, of_screen, within_noise
from xsim.errors import InputError, MissingFileError, PhysicsRangeError

F = np.linspace(0.0, 0.75, 301)
GAUSS = np.exp(-((F / 0.15) ** 2))


def known(pitch_mm=0.127, noise=1e-4, **changes):
    return KnownDetector("test", F, GAUSS, np.full(F.size, noise), pitch_mm, **changes)


def sharp(f50=0.3):
    return Target("sharp", F, np.exp(-np.log(2) * (F / f50) ** 2))


@pytest.mark.parametrize("pitch_mm", [0.025, 0.127, 0.4, None])
def test_the_ratio_of_the_curves_is_the_blur_at_any_pitch(pitch_mm):
    detector, target = known(pitch_mm), sharp()
    between = detector.degradation(target)
    assert between.pitch_mm == (pitch_mm or NOMINAL_PITCH_MM)
    inside = between.frequency_lp_mm * between.pitch_mm < 0.3
    frequency = between.frequency_lp_mm[inside] * between.pitch_mm
    np.testing.assert_allclose(between.B_1[inside], detector.mtf_at(frequency) / target.mtf_at(frequency), rtol=1e-9)
    np.testing.assert_allclose(between.Sigma_1_mm2, 1e-4 * between.pitch_mm**2, rtol=1e-9)
    assert between.link.is_identity


def test_a_detector_sharper_than_the_target_loses_nothing():
    between = known().degradation(sharp(0.05))
    assert (between.B_1[between.frequency_lp_mm * 0.127 < 0.3] == 1).all()


def test_white_noise_has_the_variance_of_its_power():
    assert known(noise=4e-4).noise_rms == pytest.approx(0.02, rel=1e-9)
    assert known().with_noise(0.05).noise_rms == pytest.approx(0.05, rel=1e-9)


def test_stretching_moves_f50_by_the_factor():
    assert known().f50 == pytest.approx(0.15 * np.sqrt(np.log(2)), rel=1e-3)
    assert known().with_blur(1.2).f50 == pytest.approx(1.2 * known().f50, rel=1e-3)


def test_lengths_are_given_only_where_the_pitch_is_known():
    said = known(blur_spread=1.1, noise_spread=1.2, flat_px=100).to_dict(sharp())
    assert said["f50_lp_mm"] == pytest.approx(known().f50 / 0.127)
    assert said["f50_high_lp_mm"] / said["f50_low_lp_mm"] == pytest.approx(1.21)
    assert said["noise_high"] / said["noise_low"] == pytest.approx(1.44)
    assert said["flat_mm2"] == pytest.approx(100 * 0.127**2)
    assert len(said["frequency_lp_mm"]) == len(said["mtf"]) == len(said["mtf_target"])
    silent = known(None, blur_spread=1.1).to_dict()
    for name in ("frequency_lp_mm", "f50_lp_mm", "f50_low_lp_mm", "f50_high_lp_mm", "flat_mm2", "pitch_mm"):
        assert silent[name] is None
    assert silent["f50_cycles_px"] == pytest.approx(known().f50)


def test_noise_softens_a_target_and_never_below_the_detector():
    own = Target("own", F, GAUSS)
    target = sharp(0.35)
    assert within_noise(target, 1.0, own).f50 == pytest.approx(target.f50)
    soft = within_noise(target, 0.3, own)
    assert own.f50 < soft.f50 < target.f50
    assert "noise" in soft.name
    # .2 of the MTF is left where noise takes over.
    assert falls_to(soft.frequency, soft.mtf, 0.2) == pytest.approx(0.3, rel=0.02)
    hopeless = within_noise(target, 0.01, own)
    assert hopeless.f50 >= 1.14 * own.f50
    assert (hopeless.mtf >= own.mtf - 1e-12).all()


def test_a_thinner_screen_is_a_sharper_target():
    thin, thick = of_screen(28.0, 0.1), of_screen(130.0, 0.1)
    assert thin.f50 > 1.3 * thick.f50
    assert thin.mtf_at(0.0) == pytest.approx(1.0)


def test_a_table_is_a_target_in_either_unit(tmp_path):
    in_mm, in_px = tmp_path / "mm.csv", tmp_path / "px.csv"
    in_mm.write_text("frequency_lp_mm,mtf\n0,1\n2,0.5\n4,0.1\n")
    in_px.write_text("frequency_cycles_px,mtf\n0,1\n0.2,0.5\n0.4,0.1\n")
    assert of_csv(in_mm, 0.1).f50 == pytest.approx(0.2)
    assert of_csv(in_px, None).f50 == pytest.approx(0.2)
    with pytest.raises(InputError, match="--pitch-mm"):
        of_csv(in_mm, None)
    with pytest.raises(MissingFileError, match="no such file"):
        of_csv(tmp_path / "none.csv", 0.1)
    bad = tmp_path / "bad.csv"
    bad.write_text("a,b\nc,d\n")
    with pytest.raises(InputError, match="no table of an MTF"):
        of_csv(bad, 0.1)
    bad.write_text("0,3\n1,2\n")
    with pytest.raises(InputError, match="starts at 1"):
        of_csv(bad, 0.1)


def test_what_cannot_be_a_detector_is_named():
    with pytest.raises(InputError, match="detector mtf"):
        KnownDetector("x", F, GAUSS[:-1], GAUSS)
    with pytest.raises(PhysicsRangeError, match="pixel pitch"):
        known(50.0)
