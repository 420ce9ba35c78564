"""A real board: read once, looked at through windows."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from xsim.errors import InputError, check_range
from xsim.phantoms import flat, solids
from xsim.phantoms.defects import DefectLog, check_rates
from xsim.phantoms.design.rules import FOIL_MM, MASK_MM, PLATING_MM, Stackup
from xsim.phantoms.gerber.files import sort_files
from xsim.phantoms.gerber.inference import Found, find_ball_grids, find_chips
from xsim.phantoms.gerber.outline import board_edge
from xsim.phantoms.gerber.parse import Artwork, Drill, Flash, read_drills, read_gerber, read_outline_pieces
from xsim.phantoms.parts.part import Frame, Job
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.polygons import Polygon
from xsim.phantoms.scene import Layer, Scene
from xsim.phantoms.view import View
from xsim.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["GerberBoard"]

# Panels are half a metre; what is larger was read in the wrong unit.
MOST_MM = 1000.0
# Solder that stays of a stencil print after reflow: half of 100-125 um [mm].
PASTE_MM = 0.055
# Parts stick out of a window's edge: what lies this near is drawn too [mm].
REACH_MM = 22.0


@dataclass(frozen=True)
class GerberBoard:
    """A board as its manufacturing files describe it.

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
        masks = tuple(read_gerber(path) if path else None for path in reversed(files.masks))
        pastes = tuple(read_gerber(path) if path else None for path in reversed(files.pastes))
        corner = edge.min(axis=0)
        move = (-float(corner[0]), -float(corner[1]))
        copper = [_moved(layer, *move) for layer in copper]
        masks = tuple(_moved(layer, *move) if layer else None for layer in masks)
        pastes = tuple(_moved(layer, *move) if layer else None for layer in pastes)
        drills = _plated([_drill_moved(drill, *move) for drill in drills], copper)
        return cls(
            name=folder.name,
            edge_mm=edge + move,
            copper=tuple(copper),
            masks=(masks[0], masks[1]),
            pastes=(pastes[0], pastes[1]),
            drills=tuple(drills),
            parts=_recognise(copper, masks, pastes),
            stackup=_stackup(len(copper), height_mm, laminate, solder),
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
        scene = self._scene(view, log, seed, parts=parts)
        materials, maps, heights = scene.render(view)
        return Phantom(
            materials, maps, pixel_mm, f"{self.name}@{x:.1f},{y:.1f}", self.name, seed, log.defects(view), heights
        )

    def _scene(self, view: View, log: DefectLog, seed: int, *, parts: bool) -> Scene:
        """Return what a view shows of the board."""
        stackup = self.stackup
        frame = _footprint(view, stackup.height_mm)
        scene = Scene(board_mm=stackup.z_mm[-1] - stackup.z_mm[0] + stackup.copper_mm[0])
        edge = Polygon.of(self.edge_mm)
        holes = [d for d in self.drills if _touches(d, frame)]
        cut = [flat.cleared(_drill_row(d)) for d in holes]
        scene.layer(Layer(stackup.laminate, stackup.height_mm, 0.5 * stackup.height_mm, [edge]))
        for k, artwork in enumerate(self.copper):
            host = stackup.laminate if 0 < k < stackup.layers - 1 else None
            # Text outside the board's edge is cut off with the panel.
            shapes = [*artwork.within(*frame), *cut, *_outside(self.edge_mm, frame)]
            scene.layer(Layer("Cu", stackup.copper_mm[k], stackup.z_mm[k], shapes, displaces=host))
        grids = [found for found, _ in self.parts if hasattr(found.part, "ball")] if parts else []
        for side, z in ((0, stackup.z_mm[0]), (1, stackup.z_mm[-1])):
            sign = 1.0 if side else -1.0
            self._coat(scene, side, z + sign * 0.5 * (stackup.copper_mm[0] + MASK_MM), frame, edge, cut)
            self._print(scene, side, z + sign * 0.5 * (stackup.copper_mm[0] + PASTE_MM), frame, grids)
        for drill in holes:
            _bore(scene, stackup, drill)
        if parts:
            self._assemble(scene, log, seed, frame)
        return scene

    def _coat(
        self,
        scene: Scene,
        side: int,
        z: float,
        frame: tuple[float, float, float, float],
        edge: Polygon,
        cut: list[flat.Row],
    ) -> None:
        artwork = self.masks[side]
        if artwork is None:
            return
        openings = [_erased(shape) for shape in artwork.within(*frame)]
        scene.layer(Layer("solder-mask", MASK_MM, z, [edge, *openings, *cut]))

    def _print(
        self, scene: Scene, side: int, z: float, frame: tuple[float, float, float, float], grids: list[Found]
    ) -> None:
        """Add the reflowed paste, but for the lands whose solder the balls hold."""
        artwork = self.pastes[side]
        if artwork is None:
            return
        shapes = artwork.within(*frame)
        for found in grids:
            half_x, half_y = (0.5 * s for s in found.part.size_mm)  # type: ignore[attr-defined]
            shapes = [s for s in shapes if not _inside(s, found.x - half_x, found.y - half_y, half_x, half_y)]
        scene.layer(Layer(self.stackup.solder, PASTE_MM, z, shapes))

    def _assemble(
        self, scene: Scene, log: DefectLog, seed: int, frame: tuple[float, float, float, float]
    ) -> None:
        stackup = self.stackup
        half = 0.5 * stackup.copper_mm[0]
        for k, (found, below) in enumerate(self.parts):
            if not (
                frame[0] - REACH_MM < found.x < frame[2] + REACH_MM
                and frame[1] - REACH_MM < found.y < frame[3] + REACH_MM
            ):
                continue
            surface = stackup.z_mm[0] - half if below else stackup.z_mm[-1] + half
            # Every part has its own stage of the seed: the window does not change what a part looks like.
            job = Job(scene, generator(seed, sample=k, stage="gerber-part"), stackup.solder, log)
            found.part.draw(Frame(found.x, found.y, found.angle, surface, below), job)


def _edge(path: Path, drills: list[Drill], copper: list[Artwork]) -> NDArray[np.float64]:
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


def _stackup(layers: int, height: float, laminate: str, solder: str) -> Stackup:
    """Return the usual stack: half-ounce inner foil, plated half-ounce outer foil, even spacing."""
    outer, inner = FOIL_MM[0.5] + PLATING_MM, FOIL_MM[0.5]
    gap = (height - inner * max(layers - 2, 0)) / max(layers - 1, 1)
    z = [-0.5 * outer, *((k + 1) * gap + (k + 0.5) * inner for k in range(layers - 2)), height + 0.5 * outer]
    copper = [outer, *[inner] * (layers - 2), outer]
    return Stackup(tuple(z[:layers]), tuple(copper[:layers]), (False,) * layers, height, laminate, solder)


def _recognise(
    copper: list[Artwork], masks: tuple[Artwork | None, ...], pastes: tuple[Artwork | None, ...]
) -> tuple[tuple[Found, bool], ...]:
    """Return the parts that lands give away, each with whether it stands on the lower side."""
    rng = generator(0, stage="gerber-chips")
    parts: list[tuple[Found, bool]] = []
    for side, lands in ((0, copper[0]), (1, copper[-1])):
        mask, paste = masks[side], pastes[side]
        if mask is not None:
            parts += [(found, side == 0) for found in find_ball_grids(mask.flashes, lands.flashes)]
        if paste is not None:
            parts += [(found, side == 0) for found in find_chips(paste.flashes, rng)]
    return tuple(parts)


def _plated(drills: list[Drill], copper: list[Artwork]) -> list[Drill]:
    """Decide on plating: a hole without a land larger than itself on an outer layer has no barrel."""
    lands = [f for layer in (copper[0], copper[-1]) for f in layer.flashes]
    if not lands:
        return [Drill(d.x0, d.y0, d.x1, d.y1, d.diameter, bool(d.plated)) for d in drills]
    tree = cKDTree(np.array([(f.x, f.y) for f in lands]))
    decided = []
    for d in drills:
        plated = d.plated is not False
        if plated and (d.x0, d.y0) == (d.x1, d.y1):
            near = tree.query_ball_point((d.x0, d.y0), 0.1)
            plated = any(min(lands[k].width, lands[k].height) > d.diameter + 0.05 for k in near)
        decided.append(Drill(d.x0, d.y0, d.x1, d.y1, d.diameter, plated))
    return decided


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


def _touches(drill: Drill, frame: tuple[float, float, float, float]) -> bool:
    reach = drill.diameter + 0.1
    return (
        min(drill.x0, drill.x1) - reach < frame[2]
        and max(drill.x0, drill.x1) + reach > frame[0]
        and min(drill.y0, drill.y1) - reach < frame[3]
        and max(drill.y0, drill.y1) + reach > frame[1]
    )


def _footprint(view: View, height: float) -> tuple[float, float, float, float]:
    """Return the box of the board that a view can show, with a margin [mm]."""
    points = []
    for z in (-0.5, height + 0.5):
        a, b, ox, oy = view.plane(z)
        for u in (0.0, float(view.shape[1])):
            for v in (0.0, float(view.shape[0])):
                points.append((ox + a * u - b * v, oy + b * u + a * v))
    xs, ys = zip(*points, strict=True)
    return min(xs) - 0.5, min(ys) - 0.5, max(xs) + 0.5, max(ys) + 0.5


def _outside(edge: NDArray[np.float64], frame: tuple[float, float, float, float]) -> list[Polygon]:
    """Return an eraser for what lies in the window but outside the board's edge; empty where nothing does."""
    low, high = edge.min(axis=0), edge.max(axis=0)
    rectangular = len(edge) <= 8
    if rectangular and frame[0] > low[0] and frame[1] > low[1] and frame[2] < high[0] and frame[3] < high[1]:
        return []
    x0, y0, x1, y1 = frame
    ring = np.array([(x0 - 1, y0 - 1), (x1 + 1, y0 - 1), (x1 + 1, y1 + 1), (x0 - 1, y1 + 1)])
    # The frame and the board's edge turn opposite ways: the edge becomes a hole.
    turned = edge if _turns(edge) != _turns(ring) else edge[::-1]
    points = np.concatenate([ring, turned])
    return [Polygon(np.ascontiguousarray(points), np.array([0, 4, len(points)]), clear=True)]


def _turns(points: NDArray[np.float64]) -> bool:
    x, y = points[:, 0], points[:, 1]
    return bool(np.dot(x, np.roll(y, -1)) > np.dot(y, np.roll(x, -1)))


def _erased(shape: flat.Row | Polygon) -> flat.Row | Polygon:
    if isinstance(shape, Polygon):
        return Polygon(shape.points_mm, shape.loops, clear=not shape.clear)
    return (shape[0], 1.0 - shape[1], *shape[2:])


def _inside(shape: flat.Row | Polygon, x0: float, y0: float, half_x: float, half_y: float) -> bool:
    x, y = shape.points_mm[0] if isinstance(shape, Polygon) else (shape[2], shape[3])
    return x0 < x < x0 + 2.0 * half_x and y0 < y < y0 + 2.0 * half_y


def _moved(artwork: Artwork, dx: float, dy: float) -> Artwork:
    shapes = tuple(
        Polygon(s.points_mm + (dx, dy), s.loops, s.clear) if isinstance(s, Polygon) else flat.moved(s, dx, dy)
        for s in artwork.shapes
    )
    flashes = tuple(Flash(f.x + dx, f.y + dy, f.width, f.height, f.shape) for f in artwork.flashes)
    return Artwork(shapes, artwork.boxes + (dx, dy, dx, dy), flashes)


def _drill_moved(d: Drill, dx: float, dy: float) -> Drill:
    return Drill(d.x0 + dx, d.y0 + dy, d.x1 + dx, d.y1 + dy, d.diameter, d.plated)
