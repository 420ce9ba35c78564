"""Which side of the split a board family stands on: decided by the family, never by the crop or the noise."""

from __future__ import annotations

import hashlib
import math
from typing import TYPE_CHECKING

from xsim.seeds import generator

if TYPE_CHECKING:
    from collections.abc import Iterable

    from xsim_datasets.recipe.recipe import Split

__all__ = ["family_id", "split_named_families", "split_of_sample"]

_GOLDEN = (math.sqrt(5.0) - 1.0) / 2.0


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
