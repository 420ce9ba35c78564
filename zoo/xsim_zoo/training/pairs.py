"""Where pairs come from: a zarr store, or arrays in memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch

from xsim.errors import DamageError, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray
    from torch import Tensor

    from xsim.degradation.degradation import Degradation
    from xsim_datasets.store.reader import PairStore

__all__ = [
    "GivenPhysics",
    "MemoryPairs",
    "PairSource",
    "StorePairs",
    "check_setups",
    "check_split",
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
        """Return the board families that samples show; none where they are not known."""

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
        cut = len(self.hr) - self.held_out
        return {"train": np.arange(cut), "validation": np.arange(cut, len(self.hr))}.get(split, np.arange(0))

    def families(self, indices: Sequence[int], /) -> list[int]:  # noqa: ARG002
        """Return nothing: arrays do not say what they show."""
        return []

    def read_batch(self, indices: Sequence[int], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return HR and LR images, each (B, H, W)."""
        return self.hr[list(indices)], self.lr[list(indices)]


class StorePairs:
    """Pairs of a zarr store.

    Parameters
    ----------
    store : PairStore
        The open store.
    """

    def __init__(self, store: PairStore) -> None:
        self._store = store
        self._setup = store.table["setup"]
        count = len(store.attributes["setups"])
        of_setup = {int(setup): index for index, setup in reversed(list(enumerate(self._setup)))}
        # A set-up that took no sample keeps its place, with the physics of one that did.
        taken = [of_setup.get(setup, next(iter(of_setup.values()))) for setup in range(count)]
        self._setups = [store.degradation_of(index) for index in taken]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (H, W) of every image [px]."""
        return self._store.shape

    @property
    def pitch_mm(self) -> float | None:
        """Pixel pitch [mm]; None where the set-ups differ in it."""
        pitch_mm = self._store.attributes["pitch_mm"]
        return None if pitch_mm is None else float(pitch_mm)

    @property
    def setups(self) -> Sequence[Degradation]:
        """The degradations of the store's pairs of detectors; none for real pairs that came without."""
        return self._setups

    def setup_of(self, index: int, /) -> int:
        """Return which of the set-ups took a sample."""
        return int(self._setup[index])

    @property
    def digest(self) -> str:
        """Digest of the store's manifest, which names every file's own."""
        return self._store.manifest.digest

    def indices(self, split: str, /) -> NDArray[np.integer]:
        """Return the samples of "train", "validation" or "test"."""
        return self._store.indices(split)

    def families(self, indices: Sequence[int], /) -> list[int]:
        """Return the board families that samples show, each once."""
        return sorted({int(family) for family in self._store.table["family"][list(indices)]})

    def read_batch(self, indices: Sequence[int], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return HR and LR images, each (B, H, W)."""
        return self._store.read_batch(indices)


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
        self._pairs = pairs
        self._degradation = degradation
        self.shape, self.pitch_mm, self.digest = pairs.shape, pairs.pitch_mm, pairs.digest
        self.indices, self.read_batch, self.families = pairs.indices, pairs.read_batch, pairs.families

    @property
    def setups(self) -> Sequence[Degradation]:
        """The one set-up that was given."""
        return [self._degradation]

    def setup_of(self, index: int, /) -> int:  # noqa: ARG002
        """Return 0: there is one set-up."""
        return 0


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
