"""How much of a ball voids may take, by product class, and what an interval says about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from xsim.errors import InputError, check_range

__all__ = ["SOURCE", "Limit", "Verdict", "limit_of", "verdict_of"]

Verdict = Literal["pass", "fail", "undecided", "not judged"]

SOURCE: Final = (
    "in the manner of IPC-A-610: all voids of a ball together at most 25 % of its area in the image, in classes 1 to 3 "
    "alike, as public descriptions have it; the standard itself decides"
)
"""Where the limit is from: besterpcba.com/xray-void-analysis-ipc-criteria (IPC-A-610 and J-STD-001: the same in classes
2 and 3); IPC-7095's own, by the height of a void in the ball, cannot be judged from one image."""

_SHARE: Final = {1: 0.25, 2: 0.25, 3: 0.25}
"""Class -> largest share of a ball's area."""


@dataclass(frozen=True)
class Limit:
    """A limit to the share of a ball's area that all its voids together take.

    Parameters
    ----------
    share : float
        The largest allowed.
    source : str
        Who says so.
    product_class : int, optional
        The class that it is for.
    """

    share: float
    source: str
    product_class: int | None = None


def limit_of(product_class: int = 2, percent: float | None = None) -> Limit:
    """Return the limit of a product class, or one that somebody chose [% of a ball's area].

    Raises
    ------
    InputError
        For a class that does not exist; PhysicsRangeError for a limit outside 0 to 100 %.
    """
    if percent is not None:
        check_range("limit of the void share", percent, 0.0, 100.0, "%")
        return Limit(percent / 100.0, "chosen by the user")
    if product_class not in _SHARE:
        raise InputError(f"product class {product_class}: give {', '.join(map(str, _SHARE))}")
    return Limit(_SHARE[product_class], SOURCE, product_class)


def verdict_of(low: float, high: float, limit: Limit) -> Verdict:
    """Return what a 95 % interval of a void share says: "undecided" where the limit lies within it."""
    if high <= limit.share:
        return "pass"
    return "fail" if low > limit.share else "undecided"
