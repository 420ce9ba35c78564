"""Test targets, drawn exactly: edges, bars, gauges, wedges, discs, stars, and shapes that no board has."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from xsim.errors import InputError, UnknownNameError, check_range
from xsim.keywords import names_keywords
from xsim.phantoms import flat, solids
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.polygons import Polygon
from xsim.phantoms.scene import Layer, Scene
from xsim.phantoms.view import View

__all__ = ["DUPLEX_WIRES_MM", "HELD_OUT", "TARGETS", "target"]

# Wire diameter of each pair of the duplex gauge, D1 to D15 [mm] (ISO 19232-5; D14 and D15 of later editions); the
# gap between the two wires is the diameter.
DUPLEX_WIRES_MM = (0.8, 0.63, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.13, 0.1, 0.08, 0.063, 0.05, 0.04, 0.032)
# Laminate between neighbouring pairs: as wide as the widest wire, so that pairs stay apart under any blur.
PAIR_GAP_MM = 0.8
# Shapes that no recipe for training may show: they tell restoring from remembering.
HELD_OUT = ("disc-array", "wedge-17", "spiral")


@dataclass(frozen=True)
class _Sheet:
    """What a target is made of: material, thickness [mm], window's width and height [mm]."""

    material: str
    thickness: float
    width: float
    height: float


def _flat_layer(scene: Scene, sheet: _Sheet, shapes: Sequence[flat.Row | Polygon], share: float = 1.0) -> None:
    scene.layer(Layer(sheet.material, share * sheet.thickness, 0.5 * share * sheet.thickness, list(shapes)))


def _edge(scene: Scene, sheet: _Sheet) -> None:
    """Draw a half plane: metal left of the middle."""
    side = 4.0 * max(sheet.width, sheet.height)
    _flat_layer(scene, sheet, [flat.box(-0.5 * side, 0.0, side, side)])


def _bars(scene: Scene, sheet: _Sheet) -> None:
    """Draw groups of five bars of 1 to 10 lp/mm in two columns."""
    shapes = []
    for k, lp_mm in enumerate((1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)):
        x = (-0.22 if k < 5 else 0.22) * sheet.width
        y = (0.18 * (k % 5) - 0.36) * sheet.height
        for bar in range(5):
            shapes.append(flat.box(x + (bar - 2.0) / lp_mm, y, 0.5 / lp_mm, 0.13 * sheet.height))
    _flat_layer(scene, sheet, shapes)


def _duplex_wire(scene: Scene, sheet: _Sheet) -> None:
    """Draw pairs of wires D1 to D15, upright, wide pairs first, lying on one plane."""
    length = 0.5 * sheet.height
    x = -0.5 * sum(3.0 * d + PAIR_GAP_MM for d in DUPLEX_WIRES_MM)
    for diameter in DUPLEX_WIRES_MM:
        for step in (0.5, 2.5):
            at = x + step * diameter
            wire = solids.rod((at, -0.5 * length, 0.5 * diameter), (at, 0.5 * length, 0.5 * diameter), diameter)
            scene.body(sheet.material, [wire])
        x += 3.0 * diameter + PAIR_GAP_MM


def _wedge(scene: Scene, sheet: _Sheet) -> None:
    """Draw ten steps, the k-th of k tenths of the thickness."""
    step = sheet.width / 12.0
    for k in range(10):
        x = (k - 4.5) * step
        _flat_layer(scene, sheet, [flat.box(x, 0.0, step, 0.6 * sheet.height)], 0.1 * (k + 1))


def _discs(scene: Scene, sheet: _Sheet) -> None:
    """Draw discs of falling diameter along x and falling thickness along y, as contrast-detail phantoms have."""
    pitch = 0.9 * min(sheet.width, sheet.height) / 7.0
    for row in range(7):
        share = 0.5**row
        y = (row - 3.0) * pitch
        discs = [flat.disc((column - 3.0) * pitch, y, 0.8 * pitch * 0.65**column) for column in range(7)]
        _flat_layer(scene, sheet, discs, share)


def _star(scene: Scene, sheet: _Sheet) -> None:
    """Draw a Siemens star of 36 spokes."""
    radius, spokes = 0.46 * min(sheet.width, sheet.height), 36
    points, loops = [], [0]
    for k in range(spokes):
        a, b = 2.0 * math.pi * k / spokes, 2.0 * math.pi * (k + 0.5) / spokes
        arc = np.linspace(a, b, 12)
        points += [(0.0, 0.0), *zip(radius * np.cos(arc), radius * np.sin(arc), strict=True)]
        loops.append(len(points))
    _flat_layer(scene, sheet, [Polygon(np.array(points, dtype=np.float64), np.array(loops))])


def _flat(scene: Scene, sheet: _Sheet) -> None:
    """Draw nothing but an even sheet."""
    side = 4.0 * max(sheet.width, sheet.height)
    _flat_layer(scene, sheet, [flat.box(0.0, 0.0, side, side)])


def _disc_array(scene: Scene, sheet: _Sheet) -> None:
    """Draw a hexagonal array of half balls of three sizes."""
    pitch = min(sheet.width, sheet.height) / 10.0
    for i in range(-5, 6):
        for j in range(-6, 7):
            x, y = (i + 0.5 * (j % 2)) * pitch, j * pitch * math.sqrt(0.75)
            radius = 0.42 * pitch * (1.0, 0.6, 0.3)[(i - j) % 3]
            cap = solids.ellipsoid(x, y, 0.0, radius, radius, sheet.thickness, low=0.0)
            scene.body(sheet.material, [cap])


def _wedge_17(scene: Scene, sheet: _Sheet) -> None:
    """Draw a needle of 17 degrees: two edges that meet at no angle that boards use."""
    length = 0.8 * min(sheet.width, sheet.height)
    half = length * math.tan(math.radians(8.5))
    points = np.array([(-0.5 * length, 0.0), (0.5 * length, -half), (0.5 * length, half)])
    _flat_layer(scene, sheet, [Polygon.of(points)])


def _spiral(scene: Scene, sheet: _Sheet) -> None:
    """Draw an Archimedean spiral of five turns whose width falls inwards."""
    reach, count = 0.45 * min(sheet.width, sheet.height), 720
    angles = np.linspace(0.0, 10.0 * math.pi, count)
    radii = reach * (0.1 + 0.9 * angles / angles[-1])
    x, y = radii * np.cos(angles), radii * np.sin(angles)
    turns = [flat.capsule(x[k], y[k], x[k + 1], y[k + 1], 0.06 * radii[k]) for k in range(count - 1)]
    _flat_layer(scene, sheet, turns)


# name -> how it is drawn, usual material and thickness [mm], usual angle [deg]
TARGETS: dict[str, tuple[Callable[[Scene, _Sheet], None], str, float, float]] = {
    "edge": (_edge, "W", 1.0, 3.0),
    "bars": (_bars, "W", 0.1, 0.0),
    "duplex-wire": (_duplex_wire, "W", 1.0, 4.0),
    "wedge": (_wedge, "Cu", 1.0, 0.0),
    "discs": (_discs, "Al", 0.5, 0.0),
    "star": (_star, "W", 0.1, 0.0),
    "flat": (_flat, "Al", 1.0, 0.0),
    "disc-array": (_disc_array, "Cu", 0.3, 0.0),
    "wedge-17": (_wedge_17, "Cu", 0.3, 11.0),
    "spiral": (_spiral, "Cu", 0.1, 0.0),
}


@names_keywords
def target(
    name: str,
    shape: tuple[int, int] = (1024, 1024),
    pixel_mm: float = 0.024,
    *,
    angle_deg: float | None = None,
    material: str | None = None,
    thickness_mm: float | None = None,
    backing: tuple[str, float] | None = None,
    centre_mm: tuple[float, float] = (0.0, 0.0),
) -> Phantom:
    """Draw a test target.

    Parameters
    ----------
    name : str
        One of ``TARGETS``: edge, bars, duplex-wire, wedge, discs, star, flat; disc-array, wedge-17, spiral.
    shape, pixel_mm : (H, W), float
        Pixels and their size [mm].
    angle_deg : float, optional
        Turn of the target in the image [deg].
    material, thickness_mm : str, float, optional
        What it is made of; the contrast follows from both. The duplex gauge's thickness is that of its wires.
    backing : (material, thickness_mm), optional
        An even plate behind it, as a board is.
    centre_mm : (float, float)
        Shift of the target's middle from the image's [mm].

    Raises
    ------
    UnknownNameError
        For a name that does not exist; PhysicsRangeError for a thickness below 0 or above 100 mm.
    """
    if name not in TARGETS:
        raise UnknownNameError("target", name, TARGETS)
    draw, usual_material, usual_thickness, usual_angle = TARGETS[name]
    thickness = usual_thickness if thickness_mm is None else check_range("thickness", thickness_mm, 1e-6, 100.0, "mm")
    angle = usual_angle if angle_deg is None else check_range("angle", angle_deg, -360.0, 360.0, "deg")
    material = material or usual_material
    view = View(shape, pixel_mm, rotation_deg=-angle, centre_mm=_turned(centre_mm, angle))
    scene = Scene()
    width, height = view.size_mm
    draw(scene, _Sheet(material, thickness, width, height))
    if backing is not None:
        check_range("backing thickness", backing[1], 0.0, 100.0, "mm")
        if backing[0] == material:
            raise InputError(f"backing of {material}, as the target itself: give it another material")
        _flat(scene, _Sheet(backing[0], backing[1], width, height))
    materials, maps, heights = scene.render(view)
    return Phantom(materials, maps, pixel_mm, f"target-{name}", "target", None, (), heights)


def _turned(centre_mm: tuple[float, float], angle_deg: float) -> tuple[float, float]:
    """Return the point of the target's frame that lies in the middle of the image."""
    angle = math.radians(-angle_deg)
    x, y = -centre_mm[0], -centre_mm[1]
    return math.cos(angle) * x - math.sin(angle) * y, math.sin(angle) * x + math.cos(angle) * y
