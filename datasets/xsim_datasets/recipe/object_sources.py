"""Sources of objects beyond boards: castings, welds and the like as thick as the beam can cross, and meshes."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from xsim.errors import InputError, XsimError, check_range
from xsim.files.plain import MESH, digest_plain
from xsim.materials import linear_attenuation_per_mm
from xsim.materials import material as known_material
from xsim.phantoms import Phantom, View
from xsim.phantoms.mesh import Mesh, draw_mesh, read_mesh
from xsim.phantoms.mesh.reading import FORMATS as MESH_FORMATS
from xsim.phantoms.objects.registry import drawer, usual_materials
from xsim_datasets.recipe.boards import MeshBoards, ObjectBoards, PluginBoards
from xsim_datasets.recipe.families import (
    Board,
    Wanted,
    family_id,
    number_of,
    split_named_families,
    split_of_sample,
)
from xsim_datasets.recipe.tables import Range

if TYPE_CHECKING:
    from xsim.detector.detector import DetectorResponse
    from xsim_datasets.recipe.recipe import Split

__all__ = ["MeshSource", "ObjectSource", "check_object", "mesh_source", "thickness_for"]


@dataclass(frozen=True)
class ObjectSource:
    """Castings and other objects: every sample is one of its own, and a family of its own."""

    settings: ObjectBoards | PluginBoards
    split: Split

    def board(self, wanted: Wanted) -> Board:
        """Draw an object that lets through as much of the beam as the recipe wants."""
        rng = wanted.rng("object")
        object_seed = int(rng.integers(2**63))
        materials = self.settings.materials or usual_materials(self.settings.name)
        material = materials[int(rng.integers(len(materials)))]
        grey = number_of(self.settings.transmission, rng)
        thickness_mm = number_of(self.settings.thickness_mm, rng)
        if thickness_mm is None:
            assert grey is not None
            thickness_mm = thickness_for(material, grey, wanted.response)
        phantom = drawer(self.settings.name)(
            object_seed,
            (wanted.side_px, wanted.side_px),
            wanted.pixel_mm,
            material=material,
            thickness_mm=thickness_mm,
            flaw_rates=self.settings.flaw_rates,
        )
        return Board(phantom, object_seed, object_seed, split_of_sample(self.split, wanted.seed, wanted.index))

    def record(self) -> dict[str, Any]:
        """Return the kind, and what it is of another package."""
        own = {"kind": self.settings.kind}
        return own if isinstance(self.settings, ObjectBoards) else {**own, "name": self.settings.name}


# Thicknesses between which an object's is sought [mm]: from a foil to more than any tube of a radiographer crosses.
_THICKNESS_MM = (1e-3, 500.0)


def thickness_for(material: str, grey: float, response: DetectorResponse) -> float:
    """Return the thickness [mm] of a material behind which a detector shows a grey level, the open field being 1."""
    energy = response.spectrum.energy_keV
    weights = response.spectrum.fluence_per_mm2_uGy * response.energy_response(energy)[0]
    mu = linear_attenuation_per_mm(material, energy)
    low, high = _THICKNESS_MM
    # Grey falls with thickness, evenly enough in its logarithm: 40 halvings leave a part in 1e11.
    for _ in range(40):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if float(weights @ np.exp(-mu * middle)) > grey else (low, middle)
    return math.sqrt(low * high)


@dataclass(frozen=True)
class MeshSource:
    """Meshes in random poses; a file is a family."""

    settings: MeshBoards
    files: tuple[Path, ...]
    digests: tuple[str, ...]
    sides: dict[str, str]

    def board(self, wanted: Wanted) -> Board:
        """Draw a view of a mesh from any side, part of it in the middle."""
        rng = wanted.rng("mesh")
        file = self.files[int(rng.integers(len(self.files)))]
        whole = _load_mesh(file, self.settings.mm_per_unit)
        # Uniform over all attitudes: the sine of the pitch is even, not the pitch.
        turn, roll = rng.uniform(0.0, 360.0, 2)
        pose = (float(roll), math.degrees(math.asin(rng.uniform(-1.0, 1.0))), float(turn))
        fill = number_of(self.settings.fill, rng)
        extent = float(np.ptp(whole.bounds_mm, axis=0).max())
        mesh = whole.posed(pose, scale=1.0 if fill is None else fill * wanted.field_mm / extent)
        low, high = mesh.bounds_mm
        x, y = (float(rng.uniform(0.5 * a, 0.5 * b)) for a, b in zip(low[:2], high[:2], strict=True))
        source_mm = max(700.0, 20.0 * float(high[2]))  # as for other objects
        view = View((wanted.side_px, wanted.side_px), wanted.pixel_mm, centre_mm=(x, y), source_mm=source_mm)
        material = self.settings.materials[int(rng.integers(len(self.settings.materials)))]
        phantom = draw_mesh(mesh, view, material, seed=int(rng.integers(2**63)))
        return Board(phantom, phantom.seed or 0, family_id(file.stem), self.sides[file.stem])

    def record(self) -> dict[str, Any]:
        """Return the files with their digests."""
        return {"kind": "mesh", "files": dict(zip((file.name for file in self.files), self.digests, strict=True))}


def check_object(settings: ObjectBoards | PluginBoards) -> None:
    """Say what is wrong with materials, rates and ranges before the work begins.

    Raises
    ------
    UnknownNameError
        For an unknown material; InputError for an unknown flaw, PhysicsRangeError for a number out of range.
    """
    for material in settings.materials or ():
        known_material(material)
    _drawn_once(settings)
    for what, number, limits in (
        ("transmission", settings.transmission, (1e-6, 1.0)),
        ("thickness", settings.thickness_mm, _THICKNESS_MM),
    ):
        for end in (number.low, number.high) if isinstance(number, Range) else (number,):
            if end is not None:
                check_range(f"{what} of a {settings.name}", end, *limits)


def _drawn_once(settings: ObjectBoards | PluginBoards) -> None:
    """Draw a small object, which finds out what is wrong with rates and with the code of another package."""
    draw = drawer(settings.name)
    try:
        phantom = draw(0, (8, 8), 0.1, flaw_rates=settings.flaw_rates)
    except XsimError:
        raise
    except Exception as error:
        if isinstance(settings, ObjectBoards):
            raise
        raise InputError(
            f"phantom '{settings.name}' fails ({error!r:.200}): repair or uninstall its package"
        ) from error
    if not isinstance(phantom, Phantom):
        raise InputError(f"phantom '{settings.name}' draws a {type(phantom).__name__}: draw an xsim.phantoms.Phantom")


def mesh_source(settings: MeshBoards, split: Split) -> MeshSource:
    """Return the source of a folder of meshes, all of them read.

    Raises
    ------
    InputError
        If the folder holds none, or one that is not closed; UnknownNameError for an unknown material.
    """
    files = tuple(sorted(path for path in settings.path.iterdir() if path.suffix.lower() in MESH_FORMATS))
    if not files:
        raise InputError(f"{settings.path}: holds no meshes ({', '.join(MESH_FORMATS)}): put some there")
    for material in settings.materials:
        known_material(material)
    for file in files:
        _load_mesh(file, settings.mm_per_unit)
    digests = tuple(digest_plain(file, MESH) for file in files)
    return MeshSource(settings, files, digests, split_named_families(split, [file.stem for file in files]))


@lru_cache(maxsize=32)
def _load_mesh(file: Path, mm_per_unit: float) -> Mesh:
    return read_mesh(file, scale=mm_per_unit)
