"""Random generators that belong to a sample and a stage, never to the process.

Sample ``i`` of seed ``s`` is the same whatever the order, the worker count or the number of samples, and a stage
that draws more numbers than before does not shift the numbers of another stage.
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError

__all__ = ["check_seed", "generator", "torch_seed", "torch_seeds"]

_MIX: Final = {"hash": 0x43B0D7E5, "times": 0x931E8875, "left": 0xCA01F9DD, "right": 0x4973F715}
_GIVE: Final = {"hash": 0x8B51F9DD, "times": 0x58F38DED}
"""Constants of numpy's SeedSequence, which its documentation promises to keep."""


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


def torch_seeds(seed: int, samples: Sequence[int], *, stage: str = "") -> list[int]:
    """Return `torch_seed` of many samples, in a fiftieth of the time.

    It is the hash of numpy's SeedSequence (O'Neill, "Developing a seed_seq alternative", 2015) on arrays.
    """
    if not len(samples):
        return []
    if max(samples) >= 2**32 or min(samples) < 0:  # numbers of two words, and those that are refused
        return [torch_seed(seed, sample=sample, stage=stage) for sample in samples]
    low, high = check_seed(seed) & 0xFFFFFFFF, check_seed(seed) >> 32
    ends = np.array([low, high, 0, 0, zlib.crc32(stage.encode())], np.uint32)
    words = [np.broadcast_to(word, len(samples)) for word in (*ends[:4], np.asarray(samples, np.uint32), ends[4])]
    mixed = _Hash(_MIX["hash"], _MIX["times"])
    pool = [mixed(word) for word in words[:4]]
    for source in range(4):
        for place in range(4):
            if source != place:
                pool[place] = _joined(pool[place], mixed(pool[source]))
    for word in words[4:]:
        pool = [_joined(own, mixed(word)) for own in pool]
    given = _Hash(_GIVE["hash"], _GIVE["times"])
    first, second = (given(word).astype(np.uint64) for word in pool[:2])
    return [int(word) >> 1 for word in first | second << np.uint64(32)]


class _Hash:
    """The running hash of a SeedSequence, on the same word of many sequences at once."""

    def __init__(self, start: int, times: int) -> None:
        self._constant, self._times = start, times

    def __call__(self, word: NDArray[np.uint32]) -> NDArray[np.uint32]:
        word = word ^ np.uint32(self._constant)
        self._constant = self._constant * self._times & 0xFFFFFFFF
        word = word * np.uint32(self._constant)
        return np.asarray(word ^ word >> np.uint32(16))


def _joined(one: NDArray[np.uint32], other: NDArray[np.uint32]) -> NDArray[np.uint32]:
    word = one * np.uint32(_MIX["left"]) - other * np.uint32(_MIX["right"])
    return np.asarray(word ^ word >> np.uint32(16))
