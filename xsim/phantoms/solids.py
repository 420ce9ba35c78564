"""Convex solids as rows of numbers, in mm in the board's frame: what balls, joints, leads and parts are built of.

Every solid is convex, so a ray meets it in one interval of height, known in closed form; unions and voids are made of
these intervals (`xsim.phantoms.casting`). Also here: the window of an image in which a solid can be seen, and whether
it is so thin that rays would meet it by chance only.
"""

from __future__ import annotations

import math

import numpy as np

from xsim.compiled import compiled

__all__ = [
    "COLUMNS",
    "CONE",
    "ELLIPSOID",
    "PRISM",
    "ROD",
    "SLAB",
    "UPRIGHT",
    "all_thin",
    "attitude",
    "block",
    "cone",
    "ellipsoid",
    "is_thin",
    "prism",
    "reach_of",
    "rod",
    "select",
    "slot",
    "sphere",
    "window_of",
]

# Kinds of solids, in the first column of a row.
ELLIPSOID, CONE, PRISM, ROD, SLAB = 0, 1, 2, 3, 4
# kind | box: x0 x1 y0 y1 z0 z1 | thinnest feature | 16 parameters of the kind
COLUMNS = 24
Solid = tuple[float, ...]
Point = tuple[float, float, float]


def _row(kind: int, box: tuple[float, ...], thin: float, parameters: tuple[float, ...]) -> Solid:
    return (kind, *box, thin, *parameters, *(0.0,) * (16 - len(parameters)))


def ellipsoid(
    x: float,
    y: float,
    z: float,
    a: float,
    b: float,
    c: float,
    *,
    angle: float = 0.0,
    low: float = -math.inf,
    high: float = math.inf,
) -> Solid:
    """Return an ellipsoid of semi-axes a, b, c [mm], cut to heights ``low`` to ``high`` [mm].

    Cut at both ends it is a barrel: the shape of a collapsed solder ball.
    """
    cosine, sine = math.cos(angle), math.sin(angle)
    reach_x, reach_y = math.hypot(a * cosine, b * sine), math.hypot(a * sine, b * cosine)
    low, high = max(low, z - c), min(high, z + c)
    box = (x - reach_x, x + reach_x, y - reach_y, y + reach_y, low, high)
    return _row(ELLIPSOID, box, 2.0 * min(a, b), (x, y, z, a, b, c, cosine, sine, low, high, 1.0 / a, 1.0 / b, 1.0 / c))


def sphere(x: float, y: float, z: float, diameter: float, *, low: float = -math.inf, high: float = math.inf) -> Solid:
    """Return a sphere [mm], cut to heights ``low`` to ``high`` [mm]."""
    radius = 0.5 * diameter
    return ellipsoid(x, y, z, radius, radius, radius, low=low, high=high)


def cone(x: float, y: float, z0: float, z1: float, diameter0: float, diameter1: float) -> Solid:
    """Return an upright frustum from ``z0`` to ``z1``; equal diameters make a cylinder [mm]."""
    reach = 0.5 * max(diameter0, diameter1)
    box = (x - reach, x + reach, y - reach, y + reach, z0, z1)
    return _row(CONE, box, 2.0 * reach, (x, y, z0, z1, 0.5 * diameter0, 0.5 * diameter1))


def prism(
    x: float, y: float, z0: float, z1: float, width: float, height: float, *, angle: float = 0.0, corner: float = 0.0
) -> Solid:
    """Return an upright prism over a rectangle with rounded corners, turned by ``angle`` [rad], lengths in mm."""
    cosine, sine = math.cos(angle), math.sin(angle)
    hx, hy = 0.5 * width, 0.5 * height
    reach_x, reach_y = abs(hx * cosine) + abs(hy * sine), abs(hx * sine) + abs(hy * cosine)
    box = (x - reach_x, x + reach_x, y - reach_y, y + reach_y, z0, z1)
    return _row(PRISM, box, min(width, height), (x, y, hx, hy, cosine, sine, min(corner, hx, hy), z0, z1))


def slot(x0: float, y0: float, x1: float, y1: float, z0: float, z1: float, width: float) -> Solid:
    """Return an upright prism of round ends from (x0, y0) to (x1, y1), a cylinder where these are equal [mm]."""
    length = math.hypot(x1 - x0, y1 - y0)
    if length == 0.0:
        return cone(x0, y0, z0, z1, width, width)
    angle = math.atan2(y1 - y0, x1 - x0)
    return prism(0.5 * (x0 + x1), 0.5 * (y0 + y1), z0, z1, length + width, width, angle=angle, corner=0.5 * width)


def rod(start: Point, end: Point, diameter: float, *, capped: bool = False) -> Solid:
    """Return a cylinder between two points, at any tilt [mm].

    Its ends are flat, or half spheres if ``capped``: a piece of wire that joins the next.
    """
    radius = 0.5 * diameter
    length = math.dist(start, end)
    box: tuple[float, ...] = ()
    for p, q in zip(start, end, strict=True):
        # A flat end of a tilted cylinder sticks out less than its radius.
        cosine = (q - p) / length if length > 0.0 else 0.0
        reach = radius if capped else radius * math.sqrt(max(0.0, 1.0 - cosine * cosine))
        box += (min(p, q) - reach, max(p, q) + reach)
    return _row(ROD, box, diameter, (*start, *end, radius, float(capped)))


Axes = tuple[Point, Point, Point]
# Axes of a solid that stands along the axes of the board.
UPRIGHT: Axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def attitude(*, angle: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Axes:
    """Return the three axes of a box that is rolled about x, then pitched about y, then turned about z [rad]."""
    ca, sa, cp, sp, cr, sr = (f(t) for t in (angle, pitch, roll) for f in (math.cos, math.sin))
    return (
        (ca * cp, sa * cp, -sp),
        (ca * sp * sr - sa * cr, sa * sp * sr + ca * cr, cp * sr),
        (ca * sp * cr + sa * sr, sa * sp * cr - ca * sr, cp * cr),
    )


def block(centre: Point, size: Point, axes: Axes = UPRIGHT, *, diagonal: bool = False) -> Solid:
    """Return a box of any attitude [mm].

    ``diagonal`` keeps only the half below the plane through two opposite edges along its y axis: a wedge that is high
    at its -x end.
    """
    half = tuple(0.5 * s for s in size)
    box: tuple[float, ...] = ()
    for k in range(3):
        reach = sum(abs(axes[n][k]) * half[n] for n in range(3))
        box += (centre[k] - reach, centre[k] + reach)
    flat = tuple(component for axis in axes for component in axis)
    # What lies flat is as thin as it looks from above: an axis counts by its part across the rays.
    thin = min(s / max(math.hypot(axis[0], axis[1]), 0.05) for s, axis in zip(size, axes, strict=True))
    return _row(SLAB, box, thin, (*centre, *half, *flat, float(diagonal)))


# Columns of the table of what solids can touch.
REACH = 10


@compiled(error_model="numpy")
def _project(x, y, z, rays):  # type: ignore[no-untyped-def]
    """Return the pixel (u, v) at which a point is seen."""
    square = rays[2] * rays[2] + rays[3] * rays[3]
    # The ray through (x, y, z) meets z = 0 where the layer's similarity sends it.
    scale = 1.0 / (1.0 - z * rays[8])
    dx, dy = (x - rays[0] - z * rays[6]) * scale, (y - rays[1] - z * rays[7]) * scale
    return (rays[2] * dx + rays[3] * dy) / square + rays[4], (rays[2] * dy - rays[3] * dx) / square + rays[5]


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
def select(reach, start, count, window, near):  # type: ignore[no-untyped-def]
    """Write those of ``count`` solids that reach into a window (i0, i1, j0, j1): their number, then their rows."""
    n = 0
    for k in range(start, start + count):
        if reach[k, 0] > window[3] or reach[k, 1] < window[2] or reach[k, 2] > window[1] or reach[k, 3] < window[0]:
            continue
        n += 1
        near[n] = k
    near[0] = n


@compiled(error_model="numpy")
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


@compiled(error_model="numpy")
def all_thin(reach, near, pixel):  # type: ignore[no-untyped-def]
    """Say whether every solid near a tile is thin: only the pixels that one touches need rays then."""
    count = 0
    for c in range(1, near[0, 0] + 1):
        count += reach[near[0, c], 9] < 2.0 * pixel
    return count == near[0, 0]
