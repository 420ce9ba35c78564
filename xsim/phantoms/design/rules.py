"""What a board house asks for: three classes of design rules, and stack-ups of 2 to 12 copper layers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

__all__ = ["CLASSES", "RuleClass", "Stackup", "draw_stackup"]

# Foil of a nominal ounce, and what plating adds outside and in the holes [mm] (IPC-6012 class 2: 20 um in holes).
FOIL_MM = {0.5: 0.0175, 1.0: 0.035, 2.0: 0.070}
PLATING_MM = 0.025
# Cured solder mask on copper, the usual 20 to 30 um [mm].
MASK_MM = 0.025


@dataclass(frozen=True)
class RuleClass:
    """Design rules, all lengths in mm.

    Attributes
    ----------
    width_mm, space_mm : float
        Least track width and clearance between nets.
    drill_mm, pad_mm : float
        Finished hole and land of a via.
    edge_mm : float
        Clearance of copper to the board's edge.
    hole_mm : float
        Clearance of a drilled hole to foreign copper.
    """

    name: str
    width_mm: float
    space_mm: float
    drill_mm: float
    pad_mm: float
    edge_mm: float
    hole_mm: float

    @property
    def grid_mm(self) -> float:
        """Return the routing grid: tracks two cells apart keep the class's clearance."""
        return 0.5 * (self.width_mm + self.space_mm)


# Width, space, drill, pad, edge, hole [mm]: after what board houses offer as standard, at a surcharge, and at most.
CLASSES = {
    "standard": RuleClass("standard", 0.15, 0.15, 0.30, 0.60, 0.40, 0.20),
    "fine": RuleClass("fine", 0.10, 0.10, 0.20, 0.45, 0.30, 0.15),
    "dense": RuleClass("dense", 0.075, 0.075, 0.15, 0.35, 0.25, 0.13),
}


@dataclass(frozen=True)
class Stackup:
    """Copper layers and what lies between them.

    Attributes
    ----------
    z_mm, copper_mm : (n,) tuple of float
        Middle height above the lower face and thickness of each copper layer, bottom first [mm].
    plane : (n,) tuple of bool
        Which inner layers are power planes.
    height_mm : float
        Laminate from face to face [mm].
    laminate, solder : str
        Materials.
    """

    z_mm: tuple[float, ...]
    copper_mm: tuple[float, ...]
    plane: tuple[bool, ...]
    height_mm: float
    laminate: str
    solder: str

    @property
    def layers(self) -> int:
        """Return the number of copper layers."""
        return len(self.z_mm)


def draw_stackup(rng: np.random.Generator, *, layers: int, bromine: bool, lead: bool) -> Stackup:
    """Draw a stack-up of the given number of copper layers.

    Outer copper is foil plus plating, inner copper foil alone; the dielectric is shared out evenly.
    """
    height = float(rng.choice([0.8, 1.0, 1.6, 2.4], p=[0.15, 0.15, 0.6, 0.1])) if layers <= 8 else 1.6
    outer = FOIL_MM[float(rng.choice([0.5, 1.0]))] + PLATING_MM
    inner = FOIL_MM[float(rng.choice([0.5, 1.0, 2.0], p=[0.45, 0.5, 0.05]))]
    copper = [outer, *[inner] * (layers - 2), outer]
    gap = (height - inner * (layers - 2)) / (layers - 1)
    z = [-0.5 * outer]
    level = gap
    for _ in range(layers - 2):
        z.append(level + 0.5 * inner)
        level += inner + gap
    z.append(height + 0.5 * outer)
    # The outer layers and every third inner one carry signals.
    plane = tuple(0 < k < layers - 1 and k % 3 != 2 for k in range(layers))
    laminate, solder = "FR-4" if bromine else "FR-4-HF", "Sn63Pb37" if lead else "SAC305"
    return Stackup(tuple(z), tuple(copper), plane, height, laminate, solder)
