"""Welds: butt and lap joints of plates, with caps and roots of any ripple, what goes wrong in them, gauges on top.

A bead is a row of overlapping ellipsoids along the joint: their leading edges are the ripples that each pass leaves.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from xsim.keywords import names_keywords
from xsim.phantoms import solids
from xsim.phantoms.objects import flaws
from xsim.phantoms.objects.gauges import duplex_gauge, hole_gauge, lead_letters, wire_gauge
from xsim.phantoms.objects.texture import draw_relief
from xsim.phantoms.objects.workpiece import Workpiece, check_flaw_rates, draw_workpiece, finish
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.solids import Solid

__all__ = ["FLAWS", "random_weld"]

# class -> how likely one candidate has it; spatter is no flaw by every code, but it is always looked for.
FLAWS = {
    "pore": 0.4,
    "pore-cluster": 0.35,
    "wormhole": 0.25,
    "slag": 0.35,
    "tungsten": 0.25,
    "crack": 0.35,
    "lack-of-fusion": 0.25,
    "lack-of-penetration": 0.15,
    "undercut": 0.3,
    "concave-root": 0.15,
    "burn-through": 0.08,
    "spatter": 0.4,
}
MATERIALS = ("steel", "steel", "steel", "Al", "Al", "Ti", "Ni")


@dataclass(frozen=True)
class _Joint:
    """A joint along x: top and bottom of the plates [mm], half the width of cap and root, and their heights [mm]."""

    low: float
    high: float
    half_cap: float
    half_root: float
    cap: float
    root: float


@names_keywords
def random_weld(
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
    """Draw a random view of a random weld.

    Parameters are those of `xsim.phantoms.objects.castings.random_casting`, with the rates of this module's `FLAWS`;
    ``thickness_mm`` is that of the plates.

    Returns
    -------
    Phantom
        With its flaws labelled; ``family`` names the joint.

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
    design = "lap" if piece.rng.random() < 0.2 else "butt"
    joint = _lap(piece) if design == "lap" else _butt(piece)
    _skin(piece)
    _lay_on(piece, joint)
    for strike in _TROUBLES:
        strike(piece, joint)
    return finish(piece, "weld", design, seed)


def _butt(piece: Workpiece) -> _Joint:
    """Draw two plates edge to edge, a little out of line, with cap and root, or ground flush."""
    rng, thick, reach = piece.rng, piece.path_mm, piece.reach_mm
    half = 0.5 * piece.share(0.08, 0.4)
    cap = min(0.3 * half, 0.3 * thick) * float(rng.uniform(0.2, 1.0))
    if rng.random() < 0.15:
        cap = 0.0
    narrow = half * float(rng.uniform(0.25, 0.6))
    root = min(0.4 * narrow, 0.2 * thick) * float(rng.uniform(0.2, 1.0)) if rng.random() < 0.8 else 0.0
    step = 0.06 * thick * float(rng.normal()) if rng.random() < 0.4 else 0.0
    for side, shift in ((-1.0, 0.0), (1.0, step)):
        thinner = 1.0 if rng.random() < 0.8 else float(rng.uniform(0.7, 1.0))
        high = root + thick * thinner + shift
        piece.solids.append(solids.prism(0.0, side * reach, root + min(shift, 0.0), high, 4.0 * reach, 2.0 * reach))
    _bead(piece, root + thick, half, cap)
    _bead(piece, root, narrow, -root)
    return _Joint(root, root + thick, half, narrow, cap, root)


def _lap(piece: Workpiece) -> _Joint:
    """Draw two plates over each other with a fillet in the step."""
    rng, thick, reach = piece.rng, 0.5 * piece.path_mm, piece.reach_mm
    half = 0.5 * piece.share(0.06, 0.25)
    over = piece.share(0.15, 0.5)
    piece.solids.append(solids.prism(0.0, -0.5 * reach + over, 0.0, thick, 4.0 * reach, reach + 2.0 * over))
    piece.solids.append(solids.prism(0.0, reach, thick, 2.0 * thick, 4.0 * reach, 2.0 * reach))
    # Its leg lies on the lower plate: the bead's middle is in the corner.
    _bead(piece, thick, half, min(0.9 * thick, half) * float(rng.uniform(0.6, 1.0)))
    return _Joint(0.0, 2.0 * thick, half, half, 0.0, 0.0)


def _bead(piece: Workpiece, z: float, half: float, height: float) -> None:
    """Lay a bead along x on the surface at ``z``, upwards, or downwards for a height below 0 [mm]."""
    if height == 0.0:
        return
    rng = piece.rng
    # Less than that and a bead would be more solids than rays can hold.
    pitch = max(half * float(rng.uniform(0.12, 0.5)), 0.012 * piece.field_mm)
    long = max(half * float(rng.uniform(0.5, 0.9)), 1.5 * pitch)
    count = int(2.0 * piece.reach_mm / pitch) + 2
    wave = _slow(rng, count)
    places = zip(_slow(rng, count), wave, rng.normal(0.0, 0.03, count), strict=True)
    for k, (swing, wide, jitter) in enumerate(places):
        x = -piece.reach_mm + pitch * (k + float(jitter))
        high = abs(height) * (1.0 + 0.2 * wide + float(jitter))
        across = half * (1.0 + 0.1 * wide + float(jitter))
        piece.solids.append(solids.ellipsoid(x, 0.08 * half * swing, z, long, across, high))


def _slow(rng: np.random.Generator, count: int) -> list[float]:
    """Return a random function of the place along the joint that wanders slowly, of about unit size."""
    places = np.linspace(0.0, 1.0, count)
    total = np.zeros(count)
    for turns in (1.3, 3.1, 6.7):
        total += float(rng.normal()) * np.sin(2.0 * math.pi * (turns * places + rng.random())) / math.sqrt(turns)
    return [float(value) for value in total]


def _skin(piece: Workpiece) -> None:
    """Roughen the plates: rolled and brushed metal has a lay, a sand-blasted one has none."""
    rng = piece.rng
    if rng.random() < 0.5:
        shortest = 3.0 * piece.pixel_mm
        rms = piece.path_mm * math.exp(rng.uniform(math.log(0.0005), math.log(0.006)))
        longest, lay = max(4.0 * shortest, 0.2 * piece.field_mm), float(rng.choice([0.0, 0.97]))
        relief = draw_relief(
            rng, piece.material, piece.path_mm, rms_mm=rms, longest_mm=longest, shortest_mm=shortest, lay=lay
        )
        piece.reliefs.append(relief)


def _lay_on(piece: Workpiece, joint: _Joint) -> None:
    """Lay gauges across and beside the bead, and letters along it."""
    rng, top = piece.rng, joint.high + joint.cap
    if rng.random() < 0.6:
        x = piece.spot(rng, 0.35)[0]
        wire_gauge(piece, x, 0.0, top, 0.5 * math.pi, room_mm=piece.share(0.2, 0.45))
    beside = (joint.half_cap + piece.share(0.05, 0.2)) * float(rng.choice([-1.0, 1.0]))
    if rng.random() < 0.25:
        duplex_gauge(piece, 0.0, beside, joint.high, 0.0, room_mm=piece.share(0.3, 0.7))
    elif rng.random() < 0.2:
        hole_gauge(piece, piece.spot(rng, 0.3)[0], beside, joint.high, 0.0, room_mm=piece.share(0.1, 0.25))
    if rng.random() < 0.6:
        height = piece.share(0.03, 0.1)
        letters = list("0123456789ABCDEFHJKLMNPRSTUVXZ>-")
        for _ in range(int(rng.integers(1, 3))):
            text = "".join(rng.choice(letters, int(rng.integers(1, 6))))
            y = -(joint.half_cap + height * float(rng.uniform(0.8, 3.0))) * math.copysign(1.0, beside)
            lead_letters(piece, text, piece.spot(rng, 0.4)[0], y, joint.high, 0.0, height_mm=height)


def _in_bead(piece: Workpiece, joint: _Joint, radius: float) -> solids.Point | None:
    """Draw the centre of a ball in the weld metal and in the window; None if no room was found."""
    rng = piece.log.rng
    for _ in range(8):
        x = piece.spot(rng)[0]
        z = float(rng.uniform(joint.low, joint.high + joint.cap))
        # The groove is a V: narrow at the root.
        share = (z - joint.low) / (joint.high - joint.low)
        half = joint.half_root + (joint.half_cap - joint.half_root) * share
        point = (x, float(rng.uniform(-0.9, 0.9)) * half, z)
        if piece.holds(point, radius):
            return point
    return None


def _gas(piece: Workpiece, joint: _Joint) -> None:
    """Draw single pores, rows and nests of them, and wormholes."""
    rng, log = piece.log.rng, piece.log
    for _ in range(8):
        radius = flaws.flaw_radius(piece, rng, 0.03)
        if log.strikes("pore") and (at := _in_bead(piece, joint, radius)):
            pore = solids.sphere(*at, 2.0 * radius)
            piece.voids.append(pore)
            log.mark("pore", [pore], 2.0 * radius)
    for _ in range(2):
        radius = flaws.flaw_radius(piece, rng, 0.012)
        if log.strikes("pore-cluster") and (at := _in_bead(piece, joint, radius)):
            # A row along the joint, or a nest.
            along = piece.field_mm * float(rng.choice([0.02, 0.04, 0.15]))
            found = []
            for _ in range(int(rng.integers(8, 40))):
                own = radius * float(rng.uniform(0.5, 1.0))
                x, y = at[0] + along * float(rng.normal()), at[1] + 0.15 * joint.half_cap * float(rng.normal())
                place = (x, y, at[2] + 0.1 * piece.path_mm * float(rng.normal()))
                if piece.holds(place, own):
                    found.append(solids.sphere(*place, 2.0 * own))
            if found:
                piece.voids += found
                log.mark("pore-cluster", found, float(len(found)))
    for _ in range(3):
        radius = flaws.flaw_radius(piece, rng, 0.012)
        if log.strikes("wormhole") and (at := _in_bead(piece, joint, radius)):
            angle, rise = float(rng.uniform(0.0, 2.0 * math.pi)), float(rng.uniform(0.2, 1.2))
            length = min(8.0 * radius, 0.3 * piece.path_mm)
            slope = (math.cos(rise) * math.cos(angle), math.cos(rise) * math.sin(angle), math.sin(rise))
            x, y, z = (c + length * s for c, s in zip(at, slope, strict=True))
            if piece.holds((x, y, z), radius):
                hole = solids.rod(at, (x, y, z), 2.0 * radius, capped=True)
                piece.voids.append(hole)
                log.mark("wormhole", [hole], length)


def _grains(piece: Workpiece, joint: _Joint) -> None:
    """Draw lines of slag along the joint, and splinters of tungsten."""
    rng, log = piece.log.rng, piece.log
    for _ in range(3):
        radius = flaws.flaw_radius(piece, rng, 0.02)
        if log.strikes("slag") and (at := _in_bead(piece, joint, radius)):
            long = radius * float(rng.uniform(1.0, 8.0))
            if piece.holds((at[0] - long, at[1], at[2]), radius) and piece.holds((at[0] + long, at[1], at[2]), radius):
                grain = solids.ellipsoid(*at, long, radius, 0.7 * radius, angle=float(rng.normal(0.0, 0.05)))
                piece.insert("slag", [grain])
                log.mark("slag", [grain], 2.0 * long)
    for _ in range(3):
        radius = flaws.flaw_radius(piece, rng, 0.008)
        if log.strikes("tungsten") and (at := _in_bead(piece, joint, radius)):
            axes = radius * rng.uniform(0.4, 1.0, 3)
            grain = solids.ellipsoid(*at, *axes, angle=float(rng.uniform(0.0, math.pi)))
            piece.insert("W", [grain])
            log.mark("tungsten", [grain], 2.0 * radius)


def _cracks(piece: Workpiece, joint: _Joint) -> None:
    """Draw cracks along, across and beside the bead, and stars in craters."""
    rng = piece.log.rng
    for _ in range(2):
        if not piece.log.strikes("crack"):
            continue
        kind = str(rng.choice(["along", "across", "toe", "star"]))
        x = piece.spot(rng, 0.4)[0]
        # A crack beside the bead stays in the heat-affected plate.
        y = {"toe": joint.half_cap * 1.05, "across": -0.8 * joint.half_cap}.get(kind, 0.2 * joint.half_cap)
        deep = (joint.high - joint.low) * float(rng.uniform(0.15, 0.8))
        low = joint.low + (joint.high - joint.low - deep) * float(rng.random())
        width = piece.pixel_mm * float(rng.uniform(0.3, 2.5))
        for heading in rng.uniform(0.0, 2.0 * math.pi, 4) if kind == "star" else [0.5 * math.pi * (kind == "across")]:
            length = {"across": 1.6 * joint.half_cap, "star": 0.8 * joint.half_cap}.get(
                kind, piece.field_mm * float(rng.uniform(0.1, 0.5))
            )
            flaws.crack(piece, (x, y), float(heading), length, (low, low + deep), width=width, wander=0.3)


def _unfused(piece: Workpiece, joint: _Joint) -> None:
    """Draw what did not melt together: flat gaps on the flanks, and the gap of the root."""
    rng, log = piece.log.rng, piece.log
    thick = joint.high - joint.low
    if log.strikes("lack-of-fusion"):
        side, length = float(rng.choice([-1.0, 1.0])), piece.field_mm * float(rng.uniform(0.06, 0.3))
        lean = math.atan2(joint.half_cap - joint.half_root, thick)
        high = 0.5 * thick * float(rng.uniform(0.3, 0.9))
        gap = min(0.1 * high, 2.0 * piece.pixel_mm) * float(rng.uniform(0.3, 1.0))
        # Half way up the flank; the box leans outwards with it.
        y = side * 0.5 * (joint.half_cap + joint.half_root)
        at = (piece.spot(rng, 0.4)[0], y, 0.5 * (joint.low + joint.high))
        box = solids.block(at, (length, gap, high), solids.attitude(roll=-side * lean))
        piece.voids.append(box)
        log.mark("lack-of-fusion", [box], length)
    if log.strikes("lack-of-penetration"):
        length, x = piece.field_mm * float(rng.uniform(0.1, 0.8)), piece.spot(rng)[0]
        gap = max(joint.half_root * float(rng.uniform(0.05, 0.3)), piece.pixel_mm)
        deep = thick * float(rng.uniform(0.05, 0.3))
        box = solids.prism(x, 0.0, joint.low, joint.low + deep, length, gap)
        piece.voids.append(box)
        log.mark("lack-of-penetration", [box], deep)


def _surface(piece: Workpiece, joint: _Joint) -> None:
    """Draw undercut at the toes, a sunk root, a burnt hole: hollows that begin at a surface."""
    rng, log = piece.log.rng, piece.log
    thick = joint.high - joint.low
    for side in (-1.0, 1.0):
        if log.strikes("undercut"):
            deep, wide = thick * float(rng.uniform(0.03, 0.15)), joint.half_cap * float(rng.uniform(0.08, 0.25))
            x, y = piece.spot(rng, 0.4)[0], side * (joint.half_cap + 0.5 * wide)
            found = [
                solids.ellipsoid(
                    x + 1.2 * wide * k, y, joint.high, 2.0 * wide, wide, deep * float(rng.uniform(0.4, 1.0))
                )
                for k in range(int(rng.integers(2, 14)))
            ]
            piece.voids += found
            log.mark("undercut", found, deep)
    if log.strikes("concave-root"):
        deep, long = thick * float(rng.uniform(0.05, 0.2)), piece.field_mm * float(rng.uniform(0.1, 0.4))
        dent = solids.ellipsoid(
            piece.spot(rng)[0], 0.0, joint.low - joint.root, long, joint.half_root, joint.root + deep
        )
        piece.voids.append(dent)
        log.mark("concave-root", [dent], deep)
    if log.strikes("burn-through"):
        wide = joint.half_root * float(rng.uniform(0.5, 1.2))
        x, y = piece.spot(rng, 0.4)[0], 0.2 * joint.half_root * float(rng.normal())
        hole = solids.cone(x, y, -1.0, joint.high + 2.0 * joint.cap + 1.0, 2.0 * wide, 1.4 * wide)
        piece.voids.append(hole)
        log.mark("burn-through", [hole], 2.0 * wide)


def _spatter(piece: Workpiece, joint: _Joint) -> None:
    """Draw drops of metal that froze on the plates; they are one body with them."""
    rng, log = piece.log.rng, piece.log
    if not log.strikes("spatter"):
        return
    for _ in range(int(rng.integers(2, 30))):
        radius = flaws.flaw_radius(piece, rng, 0.015)
        away = joint.half_cap * (1.2 + float(rng.exponential(0.8)))
        x, y = piece.spot(rng)[0], away * float(rng.choice([-1.0, 1.0]))
        spans = piece.column(x, y)
        if spans:
            top = spans[-1][1]
            drop: Solid = solids.ellipsoid(x, y, top, radius, radius, 0.7 * radius, low=top - 0.2 * radius)
            piece.solids.append(drop)
            log.mark("spatter", [drop], 2.0 * radius)


_TROUBLES: tuple[Callable[[Workpiece, _Joint], None], ...] = (_surface, _unfused, _gas, _grains, _cracks, _spatter)
