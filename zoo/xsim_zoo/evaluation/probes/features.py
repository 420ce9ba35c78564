"""Small features missed at one rate of false calls, and features that stand where there are none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_laplace, maximum_filter

from xsim.phantoms import flat
from xsim.phantoms.scene import Layer
from xsim.seeds import generator
from xsim_zoo.evaluation.competitor import Answering, ImageItself
from xsim_zoo.evaluation.probes.base import BOARD, SIDE_PX, TRACK_MM, Probe, ProbeSetup, ProbeShot
from xsim_zoo.evaluation.records import INPUT, TRUTH, Estimate, Finding, Level, Row, Verdict
from xsim_zoo.evaluation.report.tables import Block, Interval, Naming, Number, table_of
from xsim_zoo.evaluation.results import TASKS, Evaluation, register
from xsim_zoo.evaluation.statistics import Bootstrap
from xsim_zoo.evaluation.verdicts import interval, level_of, negated, verdict

if TYPE_CHECKING:
    from xsim_zoo.evaluation.context import EvaluationContext

__all__ = ["FALSE_PER_CM2", "FeatureScore", "Features", "Responses", "responses_in"]

FALSE_PER_CM2 = 1.0
"""Rate of false calls at which dots are counted as missed, the same for every image."""

_DOTS = 40
_DIAMETERS_MM = (0.1, 0.25)
_APART_MM = 0.8
_BORDER_PX = 24
_MIDDLE_PX = 4
"""Neither half of a plate reaches nearer to its middle."""

_SCALE_PX = 1.5
_NEAR_PX = 5
"""A dot is sought in a square of this side around its place."""

_NOISE_LIMIT = 5.0
"""Standard deviations that normal noise exceeds less than once in 100 cm2 of such peaks."""


class FeatureScore(Row):
    """Small features missed, and features that stand where there are none, per cm2 of board.

    ``missed`` dots are weaker than the image's own peaks that occur once per cm2 where nothing is (``threshold``), so
    that every image is judged at the same rate of false calls. ``invented`` are peaks where nothing is that look like
    the dots and that noise of the image's own strength does not explain.
    """

    restorer: str
    area_cm2: float
    features: int
    threshold: float
    missed: int
    invented: int
    missed_per_cm2: float
    invented_per_cm2: float
    change: Estimate


@dataclass(frozen=True)
class _DotPlate:
    """A shot with the places (n, 2) of its dots [px], and half the response of the faintest in clean HR."""

    shot: ProbeShot
    dots: NDArray[np.int64]
    dot_response: float


@dataclass(frozen=True)
class Responses:
    """What a detector of dots finds on plates.

    Parameters
    ----------
    dots : (n,) array
        The strongest response near each dot.
    blank : (m,) array
        Peaks of the response where nothing is.
    noise : float
        Standard deviation of the response where nothing is, from its median absolute deviation.
    """

    dots: NDArray[np.float64]
    blank: NDArray[np.float64]
    noise: float

    def threshold(self, false_calls: int) -> float:
        """Return the response that so many peaks exceed where nothing is."""
        peaks = np.sort(self.blank)[::-1]
        return float(peaks[false_calls]) if len(peaks) > false_calls else 0.0

    def invented(self, dot_response: float) -> int:
        """Count the peaks where nothing is that exceed ``dot_response`` and what normal noise explains."""
        return int(np.sum(self.blank > max(dot_response, _NOISE_LIMIT * self.noise)))


@register
class Features(Probe):
    """The section ``features``."""

    name = "features"
    title = "Features missed and invented"
    row = FeatureScore
    order = 100
    chapter = TASKS
    beside = (INPUT, TRUTH)
    cost = 2
    glanced: ClassVar = {
        "missed features per cm\N{SUPERSCRIPT TWO}": lambda row: Number(row.missed_per_cm2, ".2f"),
        "invented features per cm\N{SUPERSCRIPT TWO}": lambda row: Number(row.invented_per_cm2, ".2f"),
    }

    def measure(self, context: EvaluationContext, asked: Answering) -> list[FeatureScore]:
        """Ask for plates with dots on their left half and nothing on their right."""
        plates = _plates(context)
        own, before = (_responses(one, plates) for one in (asked, ImageItself(INPUT)))
        rows, columns = SIDE_PX - 2 * _BORDER_PX, SIDE_PX // 2 - _MIDDLE_PX - _BORDER_PX
        area = len(plates) * rows * columns * ProbeSetup.of(context, "features").detector_pixel_mm ** 2 / 100.0
        false_calls = max(1, round(FALSE_PER_CM2 * area))
        threshold = own.threshold(false_calls)
        missed, missed_before = own.dots <= threshold, before.dots <= before.threshold(false_calls)
        invented = own.invented(min(plate.dot_response for plate in plates))
        bootstrap = Bootstrap(range(len(missed)), context.options.resamples, context.options.seed)
        return [
            FeatureScore(
                restorer=asked.label,
                area_cm2=area,
                features=len(missed),
                threshold=threshold,
                missed=int(missed.sum()),
                invented=invented,
                missed_per_cm2=float(missed.sum()) / area,
                invented_per_cm2=invented / area,
                change=bootstrap.mean((missed.astype(float) - missed_before) * len(missed) / area),
            )
        ]

    def verdict(self, evaluation: Evaluation) -> Verdict | None:
        """Judge small features missed at one rate of false calls, and features invented."""
        rows = {row.restorer: row for row in evaluation.rows(FeatureScore)}
        if INPUT not in rows:
            return None
        before = rows[INPUT]
        findings = []
        for row in (rows[label] for label in evaluation.labels if label in rows):
            level: Level = "fail" if row.invented > before.invented else level_of(negated(row.change))
            text = f"{row.missed} missed ({interval(row.change, 'per cm2', 1)})"
            findings.append(Finding(restorer=row.restorer, level=level, text=f"{text}, {row.invented} invented"))
        text = (
            f"of {before.features} dots at one false call per cm2, in brackets the change from LR; on LR "
            f"{before.missed} missed, {before.invented} invented"
        )
        return verdict("small features", text, findings)

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return the counts."""
        caption = (
            "Small features missed and invented: missed is what is weaker than the image's own peaks that occur once "
            "per cm\N{SUPERSCRIPT TWO} where nothing is; invented is what stands there, looks like half the faintest "
            "dot or more, and exceeds five standard deviations of the image's own noise"
        )
        return (
            table_of(
                caption,
                evaluation.rows(FeatureScore),
                {
                    "restorer": lambda row: naming.cell(row.restorer),
                    "missed per cm\N{SUPERSCRIPT TWO}": lambda row: Number(row.missed_per_cm2, ".3g"),
                    "less that on LR, 95 % interval": lambda row: Interval(row.change, "+.3g"),
                    "invented per cm\N{SUPERSCRIPT TWO}": lambda row: Number(row.invented_per_cm2, ".3g"),
                    "missed": lambda row: Number(row.missed, "d"),
                    "invented": lambda row: Number(row.invented, "d"),
                    "features there": lambda row: Number(row.features, "d"),
                    "area [cm\N{SUPERSCRIPT TWO}]": lambda row: Number(row.area_cm2, ".3g"),
                },
            ),
        )


def _responses(asked: Answering, plates: Sequence[_DotPlate]) -> Responses:
    found = [responses_in(plate.shot.answer_of(asked), plate.dots) for plate in plates]
    return Responses(
        np.concatenate([one.dots for one in found]),
        np.concatenate([one.blank for one in found]),
        float(np.mean([one.noise for one in found])),
    )


@lru_cache(maxsize=1)
def _plates(context: EvaluationContext) -> list[_DotPlate]:
    setup = ProbeSetup.of(context, "features")
    return [_plate(setup, number) for number in range(1 if context.options.quick else 6)]


def _plate(setup: ProbeSetup, number: int) -> _DotPlate:
    """Draw dots of copper at random places of the left half."""
    rng = generator(setup.seed, sample=number, stage="dots")
    pixel = setup.detector_pixel_mm
    half = (SIDE_PX / 2 - _BORDER_PX - _MIDDLE_PX) * pixel
    places: list[tuple[float, float]] = []
    while len(places) < _DOTS:
        x, y = float(rng.uniform(-half, -_MIDDLE_PX * pixel)), float(rng.uniform(-half, half))
        if all(np.hypot(x - a, y - b) > _APART_MM for a, b in places):
            places.append((x, y))
    scene = setup.board()
    dots = [flat.disc(x, y, float(rng.uniform(*_DIAMETERS_MM))) for x, y in places]
    scene.layer(Layer("Cu", TRACK_MM, 0.5 * BOARD[1], list(dots)))
    shot = setup.shoot(setup.draw(scene, "dots"), number)
    pixels = np.round(np.array([(y / pixel, x / pixel) for x, y in places]) + (SIDE_PX - 1) / 2).astype(np.int64)
    return _DotPlate(shot, pixels, 0.5 * float(responses_in(shot.clean, pixels).dots.min()))


def responses_in(image: NDArray[np.floating], dots: NDArray[np.int64]) -> Responses:
    """Return what the Laplacian of Gaussian (1.5 px) makes of dark dots and of the right half, where none are.

    Parameters
    ----------
    image : (H, W) array
        Grey, open field 1.0.
    dots : (n, 2) array
        Places (y, x) of the dots [px].
    """
    response = gaussian_laplace(np.asarray(image, dtype=np.float64), _SCALE_PX)
    highest = maximum_filter(response, size=_NEAR_PX)
    blank = (slice(_BORDER_PX, -_BORDER_PX), slice(image.shape[1] // 2 + _MIDDLE_PX, -_BORDER_PX))
    empty = response[blank]
    noise = 1.4826 * float(np.median(np.abs(empty - np.median(empty))))
    return Responses(highest[tuple(dots.T)], empty[empty == highest[blank]], noise)
