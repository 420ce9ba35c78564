"""Tantalum and electrolytic capacitors, and wound power inductors."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xsim.phantoms.parts.joints import pad_joint
from xsim.phantoms.parts.part import Frame, Job, Pad, Part

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Electrolytic", "PowerInductor", "Tantalum", "electrolytic", "power_inductor", "tantalum"]


@dataclass(frozen=True)
class Tantalum(Part):
    """A moulded tantalum capacitor: porous slug, anode wire, folded frame [mm]."""

    length: float
    width: float
    height: float

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return a land at each end."""
        size = 0.45 * self.width + 0.6
        return tuple(Pad(side * (0.5 * self.length - 0.25), 0.0, size, 0.7 * self.width) for side in (-1.0, 1.0))

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return lands and body plus 0.25 mm all round."""
        return self.length + self.pads[0].width, self.width + 0.5

    def draw(self, frame: Frame, job: Job) -> None:
        """Draw mould, slug with its wire, both frame ends and the joints."""
        length, width, height = self.length, self.width, self.height
        slug = 0.55 * length
        job.scene.body("EMC", [frame.prism(0.0, 0.0, 0.1, height, length, width, corner=0.1)])
        pellet = frame.prism(-0.1 * length, 0.0, 0.2 * height, 0.85 * height, slug, 0.72 * width, corner=0.05)
        job.scene.body("Ta-porous", [pellet], displaces="EMC")
        wire = frame.rod((-0.2 * length, 0.0, 0.5 * height), (0.42 * length, 0.0, 0.5 * height), 0.16 * height)
        job.scene.body("Ta", [wire], voids=[pellet], displaces="EMC")
        tab = 0.6 * width
        for side in (-1.0, 1.0):
            sole = frame.prism(side * (0.5 * length - 0.4), 0.0, 0.0, 0.1, 0.8, tab)
            face = frame.prism(side * (0.5 * length + 0.05), 0.0, 0.0, 0.6 * height, 0.1, tab)
            arm = frame.prism(side * 0.42 * length, 0.0, 0.5 * height, 0.5 * height + 0.1, 0.16 * length, tab)
            job.scene.body("Alloy42", [sole, face, arm])
        for side, pad in zip((-1.0, 1.0), self.pads, strict=True):
            angle = 0.0 if side > 0.0 else math.pi
            wall, land = (side * (0.5 * length + 0.1), 0.0), (pad.x, 0.0, pad.width, pad.height)
            pad_joint(frame, job, land=land, wall=wall, angle=angle, rise=0.25)


@dataclass(frozen=True)
class Electrolytic(Part):
    """An aluminium electrolytic on a plastic base: can, winding, bung, leads [mm]."""

    diameter: float
    height: float

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return two long lands under the base."""
        x = 0.36 * self.diameter
        return tuple(Pad(side * x, 0.0, 0.4 * self.diameter, 0.9) for side in (-1.0, 1.0))

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return the base plus 0.5 mm all round."""
        return self.diameter + 1.4, self.diameter + 1.2

    def draw(self, frame: Frame, job: Job) -> None:
        """Draw base, can, foil winding as nested tubes, bung and the two bent leads."""
        d, h = self.diameter, self.height
        job.scene.body("LCP-GF30", [frame.prism(0.0, 0.0, 0.0, 0.4, d + 0.3, d + 0.3, corner=0.6)])
        inside = frame.cone(0.0, 0.0, 0.4, h - 0.3, d - 0.6, d - 0.6)
        job.scene.body("Al", [frame.cone(0.0, 0.0, 0.4, h, d, d)], voids=[inside])
        job.scene.body("epoxy-HF", [frame.cone(0.0, 0.0, 0.4, 1.8, d - 0.6, d - 0.6)])
        low, high = 1.9, h - 0.5
        # Foil and paper alternate so finely that a dozen shells of half density stand for the winding.
        turns = 3 * int(d)
        for k in range(turns):
            outer = (d - 0.8) * (k + 1) / turns
            bore = frame.cone(0.0, 0.0, low, high, outer - 0.35 * (d - 0.8) / turns, outer - 0.35 * (d - 0.8) / turns)
            job.scene.body("Al", [frame.cone(0.0, 0.0, low, high, outer, outer)], voids=[bore])
        for side, pad in zip((-1.0, 1.0), self.pads, strict=True):
            x = side * 0.18 * d
            post = frame.rod((x, 0.0, 0.2), (x, 0.0, 2.5), 0.6)
            foot = frame.prism(side * 0.36 * d, 0.0, 0.05, 0.25, 0.38 * d, 0.6)
            job.scene.body("Cu", [post, foot])
            angle = 0.0 if side > 0.0 else math.pi
            land = (pad.x, 0.0, pad.width, pad.height)
            pad_joint(frame, job, land=land, wall=(side * 0.55 * d, 0.0), angle=angle, rise=0.12)


@dataclass(frozen=True)
class PowerInductor(Part):
    """A shielded inductor: ferrite drum, copper winding, end plates [mm]."""

    size: float
    height: float
    wire: float

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return a land along each side."""
        x = 0.42 * self.size
        return tuple(Pad(side * x, 0.0, 0.3 * self.size, 0.8 * self.size) for side in (-1.0, 1.0))

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return lands and body plus 0.25 mm all round."""
        return 1.15 * self.size + 0.5, self.size + 0.5

    def draw(self, frame: Frame, job: Job) -> None:
        """Draw shield, drum, the rings of the winding, terminals and joints."""
        size, height, wire = self.size, self.height, self.wire
        shell = frame.prism(0.0, 0.0, 0.1, height, size, size, corner=0.15 * size)
        room = frame.cone(0.0, 0.0, 0.3 * height, 0.8 * height, 0.86 * size, 0.86 * size)
        core = frame.cone(0.0, 0.0, 0.3 * height, 0.8 * height, 0.4 * size, 0.4 * size)
        job.scene.body("MnZn-ferrite", [shell], voids=[room])
        job.scene.body("MnZn-ferrite", [core])
        rows = max(1, int(0.5 * height / wire))
        layers = max(1, int(0.2 * size / wire))
        for k in range(layers):
            outer = 0.42 * size + 2.0 * wire * (k + 1)
            low, high = 0.3 * height, 0.3 * height + 0.9 * rows * wire
            bore = frame.cone(0.0, 0.0, low, high, outer - 1.7 * wire, outer - 1.7 * wire)
            job.scene.body("Cu", [frame.cone(0.0, 0.0, low, high, outer, outer)], voids=[bore])
        for side, pad in zip((-1.0, 1.0), self.pads, strict=True):
            job.scene.body("Cu", [frame.prism(pad.x, 0.0, 0.0, 0.1, 0.8 * pad.width, 0.9 * pad.height)])
            angle = 0.0 if side > 0.0 else math.pi
            land = (pad.x, 0.0, pad.width, pad.height)
            pad_joint(frame, job, land=land, wall=(side * 0.5 * size, 0.0), angle=angle, rise=0.15)


def tantalum(rng: np.random.Generator) -> Tantalum:
    """Draw a case A, B, C or D."""
    cases = ((3.2, 1.6, 1.6), (3.5, 2.8, 1.9), (6.0, 3.2, 2.5), (7.3, 4.3, 2.9))
    return Tantalum(*cases[int(rng.integers(4))])


def electrolytic(rng: np.random.Generator) -> Electrolytic:
    """Draw a can of 4 to 8 mm."""
    cases = ((4.0, 5.4), (5.0, 5.4), (6.3, 5.8), (8.0, 6.5))
    return Electrolytic(*cases[int(rng.integers(4))])


def power_inductor(rng: np.random.Generator) -> PowerInductor:
    """Draw an inductor of 4 to 7 mm."""
    size = float(rng.choice([4.0, 5.0, 6.0, 7.3]))
    return PowerInductor(size, 0.5 * size, float(rng.uniform(0.1, 0.4)))
