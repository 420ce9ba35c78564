"""Keys of a recipe that reach the detector: every parameter of the physics has one, and each does what it says."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import xsim
from xsim.detector.detector import Detector, Screen, Sensor
from xsim.detector.light_transport import Optics
from xsim.detector.optics_fit import FittedOptics, write_fit
from xsim.detector.phosphors import OPTICS
from xsim.errors import InputError
from xsim.imaging.acquisition import Acquisition
from xsim.imaging.geometry import Geometry
from xsim.imaging.scatter import Scatter
from xsim.imaging.setup import PairSetup
from xsim.phantoms import Phantom
from xsim_cli.app import main
from xsim_datasets.recipe.imaging import Imaging, setup_of
from xsim_datasets.recipe.recipe import Recipe, imaging_settings, load_recipe

if TYPE_CHECKING:
    from pathlib import Path

    from xsim.imaging.pair import Pair

# Where each dataclass stands in a set-up, where its keys stand in a recipe, and the keys of another place or name.
PLACES: dict[type[Any], tuple[str, str, dict[str, str]]] = {
    Sensor: ("hr.sensor", "sensor.", {"pitch_mm": "pitch_mm"}),
    Screen: ("hr.screen", "screen.", {"mass_thickness_mg_cm2": "hr_mass_thickness_mg_cm2"}),
    Optics: ("hr.screen.optics", "screen.optics.", {}),
    Geometry: (
        "geometry",
        "geometry.",
        {"source_detector_mm": "source_detector_mm", "source_object_mm": "", "focal_spot_mm": "focal_spot_mm"},
    ),
    Scatter: ("scatter", "scatter.", {"ratio_per_depth": "scatter_ratio_per_depth", "glare": "glare"}),
    Acquisition: ("acquisition", "acquisition.", {}),
    PairSetup: ("", "", {}),
}
# Parts with tables of their own, and the beam, whose keys are kvp, anode_angle_deg and filters.
PARTS = {"spectrum", "hr", "lr", "geometry", "scatter", "acquisition", "optics"}
VALUES: dict[str, Any] = {
    "phosphor": "CsI", "irradiation": "back", "focal_spot_shape": "disc", "method": "fast", "noise": "layered",
    "packing": 0.5, "adc_bits": 12, "full_well_e": 1e6, "source_detector_mm": 500.0, "tilt_deg": 10.0, "falloff": True,
    "correct": False, "registration_px": (0.5, -1.0), "hr_frames": 3, "pitch_mm": 0.06, "mass_thickness_mg_cm2": 50.0,
    "range_mm": 5.0, "glare_range_mm": 5.0, "kerma_uGy": 20.0, "flat_frames": 8, "lr_frames": 2, "detector_seed": 3,
    "heel_depth_mm": 0.005, "offset_sd_e": 10.0, "dark_frames": 4, "quantum_efficiency": 0.3, "fill_factor": 0.5,
    "read_noise_e": 800.0, "diffusion_length_mm": 1.0, "fibre_plate_glass": "FOP-core",
    "binning": 2, "high_gain_well_e": 1e5, "lag_before": "open", "compton_deposits": True, "by_material": True,
}  # fmt: skip


def imaging(**settings: Any) -> Imaging:
    return load_recipe("paper", imaging={key.replace("__", "."): value for key, value in settings.items()}).imaging


def seen(height: int = 96, width: int = 96, seed: int = 1, **settings: Any) -> Pair:
    """Return a pair of the open field."""
    setup = setup_of(imaging(**settings))
    pixel_mm = setup.pitch_mm / setup.geometry.magnification
    air = Phantom(("FR-4",), np.zeros((1, height, width), np.float32), pixel_mm)
    return xsim.simulate_pair(air, setup, seed)


@pytest.mark.parametrize(
    ("physics", "name"),
    [(physics, item.name) for physics in PLACES for item in fields(physics) if item.name not in PARTS],
)
def test_every_parameter_of_the_physics_is_a_key(physics: type[Any], name: str) -> None:
    place, prefix, moved = PLACES[physics]
    if name == "source_object_mm":  # said as the magnification
        assert setup_of(imaging(magnification=1.5)).geometry.source_object_mm == pytest.approx(400.0)
        return
    value = VALUES.get(name, 0.02)
    found: Any = setup_of(load_recipe("paper", imaging={moved.get(name, prefix + name): value}).imaging)
    for part in filter(None, place.split(".")):
        found = getattr(found, part)
    assert getattr(found, name) == value
    assert value != getattr(physics, name, None)


def test_one_side_may_differ_from_the_other() -> None:
    setup = setup_of(imaging(sensor__lag=0.1, hr__sensor__lag=0.0, lr__screen__optics__gap_mm=0.02))
    assert (setup.hr.sensor.lag, setup.lr.sensor.lag) == (0.0, 0.1)
    assert setup.hr.screen.optics == Optics()
    assert setup.lr.screen.optics == Optics(gap_mm=0.02)


def test_the_default_detectors_are_those_of_before() -> None:
    setup = setup_of(load_recipe("paper").imaging)
    assert (setup.hr, setup.lr) == (Detector(Screen(33.91), Sensor()), Detector(Screen(134.55), Sensor()))
    assert setup.to_dict() == xsim.recipes.paper().to_dict()


def test_a_key_that_says_the_usual_leaves_the_hash_alone() -> None:
    usual = load_recipe("paper")
    same = load_recipe("paper", imaging={"sensor.read_noise_e": 200.0, "method": "exact", "acquisition.correct": True})
    assert same.hash() == usual.hash()
    assert "sensor" not in same.model_dump(mode="json")["imaging"]
    other = load_recipe("paper", imaging={"sensor.read_noise_e": 201.0})
    assert other.hash() != usual.hash()
    assert other.model_dump(mode="json")["imaging"]["sensor"] == {"read_noise_e": 201.0}


def test_columns_have_constants_of_their_own_which_a_recipe_keeps_as_given() -> None:
    keys = {"hr.screen.phosphor": "CsI-columnar", "screen.optics.diffusion_length_mm": 2.0}
    recipe = load_recipe("paper", imaging=keys)
    again = Recipe.model_validate(recipe.model_dump(mode="json"))
    for one in (recipe, again):
        setup = setup_of(one.imaging)
        assert setup.hr.screen.optics == replace(OPTICS["columnar"], diffusion_length_mm=2.0)
        assert setup.lr.screen.optics == Optics()


def test_a_recipe_with_tables_survives_its_own_json() -> None:
    settings = {"sensor.lag": {"low": 0.0, "high": 0.1}, "hr.sensor.lag": 0.0, "registration_px": [0.5, 0.0]}
    recipe = load_recipe("paper", imaging=settings)
    again = Recipe.model_validate(json.loads(json.dumps(recipe.model_dump(mode="json"))))
    assert again == recipe
    assert again.hash() == recipe.hash()
    assert setup_of(again.imaging.drawn(1, 0)).to_dict() == setup_of(recipe.imaging.drawn(1, 0)).to_dict()


def test_ranges_in_tables_are_drawn_each_by_itself() -> None:
    wide = {"low": 100.0, "high": 900.0}
    one = imaging(kvp={"low": 50, "high": 100}, setups=4, sensor__read_noise_e=wide)
    two = imaging(kvp={"low": 50, "high": 100}, setups=4, sensor__read_noise_e=wide, hr__sensor__read_noise_e=wide)
    assert one.has_ranges
    drawn = [one.drawn(3, number) for number in range(4)]
    noise = [setup_of(item).hr.sensor.read_noise_e for item in drawn]
    assert len(set(noise)) == 4
    assert all(100 <= value <= 900 for value in noise)
    assert [item.kvp for item in drawn] == [two.drawn(3, number).kvp for number in range(4)]
    assert [setup_of(two.drawn(3, number)).lr.sensor.read_noise_e for number in range(4)] == noise
    assert [setup_of(corner).hr.sensor.read_noise_e for corner in one.corners()] == [100.0, 900.0]


def test_whole_numbers_are_drawn_whole() -> None:
    recipe = imaging(setups=64, sensor__adc_bits={"low": 10, "high": 13}, lr_frames={"low": 1, "high": 9, "step": 4})
    drawn = [recipe.drawn(1, number) for number in range(64)]
    assert {setup_of(item).hr.sensor.adc_bits for item in drawn} == {10, 11, 12, 13}
    assert {item.lr_frames for item in drawn} == {1, 5, 9}


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("sensor.read_nois_e", "unknown key 'imaging.sensor.read_nois_e': did you mean read_noise_e?"),
        ("hr.screen.optics.gap", "'imaging.hr.screen.optics.gap': did you mean gap_mm?"),
        ("acquisition.exposure", "did you mean exposure_sd"),
        ("sensr.lag", "unknown key 'imaging.sensr': did you mean sensor"),
        ("sensor.pitch_mm", r"it stands in \[imaging\] itself, as pitch_mm"),
        ("geometry.source_object_mm", r"it stands in \[imaging\] itself, as magnification"),
    ],
)
def test_unknown_keys_are_named_with_the_nearest(key: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_recipe("paper", imaging={key: 1.0})


@pytest.mark.parametrize("value", ["lots", "nan", "[1.0]"])
def test_values_of_another_kind_are_refused(value: str) -> None:
    with pytest.raises(InputError, match=r"'imaging.sensor.lag'"):
        load_recipe("paper", imaging=imaging_settings([f"sensor.lag={value}"]))


def test_numbers_that_the_physics_refuses_are_refused() -> None:
    with pytest.raises(InputError, match="lag"):
        setup_of(imaging(sensor__lag=0.95))


def test_read_noise_adds_its_variance_and_nothing_else() -> None:
    quiet, loud = (seen(seed=4, sensor__read_noise_e=value) for value in (0.0, 4000.0))
    signal = setup_of(imaging()).lr_response.signal_electrons
    added = np.var(loud.lr, dtype=float) - np.var(quiet.lr, dtype=float)
    assert added == pytest.approx((4000.0 / signal) ** 2, rel=0.2)


def test_a_smaller_photodiode_is_sharper_and_collects_less() -> None:
    full, part = (setup_of(imaging(sensor__fill_factor=value)).hr_response for value in (1.0, 0.25))
    assert part.signal_electrons == pytest.approx(0.25 * full.signal_electrons)
    frequency = np.array([5.0])
    widened = np.sinc(frequency * 0.048) / np.sinc(frequency * 0.024)
    np.testing.assert_allclose(full.mtf(frequency) / part.mtf(frequency), widened, rtol=1e-6)


def test_lag_keeps_noise_that_averaging_would_remove() -> None:
    steady, lagging = (seen(sensor__lag=value, sensor__flat_frames=0) for value in (0.0, 0.5))
    ratio = np.var(lagging.hr, dtype=float) / np.var(steady.hr, dtype=float)
    assert ratio == pytest.approx(Sensor(lag=0.5).frame_average(20) / Sensor().frame_average(20), rel=0.1)


def test_a_small_full_well_saturates_the_open_field() -> None:
    pair = seen(lr__sensor__full_well_e=3e5)
    assert pair.counts["lr_saturated"] == pair.lr.size
    assert pair.counts["hr_saturated"] == 0


def test_drift_of_the_exposure_is_seen_in_the_mean() -> None:
    assert seen(acquisition__exposure_drift=0.1).hr.mean() == pytest.approx(1.1, abs=2e-3)
    spread = [seen(32, 32, seed=seed, acquisition__exposure_sd=0.2, hr_frames=1).hr.mean() for seed in range(40)]
    assert np.std(spread) == pytest.approx(0.2, rel=0.3)


def test_tilt_and_heel_shape_the_uncorrected_field() -> None:
    keys = {"geometry__falloff": True, "geometry__tilt_deg": 20.0, "geometry__heel_depth_mm": 0.005}
    near = {"source_detector_mm": 60.0, "acquisition__correct": False, "sensor__gain_sd": 0.0}
    pair = seen(64, 192, **keys, **near)
    setup = setup_of(imaging(**keys, **near))
    wanted = setup.geometry.kerma_map((64, 192), setup.pitch_mm, setup.spectrum)
    assert np.ptp(wanted) > 0.05
    for axis in (0, 1):
        np.testing.assert_allclose(pair.hr.mean(axis=axis), wanted.mean(axis=axis), atol=5e-3)


def test_shifted_images_are_shifted() -> None:
    setup = setup_of(imaging(registration_px=[2.0, 0.0]))
    assert setup.registration_px == (2.0, 0.0)


def test_the_program_takes_keys_and_names_wrong_ones(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keys = ["--set", "sensor.read_noise_e=800", "--set", "screen.phosphor=CsI", "--set", "acquisition.exposure_sd=0.02"]
    main(["simulate", "--size", "32", "--fast", "-o", str(tmp_path / "pair"), *keys])
    setup = json.loads((tmp_path / "pair" / "pair.json").read_text())["settings"]["setup"]
    assert setup["lr"]["sensor"]["read_noise_e"] == 800.0
    assert setup["hr"]["screen"]["phosphor"] == "CsI"
    assert setup["acquisition"]["exposure_sd"] == 0.02
    out = str(tmp_path / "a.zarr")
    main(["dataset", "make", "tiny", "-n", "2", "--size", "32", "-o", out, "--set", "sensor.lag=0.1"])
    capsys.readouterr()
    for wrong, said in (("sensor.lagg=0.1", "did you mean lag?"), ("sensor.lag", "is not KEY=VALUE"), ("=3", "KEY=")):
        for words in (["simulate", "-o", str(tmp_path / "b")], ["dataset", "make", "tiny", "-o", f"{out}2"]):
            with pytest.raises(SystemExit) as end:
                main([*words, "--set", wrong])
            error = capsys.readouterr().err
            assert (end.value.code, error.count("\n")) == (2, 1)
            assert said in error


def test_measured_detectors_bring_their_own_sensors(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text('name = "a"\n[imaging]\ndetectors = "D.toml"\n[imaging.sensor]\nlag = 0.1\n', encoding="utf-8")
    with pytest.raises(InputError, match="bring their own sensor"):
        load_recipe(str(file))


def test_set_ups_draw_their_optics_from_a_fit(tmp_path: Path) -> None:
    names = ("extrapolation_sensor_mm", "gap_mm")
    # Perfectly anticorrelated: what one gains the other loses.
    fit = FittedOptics(Optics(), dict.fromkeys(names, 0.3), 0.01, 0.09 * np.array([[1.0, -1.0], [-1.0, 1.0]]))
    write_fit(tmp_path / "fit.toml", fit)
    usual = load_recipe("paper")
    recipe = load_recipe("paper", imaging={"optics_fit": str(tmp_path / "fit.toml"), "setups": 8})
    setups = [setup_of(recipe.imaging.drawn(4, number)) for number in range(8)]
    drawn = [setup.hr.screen.optics for setup in setups]
    assert drawn == [setup.lr.screen.optics for setup in setups]
    assert len(set(drawn)) == 8
    for one in drawn:
        assert sum(getattr(one, name) / getattr(Optics(), name) for name in names) == pytest.approx(2.0)
        assert one.gain_noise == Optics().gain_noise
    assert setup_of(recipe.imaging.corners()[0]).hr.screen.optics.gap_mm == pytest.approx(Optics().gap_mm)
    kept = load_recipe(
        "paper", imaging={"optics_fit": str(tmp_path / "fit.toml"), "screen.optics.gap_mm": 0.02}
    ).imaging.drawn(1, 0)
    assert setup_of(kept).lr.screen.optics.gap_mm == 0.02
    again = Recipe.model_validate(json.loads(json.dumps(recipe.model_dump(mode="json"))))
    assert (again, again.hash()) == (recipe, recipe.hash())
    assert recipe.hash() != usual.hash()
    assert "optics_fit" not in usual.model_dump(mode="json")["imaging"]
    (tmp_path / "bad.toml").write_text("a = 1", encoding="utf-8")
    with pytest.raises(InputError, match="fitted optics"):
        load_recipe("paper", imaging={"optics_fit": str(tmp_path / "bad.toml")})
