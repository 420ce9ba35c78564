"""``xsim inspect``: the JSON keys, files out, and refusals in one line with exit code 2."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

from tests.xsim.inspect.scenes import NOISE, RADIUS, detector, image
from xsim.detector.detector import Detector, Screen, Sensor, write_detectors
from xsim_cli.app import main

PITCH_MM = 0.1
BALL = [(40.0, 41.0, RADIUS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with an image of one ball, one of none, and a detector as sharp as the image."""
    folder = tmp_path_factory.mktemp("inspect")
    grey = image(BALL, [(42.0, 41.0, 0.4 * RADIUS)], shape=(82, 82))
    tifffile.imwrite(folder / "ball.tif", np.round(50000 * grey).astype(np.uint16))
    none = 0.6 + NOISE * np.random.default_rng(3).standard_normal((64, 64))
    tifffile.imwrite(folder / "none.tif", np.round(50000 * none).astype(np.uint16))
    tifffile.imwrite(folder / "small.tif", np.arange(1000, 1064, dtype=np.uint16).reshape(8, 8))
    known = detector()
    rows = zip(known.frequency, known.mtf, strict=True)
    (folder / "aim.csv").write_text("frequency_cycles_px,mtf\n" + "".join(f"{f},{m}\n" for f, m in rows))
    lp_mm = known.frequency / PITCH_MM
    one = Detector.from_measured(
        mtf=(lp_mm, known.mtf),
        nnps=(lp_mm, known.noise_power * PITCH_MM**2),
        kerma_uGy=40.0,
        screen=Screen(80.0),
        sensor=Sensor(pitch_mm=PITCH_MM),
    )
    write_detectors(folder / "D.toml", {"lr": one})
    return folder


def words(folder: Path, name: str, *more: object) -> list[str]:
    told = ["--open-field", "50000", "--detectors", folder / "D.toml"]
    return [str(word) for word in ("inspect", "voids", folder / name, *told, *more)]


def refusal(capsys: pytest.CaptureFixture[str], given: list[str]) -> str:
    with pytest.raises(SystemExit) as end:
        main(given)
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_keys_table_and_picture(capsys, folder, tmp_path):
    out = [
        "--csv",
        tmp_path / "v.csv",
        "--picture",
        tmp_path / "v.png",
        "--json",
        "--pitch-mm",
        0.1,
        "--magnification",
        2,
    ]
    main(words(folder, "ball.tif", *out))
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "xsim.inspect.voids/1"
    (ball,) = found["balls"]
    assert ball["verdict"] in found["counts"]
    assert sum(found["counts"].values()) == 1
    assert found["pixel_mm"] == pytest.approx(0.05)
    assert ball["diameter_mm"] == pytest.approx(ball["diameter_px"] * 0.05)
    assert found["limit_percent"] == 25.0
    assert "IPC-A-610" in found["limit_source"]
    (row,) = csv.DictReader((tmp_path / "v.csv").open())
    assert float(row["area_px"]) == pytest.approx(ball["area_px"])
    assert row["verdict"] == ball["verdict"]
    assert Image.open(tmp_path / "v.png").size[0] > 500


def test_an_image_without_balls_is_no_error(capsys, folder):
    main(words(folder, "none.tif"))
    assert "no solder balls found" in capsys.readouterr().out
    main(words(folder, "none.tif", "--json"))
    assert json.loads(capsys.readouterr().out)["balls"] == []


def test_what_cannot_be_used_is_refused_in_one_line(capsys, folder, tmp_path):
    assert "too small" in refusal(capsys, words(folder, "small.tif"))
    assert "no such file" in refusal(capsys, words(folder, "missing.tif"))
    assert "give 1, 2, 3" in refusal(capsys, words(folder, "ball.tif", "--class", 5))
    assert "0 to 100" in refusal(capsys, words(folder, "ball.tif", "--limit-percent", 400))
    assert "shape" in refusal(capsys, words(folder, "ball.tif", "--std", folder / "none.tif"))
    (tmp_path / "there.csv").write_text("mine")
    assert "exists already" in refusal(capsys, words(folder, "ball.tif", "--csv", tmp_path / "there.csv"))
    assert (tmp_path / "there.csv").read_text() == "mine"
    alone = ["inspect", "voids", str(folder / "ball.tif"), "--restored"]
    assert "give --detectors" in refusal(capsys, alone)


def test_a_restored_image_has_the_wider_interval(capsys, folder):
    widths = []
    for more in ((), ("--restored", "--target", folder / "aim.csv")):
        main(words(folder, "ball.tif", "--json", *more))
        (ball,) = json.loads(capsys.readouterr().out)["balls"]
        widths.append(ball["void_percent_high"] - ball["void_percent_low"])
    assert widths[1] > widths[0]
