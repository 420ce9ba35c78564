"""A board, what decides its side of the split, and what a source of boards is.

A board's family decides which side of the split it stands on, never the crop or the noise.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from xsim.phantoms import Phantom
from xsim.seeds import generator
from xsim_datasets.recipe.tables import Range

if TYPE_CHECKING:
    from xsim.detector.detector import DetectorResponse
    from xsim_datasets.recipe.recipe import Split
    from xsim_datasets.recipe.tables import Number

__all__ = [
    "Board",
    "BoardSource",
    "Wanted",
    "family_id",
    "number_of",
    "split_named_families",
    "split_of_sample",
]

# The number whose multiples modulo 1 are spread most evenly: see `split_of_sample`.
_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


@dataclass(frozen=True)
class Board:
    """A phantom with its seed, its family and the side of the split that the family stands on."""

    phantom: Phantom
    seed: int
    family: int
    split: str


@dataclass(frozen=True)
class Wanted:
    """What a source is asked for.

    Attributes
    ----------
    seed, index : int
        Seed of the data set and number of the board.
    field_mm, pixel_mm : float
        Side of the square view, and the pixel that its phantom may have at most [mm].
    response : DetectorResponse
        Of the HR detector: objects are as thick as its beam can cross.
    source_mm : float
        Height of the focal spot above the board [mm].
    """

    seed: int
    index: int
    field_mm: float
    pixel_mm: float
    response: DetectorResponse
    source_mm: float = 500.0

    @property
    def side_px(self) -> int:
        """Return the pixels along each side of the phantom."""
        return round(self.field_mm / self.pixel_mm)

    def rng(self, stage: str) -> np.random.Generator:
        """Return the random generator of a stage of this board."""
        return generator(self.seed, sample=self.index, stage=stage)


class BoardSource(Protocol):
    """Gives the board of any sample."""

    def board(self, wanted: Wanted) -> Board:
        """Return a board as it is wanted."""

    def record(self) -> dict[str, Any]:
        """Return where the boards come from, for the store; JSON types."""


def number_of(value: Number | None, rng: np.random.Generator) -> float | None:
    """Return a number of a recipe that may be a range."""
    return value.draw(rng) if isinstance(value, Range) else value


def family_id(name: str) -> int:
    """Return the number, 0 to 2**64 - 1, by which the table knows a family."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "big")


def split_of_sample(split: Split, seed: int, index: int) -> str:
    """Return the side of a sample that is a family of its own.

    Multiples of the golden ratio modulo 1 fill the unit interval as evenly as any sequence can, so every stretch of
    samples, a short one too, holds each side in its share, and sample ``index`` has its side whatever ``n`` is.
    """
    offset = float(generator(seed, stage="split").random())
    position = (index * _GOLDEN + offset) % 1.0
    if position < split.validation:
        return "validation"
    return "test" if position < split.validation + split.test else "train"


def split_named_families(split: Split, names: Iterable[str]) -> dict[str, str]:
    """Return the side of each of a set of families, e.g. the boards of a folder.

    With three families or more, every side that the recipe wants gets at least one.
    """
    order = sorted(set(names), key=lambda name: hashlib.sha256(name.encode()).digest())
    least = 1 if len(order) >= 3 else 0
    validation = max(least, round(split.validation * len(order))) if split.validation else 0
    test = max(least, round(split.test * len(order))) if split.test else 0
    sides = ["validation"] * validation + ["test"] * test
    sides += ["train"] * (len(order) - len(sides))
    return dict(zip(order, sides, strict=False))
