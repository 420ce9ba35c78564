"""Veiling glare: light that a detector spreads wider than the windows of the edges, seen in the open field.

Where nothing shades the beam the true image is even, so that the grey missing there around an object was spread:

    missing = sum_k s_k G_k * missing + a polynomial,   s_k >= 0,

with Gaussians G_k; the polynomial is the level and the shading that a flat-field correction left. This is the inverse
of the blur, (1 - sum_k s_k G_k) / (1 - sum_k s_k), that makes the open field even. Shading and glare look alike where
both are wide, so that glare is found only if it explains the open field much better than shading of any kind does.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.optimize import nnls

from xsim.measure.blind.mixture import SIGMAS_PX

__all__ = ["Glare", "veiling_glare"]

Array = NDArray[np.float64]

_WIDTHS_PX = np.array([14.0, 20.0, 28.0, 40.0, 56.0, 80.0])
"""Widths of the spread light [px]: from where edges no longer tell it to where it is shading in a small image."""

_SMALL_PX, _SIDE_PX = 4, 1024
"""Pixels that are averaged, a third of the narrowest width, and the side [px] up to which; larger images are averaged
over more, since time goes as the number of means."""

_CELL = 4
"""Means to the side of a cell of the fit: noise of 2 % is .1 % in 16 x 16 pixels, and of all cells far less."""

_FAR, _LEAST_FAR_PX = 1.5, 8.0
"""Distance from structure, over 1 / f50 and in pixels, from which on the narrow part of the blur is over."""

_NARROWEST_PX = 4.0
"""Components of the edges' blur that are wider may reach into the open field: what they take from it is not glare."""

_LEVEL = 0.1
"""How far the open field may lie from its brightest tenth before its shading is known: heel effect and domes."""

_DARKER, _BRIGHTER = 0.08, 0.03
"""How far the open field may lie below and above its shading: glare of .16 takes .08 beside a large object."""

_STEEPEST = 0.0045
"""Slope [grey per px] that is no structure: glare of .15 and 14 px has .0043 beside a straight edge."""

_FEWEST, _MOST_POINTS = 50, 4000
"""Means that the shading is found from: at least, and at most."""

_LEAST_SHARE, _LEAST_CELLS = 0.15, 60
"""Share of the image, and cells, of open field below which a curved shading fits as well as any glare."""

_LEAST_SIDE, _SIDES = 0.1, 2
"""Share of the open field that makes a side of the object count, and how many sides (of four) must show the glare:
on one alone it is a slope like any other."""

_SHADING = (2, 3, 4)
"""Degrees of the polynomials: the fit's, one under which the glare has to persist, and one that it has to beat."""

_TELLING = 40.0
"""Misfit that glare removes over that which stays in a cell: chance alone, with noise that is grainy over a cell, and
edges that are not quite the detector's, gave up to 31 in 48 images of detectors without glare or with little."""

_PERSISTS = 0.6
"""Share of the glare that has to stay when the polynomial is freer: true glare keeps .9 and more of it."""

_MOST = 0.25
"""Light spread in all that is believed; image intensifiers reach .2."""


@dataclass(frozen=True)
class Glare:
    """Light that is spread wider than an edge's window shows.

    Parameters
    ----------
    shares : (K,) array
        Of the light, by width.
    widths : (K,) array
        Standard deviations of the Gaussians [px].
    """

    shares: Array
    widths: Array

    @property
    def total(self) -> float:
        """Share of the light that is spread."""
        return float(self.shares.sum())

    @property
    def width(self) -> float:
        """Mean width [px]."""
        return float(self.shares @ self.widths) / self.total

    def factor(self, f: Array) -> Array:
        """Return what the MTF that edges tell has to be multiplied by, at frequencies [cycles/px]."""
        spread = np.exp(-2 * (np.pi * np.multiply.outer(f, self.widths)) ** 2) @ self.shares
        return np.asarray((1 - self.total) / (1 - spread))


@dataclass(frozen=True)
class _Field:
    """Cells of one image's open field: missing grey, what widths would take, coordinates (-1 to 1), side."""

    missing: Array
    columns: Array
    y: Array
    x: Array
    side: NDArray[np.int64]


@dataclass(frozen=True)
class _Fit:
    """Shares by width, and squared misfit of the cells without and with them, on each side of the object."""

    shares: Array
    plain: Array
    left: Array

    @property
    def telling(self) -> float:
        """Misfit that the shares remove, over that which stays in a cell times the number of cells."""
        return float((self.plain.sum() - self.left.sum()) / max(self.left.sum(), 1e-30))


def veiling_glare(
    images: Sequence[Array], usable: Sequence[NDArray[np.bool_]], weights: Array, f50: float
) -> Glare | None:
    """Return the glare that the open field of some images shows beyond the edges' blur; None where none is sure.

    Parameters
    ----------
    images : sequence of (H, W) arrays
        Whole radiographs of one detector, linear in exposure.
    usable : sequence of (H, W) arrays of bool
        Which pixels are not clipped.
    weights : (K,) array
        Of the mixture that the edges tell, sum 1.
    f50 : float
        Where its MTF falls to a half [cycles/px].
    """
    far = max(_LEAST_FAR_PX, _FAR / f50)
    # Of narrower light the field this far off sees so little that its share would be a guess.
    widths = _WIDTHS_PX[far <= _WIDTHS_PX]
    if not widths.size:
        return None
    fields = [
        field
        for grey, good in zip(images, usable, strict=True)
        if (field := _open_field(grey, good, weights, widths, far)) is not None
    ]
    if not fields or sum(field.missing.size for field in fields) < _LEAST_CELLS:
        return None
    fit, freer, freest = (_fitted(fields, degree) for degree in _SHADING)
    cells = sum(field.missing.size for field in fields)
    total = float(fit.shares.sum())
    if not 0 < total <= _MOST or freer.shares.sum() < _PERSISTS * total:
        return None
    if min(fit.telling, freer.telling) * cells < _TELLING or fit.left.sum() > freest.plain.sum():
        return None
    if np.count_nonzero(fit.left < fit.plain) < _SIDES:
        return None
    return Glare(fit.shares, widths)


def _open_field(image: Array, usable: NDArray[np.bool_], weights: Array, widths: Array, far_px: float) -> _Field | None:
    """Return the cells of an image's open field; None where there are too few, or on too few sides of the object."""
    step = _SMALL_PX * -(-max(image.shape) // _SIDE_PX)
    height, width = (side // step for side in image.shape)
    tiles = (slice(height * step), slice(width * step))
    grey = image[tiles].reshape(height, step, width, step).mean(axis=(1, 3))
    good = np.asarray(usable[tiles].reshape(height, step, width, step).all(axis=(1, 3)), bool)
    y, x = (np.linspace(-1, 1, side) for side in grey.shape)
    y, x = np.repeat(y[:, None], width, axis=1), np.repeat(x[None, :], height, axis=0)
    found = _shading(grey, good, y, x, step)
    if found is None:
        return None
    flat, missing = found
    # The border is no structure: what lies beyond continues what is seen.
    distance = ndimage.distance_transform_edt(np.pad(flat, 1, constant_values=True))[1:-1, 1:-1] * step
    far = distance > far_px
    if far.mean() < _LEAST_SHARE:
        return None
    rows, columns = height // _CELL, width // _CELL

    def cut(plane: NDArray[np.generic]) -> Array:
        whole = np.asarray(plane[: rows * _CELL, : columns * _CELL], np.float64)
        return np.asarray(whole.reshape(rows, _CELL, columns, _CELL).sum(axis=(1, 3)))

    count = cut(far)
    held = count >= _CELL**2 / 2

    def of_cells(plane: Array) -> Array:
        return np.asarray(cut(np.where(far, plane, 0.0))[held] / count[held])

    lost = np.where(flat, 0.0, missing)
    amount = np.abs(lost)
    if not amount.any():
        return None
    cell_y, cell_x = of_cells(y), of_cells(x)
    turn = np.arctan2(cell_y - np.average(y, weights=amount), cell_x - np.average(x, weights=amount))
    side = np.floor(turn / (np.pi / 2) + 0.5).astype(np.int64) % 4
    counts = np.bincount(side, minlength=4)
    if np.count_nonzero(counts >= _LEAST_SIDE * side.size) < _SIDES:
        return None
    wide = [(share, sigma) for share, sigma in zip(weights, SIGMAS_PX, strict=True) if sigma > _NARROWEST_PX]
    told = sum((share * _spread(lost, sigma / step) for share, sigma in wide if share > 0), np.zeros_like(lost))
    taken = np.stack([of_cells(_spread(lost, sigma / step)) for sigma in widths], axis=1)
    return _Field(of_cells(missing - told), taken, cell_y, cell_x, side)


def _spread(plane: Array, sigma: float) -> Array:
    return np.asarray(ndimage.gaussian_filter(plane, sigma, mode="nearest", truncate=3.5))


def _shading(
    grey: Array, good: NDArray[np.bool_], y: Array, x: Array, step: int
) -> tuple[NDArray[np.bool_], Array] | None:
    """Return where the image is open field, and the share of its grey that is missing everywhere; None for no field."""
    if not good.any() or (level := float(np.quantile(grey[good], 0.9))) <= 0:
        return None
    slope = np.hypot(*np.gradient(ndimage.uniform_filter(grey, 3))) / (step * level)
    good = good & (slope < _STEEPEST)
    flat = good & (np.abs(grey / level - 1) < _LEVEL)
    terms = _terms(y.ravel(), x.ravel(), _SHADING[0])
    missing = np.zeros_like(grey)
    for _ in range(4):  # the fourth round moves the field by less than one mean in a hundred
        points = np.flatnonzero(flat)
        if points.size < _FEWEST:
            return None
        points = points[:: -(-points.size // _MOST_POINTS)]
        fitted = np.linalg.lstsq(terms[points], grey.ravel()[points], rcond=None)[0]
        missing = 1 - grey / np.maximum((terms @ fitted).reshape(grey.shape), 0.5 * level)
        flat = good & (missing < _DARKER) & (missing > -_BRIGHTER)
    return ndimage.binary_opening(flat, iterations=2), missing


def _terms(y: Array, x: Array, degree: int) -> Array:
    return np.stack([y**a * x**b for a in range(degree + 1) for b in range(degree + 1 - a)], axis=1)


def _fitted(fields: Sequence[_Field], degree: int) -> _Fit:
    """Return the shares that explain the missing grey of all images, each beside a polynomial of its own."""
    columns, missing = [], []
    for field in fields:
        base = np.linalg.qr(_terms(field.y, field.x, degree))[0]
        columns.append(field.columns - base @ (base.T @ field.columns))
        missing.append(field.missing - base @ (base.T @ field.missing))
    taken, lost = np.concatenate(columns), np.concatenate(missing)
    shares = nnls(taken, lost)[0]
    side = np.concatenate([field.side for field in fields])
    plain, left = (
        np.bincount(side, misfit**2, minlength=4).astype(np.float64) for misfit in (lost, lost - taken @ shares)
    )
    return _Fit(shares, plain, left)
