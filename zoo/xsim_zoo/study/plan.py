"""What a person writes about a study, checked before anything is computed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xsim.errors import InputError, UnknownNameError, XsimError
from xsim.files.documents import read_toml
from xsim.names import is_device, same_elsewhere
from xsim_datasets.store.schema import SPLITS
from xsim_zoo.evaluation.competitor import Competitor
from xsim_zoo.restorers.registry import get
from xsim_zoo.training.settings import TrainSettings, checked_settings

__all__ = ["Study", "StudyRow", "StudySet", "load_study"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names are those of folders."""

Name = Annotated[str, Field(pattern=f"^{_NAME.pattern}$", max_length=64)]
Setting = bool | int | float | str


class _Table(BaseModel):
    """A frozen table of the file; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class StudyRow(_Table):
    """One row of the tables: a restorer, how it is trained, and how it is run."""

    name: Name
    """What the tables call it."""
    restorer: str
    """A registered restorer."""
    weights: str | None = None
    """Weights to judge as they are, shipped or on disk; without them a restorer that learns is trained."""
    train: dict[str, Setting] = Field(default_factory=dict)
    """Settings of its training that differ from the study's."""
    run: dict[str, Setting] = Field(default_factory=dict)
    """How it is run: options of `xsim zoo eval`, e.g. steps = 1 or link = false."""
    start: str | None = None
    """Row whose weights, of the same seed, its training goes on from."""

    @property
    def trained(self) -> bool:
        """Whether the study trains it."""
        return self.weights is None and get(self.restorer).learned

    def competitor(self, label: str, weights: Path | None) -> Competitor:
        """Return it as it takes part in an evaluation.

        Raises
        ------
        InputError
            If an option is unknown or has a value that cannot be used.
        """
        options = ",".join(f"{key}={_text(value)}" for key, value in self.run.items())
        told = Competitor.parse(f"{self.restorer}:{options}" if options else self.restorer)
        chosen = str(weights) if weights is not None else self.weights
        return Competitor(**{**vars(told), "label": label, "weights": chosen})


def _text(value: Setting) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return str(value)


class StudySet(_Table):
    """Pairs that all rows are judged on, the same images for all."""

    name: Name
    """What the tables call it."""
    data: str
    """A store of pairs; a path that is not absolute begins at the file's folder."""
    split: str = "test"
    """Which pairs: "test", "validation" or "train"."""
    images: Annotated[int, Field(ge=1, le=10_000_000)] | None = None
    """Only the first so many of them."""


class Study(_Table):
    """A study: what is trained, on what, how often, and what it is judged on."""

    name: Name
    """What the tables are called."""
    data: str
    """The store of pairs to train on."""
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)] = (0,)
    """Seeds of the training; every row that is trained is trained once with each."""
    reference: str | None = None
    """Row that all others are compared with, image by image."""
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    """Resamples of the bootstrap over boards."""
    train: dict[str, Setting] = Field(default_factory=dict)
    """Settings of every training."""
    rows: Annotated[tuple[StudyRow, ...], Field(min_length=1)]
    """Who takes part, in the order of the tables."""
    sets: Annotated[tuple[StudySet, ...], Field(min_length=1)]
    """What they are judged on."""

    @model_validator(mode="after")
    def _names_are_known_and_their_own(self) -> Self:
        for what, names in (("row", [row.name for row in self.rows]), ("set", [each.name for each in self.sets])):
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{what} '{min(twice)}' stands twice: give each a name of its own")
            for name in names:
                if (other := same_elsewhere(name, names)) is not None:
                    raise ValueError(f"{what}s '{name}' and '{other}' are one file on Windows and macOS: rename one")
                if is_device(name):
                    raise ValueError(f"{what} '{name}': no file can be called so on Windows: give another name")
        rows = {row.name: row for row in self.rows}
        if self.reference is not None and self.reference not in rows:
            raise ValueError(str(UnknownNameError("reference", self.reference, rows)))
        for row in self.rows:
            try:
                self._check(row, rows)
            except XsimError as error:
                raise ValueError(f"row '{row.name}': {error}") from error
        for each in self.sets:
            if each.split not in SPLITS:
                raise ValueError(str(UnknownNameError("split", each.split, SPLITS)))
        if len(set(self.seeds)) < len(self.seeds):
            raise ValueError("a seed stands twice")
        return self

    def _check(self, row: StudyRow, rows: dict[str, StudyRow]) -> None:
        row.competitor(row.name, None)
        if row.trained:
            self.settings(row, self.seeds[0])
        elif row.train or row.start:
            why = "it is given weights" if row.weights else f"{row.restorer} does not learn"
            raise ValueError(f"row '{row.name}' has settings of a training, and {why}: take one of them away")
        seen = [row.name]
        while (start := rows[seen[-1]].start) is not None:
            if start not in rows or not rows[start].trained or rows[start].restorer != row.restorer:
                raise ValueError(f"row '{seen[-1]}' starts from '{start}': give a trained row of the same restorer")
            if start in seen:
                raise ValueError(f"row '{row.name}' starts from itself")
            seen.append(start)

    def settings(self, row: StudyRow, seed: int) -> TrainSettings:
        """Return the settings of a row's training.

        Raises
        ------
        InputError
            If a key is unknown, or a value out of range.
        """
        return checked_settings({**self.train, **row.train, "seed": seed})


def load_study(path: Path) -> Study:
    """Read a study; paths of stores begin at the file's folder.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is no study, naming the key.
    """
    content = read_toml(path)
    try:
        study = Study(**content)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Value error, ")
        raise InputError(f"{path}: {where + ': ' if where else ''}{message}") from error

    def beside(place: str) -> str:
        return place if "://" in place else str(path.parent / place)

    sets = tuple(each.model_copy(update={"data": beside(each.data)}) for each in study.sets)
    return study.model_copy(update={"data": beside(study.data), "sets": sets})
