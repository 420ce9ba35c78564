"""Phantoms: boards, components, defects and test targets as material thickness maps."""

from __future__ import annotations

from xsim.phantoms.board import BoardRecipe, random_board
from xsim.phantoms.phantom import Defect, Phantom
from xsim.phantoms.targets import target
from xsim.phantoms.view import View

__all__ = ["BoardRecipe", "Defect", "Phantom", "View", "random_board", "target"]
