"""Bodies: unions of convex solids less their voids, drawn as path lengths by casting rays (numba).

Along a ray the solids of a body are intervals of height. They are merged (touching parts of one body count once) and
the merged voids cut out, so bridges, pins in solder and bubbles in balls come out exactly. A pixel's value is the mean
over its area: Simpson's rule on its centre and corners where these agree, 4 x 4 rays where they do not.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from xsim.phantoms.chords import chord

__all__ = ["cast", "silhouette"]

# Intervals a body may have along one ray, solids and voids each.
MOST = 96
SAMPLES = 4


@numba.njit(cache=True)
def _gather(rows, reach, first, count, u, v, ray, intervals):  # type: ignore[no-untyped-def]
    """Write the merged intervals of ``count`` solids along a ray, sorted, and return how many are left."""
    x, y, tx, ty = ray
    n = 0
    for k in range(first, first + count):
        if u < reach[k, 0] or u > reach[k, 1] or v < reach[k, 2] or v > reach[k, 3]:
            continue
        z0, z1 = chord(int(rows[k, 0]), rows[k, 8:], x, y, tx, ty)
        if z0 >= z1 or n >= MOST:
            continue
        i = n
        while i > 0 and intervals[i - 1, 0] > z0:
            intervals[i, 0], intervals[i, 1] = intervals[i - 1, 0], intervals[i - 1, 1]
            i -= 1
        intervals[i, 0], intervals[i, 1] = z0, z1
        n += 1
    if n < 2:
        return n
    last = 0
    for k in range(1, n):
        if intervals[k, 0] <= intervals[last, 1]:
            intervals[last, 1] = max(intervals[last, 1], intervals[k, 1])
        else:
            last += 1
            intervals[last, 0], intervals[last, 1] = intervals[k, 0], intervals[k, 1]
    return last + 1


@numba.njit(cache=True)
def _length(rows, reach, body, u, v, rays, solid, void):  # type: ignore[no-untyped-def]
    """Return the path [mm] of the ray through pixel position (u, v) inside a body."""
    du, dv = u - rays[4], v - rays[5]
    dx, dy = rays[2] * du - rays[3] * dv, rays[3] * du + rays[2] * dv
    tx, ty = rays[6] - dx * rays[8], rays[7] - dy * rays[8]
    ray = (rays[0] + dx, rays[1] + dy, tx, ty)
    n = _gather(rows, reach, body[0], body[1], u, v, ray, solid)
    if n == 0:
        return 0.0
    total = 0.0
    for k in range(n):
        total += solid[k, 1] - solid[k, 0]
    if body[2] > 0:
        m = _gather(rows, reach, body[0] + body[1], body[2], u, v, ray, void)
        for i in range(m):
            for k in range(n):
                total -= max(0.0, min(solid[k, 1], void[i, 1]) - max(solid[k, 0], void[i, 0]))
    return total * math.sqrt(1.0 + tx * tx + ty * ty)


@numba.njit(cache=True)
def _mean(rows, reach, body, i, j, rays, solid, void):  # type: ignore[no-untyped-def]
    """Return the mean path over pixel (i, j) from SAMPLES x SAMPLES rays."""
    total = 0.0
    for a in range(SAMPLES):
        for b in range(SAMPLES):
            u, v = j + (b + 0.5) / SAMPLES, i + (a + 0.5) / SAMPLES
            total += _length(rows, reach, body, u, v, rays, solid, void)
    return total / (SAMPLES * SAMPLES)


@numba.njit(cache=True)
def _reach(rows, rays, reach):  # type: ignore[no-untyped-def]
    """Write the range of pixels (u0, u1, v0, v1) in which each solid can be seen."""
    square = rays[2] * rays[2] + rays[3] * rays[3]
    for k in range(rows.shape[0]):
        reach[k, 0], reach[k, 1], reach[k, 2], reach[k, 3] = 1e18, -1e18, 1e18, -1e18
        for corner in range(8):
            z = rows[k, 6 if corner & 4 else 5]
            # The ray through (x, y, z) meets z = 0 where the layer's similarity sends it.
            scale = 1.0 / (1.0 - z * rays[8])
            dx = (rows[k, 2 if corner & 1 else 1] - rays[0] - z * rays[6]) * scale
            dy = (rows[k, 4 if corner & 2 else 3] - rays[1] - z * rays[7]) * scale
            u = (rays[2] * dx + rays[3] * dy) / square + rays[4]
            v = (rays[2] * dy - rays[3] * dx) / square + rays[5]
            reach[k, 0], reach[k, 1] = min(reach[k, 0], u), max(reach[k, 1], u)
            reach[k, 2], reach[k, 3] = min(reach[k, 2], v), max(reach[k, 3], v)


@numba.njit(cache=True)
def _window(reach, body, shape):  # type: ignore[no-untyped-def]
    """Return the rows and columns (i0, i1, j0, j1) that a body touches."""
    u0, u1, v0, v1 = 1e18, -1e18, 1e18, -1e18
    for k in range(body[0], body[0] + body[1]):
        u0, u1 = min(u0, reach[k, 0]), max(u1, reach[k, 1])
        v0, v1 = min(v0, reach[k, 2]), max(v1, reach[k, 3])
    height, width = shape
    i0, i1 = max(0.0, math.floor(v0)), min(float(height), math.floor(v1) + 1.0)
    j0, j1 = max(0.0, math.floor(u0)), min(float(width), math.floor(u1) + 1.0)
    return int(i0), int(i1), int(j0), int(j1)


@numba.njit(cache=True)
def _is_thin(rows, body, pixel):  # type: ignore[no-untyped-def]
    """Say whether corners and centre of a pixel could miss a part of the body."""
    return rows[body[0] : body[0] + body[1] + body[2], 7].min() < 2.0 * pixel


@numba.njit(cache=True)
def _pixel(rows, reach, body, i, j, rays, above, below, thin, solid, void):  # type: ignore[no-untyped-def]
    """Return the mean path over a pixel, from its corners and centre where the body is smooth in it."""
    c0, c1, c2, c3 = above[j], above[j + 1], below[j], below[j + 1]
    if thin:
        return _mean(rows, reach, body, i, j, rays, solid, void)
    low, high = min(c0, c1, c2, c3), max(c0, c1, c2, c3)
    centre = _length(rows, reach, body, j + 0.5, i + 0.5, rays, solid, void)
    corners = 0.25 * (c0 + c1 + c2 + c3)
    if high == 0.0 and centre == 0.0:
        return 0.0
    edge = low == 0.0 or high - low > 0.25 * high
    if edge or abs(centre - corners) > 2e-3 * high:
        return _mean(rows, reach, body, i, j, rays, solid, void)
    return (2.0 * centre + corners) / 3.0


@numba.njit(cache=True)
def cast(maps, heights, rows, bodies, rays):  # type: ignore[no-untyped-def]
    """Add the path lengths of bodies to material maps in place.

    Parameters
    ----------
    maps : (M, H, W) float32 array
        Path length per material [mm].
    heights : (M, 2) float64 array
        Path and path times height of each material, summed over pixels.
    rows : (n, solids.COLUMNS) float64 array
        Solids, each body's voids right behind its solids.
    bodies : (b, 5) int64 array
        First row, number of solids, number of voids, material, and the material that the body displaces (-1: none);
        a body of material -1 only displaces.
    rays : (9,) float64 array
        ``View.rays``.
    """
    solid, void = np.empty((MOST, 2)), np.empty((MOST, 2))
    reach = np.empty((rows.shape[0], 4))
    _reach(rows, rays, reach)
    width = maps.shape[2]
    pixel = math.hypot(rays[2], rays[3])
    above, below = np.zeros(width + 1), np.zeros(width + 1)
    for n in range(bodies.shape[0]):
        body = bodies[n]
        i0, i1, j0, j1 = _window(reach, body, maps.shape[1:])
        if i0 >= i1 or j0 >= j1:
            continue
        thin = _is_thin(rows, body, pixel)
        middle, summed = 0.5 * (rows[body[0], 5] + rows[body[0], 6]), 0.0
        if not thin:
            for j in range(j0, j1 + 1):
                below[j] = _length(rows, reach, body, j, i0, rays, solid, void)
        for i in range(i0, i1):
            above, below = below, above
            if not thin:
                for j in range(j0, j1 + 1):
                    below[j] = _length(rows, reach, body, j, i + 1, rays, solid, void)
            for j in range(j0, j1):
                path = _pixel(rows, reach, body, i, j, rays, above, below, thin, solid, void)
                if path > 0.0:
                    summed += path
                    if body[3] >= 0:
                        maps[body[3], i, j] += np.float32(path)
                    if body[4] >= 0:
                        maps[body[4], i, j] -= np.float32(path)
        if body[3] >= 0:
            heights[body[3], 0] += summed
            heights[body[3], 1] += summed * middle


@numba.njit(cache=True)
def silhouette(mask, rows, rays):  # type: ignore[no-untyped-def]
    """Mark the pixels whose centre any of the solids covers, in place; ``mask`` (H, W) bool."""
    reach = np.empty((rows.shape[0], 4))
    _reach(rows, rays, reach)
    solid, void = np.empty((MOST, 2)), np.empty((MOST, 2))
    body = np.array([0, 1, 0, 0, -1])
    for k in range(rows.shape[0]):
        body[0] = k
        i0, i1, j0, j1 = _window(reach, body, mask.shape)
        for i in range(i0, i1):
            for j in range(j0, j1):
                if _length(rows, reach, body, j + 0.5, i + 0.5, rays, solid, void) > 0.0:
                    mask[i, j] = True
