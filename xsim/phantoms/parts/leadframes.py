"""Packages on leadframes: gull wings (SOIC, TSSOP, QFP, SOT) and leadless ones (QFN, DFN) with their soldered pad."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from xsim.phantoms.parts.dies import draw_die
from xsim.phantoms.parts.part import BuildContext, Frame, Pad, Part, fillet, stray_balls
from xsim.phantoms.solids import Solid

__all__ = ["GullWing", "Leadless", "gull_wing", "leadless"]


class _Lead(NamedTuple):
    """Where a lead stands and its direction outwards [mm, rad]."""

    x: float
    y: float
    angle: float

    def out(self, by: float) -> tuple[float, float]:
        """Return the point this far outwards."""
        return self.x + by * math.cos(self.angle), self.y + by * math.sin(self.angle)

    def extent(self, length: float, width: float) -> tuple[float, float]:
        """Return the size along x and y of what is this long outwards and this wide."""
        return (length, width) if abs(math.cos(self.angle)) > 0.5 else (width, length)


def _leads(reach_x: float, reach_y: float, count_x: int, count_y: int, pitch: float) -> list[_Lead]:
    """Return rows of leads around a body: ``count_y`` on the right and left side, ``count_x`` on the others."""
    found = []
    for quarter in range(4):
        reach, count = ((reach_x, count_y), (reach_y, count_x))[quarter % 2]
        angle = 0.5 * math.pi * quarter
        cosine, sine = math.cos(angle), math.sin(angle)
        for k in range(count):
            t = (k - 0.5 * (count - 1)) * pitch
            found.append(_Lead(reach * cosine - t * sine, reach * sine + t * cosine, angle))
    return found


@dataclass(frozen=True)
class GullWing(Part):
    """A moulded body with bent leads on two or four sides [mm]."""

    body_x: float
    body_y: float
    height: float
    pitch: float
    lead: float
    count_x: int
    count_y: int
    frame_metal: str

    foot = 0.6
    knee = 0.55
    thick = 0.15

    def _leads(self) -> list[_Lead]:
        return _leads(0.5 * self.body_x, 0.5 * self.body_y, self.count_x, self.count_y, self.pitch)

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return one land a lead: the foot plus 0.35 mm toe and heel each."""
        length, width = self.foot + 0.7, min(1.3 * self.lead, 0.62 * self.pitch)
        away = self.knee + 0.5 * self.foot
        return tuple(Pad(*lead.out(away), *lead.extent(length, width), 0.05) for lead in self._leads())

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return lands plus 0.25 mm all round."""
        leads = 2.0 * (self.knee + self.foot + 0.35)
        x, y = self.body_x + (leads if self.count_y else 0.0), self.body_y + (leads if self.count_x else 0.0)
        return x + 0.5, y + 0.5

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw mould, frame with fingers and tie bars, die, wires, leads and joints."""
        lift = 0.1
        mould = frame.prism(0.0, 0.0, lift, lift + self.height, self.body_x, self.body_y, corner=0.05)
        context.scene.body("EMC", [mould])
        middle = lift + 0.5 * self.height
        paddle = 0.55 * min(self.body_x, self.body_y)
        if min(self.body_x, self.body_y) > 1.9:
            self._draw_frame(frame, context, middle, paddle)
        for lead in self._leads():
            self._draw_lead(frame, context, lead, middle)
        stray_balls(frame, context, 0.5 * self.body_x + 0.4, 0.5 * self.body_y)

    def _draw_frame(self, frame: Frame, context: BuildContext, middle: float, paddle: float) -> None:
        low, high = middle - 0.5 * self.thick, middle + 0.5 * self.thick
        parts = [frame.prism(0.0, 0.0, low, high, paddle, paddle, corner=0.1)]
        if self.count_x == 0:
            parts.append(frame.prism(0.0, 0.0, low, high, 0.4, 0.98 * self.body_y))
        else:
            reach = 0.47 * min(self.body_x, self.body_y)
            for angle in (0.25 * math.pi, 0.75 * math.pi):
                size = (2.0 * math.sqrt(2.0) * reach, 0.3, self.thick)
                parts.append(frame.block((0.0, 0.0, middle), size, angle=angle))
        fingers = 0.5 * paddle + 0.35
        leads = self._leads()
        for x, y, _ in leads:
            # Fingers fan in from the lead to a ring around the paddle.
            reach = math.hypot(x, y)
            tip_x, tip_y = x * fingers / reach * 1.15, y * fingers / reach * 1.15
            length = math.hypot(x - tip_x, y - tip_y)
            if length < 0.15:
                continue
            turn = math.atan2(y - tip_y, x - tip_x)
            centre = (0.5 * (x + tip_x), 0.5 * (y + tip_y), middle)
            parts.append(frame.block(centre, (length, 0.7 * self.lead, self.thick), angle=turn))
        context.scene.body(self.frame_metal, parts, displaces="EMC")
        per_side = max(2, len(leads) // 4)
        draw_die(frame, context, base=high, side=0.75 * paddle, fingers=fingers + 0.25, per_side=per_side)

    def _draw_lead(self, frame: Frame, context: BuildContext, lead: _Lead, middle: float) -> None:
        """Draw shoulder, knee and foot, then the joint; a lifted foot leaves its joint open."""
        wide, thick, angle = self.lead, self.thick, lead.angle
        starved = context.log.strikes("insufficient-solder")
        base = context.paste_mm()
        foot_z = base + 0.5 * thick
        drop, run = middle - foot_z, self.knee - 0.25
        knee = frame.block(
            (*lead.out(0.5 * run + 0.12), 0.5 * (middle + foot_z)),
            (math.hypot(drop, run) + thick, wide, thick),
            angle=angle,
            pitch=math.atan2(drop, run),
        )
        shoulder = frame.block((*lead.out(0.06), middle), (0.26, wide, thick), angle=angle)
        foot_x = self.knee - 0.15 + 0.5 * self.foot
        foot = frame.block((*lead.out(foot_x), foot_z), (self.foot + 0.1, wide, thick), angle=angle)
        context.scene.body(self.frame_metal, [shoulder, knee, foot])
        film = frame.prism(*lead.out(foot_x), 0.0, base, *lead.extent(self.foot + 0.5, 1.1 * wide), corner=0.04)
        if starved:
            context.log.mark("insufficient-solder", [film], 100.0)
            return
        heel_at, toe_at = lead.out(foot_x - 0.5 * self.foot), lead.out(foot_x + 0.5 * self.foot)
        heel, heel_hollow = fillet(frame, *heel_at, base, 0.28, 1.05 * wide, angle + math.pi)
        toe, toe_hollow = fillet(frame, *toe_at, base, 0.15, 1.05 * wide, angle)
        context.scene.body(context.solder, [film, heel, toe], voids=[heel_hollow, toe_hollow])


def gull_wing(rng: np.random.Generator) -> GullWing:
    """Draw a SOIC, TSSOP, QFP or SOT-23-like package."""
    style = str(rng.choice(["soic", "tssop", "qfp", "sot"], p=[0.3, 0.25, 0.25, 0.2]))
    metal = "Cu" if rng.random() < 0.7 else "Alloy42"
    if style == "soic":
        count = int(rng.choice([4, 7, 8]))
        return GullWing(3.9, 1.27 * count - 0.1, 1.45, 1.27, 0.42, 0, count, metal)
    if style == "tssop":
        count = int(rng.choice([7, 8, 10, 14]))
        return GullWing(4.4, 0.65 * count + 0.45, 1.0, 0.65, 0.24, 0, count, metal)
    if style == "sot":
        return GullWing(1.3, 2.9, 1.0, 0.95, 0.40, 0, 3, metal)
    count = int(rng.choice([8, 12, 16, 20, 25]))
    pitch = float(rng.choice([0.5, 0.65, 0.8]))
    size = pitch * count + 1.0
    return GullWing(size, size, 1.4, pitch, 0.45 * pitch, count, count, metal)


# Thickness of a copper leadframe [mm], the usual 8 mil.
FRAME_MM = 0.2


@dataclass(frozen=True)
class Leadless(Part):
    """A square package with ``per_side`` leads on four sides (QFN) or two (DFN) [mm]."""

    size: float
    pitch: float
    per_side: int
    sides: int
    paddle: float

    def _leads(self) -> list[_Lead]:
        reach = 0.5 * self.size - 0.2
        return _leads(reach, reach, self.per_side if self.sides == 4 else 0, self.per_side, self.pitch)

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return the paddle's land and one land a lead, 0.25 mm longer than the lead."""
        width = 0.55 * self.pitch
        leads = [Pad(*lead.out(0.13), *lead.extent(0.65, width), 0.05) for lead in self._leads()]
        return (Pad(0.0, 0.0, self.paddle, self.paddle, 0.05, role="ground"), *leads)

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return lands plus 0.25 mm all round."""
        return self.size + 1.1, self.size + 1.1

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw mould, paddle, leads, wires and the joints below."""
        size, bond = self.size, float(context.rng.uniform(0.05, 0.075))
        context.scene.body("EMC", [frame.prism(0.0, 0.0, bond, bond + 0.85, size, size)])
        paddle = frame.prism(0.0, 0.0, bond, bond + FRAME_MM, self.paddle, self.paddle, corner=0.1)
        context.scene.body("Cu", [paddle], displaces="EMC")
        width = 0.5 * self.pitch
        for lead in self._leads():
            metal = frame.prism(lead.x, lead.y, bond, bond + FRAME_MM, *lead.extent(0.4, width), corner=0.05)
            context.scene.body("Cu", [metal], displaces="EMC")
            film = frame.prism(*lead.out(0.12), 0.0, bond, *lead.extent(0.6, width), corner=0.05)
            if context.log.strikes("insufficient-solder"):
                context.log.mark("insufficient-solder", [film], 100.0)
                continue
            toe = frame.fillet(*lead.out(0.2), bond, 0.2, width, 0.15, lead.angle)
            context.scene.body(context.solder, [film, toe])
        self._draw_paddle_joint(frame, context, bond)
        base, side, fingers = bond + FRAME_MM, 0.7 * self.paddle, 0.5 * size - 0.3
        per_side = max(2, self.per_side)
        draw_die(frame, context, base=base, side=side, fingers=fingers, per_side=per_side)

    def _draw_paddle_joint(self, frame: Frame, context: BuildContext, bond: float) -> None:
        """Draw the printed windows under the paddle, run together, with voids and channels between windows."""
        rng = context.log.rng
        side = self.paddle
        film = frame.prism(0.0, 0.0, 0.0, bond, 0.96 * side, 0.96 * side, corner=0.1)
        voids: list[Solid] = []
        area = 0.0
        windows = max(1, round(side / 1.4))
        if context.log.strikes("joint-void"):
            target = float(rng.uniform(0.03, 0.45)) * side * side
            for _ in range(60):
                a = float(rng.lognormal(math.log(0.09 * side), 0.5))
                b = a * float(rng.uniform(0.5, 1.0))
                if area > target or a > 0.3 * side:
                    break
                x, y = (float(rng.uniform(-0.42, 0.42)) * side for _ in range(2))
                # Tall ellipsoids leave upright walls: the bubble fills the thin joint from land to land.
                voids.append(frame.ellipsoid(x, y, 0.5 * bond, a, b, 20.0 * bond, low=0.0, high=bond))
                area += math.pi * a * b
            for k in range(1, windows):
                if rng.random() < 0.5:
                    x = (k / windows - 0.5) * side
                    length = float(rng.uniform(0.2, 0.7)) * side
                    y = float(rng.uniform(-0.15, 0.15)) * side
                    voids.append(frame.prism(x, y, 0.0, bond, float(rng.uniform(0.08, 0.2)), length, corner=0.08))
        context.scene.body(context.solder, [film], voids=voids)
        if voids:
            context.log.mark("joint-void", voids, 100.0 * min(1.0, area / (0.92 * side * side)))


def leadless(rng: np.random.Generator) -> Leadless:
    """Draw a QFN of 3 to 9 mm or a DFN of 2 to 4 mm."""
    if rng.random() < 0.3:
        size = float(rng.choice([2.0, 3.0, 4.0]))
        return Leadless(size, 0.5, int((size - 0.6) / 0.5), 2, 0.4 * size)
    size = float(rng.choice([3.0, 4.0, 5.0, 6.0, 7.0, 9.0]))
    pitch = float(rng.choice([0.4, 0.5, 0.65]))
    return Leadless(size, pitch, int((size - 1.2) / pitch), 4, 0.62 * size)
