"""Meshes from files (STL, OBJ, PLY, ..., by trimesh), and whether their surfaces are closed."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from xsim.errors import ExtraMissingError, InputError
from xsim.files.plain import MESH, check_plain
from xsim.phantoms.mesh.mesh import Mesh, MeshPart

__all__ = ["FORMATS", "read_mesh"]

FORMATS = (".stl", ".obj", ".ply", ".off", ".glb")
"""Ends of the names of files that are read."""
# What trimesh's readers raise on damaged files; ImportError where they look for an encoding with a package of its own.
_FAULTS = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    OSError,
    NotImplementedError,
    EOFError,
    ImportError,
)


def read_mesh(path: Path, *, scale: float = 1.0) -> Mesh:
    """Read a mesh of one or several parts.

    Parts are the named objects of a file that has several, otherwise its separate surfaces in the order of the file,
    numbered from 1. A surface that looks inwards is a hollow of the part around it.

    Parameters
    ----------
    path : Path
        The file; no other file is read for it, materials and textures are left alone.
    scale : float
        Millimetres to one unit of the file, which says none itself.

    Raises
    ------
    MissingFileError
        If there is no such file; ExtraMissingError if trimesh is not installed.
    InputError
        If it holds no mesh, or one that is not closed, naming the part and how many edges are open.
    """
    check_plain(path, MESH)
    if path.suffix.lower() not in FORMATS:
        raise InputError(f"{path}: meshes are read from {', '.join(FORMATS)}: save it as one of them")
    # NaN fails the comparison.
    if not 1e-9 <= scale <= 1e9:
        raise InputError(f"scale {scale:g}: give the millimetres to one unit of the file, above 0")
    pieces = _named_pieces(path)
    if len(pieces) == 1:
        ((_, (vertices, faces)),) = pieces.items()
        shells = _shells(vertices, faces)
        pieces = {str(k): shell for k, shell in enumerate(shells, start=1)}
    parts = []
    for name, (vertices, faces) in pieces.items():
        _check_closed(f"{path}: part {name}" if len(pieces) > 1 else str(path), vertices, faces)
        parts.append(MeshPart(name, np.ascontiguousarray(scale * vertices[faces])))
    return Mesh(path.stem, tuple(_with_hollows(path, parts)))


def _named_pieces(path: Path) -> dict[str, tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Return corners (n, 3) and faces (m, 3) of the objects in a file, by their names."""
    try:
        import trimesh  # noqa: PLC0415  an extra
    except ImportError:
        raise ExtraMissingError("trimesh", "mesh") from None
    options: dict[str, Any] = {"split_objects": True, "skip_materials": True} if path.suffix.lower() == ".obj" else {}
    found = {}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            scene = trimesh.load_scene(path, **options)
            for node in scene.graph.nodes_geometry:
                transform, name = scene.graph[node]
                body = scene.geometry[name]
                if not isinstance(body, trimesh.Trimesh):
                    continue
                # Corners that lie on each other are one: STL gives every triangle its own.
                body.merge_vertices(merge_tex=True, merge_norm=True)
                corners = trimesh.transform_points(body.vertices, transform)
                found[str(node)] = (np.asarray(corners, np.float64), np.asarray(body.faces, np.int64))
    except _FAULTS as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputError(f"{path}: cannot be read as a mesh ({reason[:120]}): save it again") from error
    found = {name: piece for name, piece in found.items() if len(piece[1])}
    if not found:
        raise InputError(f"{path}: holds no triangles: give a mesh of a closed surface")
    for corners, _ in found.values():
        if not np.isfinite(corners).all():
            raise InputError(f"{path}: holds corners that are not finite: save the mesh again")
    return found


def _shells(
    vertices: NDArray[np.float64], faces: NDArray[np.int64]
) -> list[tuple[NDArray[np.float64], NDArray[np.int64]]]:
    """Return the separate surfaces of a mesh, in the order of their first faces."""
    pairs = np.concatenate((faces[:, :2], faces[:, 1:]))
    links = coo_array((np.ones(len(pairs), np.int8), (pairs[:, 0], pairs[:, 1])), shape=(len(vertices),) * 2)
    labels = connected_components(links, directed=False)[1][faces[:, 0]]
    order = list(dict.fromkeys(labels.tolist()))
    return [(vertices, faces[labels == label]) for label in order]


def _check_closed(what: str, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> None:
    """Raise InputError unless every edge is run through as often one way as the other: a surface without a border."""
    start = faces.ravel()
    end = faces[:, [1, 2, 0]].ravel()
    edge = np.minimum(start, end) * len(vertices) + np.maximum(start, end)
    edges, place = np.unique(edge, return_inverse=True)
    ways = np.bincount(place, weights=np.sign(end - start))
    if bad := int(np.count_nonzero(ways)):
        uses = np.bincount(place)
        # Two faces at an edge that both run the same way: the surface is closed, but one of them looks inwards.
        turned = int(np.count_nonzero((ways != 0) & (uses == 2)))
        fault = f"{bad} of its {len(edges)} edges are open"
        if turned == bad:
            fault = f"faces at {bad} of its {len(edges)} edges look to different sides"
        raise InputError(f"{what}: is no closed surface, {fault}: repair the mesh")


def _with_hollows(path: Path, parts: list[MeshPart]) -> list[MeshPart]:
    """Return the parts with each surface that looks inwards joined to the smallest part whose box holds it."""
    if sum(part.volume_mm3 for part in parts) < 0.0:
        # The whole file is inside out.
        parts = [MeshPart(part.name, np.ascontiguousarray(part.triangles[:, ::-1])) for part in parts]
    bodies = [part for part in parts if part.volume_mm3 > 0.0]
    if not bodies:
        raise InputError(f"{path}: encloses no volume: give a mesh of a closed surface")
    for hollow in (part for part in parts if part.volume_mm3 < 0.0):
        low, high = hollow.bounds_mm
        around = [body for body in bodies if (body.bounds_mm[0] <= low).all() and (body.bounds_mm[1] >= high).all()]
        if not around:
            raise InputError(f"{path}: part {hollow.name} looks inwards and lies in no other: turn its faces")
        host = min(around, key=lambda body: body.volume_mm3)
        bodies[bodies.index(host)] = MeshPart(host.name, np.concatenate((host.triangles, hollow.triangles)))
    return bodies
