"""A board in the making: outline, parts, copper with nets, holes; every addition is checked against the rules."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from xsim.phantoms import flat
from xsim.phantoms.design.clearance import Copper
from xsim.phantoms.design.rules import PLATING_MM

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim.phantoms.design.rules import RuleClass, Stackup
    from xsim.phantoms.parts.part import Frame, Pad, Part

__all__ = ["GROUND", "POWER", "Hole", "Layout", "Placed", "Terminal"]

GROUND, POWER, NO_NET = 0, 1, -1


@dataclass(frozen=True)
class Hole:
    """A plated hole through the whole board: finished and land diameter [mm], net, and whether a lead fills it."""

    x: float
    y: float
    drill: float
    land: float
    net: int
    pin: bool = False

    @property
    def drilled(self) -> float:
        """Return the diameter of the drill: plating narrows it to the finished size."""
        return self.drill + 2.0 * PLATING_MM


@dataclass(frozen=True)
class Placed:
    """A part at its place."""

    part: Part
    frame: Frame
    layer: int


@dataclass(frozen=True)
class Terminal:
    """One land on the board: place, size across, net, layer (-1: all layers)."""

    x: float
    y: float
    across: float
    net: int
    layer: int
    role: str
    part: int


@dataclass
class Layout:
    """The board's copper and holes inside its outline.

    Attributes
    ----------
    outline : (x0, y0, x1, y1)
        Board's edge [mm].
    copper : list of Copper
        One a layer, bottom first; planes hold none, they are filled around the holes.
    drills : Copper
        The drilled discs, for the distance between them.
    """

    stackup: Stackup
    rule: RuleClass
    outline: tuple[float, float, float, float]
    copper: list[Copper] = field(default_factory=list)
    drills: Copper = field(default_factory=Copper)
    holes: list[Hole] = field(default_factory=list)
    placed: list[Placed] = field(default_factory=list)
    terminals: list[Terminal] = field(default_factory=list)
    next_net: int = 2

    def __post_init__(self) -> None:
        self.copper = [Copper() for _ in range(self.stackup.layers)]

    @property
    def signal_layers(self) -> list[int]:
        """Return the layers that carry tracks."""
        return [k for k in range(self.stackup.layers) if not self.stackup.plane[k]]

    def new_net(self) -> int:
        """Return an unused net."""
        self.next_net += 1
        return self.next_net - 1

    def inside(self, x: float, y: float, reach: float) -> bool:
        """Say whether copper of a given reach around a point keeps its distance to the board's edge."""
        x0, y0, x1, y1 = self.outline
        margin = reach + self.rule.edge_mm
        return x0 + margin <= x <= x1 - margin and y0 + margin <= y <= y1 - margin

    def add_part(self, part: Part, frame: Frame, layer: int) -> None:
        """Add a part whose courtyard is known to be free: its lands get nets of their own."""
        index = len(self.placed)
        self.placed.append(Placed(part, frame, layer))
        for pad in part.pads:
            net = GROUND if pad.role == "ground" else self.new_net()
            self._add_pad(pad, frame, layer, net, index)

    def _add_pad(self, pad: Pad, frame: Frame, layer: int, net: int, index: int) -> None:
        x, y, _ = frame.point(pad.x, pad.y)
        row = flat.box(x, y, pad.width, pad.height, frame.angle, pad.corner)
        across = min(pad.width, pad.height)
        if pad.drill_mm > 0.0:
            for k in self.signal_layers:
                self.copper[k].add(row, net)
            self._drill(Hole(x, y, pad.drill_mm, across, net, pin=True))
            self.terminals.append(Terminal(x, y, across, net, -1, pad.role, index))
        else:
            self.copper[layer].add(row, net)
            self.terminals.append(Terminal(x, y, across, net, layer, pad.role, index))

    def admits_via(self, x: float, y: float, net: int) -> bool:
        """Say whether a via of the class fits at a point on every layer."""
        rule = self.rule
        if not self.inside(x, y, 0.5 * rule.pad_mm):
            return False
        row = flat.disc(x, y, rule.pad_mm)
        if not all(self.copper[k].admits([row], net, rule.space_mm) for k in self.signal_layers):
            return False
        # Drills need a web of laminate between them, whatever their nets.
        drill = flat.disc(x, y, rule.drill_mm + 2.0 * PLATING_MM)
        return self.drills.admits([drill], NO_NET, rule.hole_mm)

    def add_via(self, x: float, y: float, net: int) -> None:
        """Drill a via that ``admits_via`` has admitted."""
        rule = self.rule
        for k in self.signal_layers:
            self.copper[k].add(flat.disc(x, y, rule.pad_mm), net)
        self._drill(Hole(x, y, rule.drill_mm, rule.pad_mm, net))

    def _drill(self, hole: Hole) -> None:
        self.holes.append(hole)
        self.drills.add(flat.disc(hole.x, hole.y, hole.drilled), 0)

    def admits_tracks(self, layer: int, rows: Sequence[flat.Row], net: int) -> bool:
        """Say whether tracks keep the clearance on a layer."""
        return self.copper[layer].admits(rows, net, self.rule.space_mm)

    def add_tracks(self, layer: int, rows: Sequence[flat.Row], net: int) -> None:
        """Add tracks that ``admits_tracks`` has admitted."""
        for row in rows:
            self.copper[layer].add(row, net)
