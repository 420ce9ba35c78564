"""Textures: foams, packed grains, fibres, honeycombs and rough plates, where structure has no edges to speak of."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np

from xsim.keywords import names_keywords
from xsim.phantoms import solids
from xsim.phantoms.objects.texture import draw_relief
from xsim.phantoms.objects.workpiece import Workpiece, build, check_flaw_rates, draw_workpiece, finish
from xsim.phantoms.phantom import Phantom

__all__ = ["FLAWS", "random_texture"]

FLAWS = {"void": 0.25, "foreign-body": 0.25}
MATERIALS = ("Al", "Al", "PMMA", "PMMA", "Mg", "steel", "Al2O3")
# Reinforcement, filler and grains, by what they are bound in.
FIBRES = ("E-glass", "Cu", "steel")


@names_keywords
def random_texture(
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
    """Draw a random texture.

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
    _go_wrong(piece)
    return finish(piece, "texture", design, seed)


def _slab(piece: Workpiece) -> None:
    side = 2.0 * piece.reach_mm
    piece.solids.append(solids.prism(0.0, 0.0, 0.0, piece.path_mm, side, side))


def _cells(piece: Workpiece, count: int, low: float, high: float) -> np.ndarray:
    """Return places and radii of round cells in the window, (n, 4): x, y, z, radius [mm]."""
    rng, reach = piece.rng, 0.72 * max(piece.view.size_mm)
    radius = piece.field_mm * np.exp(rng.uniform(math.log(low), math.log(high), count))
    at = rng.uniform(-1.0, 1.0, (count, 2)) * reach
    return np.column_stack((at, rng.uniform(0.0, 1.0, count) * piece.path_mm, radius))


def _foam(piece: Workpiece) -> None:
    """Draw a plate full of round cells, as metal foams and blown plastics are."""
    _slab(piece)
    size = float(piece.rng.uniform(0.01, 0.04))
    for x, y, z, radius in _cells(piece, 700, 0.5 * size, size):
        flat = min(1.0, 0.45 * piece.path_mm / radius)
        piece.voids.append(solids.ellipsoid(x, y, z, radius, radius, radius * flat))


def _grains(piece: Workpiece) -> None:
    """Draw grains of one or two materials that lie over each other, without a binder."""
    size = float(piece.rng.uniform(0.015, 0.05))
    parts = []
    for x, y, z, radius in _cells(piece, 500, 0.6 * size, size):
        axes = radius * piece.rng.uniform(0.6, 1.0, 3)
        angle = float(piece.rng.uniform(0.0, math.pi))
        parts.append(solids.ellipsoid(x, y, z, *axes, angle=angle))
    piece.solids += parts


def _fibres(piece: Workpiece) -> None:
    """Draw bundles of fibres in a plate, in one or two directions, or at random."""
    _slab(piece)
    rng, reach = piece.rng, piece.reach_mm
    thin = float(np.exp(rng.uniform(math.log(0.003), math.log(0.02)))) * piece.field_mm
    thin = min(thin, 0.2 * piece.path_mm)
    base, spread = float(rng.uniform(0.0, math.pi)), float(rng.choice([0.02, 0.2, 1.6]))
    others = [name for name in FIBRES if name != piece.material]
    material = others[int(rng.integers(len(others)))]
    for k in range(int(rng.integers(40, 160))):
        turn = base + 0.5 * math.pi * (k % 2) + spread * float(rng.normal())
        x, y = piece.spot(rng, 0.7)
        half = reach if spread < 1.0 else piece.field_mm * float(rng.uniform(0.05, 0.3))
        z = float(rng.uniform(0.6 * thin, piece.path_mm - 0.6 * thin))
        dx, dy = half * math.cos(turn), half * math.sin(turn)
        # Each fibre takes the binder's place; where two cross, the map below stays at zero or more.
        piece.insert(material, [solids.rod((x - dx, y - dy, z), (x + dx, y + dy, z), thin)])


def _honeycomb(piece: Workpiece) -> None:
    """Draw the walls of a honeycomb between two skins: hexagonal cells cut out of a plate."""
    _slab(piece)
    rng = piece.rng
    across = piece.share(0.05, 0.15)
    wall = across * float(rng.uniform(0.03, 0.15))
    skin = piece.path_mm * float(rng.uniform(0.02, 0.15))
    side = (across - wall) / math.sqrt(3.0)
    row = across * math.sqrt(3.0) / 2.0
    count = int(0.75 * max(piece.view.size_mm) / row) + 1
    for i in range(-count, count + 1):
        for j in range(-count, count + 1):
            x, y = across * (j + 0.5 * (i % 2)), row * i
            if math.hypot(x, y) > piece.reach_mm:
                continue
            piece.voids += [
                solids.prism(x, y, skin, piece.path_mm - skin, across - wall, side, angle=k * math.pi / 3.0)
                for k in range(3)
            ]


def _rough(piece: Workpiece) -> None:
    """Draw a plate with a deep relief: weathered, sintered or forged."""
    _slab(piece)
    rng = piece.rng
    shortest = 3.0 * piece.pixel_mm
    longest = max(5.0 * shortest, piece.field_mm * float(rng.uniform(0.1, 0.6)))
    piece.reliefs.append(
        draw_relief(
            rng,
            piece.material,
            piece.path_mm,
            rms_mm=piece.path_mm * float(rng.uniform(0.01, 0.12)),
            longest_mm=longest,
            shortest_mm=shortest,
            slope=float(rng.uniform(0.0, 1.3)),
            lay=float(rng.choice([0.0, 0.0, 0.9])),
            waves=96,
        )
    )


DESIGNS = {"foam": _foam, "grains": _grains, "fibres": _fibres, "honeycomb": _honeycomb, "rough": _rough}


def _go_wrong(piece: Workpiece) -> None:
    """Draw a hollow larger than the texture's own, and grains of metal in it."""
    rng = piece.log.rng
    for _ in range(3):
        radius = min(piece.field_mm * float(rng.uniform(0.02, 0.06)), 0.4 * piece.path_mm)
        (x, y), z = piece.spot(rng), float(rng.uniform(0.4, 0.6)) * piece.path_mm
        if piece.log.strikes("void"):
            hollow = solids.ellipsoid(x, y, z, radius, radius * float(rng.uniform(0.5, 1.0)), 0.9 * radius)
            piece.voids.append(hollow)
            piece.log.mark("void", [hollow], 2.0 * radius)
    for _ in range(3):
        radius = max(min(piece.field_mm * float(rng.uniform(0.004, 0.015)), 0.3 * piece.path_mm), piece.pixel_mm)
        (x, y), chosen = piece.spot(rng), str(rng.choice(["W", "Cu", "Pb"]))
        if piece.log.strikes("foreign-body"):
            grain = solids.ellipsoid(
                x, y, piece.path_mm + radius, radius, radius * float(rng.uniform(0.7, 1.0)), radius
            )
            piece.beside(chosen, [grain])
            piece.log.mark("foreign-body", [grain], 2.0 * radius)
