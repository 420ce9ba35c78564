"""``xsim simulate``: the folder it writes, and one line for everything that cannot be."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import tifffile
from PIL import Image

import xsim
from xsim.phantoms import Phantom
from xsim_cli.app import main

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture(scope="module")
def plate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    maps = np.zeros((2, 96, 128), np.float32)
    maps[0], maps[1, 30:60, 40:90] = 1.0, 0.1
    return Phantom(("FR-4", "Cu"), maps, 0.024).save(tmp_path_factory.mktemp("phantoms") / "plate.npz")


def refused(words: Sequence[object], capsys: pytest.CaptureFixture[str]) -> str:
    """Run the program, expect exit code 2 and a single line, and return it."""
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def run(*words: object) -> None:
    main([str(word) for word in words])


def test_the_folder_holds_images_picture_and_settings(plate: Path, tmp_path: Path) -> None:
    run("simulate", plate, "--seed", 3, "-o", tmp_path / "pair")
    index = json.loads((tmp_path / "pair" / "pair.json").read_text())
    assert {"hr", "lr", "pitch_mm", "seed", "recipe", "open_field_hr", "open_field_lr"} <= set(index)
    assert (index["seed"], index["pitch_mm"], index["recipe"]) == (3, 0.048, "paper")
    for side in ("hr", "lr"):
        with tifffile.TiffFile(tmp_path / "pair" / index[side]) as file:
            codes = file.asarray()
            pixels, centimetres = file.pages[0].tags["XResolution"].value  # type: ignore[union-attr]
        assert codes.dtype == np.uint16
        assert codes.shape == (48, 64)
        assert 10 * centimetres / pixels == pytest.approx(0.048, rel=1e-3)
        grey = getattr(xsim.simulate_pair(Phantom.load(plate), xsim.recipes.paper(), 3), side)
        np.testing.assert_array_equal(codes, np.rint(grey.astype(float) * index[f"open_field_{side}"]))
    with Image.open(tmp_path / "pair" / index["picture"]) as picture:
        assert min(picture.size) > 500
    assert not list(tmp_path.glob(".*"))


def test_json_is_the_only_thing_on_stdout(plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("simulate", plate, "-o", tmp_path / "pair", "--json", "--clean", "--open-field", 30000)
    document = json.loads(capsys.readouterr().out)
    assert document["schema"] == "xsim.simulate/1"
    assert document["open_field_hr"] == 30000
    assert document["lr_clean"] == "lr_clean.tif"
    assert document["counts"]["hr_saturated"] == 0


def test_same_seed_same_bytes(plate: Path, tmp_path: Path) -> None:
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        run("simulate", plate, "--seed", seed, "-o", tmp_path / name)
    images = {name: (tmp_path / name / "lr.tif").read_bytes() for name in "abc"}
    assert images["a"] == images["b"] != images["c"]


def test_a_random_board_needs_no_file(tmp_path: Path) -> None:
    run("simulate", "--seed", 7, "--size", 64, "--fast", "-o", tmp_path / "pair")
    index = json.loads((tmp_path / "pair" / "pair.json").read_text())
    assert tifffile.imread(tmp_path / "pair" / "hr.tif").shape == (64, 64)
    assert index["settings"]["setup"]["method"] == "fast"


def test_physics_can_be_changed_from_the_command_line(plate: Path, tmp_path: Path) -> None:
    options: list[Any] = ["--source-detector-mm", 600, "--source-object-mm", 400, "--focal-spot-mm", 0.2]
    options += ["--scatter", 0.05, "--glare", 0.02, "--kerma-uGy", 10, "--hr-frames", 4, "--noise", "layered"]
    run("simulate", plate, "-o", tmp_path / "pair", *options, "--shift-px", 0.5, -0.25)
    setup = json.loads((tmp_path / "pair" / "pair.json").read_text())["settings"]["setup"]
    assert setup["geometry"]["source_object_mm"] == 400
    assert (setup["kerma_uGy"], setup["hr_frames"], setup["noise"]) == (10, 4, "layered")
    assert setup["registration_px"] == [0.5, -0.25]
    assert tifffile.imread(tmp_path / "pair" / "hr.tif").shape == (72, 96)


def test_what_the_command_line_leaves_alone_is_the_recipes(plate: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "mine.toml"
    recipe.write_text('name = "mine"\n[imaging]\nscatter_ratio_per_depth = 0.04\nmagnification = 1.5\n')
    run("simulate", plate, "-o", tmp_path / "pair", "--recipe", recipe, "--glare", 0.01)
    setup = json.loads((tmp_path / "pair" / "pair.json").read_text())["settings"]["setup"]
    assert setup["scatter"]["ratio_per_depth"] == 0.04
    assert setup["scatter"]["glare"] == 0.01
    assert setup["geometry"]["source_object_mm"] == 400


def test_saturated_pixels_are_said(plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run("simulate", plate, "-o", tmp_path / "pair", "--kerma-uGy", 5000)
    assert "3072 pixels lr saturated" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--kerma-uGy", 0], "air kerma 0 uGy is out of range"),
        (["--kerma-uGy", "nan"], "air kerma nan"),
        (["--source-object-mm", 700], "magnification 0.857 is below 1"),
        (["--source-detector-mm", -1], "source-detector distance -1"),
        (["--source-object-mm", 100, "--source-detector-mm", 600], "coarser than the detector"),
        (["--hr-frames", 0], "HR frames 0"),
        (["--scatter", -0.1], "scatter-to-primary"),
        (["--noise", "pink"], "unknown noise model 'pink'"),
        (["--recipe", "papre"], "did you mean paper"),
        (["--seed", -1], "seed -1"),
        (["--seed", "abc"], "abc"),
        (["--open-field", 70000], "open-field level 70000"),
        (["--shift-px", 0, 99], "registration offset 99"),
    ],
)
def test_absurd_options_are_one_line(
    options: list[object], message: str, plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert message in refused(["simulate", plate, "-o", tmp_path / "pair", *options], capsys)
    assert not list(tmp_path.iterdir())


def test_unusable_files_and_sizes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refused(["simulate", tmp_path / "none.npz", "-o", tmp_path / "pair"], capsys)
    (tmp_path / "text.npz").write_text("not a phantom")
    assert "text.npz" in refused(["simulate", tmp_path / "text.npz", "-o", tmp_path / "pair"], capsys)
    assert "16 to 8192" in refused(["simulate", "--size", 3, "-o", tmp_path / "pair"], capsys)


def test_outputs_are_not_overwritten(plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    target = tmp_path / "pair"
    run("simulate", plate, "-o", target)
    before = (target / "lr.tif").read_bytes()
    capsys.readouterr()
    assert "--force" in refused(["simulate", plate, "--seed", 9, "-o", target], capsys)
    assert (target / "lr.tif").read_bytes() == before
    run("simulate", plate, "--seed", 9, "-o", target, "--force")
    assert (target / "lr.tif").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["pair"]


def test_force_replaces_nothing_that_is_no_pair(
    plate: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    (precious / "thesis.txt").write_text("years")
    capsys.readouterr()
    assert "no pair that xsim wrote" in refused(["simulate", plate, "-o", precious, "--force"], capsys)
    (tmp_path / "link").symlink_to(precious)
    assert "is a link" in refused(["simulate", plate, "-o", tmp_path / "link", "--force"], capsys)
    assert "does not exist" in refused(["simulate", plate, "-o", tmp_path / "no" / "pair"], capsys)
    assert (precious / "thesis.txt").read_text() == "years"
