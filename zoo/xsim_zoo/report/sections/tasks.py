"""What the images are for: voids in solder balls, open tracks, and features missed or invented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xsim_zoo.report.axes import Axis
from xsim_zoo.report.charts import Chart, Rule, Series, numbers
from xsim_zoo.report.section import Absent, Section
from xsim_zoo.report.tables import Column, Interval, Number, Table

if TYPE_CHECKING:
    from xsim_zoo.evaluation.results import Evaluation
    from xsim_zoo.report.naming import Naming
    from xsim_zoo.report.section import Block

__all__ = ["tasks"]


def tasks(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the scores of the inspection tasks."""
    lead = (
        "Scores of the tasks that these images are taken for. A restorer that raises PSNR and not these has not helped "
        "the inspection; LR and HR show what there was to lose and to gain."
    )
    blocks = (*_voids(evaluation, naming), *_opens(evaluation, naming), *_features(evaluation, naming))
    # Charts first: they stand side by side.
    blocks = tuple(sorted(blocks, key=lambda block: block.kind != "chart"))
    return Section("tasks", "Inspection tasks", lead, blocks)


def _voids(evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
    if not evaluation.voids:
        return (Absent("Voids in solder balls", evaluation.absent["voids"]),)
    reach = [score.labelled for score in evaluation.voids] + [score.measured for score in evaluation.voids]
    x, y = (Axis.covering(f"{what} void area [% of the ball]", reach, 0.0) for what in ("labelled", "measured"))
    points = tuple(
        Series(
            naming.name(score.restorer),
            np.array(score.labelled),
            np.array(score.measured),
            naming.style(score.restorer),
            joined=False,
        )
        for score in evaluation.voids
    )
    columns = (
        Column("restorer", numeric=False),
        Column("mean absolute error [% of the ball]"),
        Column("bias [% of the ball]"),
        Column("lower limit of agreement"),
        Column("upper limit of agreement"),
        Column("balls"),
    )
    rows = tuple(
        (
            naming.cell(score.restorer),
            Number(score.mean_absolute_error, ".2f"),
            Number(score.bias, "+.2f"),
            Number(score.limit_low, "+.2f"),
            Number(score.limit_high, "+.2f"),
            Number(score.balls, "d"),
        )
        for score in evaluation.voids
    )
    caption = "Limits of agreement, after Bland and Altman, are in the table."
    return (
        Chart("Void area of solder balls", x, y, points, (Rule("measured as labelled"),), caption),
        Table("Void area of solder balls, measured less labelled", columns, rows),
    )


def _opens(evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
    if not evaluation.opens:
        return (Absent("Open tracks", evaluation.absent["opens"]),)
    series = []
    for label in dict.fromkeys(score.restorer for score in evaluation.opens):
        scores = sorted((s for s in evaluation.opens if s.restorer == label), key=lambda score: score.gap_mm)
        gaps = np.array([score.gap_mm for score in scores])
        means, lows, highs = (numbers(getattr(score.auc, end) for score in scores) for end in ("mean", "low", "high"))
        series.append(Series(naming.name(label), gaps, means, naming.style(label), lows, highs))
    columns = (
        Column("restorer", numeric=False),
        Column("gap [mm]"),
        Column("area under the ROC, 95 % interval"),
        Column("d'"),
        Column("with the gap"),
        Column("without"),
    )
    rows = tuple(
        (
            naming.cell(score.restorer),
            Number(score.gap_mm, ".3g"),
            Interval(score.auc, ".3f"),
            Number(score.d_prime, ".2f"),
            Number(score.present, "d"),
            Number(score.absent, "d"),
        )
        for score in evaluation.opens
    )
    return (
        Chart(
            "Open tracks",
            Axis.covering("gap [mm]", [item.x for item in series], 0.0),
            Axis("area under the ROC", 0.4, 1.0),
            tuple(series),
            (Rule("chance", 0.5),),
            "A matched filter looks for the gap: 0.5 is guessing, 1 is certainty.",
        ),
        Table("Detectability of open tracks", columns, rows),
    )


def _features(evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
    if not evaluation.features:
        return (Absent("Features missed and invented", evaluation.absent["features"]),)
    columns = (
        Column("restorer", numeric=False),
        Column("missed per cm\N{SUPERSCRIPT TWO}"),
        Column("invented per cm\N{SUPERSCRIPT TWO}"),
        Column("missed"),
        Column("invented"),
        Column("features there"),
        Column("area [cm\N{SUPERSCRIPT TWO}]"),
    )
    rows = tuple(
        (
            naming.cell(score.restorer),
            Number(score.missed_per_cm2, ".3g"),
            Number(score.invented_per_cm2, ".3g"),
            Number(score.missed, "d"),
            Number(score.invented, "d"),
            Number(score.features, "d"),
            Number(score.area_cm2, ".3g"),
        )
        for score in evaluation.features
    )
    return (Table("Small features missed, and features where there are none", columns, rows),)
