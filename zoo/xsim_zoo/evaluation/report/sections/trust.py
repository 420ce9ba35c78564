"""How far the answers can be trusted: stated uncertainty, shapes never trained on, detectors that differ."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xsim_zoo.evaluation.report.axes import Axis
from xsim_zoo.evaluation.report.charts import Chart, Rule, Series
from xsim_zoo.evaluation.report.section import Absent, Section
from xsim_zoo.evaluation.report.tables import Column, Interval, Number, Table, Text, Whisker, whisker_axis

if TYPE_CHECKING:
    from xsim_zoo.evaluation.report.naming import Naming
    from xsim_zoo.evaluation.report.section import Block
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["trust"]

_FIRST_STYLE = 2


def trust(evaluation: Evaluation, naming: Naming) -> Section:
    """Return coverage, shapes outside the training set, and mismatched detectors."""
    lead = (
        "Does the stated uncertainty hold, what happens to shapes that no training board shows, and what is lost where "
        "the detector is not what the restorer was told?"
    )
    blocks = (*_coverage(evaluation, naming), *_shapes(evaluation, naming), *_mismatch(evaluation, naming))
    return Section("trust", "Trust", lead, blocks)


def _coverage(evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
    if not evaluation.coverage:
        return (Absent("Coverage of the uncertainty", evaluation.absent["coverage"]),)
    series = tuple(
        Series(
            f"{naming.name(row.restorer)}, {row.region}",
            np.array(row.nominal),
            np.array(row.covered),
            _FIRST_STYLE + index,
        )
        for index, row in enumerate(evaluation.coverage)
    )
    columns = (
        Column("restorer", numeric=False),
        Column("pixels", numeric=False),
        Column("spread [open field]"),
        Column("error of the mean [open field]"),
        Column("CRPS [open field]"),
        Column("PSNR of the mean [dB]"),
        Column("PSNR of one sample [dB]"),
        Column("samples"),
        Column("images"),
    )
    rows = tuple(
        (
            naming.cell(row.restorer),
            Text(row.region),
            Number(row.spread, ".5f"),
            Number(row.error, ".5f"),
            Number(row.crps, ".5f"),
            Number(row.psnr_mean_dB, ".2f"),
            Number(row.psnr_sample_dB, ".2f"),
            Number(row.samples, "d"),
            Number(row.images, "d"),
        )
        for row in evaluation.coverage
    )
    caption = "Below the diagonal the restorer is surer than it may be."
    return (
        Chart(
            "Coverage of the uncertainty",
            Axis("stated probability of the interval", 0.0, 1.0),
            Axis("share of pixels inside it", 0.0, 1.0),
            series,
            (Rule("as stated"),),
            caption,
        ),
        Table("Spread of the samples against their error; both should be alike", columns, rows),
    )


def _shapes(evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
    if not evaluation.shapes:
        return (Absent("Shapes outside the training set", evaluation.absent["shapes"]),)
    columns = (
        Column("restorer", numeric=False),
        Column("shape", numeric=False),
        Column("PSNR [dB]"),
        Column("SSIM"),
        Column("gain over LR [dB]"),
        Column("error power where B\N{SUBSCRIPT ONE} < 0.25 (1: left empty)"),
    )
    rows = tuple(
        (
            naming.cell(row.restorer),
            Text(row.shape),
            Number(row.psnr_dB, ".2f", "infinite"),
            Number(row.ssim, ".4f"),
            Number(row.gain_dB, "+.2f", "does not apply"),
            Number(row.weak_error, ".3g", "does not apply"),
        )
        for row in evaluation.shapes
    )
    return (Table("Shapes that no training board shows", columns, rows),)


def _mismatch(evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
    if not evaluation.mismatch:
        return (Absent("Detectors that differ", evaluation.absent["mismatch"]),)
    axis = whisker_axis("change in PSNR [dB]", [row.change_dB for row in evaluation.mismatch])
    columns = (
        Column("restorer", numeric=False),
        Column("condition", numeric=False),
        Column("change in PSNR [dB], 95 % interval"),
        Column("drawn", axis=axis),
        Column("PSNR [dB]"),
        Column("SSIM"),
        Column("images"),
    )
    rows = tuple(
        (
            naming.cell(row.restorer),
            Text(row.condition),
            Interval(row.change_dB, "+.2f"),
            Whisker(row.change_dB, axis, naming.style(row.restorer)),
            Number(row.psnr_dB, ".2f"),
            Number(row.ssim, ".4f"),
            Number(row.images, "d"),
        )
        for row in evaluation.mismatch
    )
    return (Table("Detectors that differ from what the restorer was told", columns, rows),)
