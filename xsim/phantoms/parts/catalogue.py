"""The families of components, by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim.phantoms.parts.dies import chip_on_board
from xsim.phantoms.parts.grid_arrays import bga
from xsim.phantoms.parts.leadframes import gull_wing, leadless
from xsim.phantoms.parts.others import crystal, header, screw, shield, socket
from xsim.phantoms.parts.passives import chip_inductor, electrolytic, mlcc, power_inductor, resistor, tantalum

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np

    from xsim.phantoms.parts.part import Part

__all__ = ["FAMILIES"]

FAMILIES: dict[str, Callable[[np.random.Generator], Part]] = {
    "resistor": resistor,
    "mlcc": mlcc,
    "chip-inductor": chip_inductor,
    "tantalum": tantalum,
    "electrolytic": electrolytic,
    "power-inductor": power_inductor,
    "bga": bga,
    "leadless": leadless,
    "gull-wing": gull_wing,
    "chip-on-board": chip_on_board,
    "crystal": crystal,
    "header": header,
    "socket": socket,
    "shield": shield,
    "screw": screw,
}
