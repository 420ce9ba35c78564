"""An evaluation in short: the keys that scripts rely on, and a table for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from xsim_zoo.evaluation.probes.chi2 import BandScore
from xsim_zoo.evaluation.probes.power import Curve
from xsim_zoo.evaluation.records import INPUT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xsim_zoo.evaluation.records import Estimate
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["brief", "image_table", "lines"]

_METRICS = ("psnr_dB", "ssim", "rmse", "bias", "unsupported")
_COLUMNS = (
    "restorer",
    "sample",
    "family",
    "design",
    "setup",
    "kerma_uGy",
    "psnr_dB",
    "ssim",
    "rmse",
    "bias",
    "unsupported",
    "grey_residual",
    "outside",
    "seconds",
)


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
        if row.restorer == label and row.metric in _METRICS:
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
    header = (*_COLUMNS, *(f"chi2_{low:g}_{high:.3g}_lp_mm" for low, high in bands))
    rows = []
    for score in evaluation.images:
        chi2 = dict(zip(score.band_lp_mm, score.chi2, strict=True))
        rows.append([*(getattr(score, name) for name in _COLUMNS), *(chi2.get(band) for band in bands)])
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
