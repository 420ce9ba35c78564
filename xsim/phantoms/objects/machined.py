"""Machined and assembled parts: shafts, bearings, gears, bolted joints, springs in housings, and their faults."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from xsim.keywords import names_keywords
from xsim.phantoms import solids
from xsim.phantoms.objects import flaws
from xsim.phantoms.objects.texture import draw_relief
from xsim.phantoms.objects.workpiece import Workpiece, build, check_flaw_rates, draw_workpiece, finish
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.solids import Point, Solid

__all__ = ["FLAWS", "random_machined"]

# class -> how likely one candidate has it.
FLAWS = {"pore": 0.2, "inclusion": 0.2, "crack": 0.2, "missing-part": 0.12, "foreign-body": 0.3}
MATERIALS = ("steel", "steel", "Al", "Al", "brass", "Ti", "PMMA")
# What else an assembly is made of: springs and screws, bushes, seals and sleeves.
SPRINGS, SLEEVES = ("steel", "phosphor-bronze"), ("PMMA", "brass", "Al", "Cu")


@names_keywords
def random_machined(
    seed: int,
    shape: tuple[int, int] = (1024, 1024),
    pixel_mm: float = 0.1,
    *,
    material: str | None = None,
    thickness_mm: float | None = None,
    flaw_rates: Mapping[str, float] | None = None,
    tilt_deg: float | None = None,
    rotation_deg: float | None = None,
) -> Phantom:
    """Draw a random view of a machined part or a small assembly.

    Parameters are those of `xsim.phantoms.objects.castings.random_casting`, with the rates of this module's `FLAWS`.

    Returns
    -------
    Phantom
        With its flaws labelled; ``family`` names the design.

    Raises
    ------
    InputError
        For a seed, window, thickness, angle or rate out of range; UnknownNameError for an unknown material.
    """
    rates = check_flaw_rates(flaw_rates, FLAWS)
    piece = draw_workpiece(
        seed,
        shape,
        pixel_mm,
        rates,
        MATERIALS,
        material=material,
        path_mm=thickness_mm,
        tilt_deg=tilt_deg,
        rotation_deg=rotation_deg,
    )
    design = build(piece, DESIGNS)
    _tool_marks(piece)
    _go_wrong(piece)
    return finish(piece, "machined", design, seed)


def _other(piece: Workpiece, materials: tuple[str, ...]) -> str:
    """Draw a material that is not the piece's own."""
    others = [name for name in materials if name != piece.material]
    return others[int(piece.rng.integers(len(others)))]


def _missing(piece: Workpiece, part: list[Solid]) -> bool:
    """Say whether a part was left out of the assembly, and note it."""
    if not piece.log.strikes("missing-part"):
        return False
    piece.log.mark("missing-part", part)
    return True


def _shaft(piece: Workpiece) -> None:
    """Draw a turned shaft that lies across the window: steps, grooves, a thread, sometimes a bore."""
    rng, widest = piece.rng, piece.path_mm
    x, end, axis = -piece.share(0.4, 0.9), piece.share(0.4, 0.9), 0.5 * widest
    # It is as wide as it is thick, or a flat bar of several shafts where the window is much wider.
    rows = max(1, int(0.5 * piece.field_mm / (1.5 * widest)))
    lanes = [1.4 * widest * (k - 0.5 * (min(rows, 5) - 1)) for k in range(min(rows, 5))]
    bore = widest * float(rng.uniform(0.1, 0.4)) if rng.random() < 0.4 else 0.0
    while x < end:
        length, wide = piece.share(0.03, 0.25), widest * float(rng.uniform(0.45, 1.0))
        kind = rng.random()
        for lane in lanes:
            if kind < 0.25:
                _thread(piece, x, lane, axis, length, wide)
            else:
                piece.solids.append(solids.rod((x, lane, axis), (x + length, lane, axis), wide))
        x += length
    if bore:
        piece.voids += [solids.rod((-2.0 * end - 1.0, y, axis), (2.0 * end + 1.0, y, axis), bore) for y in lanes]


def _thread(piece: Workpiece, x: float, y: float, axis: float, length: float, wide: float) -> None:
    """Draw a square thread: a core, and rings on it."""
    pitch = max(wide * 0.12, length / 24.0)
    piece.solids.append(solids.rod((x, y, axis), (x + length, y, axis), 0.84 * wide))
    for k in range(int(length / pitch)):
        start = x + (k + 0.25) * pitch
        piece.solids.append(solids.rod((start, y, axis), (start + 0.5 * pitch, y, axis), wide))


def _bearing(piece: Workpiece) -> None:
    """Draw a ball bearing along its axis: two rings, balls between them, sometimes a cage."""
    rng, high = piece.rng, piece.path_mm
    outer = piece.share(0.5, 1.1)
    inner = outer * float(rng.uniform(0.3, 0.55))
    x, y = piece.spot(rng, 0.15)
    middle = 0.25 * (outer + inner)
    gap = 0.5 * (outer - inner)
    ball = min(0.55 * gap, high) * float(rng.uniform(0.75, 1.0))
    # Balls touch neither ring: bodies that overlapped would count twice.
    edge, core = 2.0 * middle + 1.02 * ball, 2.0 * middle - 1.02 * ball
    piece.solids.append(solids.cone(x, y, 0.0, high, outer, outer))
    piece.voids.append(solids.cone(x, y, -1.0, high + 1.0, inner, inner))
    # The annulus between the rings is not convex: its hollow is cut with the inner ring put back as a body of its own.
    piece.voids.append(solids.cone(x, y, -1.0, high + 1.0, edge, edge))
    piece.beside(
        piece.material,
        [solids.cone(x, y, 0.0, high, core, core)],
        voids=[solids.cone(x, y, -1.0, high + 1.0, inner, inner)],
    )
    count = max(5, int(math.pi * 2.0 * middle / ball * float(rng.uniform(0.5, 0.9))))
    metal = _other(piece, ("steel", "Al2O3"))
    offset = float(rng.uniform(0.0, math.pi))
    for k in range(count):
        turn = offset + 2.0 * math.pi * k / count
        centre = (x + middle * math.cos(turn), y + middle * math.sin(turn), 0.5 * high)
        part = [solids.sphere(*centre, ball)]
        if not _missing(piece, part):
            piece.beside(metal, part)


def _gear(piece: Workpiece) -> None:
    """Draw a gear and its pinion: discs, teeth, bores, keyways, lightening holes."""
    rng, high = piece.rng, piece.path_mm
    wide = piece.share(0.45, 1.0)
    tooth = wide * float(rng.uniform(0.04, 0.1))
    for number, size in enumerate((wide, wide * float(rng.uniform(0.3, 0.6)))):
        teeth = max(8, int(math.pi * size / (2.0 * tooth)))
        x = -0.2 * wide if number == 0 else -0.2 * wide + 0.5 * (wide + size) + 0.95 * tooth
        thick = high * (1.0 if number == 0 else float(rng.uniform(0.6, 1.0)))
        piece.solids.append(solids.cone(x, 0.0, 0.0, thick, size, size))
        for k in range(teeth):
            # Half a tooth further in the pinion: they mesh.
            turn = 2.0 * math.pi * (k + 0.5 * number) / teeth
            away = 0.5 * size + 0.4 * tooth
            at = (x + away * math.cos(turn), away * math.sin(turn))
            part = solids.prism(*at, 0.0, thick, 1.2 * tooth, 0.9 * tooth, angle=turn, corner=0.25 * tooth)
            if not _missing(piece, [part]):
                piece.solids.append(part)
        bore = size * float(rng.uniform(0.12, 0.3))
        piece.voids.append(solids.cone(x, 0.0, -1.0, high + 1.0, bore, bore))
        piece.voids.append(solids.prism(x + 0.5 * bore, 0.0, -1.0, high + 1.0, 0.5 * bore, 0.3 * bore))
        for k in range(int(rng.integers(0, 7))):
            turn, hole = 2.0 * math.pi * k / 6.0, 0.14 * size
            at = (x + 0.32 * size * math.cos(turn), 0.32 * size * math.sin(turn))
            piece.voids.append(solids.cone(*at, 0.5 * high * (k % 2) - 1.0, high + 1.0, hole, hole))


def hexagon(x: float, y: float, z0: float, z1: float, across: float, angle: float) -> list[Solid]:
    """Return an upright hexagon of a width across flats [mm, rad]: the union of three boxes, each between two sides."""
    side = across / math.sqrt(3.0)
    return [solids.prism(x, y, z0, z1, side, across, angle=angle + k * math.pi / 3.0) for k in range(3)]


def _bolted(piece: Workpiece) -> None:
    """Draw two plates that bolts, washers and nuts hold together, with a gasket between them."""
    rng, reach = piece.rng, piece.reach_mm
    lower, upper = 0.5 * piece.path_mm, 0.5 * piece.path_mm
    gasket = 0.05 * piece.path_mm
    edge = piece.spot(rng, 0.4)[0]
    piece.solids.append(solids.prism(0.0, 0.0, 0.0, lower, 2.0 * reach, 2.0 * reach))
    piece.solids.append(
        solids.prism(edge + reach, 0.0, lower + gasket, lower + gasket + upper, 2.0 * reach, 1.4 * reach, corner=0.1)
    )
    bolt, hollow = _other(piece, ("steel", "brass", "Ti")), piece.share(0.04, 0.14)
    head, nut, top = 0.7 * hollow, 0.8 * hollow, lower + gasket + upper
    for k in range(int(rng.integers(2, 6))):
        x = edge + hollow * float(rng.uniform(1.2, 1.8))
        y = (k - 2.0) * hollow * float(rng.uniform(2.4, 3.2))
        turn = float(rng.uniform(0.0, math.pi))
        piece.voids.append(solids.cone(x, y, -1.0, top + 1.0, 1.1 * hollow, 1.1 * hollow))
        shank = [solids.cone(x, y, -nut - 0.3 * hollow, top + 0.1 * head, hollow, hollow)]
        body = [*shank, *hexagon(x, y, top + 0.15 * head, top + head, 1.6 * hollow, turn)]
        body += hexagon(x, y, -nut, 0.0, 1.6 * hollow, 1.3 * turn)
        washer = [solids.cone(x, y, top, top + 0.15 * head, 2.1 * hollow, 2.1 * hollow)]
        soft = _other(piece, SLEEVES)
        if _missing(piece, body):
            piece.beside(soft, washer, voids=shank)
            continue
        piece.beside(bolt, body)
        if not _missing(piece, washer):
            piece.beside(soft, washer, voids=shank)


def _sprung(piece: Workpiece) -> None:
    """Draw a valve: a housing with a bore, a plunger and a spring in it, cables out of its end."""
    rng, wall = piece.rng, 0.5 * piece.path_mm
    outer = max(piece.share(0.3, 0.7), 4.0 * wall)
    inner, axis, length = outer - 2.0 * wall, 0.5 * outer, piece.share(0.6, 1.2)
    start, end = (-0.5 * length, 0.0, axis), (0.5 * length, 0.0, axis)
    piece.solids.append(solids.rod(start, end, outer))
    piece.voids.append(solids.rod((-0.5 * length + 2.0 * wall, 0.0, axis), (length, 0.0, axis), inner))
    split = float(rng.uniform(-0.2, 0.2)) * length
    plunger = [solids.rod((split, 0.0, axis), (0.5 * length + wall, 0.0, axis), 0.9 * inner)]
    groove = [
        solids.rod((split + k * 0.08 * length, 0.0, axis), (split + (k + 0.3) * 0.08 * length, 0.0, axis), inner)
        for k in range(1, 4)
    ]
    piece.beside(_other(piece, SLEEVES), plunger)
    if not _missing(piece, groove):
        core = [solids.rod((split - 1.0, 0.0, axis), (split + length, 0.0, axis), 0.9 * inner)]
        piece.beside("PMMA", groove, voids=core)
    wire, turns = 0.12 * inner * float(rng.uniform(0.5, 1.2)), int(rng.integers(4, 12))
    left = -0.5 * length + 2.0 * wall
    coil = _helix((left, 0.0, axis), split - wire - left, 0.5 * (0.92 * inner - wire), turns, wire)
    metal = _other(piece, SPRINGS)
    if split - wire > left and not _missing(piece, coil):
        piece.beside(metal, coil)


def _helix(start: Point, length: float, radius: float, turns: int, wire: float) -> list[Solid]:
    """Return a spring along x as short pieces of wire, sixteen a turn."""
    count, (x, y, z) = 16 * turns, start
    points = [
        (x + length * k / count, y + radius * math.cos(0.125 * math.pi * k), z + radius * math.sin(0.125 * math.pi * k))
        for k in range(count + 1)
    ]
    return [solids.rod(a, b, wire, capped=True) for a, b in itertools.pairwise(points)]


DESIGNS = {"shaft": _shaft, "bearing": _bearing, "gear": _gear, "bolted": _bolted, "sprung": _sprung}


def _tool_marks(piece: Workpiece) -> None:
    """Leave the lay of a tool on some pieces."""
    rng = piece.rng
    if rng.random() < 0.4:
        shortest = 2.5 * piece.pixel_mm
        rms = piece.path_mm * math.exp(rng.uniform(math.log(0.0003), math.log(0.004)))
        piece.reliefs.append(
            draw_relief(
                rng,
                piece.material,
                piece.top_mm,
                rms_mm=rms,
                longest_mm=3.0 * shortest,
                shortest_mm=shortest,
                slope=0.0,
                lay=float(rng.uniform(0.8, 1.0)),
            )
        )


def _go_wrong(piece: Workpiece) -> None:
    rng = piece.log.rng
    flaws.pores(piece, 6)
    flaws.inclusions(piece, 3, ("quartz", "W", "Al2O3"))
    if piece.log.strikes("crack"):
        at = piece.place(rng, piece.pixel_mm)
        if at:
            span = max(piece.column(*at[:2]), key=lambda span: span[1] - span[0])
            deep = (span[1] - span[0]) * float(rng.uniform(0.3, 1.0))
            heading, width = float(rng.uniform(0.0, 2.0 * math.pi)), piece.pixel_mm * float(rng.uniform(0.3, 2.0))
            length = piece.field_mm * float(rng.uniform(0.05, 0.3))
            flaws.crack(piece, at[:2], heading, length, (span[0], span[0] + deep), width=width, wander=0.25)
    for _ in range(3):
        if piece.log.strikes("foreign-body"):
            # A chip that lies on the part, or was left in it.
            (x, y), size = piece.spot(rng), flaws.flaw_radius(piece, rng, 0.03)
            spans = piece.column(x, y)
            z = (spans[-1][1] if spans else 0.0) + size
            turn, rise = float(rng.uniform(0.0, math.pi)), float(rng.uniform(0.0, 0.5))
            reach = size * float(rng.uniform(0.5, 4.0))
            away = (reach * math.cos(turn), reach * math.sin(turn), rise * size)
            chip = solids.rod((x, y, z), (x + away[0], y + away[1], z + away[2]), size, capped=True)
            piece.beside(str(rng.choice(["steel", "Cu", "Al", "Pb"])), [chip])
            piece.log.mark("foreign-body", [chip], reach)
