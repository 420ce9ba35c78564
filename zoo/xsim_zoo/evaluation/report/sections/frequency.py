"""What is kept and what is invented, by frequency: power, transfer, consistency, and sharpness against fidelity."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xsim_zoo.evaluation.report.axes import Axis
from xsim_zoo.evaluation.report.charts import Chart, Rule, Series, numbers
from xsim_zoo.evaluation.report.section import Absent, Section
from xsim_zoo.evaluation.report.tables import Column, Interval, Number, Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation.records import BandScore, Curve
    from xsim_zoo.evaluation.report.naming import Naming
    from xsim_zoo.evaluation.report.section import Block
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["FREQUENCY", "consistency", "power"]

FREQUENCY = "spatial frequency [lp/mm]"
_SHARPNESS_LP_MM = 4.0
_POWER = "power ratio"
_QUANTITIES = {
    _POWER: (
        "Power kept",
        "power, restored over HR",
        "1 is the power of HR. Above 1, structure or noise is added; below 1, it is lost.",
    ),
    "coherent transfer": (
        "Coherent transfer",
        "transfer of HR's structure",
        "What of HR's structure stands in the answer at its place: invented detail adds power, but nothing here.",
    ),
}


def power(evaluation: Evaluation, naming: Naming) -> Section:
    """Return power, coherent transfer, and sharpness against fidelity."""
    lead = (
        "Radial spectra of the answers against those of HR. A restorer that only smooths falls short on the right; one "
        "that invents stays at 1 in power while its coherent transfer falls."
    )
    if not evaluation.power:
        return Section("power", "Power by frequency", "", (Absent("Spectra", evaluation.absent["power"]),))
    quantities = dict.fromkeys(curve.quantity for curve in evaluation.power)
    blocks: list[Block] = [
        _curves([curve for curve in evaluation.power if curve.quantity == quantity], naming) for quantity in quantities
    ]
    if trade := _sharpness_fidelity(evaluation, naming):
        blocks.append(trade)
    return Section("power", "Power by frequency", lead, tuple(blocks))


def _curves(curves: Sequence[Curve], naming: Naming) -> Chart:
    quantity = curves[0].quantity
    title, label, caption = _QUANTITIES.get(quantity, (quantity, quantity, ""))
    series = tuple(
        Series(
            naming.name(curve.restorer),
            np.array(curve.frequency_lp_mm),
            numbers(curve.value),
            naming.style(curve.restorer),
            None if curve.low is None else numbers(curve.low),
            None if curve.high is None else numbers(curve.high),
        )
        for curve in curves
    )
    return Chart(
        title,
        Axis.covering(FREQUENCY, [item.x for item in series], 0.0),
        Axis.covering(label, [item.y for item in series], 0.0, 1.0),
        series,
        (Rule("HR", 1.0),),
        caption,
    )


def _sharpness_fidelity(evaluation: Evaluation, naming: Naming) -> Chart | None:
    """Return each restorer as a point: its PSNR, and the power it keeps at a high frequency."""
    psnr = {row.restorer: row.estimate.mean for row in evaluation.summary if row.metric == "psnr_dB"}
    series, at = [], _SHARPNESS_LP_MM
    for curve in evaluation.power:
        if curve.quantity == _POWER and curve.restorer in psnr:
            index = int(np.argmin(np.abs(np.array(curve.frequency_lp_mm) - _SHARPNESS_LP_MM)))
            at = curve.frequency_lp_mm[index]
            here = np.array([psnr[curve.restorer]])
            value, low, high = (
                numbers(values[index : index + 1])
                for values in (curve.value, curve.low or curve.value, curve.high or curve.value)
            )
            series.append(
                Series(naming.name(curve.restorer), here, value, naming.style(curve.restorer), low, high, joined=False)
            )
    if not series:
        return None
    return Chart(
        "Sharpness against fidelity",
        Axis.covering("fidelity: PSNR [dB]", [item.x + margin for item in series for margin in (-0.5, 0.5)]),
        Axis.covering(f"sharpness: power kept at {at:.3g} lp/mm", [item.y for item in series], 0.0, 1.0),
        tuple(series),
        (Rule("HR", 1.0),),
        "To the right is more faithful pixel by pixel, towards 1 is as sharp as HR. One seldom gets both.",
    )


def consistency(evaluation: Evaluation, naming: Naming) -> Section:
    """Return chi2 in bands: whether the answer, blurred again, explains the measurement."""
    if not evaluation.chi2:
        return Section("chi2", "Consistency", "", (Absent("chi2", evaluation.absent["chi2"]),))
    lead = (
        "Each answer is blurred as the LR screen blurs and held against the measurement; chi2 is the power of what "
        "remains over that of the noise. 1 is expected of a posterior sample, less of an estimate that leaves noise "
        "out. Above 1 the answer contradicts the measurement: structure was lost or invented."
    )
    return Section("chi2", "Consistency", lead, (_chi2_chart(evaluation, naming), _chi2_table(evaluation, naming)))


def _chi2_chart(evaluation: Evaluation, naming: Naming) -> Chart:
    def curve(score: BandScore) -> Series:
        means, lows, highs = (numbers(getattr(value, end) for value in score.value) for end in ("mean", "low", "high"))
        middles = np.mean(score.band_lp_mm, axis=1)
        return Series(naming.name(score.restorer), middles, means, naming.style(score.restorer), lows, highs)

    series = tuple(curve(score) for score in evaluation.chi2)
    edges = [score.band_lp_mm for score in evaluation.chi2]
    return Chart(
        "chi2 by frequency",
        Axis.covering(FREQUENCY, edges, 0.0),
        Axis.covering("chi2", [item.y for item in series], 1.0, log=True),
        series,
        (Rule("noise alone", 1.0),),
        "Marks stand at the middle of each band; the scale is logarithmic.",
    )


def _chi2_table(evaluation: Evaluation, naming: Naming) -> Table:
    bands = list(dict.fromkeys(band for score in evaluation.chi2 for band in score.band_lp_mm))
    rows = []
    for score in evaluation.chi2:
        found = dict(zip(score.band_lp_mm, score.value, strict=True))
        cells = (Interval(found[band], ".2f") if band in found else Number(None) for band in bands)
        rows.append((naming.cell(score.restorer), *cells))
    columns = (
        Column("restorer", numeric=False),
        *(Column(f"{low:.3g} to {high:.3g} lp/mm") for low, high in bands),
    )
    return Table("chi2 in bands of frequencies, mean over images with its 95 % interval", columns, tuple(rows))
