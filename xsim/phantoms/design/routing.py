"""Nets and their tracks: which terminals are joined, fan-out to the planes, routing, and widening where there is room.

Buses, differential pairs and serpentines, tracks that run together, are laid before single tracks are routed.
"""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from xsim.phantoms import flat
from xsim.phantoms.design import maze
from xsim.phantoms.design.layout import GROUND, POWER, BoardLayout, Terminal

__all__ = ["Router", "fan_out", "join_nets", "lay_bundles", "offset_polyline", "serpentine", "widen_tracks"]

# A path between cell centres may pass an obstacle closer than its cells do: this much of a cell.
SCALLOP = 0.16
# Price of a via and of leaving a layer's own direction, in cells; chosen by eye on drawn boards.
VIA_PRICE, LEAN = 9.0, 0.35
# Cells that one search may visit, which bounds the time of a board: what needs more stays unrouted.
LIMIT = 14000


def join_nets(
    layout: BoardLayout, rng: np.random.Generator, power_share: float
) -> list[tuple[Terminal, Terminal | None]]:
    """Decide which terminals are joined, and give joined ones one net.

    Returns
    -------
    list of (terminal, terminal or None)
        Connections to route; None stands for a track that leaves the view.
    """
    signals = [t for t in layout.terminals if t.role == "signal"]
    rename: dict[int, int] = {}
    links: list[tuple[Terminal, Terminal | None]] = []
    place = np.array([(t.x, t.y) for t in signals]).reshape(-1, 2)
    free = np.ones(len(signals), dtype=bool)
    for k in rng.permutation(len(signals)):
        if not free[k]:
            continue
        free[k] = False
        one = signals[k]
        chance = rng.random()
        if chance < power_share:
            rename[one.net] = POWER
            continue
        if chance < power_share + 0.06:
            continue
        if chance > 0.65:
            links.append((one, None))
            continue
        distance = np.hypot(*(place - place[k]).T) + 1e3 * ~free
        for other in np.argsort(distance)[: 2 + int(rng.integers(6))]:
            two = signals[other]
            if free[other] and two.part != one.part and distance[other] < 12.0:
                free[other] = False
                rename[two.net] = one.net
                links.append((one, two))
                break
        else:
            links.append((one, None))
    _rename(layout, rename)
    return links


def _rename(layout: BoardLayout, rename: dict[int, int]) -> None:
    """Give copper, holes and terminals their final nets."""
    table = np.arange(layout.next_net)
    table[list(rename)] = list(rename.values())
    for copper in layout.copper:
        copper.nets[:] = table[copper.nets]
    layout.holes = [replace(hole, net=int(table[hole.net])) for hole in layout.holes]
    layout.terminals = [replace(terminal, net=int(table[terminal.net])) for terminal in layout.terminals]


def fan_out(layout: BoardLayout, rng: np.random.Generator) -> None:
    """Drill a via beside every surface land of a plane's net, and join them by a short track (a dog-bone)."""
    rule = layout.rule
    for terminal in layout.terminals:
        if terminal.net not in (GROUND, POWER) or terminal.layer < 0:
            continue
        if terminal.across > 1.2:
            _stitch(layout, terminal)
            continue
        start = int(rng.integers(4))
        reach = 0.5 * terminal.across + 0.5 * rule.pad_mm
        for distance in (reach + 0.02, 1.25 * reach, 1.6 * reach, reach + 0.8):
            if any(_dog_bone(layout, terminal, distance, (2 * start + k) % 8) for k in (1, 3, 5, 7, 0, 2, 4, 6)):
                break


def _stitch(layout: BoardLayout, terminal: Terminal) -> None:
    """Drill a field of vias into a large land."""
    pitch = max(1.0, 2.2 * layout.rule.pad_mm)
    count = int((terminal.across - layout.rule.pad_mm) / pitch) + 1
    for i in range(count):
        for j in range(count):
            x = terminal.x + (i - 0.5 * (count - 1)) * pitch
            y = terminal.y + (j - 0.5 * (count - 1)) * pitch
            if layout.admits_via(x, y, terminal.net):
                layout.add_via(x, y, terminal.net)


def _dog_bone(layout: BoardLayout, terminal: Terminal, distance: float, eighth: int) -> bool:
    angle = 0.25 * math.pi * eighth
    x, y = terminal.x + distance * math.cos(angle), terminal.y + distance * math.sin(angle)
    width = min(max(layout.rule.width_mm, 0.6 * terminal.across), 0.3)
    track = [flat.capsule(terminal.x, terminal.y, x, y, max(width, layout.rule.width_mm))]
    if not layout.admits_via(x, y, terminal.net) or not layout.admits_tracks(terminal.layer, track, terminal.net):
        return False
    layout.add_via(x, y, terminal.net)
    layout.add_tracks(terminal.layer, track, terminal.net)
    return True


class Router:
    """Routes connections on a grid, and accepts a path only if the exact check does."""

    def __init__(self, layout: BoardLayout) -> None:
        self.layout = layout
        self.cell = layout.rule.grid_mm
        x0, y0, x1, y1 = layout.outline
        margin = layout.rule.edge_mm + 0.5 * layout.rule.pad_mm
        self.x0, self.y0 = x0 + margin, y0 + margin
        nx, ny = int((x1 - x0 - 2.0 * margin) / self.cell), int((y1 - y0 - 2.0 * margin) / self.cell)
        self.shape = (max(ny, 1), max(nx, 1))
        self.layers = layout.signal_layers
        self.owner = np.full((len(self.layers), *self.shape), maze.FREE, dtype=np.int64)
        self.drillable = np.full(self.shape, maze.FREE, dtype=np.int64)
        self._claimed = [0] * len(self.layers)
        cells = len(self.layers) * self.shape[0] * self.shape[1]
        self._work = np.full(cells, np.inf), np.zeros(cells, np.int64), np.zeros(cells, np.int64)
        self._plane = np.array([self.cell, 0.0, self.x0, self.y0])
        self.refresh()

    def refresh(self) -> None:
        """Claim the cells around copper that was added since the last call."""
        rule = self.layout.rule
        track = (0.5 * rule.width_mm + rule.space_mm) / self.cell + SCALLOP
        via = (0.5 * rule.pad_mm + rule.space_mm) / self.cell
        for k, layer in enumerate(self.layers):
            copper = self.layout.copper[layer]
            start, self._claimed[k] = self._claimed[k], copper.count
            rows, nets = copper.rows[start:], copper.nets[start:]
            maze.claim(self.owner[k], rows, nets, track, self._plane)
            maze.claim(self.drillable, rows, nets, via, self._plane)

    def _cell_of(self, x: float, y: float) -> tuple[int, int]:
        ny, nx = self.shape
        column = min(nx - 1, max(0, int((x - self.x0) / self.cell)))
        return min(ny - 1, max(0, int((y - self.y0) / self.cell))), column

    def _point_of(self, row: int, column: int) -> tuple[float, float]:
        return self.x0 + (column + 0.5) * self.cell, self.y0 + (row + 0.5) * self.cell

    def _cell_at(self, terminal: Terminal) -> tuple[int, int, int]:
        level = self.layers.index(terminal.layer) if terminal.layer >= 0 else -1
        return level, *self._cell_of(terminal.x, terminal.y)

    def route(self, one: Terminal, two: Terminal | None, rng: np.random.Generator) -> bool:
        """Route from a terminal to another, or out of the view; say whether it succeeded."""
        level, *cell = self._cell_at(one)
        start = (max(level, 0), *cell)
        goal = (-1, *self._way_out(one, rng)) if two is None else self._cell_at(two)
        path = maze.search(self.owner, self.drillable, one.net, start, goal, VIA_PRICE, LEAN, LIMIT, *self._work)
        return len(path) >= 2 and self._lay(path, one, two)

    def _way_out(self, one: Terminal, rng: np.random.Generator) -> tuple[int, int]:
        """Return a cell on the side of the grid that is nearest, with a chance for the others."""
        ny, nx = self.shape
        row, column = self._cell_of(one.x, one.y)
        away = np.array([column, nx - 1 - column, row, ny - 1 - row]) * rng.uniform(0.6, 1.6, 4)
        slip = int(rng.normal(0.0, 4.0 / self.cell))
        side = int(np.argmin(away))
        if side < 2:
            return min(ny - 1, max(0, row + slip)), (0, nx - 1)[side]
        return (0, ny - 1)[side - 2], min(nx - 1, max(0, column + slip))

    def _lay(self, path: NDArray[np.int64], one: Terminal, two: Terminal | None) -> bool:
        """Turn a path into tracks and vias if the exact check admits all of them."""
        width, net = self.layout.rule.width_mm, one.net
        points = [(int(level), *self._point_of(int(row), int(column))) for level, row, column in path]
        tracks: dict[int, list[flat.Row]] = {}
        vias = []
        corners = _corners(points)
        for (level, x, y), (next_level, nx, ny) in pairwise(corners):
            if level != next_level:
                vias.append((x, y))
            else:
                tracks.setdefault(level, []).append(flat.capsule(x, y, nx, ny, width))
        for terminal, (level, x, y) in ((one, points[0]), (two, points[-1])):
            if terminal is not None:
                tracks.setdefault(level, []).append(flat.capsule(terminal.x, terminal.y, x, y, width))
        layout = self.layout
        if not all(layout.admits_tracks(self.layers[level], rows, net) for level, rows in tracks.items()):
            return False
        for k, (x, y) in enumerate(vias):
            # Vias of one path, too, must not come too close to one another.
            close = any(math.hypot(x - u, y - v) < layout.rule.pad_mm + layout.rule.hole_mm for u, v in vias[:k])
            if close or not layout.admits_via(x, y, net):
                return False
        for level, rows in tracks.items():
            layout.add_tracks(self.layers[level], rows, net)
        for x, y in vias:
            layout.add_via(x, y, net)
        self.refresh()
        return True


def _corners(points: list[tuple[int, float, float]]) -> list[tuple[int, float, float]]:
    """Drop the points at which a path runs straight on."""
    kept = [points[0]]
    for before, at, after in zip(points, points[1:], points[2:], strict=False):
        flat_run = before[0] == at[0] == after[0]
        straight = abs((at[1] - before[1]) * (after[2] - at[2]) - (at[2] - before[2]) * (after[1] - at[1])) < 1e-9
        if not (flat_run and straight):
            kept.append(at)
    kept.append(points[-1])
    return kept


def widen_tracks(layout: BoardLayout, rng: np.random.Generator, share: float) -> None:
    """Widen the tracks of a share of the nets to 0.2-1.2 mm where the clearance allows it."""
    chosen = set(np.flatnonzero(rng.random(layout.next_net) < share).tolist())
    wish = rng.lognormal(-1.0, 0.45, layout.next_net)
    for k in layout.signal_layers:
        copper = layout.copper[k]
        for index in range(copper.count):
            net, row = int(copper.nets[index]), tuple(copper.rows[index].tolist())
            if net not in chosen or int(row[0]) != flat.CAPSULE:
                continue
            room = copper.clearance(row, net, layout.rule.space_mm + 1.5) - layout.rule.space_mm - 1e-6
            x0, y0, x1, y1 = layout.outline
            inner = min(min(row[2], row[4]) - x0, x1 - max(row[2], row[4]))
            inner = min(inner, min(row[3], row[5]) - y0, y1 - max(row[3], row[5]))
            edge = inner - row[6] - layout.rule.edge_mm
            by = min(room, edge, 0.5 * float(np.clip(wish[net], 0.15, 1.2)) - row[6])
            if by > 0.0:
                copper.widen(index, flat.grown(row, by))


Points = list[tuple[float, float]]


def offset_polyline(points: Points, by: float) -> Points:
    """Return a polyline shifted sideways by ``by`` with mitred corners."""
    normals = []
    for (x0, y0), (x1, y1) in pairwise(points):
        length = math.hypot(x1 - x0, y1 - y0)
        normals.append(((y0 - y1) / length, (x1 - x0) / length))
    shifted = []
    for k, (x, y) in enumerate(points):
        ax, ay = normals[max(k - 1, 0)]
        bx, by_ = normals[min(k, len(normals) - 1)]
        scale = by / (1.0 + ax * bx + ay * by_)
        shifted.append((x + scale * (ax + bx), y + scale * (ay + by_)))
    return shifted


def serpentine(start: tuple[float, float], angle: float, length: float, period: float, swing: float) -> Points:
    """Return a meander from ``start`` along ``angle``: legs of ``swing`` to one side, corners cut at 45 degrees."""
    cut = 0.25 * period
    local: Points = [(0.0, 0.0)]
    for k in range(int(length / period)):
        s = k * period
        local += [
            (s + cut, 0.0),
            (s + 1.5 * cut, 0.5 * cut),
            (s + 1.5 * cut, swing - 0.5 * cut),
            (s + 2.0 * cut, swing),
            (s + 3.0 * cut, swing),
            (s + 3.5 * cut, swing - 0.5 * cut),
            (s + 3.5 * cut, 0.5 * cut),
            (s + 4.0 * cut, 0.0),
        ]
    local.append((length, 0.0))
    cosine, sine = math.cos(angle), math.sin(angle)
    return [(start[0] + cosine * x - sine * y, start[1] + sine * x + cosine * y) for x, y in local]


def _backbone(rng: np.random.Generator, outline: tuple[float, float, float, float]) -> Points:
    """Draw an octilinear line across the board, with one to three jogs."""
    x0, y0, x1, y1 = outline
    across = bool(rng.random() < 0.5)
    length, side = (x1 - x0, y1 - y0) if across else (y1 - y0, x1 - x0)
    along, place = 0.0, float(rng.uniform(0.05, 0.95)) * side
    points = [(along, place)]
    for _ in range(int(rng.integers(1, 4))):
        run, jog = float(rng.uniform(0.1, 0.5)) * length, float(rng.uniform(-0.3, 0.3)) * side
        if along + run + abs(jog) > 0.95 * length:
            break
        points += [(along + run, place), (along + run + abs(jog), place + jog)]
        along, place = along + run + abs(jog), place + jog
    points.append((length, place))
    return [(x0 + a, y0 + b) if across else (x0 + b, y0 + a) for a, b in points]


def _tracks(points: Points, width: float) -> list[flat.Row]:
    return [flat.capsule(*p, *q, width) for p, q in pairwise(points)]


def _try_bundle(layout: BoardLayout, rng: np.random.Generator, layer: int, lanes: int, *, pair: bool) -> bool:
    """Lay one bundle where the rules admit all of its lanes."""
    rule = layout.rule
    width = rule.width_mm * (1.0 if pair else float(rng.choice([1.0, 1.0, 1.5, 2.0])))
    pitch = width + rule.space_mm * (1.05 if pair else float(rng.choice([1.05, 1.05, 1.5, 2.5])))
    x0, y0, x1, y1 = layout.outline
    margin = rule.edge_mm + 0.5 * width
    line = _backbone(rng, (x0 + margin, y0 + margin, x1 - margin, y1 - margin))
    rows = []
    for lane in range(lanes):
        points = offset_polyline(line, (lane - 0.5 * (lanes - 1)) * pitch)
        if not all(layout.inside(x, y, 0.5 * width - 1e-9) for x, y in points):
            return False
        rows.append(_tracks(points, width))
    # A net that exists nowhere yet: the lanes are admitted against everything, and against one another by design.
    probe = layout.next_net
    if not all(layout.admits_tracks(layer, row, probe) for row in rows):
        return False
    for row in rows:
        layout.add_tracks(layer, row, layout.new_net())
    return True


def _try_serpentine(layout: BoardLayout, rng: np.random.Generator, layer: int) -> None:
    """Lay a meandering track between two vias."""
    rule = layout.rule
    x0, y0, x1, y1 = layout.outline
    period = 4.0 * max(rule.width_mm + rule.space_mm, 0.25)
    swing, length = float(rng.uniform(0.8, 2.5)), float(rng.uniform(4.0, 12.0)) * period
    angle = 0.5 * math.pi * int(rng.integers(4))
    start = (float(rng.uniform(x0, x1)), float(rng.uniform(y0, y1)))
    points = serpentine(start, angle, length, period, swing)
    if not all(layout.inside(x, y, rule.width_mm) for x, y in points):
        return
    net, rows = layout.next_net, _tracks(points, rule.width_mm)
    ends = (points[0], points[-1])
    if layout.admits_tracks(layer, rows, net) and all(layout.admits_via(*end, net) for end in ends):
        layout.new_net()
        layout.add_tracks(layer, rows, net)
        for end in ends:
            layout.add_via(*end, net)


def lay_bundles(layout: BoardLayout, rng: np.random.Generator, *, buses: int, pairs: int, serpentines: int) -> None:
    """Lay up to the given numbers of buses, differential pairs and serpentines on the signal layers."""
    layers = layout.signal_layers
    wanted = [(False, int(rng.integers(3, 13))) for _ in range(buses)] + [(True, 2)] * pairs
    for pair, most in wanted:
        for fewer in range(12):
            if _try_bundle(layout, rng, int(rng.choice(layers)), max(2, most - fewer), pair=pair):
                break
    for _ in range(serpentines):
        for _ in range(6):
            _try_serpentine(layout, rng, int(rng.choice(layers)))
