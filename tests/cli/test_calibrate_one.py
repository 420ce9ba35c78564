"""``xsim calibrate`` of one detector: from files and from numbers, and its refusals in one line."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy.special import erf

from xsim.degradation.known_file import read_known
from xsim_cli.app import main

PITCH = "0.139"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng, root = np.random.default_rng(1), tmp_path_factory.mktemp("one")
    y, x = np.indices((320, 320), dtype=float)
    s = (x - 160.3 - np.tan(np.radians(3)) * (y - 160)) * np.cos(np.radians(3))
    plate = 0.2 + 0.4 * (1 + erf(s / 1.2 / np.sqrt(2)))
    (root / "open").mkdir()
    for index in range(5):
        flat = 1 + rng.normal(0, 0.01, (256, 256))
        tifffile.imwrite(root / "open" / f"{index}.tif", np.round(40000 * flat).astype(np.uint16))
    noisy = plate + 0.01 * np.sqrt(plate) * rng.normal(size=plate.shape)
    tifffile.imwrite(root / "plate.tif", np.round(40000 * noisy).astype(np.uint16))
    (root / "mtf.csv").write_text(
        "frequency_lp_mm,mtf\n" + "".join(f"{f:.3f},{np.exp(-0.45 * f**1.3):.4f}\n" for f in np.linspace(0, 4, 21))
    )
    return root


def words(folder: Path, text: str, out: Path) -> list[str]:
    return ["calibrate", *text.replace("DIR", str(folder)).split(), "-o", str(out)]


@pytest.mark.parametrize(
    ("text", "sources"),
    [
        (f"--edge DIR/plate.tif --flats DIR/open --pitch-mm {PITCH}", ("edges", "flats")),
        (f"--edge DIR/plate.tif --pitch-mm {PITCH} --kerma-uGy 5", ("edges", "model")),
        (f"--image DIR/plate.tif --pitch-mm {PITCH}", ("image", "image")),
        (f"--pitch-mm {PITCH} --srb-mm 0.16 --snrn 60 --kerma-uGy 20", ("data sheet", "data sheet")),
        (f"--pitch-mm {PITCH} --mtf-at 1:0.6 --mtf-at 2:0.3", ("data sheet", "model")),
        (f"--pitch-mm {PITCH} --mtf-csv DIR/mtf.csv --dqe0 0.5 --kerma-uGy 5", ("data sheet", "data sheet")),
        (f"--pitch-mm {PITCH} --mass-thickness-mg-cm2 80", ("model", "model")),
    ],
)
def test_one_detector_from_what_there_is(capsys, folder, tmp_path, text, sources):
    out = tmp_path / "D.toml"
    main([*words(folder, text, out), "--json"])
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "xsim.calibrate/1"
    found = said["detector"]
    assert (found["mtf_source"], found["nnps_source"]) == sources
    assert found["f50_low_lp_mm"] < found["f50_lp_mm"] < found["f50_high_lp_mm"]
    assert found["noise_low"] < found["noise_open_field"] < found["noise_high"]
    known = read_known(out).lr
    assert known.f50 == pytest.approx(found["f50_cycles_px"])
    assert known.blur_spread == pytest.approx(found["f50_high_lp_mm"] / found["f50_lp_mm"])
    assert ("model" in sources or "image" in sources) <= bool(said["warnings"])


def test_lines_table_and_figure(capsys, folder, tmp_path):
    text = f"--edge DIR/plate.tif --flats DIR/open --pitch-mm {PITCH}"
    out, table, figure = tmp_path / "D.toml", tmp_path / "D.csv", tmp_path / "D.png"
    main([*words(folder, text, out), "--csv", str(table), "--plot", str(figure)])
    said = capsys.readouterr()
    for part in ("f50 ", "SRb ", "from edges", "noise ", "from flats", str(out)):
        assert part in said.out
    assert "warning: flats: 5 are few" in said.err
    assert table.read_text().startswith("frequency_lp_mm,mtf,mtf_low,mtf_high,nnps_mm2,nnps_low_mm2,nnps_high_mm2")
    assert figure.stat().st_size > 20_000


@pytest.mark.parametrize(
    ("text", "cause"),
    [
        ("", "nothing to make a detector of"),
        ("--edge DIR/plate.tif --hr-edge DIR/plate.tif", "give one kind"),
        ("--hr-edge DIR/plate.tif --srb-mm 0.2", "give one kind"),
        ("--hr-edge DIR/plate.tif", "--lr-edge is missing"),
        (f"--image DIR/plate.tif --srb-mm 0.2 --pitch-mm {PITCH}", "leave out --srb-mm"),
        (f"--edge DIR/plate.tif --srb-mm 0.2 --pitch-mm {PITCH}", "give one of both"),
        (f"--flats DIR/open --pitch-mm {PITCH}", "is white"),
        ("--image DIR/plate.tif", "give --pitch-mm"),
        ("--srb-mm 0.2", "give --pitch-mm"),
        (f"--mtf-at 2 --pitch-mm {PITCH}", "F:VALUE"),
        (f"--srb-mm 0.05 --pitch-mm {PITCH}", "without any blur"),
        (f"--mtf-csv DIR/nowhere.csv --pitch-mm {PITCH}", "nowhere.csv"),
    ],
)
def test_refuses_in_one_line_and_writes_nothing(capsys, folder, tmp_path, text, cause):
    out = tmp_path / "D.toml"
    with pytest.raises(SystemExit) as end:
        main(words(folder, text, out))
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.err.count("\n") == 1
    assert cause in said.err
    assert not out.exists()
