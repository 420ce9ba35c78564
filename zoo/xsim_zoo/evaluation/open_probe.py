"""Open tracks told from sound ones, by a matched filter that was made from other tracks than it judges."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from xsim.phantoms import flat
from xsim.phantoms.scene import Layer, Scene
from xsim.seeds import generator
from xsim_zoo.evaluation.laboratory import BOARD, SIDE_PX, TRACK_MM, Laboratory, Shot
from xsim_zoo.evaluation.records import Estimate, OpenScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.subjects import Subject

__all__ = ["GAPS_MM", "area_under_curve", "detectability", "matched_scores", "measure"]

GAPS_MM = (0.005, 0.01, 0.02)
"""Widths of the gaps [mm]; a pixel of the paper's detector is 0.048 mm."""

_WIDTH_MM = 0.1
_CELL_PX = 24
_CELLS = 10
_OFFSET_PX = (0.3, 0.2)
"""Tracks lie beside the pixel grid, all in the same way: the observer knows where, as inspection does."""

_RESAMPLES = 1000


@dataclass(frozen=True)
class _Plate:
    """A shot of 10 x 10 cells of one track each, and which of them are open."""

    shot: Shot
    is_open: NDArray[np.bool_]


def measure(bench: Bench, subject: Subject) -> list[OpenScore]:
    """Ask a subject for the tracks of every gap."""
    scores = []
    for gap, plates in _plates(bench).items():
        cells = [_cells(subject.answer(plate.shot.lr, plate.shot.hr, plate.shot.number)) for plate in plates]
        is_open = np.concatenate([plate.is_open for plate in plates])
        values = matched_scores(np.concatenate(cells), is_open, bench.options.seed)
        present, absent = values[is_open], values[~is_open]
        scores.append(
            OpenScore(
                restorer=subject.label,
                gap_mm=gap,
                present=len(present),
                absent=len(absent),
                auc=_with_interval(present, absent, bench.options.seed),
                d_prime=detectability(present, absent),
            )
        )
    return scores


@lru_cache(maxsize=1)
def _plates(bench: Bench) -> dict[float, list[_Plate]]:
    laboratory = Laboratory.of(bench, "opens")
    count = 1 if bench.options.quick else 2
    return {
        gap: [_plate(laboratory, gap, place * 100 + number) for number in range(count)]
        for place, gap in enumerate(GAPS_MM)
    }


def _plate(laboratory: Laboratory, gap_mm: float, number: int) -> _Plate:
    """Draw ten rows of tracks, half of their hundred cells cut in the middle."""
    rng = generator(laboratory.seed, sample=number, stage="tracks")
    is_open = rng.permutation(np.arange(_CELLS**2) % 2 == 0)
    pixel = laboratory.detector_pixel_mm
    side = 4.0 * SIDE_PX * pixel
    tracks: list[tuple[float, ...]] = []
    for place, cut in enumerate(is_open):
        row, column = divmod(place, _CELLS)
        x, y = (
            (index - (_CELLS - 1) / 2) * _CELL_PX * pixel + offset * pixel
            for index, offset in zip((column, row), _OFFSET_PX, strict=True)
        )
        length = _CELL_PX * pixel
        if cut:
            half = (length - gap_mm) / 2
            tracks += [flat.box(x + way * (gap_mm + half) / 2, y, half, _WIDTH_MM) for way in (-1.0, 1.0)]
        else:
            tracks.append(flat.box(x, y, length, _WIDTH_MM))
    scene = Scene()
    scene.layer(Layer(BOARD[0], BOARD[1], 0.0, [flat.box(0.0, 0.0, side, side)]))
    scene.layer(Layer("Cu", TRACK_MM, 0.5 * BOARD[1], list(tracks)))
    return _Plate(laboratory.shoot(laboratory.draw(scene, "tracks"), number), np.asarray(is_open))


def _cells(image: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the cells of a plate without their mean, (100, 24, 24)."""
    start = (SIDE_PX - _CELLS * _CELL_PX) // 2
    part = image[start : start + _CELLS * _CELL_PX, start : start + _CELLS * _CELL_PX].astype(np.float64)
    cells = part.reshape(_CELLS, _CELL_PX, _CELLS, _CELL_PX).swapaxes(1, 2).reshape(-1, _CELL_PX, _CELL_PX)
    return np.asarray(cells - cells.mean(axis=(1, 2), keepdims=True))


def matched_scores(cells: NDArray[np.float64], is_open: NDArray[np.bool_], seed: int) -> NDArray[np.float64]:
    """Return how open every cell looks to a matched filter that was made from the other half of the cells.

    The filter is the mean open cell less the mean sound one (the non-prewhitening observer, Burgess 1999), of unit
    norm; judging cells that it was made from would flatter it.

    Parameters
    ----------
    cells : (n, h, w) array
        Images of the cells.
    is_open : (n,) array
        Which are open.
    seed : int
        Seed of the halves.
    """
    half = np.zeros(len(cells), dtype=bool)
    rng = generator(seed, stage="halves")
    for kind in (is_open, ~is_open):
        places = rng.permutation(np.flatnonzero(kind))
        half[places[: len(places) // 2]] = True
    scores = np.zeros(len(cells))
    for judged in (half, ~half):
        template = cells[~judged & is_open].mean(axis=0) - cells[~judged & ~is_open].mean(axis=0)
        template /= max(float(np.linalg.norm(template)), 1e-12)
        scores[judged] = np.tensordot(cells[judged], template, axes=2)
    return scores


def area_under_curve(present: NDArray[np.float64], absent: NDArray[np.float64]) -> float:
    """Return the chance that a score of ``present`` exceeds one of ``absent``, ties counting half (Mann-Whitney)."""
    above = present[:, None] > absent[None, :]
    return float(np.mean(above + 0.5 * (present[:, None] == absent[None, :])))


def detectability(present: NDArray[np.float64], absent: NDArray[np.float64]) -> float:
    """Return d', the distance of the two means in units of their pooled standard deviation; 0 for no scatter."""
    spread = np.sqrt(0.5 * (present.var(ddof=1) + absent.var(ddof=1)))
    return float((present.mean() - absent.mean()) / spread) if spread > 0 else 0.0


def _with_interval(present: NDArray[np.float64], absent: NDArray[np.float64], seed: int) -> Estimate:
    rng = generator(seed, stage="auc")
    samples = [
        area_under_curve(
            present[rng.integers(len(present), size=len(present))], absent[rng.integers(len(absent), size=len(absent))]
        )
        for _ in range(_RESAMPLES)
    ]
    low, high = np.quantile(samples, [0.025, 0.975])
    return Estimate(mean=area_under_curve(present, absent), low=float(low), high=float(high))
