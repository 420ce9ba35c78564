"""How the learning rate falls after it has warmed up; torch is not imported."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from xsim.errors import InputError
from xsim_zoo.training.parts.named import part_of

__all__ = ["SCHEDULES", "fall_of"]

SCHEDULES: Final[dict[str, Callable[[float], float]]] = {
    "cosine": lambda share: 0.5 * (1 + math.cos(math.pi * share)),
    "linear": lambda share: 1.0 - share,
    "constant": lambda _: 1.0,
}
"""Name -> the fall from 1, as a function of the share of the training that is done, 0 to 1."""


@lru_cache(maxsize=8)
def fall_of(name: str) -> Callable[[float], float]:
    """Return the fall of a name.

    Raises
    ------
    InputError
        If it cannot be had, or leaves 0 to 1.
    """
    if name in SCHEDULES:
        return SCHEDULES[name]
    fall = part_of("schedule", name)
    try:
        sound = all(0 <= float(fall(place / 8)) <= 1 for place in range(9))
    except Exception as error:
        raise InputError(f"schedule '{name}' does not take a share from 0 to 1 ({error!r:.200}): repair it") from error
    if not sound:
        raise InputError(f"schedule '{name}' leaves 0 to 1: let it return a share of the highest learning rate")
    return fall
