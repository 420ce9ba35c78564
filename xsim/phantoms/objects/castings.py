"""Castings: plates with ribs and bosses, pipes, housings, blades, wheels, with what solidifying metal does wrong."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping

from xsim.keywords import names_keywords
from xsim.phantoms import solids
from xsim.phantoms.objects import flaws
from xsim.phantoms.objects.gauges import hole_gauge, lead_letters, wire_gauge
from xsim.phantoms.objects.texture import draw_relief
from xsim.phantoms.objects.workpiece import Workpiece, build, check_flaw_rates, draw_workpiece, finish
from xsim.phantoms.phantom import Phantom

__all__ = ["FLAWS", "random_casting"]

# class -> how likely one candidate has it.
FLAWS = {"pore": 0.5, "pore-cluster": 0.3, "shrinkage": 0.35, "inclusion": 0.25, "crack": 0.25}
MATERIALS = ("Al", "Al", "Al", "Mg", "steel", "steel", "Ti", "Ni", "brass", "Zn")
# Sand, oxide films, flux and dross, and grains of harder metal.
INCLUDED = ("quartz", "Al2O3", "Mg", "steel", "W")


@names_keywords
def random_casting(
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
    """Draw a random view of a random casting.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1. Same seed and parameters, same phantom.
    shape : (H, W)
        Pixels of the view.
    pixel_mm : float
        Pixel of the phantom's grid [mm].
    material : str, optional
        What it is made of; drawn from the seed if not given.
    thickness_mm : float, optional
        Path through its usual wall [mm]; drawn from what is usual for the material if not given.
    flaw_rates : mapping, optional
        Rates that replace those of `FLAWS`.
    tilt_deg, rotation_deg : float, optional
        Oblique angle and turn of the view [deg]; drawn if not given.

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
    _as_cast(piece)
    _lay_on(piece)
    _go_wrong(piece)
    return finish(piece, "casting", design, seed)


def _plate(piece: Workpiece) -> None:
    """Draw a plate, mostly wider than the window, with ribs, bosses, pockets and bores."""
    rng, wall = piece.rng, piece.path_mm
    side = 2.0 * piece.reach_mm if rng.random() < 0.6 else piece.share(0.5, 0.95)
    other = side * float(rng.uniform(0.6, 1.0)) if side < piece.field_mm else side
    piece.solids.append(solids.prism(0.0, 0.0, 0.0, wall, side, other, corner=0.15 * other))
    angle = float(rng.uniform(0.0, math.pi))
    for k in range(int(rng.integers(0, 5))):
        turn = angle + 0.5 * math.pi * (k % 2)
        high, wide = wall * float(rng.uniform(0.2, 1.2)), piece.share(0.02, 0.1)
        x, y = piece.spot(rng, 0.3)
        piece.solids.append(solids.prism(x, y, 0.0, wall + high, side, wide, angle=turn))
    for _ in range(int(rng.integers(0, 5))):
        _boss(piece, wall)
    for _ in range(int(rng.integers(0, 4))):
        (x, y), deep, wide = piece.spot(rng), wall * float(rng.uniform(0.15, 0.6)), piece.share(0.08, 0.3)
        tall = wide * float(rng.uniform(0.5, 1.0))
        pocket = solids.prism(x, y, wall - deep, 3.0 * wall, wide, tall, angle=angle, corner=0.25 * tall)
        piece.voids.append(pocket)


def _boss(piece: Workpiece, wall: float) -> None:
    """Draw a boss with draft and, mostly, a bore."""
    rng = piece.rng
    x, y = piece.spot(rng)
    wide, high = piece.share(0.06, 0.3), wall * float(rng.uniform(0.3, 1.5))
    piece.solids.append(solids.cone(x, y, 0.0, wall + high, wide, wide * float(rng.uniform(0.75, 1.0))))
    if rng.random() < 0.7:
        bore = wide * float(rng.uniform(0.25, 0.6))
        low = -1.0 if rng.random() < 0.6 else wall * float(rng.uniform(0.1, 0.8))
        piece.voids.append(solids.cone(x, y, low, 4.0 * wall, bore, bore))


def _pipe(piece: Workpiece) -> None:
    """Draw a pipe that lies across the window, with flanges: two walls over each other, and their tangents."""
    rng = piece.rng
    wall = 0.5 * piece.path_mm
    outer = max(piece.share(0.35, 0.9), 3.0 * wall)
    axis, reach = 0.5 * outer, 1.5 * piece.reach_mm
    bend = float(rng.normal(0.0, 0.05)) * piece.field_mm
    start, end = (-reach, bend, axis), (reach, -bend, axis)
    piece.solids.append(solids.rod(start, end, outer))
    for _ in range(int(rng.integers(0, 3))):
        x = piece.spot(rng)[0]
        half = 0.5 * piece.share(0.03, 0.12)
        wide = outer + 2.0 * wall * float(rng.uniform(0.3, 1.2))
        piece.solids.append(solids.rod((x - half, 0.0, axis), (x + half, 0.0, axis), wide))
    if rng.random() < 0.4:
        x, branch = piece.spot(rng)[0], outer * float(rng.uniform(0.3, 0.6))
        piece.solids.append(solids.rod((x, 0.0, axis), (x, reach, axis), branch))
        piece.voids.append(solids.rod((x, 0.0, axis), (x, reach + 1.0, axis), max(branch - 2.0 * wall, 0.3 * branch)))
    piece.voids.append(solids.rod(start, end, outer - 2.0 * wall))


def _housing(piece: Workpiece) -> None:
    """Draw a box of thin walls seen from above: a floor, walls on edge, ribs between them, screw posts."""
    rng = piece.rng
    floor, high = piece.path_mm * float(rng.uniform(0.4, 0.8)), piece.path_mm * float(rng.uniform(1.5, 3.0))
    wide, tall = piece.share(0.5, 1.1), piece.share(0.5, 1.1)
    wall = piece.share(0.015, 0.06)
    corner = 0.1 * min(wide, tall)
    piece.solids.append(solids.prism(0.0, 0.0, 0.0, high, wide, tall, corner=corner))
    inner = solids.prism(
        0.0, 0.0, floor, high + 1.0, wide - 2.0 * wall, tall - 2.0 * wall, corner=max(corner - wall, 0)
    )
    # Ribs and posts stand in the hollow, so the hollow is cut into what is left between them.
    ribs = sorted(rng.uniform(-0.4, 0.4, int(rng.integers(0, 4))) * wide)
    edges = [-0.5 * wide + wall, *ribs, 0.5 * wide - wall]
    if not ribs:
        piece.voids.append(inner)
    for left, right in itertools.pairwise(edges):
        if ribs and right - left > 2.0 * wall:
            clear = right - left - wall
            low = floor * float(rng.uniform(0.5, 1.0))
            middle = 0.5 * (left + right)
            piece.voids.append(solids.prism(middle, 0.0, low, high + 1.0, clear, tall - 2.0 * wall, corner=wall))
    for _ in range(int(rng.integers(0, 4))):
        (x, y), bore = piece.spot(rng), piece.share(0.02, 0.08)
        piece.voids.append(solids.cone(x, y, -1.0, high + 1.0, bore, bore))


def _blade(piece: Workpiece) -> None:
    """Draw an aerofoil: a flat ellipsoid with a root block and cooling channels."""
    rng = piece.rng
    length, chord, thick = piece.share(0.5, 1.2), piece.share(0.2, 0.5), piece.path_mm
    middle = 0.5 * thick
    piece.solids.append(solids.ellipsoid(0.0, 0.0, middle, length, chord, 0.5 * thick))
    root = piece.share(0.08, 0.2)
    piece.solids.append(
        solids.prism(-0.45 * piece.field_mm, 0.0, 0.0, 1.4 * thick, root, 1.6 * chord, corner=0.1 * root)
    )
    count = int(rng.integers(0, 7))
    for k in range(count):
        y = chord * 1.2 * ((k + 0.5) / count - 0.5)
        # Thinner than the aerofoil there.
        deep = thick * math.sqrt(max(0.0, 1.0 - (y / chord) ** 2))
        bore = min(0.5 * deep, 0.5 * chord / count) * float(rng.uniform(0.6, 1.0))
        piece.voids.append(solids.rod((-2.0 * length, y, middle), (2.0 * length, y, middle), bore))


def _wheel(piece: Workpiece) -> None:
    """Draw a hub, spokes and a rim."""
    rng, wall = piece.rng, piece.path_mm
    outer = piece.share(0.7, 1.4)
    rim, hub = outer * float(rng.uniform(0.08, 0.2)), outer * float(rng.uniform(0.2, 0.4))
    x, y = piece.spot(rng, 0.2)
    high = wall * float(rng.uniform(1.0, 1.6))
    piece.solids.append(solids.cone(x, y, 0.0, high, outer, 0.97 * outer))
    web = wall * float(rng.uniform(0.0, 0.5))
    count, wide = int(rng.integers(3, 8)), outer * float(rng.uniform(0.05, 0.1))
    # Between the spokes the web is thin or open: hollows whose sides leave the spokes standing.
    inner, edge = 0.5 * hub, 0.5 * outer - rim
    middle = 0.5 * (inner + edge)
    opening = min(edge - inner, 2.0 * middle * math.sin(math.pi / count) - wide)
    for k in range(count):
        turn = 2.0 * math.pi * k / count
        at = (x + middle * math.cos(turn), y + middle * math.sin(turn))
        if opening > 0.0:
            low = web if web > 0.1 * wall else -1.0
            piece.voids.append(solids.cone(*at, low, high + 1.0, opening, 1.03 * opening))
    bore = hub * float(rng.uniform(0.3, 0.6))
    piece.voids.append(solids.cone(x, y, -1.0, high + 1.0, bore, bore))


DESIGNS = {"plate": _plate, "pipe": _pipe, "housing": _housing, "blade": _blade, "wheel": _wheel}


def _as_cast(piece: Workpiece) -> None:
    """Leave the skin of the mould on the piece: some are smooth, sand castings are rough."""
    if piece.rng.random() < 0.6:
        shortest = 3.0 * piece.pixel_mm
        longest = max(4.0 * shortest, 0.15 * piece.field_mm)
        rms = piece.path_mm * math.exp(piece.rng.uniform(math.log(0.0007), math.log(0.01)))
        piece.reliefs.append(
            draw_relief(
                piece.rng,
                piece.material,
                piece.top_mm,
                rms_mm=rms,
                longest_mm=longest,
                shortest_mm=shortest,
                slope=float(piece.rng.uniform(0.3, 1.2)),
            )
        )


def _lay_on(piece: Workpiece) -> None:
    """Lay a gauge and a number on some pieces."""
    rng, top = piece.rng, piece.top_mm
    if rng.random() < 0.25:
        lay = wire_gauge if rng.random() < 0.6 else hole_gauge
        lay(piece, *piece.spot(rng, 0.35), top, float(rng.uniform(0.0, math.pi)), room_mm=piece.share(0.15, 0.35))
    if rng.random() < 0.25:
        text = "".join(rng.choice(list("0123456789ABCDFHKLPRT"), int(rng.integers(1, 5))))
        height = piece.share(0.04, 0.12)
        lead_letters(
            piece, text, *piece.spot(rng, 0.4), top, float(rng.choice([0.0, 0.5, 1.0]) * math.pi), height_mm=height
        )


def _go_wrong(piece: Workpiece) -> None:
    rng = piece.log.rng
    flaws.shrinkage(piece, 3)
    flaws.pore_clusters(piece, 2)
    flaws.pores(piece, 12)
    flaws.inclusions(piece, 4, INCLUDED)
    for _ in range(2):
        if piece.log.strikes("crack"):
            at = piece.place(rng, piece.pixel_mm)
            spans = piece.column(*at[:2]) if at else []
            if at and spans:
                span = max(spans, key=lambda span: span[1] - span[0])
                deep = (span[1] - span[0]) * float(rng.uniform(0.3, 1.0))
                low = span[0] + (span[1] - span[0] - deep) * float(rng.random())
                length = piece.field_mm * float(rng.uniform(0.06, 0.4))
                width = piece.pixel_mm * float(rng.uniform(0.3, 3.0))
                heading = float(rng.uniform(0.0, 2.0 * math.pi))
                flaws.crack(piece, at[:2], heading, length, (low, low + deep), width=width)
