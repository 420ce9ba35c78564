"""Two-terminal chips: resistors, multilayer capacitors, ferrite inductors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xsim.phantoms.parts.joints import pad_joint, stray_balls
from xsim.phantoms.parts.part import Frame, Job, Pad, Part

if TYPE_CHECKING:
    import numpy as np

    from xsim.phantoms.solids import Solid

__all__ = ["CHIP_SIZES", "Chip", "chip_inductor", "mlcc", "resistor"]

# case -> length, width, height of a resistor, height of a capacitor, terminal length [mm]
CHIP_SIZES = {
    "0201": (0.6, 0.3, 0.23, 0.30, 0.15),
    "0402": (1.0, 0.5, 0.35, 0.50, 0.25),
    "0603": (1.6, 0.8, 0.45, 0.80, 0.35),
    "0805": (2.0, 1.25, 0.50, 1.25, 0.45),
    "1206": (3.2, 1.6, 0.55, 1.60, 0.50),
}
# Thick-film terminal [mm]: 15 um of silver, and 5 um of nickel that absorb as half a micrometre more of it; the tin on
# top joins the solder.
SILVER_MM, CERMET_MM = 0.0155, 0.010


@dataclass(frozen=True)
class Chip(Part):
    """A chip with a terminal at each end; ``kind`` is "resistor", "mlcc" or "inductor"."""

    kind: str
    length: float
    width: float
    height: float
    terminal: float

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return two lands: the terminal plus a toe of a third of its length."""
        toe = 0.1 + 0.35 * self.terminal
        size = self.terminal + toe + 0.05
        x = 0.5 * self.length + toe - 0.5 * size
        return tuple(Pad(side * x, 0.0, size, self.width + 0.05, 0.05) for side in (-1.0, 1.0))

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return lands and body plus 0.25 mm all round."""
        pad = self.pads[1]
        return 2.0 * pad.x + pad.width + 0.5, self.width + 0.5

    def draw(self, frame: Frame, job: Job) -> None:
        """Draw body, electrodes, terminals and the two joints; some stand on one end, some are cracked."""
        lift = 0.0
        if self.length < 2.5 and job.log.strikes("tombstone"):
            lift = float(job.log.rng.uniform(0.6, 1.4))
        self._draw_body(frame, job, lift)
        for side, pad in zip((-1.0, 1.0), self.pads, strict=True):
            if lift and side > 0.0:
                film = frame.prism(pad.x, 0.0, 0.0, job.paste_mm(), 0.9 * pad.width, 0.9 * pad.height, corner=0.05)
                job.scene.body(job.solder, [film])
                continue
            angle = 0.0 if side > 0.0 else math.pi
            rise = min(0.8 * self.height, abs(pad.x) + 0.5 * pad.width - 0.5 * self.length)
            land = (pad.x, 0.0, pad.width, pad.height)
            pad_joint(frame, job, land=land, wall=(side * 0.5 * self.length, 0.0), angle=angle, rise=rise)
        stray_balls(frame, job, 0.5 * self.length, 0.5 * self.width)

    def _piece(self, frame: Frame, lift: float, x: float, z: float, size: tuple[float, float, float]) -> Solid:
        """Return a box of the chip, centred at x along it and z above its sole, lifted about its left end."""
        along, base = x + 0.5 * self.length, 0.05
        cx = -0.5 * self.length + along * math.cos(lift) - z * math.sin(lift)
        cz = base + along * math.sin(lift) + z * math.cos(lift)
        return frame.block((cx, 0.0, cz), size, pitch=-lift)

    def _draw_body(self, frame: Frame, job: Job, lift: float) -> None:
        length, width, height = self.length, self.width, self.height
        material = {"resistor": "Al2O3", "mlcc": "BaTiO3", "inductor": "NiZn-ferrite"}[self.kind]
        whole = self._piece(frame, lift, 0.0, 0.5 * height, (length, width, height))
        cracks = self._cracks(frame, job) if self.kind == "mlcc" and not lift else []
        job.scene.body(material, [whole], voids=cracks)
        if lift:
            job.log.mark("tombstone", [whole], math.degrees(lift))
        if self.kind == "resistor":
            film = self._piece(frame, lift, 0.0, height, (length - 1.6 * self.terminal, 0.8 * width, CERMET_MM))
            job.scene.body("RuO2-paste", [film])
        elif self.kind == "mlcc":
            margin = min(0.15, 0.2 * width)
            plates = (length - 2.0 * margin, width - 2.0 * margin, 0.3 * (height - 2.0 * margin))
            active = self._piece(frame, lift, 0.0, 0.5 * height, plates)
            job.scene.body("Ni", [active], displaces="BaTiO3")
        else:
            self._draw_coil(frame, job)
        for side in (-1.0, 1.0):
            job.scene.body("Ag", self._cap(frame, lift, side))

    def _cap(self, frame: Frame, lift: float, side: float) -> list[Solid]:
        """Return the wrap of one terminal: end face, upper and lower lap."""
        x = side * 0.5 * (self.length - self.terminal)
        lap = (self.terminal, self.width, SILVER_MM)
        end = (SILVER_MM, self.width, self.height)
        return [
            self._piece(frame, lift, side * 0.5 * self.length, 0.5 * self.height, end),
            self._piece(frame, lift, x, 0.0, lap),
            self._piece(frame, lift, x, self.height, lap),
        ]

    def _cracks(self, frame: Frame, job: Job) -> list[Solid]:
        """Return the void of a bending crack: a slanted gap from the sole beside a terminal."""
        if not job.log.strikes("crack"):
            return []
        rng = job.log.rng
        gap = float(rng.uniform(0.02, 0.05))
        x = float(rng.choice([-1.0, 1.0])) * (0.5 * self.length - 1.3 * self.terminal)
        roll = float(rng.uniform(-0.15, 0.15))
        slit = frame.block((x, 0.0, 0.5 * self.height), (gap, self.width, 1.2 * self.height), pitch=roll, angle=roll)
        job.log.mark("crack", [slit], gap)
        return [slit]

    def _draw_coil(self, frame: Frame, job: Job) -> None:
        """Draw the printed silver spiral of a ferrite chip as stacked rectangles."""
        half_x, half_y = 0.5 * self.length - 1.2 * self.terminal, 0.32 * self.width
        for z in (0.4 * self.height, 0.6 * self.height):
            corners = [(-half_x, -half_y, z), (half_x, -half_y, z), (half_x, half_y, z), (-half_x, half_y, z)]
            sides = [frame.rod(corners[k], corners[(k + 1) % 4], 0.025, capped=True) for k in range(4)]
            job.scene.body("Ag", sides, displaces="NiZn-ferrite")


def _size(rng: np.random.Generator) -> tuple[float, float, float, float, float]:
    return CHIP_SIZES[str(rng.choice(list(CHIP_SIZES), p=[0.12, 0.33, 0.3, 0.15, 0.1]))]


def resistor(rng: np.random.Generator) -> Chip:
    """Draw a chip resistor of a usual case."""
    length, width, height, _, terminal = _size(rng)
    return Chip("resistor", length, width, height, terminal)


def mlcc(rng: np.random.Generator) -> Chip:
    """Draw a multilayer ceramic capacitor of a usual case."""
    length, width, _, height, terminal = _size(rng)
    return Chip("mlcc", length, width, height * float(rng.uniform(0.6, 1.0)), terminal)


def chip_inductor(rng: np.random.Generator) -> Chip:
    """Draw a ferrite chip inductor."""
    length, width, _, height, terminal = CHIP_SIZES[str(rng.choice(["0603", "0805"]))]
    return Chip("inductor", length, width, 0.8 * height, terminal)
