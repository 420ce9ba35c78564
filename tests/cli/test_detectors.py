"""``xsim detectors``: files by name, what is shown of them, and names wherever a detector file is asked for."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from xsim.degradation.known_file import read_known
from xsim.detector.detector import Detector, Screen, Sensor, write_detectors
from xsim.files.toml import write_toml
from xsim_cli.app import main
from xsim_datasets.recipe.recipe import load_recipe

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

THIN, THICK = Screen(33.91), Screen(134.55)


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XSIM_CONFIG", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "config" / "detectors"


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    """Write a file of detectors with these screens."""

    def save(name: str, *screens: Screen, pitch_mm: float = 0.127) -> Path:
        path = tmp_path / name
        write_detectors(path, {f"s{k}": Detector(one, Sensor(pitch_mm=pitch_mm)) for k, one in enumerate(screens)})
        return path

    return save


def xsim(*words: object) -> int:
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def refused(capsys: pytest.CaptureFixture[str], *words: object, code: int = 2) -> str:
    """Run the program, expect an exit code and a single line, and return it."""
    capsys.readouterr()
    assert xsim(*words) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def document(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, Any]:
    capsys.readouterr()
    assert xsim(*words, "--json") == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def test_a_file_is_kept_whole_listed_and_removed(
    saved: Callable[..., Path], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved("mine.toml", THICK)
    assert document(capsys, "detectors", "list")["detectors"] == []
    found = document(capsys, "detectors", "add", "bench-3", file)
    assert (found["schema"], found["count"], found["pitch_mm"]) == ("xsim.detectors.add/1", 1, 0.127)
    assert (config / "bench-3.toml").read_bytes() == file.read_bytes()
    (row,) = document(capsys, "detectors", "list")["detectors"]
    assert (row["name"], row["error"], row["source"]) == ("bench-3", None, "model")
    assert row["f50_lp_mm"] == pytest.approx(read_known(file).lr.f50 / 0.127)
    assert document(capsys, "detectors", "remove", "bench-3")["name"] == "bench-3"
    assert list(config.iterdir()) == []
    assert file.exists()


def test_what_is_no_name_or_no_detector_is_refused(
    saved: Callable[..., Path], tmp_path: Path, config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, other = saved("mine.toml", THICK), saved("other.toml", THIN, THICK)
    for name in ("a b", "../up", "a.toml", "", "x" * 65):
        assert "is no name" in refused(capsys, "detectors", "add", name, file)
    crowd = saved("crowd.toml", THIN, THICK, Screen(70.0))
    assert "holds 3 detectors" in refused(capsys, "detectors", "add", "a", crowd)
    (tmp_path / "text.toml").write_text("a = [", encoding="utf-8")
    assert "is no TOML" in refused(capsys, "detectors", "add", "a", tmp_path / "text.toml")
    assert "is a folder" in refused(capsys, "detectors", "add", "a", tmp_path)
    assert "no such file" in refused(capsys, "detectors", "add", "a", tmp_path / "none.toml")
    assert not config.exists()
    assert xsim("detectors", "add", "a", file) == 0
    assert "named 'a' already" in refused(capsys, "detectors", "add", "a", other)
    assert (config / "a.toml").read_bytes() == file.read_bytes()
    assert xsim("detectors", "add", "a", other, "--force") == 0
    assert (config / "a.toml").read_bytes() == other.read_bytes()


def test_a_file_that_was_damaged_is_listed_with_the_reason(
    saved: Callable[..., Path], config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert xsim("detectors", "add", "a", saved("mine.toml", THICK)) == 0
    (config / "b.toml").write_text("[hr]\n", encoding="utf-8")
    (config / "not a name.toml").write_text("", encoding="utf-8")
    capsys.readouterr()
    assert xsim("detectors", "list") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["a", "b"]
    assert "cannot be used" in lines[1]


def test_an_unwritable_folder_is_one_line(
    saved: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved("mine.toml", THICK)
    monkeypatch.setenv("XSIM_CONFIG", str(file / "below-a-file"))
    assert "XSIM_CONFIG" in refused(capsys, "detectors", "add", "a", file, code=1)


def test_two_detectors_show_their_bands(
    saved: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert xsim("detectors", "add", "two", saved("two.toml", THICK, THIN)) == 0  # HR last: the sharper one is HR
    table, picture = tmp_path / "t.csv", tmp_path / "p.png"
    found = document(capsys, "detectors", "show", "two", "--csv", table, "--plot", picture)
    assert found["schema"] == "xsim.detectors.show/1"
    assert [side["name"] for side in found["detectors"]] == ["hr", "lr"]
    assert found["detectors"][0]["screen"].startswith("33.91")
    between = found["between"]
    assert between["target"] is None
    for curves, name in ((found["detectors"][1], "mtf"), (between, "B_1")):
        low, middle, high = (np.array(curves[key]) for key in (f"{name}_low", name, f"{name}_high"))
        assert (low <= middle + 1e-12).all()
        assert (middle <= high + 1e-12).all()
        assert (high - low)[50] > 0.05
    lr = found["detectors"][1]
    # The noise's spread is of the standard deviation, so that of its power is the square.
    np.testing.assert_allclose(np.array(lr["nnps_high_mm2"]) / lr["nnps_mm2"], 1.2**2)
    rows = list(csv.DictReader(table.open(encoding="utf-8")))
    assert [float(row["B_1"]) for row in rows] == between["B_1"]
    with Image.open(picture) as image:
        assert min(image.size) > 300


def test_one_detector_is_shown_against_a_target(
    saved: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved("one.toml", THICK)
    usual = document(capsys, "detectors", "show", file)["between"]
    assert usual["target"] == "28 mg/cm2 at 0.08 mm"
    assert document(capsys, "detectors", "show", file, "--target", "auto")["between"] == usual
    screen = document(capsys, "detectors", "show", file, "--target", "20")["between"]
    assert screen["target"] == "20 mg/cm2 at 0.127 mm"
    (tmp_path / "aim.csv").write_text("frequency_lp_mm,mtf\n0,1\n2,0.9\n4,0.6\n", encoding="utf-8")
    drawn = document(capsys, "detectors", "show", file, "--target", "aim.csv")
    middle = int(np.searchsorted(drawn["between"]["frequency_lp_mm"], 2.0))
    f, mtf = (drawn["detectors"][0][name][middle] for name in ("frequency_lp_mm", "mtf"))
    assert drawn["between"]["B_1"][middle] == pytest.approx(mtf / np.interp(f, [0, 2, 4], [1, 0.9, 0.6]), rel=0.02)
    assert "no such file" in refused(capsys, "detectors", "show", file, "--target", "none.csv")
    assert "out of range" in refused(capsys, "detectors", "show", file, "--target", "-3")


def test_a_calibration_shows_its_own_standard_deviations(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hr, lr = Detector(THIN), Detector(THICK)
    write_detectors(tmp_path / "models.toml", {"hr": hr, "lr": lr})
    between = read_known(tmp_path / "models.toml").degradation
    assert between is not None
    n = len(between.frequency_lp_mm)
    tables = {
        "hr": hr.to_dict(),
        "lr": lr.to_dict(),
        "degradation": between.to_dict(),
        "calibration": {"B_1_sd": [0.01] * n, "Sigma_1_sd_mm2": [1e-7] * n},
    }
    write_toml(tmp_path / "c.toml", tables)
    found = document(capsys, "detectors", "show", "c.toml")["between"]
    assert found["B_1"][50] - found["B_1_low"][50] == pytest.approx(0.02)
    assert found["Sigma_1_high_mm2"][50] - found["Sigma_1_mm2"][50] == pytest.approx(2e-7)
    tables["calibration"]["B_1_sd"] = ["a"]
    write_toml(tmp_path / "c.toml", tables)
    assert "B_1_sd is no list of numbers" in refused(capsys, "detectors", "show", "c.toml")


COMMANDS = (
    ("zoo", "run", "wiener", "board.tif", "--detectors"),
    ("zoo", "finetune", "physics-sde", "--data", "d.zarr", "-o", "run", "--detectors"),
    ("simulate", "-o", "pair", "--detectors"),
    ("dataset", "make", "tiny", "-o", "d.zarr", "--detectors"),
    ("detector", "--detector"),
    ("detectors", "show"),
)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_name_that_nobody_gave_is_one_line_with_close_ones(
    words: tuple[str, ...], saved: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved("mine.toml", THICK)
    assert "none is named yet, add one by `xsim detectors add bench4 FILE`" in refused(capsys, *words, "bench4")
    assert xsim("detectors", "add", "bench3", file) == 0
    said = refused(capsys, *words, "bench4")
    assert "did you mean bench3?" in said
    assert "xsim detectors add bench4 FILE" in said
    assert {path.name for path in tmp_path.iterdir()} == {"mine.toml", "config"}


def test_a_file_comes_before_a_name_and_a_name_before_a_folder(
    saved: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert xsim("detectors", "add", "bench", saved("thick.toml", THICK)) == 0
    (tmp_path / "bench").mkdir()
    thickness = "mass_thickness_mg_cm2"
    assert document(capsys, "detector", "--detector", "bench")["detectors"][0][thickness] == 134.55
    (tmp_path / "bench").rmdir()
    saved("bench", THIN)
    assert document(capsys, "detector", "--detector", "bench")["detectors"][0][thickness] == 33.91
    (tmp_path / "other").mkdir()
    assert "is a folder" in refused(capsys, "detector", "--detector", "other")
    refused(capsys, "detector", "--detector", "x" * 5000)


def test_a_recipe_names_detectors_too(saved: Callable[..., Path], tmp_path: Path) -> None:
    assert xsim("detectors", "add", "bench", saved("two.toml", THICK, THIN)) == 0
    recipe = tmp_path / "r.toml"
    recipe.write_text('name = "a"\n[imaging]\ndetectors = "bench"\n', encoding="utf-8")
    found = load_recipe(str(recipe)).imaging
    assert (found.pitch_mm, found.hr_mass_thickness_mg_cm2, found.lr_mass_thickness_mg_cm2) == (0.127, 33.91, 134.55)


@pytest.mark.parametrize("pitch_mm", [0.025, 0.127, 0.4])
def test_one_detector_is_lr_beside_a_thin_screen_at_any_pitch(
    pitch_mm: float, saved: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert xsim("detectors", "add", "bench", saved("one.toml", THICK, pitch_mm=pitch_mm)) == 0
    words = ("simulate", "--seed", 1, "--size", 32, "--fast", "--detectors", "bench", "-o", tmp_path / "pair")
    found = document(capsys, *words)
    assert found["pitch_mm"] == pitch_mm
    hr, lr = (found["settings"]["setup"][side] for side in ("hr", "lr"))
    assert [side["screen"]["mass_thickness_mg_cm2"] for side in (hr, lr)] == [33.91, 134.55]
    assert hr["sensor"] == lr["sensor"]
    # Large pixels would saturate at the recipe's kerma.
    assert not found["counts"]["lr_saturated"]


def test_a_detector_sharper_than_the_thin_screen_is_refused(
    saved: Callable[..., Path], capsys: pytest.CaptureFixture[str]
) -> None:
    file = saved("sharp.toml", Screen(15.0))
    said = refused(capsys, "simulate", "--detectors", file, "-o", "pair")
    assert "sharp.toml: holds one detector, which is sharper than the screen of 33.91 mg/cm2" in said
