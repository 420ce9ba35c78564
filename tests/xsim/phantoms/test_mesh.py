"""Meshes against closed forms, against the ray caster, and against what is broken in files."""

from __future__ import annotations

import math
import time
from pathlib import Path

import numpy as np
import pytest

from xsim.errors import InputError, MissingFileError, UnknownNameError
from xsim.phantoms import View, solids
from xsim.phantoms.mesh import Mesh, draw_mesh, fitting_view, read_mesh
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.scene import Scene

trimesh = pytest.importorskip("trimesh", reason="the extra 'mesh' is not installed")

BODIES = {
    "sphere": (lambda: trimesh.creation.icosphere(5, 8.0), 4.0 / 3.0 * math.pi * 512.0),
    "torus": (lambda: trimesh.creation.torus(7.0, 2.5, 192, 96), 2.0 * math.pi**2 * 7.0 * 6.25),
    "cube": (lambda: trimesh.creation.box((11.0, 11.0, 11.0)), 1331.0),
}
VIEWS = {
    "straight": View((160, 160), 0.16, rotation_deg=31.0),
    "oblique": View((200, 200), 0.16, tilt_deg=27.0, azimuth_deg=200.0, rotation_deg=12.0),
}


def mesh_of(tmp_path: Path, body: object, name: str = "body.stl") -> Mesh:
    body.export(tmp_path / name)  # type: ignore[attr-defined]
    return read_mesh(tmp_path / name)


def volume(phantom: Phantom, view: View) -> float:
    """Return the volume under parallel rays: paths shrink by the cosine of the tilt to heights."""
    total = float(phantom.thickness_mm.sum(dtype=np.float64))
    return total * view.pixel_mm**2 * math.cos(math.radians(view.tilt_deg))


@pytest.mark.parametrize("view", VIEWS)
@pytest.mark.parametrize("name", BODIES)
def test_volumes_are_those_of_closed_forms(name: str, view: str, tmp_path: Path) -> None:
    make, exact = BODIES[name]
    mesh = mesh_of(tmp_path, make()).posed((33.0, -21.0, 57.0))
    drawn = volume(draw_mesh(mesh, VIEWS[view], "Al"), VIEWS[view])
    assert drawn == pytest.approx(mesh.volume_mm3, rel=1e-6)
    assert drawn == pytest.approx(exact, rel=1e-3)


@pytest.mark.parametrize("source_mm", [math.inf, 60.0])
def test_paths_are_those_of_the_ray_caster(source_mm: float, tmp_path: Path) -> None:
    """A fine sphere and a box, in both engines, under parallel rays and close to the source, oblique and turned."""
    view = View((120, 120), 0.25, source_mm=source_mm, tilt_deg=15.0, azimuth_deg=70.0, rotation_deg=25.0)
    ball = mesh_of(tmp_path, trimesh.creation.icosphere(6, 8.0)).posed()
    box = mesh_of(tmp_path, trimesh.creation.box((9.0, 13.0, 6.0))).posed((20.0, 35.0, 50.0))
    for mesh, solid in (
        (ball, solids.sphere(0.0, 0.0, ball.bounds_mm[1][2] / 2.0, 16.0)),
        (box, solids.block((0.0, 0.0, box.bounds_mm[1][2] / 2.0), (9.0, 13.0, 6.0), _axes(20.0, 35.0, 50.0))),
    ):
        scene = Scene()
        scene.body("Al", [solid])
        _, (expected,), _ = scene.render(view)
        (drawn,) = draw_mesh(mesh, view, "Al").thickness_mm
        # The caster's own pixels are good to a percent of the path at rims.
        np.testing.assert_allclose(drawn, expected, atol=0.25)
        assert float(np.abs(drawn - expected).mean()) < 0.005 * float(expected.mean())


def _axes(roll: float, pitch: float, angle: float) -> solids.Axes:
    return solids.attitude(roll=math.radians(roll), pitch=math.radians(pitch), angle=math.radians(angle))


def test_windows_are_parts_of_the_whole(tmp_path: Path) -> None:
    """What a window cuts off changes nothing in it."""
    mesh = mesh_of(tmp_path, trimesh.creation.torus(7.0, 2.5, 48, 24)).posed((50.0, 10.0, 0.0))
    whole = draw_mesh(mesh, View((120, 120), 0.2), "Al").thickness_mm
    part = draw_mesh(mesh, View((40, 60), 0.2, centre_mm=(2.0, -3.0)), "Al").thickness_mm
    np.testing.assert_allclose(part[0], whole[0][25:65, 40:100], atol=1e-5)


def test_a_quarter_turn_turns_the_image(tmp_path: Path) -> None:
    mesh = mesh_of(tmp_path, trimesh.creation.box((9.0, 5.0, 3.0)))
    one, two = (draw_mesh(mesh.posed((30.0, 10.0, turn)), View((80, 80), 0.2), "Al") for turn in (0.0, 90.0))
    np.testing.assert_allclose(np.rot90(one.thickness_mm[0], -1), two.thickness_mm[0], atol=1e-5)


def test_hollows_and_materials_by_part(tmp_path: Path) -> None:
    shell = trimesh.creation.icosphere(4, 8.0)
    hollow = trimesh.creation.icosphere(4, 5.0)
    hollow.invert()
    core = trimesh.creation.box((4.0, 4.0, 4.0))
    mesh = mesh_of(tmp_path, trimesh.util.concatenate([shell, hollow, core])).posed((10.0, 20.0, 30.0))
    assert [part.name for part in mesh.parts] == ["1", "3"]
    phantom = draw_mesh(mesh, VIEWS["straight"], {"": "Al", "3": "copper"})
    assert phantom.materials == ("Al", "Cu")
    pixel = VIEWS["straight"].pixel_mm ** 2
    sums = phantom.thickness_mm.sum(axis=(1, 2), dtype=np.float64) * pixel
    assert sums[0] == pytest.approx(shell.volume + hollow.volume, rel=1e-6)
    assert sums[1] == pytest.approx(64.0, rel=1e-6)
    with pytest.raises(UnknownNameError, match="part"):
        draw_mesh(mesh, VIEWS["straight"], {"": "Al", "nose": "Cu"})
    with pytest.raises(InputError, match="part 1 has no material"):
        draw_mesh(mesh, VIEWS["straight"], {"3": "Cu"})


def test_an_inside_out_file_is_turned(tmp_path: Path) -> None:
    body = trimesh.creation.box((4.0, 4.0, 4.0))
    body.invert()
    assert mesh_of(tmp_path, body).volume_mm3 == pytest.approx(64.0)


@pytest.mark.parametrize("name", ["part.stl", "part.obj", "part.ply", "part.off", "part.glb"])
def test_every_format_gives_the_same_mesh(name: str, tmp_path: Path) -> None:
    mesh = mesh_of(tmp_path, trimesh.creation.torus(7.0, 2.5, 24, 12), name)
    assert len(mesh.parts) == 1
    assert mesh.triangle_count == 2 * 24 * 12
    assert read_mesh(tmp_path / name, scale=2.0).volume_mm3 == pytest.approx(8.0 * mesh.volume_mm3)


def test_objects_of_a_file_keep_their_names(tmp_path: Path) -> None:
    lines = []
    for number, (name, x) in enumerate((("left", 0.0), ("right", 5.0))):
        body = trimesh.creation.box((2.0, 2.0, 2.0))
        lines.append(f"o {name}")
        lines += [f"v {p[0] + x} {p[1]} {p[2]}" for p in body.vertices]
        lines += ["f " + " ".join(str(k + 1 + 8 * number) for k in face) for face in body.faces]
    (tmp_path / "two.obj").write_text("\n".join(lines), encoding="ascii")
    assert {part.name for part in read_mesh(tmp_path / "two.obj").parts} == {"left", "right"}


def _without_a_face(body: trimesh.Trimesh) -> trimesh.Trimesh:
    return trimesh.Trimesh(body.vertices, body.faces[1:], process=False)


def _with_a_turned_face(body: trimesh.Trimesh) -> trimesh.Trimesh:
    faces = body.faces.copy()
    faces[0] = faces[0][::-1]
    return trimesh.Trimesh(body.vertices, faces, process=False)


@pytest.mark.parametrize(
    ("spoil", "words"), [(_without_a_face, "3 of its 18 edges are open"), (_with_a_turned_face, "different sides")]
)
def test_surfaces_that_are_not_closed_are_refused(spoil, words: str, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(InputError, match=words):
        mesh_of(tmp_path, spoil(trimesh.creation.box((4.0, 4.0, 4.0))))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("empty.stl", b""),
        ("noise.stl", bytes(range(256)) * 3),
        ("short.stl", b"\0" * 80 + b"\xff\xff\xff\x00" + b"\0" * 50),
        ("words.obj", b"v 0 0 0\nv 1 0 0\nf 1 2 9\n"),
        (
            "points.ply",
            b"ply\nformat ascii 1.0\nelement vertex 1\nproperty float x\nend_header\n0\n",
        ),
        ("bad.ply", b"ply\nformat binary_little_endian 1.0\nelement vertex 999999\nproperty float x\nend_header\n"),
        ("nan.obj", b"v nan 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n"),
        ("mesh.step", b"ISO-10303-21;"),
    ],
)
def test_files_that_are_no_meshes_are_refused_in_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as error:
        read_mesh(tmp_path / name)
    assert name in str(error.value)
    assert "\n" not in str(error.value)


def test_what_makes_no_sense_is_refused(tmp_path: Path) -> None:
    mesh = mesh_of(tmp_path, trimesh.creation.box((40.0, 40.0, 40.0)))
    with pytest.raises(MissingFileError):
        read_mesh(tmp_path / "none.stl")
    with pytest.raises(InputError, match="scale"):
        read_mesh(tmp_path / "body.stl", scale=math.nan)
    with pytest.raises(InputError, match="pose"):
        mesh.posed((0.0, math.inf, 0.0))
    with pytest.raises(InputError, match="source further"):
        draw_mesh(mesh.posed(), View((10, 10), 1.0, source_mm=40.0), "Al")
    with pytest.raises(InputError, match="source further"):
        fitting_view(mesh.posed(), (10, 10), View((10, 10), 1.0, source_mm=40.0))


def test_surfaces_that_cross_inwards_are_refused(tmp_path: Path) -> None:
    """A hollow that sticks out of its part gives paths below zero: said, not drawn."""
    hollow = trimesh.creation.box((2.0, 2.0, 3.9))
    hollow.invert()
    mesh = mesh_of(tmp_path, trimesh.util.concatenate([trimesh.creation.icosphere(3, 2.0), hollow]))
    with pytest.raises(InputError, match="below zero"):
        draw_mesh(mesh.posed(), View((64, 64), 0.08), "Al")


@pytest.mark.parametrize("source_mm", [math.inf, 90.0])
def test_a_fitting_view_shows_it_all(source_mm: float, tmp_path: Path) -> None:
    mesh = mesh_of(tmp_path, trimesh.creation.box((9.0, 30.0, 3.0))).posed((40.0, 10.0, 5.0))
    view = fitting_view(
        mesh, (96, 64), View((1, 1), 1.0, tilt_deg=30.0, azimuth_deg=80.0, rotation_deg=20.0, source_mm=source_mm)
    )
    rows, columns = np.nonzero(draw_mesh(mesh, view, "Al").thickness_mm[0])
    assert 0 < rows.min() < rows.max() < 95
    assert 0 < columns.min() < columns.max() < 63
    assert max((rows.max() - rows.min() + 1) / 96.0, (columns.max() - columns.min() + 1) / 64.0) > 0.86


@pytest.mark.slow
def test_a_large_part_takes_two_seconds_of_one_core(tmp_path: Path) -> None:
    mesh = mesh_of(tmp_path, trimesh.creation.torus(7.0, 2.5, 500, 200)).posed((33.0, 21.0, 57.0))
    assert mesh.triangle_count == 200_000
    view = fitting_view(mesh, (1024, 1024))
    draw_mesh(mesh, View((8, 8), 1.0), "Al")  # compiles
    start = time.process_time()
    draw_mesh(mesh, view, "Al")
    assert time.process_time() - start < 2.0
