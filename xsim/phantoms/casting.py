"""Bodies: unions of convex solids less their voids, drawn as path lengths by casting rays (numba).

Along a ray the solids of a body are intervals of height. They are merged (touching parts of one body count once) and
the merged voids cut out, so bridges, pins in solder and bubbles in balls come out exactly. A pixel's value is the
mean over its area: Simpson's rule on its centre and corners where these agree, 4 x 4 rays where they do not.

A ray is ``(x + z tx, y + z ty, z)``. Where it enters and leaves a solid is known in closed form: an interval of z,
empty where ``z0 >= z1``. Those functions take the table of solids ``p`` and a row ``n`` of it, whose parameters begin
in column 8 (`xsim.phantoms.solids`): slices would cost more than the arithmetic.

All of it is one file because numba's cache looks at the file of a function only: a caller in another one would go on
with the old machine code of what it calls.
"""

from __future__ import annotations

import math

import numpy as np

from xsim.compiled import compiled
from xsim.phantoms.solids import CONE, ELLIPSOID, PRISM, ROD, all_thin, is_thin, reach_of, select, window_of

__all__ = ["cast", "chord", "deposit", "outline", "silhouette"]

# An empty interval, and a height beyond every board [mm].
NONE = (0.0, 0.0)
FAR = 1e12


@compiled(error_model="numpy")
def _inside_quadratic(A, B, C):  # type: ignore[no-untyped-def]
    """Return the interval where ``A z^2 + 2 B z + C <= 0`` for A >= 0."""
    if A < 1e-14:
        if abs(B) < 1e-14:
            return (-FAR, FAR) if C <= 0.0 else NONE
        root = -0.5 * C / B
        return (-FAR, root) if B > 0.0 else (root, FAR)
    square = B * B - A * C
    if square <= 0.0:
        return NONE
    half = math.sqrt(square) / A
    return -B / A - half, -B / A + half


@compiled(error_model="numpy")
def _ellipsoid(p, n, x, y, tx, ty):  # type: ignore[no-untyped-def]
    dx, dy, cosine, sine = x - p[n, 8], y - p[n, 9], p[n, 14], p[n, 15]
    ra, rb, gz = p[n, 18], p[n, 19], p[n, 20]  # one over the semi-axes
    ox, oy, oz = ra * (cosine * dx + sine * dy), rb * (cosine * dy - sine * dx), -p[n, 10] * gz
    gx, gy = ra * (cosine * tx + sine * ty), rb * (cosine * ty - sine * tx)
    A = gx * gx + gy * gy + gz * gz
    z0, z1 = _inside_quadratic(A, ox * gx + oy * gy + oz * gz, ox * ox + oy * oy + oz * oz - 1.0)
    return max(z0, p[n, 16]), min(z1, p[n, 17])


@compiled(error_model="numpy")
def _cone(p, n, x, y, tx, ty):  # type: ignore[no-untyped-def]
    growth = (p[n, 13] - p[n, 12]) / (p[n, 11] - p[n, 10])
    base = p[n, 12] - growth * p[n, 10]  # radius at height z is base + growth z
    dx, dy = x - p[n, 8], y - p[n, 9]
    A = tx * tx + ty * ty - growth * growth
    B = dx * tx + dy * ty - base * growth
    C = dx * dx + dy * dy - base * base
    if A >= -1e-14:
        z0, z1 = _inside_quadratic(A, B, C)
        return max(z0, p[n, 10]), min(z1, p[n, 11])
    # Steeper than the mantle: inside beyond one of the roots, on the side where the radius is positive.
    half = math.sqrt(max(0.0, B * B - A * C)) / -A
    if growth > 0.0:
        return max(-B / A + half, p[n, 10]), p[n, 11]
    return p[n, 10], min(-B / A - half, p[n, 11])


@compiled(error_model="numpy")
def _span(o, g, half):  # type: ignore[no-untyped-def]
    """Return the interval where ``|o + z g| <= half``."""
    if abs(g) < 1e-12:
        return (-FAR, FAR) if abs(o) <= half else NONE
    z0, z1 = (-half - o) / g, (half - o) / g
    return min(z0, z1), max(z0, z1)


@compiled(error_model="numpy")
def _prism(p, n, x, y, tx, ty):  # type: ignore[no-untyped-def]
    dx, dy, cosine, sine = x - p[n, 8], y - p[n, 9], p[n, 12], p[n, 13]
    ox, oy = cosine * dx + sine * dy, cosine * dy - sine * dx
    hx, hy, r = p[n, 10], p[n, 11], p[n, 14]
    if tx == 0.0 and ty == 0.0:
        qx, qy = abs(ox) - hx + r, abs(oy) - hy + r
        if math.hypot(max(qx, 0.0), max(qy, 0.0)) + min(max(qx, qy), 0.0) <= r:
            return p[n, 15], p[n, 16]
        return NONE
    gx, gy = cosine * tx + sine * ty, cosine * ty - sine * tx
    ax, ay, bx, by = ox + p[n, 15] * gx, oy + p[n, 15] * gy, ox + p[n, 16] * gx, oy + p[n, 16] * gy
    if max(abs(ax), abs(bx)) <= hx - r and max(abs(ay), abs(by)) <= hy - r:
        return p[n, 15], p[n, 16]
    if min(ax, bx) > hx or max(ax, bx) < -hx or min(ay, by) > hy or max(ay, by) < -hy:
        return NONE
    # A rounded rectangle is the hull of two crossed rectangles and four discs: its interval is the hull of theirs.
    z0, z1 = FAR, -FAR
    for k in range(2):
        a0, a1 = _span(ox, gx, hx if k == 0 else hx - r)
        b0, b1 = _span(oy, gy, hy - r if k == 0 else hy)
        low, high = max(a0, b0), min(a1, b1)
        if low < high:
            z0, z1 = min(z0, low), max(z1, high)
    if r > 0.0:
        for k in range(4):
            cx = ox - (hx - r if k % 2 else r - hx)
            cy = oy - (hy - r if k // 2 else r - hy)
            low, high = _inside_quadratic(gx * gx + gy * gy, cx * gx + cy * gy, cx * cx + cy * cy - r * r)
            if low < high:
                z0, z1 = min(z0, low), max(z1, high)
    return max(z0, p[n, 15]), min(z1, p[n, 16])


@compiled(error_model="numpy")
def _rod(p, n, x, y, tx, ty):  # type: ignore[no-untyped-def]
    ax, ay, az = p[n, 11] - p[n, 8], p[n, 12] - p[n, 9], p[n, 13] - p[n, 10]
    length = math.sqrt(ax * ax + ay * ay + az * az)
    ox, oy, oz, r = x - p[n, 8], y - p[n, 9], -p[n, 10], p[n, 14]
    z0, z1 = FAR, -FAR
    if length > 0.0:
        ax, ay, az = ax / length, ay / length, az / length
        og, gg = ox * ax + oy * ay + oz * az, tx * ax + ty * ay + az
        # What is left of the ray across the axis.
        px, py, pz = ox - og * ax, oy - og * ay, oz - og * az
        qx, qy, qz = tx - gg * ax, ty - gg * ay, 1.0 - gg * az
        low, high = _inside_quadratic(
            qx * qx + qy * qy + qz * qz, px * qx + py * qy + pz * qz, px * px + py * py + pz * pz - r * r
        )
        if low >= high:
            return NONE  # the end caps lie inside the endless cylinder
        a0, a1 = _span(og - 0.5 * length, gg, 0.5 * length)
        if a0 <= low and high <= a1:
            return low, high
        low, high = max(low, a0), min(high, a1)
        if low < high:
            z0, z1 = low, high
    if p[n, 15] > 0.0:
        A = tx * tx + ty * ty + 1.0
        for k in range(2):
            cx, cy, cz = (ox, oy, oz) if k == 0 else (x - p[n, 11], y - p[n, 12], -p[n, 13])
            low, high = _inside_quadratic(A, cx * tx + cy * ty + cz, cx * cx + cy * cy + cz * cz - r * r)
            if low < high:
                z0, z1 = min(z0, low), max(z1, high)
    return z0, z1


@compiled(error_model="numpy")
def _slab(p, n, x, y, tx, ty):  # type: ignore[no-untyped-def]
    ox, oy, oz = x - p[n, 8], y - p[n, 9], -p[n, 10]
    z0, z1 = -FAR, FAR
    for axis in range(3):
        ex, ey, ez = p[n, 14 + 3 * axis], p[n, 15 + 3 * axis], p[n, 16 + 3 * axis]
        low, high = _span(ox * ex + oy * ey + oz * ez, tx * ex + ty * ey + ez, p[n, 11 + axis])
        z0, z1 = max(z0, low), min(z1, high)
        if z0 >= z1:
            return NONE
    if p[n, 23] > 0.0:
        # Below the diagonal: local x / hx + local z / hz <= 0.
        hx, hz = p[n, 11], p[n, 13]
        nx, ny = p[n, 14] / hx + p[n, 20] / hz, p[n, 15] / hx + p[n, 21] / hz
        nz = p[n, 16] / hx + p[n, 22] / hz
        low, high = _inside_quadratic(0.0, 0.5 * (tx * nx + ty * ny + nz), ox * nx + oy * ny + oz * nz)
        z0, z1 = max(z0, low), min(z1, high)
    return z0, z1


@compiled(error_model="numpy")
def chord(rows, n, x, y, tx, ty):  # type: ignore[no-untyped-def]
    """Return the interval of z in which the ray is inside solid ``rows[n]``; empty where ``z0 >= z1``."""
    kind = int(rows[n, 0])
    if kind == ELLIPSOID:
        return _ellipsoid(rows, n, x, y, tx, ty)
    if kind == CONE:
        return _cone(rows, n, x, y, tx, ty)
    if kind == PRISM:
        return _prism(rows, n, x, y, tx, ty)
    if kind == ROD:
        return _rod(rows, n, x, y, tx, ty)
    return _slab(rows, n, x, y, tx, ty)


# Intervals a body may have along one ray, solids and voids each.
MOST = 96
SAMPLES = 4
# Pixels of a tile's side: solids are sorted out, and plateaus found, tile by tile.
TILE = 8


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
def _mean(rows, near, i, j, rays, solid, void, samples):  # type: ignore[no-untyped-def]
    """Return the mean path over pixel (i, j) from SAMPLES x SAMPLES rays."""
    first = 0.5 / SAMPLES
    _lengths(rows, near, j + first, i + first, 1.0 / SAMPLES, SAMPLES, rays, solid, void, samples)
    total = 0.0
    for a in range(SAMPLES):
        for b in range(SAMPLES):
            total += samples[a, b]
    return total / (SAMPLES * SAMPLES)


@compiled(error_model="numpy")
def _plateau(rows, near, window, rays, solid, void, samples, values):  # type: ignore[no-untyped-def]
    """Fill a square tile by interpolation if one convex solid is smooth all over it, and say whether it was.

    The chord of a convex solid is a concave function of the place where the ray starts: where its value at the middle
    is the mean of the corners, it is linear in between.
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


@compiled(error_model="numpy")
def _is_smooth(c0, c1, c2, c3, centre):  # type: ignore[no-untyped-def]
    """Say whether a path that has these values at a pixel's corners and centre is smooth in it, by Simpson's rule."""
    low, high = min(c0, c1, c2, c3), max(c0, c1, c2, c3)
    return low >= 0.5 * high and abs(centre - 0.25 * (c0 + c1 + c2 + c3)) <= 1e-2 * high


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
def outline(rows, rays, shape):  # type: ignore[no-untyped-def]
    """Return the rows and columns (i0, i1, j0, j1) of a window in which solids can be seen."""
    reach = reach_of(rows, rays)
    return window_of(reach, np.array([0, rows.shape[0], 0, 0, -1]), shape)
