"""What Gerbers do not say: ball grids and chips by their lands, which holes are plated, and the heights of layers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from xsim.phantoms.design.rules import FOIL_MM, PLATING_MM, Stackup
from xsim.phantoms.gerber.parse import Artwork, Drill, Flash
from xsim.phantoms.parts.grid_arrays import BALLS, Bga
from xsim.phantoms.parts.part import Part
from xsim.phantoms.parts.passives import CHIP_SIZES, Chip
from xsim.phantoms.scene import Layer
from xsim.phantoms.view import View
from xsim.seeds import generator

__all__ = ["Found", "decide_plating", "find_ball_grids", "find_chips", "find_parts", "usual_stackup"]

# Fewer lands, or a sparser grid, are thermal-pad dots, test points or stitching.
LEAST_BALLS, LEAST_FILL = 36, 0.25
# How far a land may lie from its place in a grid: more than the rounding of files, less than any pitch.
TOLERANCE_MM = 0.03


@dataclass(frozen=True)
class Found:
    """A recognised part: place of its centre [mm], direction [rad], and the part."""

    x: float
    y: float
    angle: float
    part: Part


def find_ball_grids(mask: Sequence[Flash], copper: Sequence[Flash], holes: NDArray[np.float64]) -> list[Found]:
    """Recognise ball grid arrays among round mask openings.

    Openings of one size that continue one another at one of the usual pitches form a grid; a grid counts if it has at
    least 36 sites, and if each site has a round copper land of its own (the dots of a thermal pad share one big land)
    and no hole in it (vias with open mask under a ball grid form a grid, too).

    Parameters
    ----------
    mask, copper : sequence of Flash
        Flashes of the mask and of the outer copper layer of one side.
    holes : (k, 2) array
        Centres of the drilled holes [mm].
    """
    lands = np.array([(f.x, f.y) for f in copper if f.shape == "circle"]).reshape(-1, 2)
    if not len(lands):
        return []
    tree = cKDTree(lands)
    sizes: dict[int, list[tuple[float, float]]] = {}
    for flash in mask:
        if flash.shape == "circle" and 0.15 < flash.width < 0.9:
            sizes.setdefault(round(flash.width * 1e3), []).append((flash.x, flash.y))
    found = []
    for size_um, places in sizes.items():
        points = np.unique(np.round(np.array(places), 4), axis=0)
        points = points[tree.query(points)[0] < TOLERANCE_MM]
        if len(holes) and len(points):
            points = points[cKDTree(holes).query(points)[0] > TOLERANCE_MM]
        for pitch in BALLS:
            if len(points) >= LEAST_BALLS and size_um * 1e-3 < 0.85 * pitch:
                found += _grids(points, pitch)
    return found


def _grids(points: NDArray[np.float64], pitch: float) -> list[Found]:
    """Return the grids of one pitch among points, as parts."""
    tree = cKDTree(points)
    # A finer grid's every other point is no grid of its own: the nearest neighbour must be one pitch away.
    fits = abs(_nearest(tree, points, 2)[0][:, 1] - pitch) < TOLERANCE_MM
    links: list[tuple[int, int]] = []
    # Memory chips leave up to three columns out between their two fields.
    for n in range(1, 5):
        for step in ((n * pitch, 0.0), (0.0, n * pitch)):
            distance, other = (column[:, 0] for column in _nearest(tree, points + np.array(step), 1))
            joined = np.flatnonzero((distance < TOLERANCE_MM) & fits & fits[other])
            links += zip(joined.tolist(), other[joined].tolist(), strict=True)
    if not links:
        return []
    table = np.array(links)
    graph = coo_matrix((np.ones(len(table)), (table[:, 0], table[:, 1])), shape=(len(points), len(points)))
    labels = connected_components(graph, directed=False)[1]
    groups = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    return [grid for members in groups if (grid := _as_bga(points[members], pitch)) is not None]


def _nearest(tree: cKDTree, points: NDArray[np.float64], count: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return distances to, and indices of, the nearest ``count`` points of a tree, each of shape (n, count)."""
    distance, index = tree.query(points, k=list(range(1, count + 1)))
    return np.asarray(distance, dtype=np.float64), np.asarray(index, dtype=np.int64)


def _as_bga(points: NDArray[np.float64], pitch: float) -> Found | None:
    low, high = points.min(axis=0), points.max(axis=0)
    columns, rows = (round(float(span) / pitch) + 1 for span in high - low)
    if len(points) < LEAST_BALLS or min(columns, rows) < 4 or len(points) < LEAST_FILL * columns * rows:
        return None
    cells = np.round((points - low) / pitch).astype(int)
    present = {(int(i), int(j)) for i, j in cells}
    missing = frozenset((i, j) for i in range(columns) for j in range(rows) if (i, j) not in present)
    middle = 0.5 * (low + high)
    return Found(float(middle[0]), float(middle[1]), 0.0, Bga(pitch, BALLS[pitch], columns, rows, missing))


def find_chips(paste: Sequence[Flash], rng: np.random.Generator) -> list[Found]:
    """Recognise two-terminal chips: two equal rectangular paste openings facing each other, apart from all others.

    Resistors and capacitors cannot be told apart by their lands: ``rng`` decides.
    """
    boxes = [f for f in paste if f.shape == "box" and min(f.width, f.height) > 0.15 and max(f.width, f.height) < 3.0]
    if len(boxes) < 2:
        return []
    points = np.array([(f.x, f.y) for f in boxes])
    distance, other = _nearest(cKDTree(points), points, 3)
    found = []
    for k, flash in enumerate(boxes):
        m = int(other[k, 1])
        alike = abs(flash.width - boxes[m].width) < 0.02 and abs(flash.height - boxes[m].height) < 0.02
        if m < k or int(other[m, 1]) != k or not alike:
            continue
        span = float(distance[k, 1])
        # A row of equal lands is a connector or a package, not a pair.
        if min(float(distance[k, 2]), float(distance[m, 2])) < 1.15 * span:
            continue
        chip = _as_chip(flash, boxes[m], span, rng)
        if chip is not None:
            found.append(chip)
    return found


def _as_chip(one: Flash, two: Flash, span: float, rng: np.random.Generator) -> Found | None:
    dx, dy = two.x - one.x, two.y - one.y
    if min(abs(dx), abs(dy)) > 0.05:
        return None
    along, across = (one.width, one.height) if abs(dx) > abs(dy) else (one.height, one.width)
    length = span + 0.3 * along
    name = min(CHIP_SIZES, key=lambda n: abs(CHIP_SIZES[n][0] - length) + abs(CHIP_SIZES[n][1] - across))
    size = CHIP_SIZES[name]
    if abs(size[0] - length) > 0.35 * size[0] or abs(size[1] - across) > 0.45 * size[1]:
        return None
    resistor = rng.random() < 0.5
    part = Chip("resistor" if resistor else "mlcc", size[0], size[1], size[2 if resistor else 3], size[4])
    return Found(0.5 * (one.x + two.x), 0.5 * (one.y + two.y), math.atan2(dy, dx), part)


def find_parts(
    copper: Sequence[Artwork],
    masks: Sequence[Artwork | None],
    pastes: Sequence[Artwork | None],
    drills: Sequence[Drill],
) -> tuple[tuple[Found, bool], ...]:
    """Return the parts that lands give away, each with whether it stands on the lower side.

    Layers come from bottom to top, as `xsim.phantoms.gerber.board.GerberBoard` holds them.
    """
    rng = generator(0, stage="gerber-chips")
    holes = np.array([(d.x0, d.y0) for d in drills]).reshape(-1, 2)
    parts: list[tuple[Found, bool]] = []
    for below, lands, mask, paste in zip((True, False), (copper[0], copper[-1]), masks, pastes, strict=True):
        if mask is not None:
            parts += [(found, below) for found in find_ball_grids(mask.flashes, lands.flashes, holes)]
        if paste is not None:
            parts += [(found, below) for found in find_chips(paste.flashes, rng)]
    return tuple(parts)


def decide_plating(drills: Sequence[Drill], copper: Sequence[Artwork]) -> tuple[Drill, ...]:
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
        decided.append(replace(d, plated=plated))
    return tuple(decided)


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


def usual_stackup(layers: int, height_mm: float, laminate: str, solder: str) -> Stackup:
    """Return the usual stack: half-ounce inner foil, plated half-ounce outer foil, evenly spaced over the height."""
    outer, inner = FOIL_MM[0.5] + PLATING_MM, FOIL_MM[0.5]
    gap = (height_mm - inner * max(layers - 2, 0)) / max(layers - 1, 1)
    z = [-0.5 * outer, *((k + 1) * gap + (k + 0.5) * inner for k in range(layers - 2)), height_mm + 0.5 * outer]
    copper = [outer, *[inner] * (layers - 2), outer]
    return Stackup(tuple(z[:layers]), tuple(copper[:layers]), (False,) * layers, height_mm, laminate, solder)
