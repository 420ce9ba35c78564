"""What a solder ball with voids lets through: a cut ellipsoid between lands, less spheres, pixel by pixel."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from xsim.compiled import compiled

__all__ = ["BALL", "HOLE", "STIFFEST", "VOID", "depth_of", "hole_light", "transmission", "union_share"]

BALL = 7
"""Numbers that describe a ball: y, x, radius [px], depth of its middle, land, hardening, density of the lands; see
`transmission`."""

STIFFEST = 0.3
"""Share of solder's attenuation that no hardening takes: with it densities of up to .36 mm of solder at 50 to 120 kV,
behind .05 to .2 mm of copper, are met within .012, where a ratio of two lines was off by up to .07."""

VOID = 3
"""Numbers that describe a void: y, x, radius [px]."""

HOLE = 5
"""Numbers that describe a plated hole: y, x, radius [px], density that the drill took, that of its wall."""

_WALL, _LEAST_WALL_PX = 0.1, 1.5
"""Width of a hole's wall [radii of the ball], and its least [px]: 25 um of copper, seen end on, beside a ball of .5 mm.
A blurred image tells width times density, which is free."""

_SAMPLES = 3
"""Rays a pixel and direction: with 5 a void of 3 px changes by .2 % of its area."""


@compiled(error_model="numpy")
def _is_smooth(ball, voids, row, column):  # type: ignore[no-untyped-def]
    """Say whether a pixel lies more than 1 px away from the rims of ball, lands and voids."""
    distance = math.hypot(row - ball[0], column - ball[1])
    if distance > ball[2] - 1.0 or abs(distance - ball[2] * math.sqrt(1.0 - ball[4])) < 1.0:
        return False
    for n in range(voids.shape[0]):
        if abs(math.hypot(row - voids[n, 0], column - voids[n, 1]) - voids[n, 2]) < 1.0:
            return False
    return True


@compiled(error_model="numpy")
def transmission(ball, height, voids, top, left, shape):  # type: ignore[no-untyped-def]
    """Return the mean transmission of every pixel, (H, W) float64.

    Parameters
    ----------
    ball : (7,) array
        Centre y, x and radius [px]; depth X of its middle: the density that it had if solder hardened no beam; ``w``, 1
        less the square of its land's radius over its own: the thickness at ``rho`` radii is
        ``min(1, sqrt((1 - rho^2) / w))`` of that of the middle, 1 for a sphere; hardening ``h``: the density of a share
        u of that thickness is ``s u X + (1 - s) ln(1 + h u X) / h`` with s = `STIFFEST`, as the mean over attenuations
        that are spread by a gamma distribution is; density of the lands, discs of radius ``sqrt(1 - w)`` radii.
    height : float
        Thickness of the middle [px], in which voids are spheres.
    voids : (K, 3) array
        Centre y, x and radius of each [px].
    top, left : int
        First row and column of the window [px].
    shape : (H, W)
        Its size.
    """
    out = np.ones(shape)
    cy, cx, radius, depth, w, h, land = ball
    h = max(h, 1e-6)
    softer = (1.0 - STIFFEST) / h
    for i in range(shape[0]):
        for j in range(shape[1]):
            dy, dx = abs(top + i - cy) - 0.5, abs(left + j - cx) - 0.5
            if dy > radius or dx > radius:
                continue
            # Away from all rims the middle of the pixel stands for it.
            samples = 1 if _is_smooth(ball, voids, top + i, left + j) else _SAMPLES
            total = 0.0
            for a in range(samples):
                y = top + i - 0.5 + (a + 0.5) / samples
                for b in range(samples):
                    x = left + j - 0.5 + (b + 0.5) / samples
                    square = ((y - cy) ** 2 + (x - cx) ** 2) / (radius * radius)
                    if square >= 1.0:
                        total += 1.0
                        continue
                    u = min(1.0, math.sqrt((1.0 - square) / w))
                    over = land if square < 1.0 - w else 0.0
                    for n in range(voids.shape[0]):
                        inside = voids[n, 2] ** 2 - (y - voids[n, 0]) ** 2 - (x - voids[n, 1]) ** 2
                        if inside > 0.0:
                            u -= 2.0 * math.sqrt(inside) / height
                    t = max(u, 0.0) * depth
                    total += math.exp(-over - STIFFEST * t - softer * math.log(1.0 + h * t))
            out[i, j] = total / (samples * samples)
    return out


@compiled(error_model="numpy")
def hole_light(hole, radius, top, left, shape):  # type: ignore[no-untyped-def]
    """Return what a plated hole makes of the light behind the board, (H, W) float64: more within, less at its wall.

    Parameters
    ----------
    hole : (5,) array
        See `HOLE`.
    radius : float
        Radius of the ball beside it [px].
    top, left : int
        First row and column of the window [px].
    shape : (H, W)
        Its size.
    """
    out = np.ones(shape)
    cy, cx, inner, drilled, wall = hole
    width = max(_WALL * radius, _LEAST_WALL_PX)
    bright, dark = math.exp(drilled) - 1.0, math.exp(-wall) - 1.0
    for i in range(shape[0]):
        for j in range(shape[1]):
            distance = math.hypot(top + i - cy, left + j - cx)
            if distance > inner + width + 1.0:
                continue
            # Shares of the pixel within the hole and within the wall's outer rim; rims are straight over a pixel.
            within = min(max(inner + 0.5 - distance, 0.0), 1.0)
            covered = min(max(inner + width + 0.5 - distance, 0.0), 1.0)
            out[i, j] = 1.0 + bright * within + dark * (covered - within)
    return out


def depth_of(density: float, hardening: float) -> float:
    """Return the depth at which solder of a hardening has an optical density; see `transmission`."""
    h, depth = max(hardening, 1e-6), density
    # Newton's steps from the left of a concave curve: each one ends left of the answer, and doubles its digits.
    for _ in range(20):
        missing = density - STIFFEST * depth - (1.0 - STIFFEST) * math.log1p(h * depth) / h
        if missing < 1e-9 * density:
            break
        depth += missing / (STIFFEST + (1.0 - STIFFEST) / (1.0 + h * depth))
    return depth


def union_share(ball: NDArray[np.float64], voids: NDArray[np.float64], across: int = 128) -> float:
    """Return the area of all voids within the ball's outline, counted once, as a share of the outline's."""
    if not len(voids):
        return 0.0
    line = (np.arange(across) + 0.5) / across * 2.0 - 1.0
    y, x = ball[0] + ball[2] * line[:, None], ball[1] + ball[2] * line[None, :]
    inside = line[:, None] ** 2 + line[None, :] ** 2 < 1.0
    empty = np.zeros_like(inside)
    for void in voids:
        empty |= (y - void[0]) ** 2 + (x - void[1]) ** 2 < void[2] ** 2
    return float((empty & inside).sum() / inside.sum())
