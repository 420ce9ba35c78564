"""Where a ray enters and leaves a convex solid, in closed form (numba).

A ray is ``(x + z tx, y + z ty, z)``; the answer is an interval of z, empty where ``z0 >= z1``. Each function takes
the table of solids ``p`` and a row ``n`` of it, whose parameters begin in column 8 (``solids``): slices would cost
more than the arithmetic.
"""

from __future__ import annotations

import math

import numba

from xsim.phantoms.solids import CONE, ELLIPSOID, PRISM, ROD

__all__ = ["chord"]

NONE = (0.0, 0.0)
FAR = 1e12


@numba.njit(cache=True, error_model="numpy")
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


@numba.njit(cache=True, error_model="numpy")
def _ellipsoid(p, n, x, y, tx, ty):  # type: ignore[no-untyped-def]
    dx, dy, cosine, sine = x - p[n, 8], y - p[n, 9], p[n, 14], p[n, 15]
    ra, rb, gz = p[n, 18], p[n, 19], p[n, 20]  # one over the semi-axes
    ox, oy, oz = ra * (cosine * dx + sine * dy), rb * (cosine * dy - sine * dx), -p[n, 10] * gz
    gx, gy = ra * (cosine * tx + sine * ty), rb * (cosine * ty - sine * tx)
    A = gx * gx + gy * gy + gz * gz
    z0, z1 = _inside_quadratic(A, ox * gx + oy * gy + oz * gz, ox * ox + oy * oy + oz * oz - 1.0)
    return max(z0, p[n, 16]), min(z1, p[n, 17])


@numba.njit(cache=True, error_model="numpy")
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


@numba.njit(cache=True, error_model="numpy")
def _span(o, g, half):  # type: ignore[no-untyped-def]
    """Return the interval where ``|o + z g| <= half``."""
    if abs(g) < 1e-12:
        return (-FAR, FAR) if abs(o) <= half else NONE
    z0, z1 = (-half - o) / g, (half - o) / g
    return min(z0, z1), max(z0, z1)


@numba.njit(cache=True, error_model="numpy")
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


@numba.njit(cache=True, error_model="numpy")
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


@numba.njit(cache=True, error_model="numpy")
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


@numba.njit(cache=True, error_model="numpy")
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
