"""Open tracks told from sound ones, by model observers that know where the gap would be (ICRU Report 54).

The observers are two linear filters behind Laguerre-Gauss channels, which span what is round about the place of the
signal (Gallas and Barrett, J. Opt. Soc. Am. A 20, 1725, 2003). Made from the images that they judge, both are valid
behind restorers that are not linear; each image is judged by a filter that was made from others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.polynomial import laguerre
from numpy.typing import NDArray

from xsim.phantoms import flat
from xsim.phantoms.scene import Layer
from xsim.seeds import generator
from xsim_zoo.evaluation.competitor import Answering, ImageItself
from xsim_zoo.evaluation.probes.base import BOARD, SIDE_PX, Probe, ProbeSetup, ProbeShot
from xsim_zoo.evaluation.records import INPUT, TRUTH, Estimate, Finding, Row, Verdict
from xsim_zoo.evaluation.report.figures import Axis, Chart, ReferenceLine
from xsim_zoo.evaluation.report.tables import Block, Interval, Naming, Number, table_of
from xsim_zoo.evaluation.results import TASKS, Evaluation, register
from xsim_zoo.evaluation.verdicts import interval, level_of, verdict

if TYPE_CHECKING:
    from xsim_zoo.evaluation.context import EvaluationContext

__all__ = [
    "COPPER_MM",
    "GAPS_MM",
    "OpenScore",
    "Opens",
    "area_under_curve",
    "detectability",
    "hotelling",
    "laguerre_gauss",
    "matched",
    "paired_areas",
    "scores_of",
]

GAPS_MM = (0.02, 0.04, 0.08)
"""Widths of the gaps [mm]; a pixel of the paper's detector is 0.048 mm."""

COPPER_MM = (0.035, 0.07)
"""Thickness of the copper [mm]: 1 and 2 ounces per square foot."""

_WIDTH_MM = 0.1
_CELL_PX = 24
_CELLS = 10
_OFFSET_PX = (0.3, 0.2)
"""Tracks lie beside the pixel grid, all in the same way: the observer knows where, as inspection does."""

_CHANNELS = 6
_CHANNEL_PX = 8.0
"""Wide enough for the gap behind the blur of a thick screen, narrow enough to leave out the next track."""

_HR_FINDS = 0.75
_LR_MISSES = 0.95
"""AUCs between which there is something to gain: what HR does not find no restorer can be asked for."""

_FOLDS = 10
_RESAMPLES = 1000


class OpenScore(Row):
    """Detectability of a gap in a track of copper, by observers who know where it would be.

    ``auc`` and ``d_prime`` belong to a matched filter that does not whiten the noise, as an eye does not; ``change``
    is its AUC less that on the LR image, paired by track. ``d_prime_best`` belongs to the Hotelling observer of the
    same channels, the best linear one: what restoring does not raise, it did not find in the measurement.
    """

    restorer: str
    gap_mm: float
    copper_mm: float
    present: int
    absent: int
    auc: Estimate
    change: Estimate
    d_prime: float
    d_prime_best: float


@dataclass(frozen=True)
class _TrackPlate:
    """A shot of 10 x 10 cells of one track each, and the gap in each [mm]; 0 for a sound one."""

    shot: ProbeShot
    gap_mm: NDArray[np.float64]


@register
class Opens(Probe):
    """The section ``opens``."""

    name = "opens"
    title = "Open tracks"
    row = OpenScore
    order = 90
    chapter = TASKS
    beside = (INPUT, TRUTH)
    cost = 3

    def measure(self, context: EvaluationContext, asked: Answering) -> list[OpenScore]:
        """Ask for the tracks of every copper, and compare each gap with the sound tracks beside it."""
        rows = []
        for copper, plates in _plates(context).items():
            own, before = (_responses(one, plates) for one in (asked, ImageItself(INPUT)))
            gaps = np.concatenate([plate.gap_mm for plate in plates])
            for gap in GAPS_MM:
                judged = (gaps == gap) | (gaps == 0)
                score = _score(own[judged], before[judged], gaps[judged] > 0, context.options.seed)
                rows.append(OpenScore(restorer=asked.label, gap_mm=gap, copper_mm=copper, **score))
        return rows

    def verdict(self, evaluation: Evaluation) -> Verdict | None:
        """Judge the detectability of open tracks, for gaps that HR finds and LR partly misses."""
        rows = {(row.restorer, row.gap_mm, row.copper_mm): row for row in evaluation.rows(OpenScore)}
        judged = [
            place
            for (label, *place), row in rows.items()
            if label == TRUTH
            and (row.auc.low if row.auc.low is not None else row.auc.mean) >= _HR_FINDS
            and (INPUT, *place) in rows
            and rows[INPUT, place[0], place[1]].auc.mean <= _LR_MISSES
        ]
        findings = []
        for label in evaluation.labels:
            found = [rows[label, gap, copper] for gap, copper in judged if (label, gap, copper) in rows]
            if found:
                findings.append(_finding(label, found))
        text = "AUC of a matched filter, its mean change from LR, for gaps that HR shows and LR partly hides"
        return verdict("open tracks", text, findings)

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return detectability against the gap, and all scores."""
        rows = evaluation.rows(OpenScore)
        return (
            *(_chart(rows, naming, copper) for copper in dict.fromkeys(row.copper_mm for row in rows)),
            table_of(
                "Detectability of open tracks",
                rows,
                {
                    "restorer": lambda row: naming.cell(row.restorer),
                    "copper [mm]": lambda row: Number(row.copper_mm, ".3g"),
                    "gap [mm]": lambda row: Number(row.gap_mm, ".3g"),
                    "area under the ROC, 95 % interval": lambda row: Interval(row.auc, ".3f"),
                    "less that on LR, 95 % interval": lambda row: Interval(row.change, "+.3f"),
                    "d'": lambda row: Number(row.d_prime, ".2f"),
                    "d' of the Hotelling observer": lambda row: Number(row.d_prime_best, ".2f"),
                    "with the gap": lambda row: Number(row.present, "d"),
                    "without": lambda row: Number(row.absent, "d"),
                },
            ),
        )


def _finding(label: str, rows: list[OpenScore]) -> Finding:
    """Return the finding on one restorer, from its mean change over the gaps.

    All gaps share their sound tracks: the mean of the interval's ends is the interval of a mean of wholly dependent
    changes, the widest there can be.
    """
    mean, low, high = (
        float(np.mean([row.change.mean if (value := getattr(row.change, end)) is None else value for row in rows]))
        for end in ("mean", "low", "high")
    )
    change = Estimate(mean=mean, low=low, high=high)
    level = level_of(change)
    text = f"{interval(change, digits=3)} over {len(rows)} gaps"
    return Finding(restorer=label, level=level, text=f"{text}: no help" if level == "warn" else text)


def _chart(rows: Sequence[OpenScore], naming: Naming, copper_mm: float) -> Chart:
    """Return detectability against the gap, for one thickness of copper."""
    series = []
    judged = [row for row in rows if row.copper_mm == copper_mm]
    for label in dict.fromkeys(score.restorer for score in judged):
        scores = sorted((s for s in judged if s.restorer == label), key=lambda score: score.gap_mm)
        series.append(naming.means(label, [score.gap_mm for score in scores], [score.auc for score in scores]))
    return Chart(
        f"Open tracks in {1000 * copper_mm:g} \N{MICRO SIGN}m of copper",
        Axis.covering("gap [mm]", [item.x for item in series], 0.0),
        Axis("area under the ROC", 0.4, 1.0),
        tuple(series),
        (ReferenceLine("chance", 0.5),),
        "A matched filter that does not whiten the noise looks at a known place for a gap (ICRU 54): 0.5 is guessing, "
        "1 is certainty. The Hotelling observer in the table is the best linear one behind the same channels.",
    )


def _score(
    responses: NDArray[np.float64], input_responses: NDArray[np.float64], is_open: NDArray[np.bool_], seed: int
) -> dict[str, Any]:
    """Return what the observers make of responses (n, c) to some cells, beside those on the LR image."""
    own, before = (scores_of(values, is_open, matched, seed) for values in (responses, input_responses))
    best = scores_of(responses, is_open, hotelling, seed)
    auc, change = paired_areas(own, before, is_open, seed)
    return {
        "present": int(is_open.sum()),
        "absent": int((~is_open).sum()),
        "auc": auc,
        "change": change,
        "d_prime": detectability(own[is_open], own[~is_open]),
        "d_prime_best": detectability(best[is_open], best[~is_open]),
    }


@lru_cache(maxsize=1)
def _plates(context: EvaluationContext) -> dict[float, list[_TrackPlate]]:
    setup = ProbeSetup.of(context, "opens")
    count = 2 if context.options.quick else 6
    return {
        copper: [_plate(setup, copper, place * 100 + number) for number in range(count)]
        for place, copper in enumerate(COPPER_MM)
    }


def _plate(setup: ProbeSetup, copper_mm: float, number: int) -> _TrackPlate:
    """Draw ten rows of tracks, a quarter of their hundred cells sound and a quarter cut by each of the gaps."""
    rng = generator(setup.seed, sample=number, stage="tracks")
    gaps = rng.permutation(np.resize((0.0, *GAPS_MM), _CELLS**2))
    pixel = setup.detector_pixel_mm
    tracks: list[tuple[float, ...]] = []
    for place, gap in enumerate(gaps.tolist()):
        row, column = divmod(place, _CELLS)
        x, y = (
            (index - (_CELLS - 1) / 2) * _CELL_PX * pixel + offset * pixel
            for index, offset in zip((column, row), _OFFSET_PX, strict=True)
        )
        half = (_CELL_PX * pixel - gap) / 2
        tracks += [flat.box(x + way * (gap + half) / 2, y, half, _WIDTH_MM) for way in (-1.0, 1.0)]
    scene = setup.board()
    scene.layer(Layer("Cu", copper_mm, 0.5 * BOARD[1], list(tracks)))
    return _TrackPlate(setup.shoot(setup.draw(scene, "tracks"), number), gaps)


def _responses(asked: Answering, plates: list[_TrackPlate]) -> NDArray[np.float64]:
    """Return the responses of the channels to every cell, (cells, channels)."""
    middle = (_CELL_PX - 1) / 2
    centre = (middle + _OFFSET_PX[1], middle + _OFFSET_PX[0])
    channels = laguerre_gauss((_CELL_PX, _CELL_PX), centre, _CHANNEL_PX, _CHANNELS)
    cells = [_cells(plate.shot.answer_of(asked)) for plate in plates]
    return np.concatenate(cells).reshape(-1, _CELL_PX**2) @ channels


def _cells(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cells of a plate without their mean, (100, 24, 24)."""
    start = (SIDE_PX - _CELLS * _CELL_PX) // 2
    part = image[start : start + _CELLS * _CELL_PX, start : start + _CELLS * _CELL_PX].astype(np.float64)
    cells = part.reshape(_CELLS, _CELL_PX, _CELLS, _CELL_PX).swapaxes(1, 2).reshape(-1, _CELL_PX, _CELL_PX)
    return np.asarray(cells - cells.mean(axis=(1, 2), keepdims=True))


def laguerre_gauss(
    shape: tuple[int, int], centre: tuple[float, float], width_px: float, count: int
) -> NDArray[np.float64]:
    """Return orthonormal channels (H * W, count): Laguerre polynomials under a Gaussian of ``width_px``.

    Parameters
    ----------
    shape : (H, W)
        Of the images.
    centre : (y, x)
        Where the signal is [px].
    width_px : float
        Width a of exp(-pi r^2 / a^2) [px].
    count : int
        How many channels.
    """
    y, x = np.ogrid[: shape[0], : shape[1]]
    square = ((y - centre[0]) ** 2 + (x - centre[1]) ** 2).ravel() * 2.0 * np.pi / width_px**2
    columns = [np.exp(-0.5 * square) * laguerre.lagval(square, np.eye(count)[order]) for order in range(count)]
    # On a grid of pixels they are orthogonal only nearly.
    return np.asarray(np.linalg.qr(np.stack(columns, axis=1))[0])


def matched(present: NDArray[np.float64], absent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the filter (c,) of the observer without prewhitening: the mean difference of responses (n, c)."""
    return np.asarray(present.mean(axis=0) - absent.mean(axis=0))


def hotelling(present: NDArray[np.float64], absent: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the Hotelling filter (c,): the mean difference, through the inverse of the mean covariance."""
    covariance = 0.5 * (np.cov(present.T) + np.cov(absent.T))
    return np.asarray(np.linalg.solve(covariance, matched(present, absent)))


def scores_of(
    responses: NDArray[np.float64], has_signal: NDArray[np.bool_], make: Callable[..., NDArray[np.float64]], seed: int
) -> NDArray[np.float64]:
    """Return how much every image looks like one with the signal (n,), by filters made from nine tenths of the others.

    Parameters
    ----------
    responses : (n, c) array
        Responses of the channels to each image.
    has_signal : (n,) array
        Which hold the signal.
    make : callable
        `matched` or `hotelling`.
    seed : int
        Seed of the tenths.
    """
    fold = np.empty(len(responses), dtype=int)
    rng = generator(seed, stage="folds")
    for kind in (has_signal, ~has_signal):
        places = rng.permutation(np.flatnonzero(kind))
        fold[places] = np.arange(len(places)) % _FOLDS
    scores = np.zeros(len(responses))
    for number in range(_FOLDS):
        judged = fold == number
        present, absent = responses[~judged & has_signal], responses[~judged & ~has_signal]
        weights = make(present, absent)
        # Filters of different tenths differ in scale and in what they take for the middle.
        spread = np.sqrt(0.5 * ((present @ weights).var(ddof=1) + (absent @ weights).var(ddof=1)))
        middle = 0.5 * (present.mean(axis=0) + absent.mean(axis=0))
        scores[judged] = (responses[judged] - middle) @ weights / max(float(spread), 1e-12)
    return scores


def area_under_curve(present: NDArray[np.float64], absent: NDArray[np.float64]) -> float:
    """Return the chance that a score of ``present`` exceeds one of ``absent``, ties counting half (Mann-Whitney)."""
    above = present[:, None] > absent[None, :]
    return float(np.mean(above + 0.5 * (present[:, None] == absent[None, :])))


def detectability(present: NDArray[np.float64], absent: NDArray[np.float64]) -> float:
    """Return d', the distance of the two means in units of their pooled standard deviation; 0 for no scatter."""
    spread = np.sqrt(0.5 * (present.var(ddof=1) + absent.var(ddof=1)))
    return float((present.mean() - absent.mean()) / spread) if spread > 0 else 0.0


def paired_areas(
    scores: NDArray[np.float64], before: NDArray[np.float64], has_signal: NDArray[np.bool_], seed: int
) -> tuple[Estimate, Estimate]:
    """Return the AUC of scores (n,), and that AUC less the one of ``before`` (n,), each with its 95 % interval.

    Both see the same resamples of the same images, so that what they share drops out of the difference.
    """
    present, absent = np.flatnonzero(has_signal), np.flatnonzero(~has_signal)

    def areas(some: NDArray[np.intp], others: NDArray[np.intp]) -> tuple[float, float]:
        own, usual = (area_under_curve(values[some], values[others]) for values in (scores, before))
        return own, own - usual

    rng = generator(seed, stage="auc")
    drawn = [areas(rng.choice(present, len(present)), rng.choice(absent, len(absent))) for _ in range(_RESAMPLES)]
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    area, change = (
        Estimate(mean=mean, low=float(below), high=float(above))
        for mean, below, above in zip(areas(present, absent), low, high, strict=True)
    )
    return area, change
