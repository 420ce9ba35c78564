"""`--dark --flat --bad-pixels` of `zoo run`, `measure` and `calibrate`: one code, and refusals before computing."""

from __future__ import annotations

import json

import numpy as np
import pytest
import tifffile
from scipy.special import erf

from xsim_cli.app import main


@pytest.fixture
def shots(tmp_path):
    """Return an edge and flats of a panel with offset, uneven gain and bad pixels, and the frames that mend them."""
    rng = np.random.default_rng(1)
    shape = (160, 200)
    y, x = np.indices(shape, dtype=float)
    gain, offset = 20_000 * rng.normal(1, 0.04, shape), rng.uniform(500, 1500, shape)
    at = (x - 100 - np.tan(np.radians(3)) * (y - 80)) * np.cos(np.radians(3))
    truth = 0.4 + 0.3 * (1 + erf(at / np.sqrt(2)))

    def write(name, signal):
        grey = offset + gain * signal * rng.normal(1, 0.004, shape)
        grey[50, 60], grey[100, 120] = 65535, 0
        tifffile.imwrite(tmp_path / name, np.rint(grey).clip(0, 65535).astype(np.uint16))

    for folder in ("dark", "flat", "noise"):
        (tmp_path / folder).mkdir()
    for number in range(8):
        tifffile.imwrite(tmp_path / "dark" / f"{number}.tif", np.rint(offset).astype(np.uint16))
        write(f"flat/{number}.tif", np.ones(shape))
        write(f"noise/{number}.tif", np.ones(shape))
    write("edge.tif", truth)
    return tmp_path


def json_of(capsys, *words):
    main([*map(str, words), "--json"])
    return json.loads(capsys.readouterr().out)


def refused(capsys, *words):
    with pytest.raises(SystemExit) as end:
        main([*map(str, words)])
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    return said.err


def test_measure_mtf_needs_the_corrections_and_takes_them(shots, capsys):
    words = ("measure", "mtf", shots / "edge.tif", "--pitch-mm", 0.05)
    assert "bad pixels" in refused(capsys, *words)
    frames = ("--dark", shots / "dark", "--flat", shots / "flat")
    for bad in ((), ("--bad-pixels", "auto")):
        found = json_of(capsys, *words, *frames, *bad)
        f, mtf = np.array(found["frequency_lp_mm"]), np.array(found["mtf"])
        assert np.abs(mtf - np.exp(-2 * (np.pi * f * 0.05) ** 2)).max() < 2 * found["noise_floor"] + 0.005
        (repaired,) = found["bad_pixels"]
        assert repaired["input"] == str(shots / "edge.tif")
        assert {(50, 60), (100, 120)} <= {(place["y"], place["x"]) for place in repaired["places"]}


def test_measure_nnps_is_free_of_the_fixed_pattern(shots, capsys):
    flats = sorted((shots / "noise").iterdir())
    words = ("measure", "nnps", *flats, "--pitch-mm", 0.05, "--region-px", 64)
    raw = json_of(capsys, *words, "--bad-pixels", "auto")
    assert [one["input"] for one in raw["bad_pixels"]] == [str(path) for path in flats]
    assert all(one["count"] >= 2 for one in raw["bad_pixels"])
    clean = json_of(capsys, *words, "--dark", shots / "dark", "--flat", shots / "flat")
    assert clean["relative_variance"] == pytest.approx(0.004**2 * (1 + 1 / 8), rel=0.06)
    assert raw["relative_variance"] > 20 * clean["relative_variance"]
    said = refused(capsys, *words, "--dark", shots / "dark", "--flat", shots / "noise")
    assert "would cancel" in said


def test_calibrate_takes_them_for_one_detector_and_for_two(shots, capsys):
    words = ("calibrate", "--edge", shots / "edge.tif", "--flats", shots / "noise", "--pitch-mm", 0.05)
    frames = ("--dark", shots / "dark", "--flat", shots / "flat")
    found = json_of(capsys, *words, *frames, "-o", shots / "d.toml")
    assert found["detector"]["noise_open_field"] == pytest.approx(0.00424, rel=0.1)
    assert "is of two detectors" in refused(capsys, *words, "--hr-flat", shots / "flat", "-o", shots / "e.toml")
    edge, noise = shots / "edge.tif", shots / "noise"
    both = ("calibrate", "--hr-edge", edge, "--lr-edge", edge, "--hr-flats", noise, "--lr-flats", noise)
    both += ("--pitch-mm", 0.05, "-o", shots / "two.toml")
    assert "is of one detector" in refused(capsys, *both, *frames)
    assert "bad pixels" in refused(capsys, *both)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--dark", "dark"), "--dark was given without --flat"),
        (("--dark", "flat", "--flat", "dark"), "no brighter than the darks"),
        (("--flat", "no"), "no such file or folder"),
        (("--bad-pixels", "no.tif"), "no such file or folder"),
        (("--flat", "flat", "--open-field", "1000"), "leave out --open-field"),
        (("--flat", "flat", "--polarity", "metal-bright"), "whose metal is dark"),
        (("--flat", "small.tif"), "give frames of one size"),
        (("--bad-pixels", "map.tif"), "give the map of this detector"),
        (("--flat", "zero.tif"), "no brighter"),
    ],
)
def test_what_cannot_be_corrected_with_is_one_line(shots, capsys, words, said, monkeypatch):
    monkeypatch.chdir(shots)
    tifffile.imwrite("map.tif", np.eye(40, dtype=np.uint16))
    tifffile.imwrite("small.tif", np.full((40, 40), 900, np.uint16))
    tifffile.imwrite("zero.tif", np.zeros((160, 200), np.uint16))
    assert said in refused(capsys, "zoo", "run", "wiener", "edge.tif", "-o", "out.tif", "--pitch-mm", 0.05, *words)
    assert not (shots / "out.tif").exists()


def test_the_open_field_of_a_run_is_that_of_the_flats(shots, capsys):
    words = ("zoo", "run", "wiener", shots / "edge.tif", "--pitch-mm", 0.05, "--dry-run")
    (file,) = json_of(capsys, *words, "--dark", shots / "dark", "--flat", shots / "flat")["files"]
    assert file["open_field"] == pytest.approx(20_000, rel=0.01)
    levels = [note for note in file["notes"] if "open field" in note]
    assert not any("as the file says" in note or "estimated at" in note for note in levels)
    assert sum("mean of the flats" in note for note in file["notes"]) == 1
    (plain,) = json_of(capsys, *words)["files"]
    assert plain["bad_pixels"]["count"] >= 2
    # Two float32 frames are held for the whole run.
    assert file["memory_bytes"] == plain["memory_bytes"] + 8 * 160 * 200
