"""`xsim zoo run` on the files that failed in laboratories, each with its right outcome; and on what must be refused."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pydicom
import pytest
import tifffile
from PIL import Image

from tests.zoo.conftest import board, closed_form, degrade, power_law
from xsim_cli.app import main
from xsim_datasets.images import Radiograph, read_image, write_image
from xsim_zoo.process.physics import Physics
from xsim_zoo.weights.card import Card
from xsim_zoo.weights.checkpoint import save_checkpoint

CASES = Path(__file__).parents[3] / "shared" / "cases"
RADIOGRAPHS = CASES.parent / "data" / "radiographs"
needs_cases = pytest.mark.skipif(not CASES.is_dir(), reason="../shared/cases is not here")
PHYSICS = Physics(closed_form(), power_law())


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wiener")
    save_checkpoint(folder / "weights.safetensors", Card(restorer="wiener", physics=PHYSICS.to_dict(), options={}), {})
    return folder


@pytest.fixture
def run(weights, capsys):
    """Return a function that restores a file and returns exit code, entry of the record, and what was said."""

    def restored(path, output, *words):
        # These weights know one detector: the pitch of the file is the file's matter here.
        chosen = (
            ["--weights", str(weights), "--detectors", "image"] if "image" in words else ["--weights", str(weights)]
        )
        words = [str(word) for word in words if word != "image"]
        try:
            main(["zoo", "run", "wiener", str(path), "-o", str(output), *chosen, *words])
            code = 0
        except SystemExit as left:
            code = left.code or 0
        record = output.with_name(f"{output.name}.json")
        entry = json.loads(record.read_text())["entry"] if record.is_file() else None
        return code, entry, capsys.readouterr().err

    return restored


@pytest.fixture(scope="module")
def signal():
    return np.rint(degrade(board(3, (72, 80)), PHYSICS, 3) * 50000).clip(0, 65535).astype(np.uint16)


# The case, what has to be said, the pitch that comes out [mm] or None, and what must not be said.
OUTCOMES = [
    ("imagej_info.tif", ["(dropped)", "IJMetadata (50839)"], 0.048, "no pixel pitch"),
    ("micromanager.tif", ["(dropped)", "MicroManagerMetadata (51123)"], 0.048, "no pixel pitch"),
    ("imagej_pitch_0p127.tif", [], 0.127, "no pixel pitch"),
    ("pitch_0p127_is_200dpi.tif", [], 0.127, "printing default"),
    ("lzw.tif", ["no pixel pitch"], None, "decoded"),
    ("rescale.dcm", ["2 x stored - 1000", "grey level 500 is no signal"], 0.048, "not applied"),
    ("presentation.dcm", ["grey levels in doubt: processed for presentation"], 0.048, "not applied"),
    ("spacing_zero.dcm", ["its PixelSpacing of 0 x 0 mm is no pixel pitch"], None, "the file says no pixel pitch"),
]


@needs_cases
@pytest.mark.parametrize(("name", "says", "pitch_mm", "never"), OUTCOMES, ids=lambda value: str(value)[:24])
def test_cases(run, tmp_path, name, says, pitch_mm, never):
    code, entry, said = run(CASES / name, tmp_path / name, "image")
    assert code == 0, said
    assert entry["pitch_mm"] == (None if pitch_mm is None else pytest.approx(pitch_mm, rel=1e-5))
    assert entry["polarity"] == "metal-dark"
    assert "as noise grows with the grey level" in said
    assert all(what in said for what in says), said
    assert never not in said
    before, after = read_image(CASES / name), read_image(tmp_path / name)
    assert after.pitch_mm == (None if pitch_mm is None else pytest.approx(pitch_mm, rel=1e-5))
    assert after.dtype == before.dtype
    # The file's own grey scale: of the part that is bright and flat the mean stays within a percent.
    bright = before.pixels > np.quantile(before.pixels, 0.6)
    assert after.pixels[bright].mean() == pytest.approx(before.pixels[bright].mean(), rel=0.01)


@needs_cases
def test_rescale_comes_back_in_the_file(run, tmp_path):
    assert run(CASES / "rescale.dcm", tmp_path / "b.dcm", "image")[0] == 0
    written = pydicom.dcmread(tmp_path / "b.dcm")
    assert (written.RescaleSlope, written.RescaleIntercept, written.RescaleType) == (2, -1000, "US")


@needs_cases
def test_steps_keep_their_plateaus(run, tmp_path):
    code, _, said = run(CASES / "steps.tif", tmp_path / "b.tif", "--grey", "lr", "image")
    assert code == 0, said
    before, after = (read_image(path).pixels.astype(float) for path in (CASES / "steps.tif", tmp_path / "b.tif"))
    for left in range(0, 300, 50):
        middle = slice(20, -20), slice(left + 15, left + 35)
        assert after[middle].mean() == pytest.approx(before[middle].mean(), rel=5e-3)


@pytest.mark.parametrize("name", ["b.jpg", "b.jpeg", "b.bmp"])
def test_output_that_would_lose_depth_is_refused_before_anything_is_loaded(run, signal, tmp_path, name):
    tifffile.imwrite(tmp_path / "a.tif", signal)
    code, _, said = run(tmp_path / "a.tif", tmp_path / name, "--steps", 10_000)
    assert code == 2
    assert "would lose what was restored: write PNG or TIFF" in said
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


@pytest.mark.parametrize("name", ["b.png", "b.dcm"])
def test_output_that_cannot_hold_the_pixels_is_refused_before_it_is_computed(run, signal, tmp_path, name, monkeypatch):
    monkeypatch.setattr("xsim_zoo.run.files.restore", lambda *_, **__: pytest.fail("computed"))
    tifffile.imwrite(tmp_path / "a.tif", signal.astype(np.float32))
    code, _, said = run(tmp_path / "a.tif", tmp_path / name)
    assert code == 2
    assert "cannot hold" in said
    assert "write TIFF" in said


@pytest.mark.parametrize("kind", ["bmp", "jpg"])
def test_eight_bit_pictures_are_read_warned_of_and_become_png(run, signal, tmp_path, kind):
    Image.fromarray((signal >> 8).astype(np.uint8)).save(
        tmp_path / f"a.{kind}", **({"quality": 95} if kind == "jpg" else {})
    )
    (tmp_path / "out").mkdir()
    code, _, said = run(tmp_path / f"a.{kind}", tmp_path / "out" / "a.png")
    assert code == 0, said
    assert "8-bit grey levels" in said
    assert ("lossy compression (JPEG)" in said) == (kind == "jpg")
    assert read_image(tmp_path / "out" / "a.png").dtype == np.uint8


def test_grey_in_three_equal_channels_is_read_and_colour_is_not(tmp_path, signal):
    grey = (signal >> 8).astype(np.uint8)
    colour = np.stack([grey] * 3, axis=-1)
    Image.fromarray(colour).save(tmp_path / "a.bmp")
    np.testing.assert_array_equal(read_image(tmp_path / "a.bmp").pixels, grey)
    colour[3, 4, 1] ^= 1
    Image.fromarray(colour).save(tmp_path / "b.bmp")
    with pytest.raises(ValueError, match="one grey channel"):
        read_image(tmp_path / "b.bmp")


@pytest.mark.parametrize(
    ("level", "says"),
    [(5e6, "holds 0 to 65535"), (66000, "holds 0 to 65535"), (300, "times the signal"), (-1, "holds 0 to 65535")],
)
def test_open_fields_that_cannot_be_are_refused(run, signal, tmp_path, level, says):
    tifffile.imwrite(tmp_path / "a.tif", signal)
    code, _, said = run(tmp_path / "a.tif", tmp_path / "b.tif", f"--open-field={level}")
    assert code == 2
    assert says in said
    assert not (tmp_path / "b.tif").exists()


def test_an_open_field_against_the_file_is_said(run, signal, tmp_path):
    tifffile.imwrite(tmp_path / "a.tif", signal, description="xsim lr, open field 50000, pitch 0.048 mm", metadata=None)
    code, entry, said = run(tmp_path / "a.tif", tmp_path / "b.tif", "--open-field", 48000)
    assert code == 0
    assert entry["open_field"] == 48000
    assert "open field 48000 forced, the file says 50000" in said
    assert "metal-dark, as the file says (xsim simulated it)" in said


def test_a_scale_of_the_file_is_applied_and_undone(run, signal, tmp_path):
    """The same exposure with an offset that its rescale takes away is restored the same."""
    write_image(tmp_path / "a.dcm", Radiograph(signal // 2, "none", 0.048, 65535.0))
    write_image(tmp_path / "b.dcm", Radiograph(signal // 2 + 9000, "none", 0.048, 65535.0))
    dataset = pydicom.dcmread(tmp_path / "b.dcm")
    dataset.RescaleSlope, dataset.RescaleIntercept = "3", "-27000"
    dataset.save_as(tmp_path / "b.dcm")
    for name, level in (("a", 25000), ("b", 34000)):
        assert run(tmp_path / f"{name}.dcm", tmp_path / f"{name}2.dcm", "--open-field", level)[0] == 0
    plain, moved = (read_image(tmp_path / f"{name}2.dcm").pixels.astype(int) for name in "ab")
    assert np.abs(moved - 9000 - plain)[plain > 0].max() <= 1
    assert read_image(tmp_path / "b2.dcm").zero == 9000


@pytest.mark.skipif(not RADIOGRAPHS.is_dir(), reason="../shared/data/radiographs is not here")
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("leeds_tor18_line_pairs.dcm", "metal-bright, as noise shrinks with the grey level"),
        ("hand_cr_jpeg2000.dcm", "metal-bright, as the file says (MONOCHROME1 of modality CR"),
        ("battery_tabs.jpg", "metal-dark is a guess"),
    ],
)
def test_real_radiographs(run, tmp_path, name, says):
    code, _, said = run(RADIOGRAPHS / name, tmp_path / name.replace(".jpg", ".png"), "image")
    assert code == 0
    assert says in said
