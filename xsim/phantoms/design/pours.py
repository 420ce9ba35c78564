"""Drawn copper: tracks and lands in solid, hatched or split planes and pours, with antipads and thermal reliefs."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xsim.phantoms import flat
from xsim.phantoms.design.layout import GROUND, POWER, BoardLayout, Hole

__all__ = ["CopperPlane", "copper_shapes", "draw_plane", "plane_shapes", "pour_shapes"]

# Usual thermal reliefs: gap around the land and width of a spoke [mm].
RELIEF_MM, SPOKE_MM = 0.25, 0.3


@dataclass(frozen=True)
class CopperPlane:
    """How a plane layer is filled.

    Attributes
    ----------
    nets : (int, int)
        Net below and above the split; equal for an unsplit plane.
    split : (axis, place) or None
        0: split at x = place, 1: at y = place [mm].
    gap_mm : float
        Width of the split [mm].
    hatch : (pitch, line) or None
        Hatched at 45 degrees instead of solid [mm].
    antipad_mm : float
        Copper-free ring around foreign holes, on top of the drill's radius [mm].
    """

    nets: tuple[int, int]
    split: tuple[int, float] | None
    gap_mm: float
    hatch: tuple[float, float] | None
    antipad_mm: float

    def net_at(self, x: float, y: float) -> int:
        """Return the plane's net at a point."""
        if self.split is None:
            return self.nets[0]
        return self.nets[int((x, y)[self.split[0]] > self.split[1])]


def draw_plane(layout: BoardLayout, rng: np.random.Generator, net: int, *, inner: bool) -> CopperPlane:
    """Draw a plane's style; ``net`` is its (first) net."""
    x0, y0, x1, y1 = layout.outline
    split, nets = None, (net, net)
    if inner and rng.random() < 0.3:
        axis = int(rng.integers(2))
        low, high = ((x0, x1), (y0, y1))[axis]
        split = (axis, float(rng.uniform(low + 0.25 * (high - low), high - 0.25 * (high - low))))
        nets = (net, POWER if net == GROUND else GROUND)
    hatch = None
    if rng.random() < 0.15:
        hatch = (float(rng.uniform(0.5, 1.0)), float(rng.uniform(0.15, 0.3)))
    antipad = layout.rule.hole_mm + float(rng.uniform(0.0, 0.12))
    return CopperPlane(nets, split, float(rng.uniform(0.25, 0.5)), hatch, antipad)


def _hatching(x0: float, y0: float, x1: float, y1: float, pitch: float, line: float) -> list[flat.Row]:
    """Return a frame and both families of diagonals, cut to the rectangle."""
    h = 0.5 * line
    ax, ay, bx, by = x0 + h, y0 + h, x1 - h, y1 - h
    corners = [(ax, ay), (bx, ay), (bx, by), (ax, by)]
    rows = [flat.capsule(*corners[k], *corners[(k + 1) % 4], line) for k in range(4)]
    step = pitch * math.sqrt(2.0)
    for k in range(int((bx - ax + by - ay) / step) + 1):
        s = k * step  # x - ax + y - ay along the rising family, mirrored for the falling one
        low, high = max(0.0, s - (by - ay)), min(bx - ax, s)
        if high - low > line:
            rows.append(flat.capsule(ax + low, ay + s - low, ax + high, ay + s - high, line))
            rows.append(flat.capsule(ax + low, by - s + low, ax + high, by - s + high, line))
    return rows


def _fill(layout: BoardLayout, plane: CopperPlane) -> list[flat.Row]:
    x0, y0, x1, y1 = layout.outline
    edge = layout.rule.edge_mm
    x0, y0, x1, y1 = x0 + edge, y0 + edge, x1 - edge, y1 - edge
    if plane.hatch:
        rows = _hatching(x0, y0, x1, y1, *plane.hatch)
    else:
        rows = [flat.box(0.5 * (x0 + x1), 0.5 * (y0 + y1), x1 - x0, y1 - y0)]
    if plane.split:
        axis, place = plane.split
        ends = (place, y0 - 1.0, place, y1 + 1.0) if axis == 0 else (x0 - 1.0, place, x1 + 1.0, place)
        rows.append(flat.cleared(flat.capsule(*ends, plane.gap_mm)))
    return rows


def _spokes(hole: Hole) -> list[flat.Row]:
    """Return the four spokes of a thermal relief, turned by 45 degrees."""
    reach = (0.5 * hole.land + RELIEF_MM + 0.05) * math.sqrt(0.5)
    x, y = hole.x, hole.y
    return [
        flat.capsule(x - reach, y - reach, x + reach, y + reach, SPOKE_MM),
        flat.capsule(x - reach, y + reach, x + reach, y - reach, SPOKE_MM),
    ]


def plane_shapes(layout: BoardLayout, plane: CopperPlane) -> list[flat.Row]:
    """Return the shapes of an inner plane: fill, splits, reliefs, antipads, lands of its own net."""
    rows = _fill(layout, plane)
    foreign, lands = [], []
    for hole in layout.holes:
        if hole.net != plane.net_at(hole.x, hole.y) or _on_split(plane, hole):
            foreign.append(flat.cleared(flat.disc(hole.x, hole.y, hole.drilled + 2.0 * plane.antipad_mm)))
            continue
        if hole.pin:
            rows.append(flat.cleared(flat.disc(hole.x, hole.y, hole.land + 2.0 * RELIEF_MM)))
            rows.extend(_spokes(hole))
        lands.append(flat.disc(hole.x, hole.y, hole.land))
    # Foreign holes erase last but for the lands, so that no relief's spoke reaches into an antipad.
    return rows + lands + foreign


def _on_split(plane: CopperPlane, hole: Hole) -> bool:
    if plane.split is None:
        return False
    return abs((hole.x, hole.y)[plane.split[0]] - plane.split[1]) < 0.5 * (plane.gap_mm + hole.land)


def pour_shapes(layout: BoardLayout, layer: int, plane: CopperPlane) -> list[flat.Row]:
    """Return the fill of an outer layer around its tracks and lands, which are drawn after it."""
    rule, copper = layout.rule, layout.copper[layer]
    rows = _fill(layout, plane)
    net = plane.nets[0]
    space = max(rule.space_mm, 0.15)
    own = copper.nets == net
    lands = [tuple(row) for row in copper.rows[own].tolist() if int(row[0]) == flat.BOX]
    for land in lands:
        rows.append(flat.cleared(flat.grown(land, RELIEF_MM)))
        for angle, half in ((land[6], land[4]), (land[6] + 0.5 * math.pi, land[5])):
            dx, dy = (half + RELIEF_MM + 0.05) * math.cos(angle), (half + RELIEF_MM + 0.05) * math.sin(angle)
            rows.append(flat.capsule(land[2] - dx, land[3] - dy, land[2] + dx, land[3] + dy, 0.25))
    rows.extend(flat.cleared(flat.grown(tuple(row), space)) for row in copper.rows[~own].tolist())
    for hole in layout.holes:
        if hole.net != net:
            rows.append(flat.cleared(flat.disc(hole.x, hole.y, hole.drilled + 2.0 * plane.antipad_mm)))
    return rows


def copper_shapes(layout: BoardLayout, rng: np.random.Generator) -> list[list[flat.Row]]:
    """Return the copper of every layer as drawn, before tolerances: pours and planes, tracks, lands."""
    stackup = layout.stackup
    drawn = []
    pour = rng.random() < 0.45
    for k in range(stackup.layers):
        rows: list[flat.Row] = [tuple(row) for row in layout.copper[k].rows.tolist()]
        if stackup.plane[k]:
            net = GROUND if k % 2 or rng.random() < 0.3 else POWER
            rows = plane_shapes(layout, draw_plane(layout, rng, net, inner=True))
        elif pour and k in (0, stackup.layers - 1):
            rows = pour_shapes(layout, k, draw_plane(layout, rng, GROUND, inner=False)) + rows
        drawn.append(rows)
    return drawn
