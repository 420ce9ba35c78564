"""Design rules of random boards, checked with shapely: another geometry, written by others."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import shapely
from shapely import LineString, Point, STRtree, affinity
from shapely.ops import unary_union

from xsim.phantoms import flat
from xsim.phantoms.board import BoardRecipe, draw_layout, draw_view
from xsim.phantoms.design import maze
from xsim.phantoms.design.layout import GROUND, BoardLayout, Copper, Hole, gap
from xsim.phantoms.design.pours import CopperPlane, copper_shapes, plane_shapes
from xsim.phantoms.design.routing import offset_polyline, serpentine
from xsim.seeds import generator

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

# Round ends of shapely's buffers lie inside the true ones by r (1 - cos(pi / (4 * 16))): 0.12 % of the radius.
SEGMENTS = 16


def geometry(row: tuple[float, ...]) -> BaseGeometry:
    """Return a flat shape as shapely sees it."""
    kind = int(row[0])
    if kind == flat.CAPSULE:
        axis = LineString([row[2:4], row[4:6]]) if row[2:4] != row[4:6] else Point(row[2:4])
        return axis.buffer(row[6], SEGMENTS)
    if kind == flat.RING:
        outer = Point(row[2:4]).buffer(row[4], SEGMENTS)
        return outer.difference(Point(row[2:4]).buffer(row[5], SEGMENTS)) if row[5] > 0 else outer
    hx, hy, corner = row[4] - row[7], row[5] - row[7], row[7]
    body: BaseGeometry = shapely.box(-hx, -hy, hx, hy)
    if corner > 0.0:
        body = body.buffer(corner, SEGMENTS) if hx > 0 and hy > 0 else LineString([(-hx, -hy), (hx, hy)]).buffer(corner)
    return affinity.translate(affinity.rotate(body, math.degrees(row[6]), origin=(0, 0)), row[2], row[3])


def drawn(rows: list[tuple[float, ...]]) -> BaseGeometry:
    """Return what a layer's rows leave, in their order of drawing and erasing."""
    area: BaseGeometry = shapely.Polygon()
    k = 0
    while k < len(rows):
        clear, run = rows[k][1], []
        while k < len(rows) and rows[k][1] == clear:
            run.append(geometry(rows[k]))
            k += 1
        joined = unary_union(run)
        area = area.difference(joined) if clear else area.union(joined)
    return area


def check_clearances(layout: BoardLayout) -> None:
    """Assert that copper of different nets keeps the class's distance on every layer, and the board's edge."""
    rule = layout.rule
    edge = shapely.box(*layout.outline).exterior
    for k in layout.signal_layers:
        copper = layout.copper[k]
        shapes = [geometry(tuple(row)) for row in copper.rows.tolist()]
        if not shapes:
            continue
        pairs = STRtree(shapes).query(shapes, predicate="dwithin", distance=rule.space_mm - 1e-4)
        foreign = copper.nets[pairs[0]] != copper.nets[pairs[1]]
        assert not foreign.any(), [copper.rows[i].tolist() for i in pairs[:, foreign][:, 0]]
        assert min(edge.distance(shape) for shape in shapes) >= rule.edge_mm - 1e-6


def check_holes(layout: BoardLayout) -> None:
    """Assert annular rings, webs between drills, and the distance of drills to foreign copper."""
    rule = layout.rule
    drills = [Point(h.x, h.y).buffer(0.5 * h.drilled, SEGMENTS) for h in layout.holes]
    if not drills:
        return
    for hole in layout.holes:
        assert 0.5 * (hole.land - hole.drilled) >= 0.05 - 1e-9
    one, two = STRtree(drills).query(drills, predicate="dwithin", distance=rule.hole_mm - 1e-4)
    assert (one == two).all()
    nets = np.array([h.net for h in layout.holes])
    for k in layout.signal_layers:
        copper = layout.copper[k]
        shapes = [geometry(tuple(row)) for row in copper.rows.tolist()]
        found = STRtree(shapes).query(drills, predicate="dwithin", distance=rule.hole_mm - 1e-4)
        assert (nets[found[0]] == copper.nets[found[1]]).all()


def layout_of(seed: int, pixels: int = 512) -> BoardLayout:
    view = draw_view(seed, (pixels, pixels), 0.024, BoardRecipe())
    return draw_layout(seed, view, BoardRecipe())


@pytest.mark.parametrize("seed", range(12))
def test_random_boards_keep_their_rules(seed: int) -> None:
    layout = layout_of(seed)
    check_clearances(layout)
    check_holes(layout)


@pytest.mark.slow
def test_two_hundred_random_boards_keep_their_rules() -> None:
    for seed in range(1000, 1200):
        layout = layout_of(seed, 1024)
        check_clearances(layout)
        check_holes(layout)


def test_the_check_sees_a_track_that_is_too_close() -> None:
    layout = layout_of(3)
    row = next(tuple(r) for r in layout.copper[0].rows.tolist() if int(r[0]) == flat.CAPSULE)
    near = flat.moved(row, 0.0, 2.0 * row[6] + 0.5 * layout.rule.space_mm)
    layout.copper[0].add(near, layout.new_net())
    with pytest.raises(AssertionError):
        check_clearances(layout)


@pytest.mark.parametrize("seed", range(4))
def test_planes_keep_foreign_holes_clear(seed: int) -> None:
    layout = layout_of(seed)
    for k, rows in enumerate(copper_shapes(layout, generator(seed, stage="assembly"))):
        if not layout.stackup.plane[k]:
            continue
        area = drawn(rows)
        signal = [h for h in layout.holes if h.net > 1]
        for hole in signal:
            assert area.distance(Point(hole.x, hole.y)) >= 0.5 * hole.drilled + layout.rule.hole_mm - 2e-3


def test_pours_keep_foreign_tracks_clear() -> None:
    from xsim.phantoms.design.pours import pour_shapes

    layout = layout_of(1)
    top = layout.stackup.layers - 1
    plane = CopperPlane((GROUND, GROUND), None, 0.3, None, layout.rule.hole_mm)
    area = drawn(pour_shapes(layout, top, plane))
    copper = layout.copper[top]
    foreign = [geometry(tuple(r)) for r, n in zip(copper.rows.tolist(), copper.nets, strict=True) if n != GROUND]
    assert area.distance(unary_union(foreign)) >= layout.rule.space_mm - 2e-3


def test_thermal_relief_joins_a_pin_by_four_spokes() -> None:
    layout = layout_of(1)
    x0, y0, x1, y1 = layout.outline
    x, y = 0.5 * (x0 + x1), 0.5 * (y0 + y1)
    layout.holes = [Hole(x, y, 1.0, 1.8, GROUND, pin=True)]
    area = drawn(plane_shapes(layout, CopperPlane((GROUND, GROUND), None, 0.3, None, 0.2)))
    ring = Point(x, y).buffer(0.9 + 0.125, 64).exterior
    cuts = ring.intersection(area)
    assert area.covers(Point(x, y))
    assert len(cuts.geoms) == 4


def test_gap_agrees_with_shapely() -> None:
    rng = np.random.default_rng(5)
    shapes = []
    for _ in range(60):
        x, y, angle = rng.uniform(0, 4), rng.uniform(0, 4), rng.uniform(0, 6)
        w, h = rng.uniform(0.1, 1.0, 2)
        shapes.append(flat.box(x, y, w, h, angle, float(rng.choice([0.0, 0.04]))))
        shapes.append(flat.capsule(x, y, x + w, y - h, 0.2))
        shapes.append(flat.disc(x, y, h))
    for one in shapes[:40]:
        for two in shapes[100:]:
            mine, theirs = gap(np.array(one), np.array(two)), geometry(one).distance(geometry(two))
            assert max(mine, 0.0) == pytest.approx(theirs, abs=3e-3)


def test_copper_grows_and_remembers_nets() -> None:
    copper = Copper(capacity=2)
    for k in range(9):
        copper.add(flat.disc(float(k), 0.0, 0.2), k)
    assert copper.nets.tolist() == list(range(9))
    assert copper.clearance(flat.disc(0.5, 0.0, 0.2), 0, 5.0) == pytest.approx(0.3)
    assert copper.clearance(flat.disc(0.5, 0.0, 0.2), 99, 5.0) == pytest.approx(0.3)
    assert copper.clearance(flat.disc(0.0, 0.5, 0.2), 0, 5.0) == pytest.approx(math.hypot(1.0, 0.5) - 0.2)


def test_maze_goes_round_a_wall_in_eighth_turns() -> None:
    owner = np.full((1, 21, 21), maze.FREE)
    owner[0, 2:19, 10] = maze.TAKEN
    work = np.full(441, np.inf), np.zeros(441, np.int64), np.zeros(441, np.int64)
    drillable = np.full((21, 21), maze.TAKEN)
    path = maze.search(owner, drillable, 7, (0, 10, 2), (0, 10, 18), 9.0, 0.0, 5000, *work)
    assert path[0].tolist() == [0, 10, 2]
    assert path[-1].tolist() == [0, 10, 18]
    steps = np.diff(path[:, 1:], axis=0)
    assert abs(steps).max() == 1
    assert not (owner[0][path[:, 1], path[:, 2]] == maze.TAKEN).any()
    angles = np.unwrap(np.arctan2(steps[:, 0], steps[:, 1]))
    assert abs(np.diff(angles)).max() <= math.pi / 2 + 1e-9
    assert np.isinf(work[0]).all()  # the work space is left as it was found
    owner[0, :, 10] = maze.TAKEN
    assert len(maze.search(owner, drillable, 7, (0, 10, 2), (0, 10, 18), 9.0, 0.0, 5000, *work)) == 0


def test_offset_polyline_keeps_its_distance() -> None:
    points = [(0.0, 0.0), (2.0, 0.0), (3.0, 1.0), (3.0, 4.0)]
    moved = LineString(offset_polyline(points, 0.3))
    assert moved.distance(LineString(points)) == pytest.approx(0.3)
    assert moved.hausdorff_distance(LineString(points)) == pytest.approx(0.3 / math.cos(math.pi / 8), rel=1e-6)


def test_serpentine_adds_length_between_its_ends() -> None:
    points = serpentine((1.0, 2.0), 0.0, 8.0, 1.0, 1.5)
    assert points[0] == (1.0, 2.0)
    assert points[-1] == pytest.approx((9.0, 2.0))
    line = LineString(points)
    assert line.is_simple
    assert line.length > 8.0 + 8 * 2.0 * (1.5 - 0.5)
