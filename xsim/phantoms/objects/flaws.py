"""What goes wrong in metal: pores, clusters, shrinkage, inclusions, cracks; each is built, and noted in the log.

Sizes are drawn between what two pixels show and what the piece holds. Voids are exact solids cut out of the piece; a
label's mask is what they look like from the tube.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from xsim.phantoms import solids
from xsim.phantoms.objects.workpiece import Workpiece
from xsim.phantoms.solids import Point, Solid

__all__ = ["crack", "flaw_radius", "inclusions", "pore_clusters", "pores", "shrinkage"]

# Smallest flaw that is drawn [phantom pixels]: a detector's pixel, as a phantom is drawn twice as fine.
LEAST_PX = 2.0
# A crack that is narrower than this many pixels is drawn this wide and as much less deep: rays would miss it.
NARROW_PX = 0.5
# Masks of cracks are drawn this wide [phantom pixels], so that they hold every pixel that the crack touches.
MARK_PX = 1.6


def flaw_radius(piece: Workpiece, rng: np.random.Generator, most_share: float = 0.06) -> float:
    """Draw the radius of a round flaw, small ones being frequent [mm]."""
    low = 0.5 * LEAST_PX * piece.pixel_mm
    high = max(1.5 * low, min(0.3 * piece.path_mm, most_share * piece.field_mm))
    return float(low * (high / low) ** rng.beta(1.2, 2.2))


def pores(piece: Workpiece, candidates: int, kind: str = "pore") -> None:
    """Draw single gas pores: ellipsoids that are nearly balls."""
    rng = piece.log.rng
    for _ in range(candidates):
        if not piece.log.strikes(kind):
            continue
        radius = flaw_radius(piece, rng)
        at = piece.place(rng, radius)
        if at is not None:
            axes = radius * rng.uniform(0.6, 1.0, 3)
            pore = solids.ellipsoid(*at, *axes, angle=float(rng.uniform(0.0, math.pi)))
            piece.voids.append(pore)
            piece.log.mark(kind, [pore], 2.0 * radius)


def pore_clusters(piece: Workpiece, candidates: int, kind: str = "pore-cluster") -> None:
    """Draw nests of small pores: one label each, graded by the number of its pores."""
    rng = piece.log.rng
    for _ in range(candidates):
        if not piece.log.strikes(kind):
            continue
        centre = piece.place(rng, LEAST_PX * piece.pixel_mm)
        if centre is None:
            continue
        spread = (piece.field_mm * rng.uniform(0.02, 0.08), piece.path_mm * rng.uniform(0.03, 0.15))
        found = []
        for _ in range(int(rng.integers(8, 45))):
            radius = flaw_radius(piece, rng, 0.012)
            at = _near(centre, rng, spread)
            if piece.holds(at, radius):
                found.append(solids.sphere(*at, 2.0 * radius))
        if found:
            piece.voids += found
            piece.log.mark(kind, found, float(len(found)))


def shrinkage(piece: Workpiece, candidates: int, kind: str = "shrinkage") -> None:
    """Draw shrinkage: a sponge of joined hollows that branches through the middle of the wall."""
    rng = piece.log.rng
    for _ in range(candidates):
        if not piece.log.strikes(kind):
            continue
        radius = flaw_radius(piece, rng, 0.02)
        start = piece.place(rng, radius)
        if start is None:
            continue
        found: list[Solid] = []
        marks: list[Solid] = []
        # A hollow between the centres of pixels has a place in the mask too.
        least = 0.8 * piece.pixel_mm
        tips = [(start, float(rng.uniform(0.0, 2.0 * math.pi)))]
        for _ in range(int(rng.integers(10, 45))):
            (x, y, z), heading = tips[int(rng.integers(len(tips)))]
            heading += float(rng.normal(0.0, 0.7))
            step = radius * float(rng.uniform(0.7, 1.6))
            z += 0.4 * radius * float(rng.normal())
            at = (x + step * math.cos(heading), y + step * math.sin(heading), z)
            own = radius * float(rng.uniform(0.4, 1.0))
            if piece.holds(at, own):
                shape = (own * float(rng.uniform(0.8, 1.6)), own * 0.6, own * 0.5)
                if piece.holds(at, shape[0]):
                    found.append(solids.ellipsoid(*at, *shape, angle=heading))
                    seen = (max(shape[0], least), max(shape[1], least), shape[2])
                    marks.append(solids.ellipsoid(*at, *seen, angle=heading))
                tips.append((at, heading))
        if found:
            piece.voids += found
            piece.log.mark(kind, marks, float(len(found)))


def inclusions(piece: Workpiece, candidates: int, materials: Sequence[str], kind: str = "inclusion") -> None:
    """Draw grains of other materials, denser or lighter, in the place of the piece's own."""
    rng = piece.log.rng
    for _ in range(candidates):
        if not piece.log.strikes(kind):
            continue
        radius = flaw_radius(piece, rng, 0.03)
        at = piece.place(rng, radius)
        chosen = materials[int(rng.integers(len(materials)))]
        if at is None or chosen == piece.material:
            continue
        axes = radius * rng.uniform(0.4, 1.0, 3)
        grain = solids.ellipsoid(*at, *axes, angle=float(rng.uniform(0.0, math.pi)))
        piece.insert(chosen, [grain])
        piece.log.mark(kind, [grain], 2.0 * radius)


def crack(
    piece: Workpiece,
    start: tuple[float, float],
    heading: float,
    length: float,
    heights: tuple[float, float],
    *,
    width: float,
    kind: str = "crack",
    wander: float = 0.35,
) -> None:
    """Cut a crack: a jagged line of upright gaps from ``start`` on, between two heights [mm, rad].

    Where it is narrower than rays can see it is drawn wider and as much less deep: the path that it takes away, and
    so what the image shows, stays.
    """
    rng = piece.log.rng
    steps = int(np.clip(length / max(0.012 * piece.field_mm, 3.0 * piece.pixel_mm), 3, 40))
    drawn = max(width, NARROW_PX * piece.pixel_mm)
    depth = (heights[1] - heights[0]) * width / drawn
    low = float(rng.uniform(heights[0], max(heights[1] - depth, heights[0])))
    (x, y), found, marks = start, [], []
    for k in range(steps):
        turn = heading + float(rng.normal(0.0, wander))
        step = length / steps * float(rng.uniform(0.6, 1.4))
        ahead = (x + step * math.cos(turn), y + step * math.sin(turn))
        # It closes towards its tips.
        own = depth * math.sin(math.pi * (k + 1.0) / (steps + 1.0)) ** 0.5
        gap = (low + 0.5 * (depth - own), low + 0.5 * (depth + own))
        if not any(span[0] <= gap[0] + 1e-9 and gap[1] <= span[1] + 1e-9 for span in piece.column(*ahead)):
            break  # it ends where the metal does
        found.append(solids.slot(x, y, *ahead, *gap, drawn))
        marks.append(solids.slot(x, y, *ahead, *gap, max(drawn, MARK_PX * piece.pixel_mm)))
        x, y = ahead
    if found:
        piece.voids += found
        piece.log.mark(kind, marks, width)


def _near(centre: Point, rng: np.random.Generator, spread: tuple[float, float]) -> Point:
    x, y, z = centre
    across, along = spread
    return x + across * float(rng.normal()), y + across * float(rng.normal()), z + along * float(rng.normal())
