"""A product's optical constants, fitted to measured MTFs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from tests.xsim.detectors import PAPER
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.detector.measured_curves import DetectorCurve, MtfCurve, read_curves
from xsim.detector.optics_fit import FittedOptics, fit_optics, read_fit, write_fit
from xsim.errors import InputError, PhysicsRangeError
from xsim.spectrum import beam_of

if TYPE_CHECKING:
    from pathlib import Path


def curves_of(screen: Screen, noise: float = 0.0) -> list[MtfCurve]:
    rng, f = np.random.default_rng(2), np.arange(0.5, 10.0, 0.5)
    curves = []
    for thickness in (34.0, 70.0, 134.0):
        mtf = replace(screen, mass_thickness_mg_cm2=thickness).expose(PAPER, f).mtf * np.sinc(0.044 * f)
        measured = np.maximum(mtf + noise * rng.standard_normal(len(f)), 0.0)
        curves.append(MtfCurve(thickness, f, measured, aperture_mm=0.044, standard_error=max(noise, 0.002)))
    return curves


def test_a_fit_finds_the_constants_of_a_known_screen() -> None:
    truth = replace(Screen(34.0).optics, extrapolation_sensor_mm=0.008, extrapolation_backing_mm=0.06, gap_mm=0.012)
    fit = fit_optics(curves_of(Screen(34.0, optics=truth), noise=0.005), PAPER)
    assert fit.rms == pytest.approx(0.005, rel=0.3)
    for name, deviation in fit.relative_sd.items():
        off = math.log(getattr(fit.optics, name) / getattr(truth, name))
        assert abs(off) < 3.5 * deviation, name
        assert deviation < 0.5


def test_a_fit_knows_what_it_cannot_tell() -> None:
    sharp = curves_of(Screen(34.0), noise=0.005)
    few = [MtfCurve(34.0, sharp[0].frequency_lp_mm[:3], sharp[0].mtf[:3], 0.044, 0.02)]
    assert fit_optics(few, PAPER).relative_sd["gap_mm"] > fit_optics(sharp, PAPER).relative_sd["gap_mm"]


def test_unusable_fits_are_refused() -> None:
    curve = MtfCurve(34.0, np.array([1.0, 2.0]), np.array([0.9, 0.7]))
    with pytest.raises(InputError, match="2 points of curves for 3 constants"):
        fit_optics([curve], PAPER)
    with pytest.raises(InputError, match="gain_noise"):
        fit_optics([curve], PAPER, names=["gain_noise"])
    with pytest.raises(PhysicsRangeError, match="largest MTF"):
        MtfCurve(34.0, np.array([1.0, 2.0]), np.array([90.0, 70.0]))


@pytest.mark.parametrize(
    ("text", "message"),
    [("a,b\n1,2", "no column"), ("", "no column"), ("mass_thickness_mg_cm2,frequency_lp_mm,mtf\n34,1,x", "line 2"),
     ("mass_thickness_mg_cm2,frequency_lp_mm,mtf\n", "no rows"),
     ("mass_thickness_mg_cm2,frequency_lp_mm,mtf\n34,1", "line 2")],
)  # fmt: skip
def test_unusable_tables_of_mtf_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mtf.csv"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_curves(path, Sensor())


def test_a_fit_takes_beams_nnps_and_dqe_and_finds_the_gain_noise() -> None:
    truth = replace(Screen(34.0).optics, extrapolation_sensor_mm=0.008, gap_mm=0.012, gain_noise=0.4)
    sensor, f, curves = Sensor(pitch_mm=0.1), np.array([0.5, 1.0, 2.0, 4.0]), []
    for mass, beam, side in ((70.0, "RQA5", "front"), (134.0, "RQA9", "back"), (100.0, "70 Al:2.5", "front")):
        screen = Screen(mass, optics=truth, irradiation=side)  # type: ignore[arg-type]
        response, spectrum = Detector(screen, sensor).response(beam_of(beam), 5.0), beam_of(beam)
        rest: Any = {"spectrum": spectrum, "irradiation": side}
        curves += [
            MtfCurve(mass, f, response.mtf(f), sensor.aperture_mm, 0.005, **rest),
            DetectorCurve("nnps", mass, f, response.nnps(f), sensor, 5.0, 0.03, **rest),
            DetectorCurve("dqe", mass, f[:1], response.dqe(f[:1]), sensor, 5.0, 0.03, **rest),
        ]
    fit = fit_optics(curves)
    # Below 4 lp/mm gap and sensor face are hard to tell apart: the posterior has to know.
    for name, deviation in fit.relative_sd.items():
        assert abs(math.log(getattr(fit.optics, name) / getattr(truth, name))) < 2.0 * deviation, name
    assert fit.optics.gain_noise == pytest.approx(truth.gain_noise, rel=0.05)
    assert fit.relative_sd["gain_noise"] < 0.2
    with pytest.raises(InputError, match="no beam"):
        fit_optics([MtfCurve(34.0, f, np.exp(-f))])


def test_draws_have_the_covariance_of_the_fit_and_files_keep_it(tmp_path: Path) -> None:
    fit = fit_optics(curves_of(Screen(34.0), noise=0.005), PAPER)
    assert fit.covariance is not None
    names = list(fit.relative_sd)
    drawn = fit.draw(4000, np.random.default_rng(1))
    ratio = np.array([[getattr(one, name) / getattr(fit.optics, name) for name in names] for one in drawn])
    steps = np.where(np.array(names) == "extrapolation_backing_mm", np.log(ratio), ratio - 1.0)
    np.testing.assert_allclose(np.cov(steps.T), fit.covariance, atol=0.06 * fit.covariance.max())
    write_fit(tmp_path / "fit.toml", fit)
    again = read_fit(tmp_path / "fit.toml")
    assert (again.optics, again.relative_sd) == (fit.optics, fit.relative_sd)
    np.testing.assert_array_equal(again.covariance, fit.covariance)
    for wrong in ({}, {**fit.to_dict(), "covariance": [[1.0]]}, {**fit.to_dict(), "relative_sd": {"glow": 1.0}}):
        with pytest.raises(InputError, match="fitted optics"):
            FittedOptics.from_dict(wrong)


def test_a_file_of_curves_may_say_beam_and_quantity(tmp_path: Path) -> None:
    path = tmp_path / "curves.csv"
    head = "mass_thickness_mg_cm2,frequency_lp_mm,value,quantity,beam,irradiation,pitch_mm,kerma_uGy,error"
    rows = ["70,1,0.8,mtf,RQA5,,,,", "70,2,0.5,mtf,RQA5,,,,", "70,1,0.3,dqe,RQA9,back,0.1,5,0.2"]
    path.write_text("\n".join([head, *rows]), encoding="utf-8")
    mtf, dqe = read_curves(path, Sensor())
    assert isinstance(mtf, MtfCurve)
    assert isinstance(dqe, DetectorCurve)
    assert (mtf.frequency_lp_mm.tolist(), mtf.spectrum) == ([1.0, 2.0], beam_of("RQA5"))
    assert (dqe.sensor.pitch_mm, dqe.irradiation, dqe.relative_error) == (0.1, "back", 0.2)
    wrong = {
        "70,1,0.3,dqe,RQA9,,,,": "kerma_uGy is empty",
        "70,1,0.3,mtf,RQAX,,,,": "beam 'RQAX'",
        "70,1,0.3,glow,RQA9,,,5,": "'glow' is not known",
        "70,1,0.3,mtf,,left,,,": "'left'",
    }
    for row, said in wrong.items():
        path.write_text(f"{head}\n{row}", encoding="utf-8")
        with pytest.raises(InputError, match=said):
            read_curves(path, Sensor())
