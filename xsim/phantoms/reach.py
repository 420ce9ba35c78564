"""What of an image a solid can touch: the window it is seen in, and whether it is too thin to meet by chance."""

from __future__ import annotations

import math

import numba
import numpy as np

from xsim.phantoms.solids import ROD, SLAB

__all__ = ["all_thin", "is_thin", "reach_of", "select", "window_of"]

REACH = 10


@numba.njit(cache=True, error_model="numpy")
def _project(x, y, z, rays):  # type: ignore[no-untyped-def]
    """Return the pixel (u, v) at which a point is seen."""
    square = rays[2] * rays[2] + rays[3] * rays[3]
    # The ray through (x, y, z) meets z = 0 where the layer's similarity sends it.
    scale = 1.0 / (1.0 - z * rays[8])
    dx, dy = (x - rays[0] - z * rays[6]) * scale, (y - rays[1] - z * rays[7]) * scale
    return (rays[2] * dx + rays[3] * dy) / square + rays[4], (rays[2] * dy - rays[3] * dx) / square + rays[5]


@numba.njit(cache=True, error_model="numpy")
def _slab_width(rows, k, rays):  # type: ignore[no-untyped-def]
    """Return how narrow a box looks along the central ray [mm]: a plate on edge is thin, seen obliquely it is not."""
    shadow = np.empty((3, 2))
    longest = 0.0
    for axis in range(3):
        size, first = 2.0 * rows[k, 11 + axis], 14 + 3 * axis
        shadow[axis, 0] = size * (rows[k, first] - rays[6] * rows[k, first + 2])
        shadow[axis, 1] = size * (rows[k, first + 1] - rays[7] * rows[k, first + 2])
        longest = max(longest, math.hypot(shadow[axis, 0], shadow[axis, 1]))
    widest = 0.0
    for axis in range(3):
        other = (axis + 1) % 3
        cross = shadow[axis, 0] * shadow[other, 1] - shadow[axis, 1] * shadow[other, 0]
        widest = max(widest, abs(cross) / longest)
    return widest


@numba.njit(cache=True, error_model="numpy")
def reach_of(rows, rays):  # type: ignore[no-untyped-def]
    """Return what of the image each solid can touch, shape (n, REACH).

    First the range of pixels (u0, u1, v0, v1), then, for thin rods, the axis from (u, v) to (u, v) and the radius, and
    last the width [mm] of the narrowest thing to be seen.
    """
    reach = np.empty((rows.shape[0], REACH))
    pixel = math.hypot(rays[2], rays[3])
    for k in range(rows.shape[0]):
        reach[k, 0], reach[k, 1], reach[k, 2], reach[k, 3] = 1e18, -1e18, 1e18, -1e18
        for corner in range(8):
            x, y = rows[k, 2 if corner & 1 else 1], rows[k, 4 if corner & 2 else 3]
            u, v = _project(x, y, rows[k, 6 if corner & 4 else 5], rays)
            reach[k, 0], reach[k, 1] = min(reach[k, 0], u), max(reach[k, 1], u)
            reach[k, 2], reach[k, 3] = min(reach[k, 2], v), max(reach[k, 3], v)
        reach[k, 8] = -1.0
        reach[k, 9] = rows[k, 7] if int(rows[k, 0]) != SLAB else _slab_width(rows, k, rays)
        if int(rows[k, 0]) == ROD and rows[k, 7] < 2.0 * pixel:
            reach[k, 4], reach[k, 5] = _project(rows[k, 8], rows[k, 9], rows[k, 10], rays)
            reach[k, 6], reach[k, 7] = _project(rows[k, 11], rows[k, 12], rows[k, 13], rays)
            # A tilted sphere's shadow is an ellipse: longer by the ray's slope.
            steep = math.hypot(rays[6], rays[7]) + 0.2
            reach[k, 8] = 0.5 * rows[k, 7] / pixel * math.sqrt(1.0 + steep * steep)
    return reach


@numba.njit(cache=True, error_model="numpy")
def window_of(reach, body, shape):  # type: ignore[no-untyped-def]
    """Return the rows and columns (i0, i1, j0, j1) that a body touches."""
    u0, u1, v0, v1 = 1e18, -1e18, 1e18, -1e18
    for k in range(body[0], body[0] + body[1]):
        u0, u1 = min(u0, reach[k, 0]), max(u1, reach[k, 1])
        v0, v1 = min(v0, reach[k, 2]), max(v1, reach[k, 3])
    height, width = shape
    i0, i1 = max(0.0, math.floor(v0)), min(float(height), math.floor(v1) + 1.0)
    j0, j1 = max(0.0, math.floor(u0)), min(float(width), math.floor(u1) + 1.0)
    return int(i0), int(i1), int(j0), int(j1)


@numba.njit(cache=True, error_model="numpy")
def select(reach, start, count, window, near):  # type: ignore[no-untyped-def]
    """Write those of ``count`` solids that reach into a window (i0, i1, j0, j1): their number, then their rows."""
    n = 0
    for k in range(start, start + count):
        if reach[k, 0] > window[3] or reach[k, 1] < window[2] or reach[k, 2] > window[1] or reach[k, 3] < window[0]:
            continue
        n += 1
        near[n] = k
    near[0] = n


@numba.njit(cache=True, error_model="numpy")
def is_thin(reach, near, i, j, pixel):  # type: ignore[no-untyped-def]
    """Say whether corners and centre of pixel (i, j) could miss a part of the body."""
    for kind in range(2):
        for c in range(near[kind, 0]):
            k = near[kind, 1 + c]
            if reach[k, 9] >= 2.0 * pixel or reach[k, 0] >= j + 1.0 or reach[k, 1] <= j:
                continue
            if reach[k, 2] >= i + 1.0 or reach[k, 3] <= i:
                continue
            if reach[k, 8] < 0.0:
                return True
            du, dv = reach[k, 6] - reach[k, 4], reach[k, 7] - reach[k, 5]
            square = du * du + dv * dv
            u, v = j + 0.5 - reach[k, 4], i + 0.5 - reach[k, 5]
            along = min(1.0, max(0.0, (u * du + v * dv) / square)) if square > 0.0 else 0.0
            if math.hypot(u - along * du, v - along * dv) < reach[k, 8] + 0.75:
                return True
    return False


@numba.njit(cache=True, error_model="numpy")
def all_thin(reach, near, pixel):  # type: ignore[no-untyped-def]
    """Say whether every solid near a tile is thin: only the pixels that one touches need rays then."""
    count = 0
    for c in range(1, near[0, 0] + 1):
        count += reach[near[0, c], 9] < 2.0 * pixel
    return count == near[0, 0]
