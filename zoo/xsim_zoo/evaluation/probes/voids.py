"""Void area in solder balls: what an inspector would measure, against what is there.

The observer sums how much attenuation a ball lacks in all, which no blur changes, and reads off what area that means.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, ClassVar

import numpy as np
from numpy.typing import NDArray

from xsim.phantoms import solids
from xsim.phantoms.scene import Scene
from xsim.seeds import generator
from xsim_zoo.evaluation.competitor import Answering, ImageItself
from xsim_zoo.evaluation.probes.base import SIDE_PX, Probe, ProbeSetup, ProbeShot
from xsim_zoo.evaluation.records import INPUT, TRUTH, Estimate, Finding, Numbers, Row, Verdict
from xsim_zoo.evaluation.report.figures import Axis, Chart, ReferenceLine
from xsim_zoo.evaluation.report.tables import Block, Cell, Interval, Naming, Number, table_of
from xsim_zoo.evaluation.results import TASKS, Evaluation, register
from xsim_zoo.evaluation.statistics import Bootstrap
from xsim_zoo.evaluation.verdicts import interval, level_of, negated, verdict

if TYPE_CHECKING:
    from xsim_zoo.evaluation.context import EvaluationContext

__all__ = ["FALSE_CALLS", "SIZES", "Ball", "VoidScore", "VoidSize", "Voids", "areas_of", "deficits", "seen"]

SIZES = (0.5, 2.0, 5.0, 10.0, 20.0, 35.0)
"""Limits of the classes of voids whose detection is counted [% of the ball's area]."""

_SOLDER = "SAC305"
_RADIUS_MM = 0.3
_PITCH_PX = 27
_SIDE = 9
_SOUND_EVERY = 3
"""Every third ball is sound: together they show what a ball without a void looks like."""

FALSE_CALLS = 0.05
"""Share of the sound balls that may be called voided where detection is counted."""

_LEAST_GREY = 1e-3
"""Darkest grey whose logarithm is taken."""


class VoidSize(Row):
    """How many of the voids of a class, given by their area in % of the ball, are seen."""

    from_percent: float
    to_percent: float
    balls: int
    seen: int


class VoidScore(Row):
    """Void area of solder balls, measured against labelled, in % of the ball's area (Bland-Altman).

    ``change`` is the mean absolute error less that on the LR image, paired by ball. Voids are seen that stand out
    from all but one in twenty of the sound balls.
    """

    restorer: str
    balls: int
    mean_absolute_error: float
    change: Estimate
    bias: float
    limit_low: float
    limit_high: float
    sizes: tuple[VoidSize, ...]
    labelled: Numbers
    measured: Numbers


@register
class Voids(Probe):
    """The section ``voids``."""

    name = "voids"
    title = "Voids in solder balls"
    row = VoidScore
    order = 80
    chapter = TASKS
    side_by_side = True
    apart = ("sizes",)
    beside = (INPUT, TRUTH)
    cost = 1
    glanced: ClassVar = {"void area error [% of the ball]": lambda row: Number(row.mean_absolute_error, ".2f")}

    def measure(self, context: EvaluationContext, asked: Answering) -> list[VoidScore]:
        """Ask for the balls, measure their voids and count which are seen at all.

        Errors are compared with those on the LR image ball by ball.
        """
        labelled = np.array([ball.void for balls, _ in _shots(context) for ball in balls])
        has_void = labelled > 0
        area = labelled[has_void]
        deficit = _deficits(context, asked)
        before = areas_of(_deficits(context, ImageItself(INPUT))[has_void], area)
        measured = areas_of(deficit[has_void], area)
        error = measured - area
        limits = error.mean() + 1.96 * error.std(ddof=1) * np.array([-1.0, 1.0])
        bootstrap = Bootstrap(range(len(area)), context.options.resamples, context.options.seed)
        return [
            VoidScore(
                restorer=asked.label,
                balls=len(area),
                mean_absolute_error=float(np.abs(error).mean()),
                change=bootstrap.mean(np.abs(error) - np.abs(before - area)),
                bias=float(error.mean()),
                limit_low=float(limits[0]),
                limit_high=float(limits[1]),
                sizes=_by_size(area, seen(deficit[has_void], deficit[~has_void])),
                labelled=tuple(area.tolist()),
                measured=tuple(measured.tolist()),
            )
        ]

    def verdict(self, evaluation: Evaluation) -> Verdict | None:
        """Judge the error of void areas, in % of the ball, against that on the LR image."""
        rows = {row.restorer: row for row in evaluation.rows(VoidScore)}
        if INPUT not in rows or TRUTH not in rows:
            return None
        before, best = rows[INPUT].mean_absolute_error, rows[TRUTH].mean_absolute_error
        findings = [
            Finding(
                restorer=label,
                level=level_of(negated(rows[label].change)),
                text=f"{rows[label].mean_absolute_error:.2f} ({interval(rows[label].change)})",
            )
            for label in evaluation.labels
            if label in rows and best < before
        ]
        text = f"mean error in % of the ball, in brackets its change from LR; on LR {before:.2f}, on HR {best:.2f}"
        return verdict("area of voids", text, findings)

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return measured against labelled areas, their errors, and how many voids are seen."""
        rows = evaluation.rows(VoidScore)
        reach = [values for row in rows for values in (row.labelled, row.measured)]
        x, y = (Axis.covering(f"{what} void area [% of the ball]", reach, 0.0) for what in ("labelled", "measured"))
        points = tuple(naming.curve(row.restorer, row.labelled, row.measured, joined=False) for row in rows)
        caption = (
            "An area follows from all the attenuation that a ball lacks against the sound ones, by a line fitted to "
            "other balls of the same image. Limits of agreement, after Bland and Altman, are in the table."
        )
        return (
            Chart("Void area of solder balls", x, y, points, (ReferenceLine("measured as labelled"),), caption),
            table_of(
                "Void area of solder balls, measured less labelled",
                rows,
                {
                    "restorer": lambda row: naming.cell(row.restorer),
                    "mean absolute error [% of the ball]": lambda row: Number(row.mean_absolute_error, ".2f"),
                    "less that on LR, 95 % interval": lambda row: Interval(row.change, "+.2f"),
                    "bias [% of the ball]": lambda row: Number(row.bias, "+.2f"),
                    "lower limit of agreement": lambda row: Number(row.limit_low, "+.2f"),
                    "upper limit of agreement": lambda row: Number(row.limit_high, "+.2f"),
                    "balls": lambda row: Number(row.balls, "d"),
                },
            ),
            table_of(
                "Voids seen, by area; one sound ball in twenty is called voided",
                rows,
                {
                    "restorer": lambda row: naming.cell(row.restorer),
                    **{
                        f"{size.from_percent:g} to {size.to_percent:g} %, of {size.balls}": _seen_of(place)
                        for place, size in enumerate(rows[0].sizes)
                    },
                },
            ),
        )


def _seen_of(place: int) -> Callable[[VoidScore], Cell]:
    return lambda row: Number(row.sizes[place].seen, "d")


def _by_size(area: NDArray[np.float64], found: NDArray[np.bool_]) -> tuple[VoidSize, ...]:
    return tuple(
        VoidSize(from_percent=low, to_percent=high, balls=int(inside.sum()), seen=int(found[inside].sum()))
        for low, high in pairwise(SIZES)
        for inside in [(area >= low) & (area < high)]
    )


def _deficits(context: EvaluationContext, asked: Answering) -> NDArray[np.float64]:
    radius_px = _RADIUS_MM / ProbeSetup.of(context, "voids").detector_pixel_mm
    return np.concatenate([deficits(shot.answer_of(asked), balls, radius_px) for balls, shot in _shots(context)])


@lru_cache(maxsize=1)
def _shots(context: EvaluationContext) -> list[tuple[list[Ball], ProbeShot]]:
    setup = ProbeSetup.of(context, "voids")
    shots = []
    for number in range(1 if context.options.quick else 3):
        rng = generator(setup.seed, sample=number, stage="balls")
        scene = setup.board()
        balls = [_ball(scene, place, rng, setup.detector_pixel_mm) for place in range(_SIDE**2)]
        shots.append((balls, setup.shoot(setup.draw(scene, "balls"), number)))
    return shots


def _ball(scene: Scene, place: int, rng: np.random.Generator, pixel_mm: float) -> Ball:
    """Add a ball to the scene, on the centre of a pixel, with a void in it unless it is a sound one."""
    row, column = (int(index) - _SIDE // 2 for index in divmod(place, _SIDE))
    # The image's middle is a corner of pixels; balls sit on centres, all at the same phase of the grid.
    x, y = ((index * _PITCH_PX + 0.5) * pixel_mm for index in (column, row))
    area = 0.0 if place % _SOUND_EVERY == 0 else float(np.exp(rng.uniform(*np.log([SIZES[0], SIZES[-1]]))))
    radius = _RADIUS_MM * float(np.sqrt(area / 100.0))
    voids = []
    if area > 0:
        away, angle = float(rng.uniform(0.0, 0.9 * (_RADIUS_MM - radius))), float(rng.uniform(0.0, 2 * math.pi))
        voids = [solids.sphere(x + away * math.cos(angle), y + away * math.sin(angle), _RADIUS_MM, 2 * radius)]
    scene.body(_SOLDER, [solids.sphere(x, y, _RADIUS_MM, 2 * _RADIUS_MM)], voids=voids)
    return Ball(SIDE_PX // 2 + row * _PITCH_PX, SIDE_PX // 2 + column * _PITCH_PX, area)


@dataclass(frozen=True)
class Ball:
    """A ball: its centre in pixels, and the area of its void in % of its own."""

    y_px: int
    x_px: int
    void: float


def deficits(image: NDArray[np.floating], balls: Sequence[Ball], radius_px: float) -> NDArray[np.float64]:
    """Return the attenuation that every ball lacks against the median sound ball, summed over its disc, (n,).

    Blur spreads what a void lacks and keeps its sum, so small voids count in full where a threshold on the depth
    would lose them.

    Parameters
    ----------
    image : (H, W) array
        Grey, open field 1.0.
    balls : sequence of Ball
        The balls, some of them sound, all at the same phase of the pixel grid.
    radius_px : float
        Radius of a ball [px].
    """
    reach = int(np.ceil(radius_px))
    offset = np.arange(-reach, reach + 1)
    inside = np.hypot(*np.meshgrid(offset, offset)) <= radius_px - 0.5
    attenuation = -np.log(np.maximum(np.asarray(image, dtype=np.float64), _LEAST_GREY))
    patches = np.array(
        [
            attenuation[ball.y_px - reach : ball.y_px + reach + 1, ball.x_px - reach : ball.x_px + reach + 1][inside]
            for ball in balls
        ]
    )
    sound = np.array([ball.void == 0 for ball in balls])
    return np.asarray((np.median(patches[sound], axis=0) - patches).sum(axis=1))


def areas_of(deficit: NDArray[np.float64], labelled: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the void areas that deficits mean, (n,) in the unit of the labels, by calibration on other balls.

    The deficit of a sphere goes with the cube of its radius and its area with the square. A line through
    area = a + b deficit^(2/3) is fitted to every second ball and read for the others, and the other way round: each
    image is calibrated on itself, as a gauge would be, and no ball on its own label.

    Parameters
    ----------
    deficit, labelled : (n,) arrays
        Deficits of balls with a void, and the areas of their voids; at least four.
    """
    size = np.cbrt(np.maximum(deficit, 0.0)) ** 2
    even = np.arange(len(size)) % 2 == 0
    areas = np.zeros(len(size))
    for judged in (even, ~even):
        slope, start = np.polyfit(size[~judged], labelled[~judged], 1)
        areas[judged] = start + slope * size[judged]
    return np.clip(areas, 0.0, 100.0)


def seen(deficit: NDArray[np.float64], sound: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which deficits (n,) exceed all but 5 % of those of the sound balls (m,)."""
    return np.asarray(deficit > np.quantile(sound, 1.0 - FALSE_CALLS))
