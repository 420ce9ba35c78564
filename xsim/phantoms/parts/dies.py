"""Silicon dies: attach, wire loops with their ball bonds, and the leadframes that carry them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from xsim.phantoms.parts.part import BuildContext, Frame, Pad, Part
from xsim.phantoms.solids import Point, Solid

__all__ = ["ChipOnBoard", "chip_on_board", "draw_die", "loop"]


def loop(frame: Frame, start: Point, end: Point, diameter: float, sweep: float) -> list[Solid]:
    """Return a bond wire: a steep rise over the ball bond, an arc of five pieces down to the far bond.

    ``sweep`` bends its middle sideways, as a share of the span.
    """
    dx, dy = end[0] - start[0], end[1] - start[1]
    peak = max(start[2], end[2]) + 0.15
    points = [start, (start[0] + 0.04 * dx, start[1] + 0.04 * dy, peak)]
    for t in (0.3, 0.55, 0.8):
        bow = sweep * 4.0 * t * (1.0 - t)
        z = peak + (end[2] - peak) * t * t
        points.append((start[0] + t * dx - bow * dy, start[1] + t * dy + bow * dx, z))
    points.append(end)
    return [frame.rod(p, q, diameter, capped=True) for p, q in pairwise(points)]


def draw_die(frame: Frame, context: BuildContext, *, base: float, side: float, fingers: float, per_side: int) -> None:
    """Draw a die of edge ``side`` on height ``base`` and its wires to fingers ``fingers`` from the middle [mm].

    It lies in mould compound; ``per_side`` wires leave each of its four sides.
    """
    rng = context.rng
    thick = float(rng.uniform(0.1, 0.35))
    attach = 0.008 * float(rng.uniform(0.7, 1.4))
    context.scene.body("Ag", [frame.prism(0.0, 0.0, base, base + attach, 1.05 * side, 1.05 * side)], displaces="EMC")
    context.scene.body("Si", [frame.prism(0.0, 0.0, base + attach, base + thick, side, side)], displaces="EMC")
    metal = "Au" if rng.random() < 0.6 else "Cu"
    diameter = float(rng.choice([0.02, 0.025, 0.032]))
    per_side = max(2, min(per_side, 40))
    for cosine, sine in ((1.0, 0.0), (0.0, 1.0), (-1.0, 0.0), (0.0, -1.0)):
        for k in range(per_side):
            t = (k + 0.5) / per_side - 0.5
            if rng.random() < 0.08:  # not every pad is bonded
                continue
            start = _turn(0.46 * side, 0.9 * side * t, base + thick, cosine, sine)
            end = _turn(fingers, 2.0 * fingers * t * 0.85, base + 0.03, cosine, sine)
            _draw_wire(frame, context, start, end, metal, diameter)


def _turn(x: float, y: float, z: float, cosine: float, sine: float) -> Point:
    return cosine * x - sine * y, sine * x + cosine * y, z


def _draw_wire(frame: Frame, context: BuildContext, start: Point, end: Point, metal: str, diameter: float) -> None:
    """Draw one wire with its ball and crescent bonds; some are swept, some broken."""
    log = context.log
    sweep = 0.01 * float(context.rng.normal())
    swept = log.strikes("wire-swept")
    if swept:
        sweep = float(log.rng.choice([-1.0, 1.0])) * float(log.rng.uniform(0.08, 0.2))
    pieces = loop(frame, start, end, diameter, sweep)
    if log.strikes("wire-broken"):
        gone = int(log.rng.integers(1, len(pieces)))
        log.mark("wire-broken", [pieces[gone]], math.dist(start, end))
        pieces = pieces[:gone] + pieces[gone + 1 :]
    elif swept:
        log.mark("wire-swept", pieces, abs(sweep))
    ball = frame.cone(start[0], start[1], start[2], start[2] + 0.015, 3.0 * diameter, 2.4 * diameter)
    wedge = frame.cone(end[0], end[1], end[2] - 0.005, end[2] + 0.01, 2.4 * diameter, 1.6 * diameter)
    context.scene.body(metal, [ball, wedge, *pieces], displaces="EMC")


@dataclass(frozen=True)
class ChipOnBoard(Part):
    """A die glued on the board, wired to a ring of fingers, under a drop of resin [mm]."""

    side: float
    per_side: int

    @property
    def reach(self) -> float:
        """Return the distance of the fingers from the middle [mm]."""
        return 0.5 * self.side + 1.3

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return the fingers, and the die's paddle."""
        pitch = 1.7 * self.reach / self.per_side
        found = [Pad(0.0, 0.0, self.side + 0.4, self.side + 0.4, role="ground")]
        width = max(0.1, 0.5 * pitch)
        for k in range(self.per_side):
            t = (k + 0.5) * pitch - 0.85 * self.reach
            for side in (-1.0, 1.0):
                found.append(Pad(side * (self.reach + 0.1), t, 0.6, width))
                found.append(Pad(t, side * (self.reach + 0.1), width, 0.6))
        return tuple(found)

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return the resin drop."""
        return 2.0 * self.reach + 1.6, 2.0 * self.reach + 1.6

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw resin, die and wires."""
        reach = self.reach + 0.6
        context.scene.body("EMC", [frame.ellipsoid(0.0, 0.0, 0.0, reach, reach, 1.2, low=0.0)])
        draw_die(frame, context, base=0.02, side=self.side, fingers=self.reach, per_side=self.per_side)


def chip_on_board(rng: np.random.Generator) -> ChipOnBoard:
    """Draw a die of 1.5 to 4 mm with 8 to 24 wires a side."""
    side = float(rng.uniform(1.5, 4.0))
    reach = 0.5 * side + 1.3
    return ChipOnBoard(side, int(min(24, 1.7 * reach / 0.32)))
