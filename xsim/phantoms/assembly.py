"""From a valid layout to what the rays meet: etched copper, drilled and plated holes, mask, parts, tolerances.

Copper is etched with its defects: opens, shorts, mouse bites, spurs, and layers that are displaced against each other.
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from xsim.phantoms import flat, solids
from xsim.phantoms.defects import DefectLog
from xsim.phantoms.design.layout import BoardLayout, Copper, Hole
from xsim.phantoms.design.pours import copper_shapes
from xsim.phantoms.design.rules import MASK_MM
from xsim.phantoms.parts.part import BuildContext, Frame
from xsim.phantoms.scene import Layer, Scene, draw_weave

__all__ = ["assemble", "etch_defects", "misregistration"]


def misregistration(layout: BoardLayout, rng: np.random.Generator, log: DefectLog) -> tuple[float, float]:
    """Return the shift of an inner layer [mm]: some 10 um, or 50-150 um where the defect strikes."""
    angle, usual = float(rng.uniform(0.0, 2.0 * math.pi)), abs(float(rng.normal(0.0, 0.015)))
    if not log.strikes("misregistration"):
        return usual * math.cos(angle), usual * math.sin(angle)
    by = float(log.rng.uniform(0.05, 0.15))
    log.mark("misregistration", [_slab(layout)], by)
    return by * math.cos(angle), by * math.sin(angle)


def _slab(layout: BoardLayout) -> solids.Solid:
    x0, y0, x1, y1 = layout.outline
    return solids.prism(0.5 * (x0 + x1), 0.5 * (y0 + y1), 0.0, layout.stackup.height_mm, x1 - x0, y1 - y0)


def etch_defects(layout: BoardLayout, layer: int, log: DefectLog) -> list[flat.Row]:
    """Return shapes that cut or add copper on a layer, each noted in the log."""
    copper = layout.copper[layer]
    z, thick = layout.stackup.z_mm[layer], layout.stackup.copper_mm[layer]
    found = [*_track_defects(copper, log), *_shorts(copper, layout.rule.space_mm, log)]
    for kind, shape, value in found:
        log.mark(kind, [_raised(shape, z, thick)], value)
    return [shape for _, shape, _ in found]


def _track_defects(copper: Copper, log: DefectLog) -> Iterator[tuple[str, flat.Row, float]]:
    """Draw what is wrong with single tracks: kind, shape, and what the kind is graded by [mm]."""
    rng = log.rng
    for row in copper.rows.tolist():
        length, width = math.hypot(row[4] - row[2], row[5] - row[3]), 2.0 * row[6]
        if int(row[0]) != flat.CAPSULE or length < 3.0 * width:
            continue
        if log.strikes("open"):
            # A gap across the track.
            along, reach, gap = float(rng.uniform(0.25, 0.75)) * length, 0.7 * width, float(rng.uniform(0.03, 0.15))
            yield "open", flat.cleared(flat.capsule(*_at(row, along, -reach), *_at(row, along, reach), gap)), 0.5 * gap
        # Round bites and bumps at one edge, by their diameter in widths.
        for kind, most in (("mouse-bite", 1.0), ("spur", 0.9)):
            if log.strikes(kind):
                along, side = float(rng.uniform(0.2, 0.8)) * length, float(rng.choice([-0.5, 0.5]))
                bump = flat.disc(*_at(row, along, side * width), float(rng.uniform(0.4, most)) * width)
                yield kind, flat.cleared(bump) if kind == "mouse-bite" else bump, 2.0 * bump[4]


def _at(track: flat.Row, along: float, across: float) -> tuple[float, float]:
    """Return the point so far along a track and beside its axis [mm]."""
    x, y, dx, dy = track[2], track[3], track[4] - track[2], track[5] - track[3]
    length = math.hypot(dx, dy)
    tx, ty = dx / length, dy / length
    return x + along * tx - across * ty, y + along * ty + across * tx


def _shorts(copper: Copper, space: float, log: DefectLog) -> Iterator[tuple[str, flat.Row, float]]:
    """Draw whiskers of copper between tracks of different nets that run close to one another."""
    for row, net in zip(copper.rows, copper.nets, strict=True):
        if row[0] != flat.CAPSULE or not log.strikes("short"):
            continue
        x, y = 0.5 * (row[2] + row[4]), 0.5 * (row[3] + row[5])
        angle = math.atan2(row[5] - row[3], row[4] - row[2]) + 0.5 * math.pi
        reach = row[6] + 2.5 * space
        end = (x + reach * math.cos(angle), y + reach * math.sin(angle))
        whisker = flat.capsule(x, y, *end, float(log.rng.uniform(0.05, 0.15)))
        if copper.clearance(whisker, int(net), space) <= 0.0:
            yield "short", whisker, reach


def _raised(row: flat.Row, z: float, thick: float) -> solids.Solid:
    """Return a flat shape as a solid of the layer's thickness, for its mask."""
    low, high = z - 0.5 * thick, z + 0.5 * thick
    if int(row[0]) == flat.RING:
        return solids.cone(row[2], row[3], low, high, 2.0 * row[4], 2.0 * row[4])
    return solids.slot(row[2], row[3], row[4], row[5], low, high, 2.0 * row[6])


# Placement and drilling errors, one standard deviation [mm, rad].
PLACE_MM, PLACE_RAD, DRILL_MM = 0.03, 0.008, 0.02
# Etched side walls slope over a quarter to a half of the copper's thickness.
UNDERCUT = 0.4


def assemble(
    layout: BoardLayout, rng: np.random.Generator, log: DefectLog, *, weave_share: float, room_mm: float = math.inf
) -> Scene:
    """Build the scene of a layout, with tolerances and styles by chance; see `xsim.phantoms.board.random_board`.

    The laminate's cloth shows with the chance ``weave_share``. Parts that would rise above ``room_mm``, where the tube
    is, are not there: their lands stay empty, and the rest of the board is as it would be with them.
    """
    stackup = layout.stackup
    scene = Scene(board_mm=stackup.z_mm[-1] - stackup.z_mm[0] + stackup.copper_mm[0])
    scene.body(stackup.laminate, [_slab(layout)])
    _draw_copper(scene, layout, rng, log)
    _draw_masks(scene, layout)
    for hole in layout.holes:
        _draw_hole(scene, layout, hole, rng, log)
    context = BuildContext(scene, rng, stackup.solder, log)
    for item in layout.placed:
        f = item.frame
        x, y = f.x + PLACE_MM * rng.normal(), f.y + PLACE_MM * rng.normal()
        before = len(scene.bodies), len(log.marks), len(log.ball_marks)
        item.part.draw(Frame(x, y, f.angle + PLACE_RAD * rng.normal(), f.surface, f.below), context)
        if scene.top_mm(before[0]) > room_mm:
            del scene.bodies[before[0] :], log.marks[before[1] :], log.ball_marks[before[2] :]
    if rng.random() < weave_share:
        scene.weave = draw_weave(rng, stackup.laminate, stackup.height_mm)
    return scene


def _draw_copper(scene: Scene, layout: BoardLayout, rng: np.random.Generator, log: DefectLog) -> None:
    """Etch every layer: loss of width, sloping walls, defects of tracks, drills, and a shift against the others."""
    stackup = layout.stackup
    loss = float(rng.uniform(0.0, 0.06)) * layout.rule.width_mm
    for k, rows in enumerate(copper_shapes(layout, rng)):
        inner = 0 < k < stackup.layers - 1
        thick = stackup.copper_mm[k]
        dx, dy = misregistration(layout, rng, log) if inner else (0.0, 0.0)
        etched = [flat.grown(row, loss if row[1] else -loss) for row in rows]
        etched += etch_defects(layout, k, log)
        if dx or dy:
            etched = [flat.moved(row, dx, dy) for row in etched]
        etched += [flat.cleared(flat.disc(h.x, h.y, h.drilled)) for h in layout.holes]
        host = stackup.laminate if inner else None
        scene.layer(Layer("Cu", thick, stackup.z_mm[k], [*etched], displaces=host, soft_mm=UNDERCUT * thick))


def _draw_masks(scene: Scene, layout: BoardLayout) -> None:
    """Coat both faces, with openings over the lands of parts."""
    x0, y0, x1, y1 = layout.outline
    stackup = layout.stackup
    for k in (0, stackup.layers - 1):
        side = 1.0 if k else -1.0
        z = stackup.z_mm[k] + side * 0.5 * (stackup.copper_mm[k] + MASK_MM)
        shapes: list[flat.Row] = [flat.box(0.5 * (x0 + x1), 0.5 * (y0 + y1), x1 - x0, y1 - y0)]
        rows = layout.copper[k].rows.tolist()
        shapes += [flat.cleared(flat.grown(tuple(row), 0.05)) for row in rows if int(row[0]) == flat.BOX]
        scene.layer(Layer("solder-mask", MASK_MM, z, list(shapes)))


def _draw_hole(scene: Scene, layout: BoardLayout, hole: Hole, rng: np.random.Generator, log: DefectLog) -> None:
    """Drill and plate one hole; some barrels are missing."""
    stackup = layout.stackup
    x, y = hole.x + DRILL_MM * rng.normal(), hole.y + DRILL_MM * rng.normal()
    half = 0.5 * stackup.copper_mm[0]
    low, high = stackup.z_mm[0] - half, stackup.z_mm[-1] + half
    scene.hole(solids.cone(x, y, 0.0, stackup.height_mm, hole.drilled, hole.drilled), stackup.laminate)
    wall = solids.cone(x, y, low, high, hole.drilled, hole.drilled)
    if not hole.pin and log.strikes("missing-plating"):
        log.mark("missing-plating", [wall], hole.drill)
        return
    bore = solids.cone(x, y, low, high, hole.drill, hole.drill)
    scene.body("Cu", [wall], voids=[bore])
