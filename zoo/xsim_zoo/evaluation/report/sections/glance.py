"""The table of the first page: LR, HR and every restorer in the figures that decide."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim_zoo.evaluation.report.naming import HR, LR, METRICS
from xsim_zoo.evaluation.report.tables import Column, Interval, Number, Table

if TYPE_CHECKING:
    from xsim_zoo.evaluation.report.naming import Naming
    from xsim_zoo.evaluation.report.tables import Cell
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["glance"]


def glance(evaluation: Evaluation, naming: Naming) -> Table:
    """Return the table; figures that were not measured at all have no column."""
    figures = {label: cells for label, cells in _figures(evaluation).items() if cells}
    taking_part = [
        label for label in (LR, *naming.labels, HR) if label != HR or any(HR in cells for cells in figures.values())
    ]
    rows = tuple(
        (naming.cell(label), *(cells.get(label, _missing(label)) for cells in figures.values()))
        for label in taking_part
    )
    columns = (Column("restorer", numeric=False), *(Column(label) for label in figures))
    caption = f"At a glance: against HR over a data range of {evaluation.provenance.data_range:g}, with 95 % intervals"
    return Table(caption, columns, rows)


def _missing(label: str) -> Number:
    return Number(None, missing="reference" if label == HR else "not measured")


def _figures(evaluation: Evaluation) -> dict[str, dict[str, Cell]]:
    """Return the cells of each column by label."""
    means: dict[str, dict[str, Cell]] = {
        METRICS[metric].label: {
            row.restorer: Interval(row.estimate, METRICS[metric].spec)
            for row in evaluation.summary
            if row.metric == metric
        }
        for metric in ("psnr_dB", "ssim")
    }
    per_area = "per cm\N{SUPERSCRIPT TWO}"
    return {
        **means,
        "SRb [mm]": {row.restorer: Number(row.srb_mm, ".4f", "not reached") for row in evaluation.resolution},
        "SNRn": {row.restorer: Number(row.snr_n, ".0f", "needs SRb") for row in evaluation.resolution},
        "void area error [% of the ball]": {
            row.restorer: Number(row.mean_absolute_error, ".2f") for row in evaluation.voids
        },
        f"missed features {per_area}": {row.restorer: Number(row.missed_per_cm2, ".2f") for row in evaluation.features},
        f"invented features {per_area}": {
            row.restorer: Number(row.invented_per_cm2, ".2f") for row in evaluation.features
        },
    }
