"""How many voids a ball has: fits with none, one, two, ..., and how likely each of them is."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import uniform_filter

from xsim.inspect.fit import HOLE_MEAN, HOLE_SPREAD, VEIL, Fit, Prior, ball_of, fit, start_of
from xsim.inspect.patch import Patch
from xsim.inspect.shape import HOLE, STIFFEST, VOID, hole_light, transmission

__all__ = ["MOST_VOIDS", "Candidates", "Look", "first_look", "search", "see_through"]

Array = NDArray[np.float64]

_RADII = (0.12, 0.2, 0.33, 0.5)
"""Radii of the voids that are looked for [radii of the ball]; the fit finds those in between."""

_HOLE_RADII = (0.25, 0.4, 0.6, 0.85)
"""Radii of the holes that are looked for [radii of the ball]: drills of .2 to .3 mm beside balls of .25 to .76 mm."""

_LARGEST = 0.6
"""Radius of the largest void [radii of the ball], up to which each is thought equally likely: a third of the area."""

_STIFF = 0.03
"""Spread of the background under the ball while voids are looked for: a soft one would take their place."""

_SOFT = 0.1
"""Least spread of the background under a ball at the first look, before the balls have said what it is."""

_GOES_ON = 12.0
"""Fall of the sum of squares by which a void is more than chance, so that another is looked for: twice the log of how
many places and sizes there are for it."""

_SEEN = 20.0
"""Fall of the sum of squares from which a void is likelier than none: twice the log of how many places, radii and
uncertainties there are for it."""

_HOLED = 0.1
"""How likely a plated hole stands at a ball before its pixels are looked at: there is one to every few balls, but
seldom behind one."""

_MOST_HOLES = 2
"""Plated holes that may stand around a ball."""

MOST_VOIDS = 5
"""Voids that are told apart at most; more are froth, or no voids."""


@dataclass(frozen=True, eq=False)
class Candidates:
    """Fits of one ball with none, one, two, ... voids, and the same with a plated hole of the board at the ball.

    Parameters
    ----------
    fits : tuple of Fit
        In this order.
    probability : (n,) array
        How likely each is.
    unseen : float
        Share of the ball's area of the smallest void that would be seen.
    """

    fits: tuple[Fit, ...]
    probability: Array
    unseen: float

    @property
    def best(self) -> Fit:
        """Return the likeliest."""
        return self.fits[int(self.probability.argmax())]


@dataclass(frozen=True, eq=False)
class Look:
    """A ball without voids, as it was fitted at first sight, and how well it fits.

    Parameters
    ----------
    fit : Fit
        On a soft background.
    structure : float
        Fine structure around the ball that the background does not follow, as a share of the light.
    raised : float
        Factor by which noise had to be raised.
    """

    fit: Fit
    structure: float
    raised: float


def first_look(patch: Patch, prior: Prior, crossed: float) -> Look:
    """Fit a ball without voids on a soft background, and set the noise of the patch by what is left.

    Where more than ``crossed`` of fine structure is left around the ball, plated holes are tried, as long as they help.

    Around the ball what is left beyond noise is structure that is finer than the bumps: it goes on under the ball, in
    proportion to the light there. All over, residuals that exceed their noise, pixel by pixel or in blocks of 3 x 3,
    say how much it has to be raised.
    """
    spread = np.where(patch.inner, max(patch.structure, _SOFT), patch.structure)
    found = fit(patch, start_of(patch, prior), prior, spread)
    excess = _structure(patch, found)
    while excess > crossed**2 and found.holes < _MOST_HOLES:
        start = found.with_hole(_likeliest_hole(patch, found))
        holed = fit(patch, start, prior, spread, iterations=12)
        less = _structure(patch, holed)
        if less > 0.7 * excess:
            break
        found, excess = holed, less
    assert found.image is not None
    left = patch.data - found.image
    light = np.maximum(found.image, 1e-4)
    patch.weight = (patch.weight**-2.0 + excess * light**2) ** -0.5
    raised = np.where(patch.use, left * patch.weight, 0.0)
    whole = uniform_filter(patch.use.astype(float), 3) > 0.999
    single = _robust(raised[patch.use])
    blocks = _robust(3.0 * uniform_filter(raised, 3)[whole]) if whole.any() else 1.0
    factor = max(1.0, single, blocks)
    patch.weight = patch.weight / factor
    return Look(found, math.sqrt(excess), factor)


def _structure(patch: Patch, found: Fit) -> float:
    """Return the mean square of what a fit leaves around the ball, beyond noise, as a share of the light."""
    assert found.image is not None
    left = patch.data - found.image
    y, x, radius = found.theta[0], found.theta[1], float(np.exp(found.theta[2]))
    ring = patch.use & (patch.distance(y, x) > radius + 1.0)
    light = np.maximum(found.image, 1e-4)
    if not ring.any():
        return 0.0
    excess = np.mean((left[ring] / light[ring]) ** 2) - np.mean((patch.weight[ring] * light[ring]) ** -2.0)
    return max(float(excess), 0.0)


def _robust(values: Array) -> float:
    """Return the spread of values that a few of another kind do not change."""
    return 1.4826 * float(np.median(np.abs(values)))


def see_through(patch: Patch, found: Fit) -> Array:
    """Return the density of the background under a ball as it was fitted, where the ball is thick."""
    under = patch.distance(found.theta[0], found.theta[1]) < 0.85 * np.exp(found.theta[2])
    density = np.tensordot(found.background, patch.bumps, 1)[under]
    return np.asarray(density - np.median(density))


def search(patch: Patch, start: Fit, prior: Prior, under: float) -> Candidates:
    """Look for voids one after the other, and weigh the fits with none, one, two, ... of them.

    Parameters
    ----------
    patch : Patch
        With its noise set by `first_look`.
    start : Fit
        The first look.
    prior : Prior
        What is known of the ball, now from the others of its grid too.
    under : float
        Spread of the background's density under balls.
    """
    soft = np.where(patch.inner, under, patch.structure)
    stiff = np.where(patch.inner, min(_STIFF, under), patch.structure)
    fits = [fit(patch, start, prior, soft)]
    background = np.where(patch.inner, 0.0, fits[0].background)
    path = Fit(fits[0].theta, background, fits[0].veil, holes=fits[0].holes)
    path = fit(patch, path, prior, stiff, fixed=fits[0].fixed)
    bare = path
    fits += _with_voids(patch, path, prior, stiff, soft, fits[0].fixed)
    # What no void explains is no hole either: it is looked for where something was found.
    if not bare.holes and (len(fits) > 2 or _probability(fits)[0] < 0.5):
        start = bare.with_hole(_likeliest_hole(patch, bare))
        holed = fit(patch, start, prior, stiff, iterations=10, fixed=fits[0].fixed)
        fits.append(fit(patch, holed, prior, soft))
        fits += _with_voids(patch, holed, prior, stiff, soft, fits[-1].fixed)
        # Beside a void that is clearer than it a hole may have passed for one more void.
        best = fits[int(_probability(fits).argmax())]
        if not best.holes and best.count > 1:
            fits += [fit(patch, best.void_as_hole(n), prior, soft, iterations=10) for n in range(best.count)]
    probability = _probability(fits)
    return Candidates(tuple(fits), probability, _just_seen(patch, fits[int(probability.argmax())], soft))


def _with_voids(patch: Patch, path: Fit, prior: Prior, stiff: Array, soft: Array, fixed: Array | None) -> list[Fit]:
    """Return fits on a soft background with one, two, ... voids more than a fit on a stiff one."""
    fits: list[Fit] = []
    while path.count < MOST_VOIDS:
        start = path.with_void(_likeliest_void(patch, path))
        longer = fit(patch, start, prior, stiff, fixed=fixed)
        gain, path = path.cost - longer.cost, longer
        fits.append(fit(patch, path, prior, soft))
        fixed = fits[-1].fixed
        if gain < _GOES_ON:
            break
    return fits


def _just_seen(patch: Patch, found: Fit, spread: Array) -> float:
    """Return the share of a ball's area of the smallest void that would be seen, half way between middle and rim.

    What the background may take of it, within the ``spread`` (B,) of its bumps, is not seen.
    """
    assert found.ground is not None
    assert found.fixed is not None
    ball, height, voids = ball_of(found.solder)
    shares = np.array([0.06, 0.09, 0.13, 0.19, 0.27, 0.38])
    evident = []
    free = found.fixed @ found.fixed.T + np.diag(np.concatenate([spread**-2, np.full(3, VEIL**-2)]))
    plain = transmission(ball, height, voids, patch.top, patch.left, patch.shape)
    for share in shares:
        more = np.vstack([voids, [ball[0] + 0.35 * ball[2], ball[1] - 0.35 * ball[2], share * ball[2]]])
        through = transmission(ball, height, more, patch.top, patch.left, patch.shape)
        change = (patch.seen(patch.inside * found.ground * (through - plain)) * patch.weight)[patch.use]
        taken = found.fixed @ change
        evident.append(float(change @ change - taken @ np.linalg.solve(free, taken)) / patch.doubt**2)
    # The signal grows with more than the fifth power of the radius: straight in logarithms.
    radius = np.exp(np.interp(np.log(_SEEN), np.log(np.maximum(evident, 1e-9)), np.log(shares)))
    return float(radius**2)


def _probability(fits: list[Fit]) -> Array:
    """Return how likely each fit is, by its misfit and the share of what voids can be that explains it (Laplace)."""
    radius = float(np.exp(fits[0].theta[2]))
    # Anywhere in the ball, any radius up to the largest.
    room = math.log(math.pi * radius**2 * _LARGEST * radius)
    # A hole may stand out of the ball, and its densities are known within their spreads.
    hole_room = math.log(math.pi * (1.6 * radius) ** 2 * radius) + float(np.log(HOLE_SPREAD).sum()) - math.log(_HOLED)
    evidence = np.array(
        [
            -0.5 * one.cost
            + one.log_volume
            + one.count * (0.5 * VOID * math.log(2.0 * math.pi) - room)
            + one.holes * (1.5 * math.log(2.0 * math.pi) - hole_room)
            for one in fits
        ]
    )
    likely = np.exp(evidence - evidence.max())
    return np.asarray(likely / likely.sum())


def _likeliest_void(patch: Patch, found: Fit) -> Array:
    """Return place and radius (y, x, r) of the void that would explain most of what is left, by matched filters."""
    assert found.image is not None
    assert found.ball is not None
    assert found.ground is not None
    ball, height, _ = ball_of(found.solder)
    # Light that a little less solder in the middle would let through, by its share of the thickness there.
    steep = ball[3] * (STIFFEST + (1.0 - STIFFEST) / (1.0 + ball[5] * ball[3]))
    opens = patch.inside * found.ground * found.ball * steep
    weight = np.where(patch.use, patch.weight**2, 0.0)
    left = (patch.data - found.image) * weight * opens
    power = weight * opens**2
    distance = patch.distance(ball[0], ball[1])
    best, where = -1.0, np.array([ball[0], ball[1], _RADII[1] * ball[2]])
    for share in _RADII:
        radius = share * ball[2]
        half = max(int(radius) + 2, 3)
        rows, columns = np.mgrid[-half : half + 1, -half : half + 1]
        chord = 2.0 * np.sqrt(np.maximum(radius**2 - rows**2 - columns**2, 0.0)) / height
        seen, noise = patch.matched(chord, left, power)
        good = (distance < ball[2] - 0.6 * radius) & (seen > 0.0)
        gain = np.where(good, seen**2 / np.maximum(noise, 1e-12), 0.0)
        row, column = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[row, column] > best:
            best = float(gain[row, column])
            where = np.array([patch.top + row, patch.left + column, radius], dtype=np.float64)
    return where


def _likeliest_hole(patch: Patch, found: Fit) -> Array:
    """Return the unknowns of the plated hole that would explain most of what is left, by matched filters."""
    assert found.image is not None
    assert found.ball is not None
    assert found.ground is not None
    ball, _, _ = ball_of(found.solder)
    weight = np.where(patch.use, patch.weight**2, 0.0)
    light = patch.inside * found.ground * found.ball
    left, power = (patch.data - found.image) * weight * light, weight * light**2
    distance = patch.distance(ball[0], ball[1])
    best, where = -1.0, np.zeros(HOLE)
    for share in _HOLE_RADII:
        hole = np.array([0.0, 0.0, max(share * ball[2], 1.0), *HOLE_MEAN])
        half = int(1.2 * hole[2]) + 4
        kernel = hole_light(hole, ball[2], -half, -half, (2 * half + 1, 2 * half + 1)) - 1.0
        seen, noise = patch.matched(kernel, left, power)
        good = (distance < 1.2 * ball[2] + hole[2]) & (seen > 0.0)
        gain = np.where(good, seen**2 / np.maximum(noise, 1e-12), 0.0)
        row, column = np.unravel_index(int(gain.argmax()), gain.shape)
        if gain[row, column] > best:
            best = float(gain[row, column])
            where = np.array([patch.top + row, patch.left + column, *hole[2:]])
    return where
