"""A mesh of closed parts, how it is posed, and its phantom: the path of every ray through each part's material."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError, UnknownNameError
from xsim.materials import material as known_material
from xsim.phantoms.mesh.projection import add_thickness, seen_at
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.solids import attitude
from xsim.phantoms.view import View

__all__ = ["Mesh", "MeshPart", "draw_mesh", "fitting_view"]

# Share of the window that a mesh fills if no pixel is given: a rim of open field stays.
FILL = 0.9
# Surfaces that cross each other or look inwards leave paths below zero; rounding leaves less than this share of one.
ROUNDING = 1e-6


@dataclass(frozen=True)
class MeshPart:
    """A closed surface.

    Attributes
    ----------
    name : str
        Its name in the file, or its number.
    triangles : (n, 3, 3) float64 array
        Corners (x, y, z) [mm], against the clock seen from outside.
    """

    name: str
    triangles: NDArray[np.float64] = field(repr=False)

    @property
    def volume_mm3(self) -> float:
        """Return the volume inside [mm3], below zero if the surface looks inwards."""
        a, b, c = (self.triangles[:, k] - self.triangles[0, 0] for k in range(3))
        return float(np.einsum("ni,ni->", a, np.cross(b, c))) / 6.0

    @property
    def bounds_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lowest and the highest x, y and z [mm]."""
        points = self.triangles.reshape(-1, 3)
        return points.min(axis=0), points.max(axis=0)


@dataclass(frozen=True)
class Mesh:
    """Closed parts that may have materials of their own.

    Attributes
    ----------
    name : str
        What it shows, e.g. the file's name.
    parts : tuple of MeshPart
        Its parts, which must not overlap: a ray through two of them counts both.
    """

    name: str
    parts: tuple[MeshPart, ...]

    @property
    def volume_mm3(self) -> float:
        """Return the volume of all parts [mm3]."""
        return sum(part.volume_mm3 for part in self.parts)

    @property
    def bounds_mm(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the lowest and the highest x, y and z [mm]."""
        lows, highs = zip(*(part.bounds_mm for part in self.parts), strict=True)
        return np.min(lows, axis=0), np.max(highs, axis=0)

    @property
    def triangle_count(self) -> int:
        """Return the number of triangles."""
        return sum(len(part.triangles) for part in self.parts)

    def posed(self, turns_deg: tuple[float, float, float] = (0.0, 0.0, 0.0), *, scale: float = 1.0) -> Mesh:
        """Return the mesh turned about x, then y, then z [deg], scaled, and stood on z = 0 over x = y = 0.

        Raises
        ------
        InputError
            For a turn or a scale that is not finite.
        """
        if not (all(math.isfinite(turn) for turn in turns_deg) and 0.0 < scale < math.inf):
            raise InputError(f"pose {turns_deg} at scale {scale:g}: give three angles in degrees and a scale above 0")
        roll, pitch, angle = (math.radians(turn) for turn in turns_deg)
        axes = np.array(attitude(angle=angle, pitch=pitch, roll=roll))
        turned = Mesh(self.name, tuple(replace(part, triangles=scale * part.triangles @ axes) for part in self.parts))
        low, high = turned.bounds_mm
        shift = np.array((0.5 * (low[0] + high[0]), 0.5 * (low[1] + high[1]), low[2]))
        return Mesh(self.name, tuple(replace(part, triangles=part.triangles - shift) for part in turned.parts))


def fitting_view(mesh: Mesh, shape: tuple[int, int], view: View | None = None) -> View:
    """Return a view of this shape that a mesh fills to nine tenths; angles and source are those of ``view``."""
    view = view or View(shape, 1.0)
    _check_source(mesh, view)
    seen = seen_at(_points(mesh), replace(view, shape=shape, pixel_mm=1.0, centre_mm=(0.0, 0.0)).rays())
    size = np.ptp(seen, axis=0)
    pixel = float(max(size[0] / shape[1], size[1] / shape[0])) / FILL
    middle = 0.5 * (seen.min(axis=0) + seen.max(axis=0)) - 0.5 * np.array((shape[1], shape[0]))
    angle = math.radians(view.rotation_deg)
    cosine, sine = math.cos(angle), math.sin(angle)
    # Of the pixels of 1 mm above, in the object's frame.
    centre = (float(cosine * middle[0] - sine * middle[1]), float(sine * middle[0] + cosine * middle[1]))
    return replace(view, shape=shape, pixel_mm=pixel, centre_mm=centre)


def draw_mesh(mesh: Mesh, view: View, materials: str | Mapping[str, str], *, seed: int | None = None) -> Phantom:
    """Return a mesh as a phantom.

    Parameters
    ----------
    mesh : Mesh
        The mesh as `Mesh.posed` stands it.
    view : View
        Window, angles and source, which must be above the mesh.
    materials : str or mapping of str to str
        Material of all parts, or of each by its name; the entry ``""`` is for those that are not named.
    seed : int, optional
        What its pose was drawn from.

    Raises
    ------
    InputError
        If a part has no material, if the source is not above the mesh, or if surfaces cross or look inwards.
    UnknownNameError
        For a part or a material that does not exist.
    """
    table = {"": materials} if isinstance(materials, str) else dict(materials)
    names = {part.name for part in mesh.parts}
    for name in table:
        if name and name not in names:
            raise UnknownNameError("part", name, names)
    _check_source(mesh, view)
    rays = view.rays()
    maps: dict[str, NDArray[np.float64]] = {}
    heights: dict[str, list[tuple[float, float]]] = {}
    for part in mesh.parts:
        chosen = table.get(part.name, table.get("", ""))
        if not chosen:
            raise InputError(f"{mesh.name}: part {part.name} has no material: give it one, or one for all")
        chosen = known_material(chosen).name
        add_thickness(maps.setdefault(chosen, np.zeros(view.shape)), part.triangles, rays)
        low, high = part.bounds_mm
        heights.setdefault(chosen, []).append((part.volume_mm3, 0.5 * float(low[2] + high[2])))
    stack = np.stack(list(maps.values()))
    if float(stack.min()) < -ROUNDING * max(float(stack.max()), 1e-9):
        raise InputError(
            f"{mesh.name}: rays have paths below zero in it: its surfaces cross or look inwards: repair the mesh"
        )
    thickness = np.maximum(stack, 0.0).astype(np.float32)
    middles = tuple(sum(v * z for v, z in found) / sum(v for v, _ in found) for found in heights.values())
    return Phantom(tuple(maps), thickness, view.pixel_mm, f"mesh-{mesh.name}", mesh.name, seed, (), middles)


def _points(mesh: Mesh) -> NDArray[np.float64]:
    return np.concatenate([part.triangles.reshape(-1, 3) for part in mesh.parts])


def _check_source(mesh: Mesh, view: View) -> None:
    top = float(mesh.bounds_mm[1][2])
    if top >= 0.95 * view.source_mm:
        raise InputError(
            f"{mesh.name}: {top:g} mm high under a source at {view.source_mm:g} mm: put the source further away"
        )
