"""Gull-wing packages: SOIC, TSSOP, QFP and SOT, with leadframe, die and heel and toe fillets."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xsim.phantoms.parts.dies import draw_die
from xsim.phantoms.parts.joints import fillet, stray_balls
from xsim.phantoms.parts.part import Frame, Job, Pad, Part

if TYPE_CHECKING:
    import numpy as np

__all__ = ["GullWing", "gull_wing"]


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

    def _leads(self) -> list[tuple[float, float, float]]:
        """Return where each lead leaves the body, and its direction (x, y, angle)."""
        found = []
        for quarter in range(4):
            count = self.count_y if quarter % 2 == 0 else self.count_x
            reach = 0.5 * (self.body_x if quarter % 2 == 0 else self.body_y)
            angle = 0.5 * math.pi * quarter
            for k in range(count):
                t = (k - 0.5 * (count - 1)) * self.pitch
                found.append(
                    (
                        reach * math.cos(angle) - t * math.sin(angle),
                        reach * math.sin(angle) + t * math.cos(angle),
                        angle,
                    )
                )
        return found

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return one land a lead: the foot plus 0.35 mm toe and heel each."""
        width, found = min(1.3 * self.lead, 0.62 * self.pitch), []
        length = self.foot + 0.7
        for x, y, angle in self._leads():
            away = self.knee + 0.5 * self.foot
            along = abs(math.cos(angle)) > 0.5
            px, py = x + away * math.cos(angle), y + away * math.sin(angle)
            found.append(Pad(px, py, length if along else width, width if along else length, 0.05))
        return tuple(found)

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return lands plus 0.25 mm all round."""
        x = self.body_x + (2.0 * (self.knee + self.foot + 0.35) if self.count_y else 0.0)
        y = self.body_y + (2.0 * (self.knee + self.foot + 0.35) if self.count_x else 0.0)
        return x + 0.5, y + 0.5

    def draw(self, frame: Frame, job: Job) -> None:
        """Draw mould, frame with fingers and tie bars, die, wires, leads and joints."""
        lift = 0.1
        mould = frame.prism(0.0, 0.0, lift, lift + self.height, self.body_x, self.body_y, corner=0.05)
        job.scene.body("EMC", [mould])
        middle = lift + 0.5 * self.height
        paddle = 0.55 * min(self.body_x, self.body_y)
        if min(self.body_x, self.body_y) > 1.9:
            self._draw_frame(frame, job, middle, paddle)
        for x, y, angle in self._leads():
            self._draw_lead(frame, job, x, y, angle, middle)
        stray_balls(frame, job, 0.5 * self.body_x + 0.4, 0.5 * self.body_y)

    def _draw_frame(self, frame: Frame, job: Job, middle: float, paddle: float) -> None:
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
        job.scene.body(self.frame_metal, parts, displaces="EMC")
        per_side = max(2, len(leads) // 4)
        draw_die(frame, job, base=high, side=0.75 * paddle, fingers=fingers + 0.25, host="EMC", per_side=per_side)

    def _draw_lead(self, frame: Frame, job: Job, x: float, y: float, angle: float, middle: float) -> None:
        """Draw shoulder, knee and foot, then the joint; a lifted foot leaves its joint open."""
        cosine, sine = math.cos(angle), math.sin(angle)
        log, lead, thick = job.log, self.lead, self.thick
        starved = log.strikes("insufficient-solder")
        base = job.paste_mm()

        def along(s: float, z: float) -> tuple[float, float, float]:
            return x + s * cosine, y + s * sine, z

        foot_z = base + 0.5 * thick
        drop, run = middle - foot_z, self.knee - 0.25
        knee = frame.block(
            along(0.5 * run + 0.12, 0.5 * (middle + foot_z)),
            (math.hypot(drop, run) + thick, lead, thick),
            angle=angle,
            pitch=math.atan2(drop, run),
        )
        shoulder = frame.block(along(0.06, middle), (0.26, lead, thick), angle=angle)
        foot_x = self.knee - 0.15 + 0.5 * self.foot
        foot = frame.block(along(foot_x, foot_z), (self.foot + 0.1, lead, thick), angle=angle)
        job.scene.body(self.frame_metal, [shoulder, knee, foot])
        length = self.foot + 0.5
        film_x, film_y, _ = along(foot_x, 0.0)
        wide = abs(cosine) > 0.5
        film = frame.prism(
            film_x, film_y, 0.0, base, length if wide else 1.1 * lead, 1.1 * lead if wide else length, corner=0.04
        )
        if starved:
            log.mark("insufficient-solder", [film], 100.0)
            return
        heel_x, heel_y, _ = along(foot_x - 0.5 * self.foot, 0.0)
        toe_x, toe_y, _ = along(foot_x + 0.5 * self.foot, 0.0)
        heel, heel_hollow = fillet(frame, heel_x, heel_y, base, 0.28, 1.05 * lead, angle + math.pi)
        toe, toe_hollow = fillet(frame, toe_x, toe_y, base, 0.15, 1.05 * lead, angle)
        job.scene.body(job.solder, [film, heel, toe], voids=[heel_hollow, toe_hollow])


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
