"""The headline's figures of one row, or of one row against another, from documents of `xsim_zoo.evaluate`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

import numpy as np
from headline_cost import Cost, Trial

from xsim_zoo.evaluation.records import INPUT
from xsim_zoo.evaluation.scores import RING_LP_MM
from xsim_zoo.evaluation.statistics import Bootstrap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from xsim_zoo.evaluation import Evaluation
    from xsim_zoo.evaluation.records import Estimate, ImageScore

CHAMPION: Final = "physics-sde N=3"
"""The row that all who are told the link are compared with: physics-sde at its default number of steps."""
PAPER: Final = "physics-sde-paper N=3"
"""The row that all who are not told the link are compared with."""
UNIVERSAL: Final = "universal N=3"
LR: Final = "LR, linked"
"""Row of the LR image itself, brought to HR grey by the link."""
RAW: Final = INPUT
"""Row of the LR image as it is, in LR grey."""
TOLD: Final = ", told"
"""What the label of a row ends in that was told the detectors of the images; without it, it believes in its own."""
SPECIALISED: Final = "specialised"
"""Row of the model that was trained on the very detectors of a condition."""

LEADS: Final = (
    (CHAMPION, "unet-wiener"),
    (CHAMPION, "unet-wiener-small"),
    (PAPER, "cdm-untold"),
    ("cdm-untold", RAW),
    (PAPER, "unet-untold"),
)
"""Whose lead over whom is asked of every training seed."""

CHI2_BANDS: Final = ("0.3-1", "1-2", "2-4", "4-6")
NOMINAL: Final = (0.5, 0.8, 0.95)

Found = dict[tuple[str, str], "Evaluation"]
"""Evaluations by test set and condition."""


@dataclass(frozen=True)
class Leads:
    """The champion less another row, paired by image; ``power`` at 4 lp/mm, as share of the noise-free HR's."""

    psnr_dB: Estimate
    ssim: Estimate
    power: Estimate


@dataclass(frozen=True)
class Samples:
    """Posterior samples of some weights: chi2 of them and of the noise-free HR image, coverage, rms errors, PSNR."""

    weights: str
    images: int
    samples: int
    steps: int
    chi2: tuple[Estimate, ...]
    chi2_of_truth: tuple[Estimate, ...]
    covered: tuple[Estimate, ...]
    spread: float
    error: float
    psnr_mean_dB: float
    psnr_sample_dB: float


@dataclass(frozen=True)
class Outcome:
    """All that was found.

    Parameters
    ----------
    found : dict
        Evaluation of the rows of both tables by test set and condition.
    untold, told : tuple of str
        Labels of the rows of each table; the raw LR image is in every evaluation by itself.
    seeds : dict
        Evaluations of the same labels with weights of other training seeds, by test set and seed.
    tasks : Evaluation, optional
        Probes.
    samples : Samples, optional
        Posterior samples.
    truth : dict
        chi2 of the noise-free HR image in each of `CHI2_BANDS`, by test set.
    costs : dict
        By label.
    trial : Trial
        How they were timed.
    """

    found: Found
    untold: tuple[str, ...] = ()
    told: tuple[str, ...] = ()
    seeds: dict[tuple[str, int], Evaluation] = field(default_factory=dict)
    tasks: Evaluation | None = None
    samples: Samples | None = None
    truth: dict[str, tuple[Estimate, ...]] = field(default_factory=dict)
    costs: dict[str, Cost] = field(default_factory=dict)
    trial: Trial = field(default_factory=Trial)

    def by_seed(self, name: str) -> dict[int, Evaluation]:
        """Return the evaluations of a test set with the paper's detectors by training seed."""
        own = {0: self.found[name, "paper"]} if (name, "paper") in self.found else {}
        return own | {seed: one for (of, seed), one in self.seeds.items() if of == name}


def text_of(estimate: Estimate, digits: int) -> str:
    """Return ``mean [low, high]``, or the mean alone where one cluster gives no interval."""
    if estimate.low is None or estimate.high is None:
        return f"{estimate.mean:.{digits}f}"
    return f"{estimate.mean:.{digits}f} [{estimate.low:.{digits}f}, {estimate.high:.{digits}f}]"


def rows_of(evaluation: Evaluation, label: str) -> list[ImageScore]:
    """Return the scores of a row, image by image."""
    return [score for score in evaluation.images if score.restorer == label]


def mean_of(rows: Sequence[ImageScore], metric: str) -> Estimate:
    """Return the mean of a metric with its interval over boards."""
    over = Bootstrap([row.family for row in rows])
    return over.mean([np.inf if getattr(row, metric) is None else getattr(row, metric) for row in rows])


def _at(row: ImageScore, quantity: str, lp_mm: float) -> float:
    """Return power or transfer at a frequency, in units of the spectrum."""
    ring = round(lp_mm / RING_LP_MM) - 1
    return row.reference_power[ring] * (getattr(row, quantity)[ring] or 0.0)


def power_of(rows: Sequence[ImageScore], quantity: str, lp_mm: float) -> Estimate:
    """Return power or transfer at a frequency, as share of the noise-free HR image's power."""
    clean = [row.reference_power[round(lp_mm / RING_LP_MM) - 1] for row in rows]
    return Bootstrap([row.family for row in rows]).ratio([_at(row, quantity, lp_mm) for row in rows], clean)


def chi2_of(rows: Sequence[ImageScore]) -> list[float]:
    """Return the mean chi2 in each of `CHI2_BANDS`."""
    return [float(value) for value in np.mean([row.chi2[: len(CHI2_BANDS)] for row in rows], axis=0)]


def _paired(evaluation: Evaluation, label: str, other: str) -> list[tuple[ImageScore, ImageScore]]:
    others = {row.sample: row for row in rows_of(evaluation, other)}
    return [(row, others[row.sample]) for row in rows_of(evaluation, label) if row.sample in others]


def lead_of(evaluation: Evaluation, label: str, other: str, metric: str = "psnr_dB") -> Estimate | None:
    """Return how much a row leads another by, None where one of them did not take part."""
    pairs = _paired(evaluation, label, other)
    if not pairs:
        return None
    over = Bootstrap([own.family for own, _ in pairs])
    return over.mean([getattr(own, metric) - getattr(less, metric) for own, less in pairs])


def leads(evaluation: Evaluation, champion: str, labels: Sequence[str]) -> dict[str, Leads]:
    """Return the champion's lead over each other of some rows of a set."""
    found = {}
    for label in labels:
        pairs = _paired(evaluation, champion, label)
        psnr, ssim = (lead_of(evaluation, champion, label, metric) for metric in ("psnr_dB", "ssim"))
        if label == champion or psnr is None or ssim is None:
            continue
        power = Bootstrap([own.family for own, _ in pairs]).ratio(
            [_at(own, "power_ratio", 4.0) - _at(less, "power_ratio", 4.0) for own, less in pairs],
            [own.reference_power[round(4.0 / RING_LP_MM) - 1] for own, _ in pairs],
        )
        found[label] = Leads(psnr, ssim, power)
    return found


def rivalries(found: Found) -> dict[str, tuple[Estimate, Estimate | None, Estimate | None, Estimate | None]]:
    """Return PSNR of `universal` and its lead over the specialised, the told and the untold model, by condition.

    For the paper's own detectors the paper's model is the specialised one.
    """
    table = {}
    for (name, condition), evaluation in found.items():
        paper = condition == "paper"
        own, told = (UNIVERSAL, CHAMPION) if paper else (UNIVERSAL + TOLD, CHAMPION + TOLD)
        if name in {"random", "detectors"} and own in evaluation.labels and CHAMPION in evaluation.labels:
            others = (CHAMPION if paper else SPECIALISED, told, CHAMPION)
            table[condition] = (
                mean_of(rows_of(evaluation, own), "psnr_dB"),
                *(lead_of(evaluation, own, other) for other in others),
            )
    return table  # type: ignore[return-value]
