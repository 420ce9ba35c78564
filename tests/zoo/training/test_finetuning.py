"""Finetuning: the physics of pairs is found again, adapting gains, and nothing worse is kept."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import xsim_zoo
from tests.zoo.training.test_training import StoppedError, dies_after
from xsim.degradation.link import GreyLink
from xsim.detector.detector import Detector, Screen
from xsim.errors import InputError, MissingFileError, PhysicsRangeError
from xsim.files.toml import write_toml
from xsim_zoo.training.data import GivenPhysics, MixedPairs
from xsim_zoo.training.finetune import FINETUNE_SETTINGS, finetune
from xsim_zoo.training.pair_physics import measure_degradation
from xsim_zoo.training.settings import TrainSettings, settings_from
from xsim_zoo.training.train import train
from xsim_zoo.training.validation import Scores
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import SimpleNamespace

    from xsim_zoo.training.data import MemoryPairs

SHORT = FINETUNE_SETTINGS.model_copy(
    update={"steps": 4, "batch": 2, "crops": 1, "patch": 32, "validate_every": 2, "save_every": 2, "validate_images": 2}
)


@pytest.fixture(scope="module")
def pretrained(pairs: MemoryPairs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("pretrained") / "run"
    settings = TrainSettings(
        size="tiny", steps=4, batch=2, crops=1, patch=32, warmup=2, validate_every=4, validate_images=1
    )
    train("physics-sde", pairs, run, settings, device="cpu", quiet=True)
    return run


@pytest.fixture(scope="module")
def other(make_pairs: Callable[..., MemoryPairs], toys: SimpleNamespace) -> MemoryPairs:
    """Eight pairs of a blurrier, noisier detector."""
    return make_pairs(count=10, held_out=2, degradation=toys.closed_form(noise=3.0, width=2.8))


def go(pairs: MemoryPairs, run: Path, pretrained: Path, **options: object):
    return finetune("physics-sde", pairs, run, SHORT, weights=pretrained, device="cpu", quiet=True, **options)


@pytest.mark.parametrize("measured", [False, True])
def test_adapting_gains_over_the_unadapted_weights(
    measured: bool, other: MemoryPairs, pretrained: Path, tmp_path: Path
) -> None:
    result = go(other, tmp_path / "run", pretrained, measured=measured)
    assert result.kept != "as shipped"
    assert result.best.psnr_dB > result.shipped.psnr_dB + 0.5
    assert result.best.psnr_dB == max(result.calibrated.psnr_dB, result.trained.psnr_dB)
    assert load_checkpoint(tmp_path / "run").card.training["settings"]["size"] == "tiny"
    kept = xsim_zoo.load("physics-sde", tmp_path / "run", device="cpu")
    assert (
        kept.physics.degradation.B_1_map((64, 64))[0, 20]
        < 0.8 * (xsim_zoo.load("physics-sde", pretrained, device="cpu").physics.degradation.B_1_map((64, 64))[0, 20])
    )


def test_pairs_without_physics_have_it_measured(other: MemoryPairs, pretrained: Path, tmp_path: Path) -> None:
    class Bare(GivenPhysics):
        setups = ()  # type: ignore[assignment]

    bare: Any = Bare(other, other.degradation)
    result = go(bare, tmp_path / "run", pretrained)
    assert result.best.psnr_dB > result.shipped.psnr_dB
    with pytest.raises(InputError, match="do not say what lies between"):
        train("physics-sde", bare, tmp_path / "anew", SHORT, device="cpu", quiet=True)
    with pytest.raises(InputError, match="do not say what lies between"):
        MixedPairs(other, bare)


def test_weights_that_were_not_told_of_the_link_can_learn_to_listen(
    pairs: MemoryPairs, other: MemoryPairs, pretrained: Path, tmp_path: Path
) -> None:
    settings = SHORT.model_copy(update={"link_conditioning": True})
    go = {"weights": pretrained, "device": "cpu", "quiet": True}
    result = finetune("physics-sde", other, tmp_path / "told", settings, **go)
    told = xsim_zoo.load("physics-sde", tmp_path / "told", device="cpu")
    assert told.network.link_conditioning
    assert told.network.embedding.link.weight.abs().max() > 0
    assert told.options == {"size": "tiny", "link_conditioning": True}
    assert load_checkpoint(tmp_path / "told").card.training["settings"]["link_conditioning"]
    assert finetune("physics-sde", other, tmp_path / "told", resume=True, **go).best == result.best
    # Pairs of several detectors are told of it from the start; one pair of detectors has nothing to tell.
    train("physics-sde", MixedPairs(other, pairs), tmp_path / "many", SHORT, device="cpu", quiet=True)
    assert load_checkpoint(tmp_path / "many").card.options["link_conditioning"]
    assert "link_conditioning" not in load_checkpoint(pretrained).card.options
    with pytest.raises(InputError, match="link_conditioning=False: finetuning keeps the network of its weights"):
        finetune(
            "physics-sde",
            other,
            tmp_path / "deaf",
            SHORT.model_copy(update={"link_conditioning": False}),
            weights=tmp_path / "told",
            device="cpu",
            quiet=True,
        )


def test_where_adapting_gains_nothing_the_pretrained_weights_are_kept(
    pairs: MemoryPairs, pretrained: Path, tmp_path: Path, toys: SimpleNamespace
) -> None:
    """Real physics declared wrongly: every adapted answer is worse."""
    wrong = GivenPhysics(pairs, toys.closed_form(noise=300.0, width=1.0))
    result = go(wrong, tmp_path / "run", pretrained)  # type: ignore[arg-type]
    assert result.kept == "as shipped"
    assert result.best == result.shipped
    assert result.calibrated.psnr_dB < result.shipped.psnr_dB
    digests = [load_checkpoint(run).card.digest for run in (tmp_path / "run", pretrained)]
    assert digests[0] == digests[1]


@pytest.fixture(scope="module")
def of_many(pretrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The pretrained weights as if they had learned several pairs of detectors, none of them these pairs' own."""
    run = tmp_path_factory.mktemp("of_many")
    shutil.copyfile(pretrained / "weights.safetensors", run / "weights.safetensors")
    card = json.loads((pretrained / "weights.json").read_text())
    card["data"]["setups"] = 3
    (run / "weights.json").write_text(json.dumps(card))
    return run


@pytest.mark.parametrize("measured", [False, True])
def test_weights_of_many_detectors_are_told_those_of_the_pairs_before_they_are_scored(
    measured: bool, other: MemoryPairs, of_many: Path, tmp_path: Path
) -> None:
    result = go(other, tmp_path / "run", of_many, measured=measured)
    held_out = other.indices("validation")
    told = xsim_zoo.load("physics-sde", of_many, device="cpu")
    told = told.with_physics(replace(told.physics, degradation=other.degradation))
    expected = Scores.of([told.restore_array(other.lr[index]) for index in held_out], list(other.hr[held_out]))
    tolerance = {"abs": 1.5} if measured else {"rel": 1e-6}
    assert result.shipped.psnr_dB == pytest.approx(expected.psnr_dB, **tolerance)
    adapted = xsim_zoo.load("physics-sde", tmp_path / "run", device="cpu")
    assert not adapted.awaits_detectors
    answers = [adapted.restore_array(other.lr[index]) for index in held_out]
    assert Scores.of(answers, list(other.hr[held_out])).psnr_dB == pytest.approx(result.best.psnr_dB, rel=1e-6)


def test_weights_of_many_detectors_that_are_kept_stand_between_those_of_the_pairs(
    other: MemoryPairs, of_many: Path, tmp_path: Path
) -> None:
    useless = SHORT.model_copy(update={"lr": 0.5, "clip": 1e6})
    run = tmp_path / "run"
    result = finetune("physics-sde", other, run, useless, weights=of_many, device="cpu", quiet=True)
    assert result.kept in {"as shipped", "calibrated"}
    kept = xsim_zoo.load("physics-sde", run, device="cpu")
    held_out = other.indices("validation")
    answers = [kept.restore_array(other.lr[index]) for index in held_out]
    assert Scores.of(answers, list(other.hr[held_out])).psnr_dB == pytest.approx(result.best.psnr_dB, rel=1e-6)


def test_what_calibration_gains_is_told_apart_from_what_training_gains(
    other: MemoryPairs, pretrained: Path, tmp_path: Path
) -> None:
    """A training that ruins the weights: calibrated they gain all the same, and stay what they were."""
    useless = SHORT.model_copy(update={"lr": 0.5, "clip": 1e6})
    run = tmp_path / "run"
    result = finetune("physics-sde", other, run, useless, weights=pretrained, device="cpu", quiet=True)
    assert result.trained.psnr_dB < result.shipped.psnr_dB < result.calibrated.psnr_dB - 0.5
    assert (result.kept, result.best) == ("calibrated", result.calibrated)
    kept = xsim_zoo.load("physics-sde", run, device="cpu")
    assert load_checkpoint(run).card.digest == load_checkpoint(pretrained).card.digest
    assert load_checkpoint(run).card.scores["validation"]["psnr_dB"] == result.calibrated.psnr_dB
    np.testing.assert_allclose(kept.physics.degradation.B_1, other.degradation.B_1)
    held_out = other.indices("validation")
    answers = [kept.restore_array(other.lr[index]) for index in held_out]
    assert Scores.of(answers, list(other.hr[held_out])).psnr_dB == pytest.approx(result.calibrated.psnr_dB, rel=1e-6)


def test_a_restorer_that_does_not_adapt_by_itself_is_finetuned_too(
    pairs: MemoryPairs, other: MemoryPairs, tmp_path: Path
) -> None:
    settings = TrainSettings(size="tiny", steps=2, batch=2, crops=1, patch=32, validate_every=2, validate_images=1)
    train("unet", pairs, tmp_path / "start", settings, device="cpu", quiet=True)
    result = finetune("unet", other, tmp_path / "run", SHORT, weights=tmp_path / "start", device="cpu", quiet=True)
    named = {"as shipped": result.shipped, "calibrated": result.calibrated, "trained": result.trained}
    assert result.best == named[result.kept] == max(named.values(), key=lambda scores: scores.psnr_dB)
    kept = xsim_zoo.load("unet", tmp_path / "run", device="cpu")
    held_out = other.indices("validation")
    answers = [kept.restore_array(other.lr[index]) for index in held_out]
    assert Scores.of(answers, list(other.hr[held_out])).psnr_dB == pytest.approx(result.best.psnr_dB, rel=1e-6)


def test_pairs_of_another_pitch_are_refused_but_by_weights_of_many_detectors(
    other: MemoryPairs, pretrained: Path, of_many: Path, calibration: Path, tmp_path: Path
) -> None:
    finer = replace(other, degradation=replace(other.degradation, pitch_mm=0.03))
    for measured in (False, True):
        with pytest.raises(InputError, match=r"0\.03 mm, the weights hold for 0\.048 mm"):
            go(finer, tmp_path / "run", pretrained, measured=measured)
    with pytest.raises(InputError, match=r"for a pixel pitch of 0\.048 mm, the pairs have 0\.03 mm"):
        go(finer, tmp_path / "run", of_many, detectors=calibration)
    assert not (tmp_path / "run").exists()
    go(finer, tmp_path / "run", of_many, measured=True)
    assert xsim_zoo.load("physics-sde", tmp_path / "run", device="cpu").physics.pitch_mm == 0.03


def test_blur_and_noise_are_found_on_pairs(other: MemoryPairs, toys: SimpleNamespace) -> None:
    registered = list(zip(other.hr, other.lr, strict=True))
    truth = other.degradation
    found = measure_degradation(registered, toys.closed_form(), truth.pitch_mm)
    for f in (1.0, 2.0, 3.0, 4.0):
        expected = np.interp(f, truth.frequency_lp_mm, truth.B_1)
        assert np.interp(f, found.frequency_lp_mm, found.B_1) == pytest.approx(expected, abs=0.04)
    for f in (1.0, 3.0, 6.0):
        expected = np.interp(f, truth.frequency_lp_mm, truth.Sigma_1_mm2)
        assert np.interp(f, found.frequency_lp_mm, found.Sigma_1_mm2) == pytest.approx(expected, rel=0.35)
    grey = np.array([0.4, 0.7, 0.9])
    np.testing.assert_allclose(found.link.forward(grey), truth.link.forward(grey), atol=0.02)


def test_mixed_pairs_keep_their_own_physics_and_share(pairs: MemoryPairs, other: MemoryPairs) -> None:
    mixed = MixedPairs(other, pairs, share=0.4)
    train_indices = mixed.indices("train")
    synthetic = [index for index in train_indices if mixed.setup_of(index) == 1]
    assert len(synthetic) / len(train_indices) == pytest.approx(0.4, abs=0.06)
    hr, lr = mixed.read_batch([synthetic[0], int(train_indices[0])])
    np.testing.assert_array_equal(hr[0], pairs.hr[0])
    np.testing.assert_array_equal(lr[1], other.lr[0])
    assert all(mixed.setup_of(index) == 0 for index in mixed.indices("validation"))
    assert mixed.digest not in {pairs.digest, other.digest}


def test_finetuning_with_synthetic_pairs(
    pairs: MemoryPairs, other: MemoryPairs, pretrained: Path, tmp_path: Path
) -> None:
    result = go(other, tmp_path / "run", pretrained, mix=pairs, mix_share=0.5)
    assert result.best.psnr_dB > result.shipped.psnr_dB
    # They stand between the real pairs' detectors alone, and need not be told which.
    assert not xsim_zoo.load("physics-sde", tmp_path / "run", device="cpu").awaits_detectors


@pytest.fixture(scope="module")
def calibration(other: MemoryPairs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of `xsim calibrate` that knows the other detectors, but of their link only what is nominal."""
    path = tmp_path_factory.mktemp("calibration") / "detectors.toml"
    detectors = [Detector(Screen(mass)).to_dict() for mass in (33.91, 165.0)]
    nominal = GreyLink((0.0, 0.5, 1.0), (0.0, 0.5, 1.0), "physics")
    degradation = replace(other.degradation, link=nominal).to_dict()
    write_toml(path, {"hr": detectors[0], "lr": detectors[1], "degradation": degradation})
    return path


def test_detectors_of_a_calibration_are_taken_and_a_nominal_link_is_measured(
    other: MemoryPairs, pretrained: Path, calibration: Path, tmp_path: Path, toys: SimpleNamespace
) -> None:
    wrong = GivenPhysics(other, toys.closed_form(noise=300.0, width=1.0))
    result = go(wrong, tmp_path / "run", pretrained, detectors=calibration)  # type: ignore[arg-type]
    assert result.best.psnr_dB > result.shipped.psnr_dB + 0.5
    kept = xsim_zoo.load("physics-sde", tmp_path / "run", device="cpu").physics.degradation
    np.testing.assert_allclose(kept.B_1, other.degradation.B_1)
    np.testing.assert_allclose(kept.Sigma_1_mm2, other.degradation.Sigma_1_mm2)
    grey = np.array([0.6, 0.7, 0.9])
    np.testing.assert_allclose(kept.link.forward(grey), other.degradation.link.forward(grey), atol=0.02)
    with pytest.raises(InputError, match="--detectors or --measured"):
        go(other, tmp_path / "both", pretrained, detectors=calibration, measured=True)
    with pytest.raises(MissingFileError, match="no such file"):
        go(other, tmp_path / "none", pretrained, detectors=tmp_path / "none.toml")


def test_a_killed_finetuning_goes_on_to_the_same_weights(
    pairs: MemoryPairs, other: MemoryPairs, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = go(other, tmp_path / "whole", pretrained, measured=True)
    with monkeypatch.context() as patch:
        dies_after(3, patch)
        with pytest.raises(StoppedError):
            go(other, tmp_path / "killed", pretrained, measured=True)
    resumed = go(other, tmp_path / "killed", pretrained, measured=True, resume=True)
    assert replace(resumed, run="", seconds=0.0) == replace(whole, run="", seconds=0.0)
    digests = [load_checkpoint(tmp_path / run).card.digest for run in ("whole", "killed")]
    assert digests[0] == digests[1]
    for options, message in (
        ({}, "other detectors"),
        ({"measured": True, "mix": pairs}, "data set has changed"),
    ):
        with pytest.raises(InputError, match=message):
            go(other, tmp_path / "killed", pretrained, resume=True, **options)
    with pytest.raises(InputError, match="other weights"):
        go(other, tmp_path / "killed", tmp_path / "whole", measured=True, resume=True)
    with pytest.raises(InputError, match="was started by `xsim zoo finetune`"):
        train("physics-sde", other, tmp_path / "killed", resume=True, device="cpu", quiet=True)


def test_bad_requests_are_refused(pairs: MemoryPairs, other: MemoryPairs, pretrained: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="does not learn"):
        finetune("wiener", pairs, tmp_path / "run", weights=pretrained, device="cpu", quiet=True)
    for key, value in {"size": "base", "prediction": "eps"}.items():
        settings = SHORT.model_copy(update={key: value})
        with pytest.raises(InputError, match=f"{key}={value}: finetuning keeps the network"):
            finetune("physics-sde", pairs, tmp_path / "run", settings, weights=pretrained, device="cpu", quiet=True)
    assert not (tmp_path / "run").exists()
    with pytest.raises(PhysicsRangeError, match="share"):
        MixedPairs(other, pairs, share=1.0)
    small = replace(pairs, hr=pairs.hr[:, :64], lr=pairs.lr[:, :64])
    with pytest.raises(InputError, match="one size"):
        MixedPairs(other, small)
    with pytest.raises(InputError, match="0 pairs"):
        measure_degradation([], pairs.degradation, 0.048)
    with pytest.raises(InputError, match="a side of 63 px"):
        measure_degradation([(pairs.hr[0, :63], pairs.lr[0, :63])], pairs.degradation, 0.048)


def test_noise_of_the_sharp_images_is_not_taken_for_blur(other: MemoryPairs, toys: SimpleNamespace) -> None:
    """Where only noise is left of HR, the ratio of the spectra falls; the blur found must not."""
    rng = np.random.default_rng(0)
    noisy = [hr + rng.normal(0, 0.01, hr.shape).astype(np.float32) for hr in other.hr]
    found = measure_degradation(list(zip(noisy, other.lr, strict=True)), toys.closed_form(), other.degradation.pitch_mm)
    for f in (1.0, 2.0, 4.0, 7.0):
        truth = np.interp(f, other.degradation.frequency_lp_mm, -np.log(other.degradation.B_1))
        assert np.interp(f, found.frequency_lp_mm, -np.log(found.B_1)) == pytest.approx(truth, rel=0.15)


def test_greys_that_no_pair_shows_are_linked_as_before_and_the_open_field_is_one(
    make_pairs: Callable[..., MemoryPairs], toys: SimpleNamespace
) -> None:
    """The toys' link bends up; of pairs without bright pixels only the dark part of another one can be learnt."""
    pairs, start = make_pairs(count=6), toys.closed_form()
    dark = [
        (0.5 * hr, lr - start.link.forward(hr) + start.link.forward(0.5 * hr))
        for hr, lr in zip(pairs.hr, pairs.lr, strict=True)
    ]
    link = measure_degradation(dark, start, start.pitch_mm).link
    assert link.forward(1.0) == pytest.approx(1.0, abs=0.005)
    for grey in (0.6, 0.7, 0.8, 0.9):
        assert link.forward(grey) == pytest.approx(start.link.forward(grey), abs=0.02)


def test_settings_start_from_the_finetuning_ones() -> None:
    settings = settings_from(None, ["steps=7"], defaults=FINETUNE_SETTINGS)
    assert settings.steps == 7
    assert settings.lr == FINETUNE_SETTINGS.lr
