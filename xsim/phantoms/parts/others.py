"""Crystals, connectors and pin headers, shield cans and screws."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from xsim.phantoms.parts.part import BuildContext, Frame, Pad, Part, pad_joint

__all__ = ["Crystal", "Header", "Screw", "Shield", "Socket", "crystal", "header", "screw", "shield", "socket"]


@dataclass(frozen=True)
class Crystal(Part):
    """A ceramic crystal: alumina tub, Kovar lid, quartz blank on two silver dots [mm]."""

    length: float
    width: float

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return four corner lands."""
        x, y = 0.36 * self.length, 0.34 * self.width
        size = (0.34 * self.length, 0.36 * self.width)
        return tuple(Pad(a * x, b * y, *size, 0.05) for a in (-1.0, 1.0) for b in (-1.0, 1.0))

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return body plus 0.3 mm all round."""
        return self.length + 0.6, self.width + 0.6

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw tub, ring, lid, blank and joints."""
        length, width = self.length, self.width
        room = frame.prism(0.0, 0.0, 0.3, 0.75, 0.78 * length, 0.7 * width, corner=0.1)
        context.scene.body("Al2O3", [frame.prism(0.0, 0.0, 0.05, 0.7, length, width, corner=0.15)], voids=[room])
        context.scene.body("Kovar", [frame.prism(0.0, 0.0, 0.7, 0.8, 0.94 * length, 0.92 * width, corner=0.2)])
        blank = frame.prism(0.04 * length, 0.0, 0.42, 0.52, 0.62 * length, 0.5 * width)
        context.scene.body("quartz", [blank])
        dots = [frame.cone(-0.27 * length, s * 0.18 * width, 0.3, 0.42, 0.22, 0.18) for s in (-1.0, 1.0)]
        context.scene.body("Ag", dots)
        for pad in self.pads:
            film = frame.prism(pad.x, pad.y, 0.0, context.paste_mm(), pad.width, pad.height, corner=0.05)
            context.scene.body(context.solder, [film])


@dataclass(frozen=True)
class Header(Part):
    """Square pins through the board in one or two rows, with a plastic strip [mm]."""

    count: int
    rows: int
    pitch: float
    metal: str

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return plated holes; the first is a square land."""
        drill = 0.64 * self.pitch * 0.62
        land = 1.75 * drill
        found = []
        for j in range(self.rows):
            for i in range(self.count):
                x, y = (i - 0.5 * (self.count - 1)) * self.pitch, (j - 0.5 * (self.rows - 1)) * self.pitch
                corner = 0.0 if i == j == 0 else 0.5 * land
                role = "ground" if (i + j) % 4 == 1 else "signal"
                found.append(Pad(x, y, land, land, corner, drill_mm=drill, role=role))
        return tuple(found)

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return the plastic strip plus 0.25 mm all round."""
        return self.count * self.pitch + 0.5, self.rows * self.pitch + 0.5

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw strip, pins that stick out 1.2 mm below, and the solder in each hole with its cones on both faces."""
        board = context.scene.board_mm
        strip = frame.prism(0.0, 0.0, 0.1, self.pitch, self.count * self.pitch, self.rows * self.pitch)
        context.scene.body("LCP-GF30", [strip])
        for pad in self.pads:
            side = 0.62 * pad.drill_mm
            pin = frame.prism(pad.x, pad.y, -board - 1.2, 2.4 * self.pitch, side, side)
            context.scene.body(self.metal, [pin])
            fill = 1.0 if context.rng.random() < 0.8 else float(context.rng.uniform(0.75, 1.0))
            wet = context.log.strikes("insufficient-solder")
            if wet:
                fill = float(context.log.rng.uniform(0.3, 0.7))
            barrel = frame.cone(pad.x, pad.y, -board, -board + fill * board, pad.drill_mm, pad.drill_mm)
            foot = frame.cone(pad.x, pad.y, -board - 0.5, -board - 0.03, 1.3 * side, 0.95 * pad.width)
            parts = [barrel, foot]
            if fill == 1.0:
                parts.append(frame.cone(pad.x, pad.y, 0.03, 0.3, 0.8 * pad.width, 1.3 * side))
            context.scene.body(context.solder, parts, voids=[pin])
            if wet:
                empty = frame.cone(pad.x, pad.y, -board + fill * board, 0.0, pad.drill_mm, pad.drill_mm)
                context.log.mark("insufficient-solder", [empty], 100.0 * (1.0 - fill))


@dataclass(frozen=True)
class Socket(Part):
    """A surface-mount connector: steel shell, plastic tongue, a comb of bent contacts [mm]."""

    width: float
    depth: float
    height: float
    pitch: float
    count: int

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return the comb's lands and the shell's two ears."""
        places = [(k - 0.5 * (self.count - 1)) * self.pitch for k in range(self.count)]
        comb = [Pad(x, -0.5 * self.depth, 0.55 * self.pitch, 1.1, 0.05) for x in places]
        ear = 0.5 * self.width + 0.1
        return (*comb, *(Pad(x, 0.2, 1.2, 1.8, 0.1, role="ground") for x in (-ear, ear)))

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return shell and lands plus 0.25 mm all round."""
        return self.width + 1.9, self.depth + 1.8

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw shell, tongue, contacts and joints."""
        width, depth, height = self.width, self.depth, self.height
        outer = frame.prism(0.0, 0.1, 0.1, height, width, depth, corner=0.3)
        inner = frame.prism(0.0, 0.1, 0.35, height - 0.25, width - 0.5, depth + 0.1)
        context.scene.body("steel", [outer], voids=[inner])
        tongue = frame.prism(0.0, 0.2, 0.4 * height, 0.65 * height, 0.75 * width, 0.8 * depth)
        context.scene.body("LCP-GF30", [tongue])
        for pad in self.pads[: self.count]:
            blade = 0.4 * self.pitch
            arm = frame.block((pad.x, 0.1, 0.55 * height), (blade, 0.75 * depth, 0.15))
            drop = frame.block((pad.x, -0.4 * depth, 0.3 * height), (blade, 0.15, 0.6 * height), roll=0.2)
            foot = frame.block((pad.x, -0.5 * depth, 0.12), (blade, 0.9, 0.15))
            context.scene.body("phosphor-bronze", [arm, drop, foot])
            pad_joint(frame, context, pad, (pad.x, pad.y - 0.2), angle=-0.5 * math.pi, rise=0.12)
        for pad in self.pads[self.count :]:
            film = frame.prism(pad.x, pad.y, 0.0, 0.12, pad.width, pad.height, corner=0.1)
            context.scene.body(context.solder, [film])


@dataclass(frozen=True)
class Shield(Part):
    """A soldered shield can with round holes in its lid [mm]."""

    width: float
    depth: float

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return a frame of four lands."""
        w, d = self.width, self.depth
        rows = [Pad(0.0, y, 0.72 * w, 0.7, role="ground") for y in (0.5 * d, -0.5 * d)]
        columns = [Pad(x, 0.0, 0.7, 0.72 * d, role="ground") for x in (0.5 * w, -0.5 * w)]
        return (*rows, *columns)

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return the can plus 0.5 mm all round."""
        return self.width + 1.2, self.depth + 1.2

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw lid, walls and the solder along them."""
        w, d, high = self.width, self.depth, 2.0
        voids = [frame.prism(0.0, 0.0, -0.1, high - 0.2, w - 0.4, d - 0.4)]
        pitch = 2.0
        for i in range(int((w - 2.0) / pitch)):
            for j in range(int((d - 2.0) / pitch)):
                x, y = (i + 1.0) * pitch - 0.5 * w + 0.5, (j + 1.0) * pitch - 0.5 * d + 0.5
                voids.append(frame.cone(x, y, high - 0.3, high + 0.1, 1.0, 1.0))
        context.scene.body("steel", [frame.prism(0.0, 0.0, 0.0, high, w, d, corner=0.4)], voids=voids)
        for pad in self.pads:
            film = frame.prism(pad.x, pad.y, 0.0, context.paste_mm(), pad.width, pad.height, corner=0.1)
            context.scene.body(context.solder, [film])


@dataclass(frozen=True)
class Screw(Part):
    """A screw with washer through an unplated hole, cross-slotted [mm]."""

    thread: float
    metal: str

    @property
    def pads(self) -> tuple[Pad, ...]:
        """Return the hole with a land for the head."""
        return (Pad(0.0, 0.0, 2.2 * self.thread, 2.2 * self.thread, 1.1 * self.thread, self.thread + 0.3, "ground"),)

    @property
    def courtyard_mm(self) -> tuple[float, float]:
        """Return the washer plus 0.3 mm all round."""
        return 2.2 * self.thread + 0.6, 2.2 * self.thread + 0.6

    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Draw shank, head with its cross recess, and washer."""
        d = self.thread
        board = context.scene.board_mm
        shank = frame.cone(0.0, 0.0, -board - 1.5, 0.1, 0.93 * d, 0.93 * d)
        washer = frame.cone(0.0, 0.0, 0.05, 0.05 + 0.15 * d, 2.1 * d, 2.1 * d)
        head = frame.ellipsoid(0.0, 0.0, 0.2 * d, 0.95 * d, 0.95 * d, 0.75 * d, low=0.2 * d)
        turn, size = float(context.rng.uniform(0.0, math.pi)), (1.1 * d, 0.22 * d, 0.7 * d)
        slots = [frame.block((0.0, 0.0, 0.8 * d), size, angle=turn + k * 0.5 * math.pi) for k in range(2)]
        context.scene.body(self.metal, [shank, washer, head], voids=slots)


def crystal(rng: np.random.Generator) -> Crystal:
    """Draw a usual case."""
    return Crystal(*((2.0, 1.6), (2.5, 2.0), (3.2, 2.5), (5.0, 3.2))[int(rng.integers(4))])


def header(rng: np.random.Generator) -> Header:
    """Draw a strip of 2.54, 2.0 or 1.27 mm pitch."""
    pitch = float(rng.choice([2.54, 2.0, 1.27]))
    metal = "brass" if rng.random() < 0.7 else "phosphor-bronze"
    return Header(int(rng.integers(2, 9)), int(rng.integers(1, 3)), pitch, metal)


def socket(rng: np.random.Generator) -> Socket:
    """Draw a small connector of 0.5 to 0.8 mm pitch."""
    count = int(rng.integers(5, 13))
    pitch = float(rng.choice([0.5, 0.65, 0.8]))
    return Socket(count * pitch + 3.0, float(rng.uniform(4.0, 6.0)), float(rng.uniform(2.4, 3.2)), pitch, count)


def shield(rng: np.random.Generator) -> Shield:
    """Draw a can of 8 to 14 mm."""
    return Shield(float(rng.uniform(8.0, 14.0)), float(rng.uniform(7.0, 12.0)))


def screw(rng: np.random.Generator) -> Screw:
    """Draw M2 to M3 in steel or brass."""
    return Screw(float(rng.choice([2.0, 2.5, 3.0])), "steel" if rng.random() < 0.7 else "brass")
