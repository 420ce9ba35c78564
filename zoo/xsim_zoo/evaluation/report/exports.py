"""The report's numbers as files for programs: one JSON document, and one CSV file for each section."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING, Any

from xsim_zoo.evaluation.results import sections

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from xsim_zoo.evaluation.records import Row
    from xsim_zoo.evaluation.results import Evaluation, Section

__all__ = ["csv_texts", "json_text", "tables"]

_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""Signs with which a spreadsheet takes a text for a formula."""


def tables() -> tuple[str, ...]:
    """Return the names of what has a CSV file when it was measured."""
    return ("summary", "images", *(name for name, section in sections().items() if section.exported))


def json_text(evaluation: Evaluation) -> str:
    """Return every number as one JSON document; pictures keep their grey levels and lose their pixels."""
    return json.dumps(_without_pixels(evaluation.to_dict()), indent=1, allow_nan=False)


def _without_pixels(part: Any) -> Any:
    if isinstance(part, dict):
        return {key: "" if key == "png_base64" else _without_pixels(value) for key, value in part.items()}
    return [_without_pixels(item) for item in part] if isinstance(part, list) else part


def csv_texts(evaluation: Evaluation) -> dict[str, str]:
    """Return CSV text by table; sections that are absent have none."""
    known = sections()
    return {name: _csv(rows, known.get(name)) for name in tables() if (rows := getattr(evaluation, name))}


def _csv(rows: Sequence[Row], section: Section | None) -> str:
    lines = [line for row in rows for line in _lines(row, section)]
    columns = dict.fromkeys(key for line in lines for key in line)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(columns), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _field(value) for key, value in line.items()} for line in lines)
    return text.getvalue()


def _field(value: Any) -> Any:
    """Return a field in which no spreadsheet finds a formula: names may come from strangers."""
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_SIGNS) else value


def _lines(row: Row, section: Section | None) -> Iterator[dict[str, Any]]:
    """Yield the lines of a row: one, or one for each point of sequences that run side by side."""
    fields = row.model_dump()
    if section is None or not section.side_by_side:
        yield _flat(fields)
        return
    sequences = {key: value for key, value in fields.items() if isinstance(value, tuple) and key not in section.apart}
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
