"""What the images are for: voids in solder balls, open tracks, and features missed or invented."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xsim_zoo.evaluation.report.axes import Axis
from xsim_zoo.evaluation.report.charts import Chart, Rule, Series, numbers
from xsim_zoo.evaluation.report.section import Absent, Section
from xsim_zoo.evaluation.report.tables import Column, Interval, Number, Table

if TYPE_CHECKING:
    from xsim_zoo.evaluation.report.naming import Naming
    from xsim_zoo.evaluation.report.section import Block
    from xsim_zoo.evaluation.report.tables import Cell
    from xsim_zoo.evaluation.results import Evaluation

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
        Column("less that on LR, 95 % interval"),
        Column("bias [% of the ball]"),
        Column("lower limit of agreement"),
        Column("upper limit of agreement"),
        Column("balls"),
    )
    rows = tuple(
        (
            naming.cell(score.restorer),
            Number(score.mean_absolute_error, ".2f"),
            Interval(score.change, "+.2f"),
            Number(score.bias, "+.2f"),
            Number(score.limit_low, "+.2f"),
            Number(score.limit_high, "+.2f"),
            Number(score.balls, "d"),
        )
        for score in evaluation.voids
    )
    caption = (
        "An area follows from all the attenuation that a ball lacks against the sound ones, by a line fitted to other "
        "balls of the same image. Limits of agreement, after Bland and Altman, are in the table."
    )
    return (
        Chart("Void area of solder balls", x, y, points, (Rule("measured as labelled"),), caption),
        Table("Void area of solder balls, measured less labelled", columns, rows),
        _seen(evaluation, naming),
    )


def _seen(evaluation: Evaluation, naming: Naming) -> Table:
    """Return how many voids of each size are seen."""
    classes = evaluation.voids[0].sizes
    columns = (
        Column("restorer", numeric=False),
        *(Column(f"{size.from_percent:g} to {size.to_percent:g} %, of {size.balls}") for size in classes),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(
        (naming.cell(score.restorer), *(Number(size.seen, "d") for size in score.sizes)) for score in evaluation.voids
    )
    return Table("Voids seen, by area; one sound ball in twenty is called voided", columns, rows)


def _opens(evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
    if not evaluation.opens:
        return (Absent("Open tracks", evaluation.absent["opens"]),)
    columns = (
        Column("restorer", numeric=False),
        Column("copper [mm]"),
        Column("gap [mm]"),
        Column("area under the ROC, 95 % interval"),
        Column("less that on LR, 95 % interval"),
        Column("d'"),
        Column("d' of the Hotelling observer"),
        Column("with the gap"),
        Column("without"),
    )
    rows = tuple(
        (
            naming.cell(score.restorer),
            Number(score.copper_mm, ".3g"),
            Number(score.gap_mm, ".3g"),
            Interval(score.auc, ".3f"),
            Interval(score.change, "+.3f"),
            Number(score.d_prime, ".2f"),
            Number(score.d_prime_best, ".2f"),
            Number(score.present, "d"),
            Number(score.absent, "d"),
        )
        for score in evaluation.opens
    )
    coppers = dict.fromkeys(score.copper_mm for score in evaluation.opens)
    return (
        *(_gaps(evaluation, naming, copper) for copper in coppers),
        Table("Detectability of open tracks", columns, rows),
    )


def _gaps(evaluation: Evaluation, naming: Naming, copper_mm: float) -> Chart:
    """Return detectability against the gap, for one thickness of copper."""
    series = []
    asked = [score for score in evaluation.opens if score.copper_mm == copper_mm]
    for label in dict.fromkeys(score.restorer for score in asked):
        scores = sorted((s for s in asked if s.restorer == label), key=lambda score: score.gap_mm)
        gaps = np.array([score.gap_mm for score in scores])
        means, lows, highs = (numbers(getattr(score.auc, end) for score in scores) for end in ("mean", "low", "high"))
        series.append(Series(naming.name(label), gaps, means, naming.style(label), lows, highs))
    return Chart(
        f"Open tracks in {1000 * copper_mm:g} \N{MICRO SIGN}m of copper",
        Axis.covering("gap [mm]", [item.x for item in series], 0.0),
        Axis("area under the ROC", 0.4, 1.0),
        tuple(series),
        (Rule("chance", 0.5),),
        "A matched filter that does not whiten the noise looks at a known place for a gap (ICRU 54): 0.5 is guessing, "
        "1 is certainty. The Hotelling observer in the table is the best linear one behind the same channels.",
    )


def _features(evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
    if not evaluation.features:
        return (Absent("Features missed and invented", evaluation.absent["features"]),)
    columns = (
        Column("restorer", numeric=False),
        Column("missed per cm\N{SUPERSCRIPT TWO}"),
        Column("less that on LR, 95 % interval"),
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
            Interval(score.change, "+.3g"),
            Number(score.invented_per_cm2, ".3g"),
            Number(score.missed, "d"),
            Number(score.invented, "d"),
            Number(score.features, "d"),
            Number(score.area_cm2, ".3g"),
        )
        for score in evaluation.features
    )
    caption = (
        "Small features missed and invented: missed is what is weaker than the image's own peaks that occur once per "
        "cm\N{SUPERSCRIPT TWO} where nothing is; invented is what stands there, looks like half the faintest dot or "
        "more, and exceeds five standard deviations of the image's own noise"
    )
    return (Table(caption, columns, rows),)
