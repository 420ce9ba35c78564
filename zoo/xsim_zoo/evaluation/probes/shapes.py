"""Shapes that no training board shows, and whether they come out as they are."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import scipy.fft
from numpy.typing import NDArray

import xsim
from xsim.degradation.degradation import Degradation
from xsim.grids import half_plane_weights
from xsim.measure.similarity import psnr_dB, ssim
from xsim.phantoms import Phantom
from xsim.phantoms.targets import HELD_OUT
from xsim_zoo.evaluation.probes.base import Probe, ProbeSetup, ProbeShot
from xsim_zoo.evaluation.records import Row, finite
from xsim_zoo.evaluation.report.tables import Block, Naming, Number, Text, table_of
from xsim_zoo.evaluation.results import TRUST, Evaluation, register
from xsim_zoo.evaluation.scores import inner

if TYPE_CHECKING:
    from xsim_zoo.evaluation.competitor import Answering
    from xsim_zoo.evaluation.context import EvaluationContext

__all__ = ["ShapeScore", "Shapes", "weak_error"]

_SHEET_MM = 0.1
"""Thickness of the shapes' copper [mm]: about three layers of foil, so that they stand out of the plate."""

_WEAK = 0.25
"""B_1 below which the measurement says little."""

_FOIL = 0.95
"""Quantile of a board's copper that tells its foils from pins and heat sinks."""


class ShapeScore(Row):
    """A shape that no training board shows.

    ``weak_error`` is the power of the answer's error over that of the clean image's structure at the frequencies where
    B_1 is below 0.25; leaving them empty costs 1.
    """

    restorer: str
    shape: str
    psnr_dB: float | None
    ssim: float
    gain_dB: float | None
    weak_error: float | None


@register
class Shapes(Probe):
    """The section ``shapes``."""

    name = "shapes"
    title = "Shapes outside the training set"
    row = ShapeScore
    order = 120
    chapter = TRUST
    cost = 1

    def measure(self, context: EvaluationContext, asked: Answering) -> list[ShapeScore]:
        """Ask for every held-out shape, and for a board whose copper is where none was."""
        degradation = context.probe_setup.degradation()
        rows = []
        for shape, shot in _shots(context).items():
            answer, clean = inner(shot.answer_of(asked)), inner(shot.clean)
            after, before = psnr_dB(answer, clean), psnr_dB(inner(shot.lr), clean)
            rows.append(
                ShapeScore(
                    restorer=asked.label,
                    shape=shape,
                    psnr_dB=finite(after),
                    ssim=ssim(answer, clean),
                    gain_dB=finite(after - before),
                    weak_error=weak_error(answer, clean, degradation),
                )
            )
        return rows

    def blocks(self, evaluation: Evaluation, naming: Naming) -> tuple[Block, ...]:
        """Return the scores of every shape."""
        return (
            table_of(
                "Shapes that no training board shows",
                evaluation.rows(ShapeScore),
                {
                    "restorer": lambda row: naming.cell(row.restorer),
                    "shape": lambda row: Text(row.shape),
                    "PSNR [dB]": lambda row: Number(row.psnr_dB, ".2f", "infinite"),
                    "SSIM": lambda row: Number(row.ssim, ".4f"),
                    "gain over LR [dB]": lambda row: Number(row.gain_dB, "+.2f", "does not apply"),
                    "error power where B\N{SUBSCRIPT ONE} < 0.25 (1: left empty)": lambda row: Number(
                        row.weak_error, ".3g", "does not apply"
                    ),
                },
            ),
        )


@lru_cache(maxsize=1)
def _shots(context: EvaluationContext) -> dict[str, ProbeShot]:
    setup = ProbeSetup.of(context, "shapes")
    phantoms = {
        name: setup.target(name, thickness_mm=_SHEET_MM, angle_deg=11.0 * place) for place, name in enumerate(HELD_OUT)
    }
    phantoms["board in negative"] = _negative(setup)
    return {name: setup.shoot(phantom, number) for number, (name, phantom) in enumerate(phantoms.items())}


def _negative(setup: ProbeSetup) -> Phantom:
    """Return a random board whose copper foil is where it had none: an inverted contrast that no board shows."""
    board = xsim.phantoms.random_board(setup.seed % 2**32, setup.view().shape, setup.pixel_mm)
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
