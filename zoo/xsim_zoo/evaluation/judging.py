"""One answer against its pair: likeness, power, and consistency with the measurement."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xsim.errors import InputError
from xsim.measure.similarity import psnr_dB, rmse, ssim
from xsim_zoo.check.consistency import check
from xsim_zoo.evaluation.records import ImageScore
from xsim_zoo.evaluation.spectra import ring_powers

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from xsim_zoo.restorers.base import Restorer

__all__ = ["BORDER_PX", "Pair", "inner", "judge"]

BORDER_PX = 16
"""Border that counts in no metric: what lies beyond the picture blurs into it [px]."""

_RANGE = (0.0, 1.1)


@dataclass(frozen=True)
class Pair:
    """A held-out pair with what is known about it.

    Parameters
    ----------
    lr, hr : (H, W) float32 arrays
        The images, open field 1.0.
    clean : (H, W) float32 array or None
        HR without noise, where it can be simulated again.
    sample : int
        Its number in the store.
    family, design : str
        Its board family and kind of board.
    setup : int
        Which of the store's set-ups took it.
    kerma_uGy : float or None
        Its dose.
    pitch_mm : float
        Pixel pitch [mm].
    """

    lr: NDArray[np.float32]
    hr: NDArray[np.float32]
    clean: NDArray[np.float32] | None
    sample: int
    family: str
    design: str
    setup: int
    kerma_uGy: float | None
    pitch_mm: float


def inner(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image without its border, or whole where it is too small to have one."""
    if min(image.shape) <= 4 * BORDER_PX:
        return image
    return image[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]


def judge(
    label: str, pair: Pair, restore: Callable[[NDArray[np.float32]], NDArray[np.float32]], physics: Restorer
) -> ImageScore:
    """Restore a pair's LR image and score the answer.

    Parameters
    ----------
    label : str
        What the tables call the restorer.
    pair : Pair
        The pair.
    restore : callable
        LR image to answer, (H, W) each.
    physics : Restorer
        Whose physics says what the measurement should look like: that of the data where it is known, so that a
        restorer does not vouch for itself.

    Raises
    ------
    InputError
        If the answer is not finite.
    """
    began = time.perf_counter()
    answer = restore(pair.lr)
    seconds = time.perf_counter() - began
    if not np.isfinite(answer).all():
        raise InputError(f"'{label}' answers sample {pair.sample} with pixels that are not finite: check its weights")
    x, hr = inner(answer), inner(pair.hr)
    likeness = psnr_dB(x, hr)
    consistency = check(pair.lr, answer, physics)
    powers = ring_powers(x, hr if pair.clean is None else inner(pair.clean), pair.pitch_mm)
    return ImageScore(
        restorer=label,
        sample=pair.sample,
        family=pair.family,
        design=pair.design,
        setup=pair.setup,
        kerma_uGy=pair.kerma_uGy,
        psnr_dB=likeness if math.isfinite(likeness) else None,
        ssim=ssim(x, hr),
        rmse=rmse(x, hr),
        bias=float(np.mean(x - hr, dtype=np.float64)),
        band_lp_mm=consistency.band_lp_mm,
        chi2=consistency.chi2,
        unsupported=consistency.power_beyond,
        grey_residual=consistency.grey_residual,
        reference_power=tuple(powers.reference.tolist()),
        power_ratio=_over(powers.answer, powers.reference),
        transfer=_over(powers.cross, powers.reference),
        outside=float(np.mean((x < _RANGE[0]) | (x > _RANGE[1]))),
        seconds=seconds,
    )


def _over(part: NDArray[np.float64], whole: NDArray[np.float64]) -> tuple[float | None, ...]:
    """Return ratios; None where the reference holds nothing."""
    return tuple(float(p / w) if w > 0 else None for p, w in zip(part, whole, strict=True))
