"""Objects that are drawn once and looked at from many sides: random boards and meshes.

A board is drawn by the planes that it consists of, so that it is seen by detectors that are parallel to it only; a mesh
is seen from anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.phantoms.assembly import assemble
from xsim.phantoms.board import MOST_MM, ROOM, BoardRecipe, draw_layout
from xsim.phantoms.defects import DefectLog, check_rates
from xsim.phantoms.mesh.mesh import Mesh, draw_mesh
from xsim.phantoms.phantom import Phantom
from xsim.phantoms.pose import Pose
from xsim.phantoms.scene import Scene
from xsim.phantoms.view import View
from xsim.seeds import check_seed, generator

__all__ = ["BoardSubject", "MeshSubject", "Subject", "board_subject", "mesh_subject"]

# What tilted rays may meet of a board beside its window: the height of the thickest stack-up [mm].
_BOARD_HEIGHT_MM = 2.5
# A detector is parallel to a board where their normals differ by less: 1e-6 of a field of 4000 pixels is none of them.
_PARALLEL = 1e-6


class Subject(Protocol):
    """What can be seen from more than one side."""

    @property
    def name(self) -> str:
        """What it is called."""

    @property
    def materials(self) -> tuple[str, ...]:
        """What it is made of."""

    def seen(self, pose: Pose, shape: tuple[int, int], pixel_mm: float) -> Phantom:
        """Return the paths of the rays of a pose through it, on pixels of this size in the plane of its origin [mm].

        Raises
        ------
        InputError
            If it cannot be seen from there.
        """


@dataclass(frozen=True)
class BoardSubject:
    """A board.

    Parameters
    ----------
    scene : Scene
        Its layers and bodies.
    name : str
        What it is called.
    seed : int or None
        What it was drawn from.
    """

    scene: Scene = field(repr=False)
    name: str = "board"
    seed: int | None = None

    @property
    def materials(self) -> tuple[str, ...]:
        """What it is made of."""
        return self.scene.materials()

    def seen(self, pose: Pose, shape: tuple[int, int], pixel_mm: float) -> Phantom:
        """Return the paths of the rays of a pose, see `Subject.seen`."""
        u, v, towards = pose.frame()
        if not np.allclose(towards, (0.0, 0.0, 1.0), atol=_PARALLEL) or np.linalg.det((u, v, towards)) < 0.0:
            raise InputError(
                f"{self.name}: boards are seen by a detector that is parallel to them: give --laminography or "
                "--tomosynthesis, or a mesh"
            )
        own = pose.view(shape, pixel_mm)
        centre = (u * own.centre_mm[0] + v * own.centre_mm[1])[:2]
        view = replace(own, centre_mm=(float(centre[0]), float(centre[1])), rotation_deg=_degrees(u))
        materials, maps, heights = self.scene.render(view)
        return Phantom(materials, maps, pixel_mm, self.name, self.name, self.seed, (), heights)


@dataclass(frozen=True)
class MeshSubject:
    """A mesh whose origin is the point that the views turn about; make it with `mesh_subject`.

    Parameters
    ----------
    mesh : Mesh
        The closed parts.
    table : mapping of str to str
        Material of each part by its name; the entry ``""`` is for those that are not named.
    """

    mesh: Mesh = field(repr=False)
    table: Mapping[str, str]

    @property
    def name(self) -> str:
        """What it is called."""
        return f"mesh-{self.mesh.name}"

    @property
    def materials(self) -> tuple[str, ...]:
        """What it is made of."""
        found = [self.table.get(part.name, self.table.get("", "")) for part in self.mesh.parts]
        return tuple(dict.fromkeys(name for name in found if name))

    def seen(self, pose: Pose, shape: tuple[int, int], pixel_mm: float) -> Phantom:
        """Return the paths of the rays of a pose, see `Subject.seen`."""
        frame = pose.frame()
        mirrored = np.linalg.det(frame) < 0.0
        parts = []
        for part in self.mesh.parts:
            triangles = part.triangles @ frame.T
            # A mirrored surface would look inwards.
            parts.append(replace(part, triangles=triangles[:, ::-1] if mirrored else triangles))
        turned = Mesh(self.mesh.name, tuple(parts))
        low = float(turned.bounds_mm[0][2])
        if low < -pose.behind_mm - 1e-9:
            raise InputError(
                f"{self.name}: reaches {-low:.4g} mm towards a detector that stands {pose.behind_mm:.4g} mm behind "
                "its middle: move the detector away, or the object nearer to the source (--source-object-mm)"
            )
        return draw_mesh(turned, pose.view(shape, pixel_mm), self.table)


def mesh_subject(mesh: Mesh, materials: str | Mapping[str, str]) -> MeshSubject:
    """Return a mesh that turns about the middle of its box, made of one material or of several by its parts' names."""
    low, high = mesh.bounds_mm
    middle = 0.5 * (low + high)
    parts = tuple(replace(part, triangles=part.triangles - middle) for part in mesh.parts)
    return MeshSubject(Mesh(mesh.name, parts), {"": materials} if isinstance(materials, str) else dict(materials))


def board_subject(
    seed: int,
    window_mm: tuple[float, float],
    *,
    recipe: BoardRecipe | None = None,
    tilt_deg: float = 0.0,
) -> BoardSubject:
    """Draw a random board that fills a window from whatever side of it.

    Parameters
    ----------
    seed : int
        0 to 2**64 - 1.
    window_mm : (height, width)
        What a straight view shows [mm]; the board is drawn as far as the window's corners reach when it turns.
    recipe : BoardRecipe, optional
        The population; the usual one if not given.
    tilt_deg : float
        Largest angle of the rays' slope [deg].

    Raises
    ------
    InputError
        For a seed or a window that is not usable.
    """
    recipe = recipe or BoardRecipe()
    check_seed(seed)
    side = math.hypot(*window_mm) + 2.0 * _BOARD_HEIGHT_MM * math.tan(math.radians(tilt_deg))
    if not 0.0 < side <= MOST_MM:
        raise InputError(
            f"a board of {side:.4g} mm across: random boards go up to {MOST_MM:g} mm: give fewer or smaller pixels"
        )
    # The layout asks the view for its size alone: one pixel says it as well as many.
    layout = draw_layout(seed, View((1, 1), side, source_mm=recipe.source_mm), recipe)
    log = DefectLog(check_rates(recipe.defect_rates), generator(seed, stage="defects"))
    room_mm = ROOM * recipe.source_mm
    if layout.stackup.height_mm > room_mm:
        raise InputError(
            f"a board of {layout.stackup.height_mm:.2g} mm has no room under a source at {recipe.source_mm:g} mm: "
            "lower the magnification or move the detector away"
        )
    scene = assemble(layout, generator(seed, stage="assembly"), log, weave_share=recipe.weave_share, room_mm=room_mm)
    return BoardSubject(scene, f"board-{seed}", seed)


def _degrees(u: NDArray[np.float64]) -> float:
    return math.degrees(math.atan2(float(u[1]), float(u[0])))
