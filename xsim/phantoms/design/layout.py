"""A board in the making: outline, parts, copper with nets, holes; every addition is checked against the rules.

The checks are exact distances between flat shapes of different nets (numba).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xsim.compiled import compiled
from xsim.phantoms import flat
from xsim.phantoms.design.rules import PLATING_MM, RuleClass, Stackup
from xsim.phantoms.flat import BOX, CAPSULE
from xsim.phantoms.parts.part import Frame, Pad, Part

__all__ = ["GROUND", "POWER", "BoardLayout", "Copper", "Hole", "Placed", "Terminal", "gap"]


@compiled(error_model="numpy")
def _core(row, points):  # type: ignore[no-untyped-def]
    """Write the skeleton of a shape (point, segment or rectangle) and return its vertices' number and the radius."""
    kind = int(row[0])
    if kind == CAPSULE:
        points[0, 0], points[0, 1], points[1, 0], points[1, 1] = row[2], row[3], row[4], row[5]
        return 2, row[6]
    if kind == BOX:
        hx, hy = row[4] - row[7], row[5] - row[7]
        cosine, sine = math.cos(row[6]), math.sin(row[6])
        for k in range(4):
            x = hx if k == 0 or k == 3 else -hx  # noqa: PLR1714  numba compiles this form faster
            y = hy if k < 2 else -hy
            points[k, 0], points[k, 1] = row[2] + cosine * x - sine * y, row[3] + sine * x + cosine * y
        return 4, row[7]
    points[0, 0], points[0, 1] = row[2], row[3]
    return 1, row[4]


@compiled(error_model="numpy")
def _to_segment(px, py, ax, ay, bx, by):  # type: ignore[no-untyped-def]
    dx, dy = bx - ax, by - ay
    square = dx * dx + dy * dy
    t = 0.0
    if square > 0.0:
        t = min(1.0, max(0.0, ((px - ax) * dx + (py - ay) * dy) / square))
    return math.hypot(px - ax - t * dx, py - ay - t * dy)


@compiled(error_model="numpy")
def _segments(a, b, c, d):  # type: ignore[no-untyped-def]
    """Return the distance of segments ab and cd; 0 where they cross."""
    ux, uy, vx, vy = b[0] - a[0], b[1] - a[1], d[0] - c[0], d[1] - c[1]
    wx, wy = c[0] - a[0], c[1] - a[1]
    cross = ux * vy - uy * vx
    if cross != 0.0:
        s, t = (wx * vy - wy * vx) / cross, (wx * uy - wy * ux) / cross
        if 0.0 <= s <= 1.0 and 0.0 <= t <= 1.0:
            return 0.0
    near = min(_to_segment(a[0], a[1], c[0], c[1], d[0], d[1]), _to_segment(b[0], b[1], c[0], c[1], d[0], d[1]))
    far = min(_to_segment(c[0], c[1], a[0], a[1], b[0], b[1]), _to_segment(d[0], d[1], a[0], a[1], b[0], b[1]))
    return min(near, far)


@compiled(error_model="numpy")
def _holds(points, x, y):  # type: ignore[no-untyped-def]
    """Say whether a rectangle holds a point."""
    inside = True
    turn = (points[1, 0] - points[0, 0]) * (points[2, 1] - points[1, 1])
    turn -= (points[1, 1] - points[0, 1]) * (points[2, 0] - points[1, 0])
    for k in range(4):
        a, b = points[k], points[(k + 1) % 4]
        side = (b[0] - a[0]) * (y - a[1]) - (b[1] - a[1]) * (x - a[0])
        inside = inside and side * turn >= 0.0
    return inside


@compiled(error_model="numpy")
def gap(one, two):  # type: ignore[no-untyped-def]
    """Return the clearance between two solid shapes [mm]; 0 or less where they touch."""
    p, q = np.empty((4, 2)), np.empty((4, 2))
    n, r = _core(one, p)
    m, s = _core(two, q)
    if (n == 4 and _holds(p, q[0, 0], q[0, 1])) or (m == 4 and _holds(q, p[0, 0], p[0, 1])):
        return -r - s
    best = 1e18
    for i in range(n if n == 4 else 1):
        for j in range(m if m == 4 else 1):
            a, b = p[i], p[(i + 1) % n]
            c, d = q[j], q[(j + 1) % m]
            best = min(best, _segments(a, b, c, d))
    return best - r - s


@compiled(error_model="numpy")
def _bounds(row):  # type: ignore[no-untyped-def]
    """Return x0, x1, y0, y1 of a shape."""
    kind = int(row[0])
    if kind == CAPSULE:
        r = row[6]
        return min(row[2], row[4]) - r, max(row[2], row[4]) + r, min(row[3], row[5]) - r, max(row[3], row[5]) + r
    if kind == BOX:
        cosine, sine = abs(math.cos(row[6])), abs(math.sin(row[6]))
        x, y = row[4] * cosine + row[5] * sine, row[4] * sine + row[5] * cosine
        return row[2] - x, row[2] + x, row[3] - y, row[3] + y
    return row[2] - row[4], row[2] + row[4], row[3] - row[4], row[3] + row[4]


@compiled(error_model="numpy")
def _closest(rows, nets, boxes, count, row, net, limit):  # type: ignore[no-untyped-def]
    """Return the least clearance of a shape to copper of other nets, or ``limit`` if none is nearer."""
    x0, x1, y0, y1 = _bounds(row)
    best = limit
    for k in range(count):
        if nets[k] == net or boxes[k, 0] > x1 + best or boxes[k, 1] < x0 - best:
            continue
        if boxes[k, 2] > y1 + best or boxes[k, 3] < y0 - best:
            continue
        best = min(best, gap(rows[k], row))
    return best


@compiled(error_model="numpy")
def _store(rows, nets, boxes, count, row, net):  # type: ignore[no-untyped-def]
    rows[count] = row
    nets[count] = net
    boxes[count, 0], boxes[count, 1], boxes[count, 2], boxes[count, 3] = _bounds(row)


class Copper:
    """The copper of one layer, each shape with its net, and the distances to it."""

    def __init__(self, capacity: int = 1024) -> None:
        self._rows = np.empty((capacity, flat.COLUMNS))
        self._nets = np.empty(capacity, dtype=np.int64)
        self._boxes = np.empty((capacity, 4))
        self.count = 0

    @property
    def rows(self) -> NDArray[np.float64]:
        """Return the shapes, (n, flat.COLUMNS)."""
        return self._rows[: self.count]

    @property
    def nets(self) -> NDArray[np.int64]:
        """Return the net of each shape, (n,)."""
        return self._nets[: self.count]

    def add(self, row: flat.Row, net: int) -> None:
        """Add a shape of a net."""
        if self.count == len(self._rows):
            self._rows = np.concatenate([self._rows, np.empty_like(self._rows)])
            self._nets = np.concatenate([self._nets, np.empty_like(self._nets)])
            self._boxes = np.concatenate([self._boxes, np.empty_like(self._boxes)])
        _store(self._rows, self._nets, self._boxes, self.count, np.array(row), net)
        self.count += 1

    def clearance(self, row: flat.Row, net: int, limit: float) -> float:
        """Return the distance [mm] of a shape to the nearest copper of another net, at most ``limit``."""
        return float(_closest(self._rows, self._nets, self._boxes, self.count, np.array(row), net, limit))

    def admits(self, rows: Sequence[flat.Row], net: int, space: float) -> bool:
        """Say whether shapes of a net keep their distance [mm] to all other nets."""
        # A hair above the rule, so that rounding never decides.
        return all(self.clearance(row, net, space + 1e-6) > space for row in rows)

    def widen(self, index: int, row: flat.Row) -> None:
        """Replace a shape by a larger one of the same net."""
        _store(self._rows, self._nets, self._boxes, index, np.array(row), self._nets[index])


# The two nets of the planes, and one that no copper has.
GROUND, POWER, NO_NET = 0, 1, -1


@dataclass(frozen=True)
class Hole:
    """A plated hole through the whole board: finished and land diameter [mm], net, and whether a lead fills it."""

    x: float
    y: float
    drill: float
    land: float
    net: int
    pin: bool = False

    @property
    def drilled(self) -> float:
        """Return the diameter of the drill: plating narrows it to the finished size."""
        return self.drill + 2.0 * PLATING_MM


@dataclass(frozen=True)
class Placed:
    """A part at its place."""

    part: Part
    frame: Frame


@dataclass(frozen=True)
class Terminal:
    """One land on the board: place, size across, net, layer (-1: all layers)."""

    x: float
    y: float
    across: float
    net: int
    layer: int
    role: str
    part: int


@dataclass
class BoardLayout:
    """The board's copper and holes inside its outline.

    Attributes
    ----------
    outline : (x0, y0, x1, y1)
        Board's edge [mm].
    copper : list of Copper
        One a layer, bottom first; planes hold none, they are filled around the holes.
    drills : Copper
        The drilled discs, for the distance between them.
    """

    stackup: Stackup
    rule: RuleClass
    outline: tuple[float, float, float, float]
    copper: list[Copper] = field(default_factory=list)
    drills: Copper = field(default_factory=Copper)
    holes: list[Hole] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    terminals: list[Terminal] = field(default_factory=list)
    next_net: int = 2

    def __post_init__(self) -> None:
        self.copper = [Copper() for _ in range(self.stackup.layers)]

    @property
    def signal_layers(self) -> list[int]:
        """Return the layers that carry tracks."""
        return [k for k in range(self.stackup.layers) if not self.stackup.plane[k]]

    def new_net(self) -> int:
        """Return an unused net."""
        self.next_net += 1
        return self.next_net - 1

    def inside(self, x: float, y: float, reach: float) -> bool:
        """Say whether copper of a given reach around a point keeps its distance to the board's edge."""
        x0, y0, x1, y1 = self.outline
        margin = reach + self.rule.edge_mm
        return x0 + margin <= x <= x1 - margin and y0 + margin <= y <= y1 - margin

    def add_part(self, part: Part, frame: Frame, layer: int) -> None:
        """Add a part whose courtyard is known to be free: its lands get nets of their own."""
        index = len(self.placed)
        self.placed.append(Placed(part, frame))
        for pad in part.pads:
            net = GROUND if pad.role == "ground" else self.new_net()
            self._add_pad(pad, frame, layer, net, index)

    def _add_pad(self, pad: Pad, frame: Frame, layer: int, net: int, index: int) -> None:
        x, y, _ = frame.point(pad.x, pad.y)
        row = flat.box(x, y, pad.width, pad.height, frame.angle, pad.corner)
        across = min(pad.width, pad.height)
        if pad.drill_mm > 0.0:
            self._drill(Hole(x, y, pad.drill_mm, across, net, pin=True), row)
            layer = -1
        else:
            self.copper[layer].add(row, net)
        self.terminals.append(Terminal(x, y, across, net, layer, pad.role, index))

    def admits_via(self, x: float, y: float, net: int) -> bool:
        """Say whether a via of the class fits at a point on every layer."""
        rule = self.rule
        if not self.inside(x, y, 0.5 * rule.pad_mm):
            return False
        row = flat.disc(x, y, rule.pad_mm)
        if not all(self.copper[k].admits([row], net, rule.space_mm) for k in self.signal_layers):
            return False
        # Drills need a web of laminate between them, whatever their nets.
        drill = flat.disc(x, y, rule.drill_mm + 2.0 * PLATING_MM)
        return self.drills.admits([drill], NO_NET, rule.hole_mm)

    def add_via(self, x: float, y: float, net: int) -> None:
        """Drill a via that ``admits_via`` has admitted."""
        rule = self.rule
        self._drill(Hole(x, y, rule.drill_mm, rule.pad_mm, net), flat.disc(x, y, rule.pad_mm))

    def _drill(self, hole: Hole, land: flat.Row) -> None:
        """Add a hole and its land on all layers."""
        for k in self.signal_layers:
            self.copper[k].add(land, hole.net)
        self.holes.append(hole)
        self.drills.add(flat.disc(hole.x, hole.y, hole.drilled), 0)

    def admits_tracks(self, layer: int, rows: Sequence[flat.Row], net: int) -> bool:
        """Say whether tracks keep the clearance on a layer."""
        return self.copper[layer].admits(rows, net, self.rule.space_mm)

    def add_tracks(self, layer: int, rows: Sequence[flat.Row], net: int) -> None:
        """Add tracks that ``admits_tracks`` has admitted."""
        for row in rows:
            self.copper[layer].add(row, net)
