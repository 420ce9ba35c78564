"""Recipes: what a data set is made of, as a person writes it in TOML.

A recipe names the imaging physics, the sources of boards, the split and the storage. Numbers of the physics may be
ranges; then the recipe draws that many set-ups (``imaging.setups``) and every sample belongs to one of them.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, ValidationError, model_validator

from xsim.errors import InputError, MissingFileError, UnknownNameError, nearest
from xsim.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "Filter",
    "GerberBoards",
    "Imaging",
    "PhantomBoards",
    "RandomBoards",
    "Range",
    "Recipe",
    "Split",
    "Storage",
    "load_recipe",
    "recipe_names",
]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Range(_Strict):
    """Numbers from ``low`` to ``high``: uniform in the value, in its logarithm (``log``), or in steps from ``low``."""

    low: float
    high: float
    log: bool = False
    step: Annotated[float, Field(gt=0.0)] | None = None

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if not self.low <= self.high:
            raise ValueError(f"low {self.low:g} is above high {self.high:g}")
        if self.log and self.low <= 0:
            raise ValueError(f"a log range needs low > 0, not {self.low:g}")
        if self.log and self.step is not None:
            raise ValueError("a log range has no steps: give log or step")
        return self

    def draw(self, rng: np.random.Generator) -> float:
        """Return one number of the range."""
        if self.step is not None:
            # A hair more than the quotient, so that 0.3 is a whole number of steps of 0.1.
            steps = int((self.high - self.low) / self.step * (1 + 1e-9))
            return min(self.low + self.step * int(rng.integers(steps + 1)), self.high)
        if self.log:
            return float(np.exp(rng.uniform(np.log(self.low), np.log(self.high))))
        return float(rng.uniform(self.low, self.high))


def _number_kind(value: object) -> str:
    return "range" if isinstance(value, (dict, Range)) else "number"


# The tag names the one alternative that was meant, so that an error speaks about that one only.
Number = Annotated[
    Annotated[float, Tag("number")] | Annotated[Range, Tag("range")],
    Discriminator(_number_kind),
]


class Filter(_Strict):
    """One sheet of filtration in the beam."""

    material: str
    thickness_mm: Number


class Imaging(_Strict):
    """The tube, the two screens, the sensor and the dose; any number may be a range."""

    kvp: Number = 70.0
    anode_angle_deg: Number = 12.0
    filters: tuple[Filter, ...] = (Filter(material="Al", thickness_mm=2.5),)
    hr_mass_thickness_mg_cm2: Number = 33.91
    lr_mass_thickness_mg_cm2: Number = 134.55
    pitch_mm: Number = 0.048
    kerma_uGy: Number = 42.56
    magnification: Number = 1.0
    source_detector_mm: Number = 600.0
    focal_spot_mm: Number = 0.0
    scatter_ratio_per_depth: Number = 0.0
    glare: Number = 0.0
    hr_frames: Annotated[int, Field(ge=1)] = 20
    lr_frames: Annotated[int, Field(ge=1)] = 1
    setups: Annotated[int, Field(ge=1, le=4096)] = 1

    @model_validator(mode="after")
    def _one_setup_needs_numbers(self) -> Self:
        if self.setups > 1 and not self.has_ranges:
            raise ValueError(f"setups = {self.setups} but nothing is a range: give ranges or setups = 1")
        return self

    @property
    def has_ranges(self) -> bool:
        """Whether any number is a range."""
        values = [getattr(self, name) for name in type(self).model_fields]
        return any(isinstance(value, Range) for value in [*values, *(item.thickness_mm for item in self.filters)])

    def drawn(self, seed: int, setup: int) -> Imaging:
        """Return set-up number ``setup`` of seed ``seed``, with every range replaced by a number."""
        # One generator a field: a range that is added later leaves the draws of the others alone.
        return self._with(lambda item, stage: item.draw(generator(seed, sample=setup, stage=f"setup-{stage}")))

    def corners(self) -> tuple[Imaging, Imaging]:
        """Return the set-ups with every range at its low and at its high end."""
        return self._with(lambda item, _: item.low), self._with(lambda item, _: item.high)

    def _with(self, choose: Callable[[Range, str], float]) -> Imaging:
        """Return the set-up whose ranges are replaced by what ``choose`` makes of each and of its field's name."""

        def number(value: Any, stage: str) -> Any:
            return choose(value, stage) if isinstance(value, Range) else value

        fields = {name: number(getattr(self, name), name) for name in type(self).model_fields}
        fields["filters"] = tuple(
            Filter(material=item.material, thickness_mm=number(item.thickness_mm, f"filter-{index}"))
            for index, item in enumerate(self.filters)
        )
        return Imaging(**{**fields, "setups": 1})


class _Boards(_Strict):
    weight: Annotated[float, Field(gt=0.0)] = 1.0


class RandomBoards(_Boards):
    """Boards drawn by xsim itself, every sample one of its own; what is not given is as `xsim.phantoms.BoardRecipe`."""

    kind: Literal["random"] = "random"
    layers: dict[int, float] | None = None
    rules: dict[str, float] | None = None
    defect_rates: dict[str, float] | None = None
    lead_share: float | None = None
    bromine_share: float | None = None
    weave_share: float | None = None
    tilt_share: float | None = None
    edge_share: float | None = None

    def population(self) -> dict[str, Any]:
        """Return the settings that were given, by their names in `xsim.phantoms.BoardRecipe`."""
        return self.model_dump(exclude={"kind", "weight"}, exclude_none=True)


class GerberBoards(_Boards):
    """Windows of real boards: a folder with a folder of Gerber and Excellon files for each board."""

    kind: Literal["gerber"]
    path: Path
    height_mm: Annotated[float, Field(gt=0.0)] = 1.6
    defect_rates: dict[str, float] | None = None


class PhantomBoards(_Boards):
    """Phantoms saved as ``.npz``: every file is a board, cut into windows."""

    kind: Literal["phantoms"]
    path: Path


Boards = Annotated[RandomBoards | GerberBoards | PhantomBoards, Field(discriminator="kind")]


class Split(_Strict):
    """Fractions of the board families that are kept from training."""

    validation: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1
    test: Annotated[float, Field(ge=0.0, lt=1.0)] = 0.1

    @model_validator(mode="after")
    def _something_to_train_on(self) -> Self:
        if self.validation + self.test >= 1.0:
            raise ValueError(f"validation + test is {self.validation + self.test:g}: keep it below 1")
        return self


class Storage(_Strict):
    """How pixels become bytes: ``grey = code * scale + offset``, ``pairs_per_shard`` pairs in one file."""

    # Powers of two: every grey level that is read back is exact in float32.
    scale: Annotated[float, Field(gt=0.0)] = 2.0**-15
    offset: float = -(2.0**-4)
    pairs_per_shard: Annotated[int, Field(ge=1, le=4096)] = 64
    zstd_level: Annotated[int, Field(ge=0, le=22)] = 3


class Recipe(_Strict):
    """What a data set is made of.

    Raises
    ------
    pydantic.ValidationError
        From the constructor; `load_recipe` turns it into one line.
    """

    name: Annotated[str, Field(min_length=1, max_length=64)]
    description: str = ""
    n: Annotated[int, Field(ge=1)] = 1000
    size_px: Annotated[int, Field(ge=16, le=16384)] = 512
    imaging: Imaging = Imaging()
    boards: Annotated[tuple[Boards, ...], Field(min_length=1)] = (RandomBoards(),)
    split: Split = Split()
    storage: Storage = Storage()

    def hash(self) -> str:
        """Return the SHA-256 of the recipe's canonical JSON, without ``n``: a longer run is the same recipe."""
        content = self.model_dump(mode="json", exclude={"n"})
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def recipe_names() -> list[str]:
    """Return the names of the recipes that are shipped."""
    folder = resources.files("xsim_datasets") / "recipes"
    return sorted(item.name.removesuffix(".toml") for item in folder.iterdir() if item.name.endswith(".toml"))


def load_recipe(name: str, **changes: Any) -> Recipe:
    """Read a recipe.

    Parameters
    ----------
    name : str
        A shipped name, or the path of a TOML file.
    **changes
        Fields of the recipe that replace those of the file, e.g. ``size_px=512``; None leaves the file's value.

    Raises
    ------
    UnknownNameError, MissingFileError, InputError
        If there is no such recipe, or the file is not a recipe: one line naming the key, with the nearest name.
    """
    path = Path(name)
    if path.suffix == ".toml":
        if not path.is_file():
            raise MissingFileError(f"{name}: no such recipe file: check the path")
        text = path.read_bytes()
    elif name in recipe_names():
        text = (resources.files("xsim_datasets") / "recipes" / f"{name}.toml").read_bytes()
    else:
        raise UnknownNameError("recipe", name, recipe_names())
    try:
        content = tomllib.loads(text.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{name}: is not TOML: {error}") from error
    content |= {key: value for key, value in changes.items() if value is not None}
    try:
        return _with_paths(Recipe.model_validate(content), path.absolute().parent)
    except ValidationError as error:
        raise InputError(f"{name}: {_first_problem(error)}") from error


def _with_paths(recipe: Recipe, folder: Path) -> Recipe:
    """Return the recipe with its relative paths taken from the folder that its file lies in."""
    boards = tuple(
        item.model_copy(update={"path": folder / item.path}) if isinstance(item, GerberBoards | PhantomBoards) else item
        for item in recipe.boards
    )
    return recipe.model_copy(update={"boards": boards})


_MODELS: dict[str, type[BaseModel]] = {
    "imaging": Imaging,
    "filters": Filter,
    "split": Split,
    "storage": Storage,
    "range": Range,
    "random": RandomBoards,
    "gerber": GerberBoards,
    "phantoms": PhantomBoards,
}


def _first_problem(error: ValidationError) -> str:
    """Return one line for the first thing that is wrong; an unknown key comes first, it explains the others."""
    first = min(error.errors(), key=lambda item: item["type"] != "extra_forbidden")
    where = ".".join(str(part) for part in first["loc"] if part not in ("number", "range"))
    if first["type"] == "extra_forbidden":
        known = _keys_beside(first["loc"])
        close = nearest(str(first["loc"][-1]), known)
        hint = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known)}"
        return f"unknown key '{where}': {hint}"
    given = "" if isinstance(first["input"], dict) or "given" in first["msg"] else f", given {first['input']!r}"
    return f"'{where}' {first['msg'][:1].lower()}{first['msg'][1:]}{given}"


def _keys_beside(loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys that are allowed where the unknown key at ``loc`` was found."""
    model: type[BaseModel] = Recipe
    for part in loc[:-1]:
        model = _MODELS.get(str(part), model)
    return sorted(model.model_fields)
