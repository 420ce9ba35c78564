"""Coverage of posterior samples: whether their intervals hold the truth as often as they say.

With K samples the interval from the j-th lowest to the j-th highest holds an exchangeable truth with probability
(K + 1 - 2 j) / (K + 1), whatever the distribution: these are the levels that are checked.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_gradient_magnitude

from xsim.errors import InputError
from xsim.measure.similarity import psnr_dB
from xsim_zoo.evaluation.probes.base import Probe
from xsim_zoo.evaluation.records import Finding, Numbers, Row, Verdict
from xsim_zoo.evaluation.report.figures import Axis, Chart, ReferenceLine, Series, numbers
from xsim_zoo.evaluation.report.tables import Block, Naming, Number, Text, table_of
from xsim_zoo.evaluation.results import TRUST, Evaluation, register
from xsim_zoo.evaluation.scores import inner
from xsim_zoo.evaluation.verdicts import verdict

if TYPE_CHECKING:
    from xsim_zoo.evaluation.competitor import Answering
    from xsim_zoo.evaluation.context import EvaluationContext

__all__ = ["Coverage", "CoverageProbe", "SampleStatistics", "middle", "nominal_levels", "sample_statistics"]

_IMAGES, _IMAGES_QUICK = 4, 2
"""Images that samples are drawn of; each costs eight times twenty steps."""

_STEPS = 20
"""Steps of a sample, as many as the headline's posterior samples take."""

_CROP_PX = 256
"""Side of the part of an image that samples are drawn of [px]."""

_LEVELS = 3
"""Intervals that are checked, at most."""

_FLAT, _EDGE = 0.5, 0.9
"""Shares of the pixels, ordered by gradient: the lower half is flat, the upper tenth is edge."""

_LIMIT = 0.1
"""Largest difference of coverage and promise that gives no caution."""


class Coverage(Row):
    """How often the central intervals of posterior samples hold the truth, and how wide they are."""

    restorer: str
    samples: int
    images: int
    region: str
    nominal: Numbers
    covered: Numbers
    spread: float
    error: float
    crps: float
    psnr_mean_dB: float
    psnr_sample_dB: float


@register
class CoverageProbe(Probe):
    """The section ``coverage``."""

    name = "coverage"
    title = "Coverage of the uncertainty"
    row = Coverage
    order = 110
    chapter = TRUST
    side_by_side = True
    cost = 50
    simulated = False
    samplers_only = True

    def measure(self, context: EvaluationContext, asked: Answering) -> list[Coverage]:
        """Draw posterior samples of a few images and compare their intervals with HR, region by region."""
        images = context.samples_of(asked.label)[: _IMAGES_QUICK if context.options.quick else _IMAGES]
        draws, truths = [], []
        for sample in images:
            pair = context.pair(sample, clean=False)
            draws.append(_draws(context, asked.label, sample, middle(pair.lr, _CROP_PX)))
            truths.append(inner(middle(pair.hr, _CROP_PX)))
        means, singles = (
            float(np.mean([psnr_dB(answer, truth) for answer, truth in zip(answers, truths, strict=True)]))
            for answers in ([draw.mean(axis=0) for draw in draws], [draw[0] for draw in draws])
        )
        rows = []
        for region in ("all", "flat", "edge"):
            picked = [_pixels(truth, region) for truth in truths]
            found = sample_statistics(
                np.concatenate([draw[:, mask] for draw, mask in zip(draws, picked, strict=True)], axis=1),
                np.concatenate([truth[mask] for truth, mask in zip(truths, picked, strict=True)]),
            )
            rows.append(
                Coverage(
                    restorer=asked.label,
                    samples=context.options.samples,
                    images=len(images),
                    region=region,
                    **asdict(found),
                    psnr_mean_dB=means,
                    psnr_sample_dB=singles,
                )
            )
        return rows

    def verdict(self, evaluation: Evaluation) -> Verdict | None:
        """Judge the largest difference of coverage and promise."""
        findings = []
        for label in evaluation.labels:
            gaps = [
                (covered - nominal, row.region)
                for row in evaluation.rows(Coverage)
                if row.restorer == label
                for covered, nominal in zip(row.covered, row.nominal, strict=True)
            ]
            if gaps:
                worst, region = max(gaps, key=lambda gap: abs(gap[0]))
                good = abs(worst) <= _LIMIT
                said = "" if good else f", its intervals are too {'narrow' if worst < 0 else 'wide'}"
                text = f"{worst:+.2f} ({region}){said}"
                findings.append(Finding(restorer=label, level="pass" if good else "warn", text=text))
        return verdict("uncertainty", "coverage of the samples' intervals less what they promise", findings)

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return coverage against promise, and spread against error."""
        rows = evaluation.rows(Coverage)
        # The first two styles belong to LR and HR.
        series = tuple(
            Series(
                f"{naming.name(row.restorer)}, {row.region}", numbers(row.nominal), numbers(row.covered), 2 + index % 8
            )
            for index, row in enumerate(rows)
        )
        return (
            Chart(
                "Coverage of the uncertainty",
                Axis("stated probability of the interval", 0.0, 1.0),
                Axis("share of pixels inside it", 0.0, 1.0),
                tuple(series),
                (ReferenceLine("as stated"),),
                "Below the diagonal the restorer is surer than it may be.",
            ),
            table_of(
                "Spread of the samples against their error; both should be alike",
                rows,
                {
                    "restorer": lambda row: naming.cell(row.restorer),
                    "pixels": lambda row: Text(row.region),
                    "spread [open field]": lambda row: Number(row.spread, ".5f"),
                    "error of the mean [open field]": lambda row: Number(row.error, ".5f"),
                    "CRPS [open field]": lambda row: Number(row.crps, ".5f"),
                    "PSNR of the mean [dB]": lambda row: Number(row.psnr_mean_dB, ".2f"),
                    "PSNR of one sample [dB]": lambda row: Number(row.psnr_sample_dB, ".2f"),
                    "samples": lambda row: Number(row.samples, "d"),
                    "images": lambda row: Number(row.images, "d"),
                },
            ),
        )


def _draws(context: EvaluationContext, label: str, sample: int, y: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return posterior samples of one image without their borders, (samples, H, W)."""
    told, count = context.told(label, sample), context.options.samples
    steps = told.competitor.steps or _STEPS
    answers = (told.answer(y, number=sample * count + draw, steps=steps, eta=1.0) for draw in range(count))
    return np.stack([inner(answer) for answer in answers])


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
class SampleStatistics:
    """Coverage at nominal levels, rms spread, rms error of the mean, and CRPS."""

    nominal: tuple[float, ...]
    covered: tuple[float, ...]
    spread: float
    error: float
    crps: float


def sample_statistics(draws: NDArray[np.floating], truth: NDArray[np.floating]) -> SampleStatistics:
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
    return SampleStatistics(
        nominal=tuple(level for _, level in levels),
        covered=tuple(covered),
        spread=float(np.sqrt(np.mean(draws.var(axis=0, ddof=1)) * (count + 1) / count)),
        error=float(np.sqrt(np.mean((mean - truth) ** 2))),
        crps=float(np.mean(np.abs(draws - truth).mean(axis=0) - 0.5 * between)),
    )
