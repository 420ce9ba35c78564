"""A real board: read once, looked at through windows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import cKDTree

from xsim.errors import InputError, check_range
from xsim.phantoms import flat
from xsim.phantoms.defects import DefectLog, check_rates
from xsim.phantoms.design.rules import FOIL_MM, PLATING_MM, Stackup
from xsim.phantoms.gerber.files import sort_files
from xsim.phantoms.gerber.inference import Found, find_ball_grids, find_chips
from xsim.phantoms.gerber.layers import BoardLayers, board_scene
from xsim.phantoms.gerber.parse import Artwork, Drill, Flash, board_edge, read_drills, read_gerber, read_outline_pieces
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.polygons import Polygon
from xsim.phantoms.scene import Layer
from xsim.phantoms.view import View
from xsim.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

__all__ = ["GerberBoard"]

# Panels are half a metre; what is larger was read in the wrong unit.
MOST_MM = 1000.0


@dataclass(frozen=True)
class GerberBoard(BoardLayers):
    """A board as its manufacturing files describe it.

    Coordinates are mm from the upper left corner of the board's edge, x to the right and y downwards.

    Attributes
    ----------
    See `xsim.phantoms.gerber.layers.BoardLayers`.
    """

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
            edge_mm=edge + np.array(move),
            copper=tuple(copper),
            masks=(masks[0], masks[1]),
            pastes=(pastes[0], pastes[1]),
            drills=tuple(drills),
            parts=_recognise(copper, masks, pastes, drills),
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
        scene = board_scene(self, view, log, seed, parts=parts)
        materials, maps, heights = scene.render(view)
        return Phantom(
            materials, maps, pixel_mm, f"{self.name}@{x:.1f},{y:.1f}", self.name, seed, log.defects(view), heights
        )


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
    copper: list[Artwork],
    masks: tuple[Artwork | None, ...],
    pastes: tuple[Artwork | None, ...],
    drills: list[Drill],
) -> tuple[tuple[Found, bool], ...]:
    """Return the parts that lands give away, each with whether it stands on the lower side."""
    rng = generator(0, stage="gerber-chips")
    holes = np.array([(d.x0, d.y0) for d in drills]).reshape(-1, 2)
    parts: list[tuple[Found, bool]] = []
    for side, lands in ((0, copper[0]), (1, copper[-1])):
        mask, paste = masks[side], pastes[side]
        if mask is not None:
            parts += [(found, side == 0) for found in find_ball_grids(mask.flashes, lands.flashes, holes)]
        if paste is not None:
            parts += [(found, side == 0) for found in find_chips(paste.flashes, rng)]
    return tuple(parts)


def _plated(drills: list[Drill], copper: list[Artwork]) -> list[Drill]:
    """Decide on plating: a hole without copper around it on an outer layer has no barrel, whatever its file says."""
    outer = (copper[0], copper[-1])
    lands = [f for layer in outer for f in layer.flashes]
    tree = cKDTree(np.array([(f.x, f.y) for f in lands])) if lands else None
    decided = []
    for d in drills:
        plated = d.plated is not False
        if plated and (d.x0, d.y0) == (d.x1, d.y1):
            near = tree.query_ball_point((d.x0, d.y0), 0.1) if tree else []
            flashed = any(min(lands[k].width, lands[k].height) > d.diameter + 0.05 for k in near)
            plated = flashed or any(_has_ring(layer, d) for layer in outer)
        decided.append(Drill(d.x0, d.y0, d.x1, d.y1, d.diameter, plated))
    return decided


def _has_ring(layer: Artwork, drill: Drill) -> bool:
    """Say whether copper surrounds a hole: lands may be drawn in strokes instead of flashed."""
    reach = 0.5 * drill.diameter + 0.1
    x, y = drill.x0, drill.y0
    shapes = layer.within(x - reach, y - reach, x + reach, y + reach)
    if not shapes:
        return False
    covered = Layer("Cu", 1.0, 0.0, shapes).coverage(View((32, 32), reach / 16.0, centre_mm=(x, y)))
    v, u = np.mgrid[0:32, 0:32] - 15.5
    radius = np.hypot(u, v) * reach / 16.0
    around = (radius > 0.5 * drill.diameter + 0.03) & (radius < reach)
    return float(covered[around].mean()) > 0.9


def _moved(artwork: Artwork, dx: float, dy: float) -> Artwork:
    shapes = tuple(
        Polygon(s.points_mm + np.array([dx, dy]), s.loops, s.clear) if isinstance(s, Polygon) else flat.moved(s, dx, dy)
        for s in artwork.shapes
    )
    flashes = tuple(Flash(f.x + dx, f.y + dy, f.width, f.height, f.shape) for f in artwork.flashes)
    return Artwork(shapes, artwork.boxes + np.array([dx, dy, dx, dy]), flashes)


def _drill_moved(d: Drill, dx: float, dy: float) -> Drill:
    return Drill(d.x0 + dx, d.y0 + dy, d.x1 + dx, d.y1 + dy, d.diameter, d.plated)
