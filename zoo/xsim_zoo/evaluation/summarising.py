"""From scores of images to what a table says: means over families, paired differences, spectra, bands."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from xsim_zoo.evaluation.bootstrap import Bootstrap, holm
from xsim_zoo.evaluation.entrants import INPUT
from xsim_zoo.evaluation.records import BandScore, Curve, Difference, Estimate, Summary
from xsim_zoo.evaluation.spectra import ring_centres

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xsim_zoo.evaluation.records import ImageScore

__all__ = ["METRICS", "Scoreboard"]

METRICS = {"psnr_dB": "dB", "ssim": "", "rmse": "grey", "bias": "grey", "unsupported": "", "outside": ""}
"""Metrics of the summary and their units."""

_COMPARED = ("psnr_dB", "ssim", "rmse")


@dataclass(frozen=True, eq=False)
class Scoreboard:
    """The scores of all restorers on the same images, in the same order.

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

    def _bootstrap(self, families: Sequence[str]) -> Bootstrap:
        return Bootstrap(families, self.resamples, self.seed)

    def _families(self) -> list[str]:
        return [score.family for score in next(iter(self.scores.values()))]

    def summary(self) -> tuple[Summary, ...]:
        """Return every metric of every restorer; images of infinite PSNR are counted apart."""
        rows = []
        for metric, unit in METRICS.items():
            for label, scores in self.scores.items():
                finite = [score for score in scores if getattr(score, metric) is not None]
                if not finite:
                    continue
                values = [float(getattr(score, metric)) for score in finite]
                bootstrap = self._bootstrap([score.family for score in finite])
                rows.append(
                    Summary(
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

    def differences(self) -> tuple[Difference, ...]:
        """Return each restorer less each one named before it, on images where both are finite; p by Holm."""
        labels = [label for label in self.scores if label != INPUT]
        rows: list[Difference] = []
        for metric in _COMPARED:
            found = [row for one, two in combinations(labels, 2) if (row := self._difference(two, one, metric))]
            adjusted = holm([row.p for row in found])
            rows += [row.model_copy(update={"p": p}) for row, p in zip(found, adjusted, strict=True)]
        return tuple(rows)

    def _difference(self, label: str, against: str, metric: str) -> Difference | None:
        pairs = [
            (getattr(one, metric), getattr(two, metric), one.family)
            for one, two in zip(self.scores[label], self.scores[against], strict=True)
        ]
        known = [(a - b, family) for a, b, family in pairs if a is not None and b is not None]
        if not known:
            return None
        bootstrap = self._bootstrap([family for _, family in known])
        changes = [change for change, _ in known]
        return Difference(
            restorer=label,
            against=against,
            metric=metric,
            unit=METRICS[metric],
            estimate=bootstrap.mean(changes),
            p=bootstrap.p_value(changes),
            images=len(known),
            families=bootstrap.count,
        )

    def power(self, pitch_mm: float) -> tuple[Curve, ...]:
        """Return power ratios and coherent transfers: sums over images, so that no image without detail rules."""
        bootstrap = self._bootstrap(self._families())
        frequency = ring_centres(pitch_mm)
        return tuple(
            _curve(label, quantity, frequency, bootstrap, _numbers(scores, "reference_power"), _numbers(scores, name))
            for quantity, name in (("power ratio", "power_ratio"), ("coherent transfer", "transfer"))
            for label, scores in self.scores.items()
        )

    def chi2(self) -> tuple[BandScore, ...]:
        """Return the mean chi2 of every restorer in every band."""
        bootstrap = self._bootstrap(self._families())
        return tuple(
            BandScore(
                restorer=label,
                band_lp_mm=scores[0].band_lp_mm,
                value=tuple(bootstrap.mean(values) for values in np.transpose([score.chi2 for score in scores])),
            )
            for label, scores in self.scores.items()
        )

    def without(self, *labels: str) -> Scoreboard:
        """Return the scoreboard without some restorers."""
        return replace(self, scores={label: rows for label, rows in self.scores.items() if label not in labels})


def _numbers(scores: Sequence[ImageScore], name: str) -> NDArray[np.float64]:
    """Return a spectrum of every image, (images, rings); 0 where it is not known."""
    return np.array([[0.0 if value is None else value for value in getattr(score, name)] for score in scores])


def _curve(
    label: str,
    quantity: str,
    frequency: NDArray[np.float64],
    bootstrap: Bootstrap,
    reference: NDArray[np.float64],
    ratio: NDArray[np.float64],
) -> Curve:
    found: list[Estimate | None] = [
        bootstrap.ratio(reference[:, ring] * ratio[:, ring], reference[:, ring]) if reference[:, ring].any() else None
        for ring in range(len(frequency))
    ]
    single = bootstrap.count < 2
    return Curve(
        restorer=label,
        quantity=quantity,
        frequency_lp_mm=tuple(frequency.tolist()),
        value=tuple(None if item is None else item.mean for item in found),
        low=None if single else tuple(None if item is None else item.low for item in found),
        high=None if single else tuple(None if item is None else item.high for item in found),
    )
