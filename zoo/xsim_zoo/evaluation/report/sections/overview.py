"""The first page: the verdict, the scores at a glance, and images to wipe over one another."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from xsim_zoo.evaluation.report.section import Absent, Gallery, Section, Slider, Verdicts
from xsim_zoo.evaluation.report.sections.glance import glance
from xsim_zoo.evaluation.report.sections.pictures import cards

if TYPE_CHECKING:
    from xsim_zoo.evaluation.report.naming import Naming
    from xsim_zoo.evaluation.report.section import Block
    from xsim_zoo.evaluation.results import Evaluation

__all__ = ["looks", "verdict"]


def verdict(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the verdict, failed checks first, and the scores at a glance."""
    levels = Counter(check.level for check in evaluation.verdicts)
    data = evaluation.provenance.data
    lead = (
        f"Of {levels.total()} checks {levels['fail']} failed, {levels['warn']} ended with a caution and "
        f"{levels['pass']} passed. Judged on {data.images} images of {data.families} families of boards; "
        "intervals come from drawing families anew. Scores do not replace a look at the images below."
    )
    order = ("fail", "warn", "pass")
    checks = sorted(evaluation.verdicts, key=lambda check: order.index(check.level))
    return Section("verdict", "Verdict", lead, (Verdicts(tuple(checks)), glance(evaluation, naming)))


def looks(evaluation: Evaluation, naming: Naming) -> Section:
    """Return the slider and the typical images."""
    typical = cards([shown for shown in evaluation.shown if shown.role == "typical"], naming)
    shown = bool(evaluation.shown)
    blocks: tuple[Block, ...] = (
        (Slider(), Gallery(typical)) if shown else (Absent("Images", evaluation.absent["shown"]),)
    )
    lead = (
        "What lies between the two dividers is restored: drag them, or move them by the arrow keys. One pixel is "
        f"{evaluation.provenance.data.pitch_mm:g} mm. Below it is a typical image, whose LR is of median SSIM; the "
        "worst have a section of their own, and can be chosen here as well."
    )
    return Section("images", "Images", lead if shown else "", blocks)
