"""From scores of single images to the figures of the tables: means, paired differences, posterior samples."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from versus.contenders import CHAMPION
from versus.posterior import NOMINAL
from versus.scoring import POWER_LP_MM
from xsim_zoo.evaluation.bootstrap import Bootstrap

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from versus.posterior import Spread
    from versus.scoring import Score
    from xsim_zoo.evaluation.records import Estimate

__all__ = ["Difference", "Samples", "Summary", "differences", "samples", "summaries"]


@dataclass(frozen=True)
class Summary:
    """One row on one test set.

    Parameters
    ----------
    set_name, condition, row, operator : str
        See `versus.scoring.Score`.
    images : int
        How many.
    psnr_dB, ssim, psnr_unlinked_dB, ssim_unlinked : Estimate
        Means over images.
    power, transfer : (3,) tuple of Estimate
        At `POWER_LP_MM`: power of the answers over that of the noise-free HR images, and the share of the latter's
        structure that they hold (cross power over the same).
    chi2 : (4,) tuple of float
        Means over images; empty for LR.
    cpu_s : float
        Mean CPU time of an image [s].
    """

    set_name: str
    condition: str
    row: str
    operator: str
    images: int
    psnr_dB: Estimate
    ssim: Estimate
    psnr_unlinked_dB: Estimate
    ssim_unlinked: Estimate
    power: tuple[Estimate, ...]
    transfer: tuple[Estimate, ...]
    chi2: tuple[float, ...]
    cpu_s: float


@dataclass(frozen=True)
class Difference:
    """The champion less another row, paired by image; ``power`` at 4 lp/mm, as share of the noise-free HR's."""

    set_name: str
    row: str
    images: int
    psnr_dB: Estimate
    ssim: Estimate
    power: Estimate


@dataclass(frozen=True)
class Samples:
    """Posterior samples of several images: means over images, and root mean squares of spread and error."""

    row: str
    images: int
    chi2: tuple[Estimate, ...]
    chi2_of_truth: tuple[Estimate, ...]
    covered: tuple[Estimate, ...]
    spread: float
    error: float
    psnr_mean_dB: float
    psnr_sample_dB: float


def summaries(scores: Iterable[Score]) -> list[Summary]:
    """Return one summary for each row of each set and condition, in the order of their first appearance."""
    groups: dict[tuple[str, str, str, str], list[Score]] = defaultdict(list)
    for one in scores:
        groups[one.set_name, one.condition, one.row, one.operator].append(one)
    return [_summary(key, group) for key, group in groups.items()]


def _summary(key: tuple[str, str, str, str], group: Sequence[Score]) -> Summary:
    over = Bootstrap([one.image.family for one in group])
    clean = np.array([one.power_clean for one in group])
    power, shared = (
        tuple(over.ratio(values[:, k], clean[:, k]) for k in range(len(POWER_LP_MM)))
        for values in (np.array([one.power for one in group]), np.array([one.shared for one in group]))
    )
    return Summary(
        *key,
        len(group),
        over.mean([one.psnr_dB for one in group]),
        over.mean([one.image.ssim for one in group]),
        over.mean([one.psnr_unlinked_dB for one in group]),
        over.mean([one.ssim_unlinked for one in group]),
        power,
        shared,
        tuple(float(value) for value in np.mean([one.chi2 for one in group], axis=0)),
        float(np.mean([one.cpu_s for one in group])),
    )


def differences(scores: Iterable[Score], champion: str = CHAMPION) -> list[Difference]:
    """Return the champion's lead over every other row, on sets taken with the paper's detectors."""
    table: dict[str, dict[str, dict[int, Score]]] = defaultdict(lambda: defaultdict(dict))
    for one in scores:
        if one.condition == "paper":
            table[one.set_name][one.row][one.image.sample] = one
    found = []
    for set_name, rows in table.items():
        best = rows.get(champion, {})
        for row, others in rows.items():
            shared = sorted(best.keys() & others.keys())
            if row != champion and shared:
                pairs = [(best[number], others[number]) for number in shared]
                found.append(_difference(set_name, row, pairs))
    return found


def _difference(set_name: str, row: str, pairs: Sequence[tuple[Score, Score]]) -> Difference:
    over = Bootstrap([best.image.family for best, _ in pairs])
    at = POWER_LP_MM.index(4.0)
    return Difference(
        set_name,
        row,
        len(pairs),
        over.mean([best.psnr_dB - other.psnr_dB for best, other in pairs]),
        over.mean([best.image.ssim - other.image.ssim for best, other in pairs]),
        over.ratio(
            [best.power[at] - other.power[at] for best, other in pairs],
            [best.power_clean[at] for best, _ in pairs],
        ),
    )


def samples(spreads: Iterable[Spread]) -> list[Samples]:
    """Return one entry for each row that drew samples."""
    groups: dict[str, list[Spread]] = defaultdict(list)
    for one in spreads:
        groups[one.row].append(one)
    found = []
    for row, group in groups.items():
        over = Bootstrap([one.cluster for one in group])
        found.append(
            Samples(
                row,
                len(group),
                *(
                    tuple(over.mean(column) for column in np.array(values).T.tolist())
                    for values in ([one.chi2 for one in group], [one.chi2_of_truth for one in group])
                ),
                tuple(over.mean([one.covered[place] for one in group]) for place in range(len(NOMINAL))),
                float(np.sqrt(np.mean([one.spread**2 for one in group]))),
                float(np.sqrt(np.mean([one.error**2 for one in group]))),
                float(np.mean([one.psnr_mean_dB for one in group])),
                float(np.mean([one.psnr_sample_dB for one in group])),
            )
        )
    return found
