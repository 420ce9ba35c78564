"""Recipes: what a data set is made of, as a person writes it in TOML.

A recipe names the imaging physics, the sources of boards, the split and the storage. Numbers of the physics may be
ranges; then the recipe draws that many set-ups (``imaging.setups``) and every sample belongs to one of them.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Final, Self, TypedDict, Unpack

from pydantic import (
    BaseModel,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from xsim.detector.named import resolve
from xsim.errors import InputError, UnknownNameError, nearest
from xsim.files.documents import parse_toml, read_toml
from xsim.keywords import check_keywords, names_keywords
from xsim_datasets.recipe.boards import (
    OBJECT_KINDS,
    Boards,
    GerberBoards,
    MeshBoards,
    ObjectBoards,
    PhantomBoards,
    PluginBoards,
    RandomBoards,
)
from xsim_datasets.recipe.free_shape import FreeShape
from xsim_datasets.recipe.imaging import BASE_FOLDER, BROUGHT_BY_DETECTORS, ELSEWHERE, TABLES, Filter, Imaging
from xsim_datasets.recipe.tables import Choice, Range, Strict

__all__ = [
    "Choice",
    "Filter",
    "GerberBoards",
    "Imaging",
    "MeshBoards",
    "ObjectBoards",
    "PhantomBoards",
    "RandomBoards",
    "Range",
    "Recipe",
    "Split",
    "Storage",
    "imaging_settings",
    "load_recipe",
    "recipe_names",
]

_SHIPPED = resources.files("xsim_datasets.recipe") / "shipped"


class Split(Strict):
    """Fractions of the board families that are kept from training."""

    validation: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Of the families, to choose weights by."""
    test: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    """Of the families, to judge by."""

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if self.validation + self.test >= 1.0:
            raise ValueError(f"validation + test is {self.validation + self.test:g}: keep it below 1")
        return self


# Codes are of 16 bits. Grey levels are shares of the open field, 1.0: beyond this they could tell nothing apart.
_LAST_CODE, _MOST_GREY = 2**16 - 1, 1000.0


class Storage(Strict):
    """How pixels become bytes: ``grey = code * scale + offset``, ``pairs_per_shard`` pairs in one file."""

    # Powers of two: every grey level that is read back is exact in float32.
    scale: Annotated[float, Field(gt=0.0)] = 2.0**-15
    """Grey of one code."""
    offset: float = -(2.0**-4)
    """Grey of code 0."""
    pairs_per_shard: Annotated[int, Field(ge=1, le=4096)] = 64
    """Pairs in one file."""
    zstd_level: Annotated[int, Field(ge=0, le=22)] = 3
    """Effort of the compression."""

    @model_validator(mode="after")
    def _reaches_the_open_field(self) -> Self:
        # Infinite ends of huge numbers fail as well.
        high = self.offset + self.scale * _LAST_CODE
        if not (abs(self.offset) <= _MOST_GREY and self.offset < 1.0 < high <= _MOST_GREY):
            raise ValueError(f"codes hold {self.offset:g} to {high:g}: give a scale and an offset that hold 1.0")
        return self


@names_keywords
class Recipe(Strict):
    """What a data set is made of.

    Raises
    ------
    pydantic.ValidationError
        From the constructor; `load_recipe` turns it into one line.
    """

    name: Annotated[str, Field(min_length=1, max_length=64)]
    """What the data set is called."""
    description: str = ""
    """One line for people."""
    n: Annotated[int, Field(ge=1, le=10**9)] = 1000
    """Pairs; -n on the command line wins."""
    size_px: Annotated[int, Field(ge=16, le=16384)] = 512
    """Side of the images [px]."""
    imaging: Imaging = Imaging()
    """Tube, detectors, dose and geometry."""
    boards: Annotated[tuple[Boards, ...], Field(min_length=1)] = (RandomBoards(),)
    """Where boards come from."""
    pairs_per_board: Annotated[int, Field(ge=1, le=4096)] = 1
    """Pairs, one after another, that show one board: each with a set-up and noise of its own, all on one side."""
    board_side: Annotated[float, Field(ge=1.0, le=8.0)] = 1.0
    """Side of what is drawn of a board, in sides of an image: each of its pairs shows a window of it, at random."""
    turned: bool = False
    """Whether the pairs of a board show it in turn in the eight positions of a square."""
    split: Split = Split()
    """What is kept from training."""
    storage: Storage = Storage()
    """How pixels become bytes."""

    @model_serializer(mode="wrap")
    def _without_usual(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Leave out a key that came after the first stores where it changes nothing: recipes keep their hash."""
        content: dict[str, Any] = handler(self)
        for name in ("pairs_per_board", "board_side", "turned"):
            if getattr(self, name) == Recipe.model_fields[name].default:
                content.pop(name, None)
        return content

    def hash(self) -> str:
        """Return the SHA-256 of the recipe's canonical JSON, without ``n``: a longer run is the same recipe."""
        content = self.model_dump(mode="json", exclude={"n"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def recipe_names() -> list[str]:
    """Return the names of the recipes that are shipped."""
    return sorted(item.name.removesuffix(".toml") for item in _SHIPPED.iterdir() if item.name.endswith(".toml"))


class RecipeChanges(TypedDict, total=False):
    """Fields of a recipe that replace those of its file; None leaves the file's value."""

    description: str | None
    n: int | None
    size_px: int | None
    boards: Sequence[Boards | Mapping[str, Any]] | None
    pairs_per_board: int | None
    board_side: float | None
    turned: bool | None
    split: Split | Mapping[str, Any] | None
    storage: Storage | Mapping[str, Any] | None


_FULL_WELL_SHARE: Final = 0.95
"""Share of the full well that the open field fills at most where a recipe meets detectors that it was not written for:
a pixel of .4 mm collects 70 times what one of .048 mm does."""


def load_recipe(
    name: str,
    *,
    detectors: str | Path | None = None,
    imaging: Mapping[str, Any] | None = None,
    **changes: Unpack[RecipeChanges],
) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    name : str
        A shipped name, or the path of a TOML file.
    detectors : str or Path, optional
        A detector file, or the name of one, whose detectors replace the recipe's, see
        `xsim.degradation.known_file.detector_pair`. Where the recipe's kerma would saturate them it is lowered, unless
        the recipe has a ``max_full_well_share`` of its own.
    imaging : mapping, optional
        Keys of the recipe's imaging part that are changed, joined by dots, e.g. ``{"sensor.read_noise_e": 800.0}``.
    **changes
        Other fields of the recipe that replace those of the file, e.g. ``size_px=512``; None leaves the file's value.

    Raises
    ------
    UnknownKeywordError
        If a change names no field.
    UnknownNameError, MissingFileError, InputError
        If there is no such recipe, or the file is not a recipe: one line naming the key, with the nearest name.
    """
    check_keywords("field of recipes", changes, RecipeChanges.__annotations__)
    path = Path(name)
    if path.suffix == ".toml":
        content = read_toml(path)
    elif name in recipe_names():
        content = parse_toml((_SHIPPED / f"{name}.toml").read_bytes(), name)
    else:
        raise UnknownNameError("recipe", name, recipe_names())
    content |= {key: value for key, value in changes.items() if value is not None}
    own = content.get("imaging", {})
    if detectors is not None and isinstance(own, dict):
        kept = {key: value for key, value in own.items() if key not in BROUGHT_BY_DETECTORS}
        kept.setdefault("max_full_well_share", _FULL_WELL_SHARE)
        content["imaging"] = {**kept, "detectors": str(resolve(detectors).absolute())}
    for key, value in (imaging or {}).items():
        _put(content, f"imaging.{key}", value)
    folder = path.absolute().parent
    try:
        return _with_paths(Recipe.model_validate(content, context={BASE_FOLDER: folder}), folder)
    except ValidationError as error:
        for problem in error.errors():
            cause = problem.get("ctx", {}).get("error")
            if isinstance(cause, InputError):  # of another file, which it names
                raise cause from error
        raise InputError(f"{name}: {_first_problem(error)}") from error


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    """Set a value of nested tables by its keys, joined by dots; what is no table where one is needed is replaced."""
    *tables, last = key.split(".")
    for name in tables:
        table = content.get(name)
        content[name] = content = dict(table) if isinstance(table, dict) else {}
    content[last] = value


def imaging_settings(assignments: Iterable[str]) -> dict[str, Any]:
    """Return ``KEY=VALUE`` texts as what `load_recipe` takes as ``imaging``.

    A value is written as in TOML (``0.5``, ``true``, ``[0.5, 0.0]``, ``{low = 1, high = 2}``); what is none is a text.

    Raises
    ------
    InputError
        If a text is not ``KEY=VALUE``.
    """
    settings: dict[str, Any] = {}
    for text in assignments:
        key, found, value = (part.strip() for part in text.partition("="))
        if not (key and found):
            raise InputError(f"--set {text}: is not KEY=VALUE: write for example --set sensor.read_noise_e=800")
        try:
            settings[key] = parse_toml(f"value = {value}".encode(errors="replace"), f"--set {key}")["value"]
        except InputError:
            settings[key] = value
    return settings


def _with_paths(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with its relative paths taken from the folder that its file lies in."""
    boards = tuple(
        item.model_copy(update={"path": folder / item.path})
        if isinstance(item, GerberBoards | PhantomBoards | MeshBoards)
        else item
        for item in recipe.boards
    )
    return recipe.model_copy(update={"boards": boards})


_MODELS: dict[str, type[BaseModel]] = {
    "imaging": Imaging,
    **TABLES,
    "filters": Filter,
    "split": Split,
    "storage": Storage,
    "range": Range,
    "choice": Choice,
    "free": FreeShape,
    "random": RandomBoards,
    "gerber": GerberBoards,
    "phantoms": PhantomBoards,
    "mesh": MeshBoards,
    "plugin": PluginBoards,
    **dict.fromkeys(OBJECT_KINDS, ObjectBoards),
}
_ELSEWHERE: dict[type[BaseModel], dict[str, str]] = {
    TABLES[physics.__name__.lower()]: keys for physics, keys in ELSEWHERE.items()
}


def _first_problem(error: ValidationError) -> str:
    """Return one line for the first thing that is wrong; an unknown key comes first, it explains the others."""
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"] if part not in ("number", "range"))
    if first["type"] == "extra_forbidden":
        return f"unknown key '{where}': {_meant(first['loc'])}"
    given = "" if isinstance(first["input"], dict) or "given" in first["msg"] else f", given {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    return f"'{where}' {message[:1].lower()}{message[1:]}{given}"


def _meant(loc: tuple[int | str, ...]) -> str:
    """Return which key may have been meant by the unknown one at ``loc``."""
    model: type[BaseModel] = Recipe
    for part in loc[:-1]:
        model = _MODELS.get(str(part), model)
    key = str(loc[-1])
    if elsewhere := _ELSEWHERE.get(model, {}).get(key):
        return f"it stands in [imaging] itself, as {elsewhere}"
    known = sorted(model.model_fields)
    close = nearest(key, known)
    return f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
