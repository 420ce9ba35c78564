"""Columns that guide light: a walk from column to column, light by light, against the closed form; and its laws."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from xsim.detector.detector import Detector, read_detectors, write_detectors
from xsim.detector.light_transport import Optics, light_transfer
from xsim.detector.optics_fit import FittedOptics
from xsim.detector.phosphors import OPTICS
from xsim.detector.screen import Screen
from xsim.errors import PhysicsRangeError
from xsim.spectrum import preset_spectrum

# A column's pitch, the mean path along one and the chance that a turn lets light out into a neighbour.
COLUMN_MM, PATH_MM, HOP = 0.008, 0.012, 0.3
RATIO = COLUMN_MM * HOP**0.5 / (2.0 * PATH_MM)
THICKNESS_MM, BACKING = 0.15, 0.6  # and the reflectance of the backing
FREQUENCY = np.array([0.0, 1.0, 3.0, 6.0])


def walk(depth_mm: float, count: int, rng: np.random.Generator) -> np.ndarray:
    """Follow light from a depth until it is out; return where across it reached the sensor [mm]."""
    z, x, up = np.full(count, depth_mm), np.zeros(count), rng.random(count) < 0.5
    seen = []
    while len(z):
        end = z + np.where(up, 1.0, -1.0) * rng.exponential(PATH_MM, len(z))
        seen.append(x[end > THICKNESS_MM])
        # The sensor's face lets all light out, the backing turns its share of it.
        back = end < 0.0
        kept = (end <= THICKNESS_MM) & (~back | (rng.random(len(z)) < BACKING))
        z, x, up, back, end = (part[kept] for part in (z, x, up, back, end))
        turned = ~back
        # What the backing returns goes on from there; the rest was turned where it stands: either way, or out.
        z, up = np.where(back, 0.0, end), back | (rng.random(len(z)) < 0.5)
        hops = turned & (rng.random(len(z)) < HOP)
        x = x + COLUMN_MM * np.where(hops, rng.choice([-1.0, 0.0, 0.0, 1.0], len(z)), 0.0)
    return np.concatenate(seen)


@pytest.mark.parametrize("depth_mm", [0.02, 0.1])
def test_light_that_walks_in_columns_spreads_as_the_closed_form_says(depth_mm: float) -> None:
    count = 60_000
    places = walk(depth_mm, count, np.random.default_rng(int(1000 * depth_mm)))
    seen = np.cos(2.0 * np.pi * FREQUENCY[:, None] * places).sum(axis=1) / count
    optics = Optics(
        extrapolation_sensor_mm=PATH_MM,
        extrapolation_backing_mm=PATH_MM * (1.0 + BACKING) / (1.0 - BACKING),
        diffusion_length_mm=1e6,
        lateral_ratio=RATIO,
    )
    expected = light_transfer(optics, THICKNESS_MM, np.array([depth_mm]), FREQUENCY)[:, 0]
    np.testing.assert_allclose(seen, expected, atol=4.0 * 0.5 / count**0.5)
    powder = light_transfer(replace(optics, lateral_ratio=1.0), THICKNESS_MM, np.array([depth_mm]), FREQUENCY)[:, 0]
    assert abs(powder[2] - expected[2]) > 0.1, "the walk tells columns from a powder"


def test_a_layer_of_columns_blurs_as_a_powder_does_at_a_lower_frequency() -> None:
    beam, frequency = preset_spectrum("RQA5"), np.array([0.5, 1.0, 2.0, 4.0])
    optics = replace(OPTICS["columnar"], gap_mm=0.0)
    powder = replace(optics, lateral_ratio=1.0)
    depth = np.linspace(0.0, 0.6, 7)
    np.testing.assert_allclose(
        light_transfer(optics, 0.6, depth, frequency),
        light_transfer(powder, 0.6, depth, frequency * optics.lateral_ratio),
        rtol=1e-12,
    )
    columns, turbid = (Screen(216.0, "CsI-columnar", one).expose(beam, frequency) for one in (optics, powder))
    assert (columns.mtf > turbid.mtf + 0.05).all()
    assert columns.light_escape == pytest.approx(turbid.light_escape, rel=1e-12)
    assert columns.swank == pytest.approx(turbid.swank, rel=1e-12)
    # Noise of sharp and blurred depths together is sharper than the signal, in columns too.
    assert (columns.lubberts < 0.95).all()
    assert (columns.lubberts > turbid.lubberts).all()


def test_columns_are_what_their_phosphor_has_and_files_keep_them(tmp_path: Path) -> None:
    assert Screen(100.0, "CsI-columnar").optics == OPTICS["columnar"]
    assert Screen(100.0, "CsI").optics == Screen(100.0).optics == Optics()
    own = Screen(100.0, "CsI-columnar", replace(OPTICS["columnar"], lateral_ratio=1.0))
    odd = Screen(100.0, optics=Optics(lateral_ratio=0.5))
    for screen in (Screen(100.0, "CsI-columnar"), own, odd, Screen(100.0, "CsI")):
        write_detectors(tmp_path / "d.toml", {"one": Detector(screen)})
        assert read_detectors(tmp_path / "d.toml") == {"one": Detector(screen)}
        assert ("lateral_ratio" in (tmp_path / "d.toml").read_text()) == (screen.phosphor != "CsI")
    (tmp_path / "short.toml").write_text('[screen]\nmass_thickness_mg_cm2 = 50.0\nphosphor = "CsI-columnar"\n')
    assert read_detectors(tmp_path / "short.toml")["short"].screen.optics == OPTICS["columnar"]
    fit = FittedOptics(OPTICS["columnar"], {"lateral_ratio": 0.1}, 0.0)
    assert FittedOptics.from_dict(fit.to_dict()).optics == fit.optics
    assert "lateral_ratio" not in FittedOptics(Optics(), {}, 0.0).to_dict()["optics"]


@pytest.mark.parametrize("value", [0.0, 1.01, float("nan")])
def test_light_cannot_go_further_sideways_than_in_depth(value: float) -> None:
    with pytest.raises(PhysicsRangeError, match=r"lateral_ratio .*0.01 to 1"):
        Optics(lateral_ratio=value)
