"""The result of an evaluation as one document: sections of rows, each present or absent for a stated reason."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

from pydantic import Field, ValidationError, model_validator

from xsim.errors import InputError
from xsim_zoo.evaluation.records import (
    BandScore,
    BarProbe,
    Coverage,
    Curve,
    Difference,
    EdgeProbe,
    ImageScore,
    MismatchScore,
    NoiseProbe,
    Provenance,
    Resolution,
    Row,
    ShapeScore,
    Shown,
    Summary,
    Verdict,
)
from xsim_zoo.evaluation.task_records import FeatureScore, OpenScore, VoidScore  # noqa: TC001 - read by pydantic

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["SCHEMA", "SECTIONS", "Evaluation"]

SCHEMA = "xsim.evaluation/1"

SECTIONS = (
    "power",
    "chi2",
    "differences",
    "edges",
    "bars",
    "noise",
    "resolution",
    "voids",
    "opens",
    "features",
    "coverage",
    "shapes",
    "mismatch",
    "shown",
)
"""Sections that may be absent; scores of the images and their summary never are."""


class Evaluation(Row):
    """Everything that an evaluation found.

    A section is a tuple of rows. An absent one is empty, and ``absent`` says why.
    """

    provenance: Provenance
    verdicts: tuple[Verdict, ...]
    images: tuple[ImageScore, ...]
    summary: tuple[Summary, ...]
    differences: tuple[Difference, ...] = ()
    power: tuple[Curve, ...] = ()
    """Power of the answers over that of the reference, and their coherent transfer, against frequency."""
    chi2: tuple[BandScore, ...] = ()
    edges: tuple[EdgeProbe, ...] = ()
    bars: tuple[BarProbe, ...] = ()
    noise: tuple[NoiseProbe, ...] = ()
    resolution: tuple[Resolution, ...] = ()
    voids: tuple[VoidScore, ...] = ()
    opens: tuple[OpenScore, ...] = ()
    features: tuple[FeatureScore, ...] = ()
    coverage: tuple[Coverage, ...] = ()
    shapes: tuple[ShapeScore, ...] = ()
    mismatch: tuple[MismatchScore, ...] = ()
    shown: tuple[Shown, ...] = ()
    limits: tuple[str, ...] = ()
    absent: dict[str, str] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _every_section_is_accounted_for(self) -> Self:
        for name in SECTIONS:
            if bool(getattr(self, name)) == (name in self.absent):
                state = "absent without a reason" if name not in self.absent else "there, yet named absent"
                raise ValueError(f"section '{name}' is {state}")
        if unknown := set(self.absent) - set(SECTIONS):
            raise ValueError(f"'{unknown.pop()}' is no section")
        return self

    @property
    def labels(self) -> tuple[str, ...]:
        """The restorers' labels, in the order they were given."""
        return tuple(contender.label for contender in self.provenance.contenders)

    def to_dict(self, *, pictures: bool = True) -> dict[str, Any]:
        """Return JSON types, the schema's name first.

        Parameters
        ----------
        pictures : bool
            Whether the section ``shown`` is kept; it is nearly all of the size.
        """
        document = {"schema": SCHEMA, **self.model_dump(mode="json")}
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
        try:
            return cls.model_validate({key: value for key, value in document.items() if key != "schema"})
        except ValidationError as error:
            first = error.errors()[0]
            where = ".".join(str(part) for part in first["loc"])
            raise InputError(f"evaluation: {where or 'document'}: {first['msg']}") from error
