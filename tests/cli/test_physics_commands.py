"""``xsim spectrum`` and ``xsim detector``: JSON keys, tables, figures, refusals."""

from __future__ import annotations

import csv
import json
from typing import TYPE_CHECKING, Any

import pytest

from xsim.detector.optics_fit import read_fit
from xsim_cli.app import main

if TYPE_CHECKING:
    from pathlib import Path

SPECTRUM_KEYS = {
    "schema",
    "energy_keV",
    "fluence_per_mm2_uGy",
    "total_fluence_per_mm2_uGy",
    "mean_energy_keV",
    "hvl1_mm_Al",
    "hvl2_mm_Al",
}
DETECTOR_KEYS = {
    "mass_thickness_mg_cm2",
    "absorption_quantum",
    "absorption_energy",
    "swank",
    "dqe0",
    "frequency_lp_mm",
    "mtf_screen",
    "mtf",
    "nnps_mm2",
    "dqe",
    "f50_lp_mm",
    "f10_lp_mm",
    "pixel_sigma",
    "signal_electrons",
    "srb_mm",
    "snrn",
}


def document(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    main([*words, "--json"])
    return json.loads(capsys.readouterr().out)  # type: ignore[no-any-return]


def test_spectrum_says_what_the_contract_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "spectrum", "--preset", "RQA5")
    assert set(found) >= SPECTRUM_KEYS
    assert found["schema"] == "xsim.spectrum/1"
    assert sum(found["fluence_per_mm2_uGy"]) == pytest.approx(found["total_fluence_per_mm2_uGy"])
    assert found["total_fluence_per_mm2_uGy"] == pytest.approx(29653, rel=0.01)  # IEC 62220-1-1:2015
    assert found["hvl1_mm_Al"] == pytest.approx(6.8, rel=0.02)
    assert (found["model"], found["filters"]) == ("kqp", [["Al", 23.5]])


def test_filters_replace_the_default_and_add_up(capsys: pytest.CaptureFixture[str]) -> None:
    default = document(capsys, "spectrum")
    bare = document(capsys, "spectrum", "--filter", "none")
    two = document(capsys, "spectrum", "--filter", "Al:2.5", "--filter", "FR-4:1.6")
    assert default["filters"] == [["Al", 2.5]]
    assert bare["filters"] == []
    assert bare["mean_energy_keV"] < default["mean_energy_keV"] < two["mean_energy_keV"]


def test_detector_says_what_the_contract_says(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "detector", "--frequencies", "1,2,3,5,10")
    assert found["schema"] == "xsim.detector/1"
    assert [item["mass_thickness_mg_cm2"] for item in found["detectors"]] == [33.91, 134.55]
    for item in found["detectors"]:
        assert set(item) >= DETECTOR_KEYS
        assert item["frequency_lp_mm"] == [1, 2, 3, 5, 10]
        assert len(item["mtf"]) == len(item["mtf_screen"]) == len(item["nnps_mm2"]) == len(item["dqe"]) == 5
    hr, lr = found["detectors"]
    assert hr["mtf_screen"] == pytest.approx([0.918, 0.756, 0.588, 0.349, 0.124], abs=0.01)
    assert lr["pixel_sigma"] == pytest.approx(0.0068, rel=0.01)


def test_tables_and_figures_are_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    table, plot = tmp_path / "d.csv", tmp_path / "d.png"
    main(["detector", "--frequencies", "1,5", "--csv", str(table), "--plot", str(plot)])
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["detector"], float(row["frequency_lp_mm"])) for row in rows] == [
        ("33.91 mg/cm2", 1.0),
        ("33.91 mg/cm2", 5.0),
        ("134.55 mg/cm2", 1.0),
        ("134.55 mg/cm2", 5.0),
    ]
    assert float(rows[0]["mtf_screen"]) == pytest.approx(0.918, abs=0.01)
    assert plot.read_bytes().startswith(b"\x89PNG")
    main(["spectrum", "--csv", str(tmp_path / "s.csv"), "--plot", str(tmp_path / "s.svg")])
    assert (tmp_path / "s.csv").read_text().startswith("energy_keV,fluence_per_mm2_uGy\n")
    assert "<svg" in (tmp_path / "s.svg").read_text()
    assert "photons" in capsys.readouterr().out
    assert not list(tmp_path.glob(".*"))


def test_detectors_are_saved_and_read_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "detectors.toml"
    first = document(capsys, "detector", "--pitch-mm", "0.1", "--optics", "dyed", "--save", str(path))
    second = document(capsys, "detector", "--detector", str(path))
    for one, other in zip(first["detectors"], second["detectors"], strict=True):
        assert one == other


def test_measured_curves_are_fitted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    truth = document(capsys, "detector", "--preset", "RQA5", "--frequencies", "0.5,1,2,3,5,8")
    rows = ["mass_thickness_mg_cm2,frequency_lp_mm,mtf"]
    for item in truth["detectors"]:
        points = zip(item["frequency_lp_mm"], item["mtf"], strict=True)
        rows += [f"{item['mass_thickness_mg_cm2']},{f},{mtf}" for f, mtf in points]
    path = tmp_path / "mtf.csv"
    path.write_text("\n".join(rows), encoding="utf-8")
    plot, fit = tmp_path / "bands.png", tmp_path / "fit.toml"
    outputs = ("--plot", str(plot), "--save-fit", str(fit))
    found = document(capsys, "detector", "--preset", "RQA5", "--fit-mtf", str(path), *outputs)
    assert found["fit"]["rms"] < 0.005
    assert read_fit(fit).to_dict() == found["fit"]
    assert plot.stat().st_size > 0
    for item in found["detectors"]:
        for low, mtf, high in zip(item["mtf_low"][1:], item["mtf"][1:], item["mtf_high"][1:], strict=True):
            assert low <= mtf + 0.02
            assert mtf - 0.02 <= high
    assert found["fit"]["optics"]["extrapolation_backing_mm"] == pytest.approx(0.1, rel=0.3)
    assert set(found["fit"]["relative_sd"]) == {"extrapolation_sensor_mm", "extrapolation_backing_mm", "gap_mm"}


def test_any_key_of_a_detector_can_be_set_and_oblique_rays_have_two_mtfs(capsys: pytest.CaptureFixture[str]) -> None:
    common = ("detector", "--mass-thickness-mg-cm2", "134.55", "--frequencies", "1,2")
    (usual,) = document(capsys, *common)["detectors"]
    keys = ("sensor.pitch_mm=0.1", "sensor.binning=2", "screen.phosphor=CsI-columnar", "screen.optics.gap_mm=0.01")
    (changed,) = document(capsys, *common, *(word for key in keys for word in ("--set", key)))["detectors"]
    assert (changed["pitch_mm"], changed["phosphor"]) == (0.1, "CsI-columnar")
    assert changed["mtf"][1] > usual["mtf"][1] + 0.1
    assert "mtf_along" not in usual
    (tilted,) = document(capsys, *common, "--incidence-deg", "45")["detectors"]
    assert tilted["mtf_along"][1] < 0.6 * usual["mtf"][1] < tilted["mtf_across"][1]
    main([*common, "--incidence-deg", "45"])
    assert "MTF along  across" in capsys.readouterr().out


def test_saturation_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert all(item["full_well_share"] < 1 for item in document(capsys, "detector")["detectors"])
    main(["detector", "--kerma-uGy", "1000", "--frequencies", "1"])
    assert capsys.readouterr().out.count("saturates: lower the kerma") == 2


def test_products_carry_their_own_optics(capsys: pytest.CaptureFixture[str]) -> None:
    found = document(capsys, "detector", "--product", "fine", "--product", "paper-hr", "--frequencies", "5")
    fine, paper = found["detectors"]
    assert (fine["name"], paper["name"]) == ("fine", "paper-hr")
    assert fine["mtf"][0] > paper["mtf"][0] + 0.03


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["detector", "--set", "sensor.glow=1"], "unknown keyword of Sensor 'glow'"),
        (["detector", "--set", "geometry.tilt_deg=5"], "give sensor.KEY, screen.KEY or screen.optics.KEY"),
        (["detector", "--set", "sensor.binning=0", "--product", "fine"], "without --detector and --product"),
        (["detector", "--incidence-deg", "80"], "incidence_deg 80 degree is out of range: give -60 to 60 degree"),
        (["detector", "--product", "fin"], "unknown screen 'fin': did you mean fine"),
        (["detector", "--product", "fine", "--mass-thickness-mg-cm2", "34"], "give them alone"),
        (["spectrum", "--kvp", "5"], "tube voltage 5 kV is out of range: give 30 to 300 kV"),
        (["spectrum", "--kvp", "nan"], "30 to 300 kV"),
        (["spectrum", "--filter", "Unobtanium:1"], "unknown material 'Unobtanium': did you mean"),
        (["spectrum", "--filter", "Al:-1"], "0 to 1000 mm"),
        (["spectrum", "--filter", "Al"], "MATERIAL:MM"),
        (["spectrum", "--preset", "RQA5", "--kvp", "70"], "leave out --kvp"),
        (["spectrum", "--model", "kpq"], "did you mean kqp"),
        (["spectrum", "--plot", "x.bmp"], "unknown kind of figure"),
        (["detector", "--pitch-mm", "-1"], "pitch_mm -1 mm is out of range: give 0.001 to 2 mm"),
        (["detector", "--pitch-mm", "50um"], "--pitch-mm"),
        (["detector", "--mass-thickness-mg-cm2", "nan"], "mass thickness nan mg/cm2"),
        (["detector", "--kerma-uGy", "0"], "air kerma 0 uGy"),
        (["detector", "--phosphor", "GOS"], "unknown phosphor 'GOS'"),
        (["detector", "--optics", "dyd"], "did you mean dyed"),
        (["detector", "--frequencies", "1,x"], "no list of numbers"),
        (["detector", "--frequencies", "3,1"], "must rise"),
        (["detector", "--frequencies", ""], "no list of numbers"),
        (["detector", "--detector", "no.toml"], "no.toml: no such file"),
        (["detector", "--irradiation", "side"], "front or back"),
    ],
)
def test_nonsense_is_one_line_and_exit_code_2(
    words: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(words)
    assert end.value.code == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.splitlines()) == 1
    assert message in printed.err


def test_nothing_is_overwritten_unasked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "d.csv"
    path.write_text("mine")
    for option in ("--csv", "--plot", "--save"):
        with pytest.raises(SystemExit) as end:
            main(["detector", option, str(path)])
        assert end.value.code == 2
    assert path.read_text() == "mine"
    main(["detector", "--csv", str(path), "--force", "--frequencies", "1"])
    assert path.read_text() != "mine"
    capsys.readouterr()
