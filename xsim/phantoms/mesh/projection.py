"""Exact thickness of closed surfaces: every triangle adds its signed depth to the pixels that it covers.

Along a ray the thickness of a closed surface is the sum of the heights at which the ray leaves it, less those at which
it enters: faces that look up count plus, those that look down minus, whatever the order. The mean over a pixel is the
sum over triangles of the integral of that height over the common part of triangle and pixel, which is found by cutting
the triangle along the pixels' borders. No ray is sampled, so none can slip through between two triangles, and the
volume of the map is that of the mesh to rounding.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from xsim.compiled import compiled

__all__ = ["add_thickness", "seen_at"]

# Corners of a triangle that four borders have cut: three and one more for each.
_CORNERS = 8


@compiled(error_model="numpy")
def _copy(start, count, end):  # type: ignore[no-untyped-def]
    for k in range(count):
        for c in range(3):
            end[k, c] = start[k, c]


@compiled(error_model="numpy")
def _split(polygon, count, axis, at, low, high):  # type: ignore[no-untyped-def]
    """Cut a convex polygon at ``axis = at``; write both parts, rows (u, v, depth), and return their corners' numbers.

    Corners are copied number by number: slices of arrays take numba half a minute to compile.
    """
    below, above = 0, 0
    for k in range(count):
        n = k + 1 if k + 1 < count else 0
        a, b = polygon[k, axis] - at, polygon[n, axis] - at
        if a <= 0.0:
            for c in range(3):
                low[below, c] = polygon[k, c]
            below += 1
        if a >= 0.0:
            for c in range(3):
                high[above, c] = polygon[k, c]
            above += 1
        if a * b < 0.0:
            share = a / (a - b)
            for c in range(3):
                value = at if c == axis else polygon[k, c] + share * (polygon[n, c] - polygon[k, c])
                low[below, c] = value
                high[above, c] = value
            below += 1
            above += 1
    return below, above


@compiled(error_model="numpy")
def _integral(polygon, count, source):  # type: ignore[no-untyped-def]
    """Return the signed integral of the height over a polygon: plus where its corners run as the pixels' axes do.

    Depth is the height itself for parallel rays. For a source at height h it is ``q = 1 / (1 - z / h)``, which is what
    is linear in the image; the height ``h (1 - 1 / q)`` is then integrated by the rule of edge middles.
    """
    total = 0.0
    u0, v0, d0 = polygon[0, 0], polygon[0, 1], polygon[0, 2]
    for k in range(1, count - 1):
        d1, d2 = polygon[k, 2], polygon[k + 1, 2]
        area = 0.5 * ((polygon[k, 0] - u0) * (polygon[k + 1, 1] - v0) - (polygon[k + 1, 0] - u0) * (polygon[k, 1] - v0))
        if source > 0.0:
            inverse = 2.0 / (d0 + d1) + 2.0 / (d1 + d2) + 2.0 / (d2 + d0)
            total += area * source * (1.0 - inverse / 3.0)
        else:
            total += area * (d0 + d1 + d2) / 3.0
    return total


@compiled(error_model="numpy")
def _add_row(path, i, strip, count, work, source):  # type: ignore[no-untyped-def]
    """Add the part of a triangle that lies in row i of the image."""
    part, rest, spare = work
    left, right = strip[0, 0], strip[0, 0]
    for k in range(1, count):
        left, right = min(left, strip[k, 0]), max(right, strip[k, 0])
    first, last = max(0, math.floor(left)), min(path.shape[1] - 1, math.floor(right))
    if first > last:
        return
    _copy(strip, count, rest)
    if left < first:
        _, count = _split(rest, count, 0, float(first), part, spare)
        _copy(spare, count, rest)
    for j in range(first, last + 1):
        if count < 3:
            return
        if right <= j + 1.0:
            path[i, j] += _integral(rest, count, source)
            return
        cut, left_over = _split(rest, count, 0, j + 1.0, part, spare)
        if cut >= 3:
            path[i, j] += _integral(part, cut, source)
        count = left_over
        _copy(spare, count, rest)


@compiled(error_model="numpy")
def _add_triangle(path, corners, rows, work, source):  # type: ignore[no-untyped-def]
    """Add a triangle, rows (u, v, depth), to the map."""
    strip, rest, spare = rows
    v0, v1, v2 = corners[0, 1], corners[1, 1], corners[2, 1]
    top, bottom = min(v0, v1, v2), max(v0, v1, v2)
    first, last = max(0, math.floor(top)), min(path.shape[0] - 1, math.floor(bottom))
    if first > last:
        return
    count = 3
    _copy(corners, 3, rest)
    if top < first:
        _, count = _split(rest, count, 1, float(first), strip, spare)
        _copy(spare, count, rest)
    for i in range(first, last + 1):
        if count < 3:
            return
        if bottom <= i + 1.0:
            _add_row(path, i, rest, count, work, source)
            return
        cut, left = _split(rest, count, 1, i + 1.0, strip, spare)
        if cut >= 3:
            _add_row(path, i, strip, cut, work, source)
        count = left
        _copy(spare, count, rest)


@compiled(error_model="numpy")
def _see(triangles, n, k, rays, corners):  # type: ignore[no-untyped-def]
    """Write where corner k of triangle n is seen [pixels] and its depth; ``rays`` as `View.rays`."""
    x, y, z = triangles[n, k, 0], triangles[n, k, 1], triangles[n, k, 2]
    scale = 1.0 / (1.0 - z * rays[8])
    dx, dy = (x - rays[0] - z * rays[6]) * scale, (y - rays[1] - z * rays[7]) * scale
    square = rays[2] * rays[2] + rays[3] * rays[3]
    corners[k, 0] = (rays[2] * dx + rays[3] * dy) / square + rays[4]
    corners[k, 1] = (rays[2] * dy - rays[3] * dx) / square + rays[5]
    corners[k, 2] = scale if rays[8] > 0.0 else z


@compiled(error_model="numpy")
def _add_all(path, triangles, rays):  # type: ignore[no-untyped-def]
    source = 1.0 / rays[8] if rays[8] > 0.0 else 0.0
    corners = np.empty((3, 3))
    rows = (np.empty((_CORNERS, 3)), np.empty((_CORNERS, 3)), np.empty((_CORNERS, 3)))
    work = (np.empty((_CORNERS, 3)), np.empty((_CORNERS, 3)), np.empty((_CORNERS, 3)))
    for n in range(triangles.shape[0]):
        for k in range(3):
            _see(triangles, n, k, rays, corners)
        _add_triangle(path, corners, rows, work, source)


@compiled(error_model="numpy")
def _along_rays(path, rays):  # type: ignore[no-untyped-def]
    """Turn heights into paths: a ray of slope t is longer by sqrt(1 + t^2)."""
    for i in range(path.shape[0]):
        dv = i + 0.5 - rays[5]
        for j in range(path.shape[1]):
            if path[i, j] == 0.0:
                continue
            du = j + 0.5 - rays[4]
            tx = rays[6] - (rays[2] * du - rays[3] * dv) * rays[8]
            ty = rays[7] - (rays[3] * du + rays[2] * dv) * rays[8]
            path[i, j] *= math.sqrt(1.0 + tx * tx + ty * ty)


def add_thickness(
    path: NDArray[np.float64], triangles: NDArray[np.float64], rays: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Add the path of rays inside a closed surface to a map, and return the map.

    Parameters
    ----------
    path : (H, W) float64 array
        Mean path over each pixel [mm], changed in place.
    triangles : (n, 3, 3) float64 array
        Corners (x, y, z) [mm] of triangles that run against the clock seen from outside; all below the source.
    rays : (9,) float64 array
        ``View.rays``.
    """
    own = np.zeros_like(path)
    _add_all(own, np.ascontiguousarray(triangles), rays)
    _along_rays(own, rays)
    path += own
    return path


def seen_at(points: NDArray[np.float64], rays: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where points (n, 3) [mm] are seen, (n, 2) as (u, v) in pixels from the image's corner."""
    scale = 1.0 / (1.0 - points[:, 2] * rays[8])
    dx = (points[:, 0] - rays[0] - points[:, 2] * rays[6]) * scale
    dy = (points[:, 1] - rays[1] - points[:, 2] * rays[7]) * scale
    square = rays[2] ** 2 + rays[3] ** 2
    u = (rays[2] * dx + rays[3] * dy) / square + rays[4]
    v = (rays[2] * dy - rays[3] * dx) / square + rays[5]
    return np.stack((u, v), axis=1)
