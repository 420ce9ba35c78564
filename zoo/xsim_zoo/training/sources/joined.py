"""Several stores as one training set, each with its share of the samples."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from itertools import zip_longest
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim_datasets.store.reader import PairStore
from xsim_zoo.training.batch import Order
from xsim_zoo.training.data import Codes, PairSource, StorePairs, check_setups, check_split, codes_of

__all__ = ["JoinedPairs", "SharedOrder", "in_equal_shares", "open_pairs", "order_of"]

Kind = TypeVar("Kind", bound=np.generic)

_MOST = 2**24
"""Samples of an epoch: its order is held as a list."""


class SharedOrder:
    """The order in which a run sees the samples of several sources: each epoch holds each source's share exactly.

    Every source has an order of its own, in which each of its samples comes once before any comes again: so a small
    source with a large share is gone through more often than the others.

    Parameters
    ----------
    parts : sequence of tuples of int
        Samples of each source.
    counts : sequence of int
        How many of each source make up an epoch.
    seed : int
        Seed of the run.

    Attributes
    ----------
    indices : tuple of int
        All samples.
    """

    def __init__(self, parts: Sequence[tuple[int, ...]], counts: Sequence[int], seed: int) -> None:
        self.indices = tuple(index for part in parts for index in part)
        self._epoch = Order(tuple(range(sum(counts))), seed)
        self._counts, self._ends = counts, np.cumsum(counts)
        self._orders = [Order(part, (seed + number) % 2**64) for number, part in enumerate(parts)]

    def __getitem__(self, sample: int) -> int:
        """Return the index in the data set of the run's sample number ``sample``."""
        slot, epoch = self._epoch[sample], sample // len(self._epoch.indices)
        source = int(np.searchsorted(self._ends, slot, side="right"))
        count = self._counts[source]
        return self._orders[source][epoch * count + slot - (int(self._ends[source]) - count)]


class JoinedPairs:
    """Several sources as one.

    Parameters
    ----------
    sources : sequence of PairSource
        The sources, with images of one shape.
    shares : sequence of float, optional
        Share of each in the training, in any unit; None sees every pair equally often.

    Raises
    ------
    InputError
        If shapes or shares do not fit, or a source has no training split or does not know its detectors.
    """

    def __init__(self, sources: Sequence[PairSource], shares: Sequence[float] | None = None) -> None:
        self.sources, self.shape = sources, sources[0].shape
        for other in sources[1:]:
            if other.shape != self.shape:
                raise InputError(
                    f"images of {other.shape[0]} x {other.shape[1]} px cannot be mixed with {self.shape[0]} x "
                    f"{self.shape[1]} px: make stores of one size"
                )
        train = [check_split(source, "train") for source in sources]
        self.counts = _counts(shares, [len(part) for part in train])
        pitches = {source.pitch_mm for source in sources}
        self.pitch_mm = pitches.pop() if len(pitches) == 1 else None
        self.setups = [setup for source in sources for setup in check_setups(source)]
        self._first_setup = np.cumsum([0, *(len(source.setups) for source in sources)])
        self._train = [(source, index) for source, part in enumerate(train) for index in part]
        # By turns, so that the first few, by which weights are judged, are of every source.
        held_out = zip_longest(*([(n, int(i)) for i in s.indices("validation")] for n, s in enumerate(sources)))
        self._items = [*self._train, *(item for turn in held_out for item in turn if item is not None)]
        text = " ".join([*(source.digest for source in sources), *map(str, self.counts)])
        self.digest = hashlib.sha256(text.encode()).hexdigest()

    @property
    def codes(self) -> Codes | None:
        """The codes of all sources; None where one of them holds grey levels."""
        found = [codes_of(source) for source in self.sources]
        known = [codes for codes in found if codes is not None]
        if len(known) < len(found):
            return None

        def line_of(index: int) -> tuple[float, float]:
            source, own = self._items[index]
            return known[source].line_of(own)

        return Codes(lambda indices: self._gathered([codes.read for codes in known], indices), line_of)

    def setup_of(self, index: int, /) -> int:
        """Return which of the set-ups took a sample."""
        source, own = self._items[index]
        return int(self._first_setup[source]) + self.sources[source].setup_of(own)

    def origin(self, index: int, /) -> tuple[int, int]:
        """Return which of the sources holds a sample, and its number there."""
        return self._items[index]

    def indices(self, split: str, /) -> NDArray[np.integer]:
        """Return the samples of "train" or "validation"; every other split is empty."""
        cut, end = len(self._train), len(self._items)
        return {"train": np.arange(cut), "validation": np.arange(cut, end)}.get(split, np.arange(0))

    def families(self, indices: Sequence[int], /) -> list[int]:
        """Return the board families that samples show, each once."""
        found: set[int] = set()
        for number, source in enumerate(self.sources):
            own = [place for which, place in (self._items[index] for index in indices) if which == number]
            found.update(source.families(own))
        return sorted(found)

    def order(self, seed: int) -> SharedOrder:
        """Return the order in which a run of this seed sees the samples."""
        parts: list[list[int]] = [[] for _ in self.sources]
        for index, (source, _) in enumerate(self._train):
            parts[source].append(index)
        return SharedOrder([tuple(part) for part in parts], self.counts, seed)

    def read_batch(self, indices: Sequence[int], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return HR and LR images, each (B, H, W)."""
        both = self._gathered([_pairwise(source) for source in self.sources], indices)
        return both[:, 0], both[:, 1]

    def _gathered(
        self, reads: Sequence[Callable[[Sequence[int]], NDArray[Kind]]], indices: Sequence[int]
    ) -> NDArray[Kind]:
        """Return pairs (B, 2, H, W), those of each source read together."""
        answer: NDArray[Kind] | None = None
        for number, read in enumerate(reads):
            places = [place for place, index in enumerate(indices) if self._items[index][0] == number]
            if not places:
                continue
            found = read([self._items[indices[place]][1] for place in places])
            if answer is None:
                answer = np.empty((len(indices), *found.shape[1:]), found.dtype)
            answer[places] = found
        assert answer is not None
        return answer


def open_pairs(stores: Sequence[str], shares: Sequence[float] | None = None) -> PairSource:
    """Return the pairs of one or several stores, by path or URL; ``shares`` as in `JoinedPairs`.

    Raises
    ------
    MissingFileError, DamageError, InputError
        If one of them cannot be opened, or they do not fit each other.
    """
    sources = [StorePairs(PairStore.open(store)) for store in stores]
    if len(sources) == 1 and not shares:
        return sources[0]
    return JoinedPairs(sources, shares or None)


def in_equal_shares(stores: Sequence[PairStore]) -> PairSource:
    """Return the pairs of stores as one training set that shows as many of each; of one store just its pairs.

    Raises
    ------
    InputError
        If they do not fit each other.
    """
    sources = [StorePairs(store) for store in stores]
    return sources[0] if len(sources) == 1 else JoinedPairs(sources, [1.0] * len(sources))


def order_of(pairs: PairSource, indices: tuple[int, ...], seed: int) -> Order | SharedOrder:
    """Return the order in which a run of this seed sees the training samples ``indices`` of a source."""
    return pairs.order(seed) if isinstance(pairs, JoinedPairs) else Order(indices, seed)


def _pairwise(source: PairSource) -> Callable[[Sequence[int]], NDArray[np.float32]]:
    return lambda indices: np.stack(source.read_batch(indices), axis=1)


def _counts(shares: Sequence[float] | None, lengths: Sequence[int]) -> list[int]:
    """Return how many samples of each source make up an epoch: as many as show all of every source at least once."""
    if shares is None:
        return list(lengths)
    if len(shares) != len(lengths):
        raise InputError(f"{len(shares)} shares for {len(lengths)} stores: give one for each, or none")
    if not all(math.isfinite(share) and share > 0 for share in shares):
        raise InputError(f"shares {', '.join(f'{share:g}' for share in shares)}: give numbers above 0")
    longest = max(length / share for length, share in zip(lengths, shares, strict=True))
    counts = [round(share * longest) for share in shares]
    if sum(counts) > _MOST:
        raise InputError(f"shares {', '.join(f'{share:g}' for share in shares)} are too unequal for these stores")
    return counts
