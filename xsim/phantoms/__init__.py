"""Phantoms: boards, castings, welds, machined parts, meshes and test targets as material thickness maps."""

from __future__ import annotations

from xsim.phantoms.board import BoardRecipe, random_board
from xsim.phantoms.objects import random_casting, random_machined, random_texture, random_wedge, random_weld
from xsim.phantoms.phantom import Defect, Phantom
from xsim.phantoms.targets import target
from xsim.phantoms.view import View

__all__ = [
    "BoardRecipe",
    "Defect",
    "Phantom",
    "View",
    "random_board",
    "random_casting",
    "random_machined",
    "random_texture",
    "random_wedge",
    "random_weld",
    "target",
]
