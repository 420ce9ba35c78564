"""Detectors: the agreed figures, sampling and aliasing, measured detectors, sensors, files."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.curves import RadialCurve, quadratic_grid
from xsim.detector import Detector, DetectorResponse, Measured, Screen, Sensor
from xsim.detector_files import read_detectors, write_detectors
from xsim.duplex_wire import basic_spatial_resolution_mm, duplex_wire_dip
from xsim.errors import InputError, MissingFileError, PhysicsRangeError
from xsim.grids import half_plane_weights, radial_frequency
from xsim.materials import linear_attenuation_per_mm
from xsim.mtf_curves import MtfCurve, read_mtf_curves
from xsim.optics_fit import fit_optics
from xsim.performance import frequency_of, performance
from xsim.spectrum import preset_spectrum
from xsim.toml_files import read_toml, toml_text

if TYPE_CHECKING:
    from pathlib import Path

PAPER = preset_spectrum("paper")
KERMA_UGY = 42.56
THICKNESSES = (33.91, 134.55)


def response(thickness: float, **changes: object) -> DetectorResponse:
    return Detector(Screen(thickness), Sensor(**changes)).response(PAPER, KERMA_UGY)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("thickness", "f50", "f10", "sigma"), [(33.91, 3.61, 11.3, 0.0179), (134.55, 1.20, 4.0, 0.0068)]
)
def test_detectors_have_the_agreed_figures(thickness: float, f50: float, f10: float, sigma: float) -> None:
    figures = performance(response(thickness), [1.0, 2.0, 3.0, 5.0, 10.0])
    assert figures.f50_lp_mm == pytest.approx(f50, rel=0.01)
    assert figures.f10_lp_mm == pytest.approx(f10, rel=0.01)
    assert figures.pixel_sigma == pytest.approx(sigma, rel=0.01)
    assert figures.dqe0 == pytest.approx(figures.absorption_quantum * figures.swank, rel=1e-12)
    assert (figures.dqe < figures.dqe0).all()
    assert figures.snrn == pytest.approx(0.0886 / figures.srb_mm / figures.pixel_sigma)


def test_light_ratio_of_the_two_screens() -> None:
    hr, lr = (response(thickness) for thickness in THICKNESSES)
    assert lr.signal_electrons / hr.signal_electrons == pytest.approx(1.95, abs=0.01)
    assert hr.signal_electrons == pytest.approx(2.6e5, rel=0.02)


@pytest.mark.parametrize("thickness", THICKNESSES)
@pytest.mark.parametrize("shape", [(256, 256), (63, 50), (48, 97)])
def test_nnps_summed_over_bins_is_the_pixel_variance(thickness: float, shape: tuple[int, int]) -> None:
    chosen = response(thickness)
    nnps = chosen.nnps_map(shape)
    assert nnps.shape == (shape[0], shape[1] // 2 + 1)
    summed = np.sum(nnps * half_plane_weights(shape)) / (shape[0] * shape[1] * chosen.pitch_mm**2)
    # The same variance without sampling: presampled noise integrated over the plane, far beyond the aliases summed.
    axis = quadratic_grid(20.0 / chosen.pitch_mm, 1201)
    v, u = axis[:, None], axis[None, :]
    aperture = np.sinc(chosen.sensor.aperture_mm * v) * np.sinc(chosen.sensor.aperture_mm * u)
    presampled = chosen.quantum_nnps(np.hypot(v, u)) * aperture**2
    integral = 4.0 * np.trapezoid(np.trapezoid(presampled, axis), axis)
    white = (chosen.shot_nnps_mm2 + chosen.read_nnps_mm2) / chosen.pitch_mm**2
    assert summed == pytest.approx(integral + white, rel=1e-3)
    assert chosen.pixel_sigma == pytest.approx(math.sqrt(summed), rel=1e-3)


@pytest.mark.parametrize("pitch_mm", [0.001, 0.01, 0.2, 2.0])
def test_the_screen_does_not_depend_on_the_pixels(pitch_mm: float) -> None:
    figures = performance(response(134.55, pitch_mm=pitch_mm), [0.1, 1.0, 3.0])
    expected = Screen(134.55).expose(PAPER, [0.1, 1.0, 3.0])
    np.testing.assert_allclose(figures.mtf_screen, expected.mtf, rtol=5e-3)
    assert figures.f50_lp_mm == pytest.approx(1.20, rel=0.01)
    assert figures.f10_lp_mm == pytest.approx(4.0, rel=0.02)
    assert math.isfinite(figures.srb_mm)


def test_a_map_is_the_straightforward_sum_over_aliases() -> None:
    chosen, shape = response(134.55), (20, 15)
    pitch, side = chosen.pitch_mm, chosen.sensor.aperture_mm
    expected = np.zeros((20, 8))
    for row in range(20):
        for column in range(8):
            for k in range(-2, 3):
                for n in range(-2, 3):
                    v = (row if row < 10 else row - 20) / (20 * pitch) + k / pitch
                    u = column / (15 * pitch) + n / pitch
                    T = np.sinc(side * u) * np.sinc(side * v)
                    expected[row, column] += float(chosen.quantum_nnps(np.hypot(u, v))) * T**2
    white = chosen.shot_nnps_mm2 + chosen.read_nnps_mm2
    np.testing.assert_allclose(chosen.nnps_map(shape), expected + white, rtol=1e-9)


def test_directional_mean_agrees_with_rings_of_the_map() -> None:
    chosen, shape = response(33.91), (256, 256)
    f = radial_frequency(shape, chosen.pitch_mm)
    nnps, weights = chosen.nnps_map(shape), np.broadcast_to(half_plane_weights(shape), (256, 129))
    for low, high in ((1.0, 1.2), (5.0, 5.2), (9.8, 10.2), (12.0, 12.4)):
        ring = (f >= low) & (f < high)
        mean = np.average(nnps[ring], weights=weights[ring])
        assert chosen.nnps((low + high) / 2)[0] == pytest.approx(mean, rel=0.02)


def test_transfer_maps_follow_the_curves() -> None:
    chosen = response(33.91)
    presampled = chosen.mtf_map((8, 64), 0.024)
    u = np.fft.rfftfreq(64, 0.024)
    np.testing.assert_allclose(np.abs(presampled[0]), chosen.mtf(u), rtol=1e-12)
    assert presampled[0, 0] == 1.0
    bare = chosen.mtf_map((9, 7), 0.05, aperture=False)
    np.testing.assert_allclose(bare, chosen.screen_mtf(radial_frequency((9, 7), 0.05)))


def test_fewer_photons_more_noise() -> None:
    one, two = (Detector(Screen(34.0)).response(PAPER, kerma) for kerma in (10.0, 20.0))
    assert one.quantum_nnps(1.0) == pytest.approx(2.0 * two.quantum_nnps(1.0), rel=1e-9)
    assert two.signal_electrons == pytest.approx(2.0 * one.signal_electrons)
    assert one.read_nnps_mm2 == pytest.approx(4.0 * two.read_nnps_mm2)


@pytest.mark.parametrize("thickness", THICKNESSES)
def test_energy_response_is_one_in_the_open_field(thickness: float) -> None:
    chosen = response(thickness)
    signal, variance = chosen.energy_response(PAPER.energy_keV)
    assert PAPER.fluence_per_mm2_uGy @ signal == pytest.approx(1.0, rel=1e-12)
    assert PAPER.fluence_per_mm2_uGy @ variance == pytest.approx(1.0, rel=1e-12)


# Transmissions of the two screens from the prototype.
@pytest.mark.parametrize(
    ("name", "thickness_mm", "hr", "lr"),
    [("Cu", 0.035, 0.761, 0.809), ("Cu", 0.105, 0.505, 0.575), ("Sn", 0.1, 0.330, 0.341), ("Fe", 0.3, 0.338, 0.402)],
)
def test_metals_are_lighter_in_the_thick_screen(name: str, thickness_mm: float, hr: float, lr: float) -> None:
    passed = PAPER.fluence_per_mm2_uGy * np.exp(-linear_attenuation_per_mm(name, PAPER.energy_keV) * thickness_mm)
    greys = [passed @ response(thickness).energy_response(PAPER.energy_keV)[0] for thickness in THICKNESSES]
    assert greys == pytest.approx([hr, lr], abs=0.005)


def test_responses_are_kept_and_travel() -> None:
    detector = Detector(Screen(33.91))
    first = detector.response(PAPER, KERMA_UGY)
    assert Detector(Screen(33.91)).response(preset_spectrum("paper"), KERMA_UGY) is first
    copy = pickle.loads(pickle.dumps(first))
    np.testing.assert_array_equal(copy.nnps_map((16, 16)), first.nnps_map((16, 16)))


def measured_from(chosen: DetectorResponse, kerma_uGy: float = KERMA_UGY) -> Detector:
    f = np.linspace(0.0, 10.4, 80)
    return Detector.from_measured(
        mtf=(f, chosen.mtf(f)),
        nnps=(f, chosen.nnps(f)),
        kerma_uGy=kerma_uGy,
        screen=chosen.screen,
        sensor=chosen.sensor,
    )


@pytest.mark.parametrize("thickness", THICKNESSES)
def test_a_measured_detector_gives_its_tables_back(thickness: float) -> None:
    chosen = response(thickness)
    again = measured_from(chosen).response(PAPER, KERMA_UGY)
    f = np.linspace(0.0, 10.0, 37)
    np.testing.assert_allclose(again.mtf(f), chosen.mtf(f), rtol=5e-3)
    # The radial table forgets that the sampled NNPS depends on direction near Nyquist.
    np.testing.assert_allclose(again.nnps(f), chosen.nnps(f), rtol=0.03)
    assert again.pixel_sigma == pytest.approx(chosen.pixel_sigma, rel=0.01)
    assert again.signal_electrons == pytest.approx(chosen.signal_electrons, rel=1e-9)


@pytest.mark.parametrize("first", [0, 3])
def test_a_measured_mtf_is_one_at_zero(first: int) -> None:
    f = np.linspace(0.0, 10.0, 41)
    mtf = (f[first:], response(33.91).mtf(f)[first:] * (0.97 if first == 0 else 1.0))
    detector = Detector.from_measured(
        mtf=mtf, nnps=([0.1, 9.0], [1e-5, 1e-6]), kerma_uGy=1.0, screen=Screen(34.0), sensor=Sensor()
    )
    measured = detector.response(PAPER, 1.0)
    assert measured.mtf(0.0) == pytest.approx(1.0)
    assert measured.mtf(2.0) == pytest.approx(response(33.91).mtf(2.0), rel=1e-3)


def test_a_measured_detector_scales_with_kerma() -> None:
    detector = measured_from(response(33.91))
    half, whole = (detector.response(PAPER, kerma) for kerma in (KERMA_UGY / 2, KERMA_UGY))
    assert half.nnps(1.0)[0] == pytest.approx(2.0 * whole.nnps(1.0)[0], rel=1e-3)


@pytest.mark.parametrize(
    ("mtf", "message"),
    [
        (([0.0, 1.0], [1.0]), "two equal columns"),
        (([0.0, 1.0], [1.0, float("nan")]), "not finite"),
        (([1.0, 0.0], [1.0, 0.5]), "must rise"),
        (([0.0, 1.0], [1.0, -0.5]), "0 or above"),
        (([0.0, 1.0], [0.0, 0.5]), "starts at 0"),
    ],
)
def test_unusable_measurements_are_refused(mtf: tuple[list[float], list[float]], message: str) -> None:
    nnps = ([0.0, 5.0], [1e-5, 1e-6])
    with pytest.raises(InputError, match=message):
        Detector.from_measured(mtf=mtf, nnps=nnps, kerma_uGy=1.0, screen=Screen(34.0), sensor=Sensor())


def test_lag_makes_averaging_weaker() -> None:
    steady, lagging = Sensor(), Sensor(lag=0.3)
    assert steady.frame_average(20) == pytest.approx(1 / 20)
    assert lagging.frame_average(20) > steady.frame_average(20)
    # The sum over frame pairs, written out.
    k = np.arange(20)
    pairs = 0.3 ** np.abs(k[:, None] - k[None, :])
    assert lagging.frame_average(20) == pytest.approx(pairs.mean(), rel=1e-12)


def test_maps_of_a_sensor_are_its_own_and_have_the_stated_spread() -> None:
    sensor = Sensor(gain_sd=0.02, structure_sd=0.003, defect_fraction=0.01)
    gain = sensor.gain_map((400, 300), seed=3)
    assert gain.dtype == np.float32
    assert gain.mean() == pytest.approx(1.0, abs=4 * 0.02 / np.sqrt(120_000))
    assert gain.std() == pytest.approx(0.02, rel=0.01)
    assert sensor.structure_map((400, 300), 3).std() == pytest.approx(0.003, rel=0.01)
    defects = sensor.defect_map((400, 300), 3)
    assert defects.mean() == pytest.approx(0.01, abs=4 * np.sqrt(0.01 / 120_000))
    np.testing.assert_array_equal(gain, sensor.gain_map((400, 300), seed=3))
    assert not np.array_equal(gain, sensor.gain_map((400, 300), seed=4))


@pytest.mark.parametrize(
    ("name", "value"),
    [("pitch_mm", 0.0), ("pitch_mm", -1.0), ("pitch_mm", float("nan")), ("pitch_mm", 1e9), ("fill_factor", 1.5),
     ("adc_bits", 12.5), ("lag", 1.0), ("read_noise_e", -1.0), ("flat_frames", -1)],
)  # fmt: skip
def test_impossible_sensors_are_refused(name: str, value: float) -> None:
    with pytest.raises(PhysicsRangeError, match=name):
        Sensor(**{name: value})  # type: ignore[arg-type]


@pytest.mark.parametrize("kerma", [0.0, -1.0, float("nan"), 1e12])
def test_impossible_kerma_is_refused(kerma: float) -> None:
    with pytest.raises(PhysicsRangeError, match="air kerma"):
        Detector(Screen(34.0)).response(PAPER, kerma)


def test_resolution_of_a_box_is_what_wires_in_real_space_say() -> None:
    box = 0.1
    diameter = basic_spatial_resolution_mm(lambda f: np.sinc(box * f))
    x = np.arange(-0.6, 0.6, 1e-4)
    chords = sum(2 * np.sqrt(np.maximum((diameter / 2) ** 2 - (x - c) ** 2, 0.0)) for c in (-diameter, diameter))
    blurred = np.convolve(chords, np.ones(1000) / 1000, "same")
    assert 1 - blurred[len(x) // 2] / blurred.max() == pytest.approx(0.2, abs=0.005)
    assert duplex_wire_dip(np.ones_like, 0.1) == pytest.approx(1.0, abs=0.01)
    assert math.isnan(basic_spatial_resolution_mm(lambda f: np.where(f < 0.01, 1.0, 1e-9)))


def test_levels_are_found_on_known_curves() -> None:
    f = np.linspace(0.0, 10.0, 200)
    assert frequency_of(RadialCurve(f, np.exp(-f)), 0.5) == pytest.approx(math.log(2), rel=1e-4)
    assert math.isnan(frequency_of(RadialCurve(f, np.exp(-f)), 1e-9))
    with pytest.raises(InputError, match="between 0 and 1"):
        frequency_of(RadialCurve(f, np.exp(-f)), 1.5)


def test_radial_curves_hold_their_table_and_go_on_falling() -> None:
    f = quadratic_grid(10.0, 40)
    curve = RadialCurve(f, 1 / (1 + f**2))
    dense = np.linspace(0.0, 10.0, 500)
    np.testing.assert_allclose(curve(dense), 1 / (1 + dense**2), rtol=2e-3)
    beyond = curve(np.array([10.0, 20.0, 100.0]))
    assert (np.diff(beyond) < 0).all()
    assert curve(np.array([[20.0]])) == pytest.approx(curve(10.0) / 4, rel=0.05)
    np.testing.assert_array_equal(curve(-dense), curve(dense))


@settings(derandomize=True, deadline=None, max_examples=30)
@given(values=st.lists(st.floats(1e-6, 1.0), min_size=2, max_size=12))
def test_radial_curves_stay_within_their_neighbours(values: list[float]) -> None:
    f = np.arange(len(values), dtype=float)
    curve = RadialCurve(f, values)
    for left in range(len(values) - 1):
        inside = curve(np.linspace(left, left + 1, 11))
        low, high = sorted(values[left : left + 2])
        assert (inside >= low * (1 - 2e-3)).all()
        assert (inside <= high * (1 + 2e-3)).all()


def test_detectors_survive_a_file(tmp_path: Path) -> None:
    path = tmp_path / "detectors.toml"
    detectors = {
        "hr": Detector(Screen(33.91, packing=0.5, irradiation="back"), Sensor(pitch_mm=0.1)),
        "lr": measured_from(response(134.55)),
    }
    write_detectors(path, detectors)
    assert read_detectors(path) == detectors
    path.write_text(toml_text(detectors["hr"].to_dict()), encoding="utf-8")
    assert read_detectors(path) == {"detectors": detectors["hr"]}
    # Only whole files are ever seen.
    assert [item.name for item in tmp_path.iterdir()] == ["detectors.toml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "holds no detector"),
        ("x =", "is no TOML file"),
        ("[screen]\nmass_thickness_mg_cm2 = -1.0", "0.001 to 1000 mg/cm2"),
        ("[screen]\nmass_thickness_mg_cm2 = 30.0\nthickness = 1", "thickness"),
        ("[screen]\nmass_thickness_mg_cm2 = '30'", "mass_thickness_mg_cm2"),
        ("[screen]\nphosphor = 'CsI'", "mass_thickness_mg_cm2"),
        ("[screen]\nmass_thickness_mg_cm2 = 30.0\n[sensors]\npitch_mm = 0.1", "unknown table sensors"),
    ],
)
def test_unusable_detector_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "d.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_detectors(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    for reader in (read_detectors, read_mtf_curves, read_toml):
        with pytest.raises(MissingFileError, match=r"nope\.toml"):
            reader(tmp_path / "nope.toml")


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


def test_toml_of_every_kind_reads_back(tmp_path: Path) -> None:
    import tomllib

    tables = {
        "a": 1,
        "b": [1.5, 2e-12],
        "name": 'quo"te\n',
        "t": {"u": {"x": True, "y": []}, "33.91 mg/cm2": {"z": -0.0}},
    }
    assert tomllib.loads(toml_text(tables)) == tables
    assert math.isnan(tomllib.loads(toml_text({"x": float("nan")}))["x"])
    with pytest.raises(InputError, match="NoneType"):
        toml_text({"x": None})


def test_measured_is_checked_from_a_file_as_well() -> None:
    with pytest.raises(InputError, match="two equal columns"):
        Measured((0.0, 1.0), (1.0,), (0.0, 1.0), (1e-5, 1e-6), 1.0)
