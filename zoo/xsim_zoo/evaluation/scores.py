"""One answer against its pair, and the scores of all restorers on all images."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property, partial
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.grids import nyquist_lp_mm, radial_mean
from xsim.measure.similarity import psnr_dB, rmse, ssim
from xsim_zoo.check.consistency import check
from xsim_zoo.evaluation.records import ImageScore, MetricSummary, finite
from xsim_zoo.evaluation.statistics import Bootstrap

if TYPE_CHECKING:
    from xsim_zoo.evaluation.pairs import HeldOutPair
    from xsim_zoo.restorers.base import Restorer

__all__ = [
    "BORDER_PX",
    "METRICS",
    "RING_LP_MM",
    "RingPowers",
    "Scoreboard",
    "inner",
    "judge",
    "ring_centres",
    "ring_powers",
]

BORDER_PX = 16
"""Border that counts in no metric: what lies beyond the picture blurs into it [px]."""

METRICS = {"psnr_dB": "dB", "ssim": "", "rmse": "grey", "bias": "grey", "unsupported": "", "outside": ""}
"""Metrics of the summary and their units."""

_RANGE = (0.0, 1.1)
"""Grey levels that an image should hold: from black to a tenth above the open field, room for its noise."""

RING_LP_MM = 0.5
"""Width of the rings [lp/mm]: on an image of 256 pixels of 0.048 mm each holds six frequencies across."""


def ring_centres(pitch_mm: float) -> NDArray[np.float64]:
    """Return the centres of rings 0.5 lp/mm wide, from 0.5 lp/mm to the last one within Nyquist [lp/mm]."""
    count = int((nyquist_lp_mm(pitch_mm) - RING_LP_MM / 2) / RING_LP_MM + 1e-9)
    return np.arange(1, count + 1, dtype=np.float64) * RING_LP_MM


class RingPowers(NamedTuple):
    """Spectra <|R|^2> of a reference and <|X|^2> of an answer, and Re <R* X>, averaged over rings, (n,) each."""

    reference: NDArray[np.float64]
    answer: NDArray[np.float64]
    cross: NDArray[np.float64]


def ring_powers(answer: NDArray[np.floating], reference: NDArray[np.floating], pitch_mm: float) -> RingPowers:
    """Compare the spectra of two images (H, W) without their means, under a Hann window of unit mean square.

    Without the window the steps between opposite borders would leak over all frequencies.
    """
    shape = (answer.shape[0], answer.shape[1])
    window = np.outer(np.hanning(shape[0]), np.hanning(shape[1]))
    window /= np.sqrt(np.mean(window**2))
    X, R = (scipy.fft.rfft2((image - np.mean(image)) * window, norm="ortho") for image in (answer, reference))
    centres = ring_centres(pitch_mm)
    edges = np.append(centres - RING_LP_MM / 2, centres[-1] + RING_LP_MM / 2)
    means = [
        radial_mean(values, shape, pitch_mm, edges)[0]
        for values in (np.abs(R) ** 2, np.abs(X) ** 2, (R.conj() * X).real)
    ]
    return RingPowers(*means)


def inner(image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an image without its border, or whole where it is too small to have one."""
    if min(image.shape) <= 4 * BORDER_PX:
        return image
    return image[BORDER_PX:-BORDER_PX, BORDER_PX:-BORDER_PX]


def judge(
    label: str, pair: HeldOutPair, restore: Callable[[NDArray[np.float32]], NDArray[np.float32]], physics: Restorer
) -> ImageScore:
    """Restore a pair's LR image and score the answer.

    Parameters
    ----------
    label : str
        What the tables call the restorer.
    pair : HeldOutPair
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
    consistency = check(pair.lr, answer, physics)
    powers = ring_powers(x, hr if pair.clean is None else inner(pair.clean), pair.pitch_mm)
    return ImageScore(
        restorer=label,
        **{name: getattr(pair, name) for name in ("sample", "family", "design", "setup", "kerma_uGy")},
        psnr_dB=finite(psnr_dB(x, hr)),
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


@dataclass(frozen=True, eq=False)
class Scoreboard:
    """The scores of all restorers; one that does not fit the detectors of an image has no score on it.

    Parameters
    ----------
    scores : dict of label to list of ImageScore
        The LR image as it is among them.
    resamples, seed : int
        Of the bootstrap.
    """

    scores: dict[str, list[ImageScore]]
    resamples: int = 2000
    seed: int = 0

    def bootstrap(self, families: Sequence[str]) -> Bootstrap:
        """Return the bootstrap over the families of some images."""
        return self._bootstrap(tuple(families))

    @cached_property
    def _bootstrap(self) -> Callable[[tuple[str, ...]], Bootstrap]:
        return cache(partial(Bootstrap, resamples=self.resamples, seed=self.seed))

    def summary(self) -> tuple[MetricSummary, ...]:
        """Return every metric of every restorer; images of infinite PSNR are counted apart."""
        rows = []
        for metric, unit in METRICS.items():
            for label, scores in self.scores.items():
                finite = [score for score in scores if getattr(score, metric) is not None]
                if not finite:
                    continue
                values = [float(getattr(score, metric)) for score in finite]
                bootstrap = self.bootstrap([score.family for score in finite])
                rows.append(
                    MetricSummary(
                        restorer=label,
                        metric=metric,
                        unit=unit,
                        estimate=bootstrap.mean(values),
                        median=float(np.median(values)),
                        images=len(values),
                        families=bootstrap.count,
                        infinite=len(scores) - len(finite),
                    )
                )
        return tuple(rows)
