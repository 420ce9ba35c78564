"""Coverage of posterior samples: whether their intervals hold the truth as often as they say.

With K samples the interval from the j-th lowest to the j-th highest holds an exchangeable truth with probability
(K + 1 - 2 j) / (K + 1), whatever the distribution: these are the levels that are checked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_gradient_magnitude

from xsim.errors import InputError
from xsim.measure.similarity import psnr_dB
from xsim_zoo.evaluation.judging import inner
from xsim_zoo.evaluation.records import Coverage

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.subjects import Subject

__all__ = ["Calibration", "calibration", "measure", "middle", "nominal_levels"]

_IMAGES, _IMAGES_QUICK = 4, 2
_STEPS = 20
_CROP_PX = 256
_LEVELS = 3
_FLAT, _EDGE = 0.5, 0.9
"""Shares of the pixels, ordered by gradient: the lower half is flat, the upper tenth is edge."""


def measure(bench: Bench, subject: Subject) -> list[Coverage]:
    """Draw posterior samples of a few images and compare their intervals with HR, region by region."""
    ready, count = subject.ready, bench.options.samples
    assert ready is not None, "only restorers are asked"
    images = bench.samples[: _IMAGES_QUICK if bench.options.quick else _IMAGES]
    steps = ready.entrant.steps or _STEPS
    draws, truths = [], []
    for sample in images:
        pair = bench.pair(sample, clean=False)
        y = middle(pair.lr, _CROP_PX)
        draws.append(
            np.stack(
                [
                    inner(ready.answer(y, seed=bench.options.seed, sample=sample * count + draw, steps=steps, eta=1.0))
                    for draw in range(count)
                ]
            )
        )
        truths.append(inner(middle(pair.hr, _CROP_PX)))
    means = [float(psnr_dB(draw.mean(axis=0), truth)) for draw, truth in zip(draws, truths, strict=True)]
    singles = [float(psnr_dB(draw[0], truth)) for draw, truth in zip(draws, truths, strict=True)]
    rows = []
    for region in ("all", "flat", "edge"):
        picked = [_pixels(truth, region) for truth in truths]
        found = calibration(
            np.concatenate([draw[:, mask] for draw, mask in zip(draws, picked, strict=True)], axis=1),
            np.concatenate([truth[mask] for truth, mask in zip(truths, picked, strict=True)]),
        )
        rows.append(
            Coverage(
                restorer=subject.label,
                samples=count,
                images=len(images),
                region=region,
                nominal=found.nominal,
                covered=found.covered,
                spread=found.spread,
                error=found.error,
                crps=found.crps,
                psnr_mean_dB=float(np.mean(means)),
                psnr_sample_dB=float(np.mean(singles)),
            )
        )
    return rows


def middle(image: NDArray[np.float32], side_px: int) -> NDArray[np.float32]:
    """Return the middle square of an image, or all of a smaller one."""
    slices = []
    for full in image.shape:
        start = max(full - side_px, 0) // 2
        slices.append(slice(start, start + min(side_px, full)))
    return np.ascontiguousarray(image[tuple(slices)])


def _pixels(truth: NDArray[np.float32], region: str) -> NDArray[np.bool_]:
    """Return which pixels belong to a region."""
    if region == "all":
        return np.ones(truth.shape, dtype=bool)
    gradient = gaussian_gradient_magnitude(truth.astype(np.float64), 1.0)
    flat, edge = np.quantile(gradient, [_FLAT, _EDGE])
    return np.asarray(gradient <= flat if region == "flat" else gradient >= edge)


def nominal_levels(samples: int) -> list[tuple[int, float]]:
    """Return up to three (j, level): the widest interval, the narrowest, and one between."""
    most = samples // 2
    places = sorted({1, (1 + most) // 2, most})[:_LEVELS]
    return [(j, (samples + 1 - 2 * j) / (samples + 1)) for j in reversed(places)]


@dataclass(frozen=True)
class Calibration:
    """Coverage at nominal levels, rms spread, rms error of the mean, and CRPS."""

    nominal: tuple[float, ...]
    covered: tuple[float, ...]
    spread: float
    error: float
    crps: float


def calibration(draws: NDArray[np.floating], truth: NDArray[np.floating]) -> Calibration:
    """Compare samples (K, n) with the truth (n,).

    The spread is widened by (K + 1) / K, so that it equals the error of the mean for samples of the right posterior;
    CRPS is the fair estimate, which does not reward few samples (Ferro 2014).

    Raises
    ------
    InputError
        If there are fewer than two samples or the shapes differ.
    """
    draws, truth = np.asarray(draws, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    count = len(draws)
    if count < 2 or draws.shape[1:] != truth.shape:
        raise InputError(f"samples of shape {draws.shape} for a truth of {truth.shape}: give (K, n) and (n,), K > 1")
    ordered = np.sort(draws, axis=0)
    levels = nominal_levels(count)
    covered = [float(np.mean((ordered[j - 1] <= truth) & (truth <= ordered[-j]))) for j, _ in levels]
    mean = draws.mean(axis=0)
    # Sum over all pairs |a - b| from the order statistics.
    weights = 2 * np.arange(count) - (count - 1)
    between = (weights[:, None] * ordered).sum(axis=0) / (count * (count - 1) / 2)
    return Calibration(
        nominal=tuple(level for _, level in levels),
        covered=tuple(covered),
        spread=float(np.sqrt(np.mean(draws.var(axis=0, ddof=1)) * (count + 1) / count)),
        error=float(np.sqrt(np.mean((mean - truth) ** 2))),
        crps=float(np.mean(np.abs(draws - truth).mean(axis=0) - 0.5 * between)),
    )
