"""Real boards from their Gerber and Excellon files (extra ``gerber``)."""

from __future__ import annotations

from xsim.phantoms.gerber.board import GerberBoard

__all__ = ["GerberBoard"]
