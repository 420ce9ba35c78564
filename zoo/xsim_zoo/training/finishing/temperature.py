"""How much noise posterior samples need so that HR lies among them as often as it should.

Samples of a perfect posterior hold the truth at every place among them equally often. Those of a trained sampler agree
too well: each step puts a mean in place of a sample, and the process does not know what its model leaves out. One
factor of the noise mends that; it is measured on held-out pairs, and stands on the card.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import torch
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.seeds import torch_seed
from xsim_zoo.process.sampling import white_noise
from xsim_zoo.restorers.physics_sde import PhysicsSDE
from xsim_zoo.training.data import PairSource
from xsim_zoo.training.validation import restorers_of
from xsim_zoo.weights.checkpoint import load_checkpoint, save_checkpoint
from xsim_zoo.weights.loading import load

__all__ = ["NOMINAL", "coverage", "measure_temperature", "set_temperature"]

NOMINAL: Final = (0.5, 0.8, 0.95)
"""Central intervals by which samples are judged."""

_SAMPLES: Final = 19
"""Samples an image: the truth falls into one of 20 equally likely places among them."""

_STEPS: Final = 20
"""Steps of a sample, as the program takes."""

_TRIED: Final = (1.0, 1.15)
"""Temperatures between which, and a little beyond which, coverage is taken to be straight."""

_RANGE: Final = (0.8, 1.5)
"""Beyond, noise is no remedy: the network is not trained."""

_BORDER_PX: Final = 16
"""Border that is left out [px]: what lies beyond the edge is not known there."""


_IMAGES: Final = 6
"""Held-out images of a run that its temperature is measured on: samples are slow."""

_EDGE_PX: Final = 48
"""What is left out at their edges [px], for the same reason."""


def coverage(samples: NDArray[np.floating], hr: NDArray[np.floating], share: float) -> float:
    """Return how often HR lies within the central interval of the samples.

    Among n samples the truth has n + 1 equally likely places; leaving out the same number of places at both ends is
    an interval of known probability whatever the distribution, and between two such intervals the share is linear.

    Parameters
    ----------
    samples : (n, H, W) array
        Posterior samples.
    hr : (H, W) array
        The truth.
    share : float
        Nominal probability of the interval.
    """
    places = len(samples) + 1
    depth = np.minimum((samples < hr).sum(axis=0), (samples > hr).sum(axis=0))
    out = 0.5 * (1.0 - share) * places
    whole = int(out)
    inside = [float(np.mean(depth >= left_out)) for left_out in (whole, whole + 1)]
    return inside[0] + (out - whole) * (inside[1] - inside[0])


def measure_temperature(
    restorers: Sequence[PhysicsSDE],
    hr: Sequence[NDArray[np.floating]],
    lr: Sequence[NDArray[np.floating]],
    *,
    seed: int = 0,
) -> float:
    """Return the temperature at which intervals of 50, 80 and 95 % miss their share by the same amount up and down.

    Parameters
    ----------
    restorers : sequence of PhysicsSDE
        With trained weights that take any number of steps, each between the detectors of its pair.
    hr, lr : sequences of (H, W) arrays
        Held-out pairs; a few of 128 px and more are enough, as each pixel counts.
    seed : int
        Of the samples' noise.

    Raises
    ------
    InputError
        If there are no pairs, or no temperature between 0.8 and 1.5 makes the samples right.
    """
    if not hr:
        raise InputError("0 pairs to measure the temperature on: give some")
    missed = []
    for temperature in _TRIED:
        tried = [copy(restorer) for restorer in restorers]
        for restorer in tried:
            restorer.temperature = temperature
        pairs = enumerate(zip(tried, hr, lr, strict=True))
        missed.append(np.mean([_missed(*pair, seed + number) for number, pair in pairs]))
    slope = (missed[1] - missed[0]) / (_TRIED[1] - _TRIED[0])
    found = _TRIED[0] - missed[0] / slope if slope > 0 else np.inf
    if not _RANGE[0] <= found <= _RANGE[1]:
        raise InputError(f"temperature {found:.3g} would make the samples right: train the network for longer")
    return round(float(found), 3)


def set_temperature(run: Path, pairs: PairSource) -> float:
    """Measure the temperature of a run's weights on the middle of held-out images, and write it on their card.

    Parameters
    ----------
    run : Path
        Folder of the run.
    pairs : PairSource
        What it was trained on.

    Raises
    ------
    InputError
        If the restorer draws no samples with a temperature, or none makes them right.
    """
    checkpoint = load_checkpoint(run)
    restorer = load(checkpoint.card.restorer, run, device="cpu")
    if not isinstance(restorer, PhysicsSDE):
        raise InputError(f"'{restorer.name}' draws no samples with a temperature: leave it out")
    chosen = [int(index) for index in pairs.indices("validation")[:_IMAGES]]
    hr, lr = pairs.read_batch(chosen)
    between = [one for one in restorers_of(pairs, chosen, restorer) if isinstance(one, PhysicsSDE)]
    inside = (slice(_EDGE_PX, -_EDGE_PX),) * 2
    found = measure_temperature(between, [image[inside] for image in hr], [image[inside] for image in lr])
    card = replace(checkpoint.card, options=checkpoint.card.options | {"temperature": found})
    save_checkpoint(run / "weights.safetensors", card, checkpoint.tensors)
    return found


def _missed(restorer: PhysicsSDE, hr: NDArray[np.floating], lr: NDArray[np.floating], seed: int) -> float:
    """Return by how much the samples' intervals hold HR more often than they should, in the mean."""
    inside = (slice(_BORDER_PX, -_BORDER_PX),) * 2
    samples = []
    for number in range(_SAMPLES):
        generator = torch.Generator().manual_seed(torch_seed(seed, sample=number, stage="temperature"))
        noise = white_noise(generator, restorer.device)
        samples.append(restorer.restore_array(lr, steps=_STEPS, eta=1.0, noise=noise)[inside])
    stack = np.stack(samples)
    return float(np.mean([coverage(stack, np.asarray(hr)[inside], share) - share for share in NOMINAL]))
