"""``xsim calibrate`` on files made by known detectors, and its refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
import tifffile
from scipy.special import erf

from xsim.measure.calibration import read_calibration
from xsim_cli.app import main

if TYPE_CHECKING:
    from pathlib import Path

PITCH = 0.048
BLUR_PX = {"hr": 1.0, "lr": 2.5}
NOISE = {"hr": 0.02, "lr": 0.008}


def edge(sigma: float, noise: float, rng: np.random.Generator) -> np.ndarray:
    y, x = np.indices((220, 240), dtype=float)
    s = (x - 120.3 - np.tan(np.radians(3)) * (y - 110)) * np.cos(np.radians(3))
    return 0.2 + 0.4 * (1 + erf(s / sigma / np.sqrt(2))) + rng.normal(0, noise / 4, s.shape)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(1)
    root = tmp_path_factory.mktemp("calibration")

    def write(name: str, image: np.ndarray) -> None:
        path = root / name
        path.parent.mkdir(exist_ok=True)
        tifffile.imwrite(path, np.clip(np.round(40000 * image), 0, 65535).astype(np.uint16))

    for side in ("hr", "lr"):
        write(f"{side}_edge.tif", edge(BLUR_PX[side], NOISE[side], rng))
        for index in range(10):
            write(f"{side}/flat{index}.tif", 1 + rng.normal(0, NOISE[side], (256, 256)))
    wedge = np.tile(np.repeat(np.linspace(0.1, 1, 10), 24), (128, 1))
    write("hr_wedge.tif", wedge)
    write("lr_wedge.tif", wedge**0.9)
    write("saturated.tif", np.minimum(edge(1.0, 0.02, rng), 0.8))
    write("flat.tif", 1 + rng.normal(0, 0.02, (256, 256)))
    write("mixed/a.tif", 1 + rng.normal(0, 0.02, (256, 256)))
    write("mixed/b.tif", 1 + rng.normal(0, 0.02, (256, 200)))
    (root / "empty").mkdir()
    return root


def words(folder: Path, out: Path, **changes: str) -> list[str]:
    options = {
        "hr_edge": "hr_edge.tif", "lr_edge": "lr_edge.tif", "hr_flats": "hr", "lr_flats": "lr",
        "hr_pair": "hr_wedge.tif", "lr_pair": "lr_wedge.tif", **changes,
    }  # fmt: skip
    named = [(f"--{name.replace('_', '-')}", str(folder / value)) for name, value in options.items() if value]
    return ["calibrate", *(word for pair in named for word in pair), "--pitch-mm", str(PITCH), "-o", str(out)]


def test_calibrates_and_writes(capsys, folder, tmp_path):
    out, figure, table = tmp_path / "D.toml", tmp_path / "D.png", tmp_path / "D.csv"
    main([*words(folder, out), "--json", "--plot", str(figure), "--csv", str(table)])
    found = json.loads(capsys.readouterr().out)
    assert found["schema"] == "xsim.calibrate/1"
    f, B = np.array(found["frequency_lp_mm"]), np.array(found["B_1"])
    widths = {side: sigma * PITCH for side, sigma in BLUR_PX.items()}
    truth = np.exp(-2 * (np.pi * f) ** 2 * (widths["lr"] ** 2 - widths["hr"] ** 2))
    low = f < 2.5
    assert np.abs(B - truth)[low].max() < 0.03
    link = found["link"]
    assert np.interp(0.5, link["hr_grey"], link["lr_grey"]) == pytest.approx(0.5**0.9, abs=0.02)
    assert found["detectors"]["lr"]["open_field"] == pytest.approx(40000, rel=0.001)
    _, _, degradation = read_calibration(out)
    assert np.allclose(degradation.B_1, B)
    assert figure.stat().st_size > 20_000
    assert table.read_text().startswith("frequency_lp_mm,B_1")


def test_the_file_is_a_pair_of_detectors(capsys, folder, tmp_path):
    out = tmp_path / "D.toml"
    main(words(folder, out))
    capsys.readouterr()
    main(["detector", "--detector", str(out), "--frequencies", "1,2", "--json"])
    assert len(json.loads(capsys.readouterr().out)["detectors"]) == 2


def test_link_from_a_wedge(capsys, folder, tmp_path):
    changes = {"hr_pair": "", "lr_pair": "", "hr_wedge": "hr_wedge.tif", "lr_wedge": "lr_wedge.tif"}
    main([*words(folder, tmp_path / "D.toml", **changes), "--json"])
    link = json.loads(capsys.readouterr().out)["link"]
    assert link["source"] == "wedge"
    assert np.interp(0.5, link["hr_grey"], link["lr_grey"]) == pytest.approx(0.5**0.9, abs=0.01)


@pytest.mark.parametrize(
    ("changes", "cause"),
    [
        ({"hr_edge": "lr_edge.tif", "lr_edge": "hr_edge.tif"}, "swapped"),
        ({"hr_edge": "saturated.tif"}, "saturated"),
        ({"hr_edge": "flat.tif"}, "no edge"),
        ({"lr_flats": "lr/flat0.tif"}, "at least two"),
        ({"lr_flats": "mixed"}, "one size"),
        ({"lr_flats": "empty"}, "no images"),
        ({"lr_edge": "nowhere.tif"}, "nowhere.tif"),
        ({"lr_pair": ""}, "one LR for each HR"),
        ({"lr_pair": "flat.tif"}, "shapes"),
        ({"lr_wedge": "lr_wedge.tif"}, "--hr-wedge and --lr-wedge"),
        ({"hr_pair": "", "lr_pair": "", "hr_wedge": "hr_wedge.tif", "lr_wedge": "flat.tif"}, "1 steps found"),
    ],
)
def test_refuses_in_one_line_and_writes_nothing(capsys, folder, tmp_path, changes, cause):
    out = tmp_path / "D.toml"
    with pytest.raises(SystemExit) as end:
        main(words(folder, out, **changes))
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert cause in said.err
    assert not out.exists()


def test_never_over_a_file_or_an_input(capsys, folder, tmp_path):
    out = tmp_path / "D.toml"
    out.write_text("mine")
    with pytest.raises(SystemExit):
        main(words(folder, out))
    assert out.read_text() == "mine"
    with pytest.raises(SystemExit):
        main([*words(folder, folder / "hr_edge.tif"), "--force"])
    assert "input" in capsys.readouterr().err
