"""Defects: their classes, how often they occur, and the log that turns marks into labels; solder balls, too."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError, UnknownNameError
from xsim.phantoms import casting, solids
from xsim.phantoms.phantom import Ball, Defect
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


@dataclass(frozen=True)
class _BallMark:
    kind: str
    solids: tuple[Solid, ...]
    voids: tuple[Solid, ...]


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
    ball_marks: list[_BallMark] = field(default_factory=list)

    def strikes(self, kind: str) -> bool:
        """Say whether the next candidate has the defect."""
        return bool(self.rng.random() < self.rates[kind])

    def mark(self, kind: str, where: Sequence[Solid], value: float = 0.0) -> None:
        """Note a defect: the solids that it adds or takes away, and what it is graded by."""
        self.marks.append(_Mark(kind, tuple(where), value))

    def ball(self, solids: Sequence[Solid], voids: Sequence[Solid] = (), kind: str = "ball") -> None:
        """Note a solder ball: the solids that make its outline, and its voids."""
        self.ball_marks.append(_BallMark(kind, tuple(solids), tuple(voids)))

    def balls(self, view: View) -> tuple[Ball, ...]:
        """Return the balls whose centre the window shows."""
        return tuple(ball for mark in self.ball_marks if (ball := _ball(mark, view)) is not None)

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


# Rays across a ball's outline, by which its voids' area is counted: a tenth of a percent of the ball's.
_ACROSS = 96


def _ball(mark: _BallMark, view: View) -> Ball | None:
    """Measure the outlines of a ball and its voids on a fine grid; None where the window does not show its centre."""
    rows = [np.array(part, dtype=np.float64).reshape(-1, solids.COLUMNS) for part in (mark.solids, mark.voids)]
    rays = view.rays()
    u0, u1, v0, v1 = _extent(rows[0], rays)
    x_px, y_px = 0.5 * (u0 + u1), 0.5 * (v0 + v1)
    if not (0.0 <= x_px <= view.shape[1] and 0.0 <= y_px <= view.shape[0]):
        return None
    # The same rays, closer together and counted from the corner of the ball's box.
    fine = 1.02 * max(u1 - u0, v1 - v0) / _ACROSS
    rays[2:4] *= fine
    rays[4], rays[5] = (0.5 * _ACROSS + (rays[4] - x_px) / fine, 0.5 * _ACROSS + (rays[5] - y_px) / fine)
    outlines = []
    for part in rows:
        mask = np.zeros((_ACROSS, _ACROSS), dtype=bool)
        if len(part):
            casting.silhouette(mask, part, rays)
        outlines.append(mask)
    whole, empty = outlines
    area = (fine * view.pixel_mm) ** 2
    return Ball(mark.kind, x_px, y_px, float(whole.sum()) * area, float((empty & whole).sum()) * area, len(mark.voids))


def _extent(rows: NDArray[np.float64], rays: NDArray[np.float64]) -> tuple[float, float, float, float]:
    """Return the pixels (u0, u1, v0, v1) that the boxes of solids reach to."""
    reach = solids.reach_of(rows, rays)
    return float(reach[:, 0].min()), float(reach[:, 1].max()), float(reach[:, 2].min()), float(reach[:, 3].max())
