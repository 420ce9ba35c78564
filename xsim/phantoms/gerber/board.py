"""A real board: read once, looked at through windows.

A window is drawn as layers and bodies: copper, mask, paste, holes and recognised parts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError, check_range
from xsim.phantoms import flat, solids
from xsim.phantoms.defects import DefectLog, check_rates
from xsim.phantoms.design.rules import MASK_MM, Stackup
from xsim.phantoms.gerber.files import sort_files
from xsim.phantoms.gerber.inference import Found, decide_plating, find_parts, usual_stackup
from xsim.phantoms.gerber.parse import Artwork, Drill, board_edge, read_drills, read_gerber, read_outline_pieces
from xsim.phantoms.parts.grid_arrays import Bga
from xsim.phantoms.parts.part import BuildContext, Frame
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.polygons import Polygon, polygon_area
from xsim.phantoms.scene import Layer, Scene
from xsim.phantoms.view import View
from xsim.seeds import generator

__all__ = ["GerberBoard"]

Box = tuple[float, float, float, float]
# Panels are half a metre; what is larger was read in the wrong unit.
MOST_MM = 1000.0
# Solder that stays of a stencil print after reflow: half of 100-125 um [mm].
PASTE_MM = 0.055
# Stray solder and tilted views reach a little beyond a part's courtyard [mm].
REACH_MM = 2.0


@dataclass(frozen=True)
class GerberBoard:
    """A board as its manufacturing files describe it: layers, holes and recognised parts.

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

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        roles: Mapping[str, str] | None = None,
        height_mm: float = 1.6,
        laminate: str = "FR-4",
        solder: str = "SAC305",
    ) -> GerberBoard:
        """Read a board from a folder of Gerber and Excellon files.

        Parameters
        ----------
        folder : path
            Searched with its subfolders.
        roles : mapping of file name to role, optional
            Layers that their names do not tell (``xsim.phantoms.gerber.files.ROLES``).
        height_mm : float
            Laminate from face to face [mm]; Gerber files do not say it.
        laminate, solder : str
            Materials.

        Raises
        ------
        InputError
            For missing layers or outline, damaged files, or a board beyond 1 m; MissingFileError without the folder;
            ExtraMissingError without gerbonara.
        """
        check_range("board height", height_mm, 0.2, 10.0, "mm")
        folder = Path(folder)
        files = sort_files(folder, roles)
        drills = [drill for path in files.drills for drill in read_drills(path)]
        copper = [read_gerber(path) for path in reversed(files.copper)]
        edge = _edge(files.outline, drills, copper)
        dx, dy = (-float(corner) for corner in edge.min(axis=0))
        copper = [_moved(layer, dx, dy) for layer in copper]
        sheets = [_moved(read_gerber(p), dx, dy) if p else None for p in (*files.masks, *files.pastes)]
        masks, pastes = (sheets[1], sheets[0]), (sheets[3], sheets[2])
        moved = [replace(d, x0=d.x0 + dx, y0=d.y0 + dy, x1=d.x1 + dx, y1=d.y1 + dy) for d in drills]
        plated = decide_plating(moved, copper)
        return cls(
            name=folder.name,
            edge_mm=edge + np.array([dx, dy]),
            copper=tuple(copper),
            masks=masks,
            pastes=pastes,
            drills=plated,
            parts=find_parts(copper, masks, pastes, plated),
            stackup=usual_stackup(len(copper), height_mm, laminate, solder),
        )

    def window(
        self,
        x_mm: float | None = None,
        y_mm: float | None = None,
        *,
        shape: tuple[int, int] = (1024, 1024),
        pixel_mm: float = 0.02,
        parts: bool = True,
        seed: int = 0,
        defect_rates: Mapping[str, float] | None = None,
        rotation_deg: float = 0.0,
        tilt_deg: float = 0.0,
        azimuth_deg: float = 0.0,
    ) -> Phantom:
        """Look at a window of the board.

        Parameters
        ----------
        x_mm, y_mm : float, optional
            Upper left corner of the window [mm]; the window is centred on the board if they are not given.
        shape, pixel_mm : (H, W), float
            Pixels and their size [mm].
        parts : bool
            Draw the recognised parts.
        seed : int
            Chance of solder, voids and wires.
        defect_rates : mapping, optional
            As in ``BoardRecipe``.
        rotation_deg, tilt_deg, azimuth_deg : float
            As in ``View``.

        Raises
        ------
        InputError
            For a window that the board does not reach, naming the board's extent.
        """
        width, height = shape[1] * pixel_mm, shape[0] * pixel_mm
        board_x, board_y = self.size_mm
        x = 0.5 * (board_x - width) if x_mm is None else x_mm
        y = 0.5 * (board_y - height) if y_mm is None else y_mm
        if not (x < board_x and y < board_y and x + width > 0.0 and y + height > 0.0):
            raise InputError(
                f"window at {x:g},{y:g} mm of {width:g} x {height:g} mm lies outside board '{self.name}': "
                f"the board reaches from 0,0 to {board_x:.2f},{board_y:.2f} mm"
            )
        view = View(
            shape,
            pixel_mm,
            centre_mm=(x + 0.5 * width, y + 0.5 * height),
            rotation_deg=rotation_deg,
            tilt_deg=tilt_deg,
            azimuth_deg=azimuth_deg,
        )
        log = DefectLog(check_rates(defect_rates or {}), generator(seed, stage="defects"))
        materials, maps, heights = board_scene(self, view, log, seed, parts=parts).render(view)
        return Phantom(
            materials,
            maps,
            pixel_mm,
            f"{self.name}@{x:.1f},{y:.1f}",
            self.name,
            seed,
            log.defects(view),
            heights,
            log.balls(view),
        )


def _edge(path: Path, drills: Sequence[Drill], copper: Sequence[Artwork]) -> NDArray[np.float64]:
    holes = np.array([(d.x0, d.y0) for d in drills]).reshape(-1, 2)
    edge = board_edge(read_outline_pieces(path), holes)
    if edge is None:
        raise InputError(f"{path}: holds no closed outline around the board's holes: export the board's edge")
    size = edge.max(axis=0) - edge.min(axis=0)
    if max(size) > MOST_MM:
        raise InputError(f"{path}: board of {size[0]:g} x {size[1]:g} mm: boards go up to {MOST_MM:g} mm: check units")
    if not any(len(layer.shapes) for layer in copper):
        raise InputError(f"{path.parent}: its copper layers are empty: export them again")
    return edge


def _moved(artwork: Artwork, dx: float, dy: float) -> Artwork:
    shapes = tuple(
        replace(s, points_mm=s.points_mm + np.array([dx, dy])) if isinstance(s, Polygon) else flat.moved(s, dx, dy)
        for s in artwork.shapes
    )
    flashes = tuple(replace(f, x=f.x + dx, y=f.y + dy) for f in artwork.flashes)
    return Artwork(shapes, artwork.boxes + np.array([dx, dy, dx, dy]), flashes)


def board_scene(board: GerberBoard, view: View, log: DefectLog, seed: int, *, parts: bool) -> Scene:
    """Return what a view shows of a board; see `GerberBoard.window`."""
    stackup = board.stackup
    frame = _footprint(view, stackup.height_mm)
    scene = Scene(board_mm=stackup.z_mm[-1] - stackup.z_mm[0] + stackup.copper_mm[0])
    edge = Polygon.of(board.edge_mm)
    holes = [d for d in board.drills if _touches(d, frame)]
    cut = [flat.cleared(flat.capsule(d.x0, d.y0, d.x1, d.y1, d.drilled)) for d in holes]
    scene.layer(Layer(stackup.laminate, stackup.height_mm, 0.5 * stackup.height_mm, [edge]))
    for k, artwork in enumerate(board.copper):
        host = stackup.laminate if 0 < k < stackup.layers - 1 else None
        # Text outside the board's edge is cut off with the panel.
        shapes = [*artwork.within(*frame), *cut, *_outside(board.edge_mm, frame)]
        scene.layer(Layer("Cu", stackup.copper_mm[k], stackup.z_mm[k], shapes, displaces=host))
    for side, sign, mask, paste in zip((0, -1), (-1.0, 1.0), board.masks, board.pastes, strict=True):
        z, outer = stackup.z_mm[side], stackup.copper_mm[0]
        if mask is not None:
            openings = [_erased(shape) for shape in mask.within(*frame)]
            scene.layer(Layer("solder-mask", MASK_MM, z + sign * 0.5 * (outer + MASK_MM), [edge, *openings, *cut]))
        if paste is not None:
            prints = [s for s in paste.within(*frame) if not (parts and _under_balls(s, board))]
            scene.layer(Layer(stackup.solder, PASTE_MM, z + sign * 0.5 * (outer + PASTE_MM), prints))
    for drill in holes:
        _bore(scene, stackup, drill)
    if parts:
        _assemble(board, scene, log, seed, frame)
    return scene


def _assemble(board: GerberBoard, scene: Scene, log: DefectLog, seed: int, frame: Box) -> None:
    """Draw the recognised parts that reach into the frame."""
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
    ends = (drill.x0, drill.y0, drill.x1, drill.y1)
    scene.hole(solids.slot(*ends, 0.0, stackup.height_mm, drill.drilled), stackup.laminate)
    if drill.plated:
        wall, bore = (solids.slot(*ends, low, high, wide) for wide in (drill.drilled, drill.diameter))
        scene.body("Cu", [wall], voids=[bore])


def _touches(drill: Drill, frame: Box) -> bool:
    reach = drill.diameter + 0.1
    (x0, x1), (y0, y1) = sorted((drill.x0, drill.x1)), sorted((drill.y0, drill.y1))
    return x0 - reach < frame[2] and x1 + reach > frame[0] and y0 - reach < frame[3] and y1 + reach > frame[1]


def _footprint(view: View, height: float) -> Box:
    """Return the box of the board that a view can show, with a margin [mm]."""
    corners = [(u, v) for u in (0.0, float(view.shape[1])) for v in (0.0, float(view.shape[0]))]
    planes = [view.plane(z) for z in (-0.5, height + 0.5)]
    xs = [ox + a * u - b * v for a, b, ox, _ in planes for u, v in corners]
    ys = [oy + b * u + a * v for a, b, _, oy in planes for u, v in corners]
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
        return replace(shape, clear=not shape.clear)
    return (shape[0], 1.0 - shape[1], *shape[2:])


def _under_balls(shape: flat.Row | Polygon, board: GerberBoard) -> bool:
    """Say whether a print lies under a ball grid, whose balls hold its solder."""
    x, y = shape.points_mm[0] if isinstance(shape, Polygon) else shape[2:4]
    for found in (found for found, _ in board.parts if isinstance(found.part, Bga)):
        half_x, half_y = (0.5 * s for s in found.part.courtyard_mm)
        x0, y0 = found.x - half_x, found.y - half_y
        if x0 < x < x0 + 2.0 * half_x and y0 < y < y0 + 2.0 * half_y:
            return True
    return False
