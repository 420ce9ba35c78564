"""``xsim simulate --views`` and ``calibrate --artdet``: what they write, and one line for what cannot be."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from xsim.detector.detector import read_detectors
from xsim_cli.app import main

CORNERS = np.array([(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.3, 0.0), (0.1, 0.1, 0.4)])


@pytest.fixture
def mesh(tmp_path: Path) -> Path:
    triangles = CORNERS[[(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]]
    body = b"".join(struct.pack("<12fH", 0, 0, 0, *one.ravel().tolist(), 0) for one in triangles)
    (tmp_path / "part.stl").write_bytes(b"\0" * 80 + struct.pack("<I", 4) + body)
    return tmp_path / "part.stl"


def refused(capsys: pytest.CaptureFixture[str], *words: object) -> str:
    with pytest.raises(SystemExit) as end:
        main([str(word) for word in words])
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    return error


def test_a_scan_and_its_scenario_are_the_same_stack(
    mesh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    far = ("--source-detector-mm", 600, "--source-object-mm", 200)
    scan = ("--mesh", mesh, "--material", "Al", "--views", 3, "--arc", 90, "--size", 40, *far)
    main([str(word) for word in ("simulate", *scan, "--lr-frames", 1, "--json", "-o", tmp_path / "scan")])
    said = json.loads(capsys.readouterr().out)
    assert said["schema"] == "xsim.simulate/1"
    assert (said["views_in_all"], said["rows"], said["columns"], len(said["views"])) == (3, 40, 40, 3)
    first = tifffile.imread(tmp_path / "scan" / "lr.tif")
    assert first.shape == (3, 40, 40)
    scenario = json.loads((tmp_path / "scan" / "scenario.json").read_text())
    (mesh.parent / "again.json").write_text(json.dumps(scenario))
    main([str(word) for word in ("simulate", "--scenario", mesh.parent / "again.json", "-o", tmp_path / "again")])
    again = tifffile.imread(tmp_path / "again" / "lr.tif")
    # The same seed, the same noise, the same object: paths agree to the rounding of STL's 32 bits.
    np.testing.assert_allclose(again.astype(float), first.astype(float), atol=12)


def test_what_cannot_be_scanned_is_one_line(mesh: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = ("-o", tmp_path / "scan")
    assert "give --views too" in refused(capsys, "simulate", "--arc", 90, *out)
    assert "parallel to it" in refused(capsys, "simulate", "--views", 2, *out)
    assert "give --material" in refused(capsys, "simulate", "--views", 2, "--mesh", mesh, *out)
    assert "of a --mesh" in refused(capsys, "simulate", "--views", 2, "--material", "Al", "--laminography", 9, *out)
    assert "give one course" in refused(capsys, "simulate", "--views", 2, "--arc", 9, "--tomosynthesis", 9, *out)
    assert "1 to 45" in refused(capsys, "simulate", "--views", 2, "--laminography", 80, *out)
    assert "leave out --views" in refused(capsys, "simulate", "--views", 2, "--scenario", mesh, *out)
    assert "one view" in refused(capsys, "simulate", tmp_path / "x.npz", "--views", 2, *out)
    assert "no JSON" in refused(capsys, "simulate", "--scenario", mesh, *out)
    held = ("simulate", "--views", 2, "--mesh", mesh, "--material", "Al", "--size", 20, *out)
    assert "move the detector away" in refused(capsys, *held)
    assert not (tmp_path / "scan").exists()


def test_a_detector_of_artist_becomes_one_of_xsim(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    lines = ["[Global]", "Name=Panel", "UnitIn=J/m^2", "Pixelsize=0.2", "[Unsharpness]", "Resolution=0.5"]
    lines += ["[Characteristic]", "0.0=0.0", "1e-4=60000", "[Exposure]", "TargetValue=30000", "[Noise]"]
    lines += [f"{level:.4e}={100 * (level / 5e-5) ** 0.5:.6f}" for level in np.geomspace(1e-6, 1e-3, 31)]
    file = tmp_path / "panel.aRTdet"
    file.write_text("\n".join(lines) + "\n")
    out = tmp_path / "panel.toml"
    main(["calibrate", "--artdet", str(file), "--kvp", "100", "--json", "-o", str(out)])
    said = json.loads(capsys.readouterr().out)
    assert said["detector"]["srb_mm"] == pytest.approx(0.25, rel=0.03)
    assert said["detector"]["noise_open_field"] == pytest.approx(0.01, rel=0.02)
    assert any("the beam is not in it" in warning for warning in said["warnings"])
    assert read_detectors(out)["lr"].sensor.pitch_mm == 0.2
    assert "leave out --pitch-mm" in refused(
        capsys, "calibrate", "--artdet", file, "--pitch-mm", 0.2, "-o", tmp_path / "b.toml"
    )
    assert "leave out --snrn" in refused(capsys, "calibrate", "--artdet", file, "--snrn", 90, "-o", tmp_path / "b.toml")
