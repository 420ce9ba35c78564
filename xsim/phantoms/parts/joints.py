"""Solder joints that many parts share: printed pads, concave fillets, stray balls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from xsim.phantoms.parts.part import Frame, Job
    from xsim.phantoms.solids import Solid

__all__ = ["fillet", "pad_joint", "stray_balls"]


def fillet(frame: Frame, x: float, y: float, z: float, size: float, width: float, angle: float) -> tuple[Solid, Solid]:
    """Return a concave fillet as a ramp and the cylinder that hollows it.

    It stands on height z, rises to ``size`` at (x, y) and ends ``size`` further along ``angle``: the arc is tangent
    to the wall and to the land.
    """
    ramp = frame.fillet(x, y, z, size, width, size, angle)
    cx, cy = x + size * math.cos(angle), y + size * math.sin(angle)
    sx, sy = -0.51 * width * math.sin(angle), 0.51 * width * math.cos(angle)
    hollow = frame.rod((cx - sx, cy - sy, z + size), (cx + sx, cy + sy, z + size), 2.0 * size)
    return ramp, hollow


def pad_joint(
    frame: Frame,
    job: Job,
    *,
    land: tuple[float, float, float, float],
    wall: tuple[float, float],
    angle: float,
    rise: float,
) -> None:
    """Solder a terminal to its land.

    Parameters
    ----------
    land : (x, y, width, height)
        The land, local frame [mm].
    wall : (x, y)
        Foot of the terminal's outer face, where the fillet climbs.
    angle : float
        Direction in which the fillet falls [rad].
    rise : float
        Height of the fillet [mm].
    """
    x, y, width, height = land
    print_mm = job.paste_mm()
    across = height if abs(math.cos(angle)) > 0.5 else width
    starved = job.log.strikes("insufficient-solder")
    if starved:
        print_mm, rise = 0.4 * print_mm, 0.25 * rise
    film = frame.prism(x, y, 0.0, print_mm, width, height, corner=0.05)
    ramp, hollow = fillet(frame, wall[0], wall[1], print_mm, rise, 0.9 * across, angle)
    job.scene.body(job.solder, [film, ramp], voids=[hollow])
    if starved:
        job.log.mark("insufficient-solder", [film], 60.0)


def stray_balls(frame: Frame, job: Job, half_x: float, half_y: float) -> None:
    """Scatter solder balls beside a part."""
    if not job.log.strikes("solder-ball"):
        return
    rng = job.log.rng
    for _ in range(int(rng.integers(1, 4))):
        diameter = float(rng.uniform(0.05, 0.3))
        x = float(rng.choice([-1.0, 1.0])) * (half_x + float(rng.uniform(0.0, 0.4)))
        y = float(rng.uniform(-half_y, half_y))
        ball = frame.ellipsoid(x, y, 0.5 * diameter, 0.5 * diameter, 0.5 * diameter, 0.5 * diameter)
        job.scene.body(job.solder, [ball])
        job.log.mark("solder-ball", [ball], diameter)
