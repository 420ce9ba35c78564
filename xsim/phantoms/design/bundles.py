"""Tracks that run together: buses, differential pairs, and serpentines that match their lengths."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING

from xsim.phantoms import flat

if TYPE_CHECKING:
    import numpy as np

    from xsim.phantoms.design.layout import Layout

__all__ = ["lay_bundles", "offset_polyline", "serpentine"]

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


def _try_bundle(layout: Layout, rng: np.random.Generator, layer: int, lanes: int, *, pair: bool) -> bool:
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


def _try_serpentine(layout: Layout, rng: np.random.Generator, layer: int) -> None:
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


def lay_bundles(layout: Layout, rng: np.random.Generator, *, buses: int, pairs: int, serpentines: int) -> None:
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
