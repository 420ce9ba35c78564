"""Contrast transfer of a restorer: groups of five bars, which edges alone do not speak for."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from xsim.errors import InputError
from xsim.grids import nyquist_lp_mm
from xsim.measure.bars import fit_bar_group
from xsim_zoo.evaluation.laboratory import SIDE_PX, Laboratory, Shot
from xsim_zoo.evaluation.records import BarProbe

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.measure.edge import ROI
    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.subjects import Subject

__all__ = ["GROUPS_LP_MM", "contrast_transfer", "group_region", "measure"]

GROUPS_LP_MM = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0)
"""Groups of the target "bars" [lp/mm]."""

_CONTRAST = 0.3
_ANGLE_DEG = 3.0
_DRAWS, _DRAWS_QUICK = 8, 3
_BESIDE_PX = 5


def measure(bench: Bench, subject: Subject) -> list[BarProbe]:
    """Ask a subject for the bars: many draws of the noise, averaged before the groups are fitted."""
    shots, contrast = _shots(bench)
    answers = [subject.answer(shot.lr, shot.hr, shot.number) for shot in shots]
    mean = np.asarray(np.mean(answers, axis=0, dtype=np.float64))
    groups = [lp_mm for lp_mm in GROUPS_LP_MM if lp_mm < nyquist_lp_mm(bench.store.pitch_mm)]
    found = [contrast_transfer(mean, lp_mm, contrast, bench.store.pitch_mm) for lp_mm in groups]
    return [
        BarProbe(
            restorer=subject.label,
            contrast=_CONTRAST,
            draws=len(shots),
            frequency_lp_mm=tuple(groups),
            ctf=tuple(value for value, _ in found),
            standard_error=tuple(error for _, error in found),
        )
    ]


@lru_cache(maxsize=1)
def _shots(bench: Bench) -> tuple[list[Shot], float]:
    """Return shots of the bars, and the contrast of very wide ones [grey]."""
    laboratory = Laboratory.of(bench, "bars")
    thickness = laboratory.thickness_for(_CONTRAST)
    phantom = laboratory.target("bars", thickness_mm=thickness, angle_deg=_ANGLE_DEG)
    draws = _DRAWS_QUICK if bench.options.quick else _DRAWS
    shots = [laboratory.shoot(phantom, draw) for draw in range(draws)]
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
