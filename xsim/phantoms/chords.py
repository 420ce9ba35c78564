"""Where a ray enters and leaves a convex solid, in closed form (numba).

A ray is ``(x + z tx, y + z ty, z)``; the answer is an interval of z, empty where ``z0 >= z1``. Each function takes the
16 parameters of its kind of solid (``solids``).
"""

from __future__ import annotations

import math

import numba

from xsim.phantoms.solids import CONE, ELLIPSOID, PRISM, ROD

__all__ = ["chord"]

NONE = (0.0, 0.0)
FAR = 1e12


@numba.njit(cache=True)
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


@numba.njit(cache=True)
def _ellipsoid(p, x, y, tx, ty):  # type: ignore[no-untyped-def]
    dx, dy, cosine, sine = x - p[0], y - p[1], p[6], p[7]
    ox, oy = (cosine * dx + sine * dy) / p[3], (cosine * dy - sine * dx) / p[4]
    gx, gy = (cosine * tx + sine * ty) / p[3], (cosine * ty - sine * tx) / p[4]
    oz, gz = -p[2] / p[5], 1.0 / p[5]
    A = gx * gx + gy * gy + gz * gz
    z0, z1 = _inside_quadratic(A, ox * gx + oy * gy + oz * gz, ox * ox + oy * oy + oz * oz - 1.0)
    return max(z0, p[8]), min(z1, p[9])


@numba.njit(cache=True)
def _cone(p, x, y, tx, ty):  # type: ignore[no-untyped-def]
    growth = (p[5] - p[4]) / (p[3] - p[2])
    base = p[4] - growth * p[2]  # radius at height z is base + growth z
    dx, dy = x - p[0], y - p[1]
    A = tx * tx + ty * ty - growth * growth
    B = dx * tx + dy * ty - base * growth
    C = dx * dx + dy * dy - base * base
    if A >= -1e-14:
        z0, z1 = _inside_quadratic(A, B, C)
        return max(z0, p[2]), min(z1, p[3])
    # Steeper than the mantle: inside beyond one of the roots, on the side where the radius is positive.
    half = math.sqrt(max(0.0, B * B - A * C)) / -A
    if growth > 0.0:
        return max(-B / A + half, p[2]), p[3]
    return p[2], min(-B / A - half, p[3])


@numba.njit(cache=True)
def _span(o, g, half):  # type: ignore[no-untyped-def]
    """Return the interval where ``|o + z g| <= half``."""
    if abs(g) < 1e-12:
        return (-FAR, FAR) if abs(o) <= half else NONE
    z0, z1 = (-half - o) / g, (half - o) / g
    return min(z0, z1), max(z0, z1)


@numba.njit(cache=True)
def _prism(p, x, y, tx, ty):  # type: ignore[no-untyped-def]
    dx, dy, cosine, sine = x - p[0], y - p[1], p[4], p[5]
    ox, oy = cosine * dx + sine * dy, cosine * dy - sine * dx
    hx, hy, r = p[2], p[3], p[6]
    if tx == 0.0 and ty == 0.0:
        qx, qy = abs(ox) - hx + r, abs(oy) - hy + r
        if math.hypot(max(qx, 0.0), max(qy, 0.0)) + min(max(qx, qy), 0.0) <= r:
            return p[7], p[8]
        return NONE
    gx, gy = cosine * tx + sine * ty, cosine * ty - sine * tx
    ax, ay, bx, by = ox + p[7] * gx, oy + p[7] * gy, ox + p[8] * gx, oy + p[8] * gy
    if max(abs(ax), abs(bx)) <= hx - r and max(abs(ay), abs(by)) <= hy - r:
        return p[7], p[8]
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
    return max(z0, p[7]), min(z1, p[8])


@numba.njit(cache=True)
def _rod(p, x, y, tx, ty):  # type: ignore[no-untyped-def]
    ax, ay, az = p[3] - p[0], p[4] - p[1], p[5] - p[2]
    length = math.sqrt(ax * ax + ay * ay + az * az)
    ox, oy, oz, r = x - p[0], y - p[1], -p[2], p[6]
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
        a0, a1 = _span(og - 0.5 * length, gg, 0.5 * length)
        low, high = max(low, a0), min(high, a1)
        if low < high:
            z0, z1 = low, high
    if p[7] > 0.0:
        A = tx * tx + ty * ty + 1.0
        for k in range(2):
            cx, cy, cz = (ox, oy, oz) if k == 0 else (x - p[3], y - p[4], -p[5])
            low, high = _inside_quadratic(A, cx * tx + cy * ty + cz, cx * cx + cy * cy + cz * cz - r * r)
            if low < high:
                z0, z1 = min(z0, low), max(z1, high)
    return z0, z1


@numba.njit(cache=True)
def _slab(p, x, y, tx, ty):  # type: ignore[no-untyped-def]
    ox, oy, oz = x - p[0], y - p[1], -p[2]
    z0, z1 = -FAR, FAR
    for k in range(3):
        ex, ey, ez = p[6 + 3 * k], p[7 + 3 * k], p[8 + 3 * k]
        low, high = _span(ox * ex + oy * ey + oz * ez, tx * ex + ty * ey + ez, p[3 + k])
        z0, z1 = max(z0, low), min(z1, high)
        if z0 >= z1:
            return NONE
    if p[15] > 0.0:
        # Below the diagonal: local x / hx + local z / hz <= 0.
        nx, ny, nz = p[6] / p[3] + p[12] / p[5], p[7] / p[3] + p[13] / p[5], p[8] / p[3] + p[14] / p[5]
        low, high = _inside_quadratic(0.0, 0.5 * (tx * nx + ty * ny + nz), ox * nx + oy * ny + oz * nz)
        z0, z1 = max(z0, low), min(z1, high)
    return z0, z1


@numba.njit(cache=True)
def chord(kind, p, x, y, tx, ty):  # type: ignore[no-untyped-def]
    """Return the interval of z in which the ray is inside the solid; empty where ``z0 >= z1``."""
    if kind == ELLIPSOID:
        return _ellipsoid(p, x, y, tx, ty)
    if kind == CONE:
        return _cone(p, x, y, tx, ty)
    if kind == PRISM:
        return _prism(p, x, y, tx, ty)
    if kind == ROD:
        return _rod(p, x, y, tx, ty)
    return _slab(p, x, y, tx, ty)
