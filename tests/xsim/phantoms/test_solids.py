"""Laws of chords and bodies: volumes, profiles, unions, voids, displacement, and what a view may not change."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from xsim.phantoms import solids
from xsim.phantoms.casting import chord
from xsim.phantoms.scene import Scene
from xsim.phantoms.view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.phantoms.solids import Solid

PIXEL = 0.02
SOLIDS: dict[str, Solid] = {
    "sphere": solids.sphere(0.1, 0.03, 0.4, 0.75),
    "small sphere": solids.sphere(0.01, 0.03, 0.4, 0.25),
    "truncated sphere": solids.sphere(0.1, 0.03, 0.4, 0.75, low=0.1, high=0.6),
    "ellipsoid": solids.ellipsoid(0.0, 0.0, 0.5, 0.6, 0.3, 0.4, angle=0.5, low=0.2),
    "barrel": solids.ellipsoid(0.0, 0.0, 0.2, 0.35, 0.35, 0.33, low=0.0, high=0.4),
    "frustum": solids.cone(0.1, 0.2, 0.1, 0.7, 0.9, 0.3),
    "cone, tip up": solids.cone(0.1, 0.2, 0.1, 0.7, 0.9, 0.0),
    "frustum, wide above": solids.cone(0.1, 0.2, 0.1, 0.7, 0.3, 0.9),
    "upright cylinder": solids.cone(0.003, -0.004, 0.0, 1.0, 0.5, 0.5),
    "prism": solids.prism(0.1, 0.1, 0.0, 0.5, 1.1, 0.6, angle=0.3, corner=0.15),
    "lying cylinder": solids.rod((-1.0, 0.1, 0.5), (0.7, 0.1, 0.5), 0.4),
    "tilted cylinder": solids.rod((-1.0, 0.1, 0.2), (0.7, 0.5, 0.9), 0.4),
    "tilted wire": solids.rod((-1.0, 0.1, 0.2), (0.7, 0.5, 0.9), 0.3, capped=True),
    "bond wire": solids.rod((-1.0, 0.1, 0.2), (0.7, 0.5, 0.9), 0.025, capped=True),
    "wedge": solids.block((0.0, 0.1, 0.3), (0.7, 0.5, 0.6), solids.attitude(angle=0.4), diagonal=True),
    "slot": solids.slot(-0.4, 0.1, 0.5, 0.3, 0.1, 0.6, 0.4),
    "block": solids.block((0.0, 0.0, 0.5), (1.0, 0.5, 0.3), solids.attitude(angle=0.3, pitch=0.5, roll=0.7)),
}
VIEWS = {
    "straight": {},
    "turned": {"rotation_deg": 20.0},
    "oblique": {"tilt_deg": 30.0, "azimuth_deg": 40.0},
    "oblique and turned": {"tilt_deg": 45.0, "azimuth_deg": 140.0, "rotation_deg": 13.0},
}


def view(**changes: float) -> View:
    return View((256, 256), PIXEL, **changes)  # type: ignore[arg-type]


def exact_volume(solid: Solid) -> float:
    """Return the volume of a solid [mm3] in closed form."""
    p, kind = solid[8:], int(solid[0])
    if kind == solids.ELLIPSOID:
        low, high = p[8] - p[2], p[9] - p[2]
        return math.pi * p[3] * p[4] * ((high - low) - (high**3 - low**3) / (3.0 * p[5] * p[5]))
    if kind == solids.CONE:
        return math.pi * (p[3] - p[2]) * (p[4] ** 2 + p[4] * p[5] + p[5] ** 2) / 3.0
    if kind == solids.PRISM:
        return (4.0 * p[2] * p[3] - (4.0 - math.pi) * p[6] ** 2) * (p[8] - p[7])
    if kind == solids.ROD:
        cylinder = math.pi * p[6] ** 2 * math.dist(p[0:3], p[3:6])
        return cylinder + (4.0 / 3.0 * math.pi * p[6] ** 3 if p[7] else 0.0)
    return 8.0 * p[3] * p[4] * p[5] * (0.5 if p[15] else 1.0)


def obliquity(look: View) -> NDArray[np.float64]:
    """Return the path per height of every pixel's ray, sec(theta), shape (H, W)."""
    a, b, u0, v0, sx, sy, inverse = look.rays()[2:]
    u, v = np.arange(look.shape[1])[None, :] + 0.5 - u0, np.arange(look.shape[0])[:, None] + 0.5 - v0
    tx, ty = sx - (a * u - b * v) * inverse, sy - (b * u + a * v) * inverse
    return np.asarray(np.sqrt(1.0 + tx * tx + ty * ty))


def path(parts: list[Solid], voids: list[Solid] | None = None, look: View | None = None) -> NDArray[np.float64]:
    """Return the path map of one body [mm]."""
    scene = Scene()
    scene.body("Cu", parts, voids=voids or [])
    _, maps, _ = scene.render(look or view())
    return maps[0].astype(np.float64) if len(maps) else np.zeros((look or view()).shape)


def volume(parts: list[Solid], voids: list[Solid] | None = None, look: View | None = None) -> float:
    """Return the volume that a path map holds: height (not path) times area."""
    look = look or view()
    return float((path(parts, voids, look) / obliquity(look)).sum()) * PIXEL**2


@pytest.mark.parametrize("name", SOLIDS)
@pytest.mark.parametrize("look", VIEWS)
def test_volume_is_the_closed_form(name: str, look: str) -> None:
    solid = SOLIDS[name]
    assert volume([solid], look=view(**VIEWS[look])) == pytest.approx(exact_volume(solid), rel=1e-3)


def test_ball_profile_is_the_chord_of_a_circle() -> None:
    ball = path([solids.sphere(0.0, 0.0, 0.5, 1.0)], look=View((255, 255), 0.005))
    x = (np.arange(255) - 127) * 0.005
    exact = 2.0 * np.sqrt(np.maximum(0.25 - x * x, 0.0))
    inner = abs(x) < 0.45
    assert abs(ball[127] - exact)[inner].max() < 1e-4
    # Near the rim a pixel holds the mean of a root: compare with its integral.
    fine = np.arange(-127.5, 127.5, 1e-3) * 0.005
    mean = (2.0 * np.sqrt(np.maximum(0.25 - fine * fine, 0.0))).reshape(255, 1000).mean(axis=1)
    assert abs(ball[127] - mean).max() < 0.02


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(SOLIDS)),
    x=st.floats(-1.2, 1.2),
    y=st.floats(-0.8, 0.8),
    tx=st.floats(-1.0, 1.0),
    ty=st.floats(-1.0, 1.0),
)
def test_chord_ends_lie_on_the_surface(name: str, x: float, y: float, tx: float, ty: float) -> None:
    """A point just inside the interval is inside the solid, one just outside is not: by testing much shorter chords."""
    rows = np.array([SOLIDS[name]])
    z0, z1 = chord(rows, 0, x, y, tx, ty)
    if z1 - z0 < 1e-3:
        return
    for z in (0.5 * (z0 + z1), z0 + 1e-4, z1 - 1e-4):
        # The same point seen by an upright ray must lie within that ray's interval.
        low, high = chord(rows, 0, x + z * tx, y + z * ty, 0.0, 0.0)
        assert low - 1e-6 <= z <= high + 1e-6
    for z in (z0 - 1e-3, z1 + 1e-3):
        low, high = chord(rows, 0, x + z * tx, y + z * ty, 0.0, 0.0)
        assert not low + 1e-9 < z < high - 1e-9


def lens(radius: float, distance: float) -> float:
    """Return the volume that two equal balls share."""
    return math.pi * (4.0 * radius + distance) * (2.0 * radius - distance) ** 2 / 12.0


def test_touching_parts_of_a_body_count_once() -> None:
    one, two = solids.sphere(-0.2, 0.0, 0.4, 0.7), solids.sphere(0.2, 0.0, 0.4, 0.7)
    union = 2.0 * exact_volume(one) - lens(0.35, 0.4)
    assert volume([one, two]) == pytest.approx(union, rel=1e-3)
    assert volume([one, two], look=view(tilt_deg=40.0)) == pytest.approx(union, rel=1e-3)
    np.testing.assert_allclose(path([one, one]), path([one]), atol=1e-6)


def test_stacked_parts_add_along_the_ray() -> None:
    low, high = solids.sphere(0.0, 0.0, 0.3, 0.4), solids.sphere(0.0, 0.0, 1.3, 0.4)
    np.testing.assert_allclose(path([low, high]), 2.0 * path([low]), atol=1e-6)


def test_bodies_add() -> None:
    scene = Scene()
    ball, cone = SOLIDS["sphere"], SOLIDS["frustum"]
    scene.body("Cu", [ball])
    scene.body("Cu", [cone])
    _, maps, _ = scene.render(view())
    np.testing.assert_allclose(maps[0], path([ball]) + path([cone]), atol=1e-6)


def test_voids_subtract_only_what_is_there() -> None:
    ball, bubble = solids.sphere(0.0, 0.0, 0.4, 0.7), solids.sphere(0.1, 0.0, 0.4, 0.3)
    assert volume([ball], [bubble]) == pytest.approx(exact_volume(ball) - exact_volume(bubble), rel=1e-3)
    twice = volume([ball], [bubble, bubble])
    assert twice == pytest.approx(exact_volume(ball) - exact_volume(bubble), rel=1e-3)
    outside = solids.sphere(2.0, 0.0, 0.4, 0.3)
    np.testing.assert_array_equal(path([ball], [outside]), path([ball]))
    through = solids.cone(0.0, 0.0, -1.0, 2.0, 0.2, 0.2)
    assert path([ball], [through]).min() == 0.0
    assert path([ball], [through])[128, 128] == 0.0


def test_denser_bodies_displace_their_host() -> None:
    scene = Scene()
    scene.body("EMC", [solids.prism(0.0, 0.0, 0.0, 1.0, 4.0, 4.0)])
    scene.body("Si", [solids.prism(0.0, 0.0, 0.3, 0.6, 2.0, 2.0)], displaces="EMC")
    names, maps, heights = scene.render(view())
    emc, si = maps[names.index("EMC")], maps[names.index("Si")]
    assert si[128, 128] == pytest.approx(0.3, abs=1e-6)
    np.testing.assert_allclose((emc + si)[60:200, 60:200], 1.0, atol=1e-5)
    assert heights[names.index("Si")] == pytest.approx(0.45)


@pytest.mark.parametrize("name", ["sphere", "prism", "tilted wire", "wedge"])
def test_whole_pixel_shifts_shift_the_map(name: str) -> None:
    still = path([SOLIDS[name]])
    moved = path([SOLIDS[name]], look=View((256, 256), PIXEL, centre_mm=(5 * PIXEL, -3 * PIXEL)))
    np.testing.assert_allclose(moved[8:-8, 8:-8], np.roll(still, (3, -5), axis=(0, 1))[8:-8, 8:-8], atol=2e-4)


def test_quarter_turns_turn_the_map() -> None:
    solid = SOLIDS["block"]
    np.testing.assert_allclose(path([solid], look=view(rotation_deg=90.0)), np.rot90(path([solid]), 1), atol=2e-3)


def test_magnification_by_height() -> None:
    """Equal discs at two heights appear as large as their distance from the source says."""
    look = View((256, 256), PIXEL, source_mm=100.0)
    areas = []
    for z in (0.0, 20.0):
        scene = Scene()
        scene.body("Cu", [solids.cone(0.0, 0.0, z, z + 0.01, 1.0, 1.0)])
        areas.append(float(scene.render(look)[1].sum()))
    assert areas[1] / areas[0] == pytest.approx((1.0 / (1.0 - 20.0 / 100.0)) ** 2, rel=2e-3)


def test_tilt_moves_heights_apart() -> None:
    look = view(tilt_deg=45.0, azimuth_deg=0.0)
    low, high = (
        path([solids.sphere(0.0, 0.0, 0.2, 0.2)], look=look),
        path([solids.sphere(0.0, 0.0, 1.2, 0.2)], look=look),
    )
    columns = np.arange(256)
    centre_low = (low.sum(axis=0) * columns).sum() / low.sum()
    centre_high = (high.sum(axis=0) * columns).sum() / high.sum()
    assert (centre_low - centre_high) * PIXEL == pytest.approx(1.0, abs=1e-3)
