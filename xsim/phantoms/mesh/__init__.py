"""Meshes of closed surfaces as phantoms (the extra ``mesh``)."""

from __future__ import annotations

from xsim.phantoms.mesh.mesh import Mesh, MeshPart, draw_mesh, fitting_view
from xsim.phantoms.mesh.reading import read_mesh

__all__ = ["Mesh", "MeshPart", "draw_mesh", "fitting_view", "read_mesh"]
