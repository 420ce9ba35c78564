"""The numbers for programs, as one JSON document and a CSV file for each section; and an evaluation in short."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator, Sequence
from typing import Any

from xsim_zoo.evaluation.probes.chi2 import BandScore
from xsim_zoo.evaluation.probes.power import Curve
from xsim_zoo.evaluation.records import INPUT, Estimate, ImageScore, Row
from xsim_zoo.evaluation.report.tables import METRICS
from xsim_zoo.evaluation.results import Evaluation, Section, sections

__all__ = ["brief", "csv_texts", "image_table", "json_text", "lines", "tables"]

_FORMULA_SIGNS = ("=", "+", "-", "@", "\t", "\r")
"""Signs with which a spreadsheet takes a text for a formula."""

_SEQUENCES = {"band_lp_mm", "chi2", "reference_power", "power_ratio", "transfer"}
"""Fields of an image's score that are no columns of the table of images: chi2 has one for each band."""


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


def brief(evaluation: Evaluation) -> dict[str, Any]:
    """Return scores, power and chi2 of every restorer and of the LR images as they are; JSON types."""
    data = evaluation.provenance.data
    return {
        "restorers": {label: _of(evaluation, label) for label in (INPUT, *evaluation.labels)},
        "images": data.images,
        "families": data.families,
        "verdicts": [verdict.model_dump(mode="json") for verdict in evaluation.verdicts],
        "absent": evaluation.absent,
    }


def _of(evaluation: Evaluation, label: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for row in evaluation.summary:
        if row.restorer == label and row.metric in METRICS:
            found[row.metric] = row.estimate.model_dump() | {"median": row.median, "infinite": row.infinite}
    for curve in evaluation.rows(Curve):
        if curve.restorer == label:
            name = curve.quantity.removeprefix("coherent ").replace(" ", "_")
            values = "ratio" if name == "power_ratio" else "value"
            found[name] = {"frequency_lp_mm": list(curve.frequency_lp_mm), values: list(curve.value)}
    for bands in evaluation.rows(BandScore):
        if bands.restorer == label:
            found["chi2"] = {
                "band_lp_mm": [list(band) for band in bands.band_lp_mm],
                "value": [value.mean for value in bands.value],
            }
    return found


def image_table(evaluation: Evaluation) -> tuple[tuple[str, ...], list[list[Any]]]:
    """Return the header and the rows of the table of images: one row a restorer and image."""
    # The last band ends at the Nyquist frequency: images of another pitch have another, and leave the others empty.
    bands = list(dict.fromkeys(band for score in evaluation.images for band in score.band_lp_mm))
    columns = [name for name in ImageScore.model_fields if name not in _SEQUENCES]
    header = (*columns, *(f"chi2_{low:g}_{high:.3g}_lp_mm" for low, high in bands))
    rows = []
    for score in evaluation.images:
        chi2 = dict(zip(score.band_lp_mm, score.chi2, strict=True))
        rows.append([*(getattr(score, name) for name in columns), *(chi2.get(band) for band in bands)])
    return header, rows


def lines(evaluation: Evaluation) -> Iterator[str]:
    """Yield an evaluation as lines of text: scores with their intervals, then the verdicts."""
    width = max(len(label) for label in (INPUT, *evaluation.labels))
    for label in (INPUT, *evaluation.labels):
        found = {row.metric: row.estimate for row in evaluation.summary if row.restorer == label}
        psnr = _text(found["psnr_dB"], 2, " dB") if "psnr_dB" in found else "PSNR infinite"
        yield f"{label:{width}s}  {psnr}  SSIM {_text(found['ssim'], 4, '')}"
    for verdict in evaluation.verdicts:
        yield f"{verdict.level}: {verdict.check}: {verdict.text}"
        for finding in verdict.findings:
            yield f"    {finding.level}: {': '.join(filter(None, [finding.restorer, finding.text]))}"


def _text(estimate: Estimate, digits: int, unit: str) -> str:
    text = f"{estimate.mean:.{digits}f}{unit}"
    if estimate.low is None or estimate.high is None:
        return text
    return f"{text} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"
