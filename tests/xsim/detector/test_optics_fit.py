"""A product's optical constants, fitted to measured MTFs."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from tests.xsim.detectors import PAPER
from xsim.detector.detector import Screen
from xsim.detector.optics_fit import MtfCurve, fit_optics, read_mtf_curves
from xsim.errors import InputError, PhysicsRangeError

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
    with pytest.raises(InputError, match="2 points of MTF for 3 constants"):
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
        read_mtf_curves(path)
