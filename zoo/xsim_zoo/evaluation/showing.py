"""Pictures of single answers: the worst ones, and one that is typical."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from xsim.measure.similarity import psnr_dB, ssim, ssim_map
from xsim_zoo.evaluation.entrants import INPUT
from xsim_zoo.evaluation.judging import BORDER_PX, inner
from xsim_zoo.evaluation.pictures import picture
from xsim_zoo.evaluation.records import Shown
from xsim_zoo.evaluation.subjects import subject_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.records import ImageScore

__all__ = ["Role", "chosen", "show"]

Role = Literal["worst", "typical"]

_WORST = 10
_WORST_QUICK = 3
_WINDOW_PX = 192
_TYPICAL_PX = 512
_GREY_PERCENT = (0.2, 99.8)
_SSIM = (0.0, 1.0)


def chosen(scores: Mapping[str, Sequence[ImageScore]], label: str, *, quick: bool) -> list[tuple[Role, int]]:
    """Return the samples to show of a restorer: one typical for all, then the ten where its own SSIM is lowest.

    The typical one is that whose LR image is of median SSIM, so that all restorers are shown on the same.
    """
    as_it_is, own = (sorted(scores[name], key=lambda score: (score.ssim, score.sample)) for name in (INPUT, label))
    typical: list[tuple[Role, int]] = [("typical", as_it_is[len(as_it_is) // 2].sample)]
    return typical + [("worst", score.sample) for score in own[: _WORST_QUICK if quick else _WORST]]


def show(bench: Bench, label: str, sample: int, role: Role) -> Shown:
    """Restore a sample and cut a window out of it: around its worst place, or from its middle."""
    pair, subject = bench.pair(sample, clean=False), subject_of(bench, label)
    answer = subject.answer(pair.lr, pair.hr, sample)
    likeness = ssim_map(answer, pair.hr)
    psnr = psnr_dB(inner(answer), inner(pair.hr))
    window = _window(likeness, _WINDOW_PX if role == "worst" else _TYPICAL_PX, centred=role == "typical")
    top, left, height, width = window

    def cut(image: NDArray[np.floating]) -> NDArray[np.floating]:
        return image[top : top + height, left : left + width]

    black, white = np.percentile(cut(pair.hr), _GREY_PERCENT).tolist()
    white = max(white, black + 0.01)
    return Shown(
        restorer=label,
        role=role,
        sample=sample,
        family=pair.family,
        design=pair.design,
        psnr_dB=psnr if math.isfinite(psnr) else None,
        ssim=ssim(inner(answer), inner(pair.hr)),
        window=window,
        lr=picture(cut(pair.lr), black, white),
        restored=picture(cut(answer), black, white),
        hr=picture(cut(pair.hr), black, white),
        ssim_map=picture(cut(likeness), *_SSIM),
    )


def _window(likeness: NDArray[np.float64], side: int, *, centred: bool) -> tuple[int, int, int, int]:
    """Return (y, x, height, width) of a window: in the middle, or around the lowest SSIM that is no border."""
    height, width = (min(side, full) for full in likeness.shape)
    middle = [full // 2 for full in likeness.shape]
    if not centred and min(likeness.shape) > 4 * BORDER_PX:
        inside = likeness[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]
        middle = [int(at) + BORDER_PX for at in np.unravel_index(int(np.argmin(inside)), inside.shape)]
    top, left = (
        min(max(at - part // 2, 0), full - part)
        for at, part, full in zip(middle, (height, width), likeness.shape, strict=True)
    )
    return top, left, height, width
