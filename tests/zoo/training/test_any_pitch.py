"""Finetuning with any detector file at any pixel pitch, as a user types it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

import xsim_zoo
from xsim.degradation.known_file import degradation_of, degradation_of_pairs
from xsim.degradation.target import usual
from xsim.detector.detector import Detector, Screen, Sensor, write_detectors
from xsim_cli.app import main

if TYPE_CHECKING:
    from pathlib import Path

SHORT = [
    word
    for setting in ("steps=2", "batch=2", "patch=32", "crops=1", "validate_every=2", "validate_images=1")
    for word in ("--set", setting)
]


def write(path: Path, pitch_mm: float, *screens: float) -> Path:
    write_detectors(path, {f"s{one:g}": Detector(Screen(one), Sensor(pitch_mm=pitch_mm)) for one in screens})
    return path


@pytest.mark.parametrize(
    "pitch_mm", [0.4, pytest.param(0.025, marks=pytest.mark.slow), pytest.param(0.127, marks=pytest.mark.slow)]
)
def test_one_detector_makes_pairs_and_adapts_weights_to_them(
    pitch_mm: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XSIM_CONFIG", str(tmp_path / "config"))
    store, run = str(tmp_path / "d.zarr"), tmp_path / "run"
    main(["detectors", "add", "mine", str(write(tmp_path / "d.toml", pitch_mm, 134.55))])
    main(["dataset", "make", "tiny", "--detectors", "mine", "-n", "8", "--size", "64", "-o", store])
    words = ["zoo", "finetune", "physics-sde", "--data", store, "--detectors", "mine", "--device", "cpu", *SHORT]
    main([*words, "-o", str(run)])
    said = capsys.readouterr().err
    assert "weights universal, which take any detectors: those of physics-sde hold for another pixel pitch" in said
    assert "chi2 nan" not in said
    assert xsim_zoo.load("physics-sde", run, device="cpu").physics.pitch_mm == pitch_mm
    with pytest.raises(SystemExit) as end:
        main([*words, "--from", "physics-sde", "-o", str(tmp_path / "other")])
    assert end.value.code == 2
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "(--from universal)" in lines[0]


def test_without_hr_a_single_detector_stands_below_the_usual_target(tmp_path: Path) -> None:
    path = write(tmp_path / "d.toml", 0.127, 134.55)
    alone, beside = degradation_of(path), degradation_of_pairs(path)
    assert alone.mtf_hr is not None
    np.testing.assert_allclose(alone.mtf_hr, usual().mtf_at(alone.frequency_lp_mm * 0.127))
    two = degradation_of(write(tmp_path / "two.toml", 0.127, 134.55, 33.91))
    np.testing.assert_allclose(beside.B_1, two.B_1)
    np.testing.assert_allclose(beside.Sigma_1_mm2, two.Sigma_1_mm2)
