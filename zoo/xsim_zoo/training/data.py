"""Where pairs come from: a zarr store, arrays in memory, real pairs mixed with synthetic ones; a data set of torch."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import Dataset

from xsim.errors import DamageError, InputError, check_range
from xsim.keywords import names_keywords
from xsim_datasets.store.reader import PairStore

if TYPE_CHECKING:
    from xsim.degradation.degradation import Degradation

__all__ = [
    "Codes",
    "GivenPhysics",
    "MemoryPairs",
    "MixedPairs",
    "PairSource",
    "StoreDataset",
    "StorePairs",
    "check_setups",
    "check_split",
    "codes_of",
    "read_pairs",
]


class PairSource(Protocol):
    """What training needs of a data set."""

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (H, W) of every image [px]."""

    @property
    def pitch_mm(self) -> float | None:
        """Pixel pitch [mm]; None where the set-ups differ in it."""

    @property
    def setups(self) -> Sequence[Degradation]:
        """What lies between the two detectors, for each pair of detectors that the data hold; none if not known."""

    def setup_of(self, index: int, /) -> int:
        """Return which of the set-ups took a sample."""

    @property
    def digest(self) -> str:
        """Digest of the whole content."""

    def indices(self, split: str, /) -> NDArray[np.integer]:
        """Return the samples of "train", "validation" or "test"."""

    def families(self, indices: Sequence[int], /) -> list[int]:
        """Return the board families that samples show, each once; none where they are not known."""

    def read_batch(self, indices: Sequence[int], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return HR and LR images, each (B, H, W)."""


@dataclass(frozen=True)
class MemoryPairs:
    """Pairs held in memory; the last ``held_out`` of them are the validation split, the rest is for training.

    Parameters
    ----------
    hr, lr : (N, H, W) float32 arrays
        Images in grey, open field 1.0.
    degradation : Degradation
        What lies between the two detectors; also says the pitch.
    held_out : int
        Size of the validation split.
    """

    hr: NDArray[np.float32]
    lr: NDArray[np.float32]
    degradation: Degradation
    held_out: int = 1

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (H, W) of every image [px]."""
        return int(self.hr.shape[1]), int(self.hr.shape[2])

    @property
    def pitch_mm(self) -> float:
        """Pixel pitch [mm]."""
        return float(self.degradation.pitch_mm)

    @property
    def setups(self) -> Sequence[Degradation]:
        """The one set-up."""
        return [self.degradation]

    def setup_of(self, index: int, /) -> int:  # noqa: ARG002
        """Return 0: there is one set-up."""
        return 0

    @property
    def digest(self) -> str:
        """Digest of the whole content."""
        return hashlib.sha256(self.hr.tobytes() + self.lr.tobytes()).hexdigest()

    def indices(self, split: str, /) -> NDArray[np.integer]:
        """Return the samples of "train" or "validation"; every other split is empty."""
        return _two_splits(split, len(self.hr) - self.held_out, len(self.hr))

    def families(self, indices: Sequence[int], /) -> list[int]:  # noqa: ARG002
        """Return nothing: arrays do not say what they show."""
        return []

    def read_batch(self, indices: Sequence[int], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return HR and LR images, each (B, H, W)."""
        return self.hr[list(indices)], self.lr[list(indices)]


@dataclass(frozen=True)
class Codes:
    """Pairs as a store holds them; a source that has them offers them as its attribute ``codes``.

    Parameters
    ----------
    read : callable
        Returns the codes of samples, uint16 (B, 2, H, W).
    line_of : callable
        Returns scale and offset of a sample: grey levels are code * scale + offset.
    """

    read: Callable[[Sequence[int]], NDArray[np.uint16]]
    line_of: Callable[[int], tuple[float, float]]


def codes_of(pairs: PairSource) -> Codes | None:
    """Return the codes of a source, None if it holds grey levels."""
    codes: Codes | None = getattr(pairs, "codes", None)
    return codes


class StorePairs:
    """Pairs of a zarr store.

    Parameters
    ----------
    store : PairStore
        The open store.
    """

    def __init__(self, store: PairStore) -> None:
        self.shape, self.digest = store.shape, store.manifest.digest
        pitch_mm = store.attributes["pitch_mm"]
        self.pitch_mm = None if pitch_mm is None else float(pitch_mm)
        self.indices, self.read_batch = store.indices, store.read_batch
        line = (store.encoding.scale, store.encoding.offset)
        self.codes = Codes(store.read_codes, lambda index: line)  # noqa: ARG005  (one for all of a store)
        self._setup, self._family = store.table["setup"], store.table["family"]
        of_setup = {int(setup): index for index, setup in reversed(list(enumerate(self._setup)))}
        # A set-up that took no sample keeps its place, with the physics of one that did.
        taken = [of_setup.get(setup, next(iter(of_setup.values()))) for setup in range(len(store.attributes["setups"]))]
        self.setups: Sequence[Degradation] = [store.degradation_of(index) for index in taken]

    def setup_of(self, index: int, /) -> int:
        """Return which of the set-ups took a sample."""
        return int(self._setup[index])

    def families(self, indices: Sequence[int], /) -> list[int]:
        """Return the board families that samples show, each once."""
        return sorted({int(family) for family in self._family[list(indices)]})


class GivenPhysics:
    """Pairs whose set-up is known from elsewhere, e.g. measured on them or by a calibration.

    Parameters
    ----------
    pairs : PairSource
        The pairs.
    degradation : Degradation
        What lies between their detectors.
    """

    def __init__(self, pairs: PairSource, degradation: Degradation) -> None:
        self._degradation = degradation
        self.shape, self.pitch_mm, self.digest = pairs.shape, pairs.pitch_mm, pairs.digest
        self.indices, self.read_batch, self.families = pairs.indices, pairs.read_batch, pairs.families
        self.codes = codes_of(pairs)

    @property
    def setups(self) -> Sequence[Degradation]:
        """The one set-up that was given."""
        return [self._degradation]

    def setup_of(self, index: int, /) -> int:  # noqa: ARG002
        """Return 0: there is one set-up."""
        return 0


class MixedPairs:
    """Two sources as one: real pairs are repeated until synthetic ones make up ``share`` of the training split.

    A network that learns the real pairs so does not forget what only the synthetic ones show.

    Parameters
    ----------
    real : PairSource
        Trains and validates.
    synthetic : PairSource
        Trains only.
    share : float
        Share of synthetic pairs in the training split, above 0 and at most 0.9.

    Raises
    ------
    InputError
        If the shapes differ, the share is out of range, or the synthetic pairs do not know their detectors.
    """

    def __init__(self, real: PairSource, synthetic: PairSource, share: float = 0.25) -> None:
        check_range("share of synthetic pairs", share, 0.01, 0.9)
        if real.shape != synthetic.shape:
            raise InputError(
                f"the pairs to mix in have shape {synthetic.shape}, the others {real.shape}: make them of one size"
            )
        check_setups(synthetic)
        self._real, self._synthetic = real, synthetic
        self.shape = real.shape
        self.pitch_mm = real.pitch_mm if real.pitch_mm == synthetic.pitch_mm else None
        # The set-ups of the real pairs come first, then those of the synthetic ones.
        self.setups: Sequence[Degradation] = [*real.setups, *synthetic.setups]
        of_real, of_synthetic = check_split(real, "train"), check_split(synthetic, "train")
        repeats = max(1, round(len(of_synthetic) * (1 - share) / share / len(of_real)))
        wanted = max(1, round(repeats * len(of_real) * share / (1 - share)))
        train = [(real, index) for index in of_real] * repeats
        train += [(synthetic, index) for index in of_synthetic[:wanted]]
        self._training = len(train)
        self._items = [*train, *((real, index) for index in check_split(real, "validation"))]
        self.digest = hashlib.sha256(f"{real.digest} {synthetic.digest} {len(self._items)}".encode()).hexdigest()

    def setup_of(self, index: int, /) -> int:
        """Return which of the set-ups took a sample."""
        source, place = self._items[index]
        return source.setup_of(place) + (0 if source is self._real else len(self._real.setups))

    def indices(self, split: str, /) -> NDArray[np.integer]:
        """Return the samples of "train" or "validation"; every other split is empty."""
        return _two_splits(split, self._training, len(self._items))

    def families(self, indices: Sequence[int], /) -> list[int]:
        """Return the board families that samples show, each once."""
        found: set[int] = set()
        for whole in (self._real, self._synthetic):
            places = [place for source, place in (self._items[index] for index in indices) if source is whole]
            found.update(whole.families(places))
        return sorted(found)

    def read_batch(self, indices: Sequence[int], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return HR and LR images, each (B, H, W)."""
        pairs = [source.read_batch([place]) for source, place in (self._items[index] for index in indices)]
        return np.concatenate([hr for hr, _ in pairs]), np.concatenate([lr for _, lr in pairs])


def _two_splits(split: str, cut: int, end: int) -> NDArray[np.integer]:
    """Return the samples of "train", which end at ``cut``, or of "validation", which follow it."""
    return {"train": np.arange(cut), "validation": np.arange(cut, end)}.get(split, np.arange(0))


def check_split(pairs: PairSource, split: str, at_least: int = 1) -> list[int]:
    """Return the samples of a split.

    Raises
    ------
    InputError
        If it holds fewer than ``at_least``.
    """
    indices = [int(index) for index in pairs.indices(split)]
    if len(indices) < at_least:
        remedy = (
            "give a smaller batch, or more pairs" if at_least > 1 else "give more pairs, or this split a larger share"
        )
        raise InputError(f"the split '{split}' holds {len(indices)} pairs, {at_least} needed: {remedy}")
    return indices


def check_setups(pairs: PairSource) -> Sequence[Degradation]:
    """Return the set-ups of pairs that say what lies between their detectors.

    Raises
    ------
    InputError
        If they do not: real pairs that were imported without a recipe.
    """
    if not pairs.setups:
        raise InputError(
            "the pairs do not say what lies between their detectors: import them with --recipe, or adapt weights with "
            "`xsim zoo finetune`, which measures it on them"
        )
    return pairs.setups


def read_pairs(pairs: PairSource, indices: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return HR and LR (B, H, W) as tensors.

    Raises
    ------
    DamageError
        If a pixel is not finite, naming the sample.
    """
    hr, lr = (torch.from_numpy(np.ascontiguousarray(images)) for images in pairs.read_batch(indices))
    for index, pair in zip(indices, zip(hr, lr, strict=True), strict=True):
        if not all(bool(torch.isfinite(image).all()) for image in pair):
            raise DamageError(f"sample {index} holds NaN or infinite pixels: verify the data set and make it again")
    return hr, lr


@names_keywords
class StoreDataset(Dataset[tuple[Tensor, Tensor]]):
    """Pairs (hr, lr) of a store, float32 (1, H, W) each, open field 1.0.

    Data loaders of any number of workers read it, forked or spawned; a batch is read at once.

    Parameters
    ----------
    store : PairStore, path or URL
        The store.
    split : str, optional
        "train", "validation" or "test"; None takes all pairs.
    samples : str, optional
        Some of them, as ``"0,3,10-19"``.

    Raises
    ------
    InputError
        If the store or the selection is none.

    Attributes
    ----------
    store : PairStore
        Where degradations, table and defects of the samples stand.
    indices : list of int
        Number in the store of every pair.
    """

    def __init__(self, store: PairStore | Path | str, split: str | None = None, *, samples: str | None = None) -> None:
        self.store = store if isinstance(store, PairStore) else PairStore.open(store)
        self.indices = self.store.select(samples, split)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor]:
        """Return one pair; from the end where ``index`` is below zero."""
        return self.__getitems__([index])[0]

    def __getitems__(self, indices: Sequence[int]) -> list[tuple[Tensor, Tensor]]:
        """Return several pairs, read at once: what data loaders call for a batch."""
        hr, lr = self.store.read_batch([self.indices[index] for index in indices])
        return list(zip(torch.from_numpy(hr)[:, None], torch.from_numpy(lr)[:, None], strict=True))

    def __repr__(self) -> str:
        return f"<StoreDataset of {len(self)} pairs of {self.store!r}>"
