"""Contrast transfer of a restorer: groups of five bars, which edges alone do not speak for."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.grids import nyquist_lp_mm
from xsim.measure.bars import fit_bar_group
from xsim.measure.checks import ROI
from xsim_zoo.evaluation.probes.base import SIDE_PX, Probe, ProbeSetup, ProbeShot
from xsim_zoo.evaluation.records import INPUT, TRUTH, MaybeNumbers, Numbers, Row
from xsim_zoo.evaluation.report.figures import Axis, Chart, ReferenceLine, numbers
from xsim_zoo.evaluation.report.tables import Block, Naming
from xsim_zoo.evaluation.results import Chapter, Evaluation, register

if TYPE_CHECKING:
    from xsim_zoo.evaluation.competitor import Answering
    from xsim_zoo.evaluation.context import EvaluationContext

__all__ = ["GROUPS_LP_MM", "BarProbe", "Bars", "contrast_transfer", "group_region"]

GROUPS_LP_MM = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Groups of the target "bars" [lp/mm]."""

_CONTRAST = 0.3
"""Contrast of very wide bars, the middle one of the edges."""

_ANGLE_DEG = 3.0
"""The bars lean as slanted edges do, so that they meet every phase of the pixels."""

_DRAWS, _DRAWS_QUICK = 8, 3
"""Draws of the noise that are averaged."""

_BESIDE_PX = 5
"""Pixels beside a group that its region takes in."""


class BarProbe(Row):
    """Modulation of bar groups over that of very wide bars; the restorers "lr" and "hr" are the two images."""

    restorer: str
    contrast: float
    draws: int
    frequency_lp_mm: Numbers
    ctf: MaybeNumbers
    standard_error: MaybeNumbers


@register
class Bars(Probe):
    """The section ``bars``."""

    name = "bars"
    title = "Bar groups"
    row = BarProbe
    order = 50
    chapter = Chapter(
        "bars",
        "Bars (CTF)",
        "Modulation of bar groups over that of very wide bars. Bars are square waves: their CTF reads up to 27 % above "
        "an MTF of the same system. Bands are two standard errors.",
        50,
    )
    side_by_side = True
    beside = (INPUT, TRUTH)
    cost = 2

    def measure(self, context: EvaluationContext, asked: Answering) -> list[BarProbe]:
        """Ask for the bars: many draws of the noise, averaged before the groups are fitted."""
        shots, contrast = _shots(context)
        mean = np.asarray(np.mean([shot.answer_of(asked) for shot in shots], axis=0, dtype=np.float64))
        pitch_mm = context.probe_setup.pitch_mm
        groups = [lp_mm for lp_mm in GROUPS_LP_MM if lp_mm < nyquist_lp_mm(pitch_mm)]
        found = [contrast_transfer(mean, lp_mm, contrast, pitch_mm) for lp_mm in groups]
        return [
            BarProbe(
                restorer=asked.label,
                contrast=_CONTRAST,
                draws=len(shots),
                frequency_lp_mm=tuple(groups),
                ctf=tuple(value for value, _ in found),
                standard_error=tuple(error for _, error in found),
            )
        ]

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return the modulation of bar groups."""
        rows = evaluation.rows(BarProbe)
        series = []
        for row in rows:
            ctf, error = numbers(row.ctf), numbers(row.standard_error)
            series.append(naming.curve(row.restorer, row.frequency_lp_mm, ctf, ctf - 2 * error, ctf + 2 * error))
        return (
            Chart(
                f"CTF at {100 * rows[0].contrast:g} % contrast",
                Axis.covering("bar frequency [lp/mm]", [item.x for item in series], 0.0),
                Axis.covering("CTF", [item.y for item in series], 0.0, 1.0),
                tuple(series),
                (ReferenceLine("full modulation", 1.0),),
            ),
        )


@lru_cache(maxsize=1)
def _shots(context: EvaluationContext) -> tuple[list[ProbeShot], float]:
    """Return shots of the bars, and the contrast of very wide ones [grey]."""
    setup = ProbeSetup.of(context, "bars")
    thickness = setup.thickness_for(_CONTRAST)
    phantom = setup.target("bars", thickness_mm=thickness, angle_deg=_ANGLE_DEG)
    draws = _DRAWS_QUICK if context.options.quick else _DRAWS
    shots = [setup.shoot(phantom, draw) for draw in range(draws)]
    # Nothing but the plate lies in the image's brightest hundredth.
    return shots, _CONTRAST * float(np.quantile(shots[0].clean, 0.99))


def group_region(lp_mm: float, pitch_mm: float, side_px: int = SIDE_PX) -> ROI:
    """Return the region (x, y, width, height) inside the bars' length that holds one group [px]."""
    place = GROUPS_LP_MM.index(lp_mm)
    x, y = (-0.22 if place < 5 else 0.22) * side_px, (0.18 * (place % 5) - 0.36) * side_px
    angle = math.radians(_ANGLE_DEG)
    across, down = x * math.cos(angle) - y * math.sin(angle), x * math.sin(angle) + y * math.cos(angle)
    width, height = round(4.5 / lp_mm / pitch_mm) + 2 * _BESIDE_PX, round(0.075 * side_px)
    left, top = round(across + side_px / 2 - width / 2), round(down + side_px / 2 - height / 2)
    left = max(left, 0)
    return left, top, min(width, side_px - left), height


def contrast_transfer(
    image: NDArray[np.floating], lp_mm: float, contrast: float, pitch_mm: float
) -> tuple[float | None, float | None]:
    """Return a group's modulation over that of very wide bars and its standard error; None where none is seen."""
    try:
        group = fit_bar_group(
            image,
            pitch_mm,
            group_region(lp_mm, pitch_mm, image.shape[0]),
            vertical=True,
            frequency_lp_mm=lp_mm,
            # A target turned by an angle has bars that lean the other way.
            slope=-math.tan(math.radians(_ANGLE_DEG)),
            bars=5,
        )
    except InputError:
        return None, None
    return group.modulation / contrast, group.standard_error / contrast
