"""Radiographs as layers of napari."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from xsim.errors import XsimError
from xsim_datasets import read_image
from xsim_datasets.images import suffixes

__all__ = ["PATH", "get_reader"]

PATH = "xsim.path"
"""Key of a layer's metadata under which its file is kept: a restoration reads it again, with all that it says."""

Layer = tuple[Any, dict[str, Any], str]


def get_reader(path: str | Sequence[str]) -> Callable[[str | Sequence[str]], list[Layer]] | None:
    """Return what reads a file or several, or None where it is no radiograph that xsim reads."""
    paths = [path] if isinstance(path, str) else list(path)
    if all(Path(one).suffix.lower() in suffixes() for one in paths):
        return read_layers
    return None


def read_layers(path: str | Sequence[str]) -> list[Layer]:
    """Return a layer for each file: grey levels as they are stored, [mm] a pixel where the file says it.

    Raises
    ------
    OSError
        If a file cannot be used, in one line that says why; napari shows it.
    """
    layers = []
    for one in [path] if isinstance(path, str) else path:
        try:
            radiograph = read_image(one, pages=True)
        except XsimError as error:
            raise OSError(str(error)) from error
        pitch_mm = radiograph.pitch_mm or 1.0
        scale = (1.0,) * (radiograph.pixels.ndim - 2) + (pitch_mm, pitch_mm)
        metadata = {PATH: one, "pitch_mm": radiograph.pitch_mm, "notes": list(radiograph.notes)}
        layers.append((radiograph.pixels, {"name": Path(one).name, "scale": scale, "metadata": metadata}, "image"))
    return layers
