"""Whose image it is: told, the weights' own, or estimated from the image; each with what is said about it."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tifffile

import xsim_zoo
from xsim.degradation.known_file import read_known
from xsim.detector.detector import Detector, Screen, Sensor, write_detectors
from xsim.errors import InputError
from xsim.imaging.pair import simulate_pair
from xsim.phantoms import random_board
from xsim_datasets.images import read_image
from xsim_datasets.recipe.imaging import setup_of
from xsim_datasets.recipe.recipe import load_recipe
from xsim_zoo.run import estimates as estimating
from xsim_zoo.run.estimates import Estimates
from xsim_zoo.run.grey import grey_scale
from xsim_zoo.run.restore import restore
from xsim_zoo.run.settings import RunSettings

sys.path.append(str(Path(__file__).parents[2] / "xsim" / "measure" / "blind"))
import foreign as made

OPEN_FIELD = 50_000.0


@pytest.fixture(scope="module")
def one():
    """Return a weld whose detector no model of this project made: f50 .15 cycles/px."""
    return made.foreign(9002, 320)


@pytest.fixture(scope="module")
def sde():
    return xsim_zoo.load("physics-sde", device="cpu")


@pytest.fixture
def radiograph(one, tmp_path):
    path = tmp_path / "weld.tif"
    grey = np.rint(one.image * OPEN_FIELD).clip(0, 65535).astype(np.uint16)
    tifffile.imwrite(path, grey, resolution=(10 / one.pitch_mm,) * 2, resolutionunit="CENTIMETER")
    return path


def rms(image):
    return float(np.sqrt(np.mean(np.square(image[32:-32, 32:-32]))))


def test_a_stranger_is_restored_from_the_file_alone(one, sde, radiograph):
    done = restore(sde, radiograph, RunSettings(detectors="image"))
    known, target = done.detectors.known, done.detectors.target
    assert done.pitch_mm == pytest.approx(one.pitch_mm, rel=1e-4)
    assert known.noise_rms == pytest.approx(one.noise, rel=0.15)
    f = np.linspace(0, 0.5, 51)
    assert np.abs(known.mtf_at(f) - one.mtf(f))[one.mtf(f) > 0.2].max() < 0.12
    truth = one.sharp(target.mtf_at)
    assert rms(done.image - truth) < 0.7 * rms(one.image - truth)
    assert done.consistency.verdict.startswith("consistent with the measurement if the estimated detector is right")
    assert sum("'universal' taken" in note for note in done.notes) == 1
    said = done.detector()
    assert said["source"] == "image"
    assert said["f50_low_lp_mm"] < said["f50_lp_mm"] < said["f50_high_lp_mm"]
    assert said["noise_low"] < said["noise_open_field"] < said["noise_high"]
    assert said["edges"] > 0
    assert said["flat_mm2"] > 0
    assert len(said["mtf"]) == len(said["mtf_target"]) == len(said["frequency_lp_mm"])


def test_without_a_pitch_all_is_in_pixels(one, sde):
    done = restore(sde, one.image, RunSettings(detectors="image", open_field=1.0))
    assert done.pitch_mm is None
    said = done.detector()
    assert said["f50_lp_mm"] is None
    assert said["frequency_lp_mm"] is None
    assert said["f50_cycles_px"] == pytest.approx(made.f50_of(one.mtf), rel=0.15)
    assert done.consistency.to_dict()["band_lp_mm"] is None
    assert done.consistency.to_dict()["band_cycles_px"][-1][1] == pytest.approx(0.5)
    assert any("in pixels" in note for note in done.notes)


def test_images_of_one_detector_share_its_estimate(sde, radiograph, tmp_path, monkeypatch):
    other = tmp_path / "again.tif"
    tifffile.imwrite(other, tifffile.imread(radiograph)[::-1], **_tags(radiograph))
    counted = []
    measure = estimating.measure_blind
    monkeypatch.setattr(estimating, "measure_blind", lambda *a, **k: counted.append(len(a[0])) or measure(*a, **k))
    shared, settings = Estimates([radiograph, other]), RunSettings(detectors="image", steps=1)
    first, second = (restore(sde, path, settings, estimates=shared) for path in (radiograph, other))
    assert counted == [2]
    assert first.detectors.known.f50 == second.detectors.known.f50


def _tags(path):
    with tifffile.TiffFile(path) as file:
        tags = file.pages[0].tags
        return {"resolution": tuple(tags[name].value for name in ("XResolution", "YResolution")), "resolutionunit": 3}


def test_the_weights_own_detector_is_known_when_it_is_seen(sde):
    own = sde.physics.degradation
    f = np.linspace(0, 0.75, 301)
    mtf = np.interp(f / 0.048, own.frequency_lp_mm, own.B_1 * own.mtf_hr)
    scene = made.Canvas(448)
    made.plates(scene, np.random.default_rng(1))
    seen = made.blurred(scene.attenuation, lambda fx, fy: np.interp(np.hypot(fx, fy), f, mtf))[32:-32, 32:-32]
    y = seen + 0.005 * np.sqrt(seen) * np.random.default_rng(2).normal(size=seen.shape)
    kept = restore(sde, y, RunSettings(detectors="image", pitch_mm=0.048))
    assert any("agrees with the detectors of the weights" in note for note in kept.notes)
    assert kept.detectors.restorer.physics.degradation.link.is_identity
    # Plateaus stay the image's own unless HR grey is asked for.
    plate = (slice(60, -60),) * 2
    assert np.median(kept.image[plate]) == pytest.approx(np.median(y[plate]), rel=0.005)
    turned = restore(sde, y, RunSettings(detectors="image", pitch_mm=0.048, grey="hr"))
    assert not turned.detectors.restorer.physics.degradation.link.is_identity
    assert "estimated" in kept.consistency.condition


@pytest.mark.parametrize("pitch_mm", [0.025, 0.127, 0.4])
@pytest.mark.parametrize("name", ["wiener", "physics-sde"])
def test_a_file_of_one_detector_serves_at_any_pitch_and_keeps_grey(name, pitch_mm, tmp_path):
    path = tmp_path / "d.toml"
    write_detectors(path, {"mine": Detector(Screen(100.0), Sensor(pitch_mm=pitch_mm))})
    steps = np.tile(np.repeat(np.linspace(0.9, 0.2, 4), 64), (192, 1))
    blur = read_known(path).lr.mtf_at(np.hypot(np.fft.fftfreq(192)[:, None], np.fft.rfftfreq(512)[None]))
    both = np.concatenate([steps, steps[:, ::-1]], axis=1)
    y = np.fft.irfft2(np.fft.rfft2(both) * blur, s=both.shape)[:, :256]
    y += 0.004 * np.random.default_rng(0).normal(size=y.shape)
    done = restore(xsim_zoo.load(name, device="cpu"), y, RunSettings(detectors=str(path), pitch_mm=pitch_mm))
    for k in range(4):
        plateau = (slice(32, -32), slice(64 * k + 26, 64 * k + 38))
        assert np.mean(done.image[plateau]) == pytest.approx(
            np.mean(y[plateau]), rel=0.005 if name == "physics-sde" else 0.02
        )
    assert done.detector()["source"] == "model"
    assert "if" not in done.consistency.verdict.split()
    with pytest.raises(InputError, match="pixel pitch"):
        restore(xsim_zoo.load(name, device="cpu"), y, RunSettings(detectors=str(path), pitch_mm=2 * pitch_mm))


def test_what_learned_one_blur_says_so(one, radiograph, tmp_path):
    unet = xsim_zoo.load("unet-wiener", device="cpu")
    with pytest.raises(InputError, match="has learned the blur of one pair"):
        restore(unet, radiograph, RunSettings(detectors="image"))
    assumed = restore(unet, one.image, RunSettings(detectors="image", pitch_mm=0.048))
    assert any("rather run physics-sde" in note for note in assumed.notes)
    assert "whose image it is was only guessed (--detectors)" in assumed.consistency.verdict
    path = tmp_path / "d.toml"
    write_detectors(path, {"mine": Detector(Screen(100.0), Sensor(pitch_mm=0.1))})
    with pytest.raises(InputError, match="takes no --detectors"):
        restore(xsim_zoo.load("cdm", device="cpu"), one.image, RunSettings(detectors=str(path)))


@pytest.mark.parametrize("name", ["wiener", "physics-sde"])
def test_noise_that_is_measured_is_used(name):
    recipe = load_recipe("paper")
    setup = setup_of(recipe.imaging.drawn(20_001, 0))
    board = random_board(20_001, (768, 768), setup.pitch_mm / setup.geometry.magnification / 2)
    pair = simulate_pair(board, replace(setup, kerma_uGy=setup.kerma_uGy / 4, hr_frames=80), 20_001)
    restorer = xsim_zoo.load(name, device="cpu")
    found = restore(restorer, np.asarray(pair.lr), RunSettings(pitch_mm=setup.pitch_mm))
    if name == "wiener":
        assert found.consistency.noise_factor > 2.5
    # A quarter of the dose: what is restored with the noise of the full one is 1 to 6 dB worse.
    unaware = restorer.restore_array(np.asarray(pair.lr))
    assert rms(found.image - np.asarray(pair.hr)) < 0.9 * rms(unaware - np.asarray(pair.hr))
    assert any("many doses" in note for note in found.notes) == (name == "physics-sde")


def test_a_target_is_reached_and_a_wrong_one_is_named(one, sde):
    settings = {"detectors": "image", "pitch_mm": one.pitch_mm, "open_field": 1.0, "steps": 1}
    sharp = restore(sde, one.image, RunSettings(target="30", **settings)).detectors.target
    soft = restore(sde, one.image, RunSettings(target="300", **settings)).detectors.target
    assert sharp.f50 >= soft.f50
    for target, match in (("none.csv", "no such file"), ("-3", "thickness")):
        with pytest.raises(InputError, match=match):
            restore(sde, one.image, RunSettings(target=target, **settings))
    with pytest.raises(InputError, match="grey values stay"):
        restore(sde, one.image, RunSettings(grey="hr", **settings))


def test_each_image_of_one_detector_has_its_own_noise(one, tmp_path):
    tags = {"resolution": (10 / one.pitch_mm,) * 2, "resolutionunit": 3}
    turned = one.image[::-1]
    more = 4 * one.noise * np.sqrt(np.clip(turned, 0, 1)) * np.random.default_rng(5).normal(size=turned.shape)
    paths = [tmp_path / "much.tif", tmp_path / "little.tif"]
    for path, image in zip(paths, (one.image, turned + more), strict=True):
        tifffile.imwrite(path, np.rint(image * OPEN_FIELD).clip(0, 65535).astype(np.uint16), **tags)
    settings, shared = RunSettings(detectors="image", open_field=OPEN_FIELD), Estimates(paths)
    known = []
    for path in paths:
        source = read_image(path)
        known.append(shared.of(source, grey_scale(source, settings)[0], source.pitch_mm, settings))
    assert known[0].f50 == known[1].f50
    assert known[0].noise_rms == pytest.approx(one.noise, rel=0.15)
    assert known[1].noise_rms == pytest.approx(np.sqrt(17) * one.noise, rel=0.15)
    assert all(f"noise {100 * k.noise_rms:.2g} %" in k.summary for k in known)


def test_an_estimate_that_is_wide_certifies_nothing(one, sde, monkeypatch):
    known = replace(estimating.measure_blind(one.image).known(), blur_spread=1.5)
    monkeypatch.setattr(Estimates, "of", lambda *_: known)
    done = restore(sde, one.image, RunSettings(detectors="image", open_field=1.0, steps=1))
    assert not done.consistency.consistent
    assert "factor of 1.5" in done.consistency.verdict
    assert "tilted plate" in done.consistency.verdict
