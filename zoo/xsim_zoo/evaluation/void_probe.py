"""Void area in solder balls: what an inspector would measure, against what is there."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter, label

from xsim.phantoms import flat, solids
from xsim.phantoms.scene import Layer, Scene
from xsim.seeds import generator
from xsim_zoo.evaluation.laboratory import BOARD, SIDE_PX, Laboratory, Shot
from xsim_zoo.evaluation.records import VoidScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.subjects import Subject

__all__ = ["Ball", "measure", "void_areas"]

_SOLDER = "SAC305"
_RADIUS_MM = 0.3
_PITCH_PX = 27
_SIDE = 9
_AREA = (2.0, 35.0)
_SOUND_EVERY = 3
"""Every third ball is sound: together they show what a ball without a void looks like."""

_SMOOTH_PX = 0.7
_SIGNIFICANT = 5.0
_SPHERE = 4.0 / 3.0
"""A sphere's chord exceeds half of its diameter over 3/4 of its disc."""


@dataclass(frozen=True)
class Ball:
    """A ball: its centre in pixels, and the area of its void in % of its own."""

    y_px: int
    x_px: int
    void: float


def measure(bench: Bench, subject: Subject) -> list[VoidScore]:
    """Ask a subject for the balls and measure their voids."""
    found = [
        (ball.void, area)
        for balls, shot in _shots(bench)
        for ball, area in zip(
            (ball for ball in balls if ball.void > 0),
            void_areas(subject.answer(shot.lr, shot.hr, shot.number), balls, _RADIUS_MM / bench.store.pitch_mm),
            strict=True,
        )
    ]
    labelled, measured = np.array(found).T
    error = measured - labelled
    limits = error.mean() + 1.96 * error.std(ddof=1) * np.array([-1.0, 1.0])
    return [
        VoidScore(
            restorer=subject.label,
            balls=len(found),
            mean_absolute_error=float(np.abs(error).mean()),
            bias=float(error.mean()),
            limit_low=float(limits[0]),
            limit_high=float(limits[1]),
            labelled=tuple(labelled.tolist()),
            measured=tuple(measured.tolist()),
        )
    ]


@lru_cache(maxsize=1)
def _shots(bench: Bench) -> list[tuple[list[Ball], Shot]]:
    laboratory = Laboratory.of(bench, "voids")
    shots = []
    for number in range(1 if bench.options.quick else 2):
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
    area = 0.0 if place % _SOUND_EVERY == 0 else float(rng.uniform(*_AREA))
    radius = _RADIUS_MM * float(np.sqrt(area / 100.0))
    voids = []
    if area > 0:
        away, angle = float(rng.uniform(0.0, 0.9 * (_RADIUS_MM - radius))), float(rng.uniform(0.0, 2 * math.pi))
        voids = [solids.sphere(x + away * math.cos(angle), y + away * math.sin(angle), _RADIUS_MM, 2 * radius)]
    scene.body(_SOLDER, [solids.sphere(x, y, _RADIUS_MM, 2 * _RADIUS_MM)], voids=voids)
    return Ball(SIDE_PX // 2 + row * _PITCH_PX, SIDE_PX // 2 + column * _PITCH_PX, area)


def void_areas(image: NDArray[np.floating], balls: Sequence[Ball], radius_px: float) -> list[float]:
    """Return the measured void area of every ball that holds one [% of the ball].

    The attenuation that a ball lacks against the median sound ball is smoothed by 0.7 px; where it exceeds half of
    its peak is the void. A peak below five standard deviations of the sound balls is no void (area 0).

    Parameters
    ----------
    image : (H, W) array
        Grey, open field 1.0.
    balls : sequence of Ball
        The balls, some of them sound.
    radius_px : float
        Radius of a ball [px].
    """
    reach = int(np.ceil(radius_px))
    offset = np.arange(-reach, reach + 1)
    inside = np.hypot(*np.meshgrid(offset, offset)) <= radius_px - 0.5
    attenuation = -np.log(np.maximum(image, 1e-3))
    patches = [
        attenuation[ball.y_px - reach : ball.y_px + reach + 1, ball.x_px - reach : ball.x_px + reach + 1]
        for ball in balls
    ]
    sound = np.array([patch for patch, ball in zip(patches, balls, strict=True) if ball.void == 0])
    usual = np.median(sound, axis=0)
    scatter = np.std([_smooth(usual - patch)[inside] for patch in sound])
    found = []
    for patch, ball in zip(patches, balls, strict=True):
        if ball.void == 0:
            continue
        lack = np.where(inside, _smooth(usual - patch), 0.0)
        peak = float(lack.max())
        if peak < _SIGNIFICANT * scatter:
            found.append(0.0)
            continue
        regions, _ = label(lack > peak / 2)
        own = regions == regions[np.unravel_index(int(lack.argmax()), lack.shape)]
        found.append(100.0 * _SPHERE * float(own.sum()) / (np.pi * radius_px**2))
    return found


def _smooth(patch: NDArray[np.floating]) -> NDArray[np.floating]:
    return np.asarray(gaussian_filter(patch, _SMOOTH_PX))
