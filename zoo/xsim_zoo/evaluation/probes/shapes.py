"""Shapes that no training board shows, and whether they come out as they are."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft

import xsim
from xsim.grids import half_plane_weights
from xsim.measure.similarity import psnr_dB, ssim
from xsim.phantoms.targets import HELD_OUT
from xsim_zoo.evaluation.judging import inner
from xsim_zoo.evaluation.laboratory import SIDE_PX, Laboratory, Shot
from xsim_zoo.evaluation.records import ShapeScore

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from xsim.degradation.degradation import Degradation
    from xsim.phantoms import Phantom
    from xsim_zoo.evaluation.bench import Bench
    from xsim_zoo.evaluation.subjects import Subject

__all__ = ["measure", "weak_error"]

_SHEET_MM = 0.1
_WEAK = 0.25
"""B_1 below which the measurement says little."""

_FOIL = 0.95
"""Quantile of a board's copper that tells its foils from pins and heat sinks."""


def measure(bench: Bench, subject: Subject) -> list[ShapeScore]:
    """Ask a subject for every held-out shape, and for a board whose copper is where none was."""
    rows = []
    for shape, shot in _shots(bench).items():
        answer, clean = inner(subject.answer(shot.lr, shot.hr, shot.number)), inner(shot.clean)
        after, before = psnr_dB(answer, clean), psnr_dB(inner(shot.lr), clean)
        known = math.isfinite(after) and math.isfinite(before)
        rows.append(
            ShapeScore(
                restorer=subject.label,
                shape=shape,
                psnr_dB=after if math.isfinite(after) else None,
                ssim=ssim(answer, clean),
                gain_dB=after - before if known else None,
                weak_error=weak_error(answer, clean, _degradation(bench)),
            )
        )
    return rows


def _degradation(bench: Bench) -> Degradation:
    assert bench.setup is not None, "the probe is only asked where there is a set-up"
    return bench.setup.degradation()


@lru_cache(maxsize=1)
def _shots(bench: Bench) -> dict[str, Shot]:
    laboratory = Laboratory.of(bench, "shapes")
    phantoms = {
        name: laboratory.target(name, thickness_mm=_SHEET_MM, angle_deg=11.0 * place)
        for place, name in enumerate(HELD_OUT)
    }
    phantoms["board in negative"] = _negative(laboratory)
    return {name: laboratory.shoot(phantom, number) for number, (name, phantom) in enumerate(phantoms.items())}


def _negative(laboratory: Laboratory) -> Phantom:
    """Return a random board whose copper foil is where it had none: an inverted contrast that no board shows."""
    side = laboratory.view(SIDE_PX).shape[0]
    board = xsim.phantoms.random_board(laboratory.seed % 2**32, (side, side), laboratory.pixel_mm)
    maps = board.thickness_mm.copy()
    for place, material in enumerate(board.materials):
        if material == "Cu":
            foil = np.minimum(maps[place], np.quantile(maps[place], _FOIL))
            maps[place] = foil.max() - foil
    return replace(board, thickness_mm=maps, name="negative", defects=())


def weak_error(answer: NDArray[np.floating], clean: NDArray[np.floating], degradation: Degradation) -> float | None:
    """Return the power of an answer's error over that of the clean image's structure, where B_1 < 0.25.

    What stands there was amplified more than fourfold or made up. Leaving these frequencies empty costs 1; above 1
    the answer holds more that is false than true. None where the measurement is that weak nowhere.

    Parameters
    ----------
    answer, clean : (H, W) arrays
        What a restorer says, and the truth.
    degradation : Degradation
        What lies between HR and LR.
    """
    shape = (answer.shape[0], answer.shape[1])
    weights = np.broadcast_to(half_plane_weights(shape), (shape[0], shape[1] // 2 + 1))
    window = np.outer(np.hanning(shape[0]), np.hanning(shape[1]))
    weak = degradation.B_1_map(shape) < _WEAK
    error, truth = (
        float((np.abs(scipy.fft.rfft2((image - image.mean()) * window)) ** 2 * weights)[weak].sum())
        for image in (np.asarray(answer, dtype=np.float64) - clean, np.asarray(clean, dtype=np.float64))
    )
    return error / truth if truth > 0 else None
