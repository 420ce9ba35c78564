"""Real pairs with synthetic ones mixed in, so that a network that learns the former does not forget the latter."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import numpy as np

from xsim.errors import InputError, check_range
from xsim_zoo.training.pairs import check_setups, check_split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from xsim.degradation.degradation import Degradation
    from xsim_zoo.training.pairs import PairSource

__all__ = ["MixedPairs"]


class MixedPairs:
    """Two sources as one: real pairs are repeated until synthetic ones make up ``share`` of the training split.

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
        of_real, of_synthetic = check_split(real, "train"), check_split(synthetic, "train")
        repeats = max(1, round(len(of_synthetic) * (1 - share) / share / len(of_real)))
        wanted = max(1, round(repeats * len(of_real) * share / (1 - share)))
        self._train = [(real, index) for index in of_real] * repeats
        self._train += [(synthetic, index) for index in of_synthetic[:wanted]]
        self._validation = [(real, index) for index in check_split(real, "validation")]
        self._items = [*self._train, *self._validation]

    @property
    def shape(self) -> tuple[int, int]:
        """Shape (H, W) of every image [px]."""
        return self._real.shape

    @property
    def pitch_mm(self) -> float | None:
        """Pixel pitch [mm]; None where the two differ in it."""
        return self._real.pitch_mm if self._real.pitch_mm == self._synthetic.pitch_mm else None

    @property
    def setups(self) -> Sequence[Degradation]:
        """The set-ups of the real pairs, then those of the synthetic ones."""
        return [*self._real.setups, *self._synthetic.setups]

    def setup_of(self, index: int, /) -> int:
        """Return which of the set-ups took a sample."""
        source, place = self._items[index]
        return source.setup_of(place) + (0 if source is self._real else len(self._real.setups))

    @property
    def digest(self) -> str:
        """Digest of the content of both."""
        return hashlib.sha256(f"{self._real.digest} {self._synthetic.digest} {len(self._items)}".encode()).hexdigest()

    def indices(self, split: str, /) -> NDArray[np.integer]:
        """Return the samples of "train" or "validation"; every other split is empty."""
        cut, end = len(self._train), len(self._items)
        return {"train": np.arange(cut), "validation": np.arange(cut, end)}.get(split, np.arange(0))

    def families(self, indices: Sequence[int], /) -> list[int]:
        """Return the board families that samples show, each once."""
        items = [self._items[index] for index in indices]
        return sorted(
            {
                family
                for whole in (self._real, self._synthetic)
                for family in whole.families([place for source, place in items if source is whole])
            }
        )

    def read_batch(self, indices: Sequence[int], /) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Return HR and LR images, each (B, H, W)."""
        pairs = [source.read_batch([place]) for source, place in (self._items[index] for index in indices)]
        return np.concatenate([hr for hr, _ in pairs]), np.concatenate([lr for _, lr in pairs])
