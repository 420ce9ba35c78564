"""Scores of one image restored in every way, and of the same answers without the grey-level link."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from versus.contenders import with_degradation
from versus.sets import SEED, setup_of
from xsim.measure.similarity import psnr_dB, ssim
from xsim_zoo.evaluation.entrants import Ready
from xsim_zoo.evaluation.judging import Pair, inner, judge
from xsim_zoo.evaluation.spectra import ring_centres

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from versus.sets import Case, Imaged
    from xsim_zoo.evaluation.entrants import Entrant
    from xsim_zoo.evaluation.records import ImageScore
    from xsim_zoo.restorers.base import Restorer

__all__ = ["CHI2_BANDS", "LR", "POWER_LP_MM", "Score", "score_all"]

LR: Final = "LR"
"""Row of the LR image itself, brought to HR grey by the link."""
POWER_LP_MM: Final = (2.0, 4.0, 6.0)
CHI2_BANDS: Final = ("0.3-1", "1-2", "2-4", "4-6")


@dataclass(frozen=True)
class Score:
    """One row on one image.

    Parameters
    ----------
    set_name, condition : str
        See `versus.sets.Case`.
    operator : str
        "own", that of the weights, or "right", that of the detectors which took the image.
    image : ImageScore
        Likeness to HR, power against the noise-free HR image, consistency with LR by the detectors that took it.
    psnr_unlinked_dB, ssim_unlinked : float
        Likeness of the answer left in LR grey, as it is without a grey-level link.
    cpu_s : float
        CPU time of restoring [s].
    """

    set_name: str
    condition: str
    operator: str
    image: ImageScore
    psnr_unlinked_dB: float
    ssim_unlinked: float
    cpu_s: float

    @property
    def row(self) -> str:
        """Who restored, and how."""
        return self.image.restorer

    @property
    def psnr_dB(self) -> float:
        """PSNR against HR [dB]; infinite for equal images."""
        return np.inf if self.image.psnr_dB is None else self.image.psnr_dB

    @property
    def power_clean(self) -> tuple[float, ...]:
        """Power of the noise-free HR image at `POWER_LP_MM`."""
        return self._at(self.image.reference_power)

    @property
    def power(self) -> tuple[float, ...]:
        """Power of the answer at `POWER_LP_MM`."""
        return tuple(
            share * whole for share, whole in zip(self._at(self.image.power_ratio), self.power_clean, strict=True)
        )

    @property
    def shared(self) -> tuple[float, ...]:
        """Power that answer and noise-free HR image have in common at `POWER_LP_MM`."""
        return tuple(
            share * whole for share, whole in zip(self._at(self.image.transfer), self.power_clean, strict=True)
        )

    @property
    def chi2(self) -> tuple[float, ...]:
        """chi2 in `CHI2_BANDS`."""
        return self.image.chi2[: len(CHI2_BANDS)]

    def _at(self, rings: tuple[float | None, ...]) -> tuple[float, ...]:
        centres = ring_centres(setup_of(self.condition).pitch_mm).tolist()
        return tuple(rings[centres.index(frequency)] or 0.0 for frequency in POWER_LP_MM)

    def flat(self) -> dict[str, Any]:
        """Return one CSV line; powers and chi2 have a column each."""
        at_frequency = {
            f"{what}_{frequency:g}": value
            for what in ("power", "power_clean", "shared")
            for frequency, value in zip(POWER_LP_MM, getattr(self, what), strict=True)
        }
        return {
            "set": self.set_name,
            "condition": self.condition,
            "board": self.image.family,
            "image": self.image.sample,
            "restorer": self.row,
            "operator": self.operator,
            "psnr_dB": self.psnr_dB,
            "ssim": self.image.ssim,
            "psnr_unlinked_dB": self.psnr_unlinked_dB,
            "ssim_unlinked": self.ssim_unlinked,
            **at_frequency,
            **{f"chi2_{band}": value for band, value in zip(CHI2_BANDS, self.chi2, strict=True)},
            "cpu_s": self.cpu_s,
        }


@lru_cache(maxsize=64)
def _told(row: Entrant, condition: str) -> Ready:
    """Return a restorer that knows the detectors of a condition."""
    return with_degradation(Ready.load(row, "cpu"), setup_of(condition).degradation())


def score_all(case: Case, imaged: Imaged, rows: Sequence[Entrant]) -> list[Score]:
    """Restore one image in every way and score the answers, LR itself first.

    Where the detectors are not the paper's, every restorer answers twice: as its weights know the detectors, and
    told of the ones that took the image.
    """
    found: list[Score] = []
    judge_physics = _told(rows[0], case.condition).restorer
    for row in rows:
        own = Ready.load(row, "cpu")
        if own.restorer.link is not None and not found:
            found.append(_score(case, imaged, own, "own", judge_physics, untouched=True))
        found.append(_score(case, imaged, own, "own", judge_physics))
        if case.condition != "paper":
            found.append(_score(case, imaged, _told(row, case.condition), "right", judge_physics))
    return found


def _score(
    case: Case, imaged: Imaged, ready: Ready, operator: str, judge_physics: Restorer, *, untouched: bool = False
) -> Score:
    setup = setup_of(case.condition)
    link = ready.restorer.physics.degradation.link
    spent: list[float] = []
    answers: list[NDArray[np.float32]] = []

    def restore(lr: NDArray[np.float32]) -> NDArray[np.float32]:
        start = time.process_time()
        answers.append(link.inverse(lr) if untouched else ready.answer(lr, seed=SEED, sample=case.number))
        spent.append(0.0 if untouched else time.process_time() - start)
        return answers[0]

    pair = Pair(
        lr=imaged.lr,
        hr=imaged.hr,
        clean=imaged.hr_clean,
        sample=case.number,
        family=case.cluster,
        design=case.boards,
        setup=0,
        kerma_uGy=setup.kerma_uGy,
        pitch_mm=setup.pitch_mm,
    )
    image = judge(LR if untouched else ready.entrant.label, pair, restore, judge_physics)
    unlinked = answers[0] if ready.restorer.link is None else np.asarray(link.forward(answers[0]))
    likeness = [measure(inner(unlinked), inner(imaged.hr)) for measure in (psnr_dB, ssim)]
    return Score(case.set_name, case.condition, operator, image, *likeness, spent[0])
