"""The result of an evaluation as one document, and the sections that it may hold.

A section is a class in a file of `xsim_zoo.evaluation.probes`: its row, how the rows are found, its verdict, its
blocks of the report, and its exports stand together there. `register` makes it known; nothing else names it. Other
packages add theirs by entry points of the group ``xsim.probes``, see `xsim.plugins`.
"""

from __future__ import annotations

import importlib
import pkgutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar

from pydantic import Field, ValidationError, field_validator, model_validator

from xsim.errors import InputError
from xsim.plugins import Plugin, plugins, say_broken
from xsim_zoo.evaluation.records import ImageScore, MetricSummary, Provenance, Row, Verdict

if TYPE_CHECKING:
    from xsim_zoo.evaluation.report.tables import Block, Cell, Naming

__all__ = ["SCHEMA", "TASKS", "TRUST", "Chapter", "Evaluation", "Section", "register", "section_names", "sections"]

SCHEMA = "xsim.evaluation/1"

_PROBES = "xsim_zoo.evaluation.probes"
"""The package whose modules register the sections."""


@dataclass(frozen=True)
class Chapter:
    """A chapter of the report, which one or several sections share.

    Parameters
    ----------
    key, title, lead : str
        Anchor, heading, and how to read it.
    order : int
        Chapters stand by rising order.
    """

    key: str
    title: str
    lead: str
    order: int


TASKS = Chapter(
    "tasks",
    "Inspection tasks",
    "Scores of the tasks that these images are taken for. A restorer that raises PSNR and not these has not helped the "
    "inspection; LR and HR show what there was to lose and to gain.",
    80,
)

TRUST = Chapter(
    "trust",
    "Trust",
    "Does the stated uncertainty hold, what happens to shapes that no training board shows, and what is lost where the "
    "detector is not what the restorer was told?",
    110,
)


class Section(ABC):
    """One section of an evaluation: a tuple of rows of one model, and what is made of them.

    Attributes
    ----------
    name : str
        Key of the document, name of the CSV file, and what ``--sections`` calls it.
    title : str
        What the report calls it where it is absent.
    row : type of Row
        The model of its rows.
    order : int
        Sections stand by rising order in the document.
    chapter : Chapter
        Where the report shows it.
    asked : int
        Verdicts of the same level stand by rising ``asked`` on the first page; the order of the section if not set.
    side_by_side : bool
        Whether the sequences of a row run side by side, so that CSV takes one line for each of their points.
    apart : tuple of str
        Sequences that do not run beside the others of their row.
    exported : bool
        Whether the section has a CSV file.
    glanced : dict of heading to callable
        Its columns of the first page's table, each with what makes a row's cell.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    row: ClassVar[type[Row]]
    order: ClassVar[int]
    chapter: ClassVar[Chapter]
    asked: ClassVar[int | None] = None
    side_by_side: ClassVar[bool] = False
    apart: ClassVar[tuple[str, ...]] = ()
    exported: ClassVar[bool] = True
    glanced: ClassVar[Mapping[str, Callable[[Any], Cell]]] = {}

    def verdict(self, evaluation: Evaluation) -> Verdict | None:  # noqa: ARG002
        """Return what the first page says of it; None where it answers no question."""
        return None

    @abstractmethod
    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return its tables and charts; only asked where there are rows."""


_registered: dict[str, Section] = {}

S = TypeVar("S", bound="type[Section]")
R = TypeVar("R", bound=Row)


def register(section: S) -> S:
    """Make a section known; a decorator of its class.

    Raises
    ------
    InputError
        If another section holds the name.
    """
    holder = _registered.get(section.name)
    if holder is not None and _place(type(holder)) != _place(section):
        raise InputError(f"section '{section.name}' is registered already by {_place(type(holder))}: take another name")
    _registered[section.name] = section()
    return section


def _place(section: type[Section]) -> str:
    return f"{section.__module__}.{section.__qualname__}"


@cache
def _import_probes() -> None:
    folder = importlib.import_module(_PROBES)
    for module in pkgutil.iter_modules(folder.__path__):
        importlib.import_module(f"{_PROBES}.{module.name}")
    own = [name for name, section in _registered.items() if _place(type(section)).startswith(f"{_PROBES}.")]
    for plugin in plugins("xsim.probes", own).values():
        before = dict(_registered)
        try:
            _add(plugin)
        except Exception as error:  # noqa: BLE001  (the code of others; an evaluation goes on without it)
            _registered.clear()
            _registered.update(before)
            say_broken(error if isinstance(error, InputError) else plugin.broken(repr(error)))


def _add(plugin: Plugin) -> None:
    found = plugin.load()
    if not (isinstance(found, type) and issubclass(found, Section) and found.name == plugin.name):
        raise plugin.broken(f"{plugin.value} is no section of that name")
    register(found)


def sections() -> dict[str, Section]:
    """Return every section by name, in the order of the document."""
    _import_probes()
    return dict(sorted(_registered.items(), key=lambda item: item[1].order))


def section_names() -> tuple[str, ...]:
    """Return the sections that may be absent; scores of the images and their summary never are."""
    return tuple(sections())


class Evaluation(Row):
    """Everything that an evaluation found.

    Parameters
    ----------
    provenance : Provenance
        Data, competitors, settings, versions.
    verdicts : tuple of Verdict
        The questions of the first page, what failed first.
    images : tuple of ImageScore
        Every restorer on every image.
    summary : tuple of MetricSummary
        Every metric of every restorer.
    sections : dict of name to tuple of Row
        The other sections; each is an attribute as well (``evaluation.edges``). An absent one is empty.
    limits : tuple of str
        What the numbers do not say.
    absent : dict of name to str
        Why a section is absent.
    """

    provenance: Provenance
    verdicts: tuple[Verdict, ...]
    images: tuple[ImageScore, ...]
    summary: tuple[MetricSummary, ...]
    sections: dict[str, tuple[Any, ...]] = Field(default_factory=dict)
    limits: tuple[str, ...] = ()
    absent: dict[str, str] = Field(default_factory=dict)

    @field_validator("sections", mode="before")
    @classmethod
    def _rows_are_of_their_section(cls, given: Mapping[str, Any]) -> dict[str, tuple[Row, ...]]:
        known = sections()
        if unknown := set(given) - set(known):
            raise ValueError(f"'{unknown.pop()}' is no section")
        return {name: tuple(known[name].row.model_validate(row) for row in given.get(name, ())) for name in known}

    @model_validator(mode="after")
    def _every_section_is_accounted_for(self) -> Self:
        for name, rows in self.sections.items():
            if bool(rows) == (name in self.absent):
                state = "absent without a reason" if name not in self.absent else "there, yet named absent"
                raise ValueError(f"section '{name}' is {state}")
        if unknown := set(self.absent) - set(self.sections):
            raise ValueError(f"'{unknown.pop()}' is no section")
        return self

    def __getattr__(self, name: str) -> tuple[Any, ...]:
        found: dict[str, tuple[Any, ...]] = self.__dict__.get("sections", {})
        if name not in found:
            raise AttributeError(f"an evaluation has no section '{name}'")
        return found[name]

    def rows(self, model: type[R]) -> tuple[R, ...]:
        """Return the rows of one model, e.g. ``evaluation.rows(EdgeProbe)``."""
        return tuple(row for rows in self.sections.values() for row in rows if isinstance(row, model))

    @property
    def labels(self) -> tuple[str, ...]:
        """The restorers' labels, in the order they were given."""
        return tuple(competitor.label for competitor in self.provenance.contenders)

    def means(self, metric: str) -> dict[str, float]:
        """Return the mean of a metric of the summary by label."""
        return {row.restorer: row.estimate.mean for row in self.summary if row.metric == metric}

    def to_dict(self, *, pictures: bool = True) -> dict[str, Any]:
        """Return JSON types, the schema's name first and every section under its own name.

        Parameters
        ----------
        pictures : bool
            Whether the section ``shown`` is kept; it is nearly all of the size.
        """
        own = self.model_dump(mode="json", exclude={"sections"})
        last = {key: own.pop(key) for key in ("limits", "absent")}
        rows = {name: [row.model_dump(mode="json") for row in found] for name, found in self.sections.items()}
        document = {"schema": SCHEMA, **own, **rows, **last}
        if not pictures and self.shown:
            document["shown"] = []
            document["absent"] = {**document["absent"], "shown": "left out of this document, see the report"}
        return document

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Self:
        """Build from what `to_dict` returned.

        Raises
        ------
        InputError
            If it is no such document, or a section is missing without a reason.
        """
        if document.get("schema") != SCHEMA:
            raise InputError(f"schema {document.get('schema')!r} is no evaluation: give one of {SCHEMA!r}")
        known = set(section_names())
        parts = {key: value for key, value in document.items() if key != "schema" and key not in known}
        parts["sections"] = {key: value for key, value in document.items() if key in known}
        try:
            return cls.model_validate(parts)
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"evaluation: {where or 'document'}: {first['msg']}") from error
