"""Defects: their classes, how often they occur, and the log that turns marks into labelled masks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from xsim.errors import InputError, UnknownNameError
from xsim.phantoms import casting, solids
from xsim.phantoms.phantom import Defect
from xsim.phantoms.solids import Solid
from xsim.phantoms.view import View

__all__ = ["KINDS", "DefectLog", "check_rates"]

# class -> how likely one candidate (a ball, a joint, a wire, a track, ...) has it.
KINDS: dict[str, float] = {
    "ball-void": 0.25,
    "ball-bridge": 0.003,
    "ball-missing": 0.002,
    "ball-double": 0.001,
    "head-in-pillow": 0.003,
    "insufficient-solder": 0.02,
    "joint-void": 0.8,
    "open": 0.01,
    "short": 0.005,
    "mouse-bite": 0.01,
    "spur": 0.01,
    "missing-plating": 0.005,
    "misregistration": 0.05,
    "wire-broken": 0.01,
    "wire-swept": 0.03,
    "tombstone": 0.02,
    "crack": 0.03,
    "solder-ball": 0.3,
}


def check_rates(rates: Mapping[str, float]) -> dict[str, float]:
    """Return the full table of rates, the given ones in place of the usual ones.

    Raises
    ------
    UnknownNameError
        For a class that does not exist; InputError for a rate outside 0 to 1.
    """
    for kind, rate in rates.items():
        if kind not in KINDS:
            raise UnknownNameError("defect", kind, KINDS)
        if not 0.0 <= rate <= 1.0:
            raise InputError(f"rate {rate} of defect '{kind}': give 0 to 1")
    return {**KINDS, **rates}


@dataclass(frozen=True)
class _Mark:
    kind: str
    where: tuple[Solid, ...]
    value: float


@dataclass
class DefectLog:
    """Decides by its rates which candidates are defective, and keeps what was done to them.

    Parameters
    ----------
    rates : mapping
        As ``check_rates`` returns it.
    rng : numpy.random.Generator
        Its own stage of the seed, so that rates do not move the board.
    """

    rates: Mapping[str, float]
    rng: np.random.Generator
    marks: list[_Mark] = field(default_factory=list)

    def strikes(self, kind: str) -> bool:
        """Say whether the next candidate has the defect."""
        return bool(self.rng.random() < self.rates[kind])

    def mark(self, kind: str, where: Sequence[Solid], value: float = 0.0) -> None:
        """Note a defect: the solids that it adds or takes away, and what it is graded by."""
        self.marks.append(_Mark(kind, tuple(where), value))

    def defects(self, view: View) -> tuple[Defect, ...]:
        """Return what the window shows of the marks, as labelled masks."""
        return tuple(defect for mark in self.marks if (defect := _defect(mark, view)) is not None)


def _defect(mark: _Mark, view: View) -> Defect | None:
    """Draw the silhouette of a mark; None where the window does not show it."""
    rows, rays = np.array(mark.where, dtype=np.float64).reshape(-1, solids.COLUMNS), view.rays()
    i0, i1, j0, j1 = casting.outline(rows, rays, view.shape)
    if i0 >= i1 or j0 >= j1:
        return None
    mask = np.zeros((i1 - i0, j1 - j0), dtype=bool)
    # The same rays, counted from the box's corner.
    rays[4] -= j0
    rays[5] -= i0
    casting.silhouette(mask, rows, rays)
    if not mask.any():
        return None
    v, u = np.nonzero(mask)
    top, bottom, left, right = int(v.min()), int(v.max()) + 1, int(u.min()), int(u.max()) + 1
    size = float(np.hypot(bottom - top, right - left) if len(mark.where) > 1 else max(bottom - top, right - left))
    return Defect(
        kind=mark.kind,
        x_px=float(u.mean() + 0.5 + j0),
        y_px=float(v.mean() + 0.5 + i0),
        size_mm=size * view.pixel_mm,
        value=mark.value,
        corner_px=(i0 + top, j0 + left),
        mask=mask[top:bottom, left:right].copy(),
    )
