"""What radiographers lay on a piece: wire and hole gauges, duplex wires, lead letters, arrows and numbers."""

from __future__ import annotations

import itertools
import math

import numpy as np

from xsim.phantoms import flat, solids
from xsim.phantoms.objects.workpiece import Workpiece
from xsim.phantoms.scene import Layer
from xsim.phantoms.solids import Solid
from xsim.phantoms.targets import DUPLEX_WIRES_MM

__all__ = ["GLYPHS", "WIRES_MM", "duplex_gauge", "hole_gauge", "lead_letters", "wire_gauge"]

# Wires W1 to W19 of ISO 19232-1 [mm].
WIRES_MM = (
    *(3.2, 2.5, 2.0, 1.6, 1.25, 1.0, 0.8, 0.63, 0.5, 0.4),
    *(0.32, 0.25, 0.2, 0.16, 0.125, 0.1, 0.08, 0.063, 0.05),
)
WIRES_A_GAUGE = 7
# A wire of less than a fifth of a phantom pixel changes a thick piece by less than any detector sees.
THINNEST_PX = 0.2
# Strokes of the letters on a grid of 2 x 4 cells, x to the right and y upwards, points as two digits each; in the
# object's frame, as the tube sees it, y runs downwards.
GLYPHS = {
    "0": ("0004242000",),
    "1": ("031404", "1410"),
    "2": ("042422020020",),
    "3": ("0424220222", "222000"),
    "4": ("040222", "2420"),
    "5": ("240402222000",),
    "6": ("24040020220222",),
    "7": ("042410",),
    "8": ("000424200002", "0222"),
    "9": ("22020424200020",),
    "A": ("001420", "0222"),
    "B": ("0004142302", "0222200000"),
    "C": ("24040020",),
    "D": ("00041423211000",),
    "E": ("24040020", "0212"),
    "F": ("240400", "0212"),
    "H": ("0004", "2024", "0222"),
    "J": ("2420001",),
    "K": ("0004", "2402", "0220"),
    "L": ("040020",),
    "M": ("0004122420",),
    "N": ("00042024",),
    "P": ("0004242202",),
    "R": ("0004242202", "1220"),
    "S": ("2404022220000",),
    "T": ("0424", "1410"),
    "U": ("04002024",),
    "V": ("041024",),
    "X": ("0024", "0420"),
    "Z": ("04240020",),
    ">": ("002204",),
    "-": ("0222",),
}


def _turned(x: float, y: float, angle: float, along: float, across: float) -> tuple[float, float]:
    """Return the point so far along and across a direction from (x, y) [mm, rad]."""
    cosine, sine = math.cos(angle), math.sin(angle)
    return x + along * cosine - across * sine, y + along * sine + across * cosine


def _lying(x: float, y: float, z: float, angle: float, length: float, diameter: float) -> Solid:
    """Return a wire of this middle that lies on height z [mm, rad]."""
    centre = z + 0.5 * diameter
    start, end = (_turned(x, y, angle, side * length, 0.0) for side in (-0.5, 0.5))
    return solids.rod((*start, centre), (*end, centre), diameter)


def wire_gauge(piece: Workpiece, x: float, y: float, z: float, angle: float, *, room_mm: float) -> int:
    """Lay a wire gauge of the piece's own material (ISO 19232-1) on it; return the first wire's number, 0 for none.

    The seven wires are those that fit the room and that the pixels can show; they lie as far apart as the standard
    has it, or closer where there is less room.
    """
    usable = [
        k
        for k in range(len(WIRES_MM) - WIRES_A_GAUGE + 1)
        if sum(WIRES_MM[k : k + WIRES_A_GAUGE]) < 0.4 * room_mm and WIRES_MM[k + 3] > THINNEST_PX * piece.pixel_mm
    ]
    if not usable:
        return 0
    first = usable[int(piece.rng.integers(min(len(usable), 5)))]
    wires = WIRES_MM[first : first + WIRES_A_GAUGE]
    pitch = min(5.0, room_mm / (WIRES_A_GAUGE + 1))
    length = min(50.0, room_mm * float(piece.rng.uniform(0.5, 1.2)))
    parts = []
    for k, diameter in enumerate(wires):
        at = _turned(x, y, angle, 0.0, (k - 3.0) * max(pitch, 1.5 * wires[0]))
        parts.append(_lying(*at, z, angle, length, diameter))
    piece.beside(piece.material, parts)
    return first + 1


def duplex_gauge(piece: Workpiece, x: float, y: float, z: float, angle: float, *, room_mm: float) -> None:
    """Lay the pairs of a duplex gauge (ISO 19232-5) on the piece that fit the room: tungsten, or platinum below .1."""
    pairs = [d for d in DUPLEX_WIRES_MM if 0.25 * piece.pixel_mm < d < 0.04 * room_mm]
    along = 0.0
    for diameter in pairs:
        material = "W" if diameter > 0.08 else "Pt"
        parts = []
        for step in (0.5, 2.5):
            at = _turned(x, y, angle, along + step * diameter - 0.5 * room_mm, 0.0)
            parts.append(_lying(*at, z, angle + 0.5 * math.pi, 0.25 * room_mm, diameter))
        along += 3.0 * diameter + max(2.0 * diameter, 0.03 * room_mm)
        if along > room_mm:
            return
        piece.beside(material, parts)


def hole_gauge(piece: Workpiece, x: float, y: float, z: float, angle: float, *, room_mm: float) -> None:
    """Lay a hole gauge on the piece (ASTM E1025): a plaque of 2 % of its thickness with holes of 1, 2 and 4 of it."""
    thick = min(0.02 * piece.path_mm * float(piece.rng.choice([0.5, 1.0, 2.0])), 0.05 * room_mm)
    # E1025 makes no hole finer than .5 mm nor a plaque longer than 38 mm; a small window shows a small copy.
    least = min(0.5, 0.02 * room_mm)
    holes = [max(t * thick, least) for t in (1.0, 4.0, 2.0)]
    plaque = solids.prism(x, y, z, z + thick, room_mm, 0.4 * room_mm, angle=angle)
    bores = [
        solids.cone(*_turned(x, y, angle, (k - 1.0) * 0.25 * room_mm, 0.0), z, z + thick, d, d)
        for k, d in enumerate(holes)
    ]
    piece.beside(piece.material, [plaque], voids=bores)


def lead_letters(piece: Workpiece, text: str, x: float, y: float, z: float, angle: float, *, height_mm: float) -> None:
    """Lay letters of lead on the piece; unknown ones are left out."""
    stroke, thick = 0.14 * height_mm, min(0.25 * height_mm, 1.5)
    cell, shapes = 0.25 * height_mm, []
    for n, letter in enumerate(text):
        for strokes in GLYPHS.get(letter, ()):
            digits = np.array([int(digit) for digit in strokes[: len(strokes) // 2 * 2]]).reshape(-1, 2)
            places = [
                _turned(x, y, angle, (n * 3.2 + column - 1.6 * len(text)) * cell, (2.0 - row) * cell)
                for column, row in digits
            ]
            shapes += [flat.capsule(*a, *b, stroke) for a, b in itertools.pairwise(places)]
    if shapes:
        piece.scene.layer(Layer("Pb", thick, z + 0.5 * thick, [*shapes]))
