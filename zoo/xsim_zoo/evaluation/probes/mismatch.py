"""What a restorer loses where the detectors are not those it was told: LR images made with another blur or dose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from numpy.typing import NDArray

from xsim.degradation.degradation import Degradation
from xsim.grids import frequency_axes
from xsim.measure.similarity import psnr_dB, ssim
from xsim.seeds import generator
from xsim_zoo.evaluation.probes.base import Probe
from xsim_zoo.evaluation.probes.coverage import middle
from xsim_zoo.evaluation.records import Estimate, Finding, Level, Row, Verdict
from xsim_zoo.evaluation.report.tables import Block, Interval, Naming, Number, Text, Whisker, table_of, whisker_axis
from xsim_zoo.evaluation.results import TRUST, Evaluation, register
from xsim_zoo.evaluation.scores import inner
from xsim_zoo.evaluation.statistics import Bootstrap
from xsim_zoo.evaluation.verdicts import interval, verdict

if TYPE_CHECKING:
    from xsim_zoo.evaluation.competitor import Answering
    from xsim_zoo.evaluation.context import EvaluationContext

__all__ = ["CONDITIONS", "Mismatch", "MismatchProbe", "MismatchScore", "degraded"]

_IMAGES, _IMAGES_QUICK = 8, 3
"""Images that are degraded anew, each under every condition."""

_CROP_PX = 256
"""Side of the part of an image that is degraded [px]."""

_BORDER_PX = 32
"""Reflected border, so that the blur does not wrap around [px]."""

_LEAST_GREY = 0.02
"""Below this grey read noise and scatter remain, and noise no longer falls, as in `xsim.Degradation`."""

_LOSS_LIMIT_DB = 3.0
"""Loss in the worst condition that gives a caution [dB]: a factor of two in the power of the error."""


@dataclass(frozen=True)
class Mismatch:
    """How the LR image differs from what the stated physics makes.

    Parameters
    ----------
    mtf : float
        Factor on every frequency at which the MTF has a value: 0.9 is a blurrier screen.
    dose : float
        Factor on the dose.
    shift_px : float
        Displacement along x [px].
    """

    mtf: float = 1.0
    dose: float = 1.0
    shift_px: float = 0.0


CONDITIONS = {
    "as stated": Mismatch(),
    "MTF -10 %": Mismatch(mtf=0.9),
    "MTF +10 %": Mismatch(mtf=1.1),
    "dose x 0.5": Mismatch(dose=0.5),
    "dose x 2": Mismatch(dose=2.0),
    "0.5 px shift": Mismatch(shift_px=0.5),
}


class MismatchScore(Row):
    """What a restorer loses where the detector is not what it was told: mean change against the stated physics."""

    restorer: str
    condition: str
    psnr_dB: float
    ssim: float
    change_dB: Estimate
    images: int


@register
class MismatchProbe(Probe):
    """The section ``mismatch``."""

    name = "mismatch"
    title = "Detectors that differ"
    row = MismatchScore
    order = 130
    chapter = TRUST
    cost = 12
    simulated = False

    def measure(self, context: EvaluationContext, asked: Answering) -> list[MismatchScore]:
        """Ask for LR images that are made from HR images under every condition, with the same noise."""
        scores: dict[str, list[tuple[float, float]]] = {name: [] for name in CONDITIONS}
        families = []
        for sample in context.samples_of(asked.label)[: _IMAGES_QUICK if context.options.quick else _IMAGES]:
            pair, told = context.pair(sample, clean=False), context.told(asked.label, sample)
            hr = middle(pair.hr, _CROP_PX)
            families.append(pair.family)
            for name, mismatch in CONDITIONS.items():
                rng = generator(context.options.seed, sample=sample, stage="mismatch")
                lr = degraded(hr, context.judge_of(sample, asked.label).physics.degradation, mismatch, rng)
                answer = inner(told.answer(lr, hr, sample))
                scores[name].append((psnr_dB(answer, inner(hr)), ssim(answer, inner(hr))))
        bootstrap = Bootstrap(families, context.options.resamples, context.options.seed)
        stated = np.array(scores["as stated"])
        rows = []
        for name, found in scores.items():
            mean = np.mean(found, axis=0)
            rows.append(
                MismatchScore(
                    restorer=asked.label,
                    condition=name,
                    psnr_dB=float(mean[0]),
                    ssim=float(mean[1]),
                    change_dB=bootstrap.mean(np.array(found)[:, 0] - stated[:, 0]),
                    images=len(found),
                )
            )
        return rows

    def verdict(self, evaluation: Evaluation) -> Verdict | None:
        """Judge the loss in the worst condition."""
        findings = []
        for label in evaluation.labels:
            rows = [row for row in evaluation.rows(MismatchScore) if row.restorer == label]
            if rows:
                worst = min(rows, key=lambda row: row.change_dB.mean)
                level: Level = "warn" if worst.change_dB.mean < -_LOSS_LIMIT_DB else "pass"
                text = f"{interval(worst.change_dB, 'dB')} under {worst.condition}"
                findings.append(Finding(restorer=label, level=level, text=text))
        return verdict("other detectors than stated", "PSNR lost in the worst of the mismatch tests", findings)

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return the change under every condition."""
        rows = evaluation.rows(MismatchScore)
        axis = whisker_axis("change in PSNR [dB]", [row.change_dB for row in rows])
        return (
            table_of(
                "Detectors that differ from what the restorer was told",
                rows,
                {
                    "restorer": lambda row: naming.cell(row.restorer),
                    "condition": lambda row: Text(row.condition),
                    "change in PSNR [dB], 95 % interval": lambda row: Interval(row.change_dB, "+.2f"),
                    "drawn": lambda row: Whisker(row.change_dB, axis, naming.style(row.restorer)),
                    "PSNR [dB]": lambda row: Number(row.psnr_dB, ".2f"),
                    "SSIM": lambda row: Number(row.ssim, ".4f"),
                    "images": lambda row: Number(row.images, "d"),
                },
            ),
        )


def degraded(
    hr: NDArray[np.float32], degradation: Degradation, mismatch: Mismatch, rng: np.random.Generator
) -> NDArray[np.float32]:
    """Return y = B_1 L(x_0) + noise under a mismatch; the noise of one ``rng`` is the same up to its power.

    Parameters
    ----------
    hr : (H, W) array
        Sharp image, open field 1.0.
    degradation : Degradation
        What was stated.
    mismatch : Mismatch
        How reality differs.
    rng : numpy.random.Generator
        Source of white noise.
    """
    padded = degradation.linked(np.pad(hr, _BORDER_PX, mode="reflect"))
    shape = (padded.shape[0], padded.shape[1])
    # B_1(f / mtf) is B_1 on the grid of a pixel that is larger by mtf.
    transfer = degradation.B_1_map(shape, degradation.pitch_mm * mismatch.mtf)
    _, u = frequency_axes(shape, 1.0)
    spectrum = scipy.fft.rfft2(padded) * transfer * np.exp(-2j * np.pi * u * mismatch.shift_px)
    blurred = scipy.fft.irfft2(spectrum, s=shape)
    grey = np.clip(blurred, _LEAST_GREY, 1.0)
    # Quantum noise is white where the quanta are absorbed, and of a power that falls with the grey.
    power = grey * (1.0 + degradation.excess_noise * (1.0 - grey)) / mismatch.dose
    white = rng.standard_normal(shape) * np.sqrt(power)
    noise = scipy.fft.irfft2(scipy.fft.rfft2(white) * np.sqrt(degradation.Sigma_1_map(shape)), s=shape)
    inside = slice(_BORDER_PX, -_BORDER_PX)
    return np.asarray((blurred + noise)[inside, inside], dtype=np.float32)
