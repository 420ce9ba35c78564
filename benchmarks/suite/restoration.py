"""Rows of restoring: every size with its memory, beside other pipelines, and beside pySaber's deblurring."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import restoring
import torch

import xsim_zoo
from suite.learning import floor_ms
from suite.rows import Row, cpu_ms, missing
from xsim.imaging.pair import simulate_pair
from xsim.measure.similarity import psnr_dB
from xsim.phantoms import random_board
from xsim.recipes import paper

if TYPE_CHECKING:
    from collections.abc import Iterator

    import numpy as np
    from numpy.typing import NDArray

__all__ = ["deblurring_rows", "restoring_rows"]

_SIZES = (512, 1024, 2048)
_PEER_PX = 256
_RIVAL_STEPS = 2
_BLURS_MM = (0.05, 0.075, 0.1, 0.125, 0.15)
_REGULARISATIONS = (1e-3, 3e-3, 1e-2, 3e-2)


def restoring_rows() -> Iterator[Row]:
    """Time physics-sde on images of several sizes, and beside other samplers of as many steps' worth of time."""
    torch.set_num_threads(1)
    restorer = xsim_zoo.load("physics-sde", device="cpu")
    for side in _SIZES:
        yield Row(f"physics-sde, N = 3, {side} x {side}", *_alone(side))
    image = restoring.scene(_PEER_PX).astype("float32") / 50000
    own = Row(
        f"physics-sde, N = 3, {_PEER_PX} x {_PEER_PX}",
        cpu_ms(lambda: restorer.restore_array(image), 2),
        "ms CPU",
        "its convolutions at the speed of a matrix product",
        floor_ms(lambda: restorer.restore_array(image)),
    )
    yield own
    for title, (_, work) in restoring.RIVALS.items():
        try:
            # Their time grows with the number of steps alone.
            spent = 1e3 * work(_PEER_PX, _RIVAL_STEPS) * 20 / _RIVAL_STEPS
        except (ImportError, RuntimeError) as error:
            yield own.with_peer(f"{title}: {missing(error)}", None)
        else:
            yield own.with_peer(title, spent, "untrained: speed only")


def _alone(side: int) -> tuple[Any, ...]:
    """Return CPU time, unit, no floor, no peer, and the peak memory of restoring in a process of its own."""
    command = [sys.executable, str(Path(restoring.__file__)), "--one", "physics-sde", str(side)]
    words = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    cpu_s, memory = float(words[words.index("CPU") - 2]), float(words[words.index("GiB") - 1])
    note = f"{1e9 * cpu_s / side**2:.0f} ns a pixel, {memory:.2f} GiB at most"
    return 1e3 * cpu_s, "ms CPU", "", None, "", None, note


def deblurring_rows() -> Iterator[Row]:
    """Time the Wiener filter beside pySaber's, which is told the blur and the regularisation that suit it best."""
    setup = paper()
    pair = simulate_pair(random_board(3, (2 * _PEER_PX, 2 * _PEER_PX), setup.pitch_mm / 2), setup, 1)
    restorer = xsim_zoo.load("wiener", device="cpu")
    restored = restorer.restore_array(pair.lr)
    row = Row(
        f"Wiener filter, {_PEER_PX} x {_PEER_PX}",
        cpu_ms(lambda: restorer.restore_array(pair.lr), 5),
        "ms CPU",
        note=f"{psnr_dB(restored, pair.hr):.1f} dB",
    )
    try:
        from pysaber import wiener_deblur
    except ImportError as error:
        yield row.with_peer(f"pySaber: {missing(error)}", None)
        return
    link = setup.degradation().link

    def deblurred(fwhm_mm: float, regularisation: float) -> NDArray[np.floating]:
        source = {
            "source_FWHM_x_axis": 1e-6,
            "source_FWHM_y_axis": 1e-6,
            "cutoff_FWHM_multiplier": 10,
            "norm_power": 1.0,
        }
        screen = {
            "detector_FWHM_1": fwhm_mm,
            "detector_FWHM_2": 1.0,
            "detector_weight_1": 1.0,
            "cutoff_FWHM_1_multiplier": 10,
            "cutoff_FWHM_2_multiplier": 10,
            "norm_power": 1.0,
        }
        return wiener_deblur(pair.lr.astype(float), 1.0, 1e-3, setup.pitch_mm, source, screen, regularisation)

    choices = [(fwhm, weight) for fwhm in _BLURS_MM for weight in _REGULARISATIONS]
    scores = {choice: psnr_dB(link.inverse(deblurred(*choice)), pair.hr) for choice in choices}
    best = max(choices, key=lambda choice: scores[choice])
    yield row.with_peer(
        "pySaber wiener_deblur, best of 20 settings",
        cpu_ms(lambda: deblurred(*best), 5),
        f"pySaber {scores[best]:.1f} dB; its estimate_blur fails with numpy 2",
    )
