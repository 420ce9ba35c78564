"""What one restoration costs: floating-point operations of the network, and seconds of one thread."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, Final

import numpy as np
import torch
from threadpoolctl import threadpool_limits
from torch.utils.flop_counter import FlopCounterMode

from xsim.errors import InputError
from xsim_zoo.restorers.flips import ORIENTATIONS
from xsim_zoo.restorers.learned import LearnedRestorer

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray
    from torch import Tensor

    from xsim_zoo.evaluation import Competitor
    from xsim_zoo.evaluation.competitor import LoadedCompetitor
    from xsim_zoo.network.unet import UNet
    from xsim_zoo.restorers.base import Restorer

__all__ = ["Cost", "Trial", "costs_in", "costs_of", "flop_a_pass", "passes_of"]

_COUNTED_PX: Final = 128
"""Side of the image on which operations are counted [px]: what does not grow with the image is below 1 % of them."""


@dataclass(frozen=True)
class Cost:
    """MFLOP of the network for each pixel, a multiplication and an addition being two, and seconds a megapixel."""

    mflop_px: float
    s_mp: float


@dataclass(frozen=True)
class Trial:
    """How costs are timed: side of the image [px], and restorations of which the median counts, after a warm-up."""

    side_px: int = 1024
    repeats: int = 3


def costs_in(path: Path) -> dict[str, Cost]:
    """Return the costs that a run of the headline timed, from its ``headline.json``.

    Raises
    ------
    InputError
        If the file is none.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))["costs"]
        return {label: Cost(**one) for label, one in found.items() if label != "trial"}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: is no headline.json with costs ({error})") from error


def flop_a_pass(network: UNet, shape: tuple[int, int]) -> int:
    """Return the floating-point operations of one pass of a network over an image, convolutions and products only."""
    features = torch.zeros((1, network.inputs, *shape))
    conditions = torch.zeros((1, network.conditions))
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        network(features, conditions)
    return counter.get_total_flops()


def passes_of(restorer: Restorer, steps: int) -> int:
    """Return how often one restoration passes the whole image through the network."""
    passes = 0

    def counted(features: Tensor, conditions: Tensor, /) -> Tensor:  # noqa: ARG001
        nonlocal passes
        passes += 1
        return torch.zeros_like(features[:, :1])

    restorer.restore_array(np.ones((64, 64), np.float32), steps=steps, network=counted)
    return passes


def mflop_a_pixel(restorer: Restorer, steps: int, *, flips: bool = False) -> float:
    """Return the operations [MFLOP a pixel] of all passes of one restoration; 0 where nothing is learned."""
    if not isinstance(restorer, LearnedRestorer):
        return 0.0
    flop_px = flop_a_pass(restorer.network, (_COUNTED_PX, _COUNTED_PX)) / _COUNTED_PX**2
    return passes_of(restorer, steps) * (ORIENTATIONS if flips else 1) * flop_px / 1e6


def costs_of(asked: Iterable[Competitor], lr: NDArray[np.float32], trial: Trial) -> dict[str, Cost]:
    """Return what everyone's restoration costs by label, timed one after another on one thread.

    Parameters
    ----------
    asked : iterable of Competitor
        Whose.
    lr : (H, W) array
        An LR image; mirrored at its borders it fills the trial's image.
    trial : Trial
        How it is timed.
    """
    image = np.pad(lr, [(0, max(trial.side_px - side, 0)) for side in lr.shape], mode="symmetric")
    image = np.ascontiguousarray(image[: trial.side_px, : trial.side_px])
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            return {one.label: _cost(one.load("cpu"), image, trial) for one in asked}
    finally:
        torch.set_num_threads(threads)


def _cost(loaded: LoadedCompetitor, image: NDArray[np.float32], trial: Trial) -> Cost:
    seconds = []
    for _ in range(trial.repeats + 1):
        began = time.perf_counter()
        loaded.answer(image)
        seconds.append(time.perf_counter() - began)
    mflop = mflop_a_pixel(loaded.restorer, loaded.steps, flips=loaded.competitor.flips)
    return Cost(mflop, median(seconds[1:]) / (image.size / 1e6))
