"""The part of a recipe that says where boards and other objects come from: drawn at random, from files, or meshes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import Field, SerializerFunctionWrapHandler, model_serializer

from xsim_datasets.recipe.tables import Number, Range, Strict

__all__ = [
    "OBJECT_KINDS",
    "Boards",
    "GerberBoards",
    "MeshBoards",
    "ObjectBoards",
    "PhantomBoards",
    "PluginBoards",
    "RandomBoards",
]

ObjectKind = Literal["casting", "weld", "machined", "wedge", "texture"]
OBJECT_KINDS: tuple[ObjectKind, ...] = get_args(ObjectKind)
"""Kinds of `ObjectBoards`, as `xsim.phantoms.objects.OBJECTS` has them."""


class _Boards(Strict):
    weight: Annotated[float, Field(gt=0.0)] = 1.0
    """How often this source is taken, relative to the others."""


class RandomBoards(_Boards):
    """Boards drawn by xsim itself, every sample one of its own; what is not given is as `xsim.phantoms.BoardRecipe`."""

    kind: Literal["random"] = "random"
    layers: dict[int, float] | None = None
    """Weight of each number of copper layers."""
    rules: dict[str, float] | None = None
    """Weight of each rule class: standard, fine, dense."""
    defect_rates: dict[str, float] | None = None
    """Rates that replace the usual ones, by class of defect."""
    lead_share: float | None = None
    """Share of boards with tin-lead solder."""
    bromine_share: float | None = None
    """Share with brominated laminate."""
    weave_share: float | None = None
    """Share with visible cloth."""
    tilt_share: float | None = None
    """Share of oblique views."""
    edge_share: float | None = None
    """Share of views that show an edge of the board."""
    window_mm: Number | None = None
    """Side of the piece of board that is drawn, stretched or shrunk to what the image shows; none draws it to scale."""

    def population(self) -> dict[str, Any]:
        """Return the settings that were given, by their names in `xsim.phantoms.BoardRecipe`."""
        return self.model_dump(exclude={"kind", "weight", "window_mm"}, exclude_none=True)

    @model_serializer(mode="wrap")
    def _without_usual(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a key that came after the first stores where it changes nothing: recipes keep their hash."""
        content: dict[str, Any] = handler(self)
        if self.window_mm is None:
            content.pop("window_mm", None)
        return content


class GerberBoards(_Boards):
    """Windows of real boards: a folder with a folder of Gerber and Excellon files for each board."""

    kind: Literal["gerber"]
    path: Path
    """Folder of the boards' folders."""
    height_mm: Annotated[float, Field(gt=0.0)] = 1.6
    """Thickness of the laminate."""
    defect_rates: dict[str, float] | None = None
    """Rates that replace the usual ones, by class of defect."""


class PhantomBoards(_Boards):
    """Phantoms saved as ``.npz``: every file is a board, cut into windows."""

    kind: Literal["phantoms"]
    path: Path
    """Folder of the files."""


class _Objects(_Boards):
    materials: Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """What they are made of, one drawn for each; the usual materials of the kind if not given."""
    transmission: Number = Range(low=0.05, high=0.7, log=True)
    """Grey level of the HR image behind the usual thickness, which follows from the beam as an exposure does."""
    thickness_mm: Number | None = None
    """The usual thickness itself, whatever the beam lets through; wins over `transmission`."""
    flaw_rates: dict[str, Annotated[float, Field(ge=0.0, le=1.0)]] | None = None
    """Rates that replace the usual ones, by class of flaw."""


class ObjectBoards(_Objects):
    """Castings, welds, machined parts, step wedges or textures drawn by xsim itself, every sample one of its own."""

    kind: ObjectKind

    @property
    def name(self) -> str:
        """Name of the kind."""
        return self.kind


class PluginBoards(_Objects):
    """Objects that another package draws (`xsim.phantoms.objects.registry`), every sample one of its own."""

    kind: Literal["plugin"]
    name: str
    """What the package calls them."""


class MeshBoards(_Boards):
    """Meshes of closed surfaces, each file a family, in random poses (the extra `mesh`)."""

    kind: Literal["mesh"]
    path: Path
    """Folder of the files: STL, OBJ, PLY, OFF, GLB."""
    materials: Annotated[tuple[str, ...], Field(min_length=1)] = ("Al",)
    """What they are made of, one drawn for each view."""
    mm_per_unit: Annotated[float, Field(gt=0.0)] = 1.0
    """Millimetres to one unit of the files."""
    fill: Number | None = None
    """Largest extent in sides of the image, by which a mesh is scaled; none leaves it as large as it is."""


Boards = Annotated[
    RandomBoards | GerberBoards | PhantomBoards | ObjectBoards | PluginBoards | MeshBoards, Field(discriminator="kind")
]
