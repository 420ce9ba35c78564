"""What every component shares: lands, a frame that places it on either side, and the job that draws it."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

from xsim.phantoms import solids

if TYPE_CHECKING:
    import numpy as np

    from xsim.phantoms.defects import DefectLog
    from xsim.phantoms.scene import Scene
    from xsim.phantoms.solids import Solid

__all__ = ["Frame", "Job", "Pad", "Part"]

Point = tuple[float, float, float]


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

    def turned(self, angle: float) -> float:
        """Return a local direction in the plane as an angle in the board's frame."""
        return self.angle + (math.pi - angle if self.below else angle)

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
        make = solids.capped_rod if capped else solids.rod
        return make(self.point(*start), self.point(*end), diameter)

    def block(
        self,
        centre: Point,
        size: Point,
        *,
        angle: float = 0.0,
        pitch: float = 0.0,
        roll: float = 0.0,
        diagonal: bool = False,
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
class Job:
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
    def draw(self, frame: Frame, job: Job) -> None:
        """Add its bodies and joints to the job's scene, and its defects to the log."""
