"""Consistency: whether an answer, blurred again, explains the measurement."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from xsim_zoo.evaluation.probes.base import Derived
from xsim_zoo.evaluation.records import INPUT, Estimate, Finding, Level, Row, Verdict
from xsim_zoo.evaluation.report.figures import FREQUENCY, Axis, Chart, ReferenceLine
from xsim_zoo.evaluation.report.tables import Block, Cell, Interval, Naming, Number, table_of
from xsim_zoo.evaluation.results import Chapter, Evaluation, register
from xsim_zoo.evaluation.verdicts import verdict

if TYPE_CHECKING:
    from xsim_zoo.evaluation.scores import Scoreboard

__all__ = ["BandScore", "Chi2"]

_FROM_LP_MM = 2.0
"""Below it one link cannot say what many materials do, and chi2 says so too."""

_LIMIT = 1.5
"""chi2 above which an answer contradicts the measurement: halfway to twice the noise."""

_UNSUPPORTED_LIMIT = 0.02
"""Share of the power, at frequencies of which the measurement says nothing, that gives a caution."""


class BandScore(Row):
    """chi2 of a restorer in bands of frequencies: 1 for posterior samples, below 1 for estimates."""

    restorer: str
    band_lp_mm: tuple[tuple[float, float], ...]
    value: tuple[Estimate, ...]


@register
class Chi2(Derived):
    """The section ``chi2``."""

    name = "chi2"
    title = "chi2"
    row = BandScore
    order = 20
    chapter = Chapter(
        "chi2",
        "Consistency",
        "Each answer is blurred as the LR screen blurs and held against the measurement; chi2 is the power of what "
        "remains over that of the noise. 1 is expected of a posterior sample, less of an estimate that leaves noise "
        "out. Above 1 the answer contradicts the measurement: structure was lost or invented.",
        30,
    )
    asked = 20
    side_by_side = True

    def derive(self, board: Scoreboard) -> tuple[BandScore, ...]:
        """Return the mean chi2 of every restorer in every band, over the images that have the band.

        The last band ends at the Nyquist frequency: images of another pitch have another.
        """
        rows = []
        for label, scores in board.scores.items():
            values: dict[tuple[float, float], list[tuple[float, str]]] = {}
            for score in scores:
                for band, value in zip(score.band_lp_mm, score.chi2, strict=True):
                    values.setdefault(band, []).append((value, score.family))
            bands = tuple(sorted(values))
            means = tuple(
                board.bootstrap([family for _, family in values[band]]).mean([value for value, _ in values[band]])
                for band in bands
            )
            rows.append(BandScore(restorer=label, band_lp_mm=bands, value=means))
        return tuple(rows)

    def verdict(self, evaluation: Evaluation) -> Verdict | None:
        """Judge the largest chi2, and power beyond what was measured."""
        beyond = evaluation.means("unsupported")
        findings = []
        for row in evaluation.rows(BandScore):
            bands = zip(row.value, row.band_lp_mm, strict=True)
            judged = [(value.mean, band) for value, band in bands if band[0] >= _FROM_LP_MM]
            if row.restorer == INPUT or not judged:
                continue
            worst, band = max(judged)
            text = f"{worst:.2f} at {band[0]:g} to {band[1]:.3g} lp/mm"
            unsupported = beyond.get(row.restorer, 0.0)
            if unsupported > _UNSUPPORTED_LIMIT:
                text += f", and {100 * unsupported:.1f} % of its power is beyond what was measured"
            level: Level = "fail" if worst > _LIMIT else "warn" if unsupported > _UNSUPPORTED_LIMIT else "pass"
            findings.append(Finding(restorer=row.restorer, level=level, text=text))
        text = f"largest chi2 above {_FROM_LP_MM:g} lp/mm, 1 is noise alone"
        return verdict("consistent with the measurement", text, findings)

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return chi2 against frequency, and in its bands."""
        rows = evaluation.rows(BandScore)
        series = tuple(naming.means(row.restorer, np.mean(row.band_lp_mm, axis=1), row.value) for row in rows)
        bands = list(dict.fromkeys(band for row in rows for band in row.band_lp_mm))
        return (
            Chart(
                "chi2 by frequency",
                Axis.covering(FREQUENCY, [row.band_lp_mm for row in rows], 0.0),
                Axis.covering("chi2", [item.y for item in series], 1.0, log=True),
                series,
                (ReferenceLine("noise alone", 1.0),),
                "Marks stand at the middle of each band; the scale is logarithmic.",
            ),
            table_of(
                "chi2 in bands of frequencies, mean over images with its 95 % interval",
                rows,
                {
                    "restorer": lambda row: naming.cell(row.restorer),
                    **{f"{low:.3g} to {high:.3g} lp/mm": _in_band((low, high)) for low, high in bands},
                },
            ),
        )


def _in_band(band: tuple[float, float]) -> Callable[[BandScore], Cell]:
    def cell(row: BandScore) -> Cell:
        found = dict(zip(row.band_lp_mm, row.value, strict=True))
        return Interval(found[band], ".2f") if band in found else Number(None)

    return cell
