"""From Gerber and Excellon text to shapes in mm, y downwards as in images, and to the outline of the board."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from xsim.errors import ExtraMissingError, InputError, XsimError
from xsim.files.plain import GERBER, read_plain
from xsim.phantoms import flat
from xsim.phantoms.design.rules import PLATING_MM
from xsim.phantoms.gerber.guard import REACH_MM, check_apertures, check_text
from xsim.phantoms.polygons import Polygon, polygon_area

__all__ = ["Artwork", "Drill", "Flash", "board_edge", "read_drills", "read_gerber", "read_outline_pieces"]

# What gerbonara raises on damaged files.
FAULTS = (SyntaxError, ValueError, LookupError, TypeError, AttributeError, OSError, ArithmeticError)
# Apertures that lands are recognised by, and the primitives that are drawn by a stroke.
APERTURES = {
    "CircleAperture": "circle",
    "ObroundAperture": "box",
    "RectangleAperture": "box",
    "ApertureMacroInstance": "box",
}
LINES = ("Line", "Arc")
# Largest distance of a polygon's side from the arc that it stands for [mm].
ARC_MM = 0.002
# KiCad's canned slots (G85), which gerbonara does not know, said as routing, which it does.
SLOT = re.compile(r"^(X[-+.\d]+Y[-+.\d]+)G85(X[-+.\d]+Y[-+.\d]+)", re.MULTILINE)
ROUTED = r"G00\1\nM15\nG01\2\nM16\nG05"
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Flash:
    """One flashed aperture: centre, size [mm], and "circle", "box" or "other"."""

    x: float
    y: float
    width: float
    height: float
    shape: str


@dataclass(frozen=True)
class Drill:
    """One hole or slot from (x0, y0) to (x1, y1), finished diameter [mm]; plated True, False or None (unknown)."""

    x0: float
    y0: float
    x1: float
    y1: float
    diameter: float
    plated: bool | None

    @property
    def drilled(self) -> float:
        """Return the diameter of the drill [mm]: plating narrows it to the finished size."""
        return self.diameter + (2.0 * PLATING_MM if self.plated else 0.0)


@dataclass(frozen=True)
class Artwork:
    """The shapes of one layer in their order.

    Attributes
    ----------
    shapes : tuple
        Rows of ``flat`` and ``Polygon`` [mm].
    boxes : (n, 4) float64 array
        x0, y0, x1, y1 of each [mm].
    flashes : tuple of Flash
        What was flashed, for recognising lands.
    """

    shapes: tuple[flat.Row | Polygon, ...]
    boxes: NDArray[np.float64]
    flashes: tuple[Flash, ...]

    def within(self, x0: float, y0: float, x1: float, y1: float) -> list[flat.Row | Polygon]:
        """Return the shapes that touch a window [mm], in order."""
        b = self.boxes
        touching = (b[:, 0] < x1) & (b[:, 2] > x0) & (b[:, 1] < y1) & (b[:, 3] > y0)
        return [self.shapes[k] for k in np.flatnonzero(touching)]


def _open(path: Path, kind: str) -> Any:
    """Open a file with gerbonara, silently; its many warnings concern writers of Gerber, not readers."""
    try:
        from gerbonara.excellon import ExcellonFile  # noqa: PLC0415  an extra
        from gerbonara.rs274x import GerberFile  # noqa: PLC0415
    except ImportError as error:
        raise ExtraMissingError("gerbonara", "gerber") from error
    text = read_plain(path, GERBER).decode("latin-1")
    if kind == "gerber" and "M02" not in text[-4096:] and "M00" not in text[-4096:]:
        raise InputError(f"{path}: has no end mark (M02): it was cut short: export it again")
    check_text(path, text, kind)
    with _named_faults(path, kind), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if kind == "gerber":
            return GerberFile.open(path)
        if SLOT.search(text):
            return ExcellonFile.from_string(SLOT.sub(ROUTED, text), filename=path)
        return ExcellonFile.open(path)


@contextmanager
def _named_faults(path: Path, kind: str) -> Iterator[None]:
    """Say of what gerbonara raises which file it is; macros are worked out only where their shapes are asked for."""
    try:
        yield
    except XsimError:
        raise
    except FAULTS as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read as {kind} ({reason[:200]}): export it again") from error


def read_gerber(path: Path) -> Artwork:
    """Read one Gerber layer.

    Raises
    ------
    InputError
        If the file is cut short or cannot be parsed; ExtraMissingError without gerbonara.
    """
    from gerbonara.utils import MM  # noqa: PLC0415  _open reports it if it is missing

    file = _open(path, "gerber")
    shapes: list[flat.Row | Polygon] = []
    flashes = []
    with _named_faults(path, "gerber"):
        check_apertures(path, file.objects)
        for item in file.objects:
            if type(item).__name__ == "Flash":
                flashes.append(_flash(item, MM))
            for primitive in item.to_primitives(unit=MM):
                shapes.extend(_shapes(primitive))
        boxes = np.array([_box(shape) for shape in shapes], dtype=np.float64).reshape(-1, 4)
        _check_reach(boxes)
    return Artwork(tuple(shapes), boxes, tuple(flashes))


def _check_reach(places: NDArray[np.float64]) -> None:
    """Refuse places that are not finite, or farther away than any board reaches [mm]; NaN fails the comparison."""
    if places.size and not float(np.abs(places).max()) <= REACH_MM:
        raise ValueError(f"it reaches beyond {REACH_MM / 1000:g} m")


def _flash(item: Any, unit: Any) -> Flash:
    (x0, y0), (x1, y1) = item.bounding_box(unit)
    shape = APERTURES.get(type(item.aperture).__name__, "other")
    return Flash(0.5 * (x0 + x1), -0.5 * (y0 + y1), x1 - x0, y1 - y0, shape)


def _shapes(primitive: Any) -> Iterator[flat.Row | Polygon]:
    """Return a primitive of gerbonara as shapes, y turned downwards."""
    kind, clear = type(primitive).__name__, not primitive.polarity_dark
    rows: list[flat.Row] = []
    if kind == "ArcPoly":
        points = _points(primitive)
        if len(points) >= 3:
            yield Polygon.of(np.array(points), clear=clear)
    elif kind == "Circle":
        rows = [flat.disc(primitive.x, -primitive.y, 2.0 * primitive.r)]
    elif kind == "Rectangle":
        rows = [flat.box(primitive.x, -primitive.y, primitive.w, primitive.h, -primitive.rotation)]
    elif kind in LINES and primitive.width > 0.0:
        # Lines of no width draw outlines of text; light does not see them.
        rows = [flat.capsule(*p, *q, primitive.width) for p, q in pairwise(_points(primitive))]
    yield from (flat.cleared(row) if clear else row for row in rows)


def _points(primitive: Any) -> Points:
    """Return the vertices of a line, an arc or an outline, y turned downwards and arcs as chords."""
    points: Points = []
    if type(primitive).__name__ == "ArcPoly":
        for start, end, (clockwise, centre) in primitive.segments:
            points += [start] if clockwise is None else _arc(start, end, centre, clockwise=clockwise)
    else:
        start, end = (primitive.x1, primitive.y1), (primitive.x2, primitive.y2)
        points = [start, end]
        if type(primitive).__name__ == "Arc":
            points[:1] = _arc(start, end, (primitive.cx, primitive.cy), clockwise=primitive.clockwise)
    return [(x, -y) for x, y in points]


def _arc(
    start: tuple[float, float], end: tuple[float, float], centre: tuple[float, float], *, clockwise: bool
) -> Points:
    """Return points on an arc from its start, without its end; equal ends make a full circle."""
    cx, cy = centre
    radius = math.hypot(start[0] - cx, start[1] - cy)
    a, b = math.atan2(start[1] - cy, start[0] - cx), math.atan2(end[1] - cy, end[0] - cx)
    sweep = (a - b if clockwise else b - a) % (2.0 * math.pi)
    if sweep < 1e-9:
        sweep = 2.0 * math.pi
    step = 2.0 * math.acos(max(0.5, 1.0 - ARC_MM / max(radius, ARC_MM)))
    if radius > REACH_MM or not math.isfinite(radius):
        # So far around, an arc between points of a board is its chord; half of it is not on the board.
        if sweep > math.pi:
            raise ValueError(f"an arc has a radius of {radius:.3g} mm")
        return [start]
    count = max(1, math.ceil(sweep / step))
    sign = -1.0 if clockwise else 1.0
    angles = [a + sign * sweep * k / count for k in range(count)]
    return [(cx + radius * math.cos(t), cy + radius * math.sin(t)) for t in angles]


def _box(shape: flat.Row | Polygon) -> tuple[float, float, float, float]:
    if isinstance(shape, Polygon):
        return shape.bounds()
    x0, y0, x1, y1 = *shape[2:4], *shape[2:4]
    if int(shape[0]) == flat.CAPSULE:
        x1, y1, reach = shape[4:7]
    else:
        reach = shape[4] if int(shape[0]) == flat.RING else math.hypot(shape[4], shape[5])
    return min(x0, x1) - reach, min(y0, y1) - reach, max(x0, x1) + reach, max(y0, y1) + reach


def read_drills(path: Path) -> list[Drill]:
    """Read an Excellon file.

    Raises
    ------
    InputError
        If it cannot be parsed.
    """
    from gerbonara.utils import MM  # noqa: PLC0415

    file = _open(path, "drill")
    with _named_faults(path, "drill"):
        found = [_drill(item, MM) for item in file.objects]
        _check_reach(np.array([(hole.x0, hole.y0, hole.x1, hole.y1, hole.diameter) for hole in found]))
    return found


def _drill(item: Any, unit: Any) -> Drill:
    to_mm = item.unit.convert_to
    diameter = float(item.aperture.unit.convert_to(unit, item.aperture.diameter))
    plated = None if item.plated is None else bool(item.plated)
    # A routed arc is cut along its chord: slots are straight, and contours lie on the board's edge.
    flashed = type(item).__name__ == "Flash"
    ends = (item.x, item.y, item.x, item.y) if flashed else (item.x1, item.y1, item.x2, item.y2)
    x0, y0, x1, y1 = (to_mm(unit, end) for end in ends)
    return Drill(x0, -y0, x1, -y1, diameter, plated)


def read_outline_pieces(path: Path) -> list[Points]:
    """Read an outline layer as polylines [mm], y downwards, arcs as chords."""
    from gerbonara.utils import MM  # noqa: PLC0415

    pieces = []
    file = _open(path, "gerber")
    with _named_faults(path, "gerber"):
        check_apertures(path, file.objects)
        for item in file.objects:
            for primitive in item.to_primitives(unit=MM):
                if type(primitive).__name__ in LINES:
                    pieces.append(_points(primitive))
                elif type(primitive).__name__ == "ArcPoly":
                    points = _points(primitive)
                    pieces.append([*points, points[0]])
        _check_reach(np.array([point for piece in pieces for point in piece]))
    return pieces


# Ends of an outline's pieces nearer than this meet; a smaller loop is a slot or a mark, no board [mm, mm2].
JOIN_MM, LEAST_MM2 = 0.02, 1.0


def board_edge(pieces: list[Points], holes: NDArray[np.float64]) -> NDArray[np.float64] | None:
    """Return the loop that is the board's edge, (n, 2) [mm]; None if none holds the holes.

    Outline layers may hold a drawing's frame and notes as well: the edge is the smallest loop that holds 97 % of the
    holes. Where no loop closes, the rectangle around all pieces stands for it.

    Parameters
    ----------
    pieces : list of polylines
        As ``read_outline_pieces`` returns them [mm].
    holes : (k, 2) array
        Points that lie on the board [mm].
    """
    if not pieces:
        return None
    loops = [loop for loop in _loops(pieces) if abs(polygon_area(loop)) > LEAST_MM2]
    loops.sort(key=lambda loop: abs(polygon_area(loop)))
    points = np.array([point for piece in pieces for point in piece])
    (x0, y0), (x1, y1) = points.min(axis=0), points.max(axis=0)
    loops.append(np.array([(x0, y0), (x1, y0), (x1, y1), (x0, y1)]))
    return next((loop for loop in loops if _holds(loop, holes)), None)


def _holds(loop: NDArray[np.float64], holes: NDArray[np.float64]) -> bool:
    if not len(holes):
        return True
    low, high = loop.min(axis=0) - JOIN_MM, loop.max(axis=0) + JOIN_MM
    return bool(np.mean(((holes >= low) & (holes <= high)).all(axis=1)) >= 0.97)


def _loops(pieces: list[Points]) -> list[NDArray[np.float64]]:
    """Join pieces end to end and return the closed chains."""
    ends = cKDTree(np.array([end for piece in pieces for end in (piece[0], piece[-1])]))
    used = [False] * len(pieces)
    loops = []
    for k, piece in enumerate(pieces):
        if used[k]:
            continue
        used[k] = True
        chain = list(piece)
        while len(chain) < 4 or math.dist(chain[0], chain[-1]) > JOIN_MM:
            following = _next(pieces, ends, used, chain[-1])
            if following is None:
                break
            chain.extend(following)
        if len(chain) > 3 and math.dist(chain[0], chain[-1]) <= JOIN_MM:
            loops.append(np.array(chain[:-1]))
    return loops


def _next(pieces: list[Points], ends: cKDTree, used: list[bool], point: tuple[float, float]) -> Points | None:
    """Take an unused piece that starts or ends at a point, and return its points from there on."""
    for end in ends.query_ball_point(point, JOIN_MM):
        k, last = divmod(end, 2)
        if not used[k]:
            used[k] = True
            return (pieces[k][::-1] if last else pieces[k])[1:]
    return None
