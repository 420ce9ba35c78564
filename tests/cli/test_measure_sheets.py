"""``xsim measure e2597`` and ``e2737``, ``xsim detector --sheet``: sheets of drawn shots, baselines, logs, refusals."""

from __future__ import annotations

import csv
import json
import tomllib
from pathlib import Path

import numpy as np
import pytest
import tifffile
from scipy import ndimage

from tests.xsim.measure.wrong_targets import wrong_targets
from xsim_cli.app import main

PITCH, SIGMA_MM = 0.05, 0.1
WIRES = (0.8, 0.63, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.13, 0.1)


def gauge() -> np.ndarray:
    """Return thin-absorbing wires behind a Gaussian of 0.1 mm, whose 20 % wire is 0.1 sqrt(2) mm."""
    fine = PITCH / 4
    s = np.arange(0, 26, fine)
    chord, place = np.zeros_like(s), 2.0
    for d in WIRES:
        for centre in (place + d / 2, place + 2.5 * d):
            chord += np.sqrt(np.maximum((d / 2) ** 2 - (s - centre) ** 2, 0))
        place += 3 * d + 1.2
    blurred = ndimage.gaussian_filter1d(chord, SIGMA_MM / fine)
    y, x = np.indices((80, int(24 / PITCH))) * PITCH
    return 1 - 0.2 * np.interp(x * np.cos(0.05) + y * np.sin(0.05), s, blurred)


@pytest.fixture(scope="module")
def shots(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write the shots of a detector of SNR 200 at 250 uGy, a wedge, lag of 3 %, dark frames, raw flats, an edge."""
    folder, rng = tmp_path_factory.mktemp("shots"), np.random.default_rng(0)

    def write(name: str, image: np.ndarray) -> None:
        (folder / name).parent.mkdir(exist_ok=True)
        tifffile.imwrite(folder / name, np.round(np.clip(image, 0, 65535)).astype(np.uint16))

    def white(shape: tuple[int, int], sigma: float) -> np.ndarray:
        return sigma * rng.standard_normal(shape)

    write("wires.tif", 40000 * gauge() + white((80, 480), 20))
    for dose, snr in ((250, 200.0), (500, 200 * 2**0.5), (1000, 400.0)):
        for k in range(3):
            write(f"flats{dose}/{k}.tif", 40 * dose * (1 + white((200, 200), 1 / snr)))
    for k in range(2):
        steps = np.tile(np.repeat(40000 * np.exp(-0.3 * np.arange(8.0)), 40), (120, 1))
        write(f"wedge{k}.tif", steps + white((120, 320), 40))
    for k, level in enumerate([20000, 20000, 600, 18]):
        write(f"lag/{k}.tif", 500 + level + white((64, 64), 10))
    for k in range(30):
        noise = white((200, 200), 5)
        noise[7, 9] *= 20
        write(f"dark/{k}.tif", 500 + noise)
    raw = np.full((200, 200), 20500.0)
    raw[50, 60] = 500
    for k in range(2):
        write(f"raw/{k}.tif", raw + white((200, 200), 50))
    y, x = np.indices((160, 320))
    edge = 0.1 + 0.9 * (np.cos(0.05) * (x - 160) - np.sin(0.05) * (y - 80) > 0)
    write("edge.tif", 40000 * ndimage.gaussian_filter(edge, 1.5) + white((160, 320), 40))
    return folder


def words(shots: Path, *parts: str) -> list[str]:
    flats = [w for dose in (250, 500, 1000) for w in ("--flats", str(shots / f"flats{dose}"), "--kerma-uGy", str(dose))]
    wedge = ["--wedge", str(shots / "wedge0.tif"), "--wedge", str(shots / "wedge1.tif"), "--wedge-mm", "1,2,3,4,5,6,7"]
    options = {
        "wires": ["--duplex-wire", str(shots / "wires.tif")],
        "flats": flats,
        "wedge": wedge,
        "dark": ["--dark", str(shots / "dark")],
        "isr": ["--isr", str(shots / "edge.tif")],
    }
    return ["--pitch-mm", str(PITCH), *(word for part in parts for word in options[part])]


def document(capsys: pytest.CaptureFixture[str], *given: str) -> dict[str, object]:
    main([*given, "--json"])
    return json.loads(capsys.readouterr().out)


def test_the_whole_sheet(capsys, shots, tmp_path):
    sheet, table, plot = (tmp_path / name for name in ("sheet.toml", "sheet.csv", "sheet.png"))
    found = document(
        capsys, "measure", "e2597", *words(shots, "wires", "flats", "wedge", "isr"),
        "-o", str(sheet), "--csv", str(table), "--plot", str(plot),
    )  # fmt: skip
    assert found["schema"] == "xsim.measure.e2597/1"
    assert "in the manner of ASTM E2597" in found["manner"]
    figures = found["figures"]
    # A Gaussian's 20 % wire is sqrt(2) sigma; the pixel adds pitch^2 / 12 to its variance.
    assert figures["isrb_mm"] == pytest.approx(np.sqrt(2 * (SIGMA_MM**2)), rel=0.05)
    assert found["resolution"]["srb_mm"] == 0.13
    assert figures["dsnr_1mGy"] == pytest.approx(400, rel=0.02)
    assert figures["dsnrn_1mGy"] == pytest.approx(figures["dsnr_1mGy"] * 0.0886 / figures["isrb_mm"])
    assert figures["signal_per_uGy"] == pytest.approx(40, rel=0.01)
    assert found["wedge"]["smtr_mm"]["sensitivity_1_percent"][1] == pytest.approx(np.log(4) / 0.3, rel=0.03)
    assert figures["isr_percent"] == pytest.approx(0, abs=0.1)
    assert "lag_percent" not in figures
    assert "bad_pixels" not in found
    assert tomllib.loads(sheet.read_text())["figures"] == pytest.approx(figures)
    rows = list(csv.DictReader(table.open()))
    assert {row["figure"]: float(row["value"]) for row in rows} == pytest.approx(figures)
    assert plot.read_bytes()[:4] == b"\x89PNG"


def test_lag_and_bad_pixels_have_their_own_shots(capsys, shots):
    # Frames of 200 x 200 for pixels, of 64 x 64 for the lag: not of one size, so each on its own.
    pixels = document(capsys, "measure", "e2597", *words(shots, "dark"), "--bad-pixels", str(shots / "raw"))
    assert pixels["bad_pixels"]["kinds"] == {"dead": 1, "over": 0, "under": 0, "noisy": 1, "neighbourhood": 0}
    assert pixels["figures"]["offset"] == pytest.approx(500, abs=1)
    assert pixels["figures"]["dark_noise"] == pytest.approx(5, rel=0.05)
    lag = document(capsys, "measure", "e2597", "--pitch-mm", str(PITCH), "--lag", str(shots / "lag"))
    # Without dark frames the offset of 500 counts: said, and seen here.
    assert lag["lag"]["percent"][0] == pytest.approx(100 * 1100 / 20500, rel=0.01)
    assert any("offset corrected" in text for text in lag["warnings"])


def test_baseline_checks_log_and_exit_code(capsys, shots, tmp_path):
    base, log, plot = (tmp_path / name for name in ("base.toml", "log.jsonl", "trend.png"))
    given = words(shots, "wires", "flats")
    main(["measure", "e2737", *given, "--new-baseline", str(base), "--limit", "isrb_mm=5"])
    assert tomllib.loads(base.read_text())["limits"]["isrb_mm"] == 5
    capsys.readouterr()
    found = document(
        capsys, "measure", "e2737", *given, "--baseline", str(base), "--log", str(log), "--plot", str(plot)
    )
    assert found["schema"] == "xsim.measure.e2737/1"
    assert (found["verdict"], found["beyond"], found["log_entries"]) == ("within limits", [], 1)
    worse = base.read_text().replace("[figures]\n", "[figures]\n", 1)
    figures = tomllib.loads(worse)["figures"]
    base.write_text(worse.replace(f"isrb_mm = {figures['isrb_mm']}", f"isrb_mm = {figures['isrb_mm'] / 1.2}", 1))
    with pytest.raises(SystemExit) as end:
        main(["measure", "e2737", *given, "--baseline", str(base), "--log", str(log), "--date", "2030-01-01", "--json"])
    assert end.value.code == 3
    found = json.loads(capsys.readouterr().out)
    assert found["beyond"] == ["isrb_mm"]
    assert [json.loads(line)["beyond"] for line in log.read_text().splitlines()] == [[], ["isrb_mm"]]
    assert plot.stat().st_size > 1000


def test_the_models_sheet_has_the_same_keys(capsys, shots):
    measured = document(capsys, "measure", "e2597", *words(shots, "wires", "flats", "wedge", "isr"))
    found = document(capsys, "detector", "--mass-thickness-mg-cm2", "134.55", "--sheet", "--wedge-mm", "2,4,6,8")
    sheet = found["detectors"][0]["sheet"]
    assert {"resolution", "snr", "wedge", "internal_scatter"} <= set(sheet) & set(measured)
    assert sheet["figures"]["dsnrn_1mGy"] == pytest.approx(
        sheet["figures"]["dsnr_1mGy"] * 0.0886 / sheet["figures"]["isrb_mm"]
    )
    assert "sheet" not in document(capsys, "detector", "--mass-thickness-mg-cm2", "134.55")["detectors"][0]


@pytest.mark.parametrize(
    ("given", "cause"),
    [
        (["e2597"], "no shots"),
        (["e2597", "--flats", "{0}/flats250"], "give one kerma for each"),
        (["e2597", "--wedge", "{0}/wedge0.tif"], "give both"),
        (["e2597", "--duplex-wire", "{0}/wires.tif"], "give --pitch-mm"),
        (["e2597", "--pitch-mm", "0.05", "--duplex-wire", "{0}/edge.tif"], "no duplex wires"),
        (["e2597", "--pitch-mm", "0.05", "--wedge", "{0}/wires.tif", "--wedge-mm", "1,2,3"], "step"),
        (["e2597", "--pitch-mm", "0.05", "--flats", "{0}/lag", "--kerma-uGy", "100"], "one exposure"),
        (["e2597", "--pitch-mm", "0.05", "--lag", "{0}/flats250"], "does not fall"),
        (["e2597", "--pitch-mm", "0.05", "--bad-pixels", "{0}/none"], "no such file"),
        (["e2737", "--duplex-wire", "{0}/wires.tif"], "--new-baseline"),
        (["e2737", "--baseline", "{0}/none.toml", "--dark", "{0}/dark"], "no such file"),
        (["e2737", "--new-baseline", "{0}/x.toml", "--limit", "isrb", "--dark", "{0}/dark"], "isrb_mm=10"),
        (["e2737", "--new-baseline", "{0}/wires.tif", "--pitch-mm", "0.05", "--dark", "{0}/dark"], "exists"),
    ],
)
def test_refuses_in_one_line(capsys, shots, given, cause):
    with pytest.raises(SystemExit) as end:
        main(["measure", *(word.format(shots) for word in given)])
    assert end.value.code == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.count("\n") == 1
    assert cause in said.err


@pytest.mark.parametrize(
    ("command", "names"),
    [
        (["resolution"], ("board", "text", "noise", "flat", "edge", "tilted stripes")),
        (["mtf"], ("board", "text", "noise", "flat", "steps")),
        (["ctf"], ("text", "noise", "flat", "edge", "steps")),
        (["nnps"], ("board", "text", "edge", "steps", "tilted stripes")),
        (["e2597", "--wedge-mm", "1,2,3,4,5,6,7,8", "--wedge"], ("board", "text", "noise", "flat", "edge")),
    ],
)
def test_wrong_pictures_are_refused_in_one_line(capsys, tmp_path, command, names):
    for name in names:
        file = tmp_path / f"{name.replace(' ', '-')}.tif"
        tifffile.imwrite(file, np.round(np.clip(40000 * wrong_targets()[name], 0, 65535)).astype(np.uint16))
        with pytest.raises(SystemExit) as end:
            main(["measure", *command, str(file), "--pitch-mm", "0.05"])
        assert end.value.code == 2, name
        said = capsys.readouterr()
        assert (said.out, said.err.count("\n")) == ("", 1), said
