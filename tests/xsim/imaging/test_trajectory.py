"""Scans: where points are seen, closed forms of sinograms, and images that agree with their own geometry."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

import xsim
from xsim.errors import InputError, PhysicsRangeError, UnknownNameError
from xsim.imaging.geometry import Geometry
from xsim.imaging.scan import geometry_of, simulate_scan
from xsim.imaging.setup import PairSetup
from xsim.imaging.trajectory import Trajectory
from xsim.phantoms.mesh import Mesh, MeshPart
from xsim.phantoms.pose import Pose, rotation
from xsim.phantoms.subjects import BoardSubject, MeshSubject, board_subject, mesh_subject
from xsim.phantoms.view import View

SHAPE, PITCH_MM = (64, 96), 0.1
NEAR = Geometry(source_object_mm=100.0, source_detector_mm=300.0)
COURSES = (
    Trajectory(course="arc", views=7),
    Trajectory(course="laminography", views=5, tilt_deg=30.0, start_deg=20.0),
    Trajectory(course="tomosynthesis", views=4, arc_deg=50.0),
)


def ball(centre: tuple[float, float, float], radius_mm: float, rings: int = 10) -> Mesh:
    """Return a sphere of triangles that look outwards."""
    polar, around = np.linspace(0.0, np.pi, rings + 1), np.linspace(0.0, 2.0 * np.pi, 2 * rings + 1)
    x = np.sin(polar)[:, None] * np.cos(around)
    y = np.sin(polar)[:, None] * np.sin(around)
    grid = np.array(centre) + radius_mm * np.stack((x, y, np.broadcast_to(np.cos(polar)[:, None], x.shape)), axis=-1)
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    upper = np.stack((a, b, d), axis=-2)[1:].reshape(-1, 3, 3)
    lower = np.stack((b, c, d), axis=-2)[:-1].reshape(-1, 3, 3)
    return Mesh("ball", (MeshPart("1", np.concatenate((upper, lower))),))


def setup() -> PairSetup:
    usual = xsim.recipes.paper()
    sides = (replace(side, sensor=replace(side.sensor, pitch_mm=PITCH_MM)) for side in (usual.hr, usual.lr))
    hr, lr = sides
    return replace(usual, geometry=NEAR, hr=hr, lr=lr)


def centroid(image: NDArray[np.float32]) -> tuple[float, float]:
    """Return column and row of the middle of what attenuates, from the image's corner."""
    depth = -np.log(np.clip(image.astype(float), 1e-3, None))
    depth[depth < 0.02 * depth.max()] = 0.0
    rows, columns = np.mgrid[: image.shape[0], : image.shape[1]] + 0.5
    return float((depth * columns).sum() / depth.sum()), float((depth * rows).sum() / depth.sum())


def test_a_point_follows_the_closed_form_of_its_sinogram() -> None:
    radius, phase, height = 1.7, 0.6, 0.4
    point = np.array([[radius * math.cos(phase), height, radius * math.sin(phase)]])
    trajectory = Trajectory(course="arc", views=36)
    for angle, pose in zip(trajectory.angles_deg, trajectory.poses(NEAR), strict=True):
        # Turned about y against the clock seen from +y, z goes to x.
        turn = math.radians(angle) - phase
        towards = -radius * math.sin(turn)
        scale = 300.0 / (100.0 - towards)
        column = 0.5 * SHAPE[1] + scale * radius * math.cos(turn) / PITCH_MM
        row = 0.5 * SHAPE[0] + scale * height / PITCH_MM
        np.testing.assert_allclose(pose.seen_at(point, SHAPE, PITCH_MM)[0], (column, row), atol=1e-9)


def test_the_matrix_is_the_ray_through_the_point_for_any_pose() -> None:
    rng = np.random.default_rng(5)
    for mirrored in (False, True):
        u, v, w = rotation(rng.normal(size=3), 77.0)
        source, detector = 80.0 * w + rng.normal(size=3), -120.0 * w + 5.0 * rng.normal(size=3)
        pose = Pose(tuple(source), tuple(detector), tuple(u), tuple(-v if mirrored else v))
        points = rng.normal(size=(20, 3))
        for point, seen in zip(points, pose.seen_at(points, SHAPE, PITCH_MM), strict=True):
            way = point - source
            hit = source + way * (w @ (detector - source)) / (w @ way) - detector
            expected = (hit @ u, hit @ (-v if mirrored else v))
            np.testing.assert_allclose(
                (seen - (0.5 * SHAPE[1], 0.5 * SHAPE[0])) * PITCH_MM, expected, rtol=1e-9, atol=1e-9
            )


@pytest.mark.parametrize("trajectory", COURSES, ids=lambda item: item.course)
def test_images_show_a_ball_where_the_geometry_says(trajectory: Trajectory) -> None:
    place = (0.5, 0.25, 0.4)
    poses = trajectory.poses(NEAR)
    pairs = simulate_scan(MeshSubject(ball(place, 0.12), {"": "Cu"}), setup(), poses, SHAPE, seed=1, clean=True)
    for pose, pair in zip(poses, pairs, strict=True):
        assert pair.hr_clean is not None
        expected = pose.seen_at(np.array([place]), SHAPE, PITCH_MM)[0]
        # A ball's shadow is an ellipse about a point by (radius/height)^2 of its offset further out: .005 px here.
        np.testing.assert_allclose(centroid(pair.hr_clean), expected, atol=0.03)


def test_back_projection_finds_the_ball() -> None:
    place = np.array([0.6, -0.3, 0.2])
    trajectory = Trajectory(course="laminography", views=12, tilt_deg=40.0)
    poses = trajectory.poses(NEAR)
    subject = MeshSubject(ball(tuple(place), 0.1), {"": "Cu"})
    axis = np.linspace(-1.0, 1.0, 21)
    voxels = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    found = np.zeros(len(voxels))
    for pose, pair in zip(poses, simulate_scan(subject, setup(), poses, SHAPE, seed=2), strict=True):
        column, row = np.rint(pose.seen_at(voxels, SHAPE, PITCH_MM) - 0.5).astype(int).T
        inside = (column >= 0) & (column < SHAPE[1]) & (row >= 0) & (row < SHAPE[0])
        found[inside] += 1.0 - pair.hr[row[inside], column[inside]]
    np.testing.assert_allclose(voxels[int(found.argmax())], place, atol=0.051)


def test_a_mirrored_detector_sees_the_mirror_image() -> None:
    subject = MeshSubject(ball((0.5, 0.2, 0.1), 0.2), {"": "Al"})
    pose = Trajectory(course="arc", views=1, start_deg=30.0).poses(NEAR)[0]
    other = replace(pose, u=tuple(-x for x in pose.u))
    straight, mirrored = (subject.seen(one, (40, 60), 0.05).thickness_mm[0] for one in (pose, other))
    np.testing.assert_allclose(mirrored, straight[:, ::-1], atol=1e-5)


def test_all_views_fall_on_the_same_pixels() -> None:
    poses = Trajectory(course="arc", views=2, arc_deg=90.0).poses(NEAR)
    loud = setup()
    loud = replace(loud, hr_frames=100_000, lr_frames=100_000)
    subject = mesh_subject(ball((0.0, 0.0, 0.0), 0.3), "Al")
    first, second = (pair.lr - pair.lr_clean for pair in simulate_scan(subject, loud, poses, SHAPE, 3, clean=True))
    corner = slice(0, 20)
    # What averaging leaves is the print of the flats: the same in both views.
    print_of_flats = np.corrcoef(first[:, corner].ravel(), second[:, corner].ravel())[0, 1]
    assert print_of_flats > 0.8


def test_a_board_is_its_scene_seen_obliquely() -> None:
    board = board_subject(4, (3.0, 3.0), tilt_deg=30.0)
    pose = COURSES[1].poses(NEAR)[0]
    seen = board.seen(pose, (60, 60), 0.05)
    # The board turns against the clock by 20 degrees: the image turns the other way, the source lies at -x of it.
    view = View((60, 60), 0.05, rotation_deg=-20.0, tilt_deg=30.0, azimuth_deg=180.0, source_mm=100.0)
    materials, maps, _ = board.scene.render(view)
    assert seen.materials == materials
    np.testing.assert_allclose(seen.thickness_mm, maps, atol=1e-5)
    with pytest.raises(InputError, match="parallel to them"):
        board.seen(Trajectory(course="arc", views=2, arc_deg=20.0).poses(NEAR)[1], (60, 60), 0.05)
    assert isinstance(board, BoardSubject)


def test_tilt_flows_into_the_exposure() -> None:
    for trajectory in COURSES[1:]:
        for pose in trajectory.poses(NEAR):
            found = geometry_of(pose, replace(NEAR, falloff=True))
            assert found.source_detector_mm == 300.0
            assert found.source_object_mm == 100.0
    tilts = [geometry_of(pose, NEAR).tilt_deg for pose in COURSES[2].poses(NEAR)]
    np.testing.assert_allclose(tilts, np.linspace(-25.0, 25.0, 4), atol=1e-7)
    beam = xsim.tungsten_spectrum()
    pose = COURSES[1].poses(NEAR)[0]
    kerma = geometry_of(pose, replace(NEAR, falloff=True)).kerma_map(SHAPE, 1.0, beam)
    # Kerma at a pixel goes with height / distance^3: the cosine over the square of the distance.
    columns = (np.arange(SHAPE[1]) - 0.5 * (SHAPE[1] - 1)) * 1.0
    u = np.asarray(pose.u)
    away = [float(np.linalg.norm(np.asarray(pose.detector_mm) + x * u - pose.source_mm)) for x in columns]
    expected = np.array(away) ** -3.0
    middle = SHAPE[0] // 2
    np.testing.assert_allclose(kerma[middle] / kerma[middle, 0], expected / expected[0], rtol=1e-4)


def test_what_cannot_be_is_one_line() -> None:
    with pytest.raises(UnknownNameError, match="course"):
        Trajectory(course="spiral", views=3)  # type: ignore[arg-type]
    with pytest.raises(PhysicsRangeError, match="tilt"):
        Trajectory(course="laminography", views=3, tilt_deg=60.0)
    with pytest.raises(PhysicsRangeError, match="number of views"):
        Trajectory(course="arc", views=0)
    with pytest.raises(InputError, match="only laminography"):
        Trajectory(course="arc", views=3, tilt_deg=5.0)
    with pytest.raises(InputError, match="symmetric"):
        Trajectory(course="tomosynthesis", views=3, arc_deg=30.0, start_deg=5.0)
    with pytest.raises(InputError, match="between them"):
        Pose((0.0, 0.0, -1.0), (0.0, 0.0, -5.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    with pytest.raises(InputError, match="right angle"):
        Pose((0.0, 0.0, 1.0), (0.0, 0.0, -5.0), (1.0, 0.0, 0.0), (0.5, 1.0, 0.0))
    contact = Trajectory(course="arc", views=1).poses(Geometry())[0]
    with pytest.raises(InputError, match="move the detector away"):
        mesh_subject(ball((0.0, 0.0, 0.0), 1.0), "Al").seen(contact, (20, 20), 0.1)
    across = Pose((0.0, 9.0, 100.0), (0.0, 0.0, -200.0), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0))
    with pytest.raises(InputError, match="across the rows"):
        geometry_of(across, replace(NEAR, falloff=True))
