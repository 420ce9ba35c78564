"""The report's numbers as files for programs: one JSON document, and one CSV file for each section."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from xsim_zoo.evaluation.records import BandScore, BarProbe, Coverage, Curve, EdgeProbe, NoiseProbe
from xsim_zoo.evaluation.results import SECTIONS
from xsim_zoo.evaluation.task_records import VoidScore

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xsim_zoo.evaluation.records import Row
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["TABLES", "csv_twins", "json_twin"]

TABLES = ("summary", "images", *(name for name in SECTIONS if name != "shown"))
"""Sections that have a CSV twin when they were measured."""

_CURVES = (BandScore, BarProbe, Coverage, Curve, EdgeProbe, NoiseProbe, VoidScore)
"""Rows whose sequences run side by side; they take one line for each point."""

_APART = ("sizes",)
"""Sequences that do not run beside the others of their row."""

_PICTURES = ("lr", "restored", "hr", "ssim_map")
_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")


def json_twin(evaluation: Evaluation) -> str:
    """Return every number as one JSON document; pictures keep their grey levels and lose their pixels."""
    document = evaluation.to_dict()
    for shown in document["shown"]:
        for picture in _PICTURES:
            shown[picture]["png_base64"] = ""
    return json.dumps(document, indent=1, allow_nan=False)


def csv_twins(evaluation: Evaluation) -> dict[str, str]:
    """Return CSV text by section; sections that are absent have none."""
    return {name: _csv(getattr(evaluation, name)) for name in TABLES if getattr(evaluation, name)}


def _csv(rows: Sequence[Row]) -> str:
    lines = [line for row in rows for line in _lines(row)]
    columns = dict.fromkeys(key for line in lines for key in line)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _field(value) for key, value in line.items()} for line in lines)
    return text.getvalue()


def _field(value: Any) -> Any:
    """Return a field in which no spreadsheet finds a formula: names may come from strangers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_SIGNS) else value


def _lines(row: Row) -> Iterator[dict[str, Any]]:
    fields = row.model_dump()
    if not isinstance(row, _CURVES):
        yield _flat(fields)
        return
    sequences = {key: value for key, value in fields.items() if isinstance(value, tuple) and key not in _APART}
    single = {key: value for key, value in fields.items() if key not in sequences}
    for point in zip(*sequences.values(), strict=True):
        yield _flat({**single, **dict(zip(sequences, point, strict=True))})


def _flat(fields: dict[str, Any]) -> dict[str, Any]:
    """Return nested fields side by side: an estimate's ends by name, a sequence's items by number."""
    line: dict[str, Any] = {}
    for key, value in fields.items():
        if isinstance(value, dict):
            line |= _flat({f"{key}_{inner}": item for inner, item in value.items()})
        elif isinstance(value, tuple):
            line |= _flat({f"{key}_{index}": item for index, item in enumerate(value, start=1)})
        else:
            line[key] = value
    return line
