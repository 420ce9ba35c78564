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
from xsim.phantoms.reach import all_thin, is_thin, reach_of, select, window_of

__all__ = ["cast", "deposit", "outline", "silhouette"]

# Intervals a body may have along one ray, solids and voids each.
MOST = 96
SAMPLES = 4
# Pixels of a tile's side: solids are sorted out, and plateaus found, tile by tile.
TILE = 8


@numba.njit(cache=True, error_model="numpy")
def _gather(rows, near, kind, x, y, tx, ty, intervals):  # type: ignore[no-untyped-def]
    """Write the merged intervals of the near solids (kind 0) or voids (1) along a ray, sorted; return their number."""
    n = 0
    for c in range(1, near[kind, 0] + 1):
        z0, z1 = chord(rows, near[kind, c], x, y, tx, ty)
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


@numba.njit(cache=True, error_model="numpy")
def _lengths(rows, near, u0, v0, step, count, rays, solid, void, out):  # type: ignore[no-untyped-def]
    """Write the paths [mm] of a square of rays, ``count`` a side from pixel position (u0, v0) on, into ``out``.

    ``near`` holds the solids and voids to look at. Rays come in squares because calls cost as much as chords, and one
    solid with at most one void, the usual ball, needs no lists of intervals.
    """
    plain = near[0, 0] == 1 and near[1, 0] <= 1
    bubble = near[1, 1] if near[1, 0] == 1 else -1
    for i in range(count):
        dv = v0 + i * step - rays[5]
        for j in range(count):
            du = u0 + j * step - rays[4]
            dx, dy = rays[2] * du - rays[3] * dv, rays[3] * du + rays[2] * dv
            tx, ty = rays[6] - dx * rays[8], rays[7] - dy * rays[8]
            x, y = rays[0] + dx, rays[1] + dy
            if plain:
                z0, z1 = chord(rows, near[0, 1], x, y, tx, ty)
                total = z1 - z0
                if bubble >= 0 and total > 0.0:
                    w0, w1 = chord(rows, bubble, x, y, tx, ty)
                    total -= max(0.0, min(z1, w1) - max(z0, w0))
            else:
                total = _joined(rows, near, x, y, tx, ty, solid, void)
            out[i, j] = total * math.sqrt(1.0 + tx * tx + ty * ty) if total > 0.0 else 0.0


@numba.njit(cache=True, error_model="numpy")
def _joined(rows, near, x, y, tx, ty, solid, void):  # type: ignore[no-untyped-def]
    """Return the height [mm] along a ray inside the near solids, merged, and outside the near voids."""
    n = _gather(rows, near, 0, x, y, tx, ty, solid)
    total = 0.0
    for k in range(n):
        total += solid[k, 1] - solid[k, 0]
    if n > 0:
        for i in range(_gather(rows, near, 1, x, y, tx, ty, void)):
            for k in range(n):
                total -= max(0.0, min(solid[k, 1], void[i, 1]) - max(solid[k, 0], void[i, 0]))
    return total


@numba.njit(cache=True, error_model="numpy")
def _mean(rows, near, i, j, rays, solid, void, samples):  # type: ignore[no-untyped-def]
    """Return the mean path over pixel (i, j) from SAMPLES x SAMPLES rays."""
    first = 0.5 / SAMPLES
    _lengths(rows, near, j + first, i + first, 1.0 / SAMPLES, SAMPLES, rays, solid, void, samples)
    total = 0.0
    for a in range(SAMPLES):
        for b in range(SAMPLES):
            total += samples[a, b]
    return total / (SAMPLES * SAMPLES)


@numba.njit(cache=True, error_model="numpy")
def _plateau(rows, near, window, rays, solid, void, samples, values):  # type: ignore[no-untyped-def]
    """Fill a square tile by interpolation if one convex solid is smooth all over it, and say whether it was.

    The chord of a convex solid is a concave function of the ray's foot: where its value at the middle is the mean of
    the corners, it is linear in between.
    """
    i0, i1, j0, j1 = window
    side = i1 - i0
    if side != j1 - j0:
        return False
    _lengths(rows, near, j0, i0, 0.5 * side, 3, rays, solid, void, samples)
    c0, c1, c2, c3, centre = samples[0, 0], samples[0, 2], samples[2, 0], samples[2, 2], samples[1, 1]
    flat = 1e-4 * centre
    if min(c0, c1, c2, c3) == 0.0 or abs(0.5 * (c0 + c3) - centre) > flat or abs(0.5 * (c1 + c2) - centre) > flat:
        return False
    for i in range(side):
        s = (i + 0.5) / side
        left, right = c0 + s * (c2 - c0), c1 + s * (c3 - c1)
        for j in range(side):
            values[i, j] = left + (right - left) * (j + 0.5) / side
    return True


@numba.njit(cache=True, error_model="numpy")
def _is_smooth(c0, c1, c2, c3, centre):  # type: ignore[no-untyped-def]
    """Say whether a path that has these values at a pixel's corners and centre is smooth in it, by Simpson's rule."""
    low, high = min(c0, c1, c2, c3), max(c0, c1, c2, c3)
    return low >= 0.5 * high and abs(centre - 0.25 * (c0 + c1 + c2 + c3)) <= 1e-2 * high


@numba.njit(cache=True, error_model="numpy")
def _tile(rows, reach, near, window, rays, solid, void, work, values):  # type: ignore[no-untyped-def]
    """Write the mean path of every pixel of a tile."""
    corners, centres, samples = work
    i0, i1, j0, j1 = window
    side = max(i1 - i0, j1 - j0)
    pixel = math.hypot(rays[2], rays[3])
    if all_thin(reach, near, pixel):
        for i in range(i1 - i0):
            for j in range(j1 - j0):
                found = is_thin(reach, near, i0 + i, j0 + j, pixel)
                values[i, j] = _mean(rows, near, i0 + i, j0 + j, rays, solid, void, samples) if found else 0.0
        return
    alone = near[0, 0] == 1 and near[1, 0] == 0
    if alone and _plateau(rows, near, window, rays, solid, void, samples, values):
        return
    _lengths(rows, near, j0, i0, 1.0, side + 1, rays, solid, void, corners)
    _lengths(rows, near, j0 + 0.5, i0 + 0.5, 1.0, side, rays, solid, void, centres)
    for i in range(i1 - i0):
        for j in range(j1 - j0):
            c0, c1, c2, c3 = corners[i, j], corners[i, j + 1], corners[i + 1, j], corners[i + 1, j + 1]
            centre = centres[i, j]
            if is_thin(reach, near, i0 + i, j0 + j, pixel):
                values[i, j] = _mean(rows, near, i0 + i, j0 + j, rays, solid, void, samples)
            elif max(c0, c1, c2, c3, centre) == 0.0:
                values[i, j] = 0.0
            elif _is_smooth(c0, c1, c2, c3, centre):
                values[i, j] = (2.0 * centre + 0.25 * (c0 + c1 + c2 + c3)) / 3.0
            else:
                values[i, j] = _mean(rows, near, i0 + i, j0 + j, rays, solid, void, samples)


@numba.njit(cache=True, error_model="numpy")
def _add(maps, material, host, window, values):  # type: ignore[no-untyped-def]
    """Add a tile to its material, take it from its host, and return the sum of its paths."""
    i0, i1, j0, j1 = window
    total = 0.0
    for i in range(i0, i1):
        for j in range(j0, j1):
            path = values[i - i0, j - j0]
            total += path
            if material >= 0:
                maps[material, i, j] += np.float32(path)
            if host >= 0:
                maps[host, i, j] -= np.float32(path)
    return total


@numba.njit(cache=True, error_model="numpy")
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
    work = (np.empty((TILE + 1, TILE + 1)), np.empty((TILE, TILE)), np.empty((SAMPLES, SAMPLES)))
    values = np.empty((TILE, TILE))
    reach = reach_of(rows, rays)
    for n in range(bodies.shape[0]):
        first, solids, voids, material, host = bodies[n]
        top, bottom, left, right = window_of(reach, bodies[n], maps.shape[1:])
        near = np.empty((2, 1 + max(solids, voids)), dtype=np.int64)
        middle, total = 0.5 * (rows[first, 5] + rows[first, 6]), 0.0
        for i in range(top, bottom, TILE):
            for j in range(left, right, TILE):
                window = (i, min(i + TILE, bottom), j, min(j + TILE, right))
                select(reach, first, solids, window, near[0])
                if near[0, 0] == 0:
                    continue
                select(reach, first + solids, voids, window, near[1])
                _tile(rows, reach, near, window, rays, solid, void, work, values)
                total += _add(maps, material, host, window, values)
        if material >= 0:
            heights[material, 0] += total
            heights[material, 1] += total * middle


@numba.njit(cache=True, error_model="numpy")
def deposit(maps, material, host, coverage, thickness, rays):  # type: ignore[no-untyped-def]
    """Add a thin layer's path to its material in place, take it from its host (-1: none), return the sum of paths.

    The path is coverage times thickness times the ray's obliquity, sec(theta).
    """
    total = 0.0
    for i in range(coverage.shape[0]):
        dv = i + 0.5 - rays[5]
        for j in range(coverage.shape[1]):
            if coverage[i, j] == 0.0:
                continue
            du = j + 0.5 - rays[4]
            tx = rays[6] - (rays[2] * du - rays[3] * dv) * rays[8]
            ty = rays[7] - (rays[3] * du + rays[2] * dv) * rays[8]
            path = float(coverage[i, j]) * thickness * math.sqrt(1.0 + tx * tx + ty * ty)
            maps[material, i, j] += np.float32(path)
            if host >= 0:
                maps[host, i, j] -= np.float32(path)
            total += path
    return total


@numba.njit(cache=True, error_model="numpy")
def silhouette(mask, rows, rays):  # type: ignore[no-untyped-def]
    """Mark the pixels whose centre any of the solids covers, in place; ``mask`` (H, W) bool."""
    reach = reach_of(rows, rays)
    solid, void = np.empty((MOST, 2)), np.empty((MOST, 2))
    near = np.zeros((2, 2), dtype=np.int64)
    near[0, 0] = 1
    path = np.empty((1, 1))
    for k in range(rows.shape[0]):
        near[0, 1] = k
        i0, i1, j0, j1 = window_of(reach, np.array([k, 1, 0, 0, -1]), mask.shape)
        for i in range(i0, i1):
            for j in range(j0, j1):
                _lengths(rows, near, j + 0.5, i + 0.5, 1.0, 1, rays, solid, void, path)
                mask[i, j] |= path[0, 0] > 0.0


@numba.njit(cache=True, error_model="numpy")
def outline(rows, rays, shape):  # type: ignore[no-untyped-def]
    """Return the rows and columns (i0, i1, j0, j1) of a window in which solids can be seen."""
    reach = reach_of(rows, rays)
    return window_of(reach, np.array([0, rows.shape[0], 0, 0, -1]), shape)
