"""Held-out pairs: what an evaluation asks of its data, and how a store of pairs answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from xsim.degradation.degradation import Degradation
from xsim.errors import InputError, XsimError
from xsim.imaging.setup import PairSetup
from xsim_datasets.recipe.recipe import Recipe
from xsim_datasets.recipe.simulated import SimulatedMaker
from xsim_zoo.evaluation.records import DataSource

if TYPE_CHECKING:
    from xsim_datasets.store.reader import PairStore

__all__ = ["EvaluationData", "HeldOutPair", "StoredPairs"]


@dataclass(frozen=True)
class HeldOutPair:
    """A held-out pair with what is known about it.

    Parameters
    ----------
    lr, hr : (H, W) float32 arrays
        The images, open field 1.0.
    clean : (H, W) float32 array or None
        HR without noise, where it can be simulated again.
    sample : int
        Its number in the data.
    family, design : str
        Its board family and kind of board.
    setup : int
        Which of the data's set-ups took it.
    kerma_uGy : float or None
        Its dose.
    pitch_mm : float
        Pixel pitch [mm].
    """

    lr: NDArray[np.float32]
    hr: NDArray[np.float32]
    clean: NDArray[np.float32] | None
    sample: int
    family: str
    design: str
    setup: int
    kerma_uGy: float | None
    pitch_mm: float


class EvaluationData(Protocol):
    """What an evaluation asks of its data; it is sent to worker processes and so can be pickled."""

    @property
    def path(self) -> str:
        """What messages call it."""

    @property
    def digest(self) -> str:
        """Digest of all pairs."""

    def samples(self, split: str) -> list[int]:
        """Return the samples of a split, in order."""

    def family_of(self, sample: int) -> int:
        """Return the board family of a sample."""

    def setup_of(self, sample: int) -> int:
        """Return which set-up took a sample."""

    def pitch_of(self, sample: int) -> float:
        """Return the pixel pitch of a sample [mm]."""

    def degradation_of(self, sample: int) -> Degradation | None:
        """Return what lies between the detectors that took a sample; None where the data do not say."""

    def pair_setup_of(self, sample: int) -> PairSetup | None:
        """Return the set-up that took a sample, to simulate probes with; None where it cannot be simulated."""

    def no_clean(self, sample: int) -> str:
        """Return why there are no HR images without noise; empty where there are, tried on one sample."""

    def read(self, sample: int, *, clean: bool) -> HeldOutPair:
        """Read a pair, with its HR image without noise if that is wanted."""

    def describe(self, split: str, samples: Sequence[int]) -> DataSource:
        """Return what the document says of the judged pairs."""


@dataclass(frozen=True, eq=False)
class StoredPairs:
    """The pairs of a store; see `EvaluationData`."""

    store: PairStore

    def __reduce__(self) -> tuple[object, ...]:
        # What has been simulated here is not sent along.
        return StoredPairs, (self.store,)

    @property
    def path(self) -> str:
        """Path or URL of the store."""
        return self.store.path

    @property
    def digest(self) -> str:
        """Digest of its manifest."""
        return self.store.manifest.digest

    def samples(self, split: str) -> list[int]:
        """Return the samples of a split, in order."""
        return [int(index) for index in self.store.indices(split)]

    def family_of(self, sample: int) -> int:
        """Return the board family of a sample."""
        return int(self.store.table["family"][sample])

    def setup_of(self, sample: int) -> int:
        """Return which set-up took a sample."""
        return int(self.store.table["setup"][sample])

    def pitch_of(self, sample: int) -> float:
        """Return the pixel pitch of a sample [mm]."""
        return self.store.pitch_of(sample)

    def degradation_of(self, sample: int) -> Degradation | None:
        """Return the degradation that the store records for a sample; None for real pairs without one."""
        return self.store.degradation_of(sample) if self.store.attributes["setups"] else None

    def pair_setup_of(self, sample: int) -> PairSetup | None:
        """Return the set-up that took a sample; None for real pairs and recipes that cannot be read here."""
        return None if self._maker is None else self._maker.setup(self._maker.setup_number(sample))

    def no_clean(self, sample: int) -> str:
        """Return why there are no HR images without noise; empty where this xsim makes the stored sample again."""
        if self._maker is None:
            return "these pairs cannot be simulated again"
        try:
            made = self._maker.sample(sample)
        except XsimError:
            made = None
        # Made by the same code, stored and made images differ by no more than rounding to codes.
        step = self.store.encoding.scale
        same = made is not None and all(
            float(np.max(np.abs(stored - image))) <= step
            for stored, image in zip(self.store.read(sample), (made.hr, made.lr), strict=True)
        )
        return "" if same else "this xsim simulates other pairs than the store holds"

    def read(self, sample: int, *, clean: bool) -> HeldOutPair:
        """Read a pair.

        Raises
        ------
        InputError
            If an image is not finite.
        """
        hr, lr = self.store.read(sample)
        for name, image in (("HR", hr), ("LR", lr)):
            if not np.isfinite(image).all():
                raise InputError(f"{self.path}: the {name} image of sample {sample} is not finite")
        row = {name: column[sample] for name, column in self.store.table.items()}
        return HeldOutPair(
            lr=lr,
            hr=hr,
            clean=self._maker.noise_free(sample)[0] if clean and self._maker else None,
            sample=sample,
            family=str(int(row["family"])),
            design=str(row["design"]),
            setup=int(row["setup"]),
            kerma_uGy=float(row["kerma_uGy"]) if "kerma_uGy" in row else None,
            pitch_mm=self.pitch_of(sample),
        )

    def describe(self, split: str, samples: Sequence[int]) -> DataSource:
        """Return what the document says of the judged pairs."""
        summary = self.store.summary()
        return DataSource(
            path=self.path,
            digest=self.digest,
            origin=self.store.origin,
            recipe=str(summary["recipe"]),
            recipe_hash=str(summary["recipe_hash"]),
            seed=int(summary["seed"]) if self.store.origin == "simulated" else None,
            split=split,
            images=len(samples),
            families=len({self.family_of(sample) for sample in samples}),
            shape=self.store.shape,
            pitch_mm=summary["pitch_mm"],
        )

    @cached_property
    def _maker(self) -> SimulatedMaker | None:
        """What made a simulated store, if it can make it again here; None for real pairs and foreign recipes."""
        if self.store.origin != "simulated":
            return None
        try:
            recipe = Recipe.model_validate(self.store.attributes["plan"]["recipe"])
            return SimulatedMaker(recipe, int(self.store.attributes["plan"]["seed"]))
        except ValueError:
            return None
