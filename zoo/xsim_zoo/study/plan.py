"""What a person writes about a study, checked before anything is computed."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from xsim.errors import InputError, UnknownNameError, XsimError
from xsim.files.documents import read_toml
from xsim.names import is_device, same_elsewhere
from xsim_datasets.store.schema import SPLITS
from xsim_zoo.evaluation.competitor import Competitor
from xsim_zoo.evaluation.results import section_names
from xsim_zoo.restorers.physics_sde import PhysicsSDE
from xsim_zoo.restorers.registry import get
from xsim_zoo.study.stores import StudyStore
from xsim_zoo.training.settings import TrainSettings, checked_settings

__all__ = ["Part", "Study", "StudyRow", "StudySet", "load_study"]

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
"""Names are those of folders."""

Name = Annotated[str, Field(pattern=f"^{_NAME.pattern}$", max_length=64)]
Setting = bool | int | float | str
Seeds = Annotated[tuple[Annotated[int, Field(ge=0, lt=2**63)], ...], Field(min_length=1)]


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
    weights_of: str | None = None
    """Row whose weights it is judged with, of every seed: the same weights, run in another way."""
    data: str | Annotated[tuple[str, ...], Field(min_length=1)] | None = None
    """Pairs that it is trained on in place of the study's; of several stores it sees equally many pairs."""
    seeds: Seeds | None = None
    """Seeds of its training in place of the study's."""
    finish: Literal["temperature", "power"] | None = None
    """What is measured on held-out pairs after training: the temperature of posterior samples, or the power that
    answers of least error lack; the latter needs a store of the study's own, to make its pairs without noise."""

    @property
    def trained(self) -> bool:
        """Whether the study trains it."""
        return self.weights is None and self.weights_of is None and get(self.restorer).learned

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


def _check_files(what: str, names: list[str]) -> None:
    """Refuse names of files that another system would take for one, or for a device."""
    for name in names:
        if (other := same_elsewhere(name, names)) is not None:
            raise ValueError(f"{what}s '{name}' and '{other}' are one file on Windows and macOS: rename one")
        if is_device(name):
            raise ValueError(f"{what} '{name}': no file can be called so on Windows: give another name")


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


class Part(_Table):
    """One table of several: which rows it holds, on which sets, and what they are compared with."""

    name: Name
    """What it is called."""
    rows: Annotated[tuple[str, ...], Field(min_length=1)]
    """Its rows, in their order."""
    reference: str | None = None
    """One of them that the others are compared with, image by image."""
    sets: tuple[str, ...] | None = None
    """The sets that it is about; all of them if not given."""


class Study(_Table):
    """A study: what is trained, on what, how often, and what it is judged on."""

    name: Name
    """What the tables are called."""
    data: str
    """The store of pairs to train on: one of `stores`, or a path."""
    seeds: Seeds = (0,)
    """Seeds of the training; every row that is trained is trained once with each."""
    reference: str | None = None
    """Row that all others are compared with, image by image."""
    resamples: Annotated[int, Field(ge=100, le=1_000_000)] = 2000
    """Resamples of the bootstrap over boards."""
    sections: tuple[str, ...] = ()
    """Sections of `xsim zoo eval` that the evaluations beside the tables hold besides, such as "power"."""
    train: dict[str, Setting] = Field(default_factory=dict)
    """Settings of every training."""
    stores: dict[Name, StudyStore] = Field(default_factory=dict)
    """Stores of pairs that the study makes for itself, by name."""
    rows: Annotated[tuple[StudyRow, ...], Field(min_length=1)]
    """Who takes part, in the order of the tables."""
    sets: Annotated[tuple[StudySet, ...], Field(min_length=1)]
    """What they are judged on."""
    tables: tuple[Part, ...] = ()
    """Tables of some of the rows and sets each; one of all if none is given. Rows in no table are only trained."""

    @model_validator(mode="after")
    def _names_are_known_and_their_own(self) -> Self:
        named = {
            "row": [row.name for row in self.rows],
            "set": [each.name for each in self.sets],
            "table": [part.name for part in self.tables],
        }
        for what, names in named.items():
            if twice := {name for name in names if names.count(name) > 1}:
                raise ValueError(f"{what} '{min(twice)}' stands twice: give each a name of its own")
            if what != "table":
                _check_files(what, names)
        if self.reference is not None and self.reference not in self.by_name:
            raise ValueError(str(UnknownNameError("reference", self.reference, self.by_name)))
        for row in self.rows:
            try:
                self._check(row)
            except XsimError as error:
                raise ValueError(f"row '{row.name}': {error}") from error
        for part in self.tables:
            self._check_part(part)
        for each in self.sets:
            if each.split not in SPLITS:
                raise ValueError(str(UnknownNameError("split", each.split, SPLITS)))
            if not self.judged_on(each.name):
                raise ValueError(f"set '{each.name}' is in no table: name it in one, or take it away")
        for section in self.sections:
            if section not in section_names():
                raise ValueError(str(UnknownNameError("section", section, section_names())))
        return self

    def _check(self, row: StudyRow) -> None:
        row.competitor(row.name, None)
        if row.trained:
            self.settings(row, self.seeds_of(row)[0])
        elif row.train or row.start or row.data or row.seeds or row.finish:
            given = "it is given weights" if row.weights or row.weights_of else f"{row.restorer} does not learn"
            raise ValueError(f"row '{row.name}' has settings of a training, and {given}: take one of them away")
        if row.finish == "temperature" and not issubclass(get(row.restorer), PhysicsSDE):
            raise ValueError(f"row '{row.name}': {row.restorer} draws no samples with a temperature: leave finish out")
        if row.finish == "power" and not self.stores.keys() >= set(self.places_of(row)):
            raise ValueError(
                f"row '{row.name}': finish = 'power' needs data of the study's own: name one of its stores"
            )
        if row.weights_of is not None:
            other = self.by_name.get(row.weights_of)
            if row.weights or other is None or not other.trained or other.restorer != row.restorer:
                raise ValueError(
                    f"row '{row.name}' takes the weights of '{row.weights_of}': give a trained row of the same "
                    "restorer, and no weights"
                )
        if len(set(self.seeds_of(row))) < len(self.seeds_of(row)):
            raise ValueError("a seed stands twice")
        self._check_starts(row)

    def _check_starts(self, row: StudyRow) -> None:
        seen = [row]
        while (name := seen[-1].start) is not None:
            start = self.by_name.get(name)
            if start is None or not start.trained or start.restorer != row.restorer:
                raise ValueError(f"row '{seen[-1].name}' starts from '{name}': give a trained row of the same restorer")
            if start in seen:
                raise ValueError(f"row '{row.name}' starts from itself")
            if lacking := set(self.seeds_of(seen[-1])) - set(self.seeds_of(start)):
                raise ValueError(f"row '{seen[-1].name}' starts from '{name}', which has no seed {min(lacking)}")
            seen.append(start)

    def _check_part(self, part: Part) -> None:
        sets = [each.name for each in self.sets]
        for what, names, known in (("row", part.rows, self.by_name), ("set", part.sets or (), sets)):
            for name in names:
                if name not in known:
                    raise ValueError(f"table '{part.name}': {UnknownNameError(what, name, known)}")
                if names.count(name) > 1:
                    raise ValueError(f"table '{part.name}': {what} '{name}' stands twice")
        if part.reference is not None and part.reference not in part.rows:
            raise ValueError(f"table '{part.name}': {UnknownNameError('reference', part.reference, part.rows)}")

    @property
    def by_name(self) -> dict[str, StudyRow]:
        """The rows by their names."""
        return {row.name: row for row in self.rows}

    @property
    def parts(self) -> tuple[Part, ...]:
        """The tables; one of everything, without a name, where none is given."""
        whole = Part.model_construct(name="", rows=tuple(self.by_name), reference=self.reference, sets=None)
        return self.tables or (whole,)

    def judged_on(self, name: str) -> list[StudyRow]:
        """Return the rows that are judged on a set, in their order."""
        wanted = {row for part in self.parts if part.sets is None or name in part.sets for row in part.rows}
        return [row for row in self.rows if row.name in wanted]

    def trained_as(self, row: StudyRow) -> StudyRow | None:
        """Return the row whose training brings a row its weights, itself perhaps; None where nothing is trained."""
        source = row if row.weights_of is None else self.by_name[row.weights_of]
        return source if source.trained else None

    def seeds_of(self, row: StudyRow) -> tuple[int, ...]:
        """Return the seeds of a row's training."""
        return self.seeds if row.seeds is None else row.seeds

    def places_of(self, row: StudyRow) -> tuple[str, ...]:
        """Return what a row is trained on: names of the study's stores, and paths."""
        data = row.data or self.data
        return (data,) if isinstance(data, str) else data

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
        return place if "://" in place or place in study.stores else str(path.parent / place)

    stores = {name: store.beside(path.parent) for name, store in study.stores.items()}
    for name, store in stores.items():
        try:
            store.whole_recipe()
        except XsimError as error:
            raise InputError(f"{path}: stores.{name}: {error}") from error
    sets = tuple(each.model_copy(update={"data": beside(each.data)}) for each in study.sets)
    rows = tuple(
        row
        if row.data is None
        else row.model_copy(
            update={"data": beside(row.data) if isinstance(row.data, str) else tuple(map(beside, row.data))}
        )
        for row in study.rows
    )
    return study.model_copy(update={"data": beside(study.data), "sets": sets, "rows": rows, "stores": stores})
