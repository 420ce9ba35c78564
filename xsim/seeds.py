"""Random generators that belong to a sample and a stage, never to the process.

Sample ``i`` of seed ``s`` is the same whatever the order, the worker count or the number of samples, and a stage
that draws more numbers than before does not shift the numbers of another stage.
"""

from __future__ import annotations

import zlib

import numpy as np

from xsim.errors import InputError

__all__ = ["check_seed", "generator", "torch_seed"]


def check_seed(seed: int) -> int:
    """Return ``seed`` if it is an integer in [0, 2**64).

    Raises
    ------
    InputError
        Otherwise.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= int(seed) < 2**64:
        raise InputError(f"seed {seed!r} is not usable: give an integer from 0 to 2**64 - 1")
    return int(seed)


def _sequence(seed: int, sample: int, stage: str) -> np.random.SeedSequence:
    # crc32 is stable across processes and versions; Python's hash() of a string is not.
    return np.random.SeedSequence(check_seed(seed), spawn_key=(sample, zlib.crc32(stage.encode())))


def generator(seed: int, *, sample: int = 0, stage: str = "") -> np.random.Generator:
    """Return the random generator of one stage of one sample.

    Parameters
    ----------
    seed : int
        The seed of the whole run, 0 to 2**64 - 1.
    sample : int
        Index of the sample.
    stage : str
        Name of the stage, e.g. ``"lr-quantum"``.
    """
    return np.random.Generator(np.random.SFC64(_sequence(seed, sample, stage)))


def torch_seed(seed: int, *, sample: int = 0, stage: str = "") -> int:
    """Return a 63-bit seed for a ``torch.Generator`` of one stage of one sample."""
    return int(_sequence(seed, sample, stage).generate_state(1, np.uint64)[0] >> np.uint64(1))
