"""``xsim measure``: the JSON keys of the contract, files in and out, and refusals in one line with exit code 2."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.special import erf

from xsim_cli.app import main

LEEDS = Path(__file__).parents[2] / "../shared/data/radiographs/leeds_tor18_line_pairs.dcm"
# Edges of the upper plate of the chart that run along the rows, as its bars do.
EDGES = ["--edge", "459,118,92,60", "--edge", "459,212,92,60"]


def slanted(shape: tuple[int, int] = (160, 200), sigma: float = 1.0) -> np.ndarray:
    y, x = np.indices(shape, dtype=float)
    s = (x - shape[1] / 2 - np.tan(np.radians(3)) * (y - shape[0] / 2)) * np.cos(np.radians(3))
    return 10000 + 20000 * (1 + erf(s / sigma / np.sqrt(2)))


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    rng = np.random.default_rng(1)
    images = {
        "edge": slanted() + rng.normal(0, 100, (160, 200)),
        "flat": rng.normal(30000, 300, (300, 300)),
        "other": rng.normal(30000, 300, (300, 300)),
        "small": rng.normal(30000, 300, (200, 300)),
        "saturated": np.minimum(slanted() + rng.normal(0, 100, (160, 200)), 48000),
        "constant": np.full((100, 100), 500.0),
    }
    for name, pixels in images.items():
        tifffile.imwrite(tmp_path / f"{name}.tif", np.round(pixels).astype(np.uint16))
    return {name: tmp_path / f"{name}.tif" for name in images}


def document(capsys: pytest.CaptureFixture[str], *words: object) -> dict[str, object]:
    main(["measure", *(str(word) for word in words), "--json"])
    return json.loads(capsys.readouterr().out)


def refusal(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as end:
        main(["measure", *(str(word) for word in words)])
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert said.err.startswith("xsim: ")
    return said.err


def test_mtf_keys_and_value(capsys, files):
    found = document(capsys, "mtf", files["edge"], "--pitch-mm", 0.05)
    assert found["schema"] == "xsim.measure.mtf/1"
    f, mtf = np.array(found["frequency_lp_mm"]), np.array(found["mtf"])
    assert np.abs(mtf - np.exp(-2 * (np.pi * f * 0.05) ** 2)).max() < 2 * found["noise_floor"] + 0.002
    assert found["angle_deg"] == pytest.approx(3, abs=0.02)


def test_mtf_options(capsys, files):
    found = document(
        capsys,
        "mtf",
        files["edge"],
        files["edge"],
        "--pitch-mm",
        0.05,
        "--frequencies",
        "1,2,5",
        "--roi",
        "20,10,160,140",
    )
    assert found["frequency_lp_mm"] == [1, 2, 5]
    assert len(found["edges"]) == 2
    assert found["edges"][0]["roi"] == [20, 10, 160, 140]


def test_nnps_keys_and_value(capsys, files):
    found = document(capsys, "nnps", files["flat"], files["other"], "--pitch-mm", 0.05, "--mode", "difference")
    assert np.mean(found["nnps_mm2"]) == pytest.approx((300 / 30000 * 0.05) ** 2, rel=0.03)
    assert len(found["frequency_lp_mm"]) == len(found["standard_error_mm2"]) == len(found["nnps_mm2"])
    assert any("4 that IEC" in text for text in found["warnings"])


def test_nnps_of_a_folder_and_of_inverted_images(capsys, files, tmp_path):
    folder = tmp_path / "flats"
    folder.mkdir()
    dark = tifffile.imread(files["flat"])
    tifffile.imwrite(folder / "a.tif", 65535 - dark)
    direct = document(capsys, "nnps", files["flat"], "--pitch-mm", 0.05)
    inverted = document(capsys, "nnps", folder, "--pitch-mm", 0.05, "--polarity", "metal-bright")
    assert inverted["nnps_mm2"] == pytest.approx(direct["nnps_mm2"])


def test_compare_keys_and_value(capsys, files):
    found = document(capsys, "compare", files["flat"], files["other"], "--data-range", 30000)
    a, b = (tifffile.imread(files[name]).astype(float) for name in ("flat", "other"))
    rmse = np.sqrt(np.mean((a - b) ** 2))
    assert found["rmse"] == pytest.approx(rmse)
    assert found["psnr_dB"] == pytest.approx(20 * np.log10(30000 / rmse))
    assert found["data_range"] == 30000
    assert 0 < found["ssim"] < 1


def test_compare_agrees_with_scikit_image(capsys, files):
    metrics = pytest.importorskip("skimage.metrics")
    found = document(capsys, "compare", files["flat"], files["other"], "--data-range", 30000)
    a, b = (tifffile.imread(files[name]).astype(float) for name in ("flat", "other"))
    expected = metrics.structural_similarity(
        a, b, data_range=30000, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert found["ssim"] == pytest.approx(expected, abs=1e-6)
    assert found["psnr_dB"] == pytest.approx(metrics.peak_signal_noise_ratio(a, b, data_range=30000), abs=1e-6)


def test_compare_of_identical_images_is_valid_json(capsys, files):
    found = document(capsys, "compare", files["flat"], files["flat"])
    assert (found["psnr_dB"], found["ssim"], found["rmse"], found["identical"]) == (None, 1.0, 0.0, True)
    assert found["data_range"] == 65535
    assert "format's" in found["warnings"][0]


def test_tables_and_figures(capsys, files, tmp_path):
    table, figure = tmp_path / "mtf.csv", tmp_path / "mtf.png"
    main(["measure", "mtf", str(files["edge"]), "--pitch-mm", "0.05", "--csv", str(table), "--plot", str(figure)])
    rows = list(csv.DictReader(table.open()))
    assert len(rows) == 101
    assert float(rows[0]["mtf"]) == pytest.approx(1, abs=0.01)
    assert figure.read_bytes().startswith(b"\x89PNG")
    capsys.readouterr()
    assert "exists already" in refusal(capsys, "mtf", files["edge"], "--pitch-mm", 0.05, "--csv", table)
    for command in (["nnps", files["flat"], "--pitch-mm", 0.05], ["compare", files["flat"], files["other"]]):
        picture = tmp_path / f"{command[0]}.png"
        main(["measure", *(str(word) for word in command), "--plot", str(picture)])
        assert picture.stat().st_size > 10_000


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["mtf", "flat", "--pitch-mm", 0.05], "no edge"),
        (["mtf", "constant", "--pitch-mm", 0.05], "one grey level"),
        (["mtf", "saturated", "--pitch-mm", 0.05], "saturated"),
        (["mtf", "edge"], "--pitch-mm"),
        (["mtf", "edge", "--pitch-mm", 0], "pitch"),
        (["mtf", "edge", "--pitch-mm", "nan"], "pitch"),
        (["mtf", "edge", "--pitch-mm", "50um"], "pitch-mm"),
        (["mtf", "edge", "--pitch-mm", 0.05, "--roi", "1,2,3"], "X,Y,W,H"),
        (["mtf", "edge", "--pitch-mm", 0.05, "--roi", "0,0,900,20"], "leaves the image"),
        (["mtf", "edge", "--pitch-mm", 0.05, "--frequencies", "a"], "numbers"),
        (["nnps", "flat", "--pitch-mm", 0.05, "--mode", "difference"], "at least two"),
        (["nnps", "flat", "small", "--pitch-mm", 0.05], "one size"),
        (["nnps", "constant", "--pitch-mm", 0.05], "one grey level"),
        (["nnps", "edge", "--pitch-mm", 0.05], "not flat"),
        (["ctf", "flat", "--pitch-mm", 0.05], "--roi"),
        (["resolution", "constant", "--pitch-mm", 0.05], "one grey level"),
        (["compare", "flat", "small"], "one size"),
        (["compare", "flat", "other", "--data-range", 0], "data range"),
        (["compare", "flat", "missing"], "no such file"),
    ],
)
def test_refuses_in_one_line(capsys, files, tmp_path, words, cause):
    paths = {**files, "missing": tmp_path / "missing.tif"}
    assert cause in refusal(capsys, *(paths.get(word, word) for word in words))


@pytest.mark.skipif(not LEEDS.exists(), reason="the radiographs of ../shared/data are not here")
def test_leeds_chart_edge_and_bars_agree(capsys, tmp_path):
    """Two independent measurements of one real detector: a plate's edges and the line groups, up to 1 lp/mm."""
    figure = tmp_path / "leeds.png"
    found = document(capsys, "ctf", LEEDS, *EDGES, "--plot", figure)
    f, bars, edge = (np.array(found[name]) for name in ("frequency_lp_mm", "mtf", "edge_mtf"))
    below = f <= 1.0
    assert below.sum() >= 9
    assert np.abs(bars[below] / edge[below] - 1).max() < 0.10
    assert figure.stat().st_size > 10_000
    # The groups of the chart, 0.5 to 1.6 lp/mm at its own place, step by about 12 %; magnification is one number.
    nominal = np.array([0.5, 0.56, 0.63, 0.71, 0.8, 0.9, 1.0, 1.12, 1.25])
    magnification = nominal / f[:9]
    assert np.ptp(magnification) / magnification.mean() < 0.02


@pytest.fixture
def radiograph(tmp_path: Path) -> Path:
    """A tilted plate before the open field: Gaussian blur of 1.2 px, noise of 1 % there."""
    rng = np.random.default_rng(2)
    y, x = np.indices((320, 320), dtype=float)
    seen = np.ones((320, 320))
    across, along = (x - 160) * np.cos(0.3) + (y - 160) * np.sin(0.3), (y - 160) * np.cos(0.3) - (x - 160) * np.sin(0.3)
    for side in (across, along):
        seen *= (erf((side + 90) / 1.2 / np.sqrt(2)) - erf((side - 90) / 1.2 / np.sqrt(2))) / 2
    seen = 1 - 0.5 * seen
    path = tmp_path / "plate.tif"
    noisy = seen + 0.01 * np.sqrt(seen) * rng.normal(size=seen.shape)
    tifffile.imwrite(path, np.round(40000 * noisy).astype(np.uint16))
    return path


def test_blind_keys_and_values(capsys, radiograph):
    found = document(capsys, "blind", radiograph, "--pitch-mm", 0.05, "--open-field", 40000)
    assert found["schema"] == "xsim.measure.blind/1"
    f, mtf = np.array(found["frequency_lp_mm"]), np.array(found["mtf"])
    assert np.abs(mtf - np.exp(-2 * (np.pi * f * 0.05 * 1.2) ** 2)).max() < 0.04
    assert found["f50_low_lp_mm"] < np.sqrt(np.log(2) / 2) / np.pi / 1.2 / 0.05 < found["f50_high_lp_mm"]
    assert found["noise_low"] < 0.01 < found["noise_high"]
    assert found["edges"] >= 3
    assert found["flat_mm2"] == pytest.approx(found["flat_px"] * 0.0025)


def test_blind_without_a_pitch_prints_one_line_and_draws(capsys, radiograph, tmp_path):
    picture = tmp_path / "blind.png"
    main(["measure", "blind", str(radiograph), "--plot", str(picture)])
    said = capsys.readouterr().out.strip()
    assert said.startswith("detector: estimated from ")
    assert "cycles/px" in said
    assert picture.stat().st_size > 10_000


def test_blind_refuses_by_name(capsys, files, radiograph):
    assert "noise alone" in refusal(capsys, "blind", files["flat"])
    assert "above zero" in refusal(capsys, "blind", radiograph, "--open-field", 0)
