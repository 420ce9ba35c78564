"""Random boards: a piece of a printed circuit board, drawn from a seed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from xsim.phantoms import flat, rules, solids
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.scene import Layer, Scene
from xsim.phantoms.view import View
from xsim.seeds import check_seed, generator

if TYPE_CHECKING:
    from xsim.phantoms.rules import RuleClass, Stackup

__all__ = ["random_board"]


def random_board(
    seed: int,
    shape: tuple[int, int] = (1024, 1024),
    pixel_mm: float = 0.024,
    *,
    tilt_deg: float | None = None,
    rotation_deg: float | None = None,
) -> Phantom:
    """Draw a random view of a random board.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1. Same seed and parameters, same phantom.
    shape : (H, W)
        Pixels of the view.
    pixel_mm : float
        Pixel of the phantom's grid [mm], finer than the detector's.
    tilt_deg, rotation_deg : float, optional
        Oblique angle and turn of the view [deg]; drawn from the seed if not given.

    Returns
    -------
    Phantom
        With its defects labelled.
    """
    check_seed(seed)
    rng = generator(seed, stage="board")
    layers = int(rng.choice([2, 4, 6, 8, 12], p=[0.3, 0.3, 0.2, 0.15, 0.05]))
    stackup = rules.draw_stackup(rng, layers=layers, bromine=rng.random() < 0.7, lead=rng.random() < 0.1)
    rule = rules.CLASSES[str(rng.choice(list(rules.CLASSES)))]
    turn = float(rng.choice([0.0, 90.0])) + float(rng.normal(0.0, 3.0))
    tilt = float(rng.uniform(5.0, 45.0)) if rng.random() < 0.2 else 0.0
    view = View(
        shape,
        pixel_mm,
        rotation_deg=turn if rotation_deg is None else rotation_deg,
        tilt_deg=tilt if tilt_deg is None else tilt_deg,
        azimuth_deg=float(rng.uniform(0.0, 360.0)),
    )
    half = 0.5 * math.hypot(*view.size_mm) + stackup.height_mm
    scene = Scene()
    _draw_board(scene, rng, stackup, rule, half)
    materials, maps, heights = scene.render(view)
    return Phantom(materials, maps, pixel_mm, f"board-{seed}", "random-board", seed, (), heights)


def _draw_board(scene: Scene, rng: np.random.Generator, stackup: Stackup, rule: RuleClass, half: float) -> None:
    """Fill a scene with laminate, copper, vias, balls and chips over a square of half side ``half`` [mm]."""
    side = 2.0 * half + 2.0
    scene.body(stackup.laminate, [solids.prism(0.0, 0.0, 0.0, stackup.height_mm, side, side)])
    vias = rng.uniform(-half, half, (int(0.25 * half * half), 2))
    for k in range(stackup.layers):
        inner = 0 < k < stackup.layers - 1
        layer = Layer("Cu", stackup.copper_mm[k], stackup.z_mm[k], displaces=stackup.laminate if inner else None)
        if stackup.plane[k]:
            layer.shapes.append(flat.box(0.0, 0.0, side, side))
            antipads = [flat.disc(x, y, rule.pad_mm + 2 * rule.space_mm) for x, y in vias]
            layer.shapes.extend(flat.cleared(a) for a in antipads)
        else:
            layer.shapes.extend(_walks(rng, rule, half))
        layer.shapes.extend(flat.disc(x, y, rule.pad_mm) for x, y in vias)
        layer.shapes.extend(flat.cleared(flat.disc(x, y, rule.drill_mm + 0.05)) for x, y in vias)
        scene.layer(layer)
    low, high = stackup.z_mm[0], stackup.z_mm[-1]
    for x, y in vias:
        outer = solids.cone(x, y, low, high, rule.drill_mm + 0.05, rule.drill_mm + 0.05)
        bore = solids.cone(x, y, low, high, rule.drill_mm, rule.drill_mm)
        scene.body("Cu", [outer], voids=[bore])
        scene.hole(
            solids.cone(x, y, 0.0, stackup.height_mm, rule.drill_mm + 0.05, rule.drill_mm + 0.05), stackup.laminate
        )
    _draw_bga(scene, rng, stackup, half)
    _draw_chips(scene, rng, stackup, half)


def _walks(rng: np.random.Generator, rule: RuleClass, half: float) -> list[flat.Row]:
    """Return octilinear tracks."""
    shapes = []
    for _ in range(int(3.0 * half)):
        x, y = rng.uniform(-half, half, 2)
        heading = int(rng.integers(8))
        width = rule.width_mm * float(rng.choice([1.0, 1.0, 2.0, 3.0]))
        for _ in range(int(rng.integers(2, 7))):
            length = float(rng.exponential(3.0)) + 0.3
            angle = 0.25 * math.pi * heading
            nx, ny = x + length * math.cos(angle), y + length * math.sin(angle)
            shapes.append(flat.capsule(x, y, nx, ny, width))
            x, y, heading = nx, ny, heading + int(rng.choice([-1, 1]))
    return shapes


def _draw_bga(scene: Scene, rng: np.random.Generator, stackup: Stackup, half: float) -> None:
    """Add one ball grid with voids in some of its balls."""
    pitch, diameter = ((1.27, 0.76), (1.0, 0.6), (0.8, 0.45), (0.65, 0.4), (0.5, 0.3))[int(rng.integers(5))]
    count = int(rng.integers(6, 20))
    x0, y0 = rng.uniform(-0.6 * half, 0.3 * half, 2)
    base, standoff = stackup.z_mm[-1], 0.8 * diameter
    for i in range(count):
        for j in range(count):
            x, y = x0 + pitch * i, y0 + pitch * j
            ball = solids.sphere(x, y, base + 0.5 * standoff, diameter, low=base, high=base + standoff)
            voids = []
            for _ in range(int(rng.poisson(0.5))):
                d = diameter * float(np.clip(rng.lognormal(-2.0, 0.5), 0.03, 0.4))
                rho, angle = 0.5 * (diameter - d) * math.sqrt(rng.random()) * 0.8, rng.uniform(0, 2 * math.pi)
                voids.append(
                    solids.sphere(x + rho * math.cos(angle), y + rho * math.sin(angle), base + 0.5 * standoff, d)
                )
            scene.body(stackup.solder, [ball], voids=voids)


def _draw_chips(scene: Scene, rng: np.random.Generator, stackup: Stackup, half: float) -> None:
    """Add chip resistors and capacitors with their joints."""
    for _ in range(int(rng.integers(5, 30))):
        x, y = rng.uniform(-half, half, 2)
        length, width, height = ((1.0, 0.5, 0.4), (1.6, 0.8, 0.5), (2.0, 1.25, 0.6))[int(rng.integers(3))]
        angle, base = 0.5 * math.pi * int(rng.integers(4)), stackup.z_mm[-1]
        body = "Al2O3" if rng.random() < 0.5 else "BaTiO3"
        scene.body(body, [solids.prism(x, y, base, base + height, length, width, angle=angle)])
        for side in (-1.0, 1.0):
            dx, dy = 0.5 * side * length * math.cos(angle), 0.5 * side * length * math.sin(angle)
            scene.body(
                stackup.solder,
                [solids.wedge(x + 1.2 * dx, y + 1.2 * dy, base, 0.3, width, 0.3, angle=angle + (side < 0) * math.pi)],
            )
