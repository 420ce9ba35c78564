"""A view of a real board as layers and bodies: copper, mask, paste, holes and recognised parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xsim.phantoms import flat, solids
from xsim.phantoms.design.rules import MASK_MM, PLATING_MM, Stackup
from xsim.phantoms.parts.grid_arrays import Bga
from xsim.phantoms.parts.part import BuildContext, Frame
from xsim.phantoms.polygons import Polygon, polygon_area
from xsim.phantoms.scene import Layer, Scene
from xsim.seeds import generator

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.phantoms.defects import DefectLog
    from xsim.phantoms.gerber.inference import Found
    from xsim.phantoms.gerber.parse import Artwork, Drill
    from xsim.phantoms.view import View

__all__ = ["BoardLayers", "board_scene"]

Box = tuple[float, float, float, float]
# Solder that stays of a stencil print after reflow: half of 100-125 um [mm].
PASTE_MM = 0.055
# Stray solder and tilted views reach a little beyond a part's courtyard [mm].
REACH_MM = 2.0


@dataclass(frozen=True)
class BoardLayers:
    """The layers, holes and recognised parts of a board.

    Coordinates are mm from the upper left corner of the board's edge, x to the right and y downwards.

    Attributes
    ----------
    name : str
        Name of its folder.
    edge_mm : (n, 2) array
        Outline [mm].
    copper : tuple of Artwork
        From bottom to top.
    masks, pastes : tuple of (Artwork or None)
        Bottom and top.
    drills : tuple of Drill
        Every hole with its plating decided.
    parts : tuple of (Found, bool)
        Recognised parts, and whether they stand on the lower side.
    stackup : Stackup
        Layers' heights.
    """

    name: str
    edge_mm: NDArray[np.float64]
    copper: tuple[Artwork, ...]
    masks: tuple[Artwork | None, Artwork | None]
    pastes: tuple[Artwork | None, Artwork | None]
    drills: tuple[Drill, ...]
    parts: tuple[tuple[Found, bool], ...]
    stackup: Stackup

    @property
    def size_mm(self) -> tuple[float, float]:
        """Return the board's width and height [mm]."""
        high = self.edge_mm.max(axis=0)
        return float(high[0]), float(high[1])


def board_scene(board: BoardLayers, view: View, log: DefectLog, seed: int, *, parts: bool) -> Scene:
    """Return what a view shows of a board.

    Parameters
    ----------
    board : BoardLayers
        The board.
    view : View
        The window; layers are cut to it.
    log : DefectLog
        Decides on the defects of the parts.
    seed : int
        Chance of solder and wires.
    parts : bool
        Draw the recognised parts.
    """
    stackup = board.stackup
    frame = _footprint(view, stackup.height_mm)
    scene = Scene(board_mm=stackup.z_mm[-1] - stackup.z_mm[0] + stackup.copper_mm[0])
    edge = Polygon.of(board.edge_mm)
    holes = [d for d in board.drills if _touches(d, frame)]
    cut = [flat.cleared(_drill_row(d)) for d in holes]
    scene.layer(Layer(stackup.laminate, stackup.height_mm, 0.5 * stackup.height_mm, [edge]))
    for k, artwork in enumerate(board.copper):
        host = stackup.laminate if 0 < k < stackup.layers - 1 else None
        # Text outside the board's edge is cut off with the panel.
        shapes = [*artwork.within(*frame), *cut, *_outside(board.edge_mm, frame)]
        scene.layer(Layer("Cu", stackup.copper_mm[k], stackup.z_mm[k], shapes, displaces=host))
    grids = [found for found, _ in board.parts if isinstance(found.part, Bga)] if parts else []
    for side, z in ((0, stackup.z_mm[0]), (1, stackup.z_mm[-1])):
        sign = 1.0 if side else -1.0
        _coat(board, scene, side, z + sign * 0.5 * (stackup.copper_mm[0] + MASK_MM), frame, edge, cut)
        _print(board, scene, side, z + sign * 0.5 * (stackup.copper_mm[0] + PASTE_MM), frame, grids)
    for drill in holes:
        _bore(scene, stackup, drill)
    if parts:
        _assemble(board, scene, log, seed, frame)
    return scene


def _coat(
    board: BoardLayers,
    scene: Scene,
    side: int,
    z: float,
    frame: Box,
    edge: Polygon,
    cut: list[flat.Row],
) -> None:
    artwork = board.masks[side]
    if artwork is None:
        return
    openings = [_erased(shape) for shape in artwork.within(*frame)]
    scene.layer(Layer("solder-mask", MASK_MM, z, [edge, *openings, *cut]))


def _print(board: BoardLayers, scene: Scene, side: int, z: float, frame: Box, grids: list[Found]) -> None:
    """Add the reflowed paste, but for the lands whose solder the balls hold."""
    artwork = board.pastes[side]
    if artwork is None:
        return
    shapes = artwork.within(*frame)
    for found in grids:
        half_x, half_y = (0.5 * s for s in found.part.courtyard_mm)
        shapes = [s for s in shapes if not _inside(s, found.x - half_x, found.y - half_y, half_x, half_y)]
    scene.layer(Layer(board.stackup.solder, PASTE_MM, z, shapes))


def _assemble(board: BoardLayers, scene: Scene, log: DefectLog, seed: int, frame: Box) -> None:
    stackup = board.stackup
    half = 0.5 * stackup.copper_mm[0]
    for k, (found, below) in enumerate(board.parts):
        reach = 0.5 * math.hypot(*found.part.courtyard_mm) + REACH_MM
        across = frame[0] - reach < found.x < frame[2] + reach
        if not across or not frame[1] - reach < found.y < frame[3] + reach:
            continue
        surface = stackup.z_mm[0] - half if below else stackup.z_mm[-1] + half
        # Every part has its own stage of the seed: the window does not change what a part looks like.
        context = BuildContext(scene, generator(seed, sample=k, stage="gerber-part"), stackup.solder, log)
        found.part.draw(Frame(found.x, found.y, found.angle, surface, below), context)


def _bore(scene: Scene, stackup: Stackup, drill: Drill) -> None:
    """Drill a hole or slot, and plate it."""
    half = 0.5 * stackup.copper_mm[0]
    low, high = stackup.z_mm[0] - half, stackup.z_mm[-1] + half
    wide = drill.diameter + (2.0 * PLATING_MM if drill.plated else 0.0)
    scene.hole(_slot(drill, 0.0, stackup.height_mm, wide), stackup.laminate)
    if drill.plated:
        scene.body("Cu", [_slot(drill, low, high, wide)], voids=[_slot(drill, low, high, drill.diameter)])


def _slot(drill: Drill, low: float, high: float, wide: float) -> solids.Solid:
    length = math.hypot(drill.x1 - drill.x0, drill.y1 - drill.y0)
    if length == 0.0:
        return solids.cone(drill.x0, drill.y0, low, high, wide, wide)
    x, y = 0.5 * (drill.x0 + drill.x1), 0.5 * (drill.y0 + drill.y1)
    angle = math.atan2(drill.y1 - drill.y0, drill.x1 - drill.x0)
    return solids.prism(x, y, low, high, length + wide, wide, angle=angle, corner=0.5 * wide)


def _drill_row(drill: Drill) -> flat.Row:
    wide = drill.diameter + (2.0 * PLATING_MM if drill.plated else 0.0)
    return flat.capsule(drill.x0, drill.y0, drill.x1, drill.y1, wide)


def _touches(drill: Drill, frame: Box) -> bool:
    reach = drill.diameter + 0.1
    return (
        min(drill.x0, drill.x1) - reach < frame[2]
        and max(drill.x0, drill.x1) + reach > frame[0]
        and min(drill.y0, drill.y1) - reach < frame[3]
        and max(drill.y0, drill.y1) + reach > frame[1]
    )


def _footprint(view: View, height: float) -> Box:
    """Return the box of the board that a view can show, with a margin [mm]."""
    points = []
    for z in (-0.5, height + 0.5):
        a, b, ox, oy = view.plane(z)
        for u in (0.0, float(view.shape[1])):
            for v in (0.0, float(view.shape[0])):
                points.append((ox + a * u - b * v, oy + b * u + a * v))
    xs, ys = zip(*points, strict=True)
    return min(xs) - 0.5, min(ys) - 0.5, max(xs) + 0.5, max(ys) + 0.5


def _outside(edge: NDArray[np.float64], frame: Box) -> list[Polygon]:
    """Return an eraser for what lies in the window but outside the board's edge; empty where nothing does."""
    low, high = edge.min(axis=0), edge.max(axis=0)
    rectangular = len(edge) <= 8
    if rectangular and frame[0] > low[0] and frame[1] > low[1] and frame[2] < high[0] and frame[3] < high[1]:
        return []
    x0, y0, x1, y1 = frame
    ring = np.array([(x0 - 1, y0 - 1), (x1 + 1, y0 - 1), (x1 + 1, y1 + 1), (x0 - 1, y1 + 1)])
    # The frame and the board's edge turn opposite ways: the edge becomes a hole.
    turned = edge if polygon_area(edge) * polygon_area(ring) < 0.0 else edge[::-1]
    points = np.concatenate([ring, turned])
    return [Polygon(np.ascontiguousarray(points), np.array([0, 4, len(points)]), clear=True)]


def _erased(shape: flat.Row | Polygon) -> flat.Row | Polygon:
    if isinstance(shape, Polygon):
        return Polygon(shape.points_mm, shape.loops, clear=not shape.clear)
    return (shape[0], 1.0 - shape[1], *shape[2:])


def _inside(shape: flat.Row | Polygon, x0: float, y0: float, half_x: float, half_y: float) -> bool:
    x, y = shape.points_mm[0] if isinstance(shape, Polygon) else (shape[2], shape[3])
    return x0 < x < x0 + 2.0 * half_x and y0 < y < y0 + 2.0 * half_y
