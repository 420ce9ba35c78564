"""Open tracks told from sound ones, by model observers that know where the gap would be."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from xsim.phantoms import flat
from xsim.phantoms.scene import Layer, Scene
from xsim.seeds import generator
from xsim_zoo.evaluation.entrants import INPUT
from xsim_zoo.evaluation.laboratory import BOARD, SIDE_PX, Laboratory, Shot
from xsim_zoo.evaluation.probes.observer import (
    detectability,
    hotelling,
    laguerre_gauss,
    matched,
    paired_areas,
    scores_of,
)
from xsim_zoo.evaluation.subjects import Subject
from xsim_zoo.evaluation.task_records import OpenScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench

__all__ = ["COPPER_MM", "GAPS_MM", "measure"]

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


@dataclass(frozen=True)
class _Plate:
    """A shot of 10 x 10 cells of one track each, and the gap in each [mm]; 0 for a sound one."""

    shot: Shot
    gap_mm: NDArray[np.float64]


def measure(bench: Bench, subject: Subject) -> list[OpenScore]:
    """Ask a subject for the tracks of every copper, and compare each gap with the sound tracks beside it."""
    rows = []
    for copper, plates in _plates(bench).items():
        own, before = (_responses(one, plates) for one in (subject, Subject(INPUT, None)))
        gaps = np.concatenate([plate.gap_mm for plate in plates])
        for gap in GAPS_MM:
            judged = (gaps == gap) | (gaps == 0)
            rows.append(_score(bench, subject.label, (gap, copper), gaps[judged] > 0, (own[judged], before[judged])))
    return rows


def _score(
    bench: Bench,
    label: str,
    gap_and_copper_mm: tuple[float, float],
    is_open: NDArray[np.bool_],
    responses: tuple[NDArray[np.float64], NDArray[np.float64]],
) -> OpenScore:
    """Return what the observers make of responses to the same cells: the subject's own and those on the LR image."""
    gap, copper = gap_and_copper_mm
    seed = bench.options.seed
    own, before = (scores_of(values, is_open, matched, seed) for values in responses)
    best = scores_of(responses[0], is_open, hotelling, seed)
    auc, change = paired_areas(own, before, is_open, seed)
    return OpenScore(
        restorer=label,
        gap_mm=gap,
        copper_mm=copper,
        present=int(is_open.sum()),
        absent=int((~is_open).sum()),
        auc=auc,
        change=change,
        d_prime=detectability(own[is_open], own[~is_open]),
        d_prime_best=detectability(best[is_open], best[~is_open]),
    )


@lru_cache(maxsize=1)
def _plates(bench: Bench) -> dict[float, list[_Plate]]:
    laboratory = Laboratory.of(bench, "opens")
    count = 2 if bench.options.quick else 6
    return {
        copper: [_plate(laboratory, copper, place * 100 + number) for number in range(count)]
        for place, copper in enumerate(COPPER_MM)
    }


def _plate(laboratory: Laboratory, copper_mm: float, number: int) -> _Plate:
    """Draw ten rows of tracks, a quarter of their hundred cells sound and a quarter cut by each of the gaps."""
    rng = generator(laboratory.seed, sample=number, stage="tracks")
    gaps = rng.permutation(np.resize((0.0, *GAPS_MM), _CELLS**2))
    pixel = laboratory.detector_pixel_mm
    side = 4.0 * SIDE_PX * pixel
    tracks: list[tuple[float, ...]] = []
    for place, gap in enumerate(gaps.tolist()):
        row, column = divmod(place, _CELLS)
        x, y = (
            (index - (_CELLS - 1) / 2) * _CELL_PX * pixel + offset * pixel
            for index, offset in zip((column, row), _OFFSET_PX, strict=True)
        )
        half = (_CELL_PX * pixel - gap) / 2
        tracks += [flat.box(x + way * (gap + half) / 2, y, half, _WIDTH_MM) for way in (-1.0, 1.0)]
    scene = Scene()
    scene.layer(Layer(BOARD[0], BOARD[1], 0.0, [flat.box(0.0, 0.0, side, side)]))
    scene.layer(Layer("Cu", copper_mm, 0.5 * BOARD[1], list(tracks)))
    return _Plate(laboratory.shoot(laboratory.draw(scene, "tracks"), number), gaps)


def _responses(subject: Subject, plates: list[_Plate]) -> NDArray[np.float64]:
    """Return the responses of the channels to every cell, (cells, channels)."""
    middle = (_CELL_PX - 1) / 2
    centre = (middle + _OFFSET_PX[1], middle + _OFFSET_PX[0])
    channels = laguerre_gauss((_CELL_PX, _CELL_PX), centre, _CHANNEL_PX, _CHANNELS)
    cells = [_cells(subject.answer(plate.shot.lr, plate.shot.hr, plate.shot.number)) for plate in plates]
    return np.concatenate(cells).reshape(-1, _CELL_PX**2) @ channels


def _cells(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cells of a plate without their mean, (100, 24, 24)."""
    start = (SIDE_PX - _CELLS * _CELL_PX) // 2
    part = image[start : start + _CELLS * _CELL_PX, start : start + _CELLS * _CELL_PX].astype(np.float64)
    cells = part.reshape(_CELLS, _CELL_PX, _CELLS, _CELL_PX).swapaxes(1, 2).reshape(-1, _CELL_PX, _CELL_PX)
    return np.asarray(cells - cells.mean(axis=(1, 2), keepdims=True))
