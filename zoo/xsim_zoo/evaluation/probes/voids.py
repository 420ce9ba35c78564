"""Void area in solder balls: what an inspector would measure, against what is there."""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from xsim.phantoms import flat, solids
from xsim.phantoms.scene import Layer, Scene
from xsim.seeds import generator
from xsim_zoo.evaluation.bootstrap import Bootstrap
from xsim_zoo.evaluation.entrants import INPUT
from xsim_zoo.evaluation.laboratory import BOARD, SIDE_PX, Laboratory, Shot
from xsim_zoo.evaluation.probes.void_observer import Ball, areas_of, deficits, seen
from xsim_zoo.evaluation.subjects import Subject
from xsim_zoo.evaluation.task_records import VoidScore, VoidSize

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench

__all__ = ["SIZES", "measure"]

SIZES = (0.5, 2.0, 5.0, 10.0, 20.0, 35.0)
"""Limits of the classes of voids whose detection is counted [% of the ball's area]."""

_SOLDER = "SAC305"
_RADIUS_MM = 0.3
_PITCH_PX = 27
_SIDE = 9
_SOUND_EVERY = 3
"""Every third ball is sound: together they show what a ball without a void looks like."""


def measure(bench: Bench, subject: Subject) -> list[VoidScore]:
    """Ask a subject for the balls, measure their voids and count which are seen at all.

    Errors are compared with those on the LR image ball by ball.
    """
    labelled = np.array([ball.void for balls, _ in _shots(bench) for ball in balls])
    has_void = labelled > 0
    area = labelled[has_void]
    deficit = _deficits(bench, subject)
    before = areas_of(_deficits(bench, Subject(INPUT, None))[has_void], area)
    measured = areas_of(deficit[has_void], area)
    error = measured - area
    limits = error.mean() + 1.96 * error.std(ddof=1) * np.array([-1.0, 1.0])
    bootstrap = Bootstrap(range(len(area)), bench.options.resamples, bench.options.seed)
    return [
        VoidScore(
            restorer=subject.label,
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


def _by_size(area: NDArray[np.float64], found: NDArray[np.bool_]) -> tuple[VoidSize, ...]:
    return tuple(
        VoidSize(from_percent=low, to_percent=high, balls=int(inside.sum()), seen=int(found[inside].sum()))
        for low, high in pairwise(SIZES)
        for inside in [(area >= low) & (area < high)]
    )


def _deficits(bench: Bench, subject: Subject) -> NDArray[np.float64]:
    radius_px = _RADIUS_MM / Laboratory.of(bench, "voids").detector_pixel_mm
    return np.concatenate(
        [deficits(subject.answer(shot.lr, shot.hr, shot.number), balls, radius_px) for balls, shot in _shots(bench)]
    )


@lru_cache(maxsize=1)
def _shots(bench: Bench) -> list[tuple[list[Ball], Shot]]:
    laboratory = Laboratory.of(bench, "voids")
    shots = []
    for number in range(1 if bench.options.quick else 3):
        rng = generator(laboratory.seed, sample=number, stage="balls")
        scene = Scene()
        side = 4.0 * SIDE_PX * laboratory.detector_pixel_mm
        scene.layer(Layer(BOARD[0], BOARD[1], 0.0, [flat.box(0.0, 0.0, side, side)]))
        balls = [_ball(scene, place, rng, laboratory.detector_pixel_mm) for place in range(_SIDE**2)]
        shots.append((balls, laboratory.shoot(laboratory.draw(scene, "balls"), number)))
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
