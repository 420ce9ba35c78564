"""The first page: the verdict, the scores at a glance, and images to wipe over one another."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from xsim_zoo.report.section import Absent, Gallery, Section, Slider, Verdicts
from xsim_zoo.report.sections.pictures import cards
from xsim_zoo.report.sections.scores import summary_table

if TYPE_CHECKING:
    from xsim_zoo.evaluation.results import Evaluation
    from xsim_zoo.report.naming import Naming
    from xsim_zoo.report.section import Block

__all__ = ["looks", "verdict"]


def verdict(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the verdict, failed checks first, and the scores at a glance."""
    levels = Counter(check.level for check in evaluation.verdicts)
    data = evaluation.provenance.data
    lead = (
        f"{levels['fail']} of {levels.total()} checks failed, {levels['warn']} ask for caution. "
        f"Judged on {data.images} held-out images of {data.families} families of boards; "
        "intervals are 95 %, by resampling families. Scores do not replace a look at the images below."
    )
    order = ("fail", "warn", "pass")
    checks = sorted(evaluation.verdicts, key=lambda check: order.index(check.level))
    return Section("verdict", "Verdict", lead, (Verdicts(tuple(checks)), summary_table(evaluation, naming)))


def looks(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the slider and the typical images."""
    typical = cards(evaluation, naming, "typical")
    shown = bool(evaluation.shown)
    blocks: tuple[Block, ...] = (
        (Slider(), Gallery(typical)) if shown else (Absent("Images", evaluation.absent["shown"]),)
    )
    lead = "Drag the two dividers, or give them the keyboard: what lies between them is restored. "
    lead += "Below it, the images of median SSIM; the worst have a section of their own."
    return Section("images", "Images", lead if shown else "", blocks)
