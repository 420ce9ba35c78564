"""The sections of the page, in the order in which a sceptic would ask."""

from __future__ import annotations

from typing import TYPE_CHECKING

from xsim_zoo.evaluation.report.sections.closing import files, limits, provenance
from xsim_zoo.evaluation.report.sections.frequency import consistency, power
from xsim_zoo.evaluation.report.sections.overview import looks, verdict
from xsim_zoo.evaluation.report.sections.pictures import worst
from xsim_zoo.evaluation.report.sections.probes import bars, edges, noise
from xsim_zoo.evaluation.report.sections.scores import differences, scores
from xsim_zoo.evaluation.report.sections.tasks import tasks
from xsim_zoo.evaluation.report.sections.trust import trust

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation.report.naming import Naming
    from xsim_zoo.evaluation.report.section import Section
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["sections"]

_MEASURED = (verdict, looks, scores, differences, power, consistency, edges, bars, noise, tasks, trust, worst)


def sections(evaluation: Evaluation, naming: Naming, names: Sequence[str]) -> tuple[Section, ...]:
    """Return every section of the report; ``names`` are the files beside it."""
    measured = tuple(section(evaluation, naming) for section in _MEASURED)
    return (*measured, provenance(evaluation, naming), limits(evaluation), files(names))
