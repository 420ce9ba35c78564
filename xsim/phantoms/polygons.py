"""Polygons of any outline, holes included, filled by exact-area accumulation.

Each edge adds, per row, the signed area that it leaves to its right and the change in height it makes; a running sum
along the row then gives the covered area of every pixel exactly, as font rasterisers do (Levien's accumulation
buffer, 2016). Overlapping loops of one turn count once, loops of the other turn are holes.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from xsim.compiled import compiled

__all__ = ["Polygon", "fill", "polygon_area"]


@dataclass(frozen=True)
class Polygon:
    """Closed loops that are filled together.

    Attributes
    ----------
    points_mm : (n, 2) float64 array
        Vertices of all loops, loop behind loop [mm]; no loop repeats its first vertex.
    loops : (k + 1,) int64 array
        Where each loop starts, and the end.
    clear : bool
        Erase instead of draw.
    """

    points_mm: NDArray[np.float64]
    loops: NDArray[np.int64]
    clear: bool = False

    @classmethod
    def of(cls, points_mm: NDArray[np.float64], *, clear: bool = False) -> Polygon:
        """Return the polygon of one loop, (n, 2) [mm]."""
        return cls(np.ascontiguousarray(points_mm, dtype=np.float64), np.array([0, len(points_mm)]), clear)

    def bounds(self) -> tuple[float, float, float, float]:
        """Return x0, y0, x1, y1 [mm]."""
        low, high = self.points_mm.min(axis=0), self.points_mm.max(axis=0)
        return float(low[0]), float(low[1]), float(high[0]), float(high[1])


def polygon_area(points: NDArray[np.float64]) -> float:
    """Return the signed area of one loop, (n, 2)."""
    x, y = points[:, 0], points[:, 1]
    return 0.5 * float(np.dot(x, np.roll(y, -1)) - np.dot(y, np.roll(x, -1)))


@compiled(error_model="numpy")
def _cell(total, row, width, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Add one piece of an edge that stays inside a row; x in pixels, y in rows, already ordered in x."""
    rise = y1 - y0
    left, right = math.floor(x0), math.floor(x1)
    if left == right or x1 - x0 < 1e-12:
        if left < width:
            share = 0.5 * (x0 + x1) - left
            total[row, left] += rise * (1.0 - share)
            total[row, left + 1] += rise * share
        return
    slope = rise / (x1 - x0)
    x = x0
    for column in range(left, min(right, width - 1) + 1):
        nxt = min(x1, column + 1.0)
        part = slope * (nxt - x)
        share = 0.5 * (x + nxt) - column
        total[row, column] += part * (1.0 - share)
        total[row, column + 1] += part * share
        x = nxt


@compiled(error_model="numpy")
def _edge(total, x0, y0, x1, y1):  # type: ignore[no-untyped-def]
    """Add a directed edge, in pixels of the accumulation buffer (height, width + 2)."""
    height, width = total.shape[0], total.shape[1] - 2
    if y0 == y1:
        return
    sign = 1.0
    if y0 > y1:
        x0, y0, x1, y1, sign = x1, y1, x0, y0, -1.0
    slope = (x1 - x0) / (y1 - y0)
    top, bottom = max(y0, 0.0), min(y1, float(height))
    row = int(top)
    while row < bottom:
        a, b = max(top, float(row)), min(bottom, row + 1.0)
        xa, xb = x0 + slope * (a - y0), x0 + slope * (b - y0)
        _clipped(total, row, width, xa, xb, sign * (b - a))
        row += 1


@compiled(error_model="numpy")
def _clipped(total, row, width, xa, xb, rise):  # type: ignore[no-untyped-def]
    """Split a piece at the window's left and right side; what lies left covers the row, what lies right nothing."""
    x0, x1 = min(xa, xb), max(xa, xb)
    if x1 <= 0.0:
        total[row, 0] += rise
        return
    if x1 == x0:
        if x0 < width:
            _cell(total, row, width, x0, 0.0, x1, rise)
        return
    steep = rise / (x1 - x0)
    if x0 < 0.0:
        total[row, 0] += steep * -x0
        x0 = 0.0
    x1 = min(x1, float(width))
    if x1 > x0:
        _cell(total, row, width, x0, 0.0, x1, steep * (x1 - x0))


@compiled(error_model="numpy")
def _resolve(coverage, total, top, left, clear):  # type: ignore[no-untyped-def]
    """Run the sums along the rows and join the polygon with the layer."""
    for i in range(total.shape[0]):
        run = 0.0
        for j in range(total.shape[1] - 2):
            run += total[i, j]
            c = np.float32(min(1.0, abs(run)))
            if c <= 1e-7:
                continue
            old = coverage[top + i, left + j]
            coverage[top + i, left + j] = min(old, np.float32(1.0) - c) if clear else max(old, c)


@compiled(error_model="numpy")
def fill(coverage, points, loops, plane, clear):  # type: ignore[no-untyped-def]
    """Draw a polygon onto a coverage map in place.

    Parameters
    ----------
    coverage : (H, W) float32 array
        Map of one layer, 0 to 1.
    points, loops, clear :
        As in ``Polygon``.
    plane : (4,) float64 array
        ``View.plane`` of the layer's height.
    """
    a, b, ox, oy = plane[0], plane[1], plane[2], plane[3]
    square = a * a + b * b
    n = points.shape[0]
    u, v = np.empty(n), np.empty(n)
    for k in range(n):
        dx, dy = points[k, 0] - ox, points[k, 1] - oy
        u[k], v[k] = (a * dx + b * dy) / square, (a * dy - b * dx) / square
    left, right = max(0, math.floor(u.min())), min(coverage.shape[1], math.ceil(u.max()))
    top, bottom = max(0, math.floor(v.min())), min(coverage.shape[0], math.ceil(v.max()))
    if left >= right or top >= bottom:
        return
    total = np.zeros((bottom - top, right - left + 2))
    for loop in range(loops.shape[0] - 1):
        start, end = loops[loop], loops[loop + 1]
        for k in range(start, end):
            m = k + 1 if k + 1 < end else start
            _edge(total, u[k] - left, v[k] - top, u[m] - left, v[m] - top)
    _resolve(coverage, total, top, left, clear)
