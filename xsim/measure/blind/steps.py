"""Finding straight steps: ridges of the gradient, joined into straight pieces."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

__all__ = ["Step", "find_steps"]

_SCALES_PX = (1.5, 3.0)
"""Widths of the gradient's Gaussian: the first keeps close edges apart, the second lifts faint ones out of noise."""

_ABOVE_NOISE = 4.0
"""Ridges are this many times the gradient that noise has: below, chance lines are found."""

_RAYLEIGH_QUARTER = 0.7585
"""Lower quartile of the magnitude of two unit normals: sqrt(-2 ln .75)."""

_REACH_PX = 44
"""Steps are followed this far to each side: longer ones bring straight lines no nearer and curves in."""

_SHORTEST_PX = 14.0
"""Below, neither the direction nor the evenness along a step is known."""

_SKIPPED_PX = 2
"""Points this near to a seed that did not grow are not tried."""

_GAP_PX = 3.5
"""A wider gap ends a step."""

_ROUGH_PX = 0.45
"""Scatter of ridge points about their line above which it is no straight step."""

_SAGITTA_PX = 0.4
"""Bulge of a step: a circle's arc that bulges more adds .02 px2 of blur of its own."""

_TRIES, _WANTED = 700, 130
"""Seeds tried and steps kept for one image and scale: what one core does in .3 s; later ones are fainter."""


@dataclass(frozen=True)
class Step:
    """A straight piece of an edge.

    Parameters
    ----------
    y, x : float
        Its middle [px], pixel centres at whole numbers.
    angle : float
        Direction of its normal, towards the brighter side, from x to y [rad].
    length : float
        [px].
    strength : float
        Gradient along it, median [grey per px].
    """

    y: float
    x: float
    angle: float
    length: float
    strength: float

    def is_near(self, other: Step) -> bool:
        """Tell whether two finds are of one step."""
        return (
            abs(self.y - other.y) < 6
            and abs(self.x - other.x) < 6
            and abs(np.sin(self.angle - other.angle)) < np.sin(np.radians(6))
        )


@dataclass
class _Ridge:
    """Points of largest gradient, with subpixel places."""

    y: NDArray[np.float64]
    x: NDArray[np.float64]
    angle: NDArray[np.float64]
    size: NDArray[np.float64]
    number: NDArray[np.int64]
    used: NDArray[np.bool_] = field(init=False)

    def __post_init__(self) -> None:
        self.used = np.zeros(self.y.size, bool)

    def around(self, y: float, x: float, reach: int) -> NDArray[np.int64]:
        """Return the unused points of the square around a place."""
        top, left = max(int(y) - reach, 0), max(int(x) - reach, 0)
        numbers = self.number[top : int(y) + reach + 1, left : int(x) + reach + 1].ravel()
        numbers = numbers[numbers >= 0]
        return numbers[~self.used[numbers]]


def find_steps(image: NDArray[np.float64], usable: NDArray[np.bool_]) -> list[Step]:
    """Return the straight steps of an image, strongest first, at places where pixels are usable."""
    found: list[Step] = []
    for scale in _SCALES_PX:
        ridge = _ridge(image, scale, usable)
        for step in _straight_pieces(ridge):
            if not any(step.is_near(other) for other in found):
                found.append(step)
    return found


def _ridge(image: NDArray[np.float64], scale: float, usable: NDArray[np.bool_]) -> _Ridge:
    down, across = (ndimage.gaussian_filter(image, scale, order=order, truncate=3.0) for order in ((1, 0), (0, 1)))
    size = np.hypot(down, across)
    noise = float(np.quantile(size[::3, ::3], 0.25)) / _RAYLEIGH_QUARTER
    strong = (size > max(_ABOVE_NOISE * noise, 1e-4)) & usable
    # Reflections at the border draw edges of their own.
    border = int(2 * scale) + 1
    strong[:border] = strong[-border:] = False
    strong[:, :border] = strong[:, -border:] = False
    y, x = np.nonzero(strong)
    here = size[y, x]
    sine, cosine = down[y, x] / here, across[y, x] / here
    before, after = (
        ndimage.map_coordinates(size, [y + side * sine, x + side * cosine], order=1, mode="nearest") for side in (-1, 1)
    )
    top = (here >= before) & (here > after)
    y, x = y[top], x[top]
    here, sine, cosine, before, after = (part[top] for part in (here, sine, cosine, before, after))
    bend = before - 2 * here + after
    offset = np.clip(0.5 * (before - after) / np.where(bend < 0, bend, -1e-15), -1, 1)
    number = np.full(image.shape, -1, np.int64)
    number[y, x] = np.arange(y.size)
    return _Ridge(y + offset * sine, x + offset * cosine, np.arctan2(sine, cosine), here, number)


def _straight_pieces(ridge: _Ridge) -> list[Step]:
    pieces: list[Step] = []
    tries = 0
    for seed in np.argsort(-ridge.size):
        if ridge.used[seed]:
            continue
        tries += 1
        if tries > _TRIES or len(pieces) >= _WANTED:
            break
        piece, members = _grow(ridge, int(seed))
        ridge.used[seed] = True
        ridge.used[members] = True
        if piece is None:  # nor will its neighbours on a curve grow
            ridge.used[ridge.around(ridge.y[seed], ridge.x[seed], _SKIPPED_PX)] = True
        if piece is not None:
            pieces.append(piece)
    return pieces


def _grow(ridge: _Ridge, seed: int) -> tuple[Step | None, NDArray[np.int64]]:
    """Follow the line through a ridge point, tighter each time; return it if it is straight, and its points."""
    y, x, angle = (float(part[seed]) for part in (ridge.y, ridge.x, ridge.angle))
    near = ridge.around(y, x, _REACH_PX)
    none = near[:0]
    u = d = np.zeros(0)
    for width in (1.8, 1.2, 1.0):
        c, s = np.cos(angle), np.sin(angle)
        u = (ridge.y[near] - y) * c - (ridge.x[near] - x) * s
        d = (ridge.x[near] - x) * c + (ridge.y[near] - y) * s
        allowed = width + (0.05 * np.abs(u) if width > 1.5 else 0.0)
        on = (np.abs(d) < allowed) & (np.cos(ridge.angle[near] - angle) > np.cos(0.2))
        members, u, d = near[on], u[on], d[on]
        if members.size < 8:
            return None, none
        order = np.argsort(u)
        members, u, d = members[order], u[order], d[order]
        breaks = np.flatnonzero(np.diff(u) > _GAP_PX)
        middle = int(np.argmin(np.abs(u)))
        first = int(breaks[breaks < middle].max(initial=-1)) + 1
        last = int(breaks[breaks >= middle].min(initial=u.size - 1)) + 1
        members, u, d = members[first:last], u[first:last], d[first:last]
        if members.size < 8:
            return None, none
        offset, slope = _robust_line(u, d)
        d = d - offset - slope * u
        y, x, angle = y + offset * s, x + offset * c, angle - float(np.arctan(slope))
    length = float(u[-1] - u[0])
    middle_u = float(u[-1] + u[0]) / 2
    bulge = abs(float(np.polyfit(u - middle_u, d, 2)[0])) * length**2 / 4
    if length < _SHORTEST_PX or np.sqrt(np.mean(d**2)) > _ROUGH_PX or bulge > _SAGITTA_PX:
        return None, members
    c, s = np.cos(angle), np.sin(angle)
    strength = float(np.median(ridge.size[members]))
    return Step(y + middle_u * c, x - middle_u * s, angle, length, strength), members


def _robust_line(u: NDArray[np.float64], d: NDArray[np.float64]) -> tuple[float, float]:
    """Return offset and slope of d over u; points .3 px off count half."""
    weight = np.ones(u.size)
    offset = slope = 0.0
    for _ in range(3):
        total = weight.sum()
        mean_u, mean_d = float(weight @ u) / total, float(weight @ d) / total
        slope = float(weight @ ((u - mean_u) * (d - mean_d))) / max(float(weight @ (u - mean_u) ** 2), 1e-9)
        offset = mean_d - slope * mean_u
        weight = 1 / (1 + ((d - offset - slope * u) / 0.3) ** 2)
    return offset, slope
