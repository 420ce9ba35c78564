"""Spatial scores: means with intervals, paired differences, and every image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim_zoo.evaluation.report.section import Absent, Section
from xsim_zoo.evaluation.report.tables import Column, Interval, Number, Table, Text, Whisker, whisker_axis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation.records import Difference
    from xsim_zoo.evaluation.report.naming import Naming
    from xsim_zoo.evaluation.report.section import Block
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["differences", "scores"]


def scores(evaluation: Evaluation, naming: Naming) -> Section:
    """Return all metrics, and all images."""
    lead = (
        "Likeness to the HR image, in units of the open field, nothing clipped. PSNR and SSIM reward an answer that is "
        "right on average, and so one that is a little soft: read them beside the power kept at high frequencies."
    )
    return Section("scores", "Scores", lead, (_all_metrics(evaluation, naming), _all_images(evaluation, naming)))


def _all_metrics(evaluation: Evaluation, naming: Naming) -> Table:
    rows = []
    for row in evaluation.summary:
        metric = naming.metric(row.metric, row.unit)
        rows.append(
            (
                naming.cell(row.restorer),
                Text(metric.label),
                Interval(row.estimate, metric.spec),
                Number(row.median, metric.spec),
                Number(row.images, "d"),
                Number(row.families, "d"),
                Number(row.infinite, "d"),
                Text(metric.better),
            )
        )
    columns = (
        Column("restorer", numeric=False),
        Column("metric", numeric=False),
        Column("mean, 95 % interval"),
        Column("median"),
        Column("images"),
        Column("families"),
        Column("left out as infinite"),
        Column("how to read it", numeric=False),
    )
    return Table("Every metric of every restorer", columns, tuple(rows))


def _all_images(evaluation: Evaluation, naming: Naming) -> Table:
    rows = tuple(
        (
            Number(row.sample, "d"),
            naming.cell(row.restorer),
            Text(row.family),
            Text(row.design),
            Number(row.setup, "d"),
            Number(row.kerma_uGy, ".4g", "not stated"),
            Number(row.psnr_dB, ".2f", "infinite"),
            Number(row.ssim, ".4f"),
            Number(row.rmse, ".5f"),
            Number(row.bias, "+.5f"),
            Number(row.unsupported, ".4f"),
            Number(row.outside, ".2g"),
        )
        for row in evaluation.images
    )
    columns = (
        Column("image"),
        Column("restorer", numeric=False),
        Column("family", numeric=False),
        Column("design", numeric=False),
        Column("set-up"),
        Column("air kerma [uGy]"),
        Column("PSNR [dB]"),
        Column("SSIM"),
        Column("RMSE [open field]"),
        Column("bias [open field]"),
        Column("unsupported power"),
        Column("pixels out of range"),
    )
    return Table("Every image", columns, rows, tall=True)


def differences(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the paired differences between restorers, one forest plot for each metric."""
    metrics = dict.fromkeys((row.metric, row.unit) for row in evaluation.differences)
    blocks: tuple[Block, ...] = tuple(
        _forest([row for row in evaluation.differences if (row.metric, row.unit) == metric], naming)
        for metric in metrics
    )
    lead = (
        "Each restorer less another on the same images. An interval that does not touch 0 shows a difference on boards "
        "like these; p is adjusted for the number of comparisons (Holm)."
    )
    if not blocks:
        return Section("differences", "Differences", "", (Absent("Differences", evaluation.absent["differences"]),))
    return Section("differences", "Differences", lead, blocks)


def _forest(found: Sequence[Difference], naming: Naming) -> Table:
    metric = naming.metric(found[0].metric, found[0].unit)
    spec = metric.spec if metric.spec.startswith("+") else f"+{metric.spec}"
    axis = whisker_axis(f"difference in {metric.label}", [row.estimate for row in found])
    rows = tuple(
        (
            naming.cell(row.restorer),
            naming.cell(row.against),
            Interval(row.estimate, spec),
            Whisker(row.estimate, axis, naming.style(row.restorer)),
            Number(row.p, ".2g"),
            Number(row.images, "d"),
            Number(row.families, "d"),
        )
        for row in found
    )
    columns = (
        Column("restorer", numeric=False),
        Column("less", numeric=False),
        Column("difference, 95 % interval"),
        Column("drawn", numeric=True, axis=axis),
        Column("p"),
        Column("images"),
        Column("families"),
    )
    return Table(f"Paired differences in {metric.label} ({metric.better})", columns, rows)
