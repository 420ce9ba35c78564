"""Finetuning without HR: what is read, what is kept, that it goes on as if never stopped, and the command."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile

import xsim_zoo
from tests.zoo.training.test_training import StoppedError, dies_after
from xsim.degradation.link import GreyLink
from xsim.detector.detector import Detector, Screen
from xsim.errors import InputError, MissingFileError
from xsim.files.toml import write_toml
from xsim_cli.app import main
from xsim_zoo.run.settings import RunSettings
from xsim_zoo.training.lr_images import read_folder, read_store, split
from xsim_zoo.training.lr_only import LR_ONLY_SETTINGS, _preferred, finetune_lr_only
from xsim_zoo.training.settings import TrainSettings
from xsim_zoo.training.train import train
from xsim_zoo.training.validation import Scores
from xsim_zoo.weights.checkpoint import load_checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from types import SimpleNamespace

    from xsim_zoo.training.data import MemoryPairs

SHORT = LR_ONLY_SETTINGS.model_copy(
    update={"steps": 4, "batch": 2, "validate_every": 2, "save_every": 2, "validate_images": 2}
)


def xsim(arguments: list[str]) -> int:
    """Run the program and return its exit code."""
    try:
        main(arguments)
    except SystemExit as left:
        return int(left.code or 0)
    return 0


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
    """Ten pairs of a blurrier, noisier detector; HR is there to judge alone."""
    return make_pairs(count=10, held_out=2, degradation=toys.closed_form(noise=3.0, width=2.8))


def go(other: MemoryPairs, run: Path, pretrained: Path, settings: TrainSettings = SHORT, **options: object):
    windows = split([[image] for image in other.lr])
    options = {"weights": pretrained, "device": "cpu", "quiet": True, **options}
    return finetune_lr_only("physics-sde", windows, other.degradation, run, settings, **options)


def psnr_dB(run: Path, other: MemoryPairs) -> float:
    restorer = xsim_zoo.load("physics-sde", run, device="cpu")
    held_out = other.indices("validation")
    return Scores.of([restorer.restore_array(other.lr[index]) for index in held_out], list(other.hr[held_out])).psnr_dB


def test_lr_images_alone_bring_weights_to_another_detector(
    pairs: MemoryPairs, other: MemoryPairs, pretrained: Path, tmp_path: Path
) -> None:
    result = go(other, tmp_path / "run", pretrained)
    assert result.kept in {"calibrated", "trained"}
    assert result.best.risk < result.shipped.risk - result.best.standard_error
    assert psnr_dB(tmp_path / "run", other) > psnr_dB(pretrained, other) + 0.5
    card = load_checkpoint(tmp_path / "run").card
    assert card.training["lr_only"] is True
    assert card.scores["lr_risk"]["kept"] == result.kept
    assert card.scores["lr_risk"]["trained"]["risk"] == result.trained.risk
    np.testing.assert_allclose(card.physics["degradation"]["B_1"], other.degradation.B_1)
    assert card.data["pairs"] == 0
    mixed = go(other, tmp_path / "mixed", pretrained, mix=pairs)
    assert load_checkpoint(tmp_path / "mixed").card.data["pairs"] == len(pairs.indices("train"))
    assert mixed.shipped == result.shipped
    assert mixed.trained != result.trained


def test_a_training_that_ruins_the_weights_is_not_kept(other: MemoryPairs, pretrained: Path, tmp_path: Path) -> None:
    useless = SHORT.model_copy(update={"lr": 0.5, "clip": 1e6})
    result = go(other, tmp_path / "run", pretrained, useless)
    assert result.trained.risk > result.calibrated.risk
    assert result.kept == "calibrated"
    assert load_checkpoint(tmp_path / "run").card.digest == load_checkpoint(pretrained).card.digest
    assert load_checkpoint(tmp_path / "run").card.training["steps"] == 0


def test_a_gain_no_larger_than_its_standard_error_is_chance() -> None:
    before = np.array([1.0, 1.1, 0.9, 1.0])
    chance = before + np.array([0.1, -0.1, 0.05, -0.08])
    gain = before - np.array([0.05, 0.04, 0.06, 0.05])
    assert _preferred({"as shipped": before, "calibrated": chance, "trained": before}) == "as shipped"
    assert _preferred({"as shipped": before, "calibrated": gain, "trained": gain + 0.01}) == "calibrated"
    assert _preferred({"as shipped": before, "calibrated": chance, "trained": gain}) == "trained"


@pytest.mark.slow  # the course is that of training, whose killed runs the quick tests resume
def test_a_killed_run_goes_on_to_the_same_weights(
    pairs: MemoryPairs, other: MemoryPairs, pretrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = go(other, tmp_path / "whole", pretrained, mix=pairs)
    with monkeypatch.context() as patch:
        dies_after(3, patch)
        with pytest.raises(StoppedError):
            go(other, tmp_path / "killed", pretrained, mix=pairs)
    resumed = go(other, tmp_path / "killed", pretrained, mix=pairs, resume=True)
    assert replace(resumed, run="", seconds=0.0) == replace(whole, run="", seconds=0.0)
    assert len({load_checkpoint(tmp_path / run).card.digest for run in ("whole", "killed")}) == 1
    with pytest.raises(InputError, match="data set has changed"):
        go(other, tmp_path / "killed", pretrained, resume=True)
    elsewhere = replace(other, degradation=replace(other.degradation, excess_noise=0.1))
    with pytest.raises(InputError, match="other detectors"):
        go(elsewhere, tmp_path / "killed", pretrained, mix=pairs, resume=True)


def test_images_are_cut_into_whole_windows_and_every_fourth_image_is_held_out() -> None:
    image = np.arange(600 * 300, dtype=np.float32).reshape(600, 300)
    found = split([[image + number] for number in range(5)])
    assert found.shape == (256, 256)
    assert (len(found.train), len(found.held_out)) == (8, 2)
    np.testing.assert_array_equal(found.y[1], image[344:, 22:278])
    assert [float(found.y[place][0, 0]) - 22 for place in found.train[::2]] == [0.0, 1.0, 2.0, 4.0]
    assert float(found.y[found.held_out[0]][0, 0]) - 22 == 3.0
    one = split([[np.ones((300, 2100), np.float32)]])
    assert (len(one.train), len(one.held_out)) == (6, 2)
    small = split([[np.ones((100, 230), np.float32)] for _ in range(4)])
    assert small.shape == (96, 96)
    assert not small.again
    two = split([[image, image + 7]] * 4)
    np.testing.assert_array_equal(two.again[two.held_out[0]] - two.y[two.held_out[0]], 7.0)
    for images, message in (([np.ones((63, 400))], "a side of 63 px"), ([np.ones((256, 256))] * 2, "2 needed")):
        with pytest.raises(InputError, match=message):
            split([[each.astype(np.float32)] for each in images])


def test_the_second_frame_judges_where_there_is_one(
    other: MemoryPairs, pretrained: Path, tmp_path: Path, toys: SimpleNamespace
) -> None:
    restorer = xsim_zoo.load("physics-sde", pretrained, device="cpu")
    physics = replace(restorer.physics, degradation=other.degradation)
    for number, hr in enumerate(other.hr[:8]):
        place = tmp_path / "lr" / f"board{number}" / "a"
        place.mkdir(parents=True)
        for frame in (1, 2):
            tifffile.imwrite(place / f"{frame}.tif", toys.degrade(hr, physics, 100 * frame + number))
    told = restorer.with_physics(physics)
    windows = read_folder(tmp_path / "lr", told, RunSettings(open_field=1.0, pitch_mm=0.048))
    assert len(windows.again) == len(windows.y) == 8
    run = {"weights": pretrained, "device": "cpu", "quiet": True}
    result = finetune_lr_only("physics-sde", windows, other.degradation, tmp_path / "run", SHORT, **run)
    assert (result.frames, result.windows) == (2, 2)
    assert result.best.risk < result.shipped.risk


def test_the_lr_side_of_pairs_is_taken_in_their_own_split(other: MemoryPairs) -> None:
    found = read_store(other)
    assert (len(found.train), len(found.held_out)) == (8, 2)
    np.testing.assert_array_equal(found.y, other.lr)


@pytest.fixture(scope="module")
def calibration(other: MemoryPairs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("calibration") / "detectors.toml"
    detectors = [Detector(Screen(mass)).to_dict() for mass in (33.91, 165.0)]
    write_toml(path, {"hr": detectors[0], "lr": detectors[1], "degradation": other.degradation.to_dict()})
    return path


@pytest.fixture
def folder(other: MemoryPairs, tmp_path: Path) -> Path:
    (tmp_path / "lr").mkdir()
    for number, image in enumerate(other.lr):
        tifffile.imwrite(tmp_path / "lr" / f"{number}.tif", np.clip(image * 50000, 0, 65535).astype(np.uint16))
    return tmp_path / "lr"


def test_the_command_runs_on_a_folder_of_radiographs(
    folder: Path, calibration: Path, pretrained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["zoo", "finetune", "physics-sde", "--lr-only", str(folder), "--detectors", str(calibration)]
    command += ["--from", str(pretrained), "-o", str(tmp_path / "run"), "--device", "cpu", "--open-field", "50000"]
    for setting in ("steps=2", "batch=2", "validate_every=1", "validate_images=2"):
        command += ["--set", setting]
    assert xsim(command) == 0
    said = capsys.readouterr().err
    assert "0.tif: the file says no pixel pitch: 0.048 mm of the detectors assumed" in said
    assert "no --mix: detail that LR does not hold is left to the old weights" in said
    for line in ("as shipped: ", "calibrated: ", "trained:    ", "kept is what was"):
        assert f"\n{line}" in said or line in said
    assert xsim_zoo.load("physics-sde", tmp_path / "run", device="cpu").default_steps == 3
    assert xsim([*command, "--resume", "--json"]) == 0
    assert '"lr_only": true' in capsys.readouterr().out
    assert xsim(["zoo", "info", "physics-sde", "--weights", str(tmp_path / "run")]) == 0
    assert "LR windows and 0 pairs of lr" in capsys.readouterr().out


def test_bad_requests_are_one_line(
    folder: Path,
    calibration: Path,
    pretrained: Path,
    other: MemoryPairs,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    finer = tmp_path / "finer.toml"
    between = replace(other.degradation, pitch_mm=0.03, link=GreyLink.identity())
    detectors = [Detector(Screen(mass)).to_dict() for mass in (33.91, 165.0)]
    write_toml(finer, {"hr": detectors[0], "lr": detectors[1], "degradation": between.to_dict()})
    lr, own = ["--lr-only", str(folder)], ["--detectors", str(calibration)]
    cases = (
        ([], "give either --data"),
        ([*lr, "--data", "x.zarr"], "give either --data"),
        (lr, "give --detectors"),
        ([*lr, "--measured"], "leave out --measured"),
        (["--lr-only", str(tmp_path / "empty"), *own], "holds no image"),
        (["--lr-only", str(tmp_path / "none.tif"), *own], "no such file"),
        ([*lr, "--detectors", str(finer)], "0.03 mm, the weights hold for 0.048 mm"),
        ([*lr, *own, "--pitch-mm", "0.1"], "0.1 mm, the weights hold for 0.048 mm"),
        ([*lr, *own, "--set", "batch=99"], "99 needed"),
        ([*lr, *own, "--set", "size=large"], "keeps the network"),
        (["--data", "x.zarr", "--open-field", "3"], "--open-field is for LR files"),
    )
    for words, message in cases:
        command = ["zoo", "finetune", "physics-sde", *words, "--from", str(pretrained), "-o", str(tmp_path / "run")]
        assert xsim([*command, "--device", "cpu", "--json"]) == 2, words
        error = capsys.readouterr().err
        assert error.count("\n") == 1, error
        assert message in error
    assert xsim(["zoo", "finetune", "wiener", *lr, *own, "-o", str(tmp_path / "run")]) == 2
    assert "does not learn" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
    with pytest.raises(MissingFileError):
        read_folder(tmp_path / "empty", xsim_zoo.load("physics-sde", pretrained, device="cpu"))
