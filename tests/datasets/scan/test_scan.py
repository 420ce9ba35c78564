"""Scans in files: stacks with their geometry, CTSimU scenarios out and in, detectors of aRTist."""

from __future__ import annotations

import json
import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import xsim
from xsim.errors import InputError, MissingFileError
from xsim.imaging.geometry import Geometry
from xsim.imaging.scan import simulate_scan
from xsim.imaging.trajectory import AXES, Trajectory
from xsim.materials import mass_coefficient_mm2_g
from xsim.phantoms.mesh import Mesh, MeshPart
from xsim.phantoms.subjects import mesh_subject
from xsim_datasets.images import read_image
from xsim_datasets.scan.artist import read_artdet
from xsim_datasets.scan.ctsimu import scenario_document
from xsim_datasets.scan.folder import write_scan
from xsim_datasets.scan.scenario import read_scenario

SHAPE = (40, 48)
NEAR = Geometry(source_object_mm=100.0, source_detector_mm=300.0, focal_spot_mm=0.05)
COURSES = (
    Trajectory(course="arc", views=5, start_deg=10.0),
    Trajectory(course="laminography", views=5, tilt_deg=30.0, arc_deg=180.0, start_deg=-15.0),
    Trajectory(course="tomosynthesis", views=4, arc_deg=40.0),
)
# A tetrahedron that looks different from every side.
CORNERS = np.array([(0.0, 0.0, 0.0), (0.5, 0.0, 0.0), (0.0, 0.3, 0.0), (0.1, 0.1, 0.4)])


def tetrahedron() -> Mesh:
    faces = [(0, 2, 1), (0, 1, 3), (0, 3, 2), (1, 2, 3)]
    return Mesh("part", (MeshPart("1", CORNERS[faces]),))


def write_stl(path: Path, mesh: Mesh) -> Path:
    triangles = mesh.parts[0].triangles
    body = b"".join(struct.pack("<12fH", 0, 0, 0, *triangle.ravel().tolist(), 0) for triangle in triangles)
    path.write_bytes(b"\0" * 80 + struct.pack("<I", len(triangles)) + body)
    return path


def setup() -> Any:
    return replace(xsim.recipes.paper(), geometry=NEAR)


def document(trajectory: Trajectory, file: str = "part.stl") -> dict[str, Any]:
    how: Any = {"name": "part", "open_field": 50_000, "sample": (file, "Al")}
    return scenario_document(trajectory, trajectory.poses(NEAR), setup(), SHAPE, **how)


def test_the_stack_is_the_views_and_its_geometry_their_poses(tmp_path: Path) -> None:
    trajectory = COURSES[0]
    poses, subject = trajectory.poses(NEAR), mesh_subject(tetrahedron(), "Al")
    pairs = list(simulate_scan(subject, setup(), poses, SHAPE, seed=3))
    how: Any = {"shape": SHAPE, "pitch_mm": 0.048, "about": {"seed": 3}, "angles_deg": trajectory.angles_deg}
    index = write_scan(pairs, poses, tmp_path / "scan", scenario=document(trajectory), **how)
    for side in ("hr", "lr"):
        stack = tifffile.imread(tmp_path / "scan" / f"{side}.tif")
        views = np.stack([getattr(pair, side) for pair in pairs])
        np.testing.assert_array_equal(stack, np.rint(views.astype(float) * 50_000))
        assert read_image(tmp_path / "scan" / f"{side}.tif", pages=True).pitch_mm == pytest.approx(0.048)
    kept = json.loads((tmp_path / "scan" / "geometry.json").read_text())
    assert kept == json.loads(json.dumps(index))
    assert kept["schema"] == "xsim.scan/1"
    for view, row, pose in zip(kept["views"], kept["vectors"], poses, strict=True):
        np.testing.assert_allclose(view["matrix"], pose.matrix(SHAPE, 0.048))
        axes = (np.multiply(axis, 0.048) for axis in (pose.u, pose.v))
        np.testing.assert_allclose(row, np.concatenate([pose.source_mm, pose.detector_mm, *axes]))
    with pytest.raises(InputError, match="exists already"):
        write_scan(pairs, poses, tmp_path / "scan", **how)


@pytest.mark.parametrize("trajectory", COURSES, ids=lambda item: item.course)
def test_ctsimus_own_toolbox_sees_points_where_xsim_does(trajectory: Trajectory, tmp_path: Path) -> None:
    toolbox = pytest.importorskip("ctsimu.scenario", reason="the extra 'test' brings ctsimu")
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(document(trajectory)))
    scenario = toolbox.Scenario(str(path))
    point = np.array([1.0, 0.5, 0.8])
    axis = np.array(AXES.get(trajectory.course, (0.0, 0.0, 1.0)))
    along = (np.array([1.0, 0.0, 0.0]), np.cross(axis, (1.0, 0.0, 0.0)), axis)
    for number, pose in enumerate(trajectory.poses(NEAR)):
        scenario.set_frame(number)
        geometry = scenario.current_geometry()

        def vector(value: Any) -> Any:
            return np.array([value.x(), value.y(), value.z()])

        stage = [vector(getattr(geometry.stage, name)) for name in ("u", "v", "w")]
        world = vector(geometry.stage.center) + sum(
            basis * (ax @ point) for basis, ax in zip(stage, along, strict=True)
        )
        source, detector = vector(geometry.source.center), vector(geometry.detector.center)
        normal = vector(geometry.detector.w)
        hit = source + (world - source) * ((detector - source) @ normal) / ((world - source) @ normal) - detector
        seen = [hit @ vector(getattr(geometry.detector, name)) / 0.048 for name in ("u", "v")]
        expected = pose.seen_at(point[None], SHAPE, 0.048)[0]
        np.testing.assert_allclose(np.add(seen, (0.5 * SHAPE[1], 0.5 * SHAPE[0])), expected, atol=1e-6)


@pytest.mark.parametrize("trajectory", COURSES, ids=lambda item: item.course)
def test_a_scenario_that_xsim_wrote_is_the_same_scan(trajectory: Trajectory, tmp_path: Path) -> None:
    write_stl(tmp_path / "part.stl", tetrahedron())
    path = tmp_path / "scenario.json"
    path.write_text(json.dumps(document(trajectory)))
    found = read_scenario(path)
    assert (found.shape, found.pitch_mm, found.kvp) == (SHAPE, 0.048, 70.0)
    assert found.filters == (("Al", 2.5),)
    assert found.tube == {"target": "W", "anode_angle_deg": 12.0}
    assert found.focal_spot_mm == pytest.approx(0.05)
    assert not found.remarks
    own = mesh_subject(tetrahedron(), "Al").mesh.parts[0].triangles.reshape(-1, 3)
    read = found.subject.mesh.parts[0].triangles.reshape(-1, 3)
    for one, other in zip(trajectory.poses(NEAR), found.poses, strict=True):
        seen = [pose.seen_at(points, SHAPE, 0.048) for pose, points in ((one, own), (other, read))]
        np.testing.assert_allclose(*(np.sort(place, axis=0) for place in seen), atol=1e-4)
    maps = [
        subject.seen(poses[1], SHAPE, 0.016).thickness_mm
        for subject, poses in (
            (mesh_subject(tetrahedron(), "Al"), trajectory.poses(NEAR)),
            (found.subject, found.poses),
        )
    ]
    np.testing.assert_allclose(*maps, atol=1e-5)


def test_scenarios_that_xsim_cannot_follow_are_refused_in_one_line(tmp_path: Path) -> None:
    write_stl(tmp_path / "part.stl", tetrahedron())
    path = tmp_path / "scenario.json"

    def refused(match: str, *keys: Any, value: Any) -> None:
        changed: Any = document(COURSES[0])
        part = changed
        for key in keys[:-1]:
            part = part[key]
        part[keys[-1]] = value
        path.write_text(json.dumps(changed))
        with pytest.raises(InputError, match=match) as error:
            read_scenario(path)
        assert str(path) in str(error.value)
        assert "\n" not in str(error.value)

    refused("no CTSimU scenario", "file", "file_type", value="other")
    refused("parallel", "geometry", "source", "type", value="parallel")
    refused("at rest", "acquisition", "scan_mode", value="continuous")
    refused("deviates", "geometry", "stage", "deviations", value=[{"type": "rotation"}])
    refused("square", "detector", "pixel_pitch", "v", value={"value": 0.1, "unit": "mm"})
    refused("unit", "detector", "pixel_pitch", "u", value={"value": 0.1, "unit": "inch"})
    refused("tubes", "source", "spectrum", "monochromatic", value=True)
    refused("no density", "samples", 0, "material_id", value="Vacuum")
    refused("no sample", "samples", value=[])
    refused("missing", "detector", value={})
    refused("a number is wanted", "source", "voltage", "value", value="many")
    refused("one for each view", "geometry", "source", "center", "x", value={"value": 0, "drifts": [{"value": [1, 2]}]})
    path.write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        read_scenario(path)
    with pytest.raises(MissingFileError):
        read_scenario(tmp_path / "none.json")


def artdet(path: Path, *, pitch: float = 0.2, resolution: float = 0.5, mass: float = 0.6e-3) -> Path:
    """Write a detector as BAM's program writes them: 60 mg/cm2 of CsI, SNR 100 at its open field."""
    energy = np.linspace(10.0, 150.0, 141)
    chance = -np.expm1(-mass * mass_coefficient_mm2_g("CsI", energy))
    lines = [";datafile for X-ray detector in aRTist", "", "[Global]", "Name=Panel", "UnitIn=J/m^2"]
    lines += [f"Pixelsize={pitch}", "PixelCount=2048 1024", "[Unsharpness]", f"Resolution={resolution}"]
    lines += ["LRUnsharpness=0", "LRRatio=0", "[Characteristic]", ";Units are J/m^2 and grey values", "0.0=0.0"]
    lines += ["1e-4=60000", "[Exposure]", "TargetValue=30000", "[Sensitivity]"]
    lines += [f"{e:.6e}={p:.9e} {0.9 * e:.9e}" for e, p in zip(energy, chance, strict=True)]
    lines += ["[Noise]", *(f"{level:.4e}={100 * (level / 5e-5) ** 0.5:.6f}" for level in np.geomspace(1e-6, 1e-3, 61))]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_detector_of_artist_is_a_data_sheet(tmp_path: Path) -> None:
    found = read_artdet(artdet(tmp_path / "panel.aRTdet"))
    assert (found.name, found.pitch_mm, found.shape, found.srb_mm) == ("Panel", 0.2, (1024, 2048), 0.25)
    absorbed, snr = found.snr() or (0.0, 0.0)
    assert absorbed == pytest.approx(5e-5)
    assert snr == pytest.approx(100.0, rel=1e-3)
    phosphor, mass = found.screen() or ("", 0.0)
    assert phosphor == "CsI"
    assert mass == pytest.approx(60.0, rel=1e-6)
    beam = xsim.tungsten_spectrum(100.0, (("Al", 4.0),))
    # 5e-5 J/m2 over what one uGy of the beam leaves, from the table's own formula.
    chance = -np.expm1(-0.6e-3 * mass_coefficient_mm2_g("CsI", beam.energy_keV))
    inside = beam.energy_keV >= 10.0
    left = float((beam.fluence_per_mm2_uGy * chance * 0.9 * beam.energy_keV)[inside].sum()) * 1.602176634e-10
    assert found.kerma_uGy(beam) == pytest.approx(5e-5 / left, rel=1e-2)
    sheet = found.sheet(beam, 0.19)
    assert sheet.srb_mm == 0.25
    assert sheet.snrn == pytest.approx(100.0 * 0.0886 / 0.25, rel=1e-3)


def test_less_blur_than_pixels_have_is_the_pixels(tmp_path: Path) -> None:
    found = read_artdet(artdet(tmp_path / "panel.aRTdet", resolution=0.1))
    sheet = found.sheet(xsim.tungsten_spectrum(100.0), 0.19)
    assert sheet.srb_mm is not None
    assert 0.1 < sheet.srb_mm < 0.2


def test_what_is_no_detector_of_artist_is_one_line(tmp_path: Path) -> None:
    good = artdet(tmp_path / "panel.aRTdet").read_text()
    bad = tmp_path / "bad.aRTdet"

    def refused(text: str, match: str) -> None:
        bad.write_text(text)
        with pytest.raises(InputError, match=match) as error:
            read_artdet(bad)
        assert "\n" not in str(error.value)

    refused(good.replace("Pixelsize=0.2", ""), "Pixelsize")
    refused(good.replace("Pixelsize=0.2", "Pixelsize=wide"), "wide")
    refused(good.replace("UnitIn=J/m^2", "UnitIn=photons"), "photons")
    refused("Name=Panel\n" + good, "line 1")
    refused(good.replace("1e-4=60000", "1e-4=nan"), "not finite")
    refused(good.replace("[Noise]", "[Noise]\n1=2 3"), "Noise")
    with pytest.raises(InputError, match="aRTdet"):
        read_artdet(tmp_path / "panel.txt")
