"""Detectors and other settings as TOML files."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.xsim.detectors import measured_from, response
from xsim.detector.detector import Detector, Screen, Sensor, read_detectors, write_detectors
from xsim.detector.measured_curves import read_curves
from xsim.errors import InputError, MissingFileError
from xsim.files.documents import read_toml
from xsim.files.toml import toml_text

if TYPE_CHECKING:
    from pathlib import Path


def test_detectors_survive_a_file(tmp_path: Path) -> None:
    path = tmp_path / "detectors.toml"
    detectors = {
        "hr": Detector(Screen(33.91, packing=0.5, irradiation="back"), Sensor(pitch_mm=0.1)),
        "lr": measured_from(response(134.55)),
    }
    write_detectors(path, detectors)
    assert read_detectors(path) == detectors
    path.write_text(toml_text(detectors["hr"].to_dict()), encoding="utf-8")
    assert read_detectors(path) == {"detectors": detectors["hr"]}
    # Only whole files are ever seen.
    assert [item.name for item in tmp_path.iterdir()] == ["detectors.toml"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = 1", "holds no detector"),
        ("x =", "is no TOML file"),
        ("[screen]\nmass_thickness_mg_cm2 = -1.0", "0.001 to 1000 mg/cm2"),
        ("[screen]\nmass_thickness_mg_cm2 = 30.0\nthickness = 1", "thickness"),
        ("[screen]\nmass_thickness_mg_cm2 = '30'", "mass_thickness_mg_cm2"),
        ("[screen]\nphosphor = 'CsI'", "mass_thickness_mg_cm2"),
        ("[screen]\nmass_thickness_mg_cm2 = 30.0\n[sensors]\npitch_mm = 0.1", "unknown table sensors"),
    ],
)
def test_unusable_detector_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "d.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=message):
        read_detectors(path)


def test_missing_files_are_named(tmp_path: Path) -> None:
    for reader in (read_detectors, lambda path: read_curves(path, Sensor()), read_toml):
        with pytest.raises(MissingFileError, match=r"nope\.toml"):
            reader(tmp_path / "nope.toml")
