"""What is kept and what is invented, by frequency: power of the answers, and their coherent transfer."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from xsim_zoo.evaluation.probes.base import Derived
from xsim_zoo.evaluation.records import INPUT, Estimate, Finding, ImageScore, Level, MaybeNumbers, Numbers, Row, Verdict
from xsim_zoo.evaluation.report.figures import FREQUENCY, Axis, Chart, ReferenceLine
from xsim_zoo.evaluation.report.tables import Block, Naming
from xsim_zoo.evaluation.results import Chapter, Evaluation, register
from xsim_zoo.evaluation.scores import RING_LP_MM, Scoreboard
from xsim_zoo.evaluation.verdicts import verdict

__all__ = ["Curve", "Power"]

_SHARPNESS_LP_MM = 4.0
"""Frequency of the sharpness: the paper's LR screen passes .22 of what its HR screen does there."""

_SHARPNESS = (0.5, 1.25)
"""Power over that of HR, at that frequency, outside which a restorer is called smoother or livelier than HR."""

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


class Curve(Row):
    """A quantity of a restorer against frequency, with its 95 % interval where there is one."""

    restorer: str
    quantity: str
    frequency_lp_mm: Numbers
    value: MaybeNumbers
    low: MaybeNumbers | None = None
    high: MaybeNumbers | None = None


@register
class Power(Derived):
    """The section ``power``."""

    name = "power"
    title = "Spectra"
    row = Curve
    order = 10
    chapter = Chapter(
        "power",
        "Power by frequency",
        "Radial spectra of the answers against those of HR. A restorer that only smooths falls short on the right; one "
        "that invents stays at 1 in power while its coherent transfer falls.",
        20,
    )
    asked = 30
    side_by_side = True

    def derive(self, board: Scoreboard) -> tuple[Curve, ...]:
        """Return power ratios and coherent transfers: sums over images, so that no image without detail rules.

        Rings are of the same frequencies at every pitch; an image counts in those that its pixels resolve.
        """
        named = zip(_QUANTITIES, ("power_ratio", "transfer"), strict=True)
        return tuple(_curve(board, label, *names) for names in named for label in board.scores)

    def verdict(self, evaluation: Evaluation) -> Verdict | None:
        """Judge the power kept at one high frequency."""
        (low, high), findings = _SHARPNESS, []
        for curve in evaluation.rows(Curve):
            value = curve.value[_place(curve)]
            if curve.quantity == _POWER and curve.restorer != INPUT and value is not None:
                said = ", smoother than HR" if value < low else ", livelier than HR" if value > high else ""
                level: Level = "warn" if said else "pass"
                findings.append(Finding(restorer=curve.restorer, level=level, text=f"{value:.2f}{said}"))
        return verdict("sharpness", f"power at {_SHARPNESS_LP_MM:g} lp/mm over that of HR", findings)

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return power, coherent transfer, and sharpness against fidelity."""
        rows = evaluation.rows(Curve)
        quantities = dict.fromkeys(row.quantity for row in rows)
        charts = [_chart([row for row in rows if row.quantity == quantity], naming) for quantity in quantities]
        if trade := _sharpness_fidelity(evaluation, naming):
            charts.append(trade)
        return tuple(charts)


def _curve(board: Scoreboard, label: str, quantity: str, name: str) -> Curve:
    scores = board.scores[label]
    rings = max(len(score.reference_power) for score in scores)
    found = [_at_ring(board, scores, name, ring) for ring in range(rings)]
    value, low, high = (
        tuple(None if item is None else getattr(item, end) for item in found) for end in ("mean", "low", "high")
    )
    single = len({score.family for score in scores}) < 2
    return Curve(
        restorer=label,
        quantity=quantity,
        frequency_lp_mm=tuple((ring + 1) * RING_LP_MM for ring in range(rings)),
        value=value,
        low=None if single else low,
        high=None if single else high,
    )


def _at_ring(board: Scoreboard, scores: Sequence[ImageScore], name: str, ring: int) -> Estimate | None:
    """Return a ratio of sums over the images whose pixels resolve the ring; None where the reference holds nothing."""
    seen = [score for score in scores if ring < len(score.reference_power)]
    reference = np.array([score.reference_power[ring] for score in seen])
    if not reference.any():
        return None
    ratio = np.array([getattr(score, name)[ring] or 0.0 for score in seen])
    return board.bootstrap([score.family for score in seen]).ratio(reference * ratio, reference)


def _place(curve: Curve) -> int:
    """Return which of a curve's frequencies is nearest that of the sharpness."""
    return int(np.argmin(np.abs(np.array(curve.frequency_lp_mm) - _SHARPNESS_LP_MM)))


def _chart(curves: Sequence[Curve], naming: Naming) -> Chart:
    quantity = curves[0].quantity
    title, label, caption = _QUANTITIES.get(quantity, (quantity, quantity, ""))
    series = tuple(
        naming.curve(curve.restorer, curve.frequency_lp_mm, curve.value, curve.low, curve.high) for curve in curves
    )
    return Chart(
        title,
        Axis.covering(FREQUENCY, [item.x for item in series], 0.0),
        Axis.covering(label, [item.y for item in series], 0.0, 1.0),
        series,
        (ReferenceLine("HR", 1.0),),
        caption,
    )


def _sharpness_fidelity(evaluation: Evaluation, naming: Naming) -> Chart | None:
    """Return each restorer as a point: its PSNR, and the power it keeps at a high frequency."""
    psnr = evaluation.means("psnr_dB")
    series, at = [], _SHARPNESS_LP_MM
    for curve in evaluation.rows(Curve):
        if curve.quantity == _POWER and curve.restorer in psnr:
            index = _place(curve)
            at = curve.frequency_lp_mm[index]
            ends = ([values[index]] for values in (curve.value, curve.low or curve.value, curve.high or curve.value))
            series.append(naming.curve(curve.restorer, [psnr[curve.restorer]], *ends, joined=False))
    if not series:
        return None
    return Chart(
        "Sharpness against fidelity",
        Axis.covering("fidelity: PSNR [dB]", [item.x + margin for item in series for margin in (-0.5, 0.5)]),
        Axis.covering(f"sharpness: power kept at {at:.3g} lp/mm", [item.y for item in series], 0.0, 1.0),
        tuple(series),
        (ReferenceLine("HR", 1.0),),
        "To the right is more faithful pixel by pixel, towards 1 is as sharp as HR. One seldom gets both.",
    )
