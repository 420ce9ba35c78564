"""Passive parts: resistors, ceramic, tantalum and electrolytic capacitors, ferrite chips and wound inductors."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xsim.phantoms.parts.part import BuildContext, Frame, Pad, Part, end_joints, pad_joint, stray_balls
from xsim.phantoms.solids import Solid

__all__ = [
    "CHIP_SIZES",
    "Chip",
    "Electrolytic",
    "PowerInductor",
    "Tantalum",
    "chip_inductor",
    "electrolytic",
    "mlcc",
    "power_inductor",
    "resistor",
    "tantalum",
]

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

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw body, electrodes, terminals and the two joints; some stand on one end, some are cracked."""
        lift = 0.0
        if self.length < 2.5 and context.log.strikes("tombstone"):
            lift = float(context.log.rng.uniform(0.6, 1.4))
        self._draw_body(frame, context, lift)
        for side, pad in zip((-1.0, 1.0), self.pads, strict=True):
            if lift and side > 0.0:
                film = frame.prism(pad.x, 0.0, 0.0, context.paste_mm(), 0.9 * pad.width, 0.9 * pad.height, corner=0.05)
                context.scene.body(context.solder, [film])
                continue
            angle = 0.0 if side > 0.0 else math.pi
            rise = min(0.8 * self.height, abs(pad.x) + 0.5 * pad.width - 0.5 * self.length)
            pad_joint(frame, context, pad, (side * 0.5 * self.length, 0.0), angle=angle, rise=rise)
        stray_balls(frame, context, 0.5 * self.length, 0.5 * self.width)

    def _piece(self, frame: Frame, lift: float, x: float, z: float, size: tuple[float, float, float]) -> Solid:
        """Return a box of the chip, centred at x along it and z above its sole, lifted about its left end."""
        along, base = x + 0.5 * self.length, 0.05
        cx = -0.5 * self.length + along * math.cos(lift) - z * math.sin(lift)
        cz = base + along * math.sin(lift) + z * math.cos(lift)
        return frame.block((cx, 0.0, cz), size, pitch=-lift)

    def _draw_body(self, frame: Frame, context: BuildContext, lift: float) -> None:
        length, width, height = self.length, self.width, self.height
        material = {"resistor": "Al2O3", "mlcc": "BaTiO3", "inductor": "NiZn-ferrite"}[self.kind]
        whole = self._piece(frame, lift, 0.0, 0.5 * height, (length, width, height))
        cracks = self._cracks(frame, context) if self.kind == "mlcc" and not lift else []
        context.scene.body(material, [whole], voids=cracks)
        if lift:
            context.log.mark("tombstone", [whole], math.degrees(lift))
        if self.kind == "resistor":
            film = self._piece(frame, lift, 0.0, height, (length - 1.6 * self.terminal, 0.8 * width, CERMET_MM))
            context.scene.body("RuO2-paste", [film])
        elif self.kind == "mlcc":
            margin = min(0.15, 0.2 * width)
            plates = (length - 2.0 * margin, width - 2.0 * margin, 0.3 * (height - 2.0 * margin))
            active = self._piece(frame, lift, 0.0, 0.5 * height, plates)
            context.scene.body("Ni", [active], displaces="BaTiO3")
        else:
            self._draw_coil(frame, context)
        for side in (-1.0, 1.0):
            context.scene.body("Ag", self._cap(frame, lift, side))

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

    def _cracks(self, frame: Frame, context: BuildContext) -> list[Solid]:
        """Return the void of a bending crack: a slanted gap from the sole beside a terminal."""
        if not context.log.strikes("crack"):
            return []
        rng = context.log.rng
        gap = float(rng.uniform(0.02, 0.05))
        x = float(rng.choice([-1.0, 1.0])) * (0.5 * self.length - 1.3 * self.terminal)
        roll = float(rng.uniform(-0.15, 0.15))
        slit = frame.block((x, 0.0, 0.5 * self.height), (gap, self.width, 1.2 * self.height), pitch=roll, angle=roll)
        context.log.mark("crack", [slit], gap)
        return [slit]

    def _draw_coil(self, frame: Frame, context: BuildContext) -> None:
        """Draw the printed silver spiral of a ferrite chip as stacked rectangles."""
        half_x, half_y = 0.5 * self.length - 1.2 * self.terminal, 0.32 * self.width
        for z in (0.4 * self.height, 0.6 * self.height):
            corners = [(-half_x, -half_y, z), (half_x, -half_y, z), (half_x, half_y, z), (-half_x, half_y, z)]
            sides = [frame.rod(corners[k], corners[(k + 1) % 4], 0.025, capped=True) for k in range(4)]
            context.scene.body("Ag", sides, displaces="NiZn-ferrite")


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

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw mould, slug with its wire, both frame ends and the joints."""
        length, width, height = self.length, self.width, self.height
        context.scene.body("EMC", [frame.prism(0.0, 0.0, 0.1, height, length, width, corner=0.1)])
        pellet = frame.prism(-0.1 * length, 0.0, 0.2 * height, 0.85 * height, 0.55 * length, 0.72 * width, corner=0.05)
        context.scene.body("Ta-porous", [pellet], displaces="EMC")
        wire = frame.rod((-0.2 * length, 0.0, 0.5 * height), (0.42 * length, 0.0, 0.5 * height), 0.16 * height)
        context.scene.body("Ta", [wire], voids=[pellet], displaces="EMC")
        tab = 0.6 * width
        for side in (-1.0, 1.0):
            sole = frame.prism(side * (0.5 * length - 0.4), 0.0, 0.0, 0.1, 0.8, tab)
            face = frame.prism(side * (0.5 * length + 0.05), 0.0, 0.0, 0.6 * height, 0.1, tab)
            arm = frame.prism(side * 0.42 * length, 0.0, 0.5 * height, 0.5 * height + 0.1, 0.16 * length, tab)
            context.scene.body("Alloy42", [sole, face, arm])
        end_joints(frame, context, self.pads, 0.5 * length + 0.1, 0.25)


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

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw base, can, foil winding as nested tubes, bung and the two bent leads."""
        d, h = self.diameter, self.height
        context.scene.body("LCP-GF30", [frame.prism(0.0, 0.0, 0.0, 0.4, d + 0.3, d + 0.3, corner=0.6)])
        inside = frame.cone(0.0, 0.0, 0.4, h - 0.3, d - 0.6, d - 0.6)
        context.scene.body("Al", [frame.cone(0.0, 0.0, 0.4, h, d, d)], voids=[inside])
        context.scene.body("epoxy-HF", [frame.cone(0.0, 0.0, 0.4, 1.8, d - 0.6, d - 0.6)])
        low, high = 1.9, h - 0.5
        # Foil and paper alternate so finely that a dozen shells of half density stand for the winding.
        turns = 3 * int(d)
        for k in range(turns):
            outer = (d - 0.8) * (k + 1) / turns
            bore = frame.cone(0.0, 0.0, low, high, outer - 0.35 * (d - 0.8) / turns, outer - 0.35 * (d - 0.8) / turns)
            context.scene.body("Al", [frame.cone(0.0, 0.0, low, high, outer, outer)], voids=[bore])
        for side in (-1.0, 1.0):
            x = side * 0.18 * d
            post = frame.rod((x, 0.0, 0.2), (x, 0.0, 2.5), 0.6)
            foot = frame.prism(side * 0.36 * d, 0.0, 0.05, 0.25, 0.38 * d, 0.6)
            context.scene.body("Cu", [post, foot])
        end_joints(frame, context, self.pads, 0.55 * d, 0.12)


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

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw shield, drum, the rings of the winding, terminals and joints."""
        size, height, wire = self.size, self.height, self.wire
        shell = frame.prism(0.0, 0.0, 0.1, height, size, size, corner=0.15 * size)
        room = frame.cone(0.0, 0.0, 0.3 * height, 0.8 * height, 0.86 * size, 0.86 * size)
        core = frame.cone(0.0, 0.0, 0.3 * height, 0.8 * height, 0.4 * size, 0.4 * size)
        context.scene.body("MnZn-ferrite", [shell], voids=[room])
        context.scene.body("MnZn-ferrite", [core])
        rows = max(1, int(0.5 * height / wire))
        layers = max(1, int(0.2 * size / wire))
        for k in range(layers):
            outer = 0.42 * size + 2.0 * wire * (k + 1)
            low, high = 0.3 * height, 0.3 * height + 0.9 * rows * wire
            bore = frame.cone(0.0, 0.0, low, high, outer - 1.7 * wire, outer - 1.7 * wire)
            context.scene.body("Cu", [frame.cone(0.0, 0.0, low, high, outer, outer)], voids=[bore])
        for pad in self.pads:
            context.scene.body("Cu", [frame.prism(pad.x, 0.0, 0.0, 0.1, 0.8 * pad.width, 0.9 * pad.height)])
        end_joints(frame, context, self.pads, 0.5 * size, 0.15)


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
