"""Convex solids as rows of numbers, in mm in the board's frame: what balls, joints, leads and parts are built of.

Every solid is convex, so a ray meets it in one interval of height, known in closed form (``chords``). Unions and
voids are made of these intervals (``casting``).
"""

from __future__ import annotations

import math

__all__ = [
    "COLUMNS",
    "CONE",
    "ELLIPSOID",
    "PRISM",
    "ROD",
    "SLAB",
    "UPRIGHT",
    "attitude",
    "block",
    "capped_rod",
    "cone",
    "ellipsoid",
    "prism",
    "rod",
    "sphere",
    "volume",
    "wedge",
]

ELLIPSOID, CONE, PRISM, ROD, SLAB = 0, 1, 2, 3, 4
# kind | box: x0 x1 y0 y1 z0 z1 | thinnest feature | 16 parameters of the kind
COLUMNS = 24
Solid = tuple[float, ...]


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


def _rod(start: tuple[float, float, float], end: tuple[float, float, float], diameter: float, caps: float) -> Solid:
    radius = 0.5 * diameter
    length = math.dist(start, end)
    box: tuple[float, ...] = ()
    for p, q in zip(start, end, strict=True):
        # A flat end of a tilted cylinder sticks out less than its radius.
        cosine = (q - p) / length if length > 0.0 else 0.0
        reach = radius if caps else radius * math.sqrt(max(0.0, 1.0 - cosine * cosine))
        box += (min(p, q) - reach, max(p, q) + reach)
    return _row(ROD, box, diameter, (*start, *end, radius, caps))


def rod(start: tuple[float, float, float], end: tuple[float, float, float], diameter: float) -> Solid:
    """Return a cylinder of flat ends between two points, at any tilt [mm]."""
    return _rod(start, end, diameter, 0.0)


def capped_rod(start: tuple[float, float, float], end: tuple[float, float, float], diameter: float) -> Solid:
    """Return a cylinder with half spheres on its ends: a piece of wire that joins the next [mm]."""
    return _rod(start, end, diameter, 1.0)


Axes = tuple[tuple[float, float, float], tuple[float, float, float], tuple[float, float, float]]
UPRIGHT: Axes = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))


def attitude(*, angle: float = 0.0, pitch: float = 0.0, roll: float = 0.0) -> Axes:
    """Return the three axes of a box that is rolled about x, then pitched about y, then turned about z [rad]."""
    ca, sa, cp, sp, cr, sr = (f(t) for t in (angle, pitch, roll) for f in (math.cos, math.sin))
    return (
        (ca * cp, sa * cp, -sp),
        (ca * sp * sr - sa * cr, sa * sp * sr + ca * cr, cp * sr),
        (ca * sp * cr + sa * sr, sa * sp * cr - ca * sr, cp * cr),
    )


def block(
    centre: tuple[float, float, float],
    size: tuple[float, float, float],
    axes: Axes = UPRIGHT,
    *,
    diagonal: bool = False,
) -> Solid:
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


def wedge(x: float, y: float, z: float, length: float, width: float, height: float, *, angle: float = 0.0) -> Solid:
    """Return a ramp standing on height z: ``height`` at its -x end, falling to 0 at +x [mm, rad]."""
    return block((x, y, z + 0.5 * height), (length, width, height), attitude(angle=angle), diagonal=True)


def _ellipsoid_volume(p: Solid) -> float:
    a, b, c, low, high = p[3], p[4], p[5], p[8] - p[2], p[9] - p[2]
    return math.pi * a * b * ((high - low) - (high**3 - low**3) / (3.0 * c * c))


def _cone_volume(p: Solid) -> float:
    return math.pi * (p[3] - p[2]) * (p[4] ** 2 + p[4] * p[5] + p[5] ** 2) / 3.0


def _prism_volume(p: Solid) -> float:
    return (4.0 * p[2] * p[3] - (4.0 - math.pi) * p[6] ** 2) * (p[8] - p[7])


def _rod_volume(p: Solid) -> float:
    cylinder = math.pi * p[6] ** 2 * math.dist(p[0:3], p[3:6])
    return cylinder + (4.0 / 3.0 * math.pi * p[6] ** 3 if p[7] else 0.0)


def _slab_volume(p: Solid) -> float:
    return 8.0 * p[3] * p[4] * p[5] * (0.5 if p[15] else 1.0)


def volume(solid: Solid) -> float:
    """Return the volume of a solid [mm3] in closed form."""
    formulas = {
        ELLIPSOID: _ellipsoid_volume,
        CONE: _cone_volume,
        PRISM: _prism_volume,
        ROD: _rod_volume,
        SLAB: _slab_volume,
    }
    return formulas[int(solid[0])](solid[8:])
