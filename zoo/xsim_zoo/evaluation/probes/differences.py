"""Paired differences between restorers, and what training adds to the best restorer without it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from xsim_zoo.evaluation.probes.base import Derived
from xsim_zoo.evaluation.records import INPUT, Estimate, Finding, Row, Verdict
from xsim_zoo.evaluation.report.tables import Block, Interval, Naming, Number, Table, Whisker, table_of, whisker_axis
from xsim_zoo.evaluation.results import Chapter, Evaluation, register
from xsim_zoo.evaluation.scores import METRICS, Scoreboard
from xsim_zoo.evaluation.statistics import holm
from xsim_zoo.evaluation.verdicts import interval, level_of, negated, verdict

__all__ = ["Difference", "Differences"]

_COMPARED = ("psnr_dB", "ssim", "rmse")
"""Metrics whose differences are tested; each more would weaken the tests of all."""


class Difference(Row):
    """A metric of ``restorer`` less that of ``against``, paired by image; ``p`` is adjusted by Holm's method."""

    restorer: str
    against: str
    metric: str
    unit: str
    estimate: Estimate
    p: float
    images: int
    families: int


@register
class Differences(Derived):
    """The section ``differences``."""

    name = "differences"
    title = "Differences"
    row = Difference
    order = 30
    chapter = Chapter(
        "differences",
        "Differences",
        "Each restorer less another on the same images. An interval that does not touch 0 shows a difference on boards "
        "like these; p is adjusted for the number of comparisons (Holm).",
        10,
    )
    asked = 10

    def derive(self, board: Scoreboard) -> tuple[Difference, ...]:
        """Return each restorer less each one named before it, on images where both are finite; p by Holm."""
        labels = [label for label in board.scores if label != INPUT]
        rows: list[Difference] = []
        for metric in _COMPARED:
            found = [row for one, two in combinations(labels, 2) if (row := _difference(board, two, one, metric))]
            adjusted = holm([row.p for row in found])
            rows += [row.model_copy(update={"p": p}) for row, p in zip(found, adjusted, strict=True)]
        return tuple(rows)

    def verdict(self, evaluation: Evaluation) -> Verdict | None:
        """Judge every learned restorer against the best one that does not learn."""
        psnr = evaluation.means("psnr_dB")
        classical = [one.label for one in evaluation.provenance.contenders if not one.learned and one.label in psnr]
        best = max(classical, key=lambda label: psnr[label], default="")
        text = f"PSNR less that of {best}, the best without training"
        return verdict("learned against classical", text, _learned(evaluation, best))

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return one forest plot for each metric."""
        rows = evaluation.rows(Difference)
        metrics = dict.fromkeys((row.metric, row.unit) for row in rows)
        return tuple(_forest([row for row in rows if (row.metric, row.unit) == metric], naming) for metric in metrics)


def _difference(board: Scoreboard, label: str, against: str, metric: str) -> Difference | None:
    others = {score.sample: getattr(score, metric) for score in board.scores[against]}
    known = [
        (value - other, score.family)
        for score in board.scores[label]
        if (value := getattr(score, metric)) is not None and (other := others.get(score.sample)) is not None
    ]
    if not known:
        return None
    bootstrap = board.bootstrap([family for _, family in known])
    changes = [change for change, _ in known]
    return Difference(
        restorer=label,
        against=against,
        metric=metric,
        unit=METRICS[metric],
        estimate=bootstrap.mean(changes),
        p=bootstrap.p_value(changes),
        images=len(known),
        families=bootstrap.count,
    )


def _learned(evaluation: Evaluation, best: str) -> Iterator[Finding]:
    """Compare every learned restorer with the best one that does not learn, on the same images."""
    learned = {one.label for one in evaluation.provenance.contenders if one.learned}
    for row in evaluation.rows(Difference):
        other = row.against if row.restorer == best else row.restorer
        if row.metric == "psnr_dB" and best in (row.restorer, row.against) and other in learned:
            estimate = row.estimate if row.against == best else negated(row.estimate)
            yield Finding(restorer=other, level=level_of(estimate), text=interval(estimate, "dB"))


def _forest(found: Sequence[Difference], naming: Naming) -> Table:
    metric = naming.metric(found[0].metric, found[0].unit)
    spec = metric.spec if metric.spec.startswith("+") else f"+{metric.spec}"
    axis = whisker_axis(f"difference in {metric.label}", [row.estimate for row in found])
    return table_of(
        f"Paired differences in {metric.label} ({metric.better})",
        found,
        {
            "restorer": lambda row: naming.cell(row.restorer),
            "less": lambda row: naming.cell(row.against),
            "difference, 95 % interval": lambda row: Interval(row.estimate, spec),
            "drawn": lambda row: Whisker(row.estimate, axis, naming.style(row.restorer)),
            "p": lambda row: Number(row.p, ".2g"),
            "images": lambda row: Number(row.images, "d"),
            "families": lambda row: Number(row.families, "d"),
        },
    )
