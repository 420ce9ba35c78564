"""How much of the Wiener filter's error a trained restorer leaves: what its answers lack in power tells.

The filter's own error follows from the physics at every frequency and for every detector; the network takes the same
share of it away nearly everywhere. So one number tells what power the answers lack, see `xsim_zoo.process.power`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import brentq

from xsim.errors import InputError
from xsim_zoo.process.power import filter_error
from xsim_zoo.restorers.learned import LearnedRestorer
from xsim_zoo.training.data import PairSource
from xsim_zoo.training.validation import restorers_of
from xsim_zoo.weights.checkpoint import load_checkpoint, save_checkpoint
from xsim_zoo.weights.loading import load

__all__ = ["measure_error_share", "set_error_share"]

_BAND: Final = (0.1, 0.6)
"""Shares of the power that the filter leaves, between which a bin counts: below nothing lacks, above little is told."""

_BORDER_PX: Final = 16
"""Border that is left out [px]: what lies beyond the edge is not known there."""

_LARGEST: Final = 0.95
"""A network that leaves more than this of the filter's error is not trained."""


_IMAGES: Final = 16
"""Held-out images of a run that it is measured on; their objects are drawn anew, without noise."""


def measure_error_share(
    restorers: Sequence[LearnedRestorer], truth: Sequence[NDArray[np.floating]], lr: Sequence[NDArray[np.floating]]
) -> float:
    """Return the share of the filter's error with which the answers' power, made up for in full, is that of the truth.

    Parameters
    ----------
    restorers : sequence of LearnedRestorer
        With trained weights, each between the detectors of its image; they are judged as if they returned no power.
    truth, lr : sequences of (H, W) arrays
        Held-out noise-free HR images and the LR images of the same objects. Noise of HR would count as power.

    Raises
    ------
    InputError
        If there are no images, or no share below .95 is enough.
    """
    if not truth:
        raise InputError("0 images to measure the lack of power on: give some")
    bins = [_bins_of(*case) for case in zip(restorers, truth, lr, strict=True)]
    answer, wanted, left = np.concatenate(bins, axis=1)

    def lack(share: float) -> float:
        return float(wanted.sum() - (answer / (1.0 - share * left)).sum())

    if lack(0.0) <= 0.0:
        return 0.0
    if lack(_LARGEST) > 0.0:
        raise InputError(f"answers lack so much power that a share of {_LARGEST} is not enough: train for longer")
    return round(float(brentq(lack, 0.0, _LARGEST)), 3)


def set_error_share(
    run: Path, pairs: PairSource, noise_free: Callable[[int], tuple[NDArray[np.float32], NDArray[np.float32]]]
) -> float:
    """Measure what held-out answers of a run lack in power, and write it on the card of its weights.

    Parameters
    ----------
    run : Path
        Folder of the run.
    pairs : PairSource
        What it was trained on.
    noise_free : callable
        Returns a pair of them (hr, lr) without noise, by its number.

    Raises
    ------
    InputError
        If the restorer learns nothing, or is not trained.
    """
    checkpoint = load_checkpoint(run)
    restorer = load(checkpoint.card.restorer, run, device="cpu")
    if not isinstance(restorer, LearnedRestorer):
        raise InputError(f"'{restorer.name}' learns nothing: its answers lack no power")
    chosen = [int(index) for index in pairs.indices("validation")[:_IMAGES]]
    _, lr = pairs.read_batch(chosen)
    between = [one for one in restorers_of(pairs, chosen, restorer) if isinstance(one, LearnedRestorer)]
    found = measure_error_share(between, [noise_free(index)[0] for index in chosen], list(lr))
    options = checkpoint.card.options | ({"error_share": found} if found else {})
    save_checkpoint(run / "weights.safetensors", replace(checkpoint.card, options=options), checkpoint.tensors)
    return found


def _bins_of(restorer: LearnedRestorer, truth: NDArray[np.floating], lr: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return power of answer and truth, and what the filter leaves as a share, at all bins that count, (3, n)."""
    plain = copy(restorer)
    plain.error_share = 0.0
    answer = plain.restore_array(lr)
    inside = (slice(_BORDER_PX, -_BORDER_PX),) * 2
    powers = [_power(np.asarray(image, np.float64)[inside]) for image in (answer, truth)]
    shape = (truth.shape[0] - 2 * _BORDER_PX, truth.shape[1] - 2 * _BORDER_PX)
    operator = restorer.operator_on(shape).at_noise_level(float(restorer.noise_level(lr)))
    left = filter_error(operator)[0, 0].double().numpy()
    counts = (left >= _BAND[0]) & (left <= _BAND[1])
    return np.stack([values[counts] for values in (*powers, left)])


def _power(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the power of an image's bins under a Hann window: the steps between opposite borders would leak."""
    window = np.outer(np.hanning(image.shape[0]), np.hanning(image.shape[1]))
    return np.asarray(np.abs(np.fft.rfft2((image - image.mean()) * window, norm="ortho")) ** 2)
