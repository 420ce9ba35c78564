"""What every component shares: lands, a frame that places it on either side, and the solder joints of its pads."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from xsim.phantoms import solids
from xsim.phantoms.defects import DefectLog
from xsim.phantoms.scene import Scene
from xsim.phantoms.solids import Point, Solid

__all__ = ["BuildContext", "Frame", "Pad", "Part", "end_joints", "fillet", "pad_joint", "stray_balls"]


@dataclass(frozen=True)
class Pad:
    """A land in the part's own frame [mm]; ``drill_mm`` above 0 makes it a plated hole.

    ``role`` says what it may be connected to: "signal", "ground" (always a plane) or "none" (mechanical).
    """

    x: float
    y: float
    width: float
    height: float
    corner: float = 0.0
    drill_mm: float = 0.0
    role: str = "signal"


@dataclass(frozen=True)
class Frame:
    """Place of a part: local (x, y, z above the surface) to the board's frame.

    A part on the lower side is turned about the local y axis, so its x runs backwards and its height downwards.
    """

    x: float
    y: float
    angle: float
    surface: float
    below: bool = False

    def point(self, x: float, y: float, z: float = 0.0) -> Point:
        """Return a local point in the board's frame."""
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        if self.below:
            x, z = -x, -z
        return self.x + cosine * x - sine * y, self.y + sine * x + cosine * y, self.surface + z

    def heights(self, z0: float, z1: float) -> tuple[float, float]:
        """Return two local heights in the board's frame, lower first."""
        return (self.surface - z1, self.surface - z0) if self.below else (self.surface + z0, self.surface + z1)

    def prism(
        self, x: float, y: float, z0: float, z1: float, width: float, height: float, *, corner: float = 0.0
    ) -> Solid:
        """Return an upright rounded prism along the part's axes."""
        px, py, _ = self.point(x, y)
        low, high = self.heights(z0, z1)
        return solids.prism(px, py, low, high, width, height, angle=self.angle, corner=corner)

    def cone(self, x: float, y: float, z0: float, z1: float, diameter0: float, diameter1: float) -> Solid:
        """Return an upright frustum."""
        px, py, _ = self.point(x, y)
        low, high = self.heights(z0, z1)
        first, last = (diameter1, diameter0) if self.below else (diameter0, diameter1)
        return solids.cone(px, py, low, high, first, last)

    def ellipsoid(
        self, x: float, y: float, z: float, a: float, b: float, c: float, *, low: float = -9.0, high: float = 99.0
    ) -> Solid:
        """Return an ellipsoid, cut to local heights."""
        px, py, pz = self.point(x, y, z)
        bottom, top = self.heights(low, high)
        return solids.ellipsoid(px, py, pz, a, b, c, angle=self.angle, low=bottom, high=top)

    def rod(self, start: Point, end: Point, diameter: float, *, capped: bool = False) -> Solid:
        """Return a straight piece of wire."""
        return solids.rod(self.point(*start), self.point(*end), diameter, capped=capped)

    def block(
        self, centre: Point, size: Point, *, angle: float = 0, pitch: float = 0, roll: float = 0, diagonal: bool = False
    ) -> Solid:
        """Return a box of any attitude (``solids.block``)."""
        axes = solids.attitude(angle=angle, pitch=pitch, roll=roll)
        turned = tuple(self._direction(axis) for axis in axes)
        return solids.block(self.point(*centre), size, turned, diagonal=diagonal)  # type: ignore[arg-type]

    def fillet(self, x: float, y: float, z: float, length: float, width: float, height: float, angle: float) -> Solid:
        """Return a solder ramp on height z, high at (x, y), falling along ``angle`` over ``length``."""
        cx, cy = x + 0.5 * length * math.cos(angle), y + 0.5 * length * math.sin(angle)
        return self.block((cx, cy, z + 0.5 * height), (length, width, height), angle=angle, diagonal=True)

    def _direction(self, axis: Point) -> Point:
        cosine, sine = math.cos(self.angle), math.sin(self.angle)
        x, y, z = (-axis[0], axis[1], -axis[2]) if self.below else axis
        return cosine * x - sine * y, sine * x + cosine * y, z


@dataclass(frozen=True)
class BuildContext:
    """What drawing a part needs: where to draw, chance, the alloy of the joints, and the list of defects."""

    scene: Scene
    rng: np.random.Generator
    solder: str
    log: DefectLog

    def paste_mm(self) -> float:
        """Draw the height of solder that a print leaves after reflow [mm] (100-125 um stencil, half metal)."""
        return float(self.rng.uniform(0.045, 0.065))


@dataclass(frozen=True)
class Part(ABC):
    """A component type in its own frame, centred on the origin."""

    @property
    @abstractmethod
    def pads(self) -> tuple[Pad, ...]:
        """Return its lands."""

    @property
    @abstractmethod
    def courtyard_mm(self) -> tuple[float, float]:
        """Return width and height that no other part may enter."""

    @abstractmethod
    def draw(self, frame: Frame, context: BuildContext) -> None:
        """Add its bodies and joints to the context's scene, and its defects to the log."""


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
    frame: Frame, context: BuildContext, land: Pad, wall: tuple[float, float], *, angle: float, rise: float
) -> None:
    """Solder a terminal to its land.

    The fillet climbs ``rise`` [mm] at ``wall``, the foot (x, y) of the terminal's outer face, and falls along ``angle``
    [rad].
    """
    print_mm = context.paste_mm()
    across = land.height if abs(math.cos(angle)) > 0.5 else land.width
    starved = context.log.strikes("insufficient-solder")
    if starved:
        print_mm, rise = 0.4 * print_mm, 0.25 * rise
    film = frame.prism(land.x, land.y, 0.0, print_mm, land.width, land.height, corner=0.05)
    ramp, hollow = fillet(frame, wall[0], wall[1], print_mm, rise, 0.9 * across, angle)
    context.scene.body(context.solder, [film, ramp], voids=[hollow])
    if starved:
        context.log.mark("insufficient-solder", [film], 60.0)


def end_joints(frame: Frame, context: BuildContext, lands: Iterable[Pad], reach: float, rise: float) -> None:
    """Solder the terminals at both ends, whose outer faces stand ``reach`` from the middle [mm], the left one first."""
    for side, angle, land in zip((-1.0, 1.0), (math.pi, 0.0), lands, strict=True):
        pad_joint(frame, context, land, (side * reach, 0.0), angle=angle, rise=rise)


def stray_balls(frame: Frame, context: BuildContext, half_x: float, half_y: float) -> None:
    """Scatter solder balls beside a part."""
    if not context.log.strikes("solder-ball"):
        return
    rng = context.log.rng
    for _ in range(int(rng.integers(1, 4))):
        diameter = float(rng.uniform(0.05, 0.3))
        x = float(rng.choice([-1.0, 1.0])) * (half_x + float(rng.uniform(0.0, 0.4)))
        y = float(rng.uniform(-half_y, half_y))
        ball = frame.ellipsoid(x, y, 0.5 * diameter, 0.5 * diameter, 0.5 * diameter, 0.5 * diameter)
        context.scene.body(context.solder, [ball])
        context.log.mark("solder-ball", [ball], diameter)
