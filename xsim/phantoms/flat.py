"""Thin shapes: copper, pads, mask openings, solder prints, drawn as exact pixel coverage.

A shape is a row of numbers in mm. Within a layer shapes join by ``max`` (union) and erase by ``min`` with the
complement, in the order they are given; layers add up elsewhere. Coverage comes from the signed distance: 1 or 0 away
from the edge, and a 4 x 4 mean of box-filtered samples in the edge band.
"""

from __future__ import annotations

import math

import numpy as np

from xsim.compiled import compiled

__all__ = ["COLUMNS", "box", "capsule", "cleared", "disc", "grown", "moved", "paint", "ring"]

# Kinds of shapes, in the first column of a row.
CAPSULE, BOX, RING = 0, 1, 2
# kind, clear, then: capsule x0 y0 x1 y1 r | box cx cy hx hy angle corner | ring cx cy r_out r_in
COLUMNS = 8
# Side of the tiles in which large shapes are filled or skipped whole [px].
TILE = 16
Row = tuple[float, ...]


def capsule(x0: float, y0: float, x1: float, y1: float, width: float) -> Row:
    """Return a straight track of round ends: axis from (x0, y0) to (x1, y1), full ``width`` [mm]."""
    return (CAPSULE, 0.0, x0, y0, x1, y1, 0.5 * width, 0.0)


def disc(x: float, y: float, diameter: float) -> Row:
    """Return a disc [mm]."""
    return (RING, 0.0, x, y, 0.5 * diameter, 0.0, 0.0, 0.0)


def ring(x: float, y: float, outer: float, inner: float) -> Row:
    """Return an annulus between two diameters [mm]."""
    return (RING, 0.0, x, y, 0.5 * outer, 0.5 * inner, 0.0, 0.0)


def box(x: float, y: float, width: float, height: float, angle: float = 0.0, corner: float = 0.0) -> Row:
    """Return a rectangle of full ``width`` and ``height`` [mm], turned by ``angle`` [rad], corner radius [mm]."""
    return (BOX, 0.0, x, y, 0.5 * width, 0.5 * height, angle, min(corner, 0.5 * width, 0.5 * height))


def cleared(row: Row) -> Row:
    """Return the shape as an eraser."""
    return (row[0], 1.0, *row[2:])


def grown(row: Row, by: float) -> Row:
    """Return the shape with every point within ``by`` [mm] of it (a box's corners become round)."""
    kind = int(row[0])
    if kind == CAPSULE:
        return (*row[:6], max(row[6] + by, 0.0), 0.0)
    if kind == RING:
        # A disc has no inner edge that could grow.
        inner = max(row[5] - by, 0.0) if row[5] > 0.0 else 0.0
        return (*row[:4], max(row[4] + by, 0.0), inner, 0.0, 0.0)
    half_x, half_y = max(row[4] + by, 0.0), max(row[5] + by, 0.0)
    return (*row[:4], half_x, half_y, row[6], min(max(row[7] + by, 0.0), half_x, half_y))


def moved(row: Row, dx: float, dy: float) -> Row:
    """Return the shape shifted [mm]."""
    if int(row[0]) == CAPSULE:
        return (*row[:2], row[2] + dx, row[3] + dy, row[4] + dx, row[5] + dy, *row[6:])
    return (*row[:2], row[2] + dx, row[3] + dy, *row[4:])


@compiled(inline="always")
def _norm(x, y):  # type: ignore[no-untyped-def]
    # math.hypot guards against overflow and costs three times as much.
    return math.sqrt(x * x + y * y)


@compiled(inline="always")
def _distance(kind, p, u, v):  # type: ignore[no-untyped-def]  # numba types it
    """Return the signed distance of (u, v) to a shape, negative inside; ``p`` as ``_to_pixels`` writes it."""
    if kind == CAPSULE:
        dx, dy = p[2] - p[0], p[3] - p[1]
        along = min(1.0, max(0.0, ((u - p[0]) * dx + (v - p[1]) * dy) * p[5]))
        return _norm(u - p[0] - along * dx, v - p[1] - along * dy) - p[4]
    if kind == RING:
        rho = _norm(u - p[0], v - p[1])
        return max(rho - p[2], p[3] - rho) if p[3] > 0.0 else rho - p[2]
    du, dv = u - p[0], v - p[1]
    qx = abs(p[4] * du + p[5] * dv) - p[2] + p[6]
    qy = abs(p[4] * dv - p[5] * du) - p[3] + p[6]
    return _norm(max(qx, 0.0), max(qy, 0.0)) + min(max(qx, qy), 0.0) - p[6]


@compiled(error_model="numpy")
def _to_pixels(row, plane, p):  # type: ignore[no-untyped-def]
    """Write a shape's parameters in pixels into ``p`` and return its kind and the reach around (p0, p1)."""
    a, b, ox, oy = plane[0], plane[1], plane[2], plane[3]
    square = a * a + b * b
    scale = 1.0 / math.sqrt(square)
    kind = int(row[0])
    dx, dy = row[2] - ox, row[3] - oy
    p[0], p[1] = (a * dx + b * dy) / square, (a * dy - b * dx) / square
    if kind == CAPSULE:
        dx, dy = row[4] - ox, row[5] - oy
        p[2], p[3] = (a * dx + b * dy) / square, (a * dy - b * dx) / square
        p[4] = row[6] * scale
        length = (p[2] - p[0]) ** 2 + (p[3] - p[1]) ** 2
        p[5] = 1.0 / length if length > 0.0 else 0.0
        return kind, p[4], p[4]
    p[2], p[3] = row[4] * scale, row[5] * scale
    if kind == RING:
        return kind, p[2], p[2]
    cosine, sine = math.cos(row[6]), math.sin(row[6])
    # The box's axes, seen in the turned image.
    p[4], p[5] = (a * cosine + b * sine) * scale, (a * sine - b * cosine) * scale
    p[6] = row[7] * scale
    return kind, abs(p[4]) * p[2] + abs(p[5]) * p[3], abs(p[5]) * p[2] + abs(p[4]) * p[3]


@compiled(error_model="numpy")
def _edge(kind, p, u, v, sharpness):  # type: ignore[no-untyped-def]
    """Return the coverage of the pixel centred at (u, v) from 4 x 4 samples of ``clip(1/2 - sharpness d)``."""
    total = 0.0
    for i in range(4):
        for j in range(4):
            d = _distance(kind, p, u + 0.25 * j - 0.375, v + 0.25 * i - 0.375)
            total += min(1.0, max(0.0, 0.5 - sharpness * d))
    return total / 16.0


@compiled(error_model="numpy")
def _row_span(p, v):  # type: ignore[no-untyped-def]
    """Return a range of u that holds every pixel of row v which a capsule can touch."""
    margin = p[4] + 1.5
    u0, v0, u1, v1 = p[0], p[1], p[2], p[3]
    if abs(v1 - v0) < 1e-9:
        return min(u0, u1) - margin, max(u0, u1) + margin
    # Only the axis between rows v - margin and v + margin can reach this row.
    t0 = min(1.0, max(0.0, (v - margin - v0) / (v1 - v0)))
    t1 = min(1.0, max(0.0, (v + margin - v0) / (v1 - v0)))
    low, high = u0 + t0 * (u1 - u0), u0 + t1 * (u1 - u0)
    return min(low, high) - margin, max(low, high) + margin


@compiled(error_model="numpy")
def _run(coverage, kind, p, i, left, right, band, sharpness, clear):  # type: ignore[no-untyped-def]
    """Draw a shape's pixels ``left`` to ``right`` of row i."""
    for j in range(left, right):
        d = _distance(kind, p, j + 0.5, i + 0.5)
        if d > band:
            continue
        c = 1.0 if d < -band else _edge(kind, p, j + 0.5, i + 0.5, sharpness)
        if clear:
            coverage[i, j] = min(coverage[i, j], np.float32(1.0 - c))
        else:
            coverage[i, j] = max(coverage[i, j], np.float32(c))


@compiled(error_model="numpy")
def paint(coverage, rows, plane, soft_mm):  # type: ignore[no-untyped-def]
    """Draw shapes onto a coverage map in place.

    Parameters
    ----------
    coverage : (H, W) float32 array
        Map of one layer, 0 to 1.
    rows : (n, COLUMNS) float64 array
        Shapes [mm], drawn in order.
    plane : (4,) float64 array
        ``View.plane`` of the layer's height.
    soft_mm : float
        Width of the sloping edge (etched side walls) [mm]; 0 for a vertical one.
    """
    height, width = coverage.shape
    pixel = math.hypot(plane[0], plane[1])
    sharpness = 1.0 / max(0.25, soft_mm / pixel)
    band = 0.71 + 0.5 * max(0.25, soft_mm / pixel)
    p = np.empty(7)
    for n in range(rows.shape[0]):
        kind, reach_x, reach_y = _to_pixels(rows[n], plane, p)
        clear = rows[n, 1] > 0.0
        if kind == CAPSULE:
            top, bottom = min(p[1], p[3]) - reach_y, max(p[1], p[3]) + reach_y
            for i in range(max(0, int(top - 1.5)), min(height, int(bottom + 2.5))):
                low, high = _row_span(p, i + 0.5)
                _run(coverage, kind, p, i, max(0, int(low)), min(width, int(high + 1.0)), band, sharpness, clear)
            continue
        left, right = max(0, int(p[0] - reach_x - 1.5)), min(width, int(p[0] + reach_x + 2.5))
        top, bottom = max(0, int(p[1] - reach_y - 1.5)), min(height, int(p[1] + reach_y + 2.5))
        for i in range(top, bottom, TILE):
            for j in range(left, right, TILE):
                # A distance changes by no more than the way gone: the middle can speak for the tile.
                d = _distance(kind, p, j + 0.5 * TILE, i + 0.5 * TILE)
                if d > TILE + band:
                    continue
                i1, j1 = min(i + TILE, bottom), min(j + TILE, right)
                if d < -TILE - band:
                    coverage[i:i1, j:j1] = np.float32(0.0 if clear else 1.0)
                    continue
                for row in range(i, i1):
                    _run(coverage, kind, p, row, j, j1, band, sharpness, clear)
