"""One detector from shots, numbers or radiographs: errors against closed forms, spreads, sources, refusals."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from xsim import recipes
from xsim.degradation.known_file import known_detector, read_known
from xsim.detector.detector import Sensor
from xsim.detector.performance import performance
from xsim.errors import InputError
from xsim.measure.blind import measure_blind
from xsim.measure.edge import edge_mtf
from xsim.measure.one_detector.data_sheet import DataSheet
from xsim.measure.one_detector.make import make_detector
from xsim.measure.one_detector.seen import detector_seen
from xsim.spectrum import tungsten_spectrum

sys.path.insert(0, str(Path(__file__).parent))
import csi_panel as made
import foreign

SENSOR = Sensor(pitch_mm=made.PITCH_MM)
F = np.linspace(0.0, 0.5, 51)


def make(**given):
    return make_detector(sensor=SENSOR, spectrum=tungsten_spectrum(), phosphor="CsI", **given)


@pytest.fixture(scope="module")
def edge():
    return edge_mtf(made.plate(np.random.default_rng(1), 400), made.PITCH_MM)


@pytest.fixture(scope="module")
def flats():
    return made.flats(np.random.default_rng(2))


def test_a_plate_and_five_flats(edge, flats, tmp_path):
    found, truth = make(edges=[edge], flats=flats), made.truth()
    known = found.known
    assert np.abs(known.mtf_at(F) - truth.mtf_at(F)).max() < 0.01
    assert 1 / known.blur_spread < known.f50 / truth.f50 < known.blur_spread < 1.1
    assert 1 / known.noise_spread < known.noise_rms / truth.noise_rms < known.noise_spread < 1.1
    assert known.source == "edges and flats"
    assert any("5 are few" in text for text in found.warnings)
    found.write(tmp_path / "D.toml")
    again = read_known(tmp_path / "D.toml").lr
    assert again.mtf == pytest.approx(known.mtf)
    assert again.noise_power == pytest.approx(known.noise_power)
    assert (again.source, again.blur_spread, again.noise_spread) == (
        known.source, known.blur_spread, known.noise_spread,
    )  # fmt: skip


@pytest.mark.parametrize("kerma_uGy", [0.01, 2.0, 1000.0])
def test_a_kerma_that_is_only_nominal_changes_nothing(flats, edge, kerma_uGy):
    known = make(edges=[edge], flats=flats, sheet=DataSheet(kerma_uGy=kerma_uGy)).known
    assert known.noise_rms == pytest.approx(made.RMS, rel=0.02)


def test_a_plate_alone_takes_its_noise_from_the_family(edge):
    found = make(edges=[edge])
    measured = found.detector.measured
    assert (measured.mtf_source, measured.nnps_source) == ("edges", "model")
    assert found.known.f50 == pytest.approx(made.truth().f50, rel=0.02)
    assert measured.noise_spread >= 1.5
    assert any("not measured" in text for text in found.warnings)
    told = make(edges=[edge], sheet=DataSheet(snrn=80.0))
    assert told.detector.measured.nnps_source == "data sheet"
    assert 0.0886 / told.srb_mm / told.known.noise_rms == pytest.approx(
        80, rel=0.05
    )  # what lies beyond Nyquist is not in tables


def test_flats_alone_take_their_blur_from_their_colour(flats):
    found = make(flats=flats)
    measured, truth = found.detector.measured, made.truth()
    assert (measured.mtf_source, measured.nnps_source) == ("flats", "flats")
    assert 1 / measured.mtf_spread < found.known.f50 / truth.f50 < measured.mtf_spread
    assert measured.mtf_spread >= 1.5
    assert any("not measured" in text for text in found.warnings)


def test_white_flats_say_nothing_of_the_blur():
    rng = np.random.default_rng(3)
    with pytest.raises(InputError, match="is white"):
        make(flats=[1 + rng.normal(0, 0.01, (256, 256)) for _ in range(5)])


def test_srb_and_snrn_give_the_screen_back():
    setup = recipes.paper()
    sheet = performance(setup.lr_response, [1.0])
    numbers = DataSheet(srb_mm=round(sheet.srb_mm, 3), snrn=round(sheet.snrn), kerma_uGy=setup.kerma_uGy)
    found = make_detector(sheet=numbers, sensor=Sensor(pitch_mm=setup.pitch_mm), spectrum=setup.spectrum)
    truth = known_detector(setup.lr, setup.spectrum)
    assert np.abs(found.known.mtf_at(F) - truth.mtf_at(F)).max() < 0.01
    assert found.known.noise_rms == pytest.approx(truth.noise_rms, rel=0.02)
    assert found.srb_mm == pytest.approx(sheet.srb_mm, rel=0.01)
    assert (found.known.source, found.warnings) == ("data sheet", ())


def test_a_wire_pair_of_the_gauge_is_no_interpolated_number():
    found = make(sheet=DataSheet(srb_mm=0.4))
    assert "up to 1.25" in found.warnings[0]
    points = ((1.0, float(found.known.mtf_at(made.PITCH_MM))),)
    for exact in (DataSheet(srb_mm=0.412), DataSheet(srb_mm=0.4, mtf_points=points)):
        assert not any("wire pair" in text for text in make(sheet=exact).warnings)


@pytest.mark.parametrize(
    "sheet",
    [
        DataSheet(srb_mm=0.5),
        DataSheet(mtf_points=((1.0, 0.6), (2.0, 0.31))),
        DataSheet(srb_mm=0.2, mass_thickness_mg_cm2=60.0),
        DataSheet(mtf_curve=(F / made.PITCH_MM, made.mtf(F)), snrn=50.0),
    ],
)
def test_told_numbers_are_met(sheet):
    found = make(sheet=sheet)
    known = found.known
    for frequency, value in sheet.mtf_points:
        assert known.mtf_at(frequency * made.PITCH_MM) == pytest.approx(value, abs=0.03)
    if sheet.srb_mm:
        assert found.srb_mm == pytest.approx(sheet.srb_mm, rel=0.02)
    if sheet.mtf_curve:
        assert known.mtf_at(F) == pytest.approx(made.mtf(F), abs=0.01)
    if sheet.mass_thickness_mg_cm2:
        assert found.detector.screen.mass_thickness_mg_cm2 == sheet.mass_thickness_mg_cm2
        assert any("stretched by" in text for text in found.warnings)
    assert 1.1 < known.blur_spread <= 1.2


@pytest.mark.parametrize(
    ("numbers", "cause"),
    [
        ({}, "nothing tells the blur"),
        ({"srb_mm": 0.06}, "without any blur"),
        ({"mtf_points": ((3.0, 0.95),)}, "let through"),
        ({"mtf_points": ((1.0, 0.3), (2.0, 0.6))}, "no screen on these pixels"),
        ({"srb_mm": 0.5, "mtf_points": ((2.0, 0.6),)}, "no screen on these pixels"),
        ({"srb_mm": 0.16, "snrn": 5000.0, "kerma_uGy": 10.0}, "more than all photons"),
        ({"srb_mm": 0.16, "snrn": 300.0, "dqe0": 0.5, "kerma_uGy": 5.0}, "give the one that holds"),
        ({"srb_mm": 0.16, "dqe0": 0.5}, "give --kerma-uGy"),
        ({"srb_mm": 7.0}, "SRb"),
        ({"mtf_curve": (F[:20], F[:20] * 0 + 0.5), "srb_mm": 0.2}, "one of both"),
        ({"mtf_curve": (F[:20] / made.PITCH_MM, made.mtf(F[:20]))}, "below Nyquist"),
    ],
)
def test_numbers_that_contradict_are_refused(numbers, cause):
    with pytest.raises(InputError, match=cause):
        make(sheet=DataSheet(**numbers))


def test_what_is_measured_is_not_told_as_well(edge, flats):
    with pytest.raises(InputError, match="measured on edges and told"):
        make(edges=[edge], sheet=DataSheet(srb_mm=0.2))
    with pytest.raises(InputError, match="measured on flats and told"):
        make(edges=[edge], flats=flats, sheet=DataSheet(snrn=100.0))


def test_radiographs_become_a_file(tmp_path):
    one = foreign.foreign(111, 512)
    blind = measure_blind(one.image, one.pitch_mm)
    sensor = Sensor(pitch_mm=one.pitch_mm)
    found = detector_seen(blind, sensor=sensor, kerma_uGy=42.56, spectrum=tungsten_spectrum())
    found.write(tmp_path / "D.toml")
    again, known = read_known(tmp_path / "D.toml").lr, blind.known()
    assert again.mtf_at(F) == pytest.approx(known.mtf_at(F), abs=0.005)
    assert again.noise_rms == pytest.approx(known.noise_rms, rel=0.03)
    assert again.source == "image"
    assert again.blur_spread == pytest.approx(known.blur_spread)
    with pytest.raises(InputError, match="--pitch-mm"):
        detector_seen(measure_blind(one.image), sensor=sensor, kerma_uGy=42.56, spectrum=tungsten_spectrum())
