"""Coverage of thin shapes and polygons against exact areas by shapely."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from shapely import LineString, Point, affinity

from xsim.phantoms import flat
from xsim.phantoms.polygons import Polygon, polygon_area
from xsim.phantoms.scene import Layer
from xsim.phantoms.view import View

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from shapely.geometry.base import BaseGeometry

SIZE = 48
ROUND = 64  # segments a quarter: the polygon lies inside the arc by 1e-4 of its radius


def exact(shape: BaseGeometry) -> NDArray[np.float64]:
    """Return the covered area of every pixel of a 48 x 48 view of 1 mm pixels, by shapely."""
    pixels = [
        shapely.box(j - 0.5 * SIZE, i - 0.5 * SIZE, j + 1 - 0.5 * SIZE, i + 1 - 0.5 * SIZE)
        for i in range(SIZE)
        for j in range(SIZE)
    ]
    return np.asarray(shapely.area(shapely.intersection(np.array(pixels), shape))).reshape(SIZE, SIZE)


def coverage(*shapes: flat.Row | Polygon, **changes: float) -> NDArray[np.float32]:
    return Layer("Cu", 1.0, 0.0, list(shapes)).coverage(View((SIZE, SIZE), 1.0, **changes))  # type: ignore[arg-type]


def test_capsule_edges_are_exact_within_two_percent() -> None:
    end = (13.0 * math.cos(math.radians(30.0)), 13.0 * math.sin(math.radians(30.0)))
    track = flat.capsule(-end[0], -end[1], *end, 3.7)
    true = exact(LineString([(-end[0], -end[1]), end]).buffer(1.85, ROUND))
    drawn = coverage(track)
    assert abs(drawn - true).max() <= 0.02
    assert drawn.sum() == pytest.approx(true.sum(), rel=2e-4)


@pytest.mark.parametrize("angle", [0.0, 0.2, math.pi / 4, 1.1])
@pytest.mark.parametrize("corner", [0.0, 2.0])
def test_boxes_are_exact_within_two_percent(angle: float, corner: float) -> None:
    body = shapely.box(-9.3 + corner, -4.1 + corner, 9.3 - corner, 4.1 - corner)
    if corner:
        body = body.buffer(corner, ROUND)
    true = exact(affinity.translate(affinity.rotate(body, math.degrees(angle), origin=(0, 0)), 1.3, -0.4))
    drawn = coverage(flat.box(1.3, -0.4, 18.6, 8.2, angle, corner))
    # A sharp corner is no distance field's friend: it may be off by more in the pixel that holds it.
    assert np.sort(abs(drawn - true).ravel())[-5] <= 0.02
    assert abs(drawn - true).max() <= 0.06
    assert drawn.sum() == pytest.approx(true.sum(), rel=2e-3)


def test_rings_are_exact_within_two_percent() -> None:
    true = exact(Point(0.3, 0.2).buffer(9.1, ROUND).difference(Point(0.3, 0.2).buffer(4.4, ROUND)))
    drawn = coverage(flat.ring(0.3, 0.2, 18.2, 8.8))
    assert abs(drawn - true).max() <= 0.02


def test_large_shapes_agree_with_small_tiles() -> None:
    """Filling whole tiles must not change what pixel by pixel gives: a disc that spans many tiles."""
    true = exact(Point(0.0, 0.0).buffer(22.2, ROUND))
    assert abs(coverage(flat.disc(0.0, 0.0, 44.4)) - true).max() <= 0.02
    assert abs((1.0 - true) - coverage(flat.box(0, 0, 99, 99), flat.cleared(flat.disc(0, 0, 44.4)))).max() <= 0.02


def test_star_polygon_with_hole_is_exact() -> None:
    angles = np.linspace(0.0, 2.0 * math.pi, 11)[:-1]
    radii = np.where(np.arange(10) % 2, 8.0, 21.0)
    star = np.stack([radii * np.cos(angles) + 0.37, radii * np.sin(angles) - 0.21], axis=1)
    hole = np.array([(-3.0, -3.1), (-3.0, 2.2), (4.4, 2.2), (4.4, -3.1)])
    assert polygon_area(star) * polygon_area(hole) < 0.0
    points = np.concatenate([star, hole])
    drawn = coverage(Polygon(points, np.array([0, 10, 14])))
    true = exact(shapely.Polygon(star).difference(shapely.Polygon(hole)))
    np.testing.assert_allclose(drawn, true, atol=1e-6)


def test_polygons_are_cut_at_the_window() -> None:
    large = np.array([(-100.0, -7.3), (100.0, -20.1), (100.0, 9.9), (-100.0, 30.2)])
    np.testing.assert_allclose(coverage(Polygon.of(large)), exact(shapely.Polygon(large)), atol=1e-6)
    outside = Polygon.of(large + np.array([500.0, 0.0]))
    assert not coverage(outside).any()


def test_polygons_turn_with_the_view() -> None:
    square = np.array([(-8.0, -5.0), (8.0, -5.0), (8.0, 5.0), (-8.0, 5.0)])
    turned = coverage(Polygon.of(square), rotation_deg=30.0)
    true = exact(affinity.rotate(shapely.Polygon(square), -30.0, origin=(0, 0)))
    np.testing.assert_allclose(turned, true, atol=1e-6)
    assert abs(coverage(flat.box(0, 0, 16, 10), rotation_deg=30.0) - true).max() < 0.06


def test_shapes_of_a_layer_join_and_layers_add() -> None:
    track = flat.capsule(-10.0, 0.0, 10.0, 0.0, 4.0)
    np.testing.assert_array_equal(coverage(track, track), coverage(track))
    crossing = coverage(track, flat.capsule(0.0, -10.0, 0.0, 10.0, 4.0))
    assert crossing.max() == 1.0
    assert crossing.sum() < 2.0 * coverage(track).sum()


def test_erasing_follows_the_order_of_drawing() -> None:
    disc, plate = flat.disc(0.0, 0.0, 10.0), flat.box(0.0, 0.0, 30.0, 30.0)
    assert coverage(plate, flat.cleared(disc))[24, 24] == 0.0
    assert coverage(flat.cleared(disc), plate)[24, 24] == 1.0
    np.testing.assert_allclose(coverage(plate, flat.cleared(disc)) + coverage(disc), coverage(plate), atol=1e-6)


@pytest.mark.parametrize("row", [flat.capsule(0, 0, 5, 5, 2), flat.disc(0, 0, 6), flat.box(0, 0, 8, 5, 0.4, 1.0)])
def test_growing_and_shrinking_are_inverse(row: flat.Row) -> None:
    assert flat.grown(flat.grown(row, 0.7), -0.7) == pytest.approx(row)
    assert (coverage(flat.grown(row, 0.5)) >= coverage(row)).all()


def test_soft_edges_keep_the_area() -> None:
    view = View((SIZE, SIZE), 1.0)
    sharp = Layer("Cu", 1.0, 0.0, [flat.box(0.2, 0.1, 20.0, 10.0, 0.3)])
    soft = Layer("Cu", 1.0, 0.0, sharp.shapes, soft_mm=1.0)
    assert soft.coverage(view).sum() == pytest.approx(float(sharp.coverage(view).sum()), rel=5e-3)
