"""Verdicts on the inspection tasks: whether a restorer does better than the LR image, where HR shows that one can."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xsim_zoo.evaluation.entrants import INPUT, TRUTH
from xsim_zoo.evaluation.finding import interval, level_of, negated, verdict
from xsim_zoo.evaluation.records import Estimate, Finding

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xsim_zoo.evaluation.records import Level, Verdict
    from xsim_zoo.evaluation.results import Evaluation
    from xsim_zoo.evaluation.task_records import OpenScore

__all__ = ["features", "tracks", "voids"]

_HR_FINDS = 0.75
_LR_MISSES = 0.95
"""AUCs between which there is something to gain: what HR does not find no restorer can be asked for."""


def voids(evaluation: Evaluation) -> Verdict | None:
    """Judge the error of void areas, in % of the ball, against that on the LR image."""
    rows = {row.restorer: row for row in evaluation.voids}
    if INPUT not in rows or TRUTH not in rows:
        return None
    before, best = rows[INPUT].mean_absolute_error, rows[TRUTH].mean_absolute_error
    findings = [
        Finding(
            restorer=label,
            level=level_of(negated(rows[label].change)),
            text=f"{rows[label].mean_absolute_error:.2f} ({interval(rows[label].change)})",
        )
        for label in evaluation.labels
        if label in rows and best < before
    ]
    text = f"mean error in % of the ball, in brackets its change from LR; on LR {before:.2f}, on HR {best:.2f}"
    return verdict("area of voids", text, findings)


def tracks(evaluation: Evaluation) -> Verdict | None:
    """Judge the detectability of open tracks, for gaps that HR finds and LR partly misses."""
    rows = {(row.restorer, row.gap_mm, row.copper_mm): row for row in evaluation.opens}
    asked = [
        place
        for (label, *place), row in rows.items()
        if label == TRUTH
        and (row.auc.low if row.auc.low is not None else row.auc.mean) >= _HR_FINDS
        and (INPUT, *place) in rows
        and rows[INPUT, place[0], place[1]].auc.mean <= _LR_MISSES
    ]
    findings = []
    for label in evaluation.labels:
        found = [rows[label, gap, copper] for gap, copper in asked if (label, gap, copper) in rows]
        if found:
            findings.append(_track(label, found))
    text = "AUC of a matched filter, its mean change from LR, for gaps that HR shows and LR partly hides"
    return verdict("open tracks", text, findings)


def _track(label: str, rows: list[OpenScore]) -> Finding:
    """Return the finding on one restorer, from its mean change over the gaps.

    All gaps share their sound tracks: the mean of the interval's ends is the interval of a mean of wholly dependent
    changes, the widest there can be.
    """
    mean, low, high = (
        float(np.mean([row.change.mean if (value := getattr(row.change, end)) is None else value for row in rows]))
        for end in ("mean", "low", "high")
    )
    change = Estimate(mean=mean, low=low, high=high)
    level = level_of(change)
    text = f"{interval(change, digits=3)} over {len(rows)} gaps"
    return Finding(restorer=label, level=level, text=f"{text}: no help" if level == "warn" else text)


def features(evaluation: Evaluation) -> Verdict | None:
    """Judge small features missed at one rate of false calls, and features invented."""
    rows = {row.restorer: row for row in evaluation.features}
    if INPUT not in rows:
        return None

    def findings() -> Iterator[Finding]:
        for label in evaluation.labels:
            if label not in rows:
                continue
            row = rows[label]
            invents = row.invented > rows[INPUT].invented
            level: Level = "fail" if invents else level_of(negated(row.change))
            text = f"{row.missed} missed ({interval(row.change, 'per cm2', 1)})"
            yield Finding(restorer=label, level=level, text=f"{text}, {row.invented} invented")

    before = rows[INPUT]
    text = (
        f"of {before.features} dots at one false call per cm2, in brackets the change from LR; on LR {before.missed} "
        f"missed, {before.invented} invented"
    )
    return verdict("small features", text, findings())
