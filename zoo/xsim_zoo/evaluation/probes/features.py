"""Small features missed at one rate of false calls, and features that stand where there are none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_laplace, maximum_filter

from xsim.phantoms import flat
from xsim.phantoms.scene import Layer, Scene
from xsim.seeds import generator
from xsim_zoo.evaluation.bootstrap import Bootstrap
from xsim_zoo.evaluation.entrants import INPUT
from xsim_zoo.evaluation.laboratory import BOARD, SIDE_PX, TRACK_MM, Laboratory, Shot
from xsim_zoo.evaluation.subjects import Subject
from xsim_zoo.evaluation.task_records import FeatureScore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench

__all__ = ["FALSE_PER_CM2", "Responses", "measure", "responses_in"]

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


@dataclass(frozen=True)
class _Plate:
    """A shot with the places (n, 2) of its dots [px], and half the response of the faintest in clean HR."""

    shot: Shot
    dots: NDArray[np.int64]
    likeness: float


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

    def invented(self, likeness: float) -> int:
        """Count the peaks where nothing is that exceed ``likeness`` and what normal noise explains."""
        return int(np.sum(self.blank > max(likeness, _NOISE_LIMIT * self.noise)))


def measure(bench: Bench, subject: Subject) -> list[FeatureScore]:
    """Ask a subject for plates with dots on their left half and nothing on their right."""
    plates = _plates(bench)
    own, before = (_responses(one, plates) for one in (subject, Subject(INPUT, None)))
    rows, columns = SIDE_PX - 2 * _BORDER_PX, SIDE_PX // 2 - _MIDDLE_PX - _BORDER_PX
    area = len(plates) * rows * columns * Laboratory.of(bench, "features").detector_pixel_mm ** 2 / 100.0
    false_calls = max(1, round(FALSE_PER_CM2 * area))
    threshold = own.threshold(false_calls)
    missed, missed_before = own.dots <= threshold, before.dots <= before.threshold(false_calls)
    invented = own.invented(min(plate.likeness for plate in plates))
    bootstrap = Bootstrap(range(len(missed)), bench.options.resamples, bench.options.seed)
    return [
        FeatureScore(
            restorer=subject.label,
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


def _responses(subject: Subject, plates: Sequence[_Plate]) -> Responses:
    found = [
        responses_in(subject.answer(plate.shot.lr, plate.shot.hr, plate.shot.number), plate.dots) for plate in plates
    ]
    return Responses(
        np.concatenate([one.dots for one in found]),
        np.concatenate([one.blank for one in found]),
        float(np.mean([one.noise for one in found])),
    )


@lru_cache(maxsize=1)
def _plates(bench: Bench) -> list[_Plate]:
    laboratory = Laboratory.of(bench, "features")
    return [_plate(laboratory, number) for number in range(1 if bench.options.quick else 6)]


def _plate(laboratory: Laboratory, number: int) -> _Plate:
    """Draw dots of copper at random places of the left half."""
    rng = generator(laboratory.seed, sample=number, stage="dots")
    pixel = laboratory.detector_pixel_mm
    half = (SIDE_PX / 2 - _BORDER_PX - _MIDDLE_PX) * pixel
    places: list[tuple[float, float]] = []
    while len(places) < _DOTS:
        x, y = float(rng.uniform(-half, -_MIDDLE_PX * pixel)), float(rng.uniform(-half, half))
        if all(np.hypot(x - a, y - b) > _APART_MM for a, b in places):
            places.append((x, y))
    side = 4.0 * SIDE_PX * pixel
    scene = Scene()
    scene.layer(Layer(BOARD[0], BOARD[1], 0.0, [flat.box(0.0, 0.0, side, side)]))
    dots = [flat.disc(x, y, float(rng.uniform(*_DIAMETERS_MM))) for x, y in places]
    scene.layer(Layer("Cu", TRACK_MM, 0.5 * BOARD[1], list(dots)))
    shot = laboratory.shoot(laboratory.draw(scene, "dots"), number)
    pixels = np.round(np.array([(y / pixel, x / pixel) for x, y in places]) + (SIDE_PX - 1) / 2).astype(np.int64)
    return _Plate(shot, pixels, 0.5 * float(responses_in(shot.clean, pixels).dots.min()))


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
