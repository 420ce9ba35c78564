"""Small features missed, and features that stand where there are none."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_laplace, maximum_filter
from scipy.spatial import cKDTree

from xsim.phantoms import flat
from xsim.phantoms.scene import Layer, Scene
from xsim.seeds import generator
from xsim_zoo.evaluation.laboratory import BOARD, SIDE_PX, TRACK_MM, Laboratory, Shot
from xsim_zoo.evaluation.records import FeatureScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.subjects import Subject

__all__ = ["compared", "dots_in", "measure"]

_DOTS = 40
_DIAMETERS_MM = (0.1, 0.25)
_APART_MM = 0.8
_BORDER_PX = 24
_SCALE_PX = 1.5
_NEAR_PX = 3.0


@dataclass(frozen=True)
class _Plate:
    """A shot with the places (n, 2) of its dots [px], and the response above which a dot is seen."""

    shot: Shot
    dots: NDArray[np.float64]
    threshold: float


def measure(bench: Bench, subject: Subject) -> list[FeatureScore]:
    """Ask a subject for plates with dots on their left half and nothing on their right."""
    plates = _plates(bench)
    missed = invented = 0
    for plate in plates:
        seen = dots_in(subject.answer(plate.shot.lr, plate.shot.hr, plate.shot.number), plate.threshold)
        lost, extra = compared(seen, plate.dots)
        missed, invented = missed + lost, invented + extra
    side_mm = (SIDE_PX - 2 * _BORDER_PX) * bench.store.pitch_mm
    area = len(plates) * side_mm**2 / 100.0
    return [
        FeatureScore(
            restorer=subject.label,
            area_cm2=area,
            features=sum(len(plate.dots) for plate in plates),
            missed=missed,
            invented=invented,
            missed_per_cm2=missed / area,
            invented_per_cm2=invented / area,
        )
    ]


@lru_cache(maxsize=1)
def _plates(bench: Bench) -> list[_Plate]:
    laboratory = Laboratory.of(bench, "features")
    return [_plate(laboratory, number) for number in range(1 if bench.options.quick else 4)]


def _plate(laboratory: Laboratory, number: int) -> _Plate:
    """Draw dots of copper at random places; the threshold is half the response of the faintest in clean HR."""
    rng = generator(laboratory.seed, sample=number, stage="dots")
    pixel = laboratory.detector_pixel_mm
    half = (SIDE_PX / 2 - _BORDER_PX - 4) * pixel
    places: list[tuple[float, float]] = []
    while len(places) < _DOTS:
        x, y = float(rng.uniform(-half, -4 * pixel)), float(rng.uniform(-half, half))
        if all(np.hypot(x - a, y - b) > _APART_MM for a, b in places):
            places.append((x, y))
    side = 4.0 * SIDE_PX * pixel
    scene = Scene()
    scene.layer(Layer(BOARD[0], BOARD[1], 0.0, [flat.box(0.0, 0.0, side, side)]))
    dots = [flat.disc(x, y, float(rng.uniform(*_DIAMETERS_MM))) for x, y in places]
    scene.layer(Layer("Cu", TRACK_MM, 0.5 * BOARD[1], list(dots)))
    shot = laboratory.shoot(laboratory.draw(scene, "dots"), number)
    pixels = np.array([(y / pixel, x / pixel) for x, y in places]) + (SIDE_PX - 1) / 2
    response = maximum_filter(gaussian_laplace(shot.clean.astype(np.float64), _SCALE_PX), size=3)
    rows, columns = np.round(pixels).astype(int).T
    return _Plate(shot, pixels, 0.5 * float(response[rows, columns].min()))


def dots_in(image: NDArray[np.floating], threshold: float) -> NDArray[np.float64]:
    """Return the places (n, 2) of dark dots: peaks of the Laplacian of Gaussian (1.5 px) above a threshold."""
    response = gaussian_laplace(np.asarray(image, dtype=np.float64), _SCALE_PX)
    peak = (response == maximum_filter(response, size=5)) & (response > threshold)
    places = np.argwhere(peak).astype(np.float64)
    return places[np.all((places >= _BORDER_PX) & (places < np.array(image.shape) - _BORDER_PX), axis=1)]


def compared(seen: NDArray[np.float64], dots: NDArray[np.float64]) -> tuple[int, int]:
    """Return how many dots (n, 2) have nothing seen within 3 px, and how many seen (m, 2) have no dot there."""
    if not len(seen) or not len(dots):
        return len(dots), len(seen)
    lost, extra = (np.asarray(cKDTree(one).query(other)[0]) for one, other in ((seen, dots), (dots, seen)))
    return int(np.sum(lost > _NEAR_PX)), int(np.sum(extra > _NEAR_PX))
