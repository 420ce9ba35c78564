"""Round dark spots of a radiograph: where a solder ball may be, by a matched disc, and how round its rim is."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.fft
from numpy.typing import NDArray
from scipy.ndimage import map_coordinates, maximum_filter

__all__ = ["Spot", "find_spots", "optical_density", "rim_of"]

_DARKEST = 1e-3
"""Grey that counts as no light: of an open field of 1 less is offset and noise."""

_SMALLEST_PX = 2.5
"""Radius below which a disc is a few pixels, and its roundness chance."""

_STEP = 1.25
"""Ratio of one disc's radius to the last one's: half of it is within the reach of the rim's search."""

_RING = 1.45
"""Outer radius of the ring around a disc: balls stand 1.6 diameters apart, so that the next one is left out."""

_MOST_SPOTS = 4000
"""Peaks that are looked at: two balls of the finest grid to each hundred pixels of an image of 512 x 512."""

_DIRECTIONS = 36
"""Directions in which the rim is looked for."""


@dataclass(frozen=True)
class Spot:
    """A round dark spot.

    Parameters
    ----------
    y, x : float
        Centre [px]; the centre of the first pixel at 0.
    radius : float
        Median distance of its rim [px].
    contrast : float
        Optical density of the disc over that of the ring around it.
    round_share : float
        Share of directions in which the rim lies within an eighth of the radius from the median.
    """

    y: float
    x: float
    radius: float
    contrast: float
    round_share: float


def optical_density(grey: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return -ln of grey values (H, W), open field 1; the darkest are limited."""
    density: NDArray[np.float64] = -np.log(np.maximum(np.asarray(grey, dtype=np.float64), _DARKEST))
    return density


def find_spots(density: NDArray[np.float64], least: float, largest_px: float, least_round: float) -> list[Spot]:
    """Return the round dark spots of an optical density (H, W), the clearest first.

    Parameters
    ----------
    density : (H, W) array
        See `optical_density`.
    least : float
        Contrast that counts.
    largest_px : float
        Radius of the largest disc [px].
    least_round : float
        Share of the rim that must be round.
    """
    radii = _SMALLEST_PX * _STEP ** np.arange(int(np.log(largest_px / _SMALLEST_PX) / np.log(_STEP)) + 1)
    border = int(_RING * radii[-1]) + 2
    padded = np.pad(density, border, mode="reflect")
    shape = tuple(scipy.fft.next_fast_len(size, real=True) for size in padded.shape)
    spectrum = scipy.fft.rfft2(padded, s=shape)
    inside = np.s_[border : border + density.shape[0], border : border + density.shape[1]]
    contrast = np.stack([scipy.fft.irfft2(spectrum * _disc(shape, radius), s=shape)[inside] for radius in radii])
    # The mean of more pixels is surer: of two discs on one ball the one that fills it matches best.
    match = contrast * radii[:, None, None]
    peaks = (match == maximum_filter(match, size=(3, 3, 3))) & (contrast > least)
    where = np.argwhere(peaks)
    seen = [
        rim_of(density, Spot(float(row), float(column), float(radii[level]), float(contrast[level, row, column]), 0.0))
        for level, row, column in where[np.argsort(-match[tuple(where.T)])][:_MOST_SPOTS]
    ]
    return _apart([spot for spot in seen if spot.round_share >= least_round])


def _apart(spots: list[Spot]) -> list[Spot]:
    """Return the clearest of spots that overlap: a disc around four balls is neither as round nor as dark as they."""
    found: list[Spot] = []
    for spot in sorted(spots, key=lambda one: -one.round_share * one.contrast):
        if all(np.hypot(spot.y - one.y, spot.x - one.x) > 0.8 * max(spot.radius, one.radius) for one in found):
            found.append(spot)
    return found


def _disc(shape: tuple[int, ...], radius: float) -> NDArray[np.complex128]:
    """Return the spectrum of a disc less the ring around it, each of sum 1."""
    reach = int(_RING * radius) + 2
    rows, columns = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    distance = np.hypot(rows, columns)
    disc = np.clip(radius + 0.5 - distance, 0.0, 1.0)
    ring = np.clip(_RING * radius + 0.5 - distance, 0.0, 1.0) - np.clip(1.15 * radius + 0.5 - distance, 0.0, 1.0)
    kernel = np.zeros(shape)
    kernel[: 2 * reach + 1, : 2 * reach + 1] = disc / disc.sum() - ring / ring.sum()
    return np.asarray(scipy.fft.rfft2(np.roll(kernel, (-reach, -reach), axis=(0, 1))))


def rim_of(density: NDArray[np.float64], spot: Spot) -> Spot:
    """Return a spot with centre, radius and roundness from its rim, where the density falls to half.

    Half between the median of the inner half and, in each direction, the lowest value before the next ball; where
    fewer than a quarter of the directions have a rim the spot is returned as it is.
    """
    y, x, radius, share = spot.y, spot.x, spot.radius, 0.0
    angles = np.linspace(0.0, 2.0 * np.pi, _DIRECTIONS, endpoint=False)
    for _ in range(2):
        steps = np.arange(0.0, 1.6 * radius + 1.0, 0.5)
        rows, columns = y + np.outer(np.sin(angles), steps), x + np.outer(np.cos(angles), steps)
        lines = map_coordinates(density, [rows, columns], order=1, mode="nearest")
        if radius < 1.0:
            return replace(spot, round_share=0.0)
        high = float(np.median(lines[:, steps < 0.6 * radius]))
        low = float(np.median(lines[:, steps > 0.9 * radius].min(axis=1)))
        if high - low < 0.05:
            return spot
        below = lines < 0.5 * (high + low)
        below[:, steps < 0.4 * radius] = False
        # Where the line crosses the level between two steps.
        first = below.argmax(axis=1)
        has = below.any(axis=1) & (first > 0)
        if has.sum() < _DIRECTIONS // 4:
            return replace(spot, round_share=0.0)
        after, before = lines[np.arange(_DIRECTIONS), first], lines[np.arange(_DIRECTIONS), first - 1]
        level = 0.5 * (high + low)
        rim = steps[first] - 0.5 * np.clip((level - after) / np.maximum(before - after, 1e-9), 0.0, 1.0)
        radius = float(np.median(rim[has]))
        good = has & (np.abs(rim - radius) < 0.125 * radius + 0.5)
        share = float(good.mean())
        if good.sum() < _DIRECTIONS // 4:
            break
        # Rim points of a displaced circle: radius + dx cos + dy sin.
        design = np.stack([np.ones(int(good.sum())), np.cos(angles[good]), np.sin(angles[good])], axis=1)
        (radius, dx, dy), *_ = np.linalg.lstsq(design, rim[good], rcond=None)
        limit = 0.3 * radius
        x, y, radius = x + float(np.clip(dx, -limit, limit)), y + float(np.clip(dy, -limit, limit)), float(radius)
    return replace(spot, y=y, x=x, radius=radius, round_share=share)
