"""Which weights the package ships, told without importing torch: the command line asks for every name."""

from __future__ import annotations

from pathlib import Path

__all__ = ["WEIGHTS_FOLDER", "shipped"]

WEIGHTS_FOLDER = Path(__file__).parent / "files"
"""Where the weights lie that the package ships."""


def shipped() -> dict[str, Path]:
    """Return the weights that the package ships: name -> path of the tensor file (its card lies beside it)."""
    return {path.stem: path.with_suffix(".safetensors") for path in sorted(WEIGHTS_FOLDER.glob("*.json"))}
