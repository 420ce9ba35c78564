"""The families of parts and their placement: anchors first, small parts around them, courtyards never overlapping."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import chain
from typing import TypeVar

import numpy as np

from xsim.phantoms.design.layout import BoardLayout
from xsim.phantoms.parts.dies import chip_on_board
from xsim.phantoms.parts.grid_arrays import bga
from xsim.phantoms.parts.leadframes import gull_wing, leadless
from xsim.phantoms.parts.others import crystal, header, screw, shield, socket
from xsim.phantoms.parts.part import Frame, Part
from xsim.phantoms.parts.passives import chip_inductor, electrolytic, mlcc, power_inductor, resistor, tantalum

__all__ = ["ANCHORS", "FAMILIES", "SMALL", "choose", "place_parts"]

Kind = TypeVar("Kind")

# family -> how one of its parts is drawn
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
# family -> weight among the large and among the small parts
ANCHORS: dict[str, float] = {
    "bga": 0.30,
    "leadless": 0.15,
    "gull-wing": 0.20,
    "chip-on-board": 0.07,
    "header": 0.07,
    "socket": 0.05,
    "shield": 0.03,
    "electrolytic": 0.04,
    "power-inductor": 0.05,
    "screw": 0.04,
}
SMALL: dict[str, float] = {
    "resistor": 0.38,
    "mlcc": 0.38,
    "chip-inductor": 0.06,
    "tantalum": 0.05,
    "crystal": 0.04,
    "gull-wing": 0.05,
    "leadless": 0.04,
}
# Parts are placed on a grid, as designers do [mm]; a part that finds no place in so many tries is left out.
GRID_MM = 0.1
TRIES = 40


def choose(rng: np.random.Generator, weights: Mapping[Kind, float]) -> Kind:
    """Draw one of the keys by their weights."""
    total = sum(weights.values())
    return list(weights)[int(rng.choice(len(weights), p=[weight / total for weight in weights.values()]))]


Box = tuple[float, float, float, float]
Spot = tuple[float, float, float]


def _take(taken: Sequence[list[Box]], box: Box) -> bool:
    """Take a box (x0, y0, x1, y1) on these sides of the board if it is free there."""
    for other in chain(*taken):
        if box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]:
            return False
    for boxes in taken:
        boxes.append(box)
    return True


def _try_place(
    layout: BoardLayout, taken: Sequence[list[Box]], rng: np.random.Generator, part: Part, near: Spot | None
) -> bool:
    """Put a part on a free spot, around a point (x, y, sigma) if one is given."""
    width, height = part.courtyard_mm
    x0, y0, x1, y1 = layout.outline
    through = any(pad.drill_mm > 0.0 for pad in part.pads)
    below = bool(rng.random() < (0.3 if near else 0.12)) and not through
    for _ in range(TRIES):
        eighths = 2 * int(rng.integers(4)) if rng.random() < 0.96 else int(rng.integers(8))
        angle = 0.25 * math.pi * eighths
        reach_x = 0.5 * (abs(math.cos(angle)) * width + abs(math.sin(angle)) * height)
        reach_y = 0.5 * (abs(math.sin(angle)) * width + abs(math.cos(angle)) * height)
        margin_x, margin_y = reach_x + layout.rule.edge_mm, reach_y + layout.rule.edge_mm
        if x1 - x0 <= 2.0 * margin_x or y1 - y0 <= 2.0 * margin_y:
            return False
        if near is None:
            x, y = rng.uniform(x0 + margin_x, x1 - margin_x), rng.uniform(y0 + margin_y, y1 - margin_y)
        else:
            x, y = near[0] + near[2] * rng.normal(), near[1] + near[2] * rng.normal()
        x, y = round(x / GRID_MM) * GRID_MM, round(y / GRID_MM) * GRID_MM
        if not (x0 + margin_x < x < x1 - margin_x and y0 + margin_y < y < y1 - margin_y):
            continue
        box = (x - reach_x, y - reach_y, x + reach_x, y + reach_y)
        if _take(taken if through else taken[:1] if below else taken[1:], box):
            layer = 0 if below else layout.stackup.layers - 1
            half = 0.5 * layout.stackup.copper_mm[layer]
            surface = layout.stackup.z_mm[layer] + (-half if below else half)
            layout.add_part(part, Frame(x, y, angle, surface, below), layer)
            return True
    return False


def place_parts(layout: BoardLayout, rng: np.random.Generator, *, anchors: int, small: int) -> None:
    """Place up to ``anchors`` large and ``small`` small parts on a layout.

    Most small parts gather around the anchors, some of them on the far side, as decoupling capacitors do.
    """
    taken: tuple[list[Box], list[Box]] = ([], [])  # on the lower and the upper side
    for k in range(anchors):
        family = "bga" if k == 0 and rng.random() < 0.45 else choose(rng, ANCHORS)
        _try_place(layout, taken, rng, FAMILIES[family](rng), None)
    centres = [(item.frame.x, item.frame.y, 0.45 * max(item.part.courtyard_mm) + 2.0) for item in layout.placed]
    while small > 0:
        part = FAMILIES[choose(rng, SMALL)](rng)
        # Rows of the same part are what boards are full of.
        batch = min(small, 1 + int(rng.geometric(0.45)))
        near = centres[int(rng.integers(len(centres)))] if centres and rng.random() < 0.75 else None
        for _ in range(batch):
            _try_place(layout, taken, rng, part, near)
        small -= batch
