"""QFN and DFN packages: leads at the edge, a soldered pad with its voids below, die and wires above."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xsim.phantoms.parts.dies import draw_die
from xsim.phantoms.parts.part import Frame, Job, Pad, Part

if TYPE_CHECKING:
    import numpy as np

    from xsim.phantoms.solids import Solid

__all__ = ["Leadless", "leadless"]

FRAME_MM = 0.2


@dataclass(frozen=True)
class Leadless(Part):
    """A square package with ``per_side`` leads on four sides (QFN) or two (DFN) [mm]."""

    size: float
    pitch: float
    per_side: int
    sides: int
    paddle: float

    def _leads(self) -> list[tuple[float, float, float]]:
        """Return each lead's middle and direction outwards (x, y, angle)."""
        reach = 0.5 * self.size - 0.2
        found = []
        for quarter in range(4) if self.sides == 4 else (0, 2):
            angle = 0.5 * math.pi * quarter
            for k in range(self.per_side):
                t = (k - 0.5 * (self.per_side - 1)) * self.pitch
                x, y = reach * math.cos(angle) - t * math.sin(angle), reach * math.sin(angle) + t * math.cos(angle)
                found.append((x, y, angle))
        return found

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return the paddle's land and one land a lead, 0.25 mm longer than the lead."""
        found = [Pad(0.0, 0.0, self.paddle, self.paddle, 0.05, role="ground")]
        width = 0.55 * self.pitch
        for x, y, angle in self._leads():
            along = abs(math.cos(angle)) > 0.5
            px, py = x + 0.13 * math.cos(angle), y + 0.13 * math.sin(angle)
            found.append(Pad(px, py, 0.65 if along else width, width if along else 0.65, 0.05))
        return tuple(found)

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return lands plus 0.25 mm all round."""
        return self.size + 1.1, self.size + 1.1

    def draw(self, frame: Frame, job: Job) -> None:
        """Draw mould, paddle, leads, wires and the joints below."""
        rng, size = job.rng, self.size
        bond = float(rng.uniform(0.05, 0.075))
        mould = frame.prism(0.0, 0.0, bond, bond + 0.85, size, size)
        job.scene.body("EMC", [mould])
        paddle = frame.prism(0.0, 0.0, bond, bond + FRAME_MM, self.paddle, self.paddle, corner=0.1)
        job.scene.body("Cu", [paddle], displaces="EMC")
        width = 0.5 * self.pitch
        for x, y, angle in self._leads():
            along = abs(math.cos(angle)) > 0.5
            lead_w, lead_h = (0.4, width) if along else (width, 0.4)
            job.scene.body(
                "Cu", [frame.prism(x, y, bond, bond + FRAME_MM, lead_w, lead_h, corner=0.05)], displaces="EMC"
            )
            film_w, film_h = (0.6, width) if along else (width, 0.6)
            px, py = x + 0.12 * math.cos(angle), y + 0.12 * math.sin(angle)
            film = frame.prism(px, py, 0.0, bond, film_w, film_h, corner=0.05)
            if job.log.strikes("insufficient-solder"):
                job.log.mark("insufficient-solder", [film], 100.0)
                continue
            toe = frame.fillet(x + 0.2 * math.cos(angle), y + 0.2 * math.sin(angle), bond, 0.2, width, 0.15, angle)
            job.scene.body(job.solder, [film, toe])
        self._draw_paddle_joint(frame, job, bond)
        draw_die(
            frame,
            job,
            base=bond + FRAME_MM,
            side=0.7 * self.paddle,
            fingers=0.5 * size - 0.3,
            host="EMC",
            per_side=max(2, self.per_side),
        )

    def _draw_paddle_joint(self, frame: Frame, job: Job, bond: float) -> None:
        """Draw the printed windows under the paddle, run together, with voids and channels between windows."""
        rng = job.log.rng
        side = self.paddle
        film = frame.prism(0.0, 0.0, 0.0, bond, 0.96 * side, 0.96 * side, corner=0.1)
        voids: list[Solid] = []
        area = 0.0
        windows = max(1, round(side / 1.4))
        if job.log.strikes("joint-void"):
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
        job.scene.body(job.solder, [film], voids=voids)
        if voids:
            job.log.mark("joint-void", voids, 100.0 * min(1.0, area / (0.92 * side * side)))


def leadless(rng: np.random.Generator) -> Leadless:
    """Draw a QFN of 3 to 9 mm or a DFN of 2 to 4 mm."""
    if rng.random() < 0.3:
        size = float(rng.choice([2.0, 3.0, 4.0]))
        return Leadless(size, 0.5, int((size - 0.6) / 0.5), 2, 0.4 * size)
    size = float(rng.choice([3.0, 4.0, 5.0, 6.0, 7.0, 9.0]))
    pitch = float(rng.choice([0.4, 0.5, 0.65]))
    return Leadless(size, pitch, int((size - 1.2) / pitch), 4, 0.62 * size)
