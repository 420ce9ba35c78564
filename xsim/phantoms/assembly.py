"""From a valid layout to what the rays meet: etched copper, drilled and plated holes, mask, parts, tolerances."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim.phantoms import flat, solids
from xsim.phantoms.design.layout import GROUND, POWER, Hole, Layout
from xsim.phantoms.design.pours import draw_plane, plane_shapes, pour_shapes
from xsim.phantoms.design.rules import MASK_MM
from xsim.phantoms.etching import etch_defects, misregistration
from xsim.phantoms.parts.part import Frame, Job
from xsim.phantoms.scene import Layer, Scene
from xsim.phantoms.weave import draw_weave

if TYPE_CHECKING:
    import numpy as np

    from xsim.phantoms.defects import DefectLog

__all__ = ["assemble", "copper_shapes"]

# Placement and drilling errors, one standard deviation [mm, rad].
PLACE_MM, PLACE_RAD, DRILL_MM = 0.03, 0.008, 0.02
# Etched side walls slope over a quarter to a half of the copper's thickness.
UNDERCUT = 0.4


def copper_shapes(layout: Layout, rng: np.random.Generator) -> list[list[flat.Row]]:
    """Return the copper of every layer as drawn, before tolerances: pours and planes, tracks, lands."""
    stackup = layout.stackup
    drawn = []
    pour = rng.random() < 0.45
    for k in range(stackup.layers):
        inner = 0 < k < stackup.layers - 1
        rows: list[flat.Row] = []
        if stackup.plane[k]:
            net = GROUND if k % 2 or rng.random() < 0.3 else POWER
            rows = plane_shapes(layout, draw_plane(layout, rng, net, inner=True))
        else:
            if not inner and pour:
                rows = pour_shapes(layout, k, draw_plane(layout, rng, GROUND, inner=False))
            rows = rows + [tuple(row) for row in layout.copper[k].rows.tolist()]
        drawn.append(rows)
    return drawn


def assemble(layout: Layout, rng: np.random.Generator, log: DefectLog, *, weave_share: float) -> Scene:
    """Build the scene of a layout.

    Parameters
    ----------
    layout : Layout
        The design.
    rng : numpy.random.Generator
        Chance of tolerances and styles.
    log : DefectLog
        Decides on defects and keeps them.
    weave_share : float
        Chance that the laminate's cloth shows.
    """
    stackup = layout.stackup
    scene = Scene(board_mm=stackup.z_mm[-1] - stackup.z_mm[0] + stackup.copper_mm[0])
    x0, y0, x1, y1 = layout.outline
    slab = solids.prism(0.5 * (x0 + x1), 0.5 * (y0 + y1), 0.0, stackup.height_mm, x1 - x0, y1 - y0)
    scene.body(stackup.laminate, [slab])
    _draw_copper(scene, layout, rng, log)
    _draw_masks(scene, layout)
    for hole in layout.holes:
        _draw_hole(scene, layout, hole, rng, log)
    job = Job(scene, rng, stackup.solder, log)
    for item in layout.placed:
        f = item.frame
        x, y = f.x + PLACE_MM * rng.normal(), f.y + PLACE_MM * rng.normal()
        item.part.draw(Frame(x, y, f.angle + PLACE_RAD * rng.normal(), f.surface, f.below), job)
    if rng.random() < weave_share:
        scene.weave = draw_weave(rng, stackup.laminate, stackup.height_mm)
    return scene


def _draw_copper(scene: Scene, layout: Layout, rng: np.random.Generator, log: DefectLog) -> None:
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
        soft = UNDERCUT * thick
        host = stackup.laminate if inner else None
        scene.layer(Layer("Cu", thick, stackup.z_mm[k], [*etched], displaces=host, soft_mm=soft))


def _draw_masks(scene: Scene, layout: Layout) -> None:
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


def _draw_hole(scene: Scene, layout: Layout, hole: Hole, rng: np.random.Generator, log: DefectLog) -> None:
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
