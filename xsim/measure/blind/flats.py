"""Noise from the flattest parts of a radiograph: its level at the open field, and its colour.

Blocks are detrended, windowed and sorted by power over grey; the crowd of the calmest ones holds noise alone. Their
spectrum is fitted by a coloured part (the blur's own MTF to a power: light scattered before it is counted) and a white
part (quanta of light, electronics, rounding). Where no block is free of texture (the glass weave of a board), that has
parts of its own, which fall off faster than noise, and are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from xsim.measure.blind.mixture import mtf_columns

__all__ = ["Blocks", "FlatNoise", "flat_blocks", "flat_noise", "rough_noise"]

BLOCK_PX = 32
"""Side of a block: small enough to fit between parts, long enough for the noise's colour."""

_DARKEST = 0.04
"""Grey below which offset and rounding, not quanta, make the noise."""

_CLOSE = 2.2
"""Blocks within this many standard deviations of the crowd belong to it."""

_OVERLAP = 2.25
"""Half-overlapping blocks are worth this share fewer: 2.25 of 4, as in IEC 62220-1's regions."""

_COLOURS = (1.0, 0.7)
"""Powers of the MTF, halved, that the coloured part may follow: single screens and thick ones (Lubberts' effect)."""

_KINDS = tuple(product(_COLOURS, (True, False)))
"""Colours with and without the pixel's aperture divided out, in the order in which they are preferred."""

_SYSTEMATIC = 0.03
"""Relative error of the level that no area removes: noise need not go as the root of the grey."""

_LOWEST = 1.5 / BLOCK_PX
"""Frequencies below are the trend's [cycles/px]."""

_TEXTURES = (0.04, 0.06, 0.09, 0.13, 0.18)
"""Widths [cycles/px] of Gaussians that texture is made of, blurred as the object: a weave has periods of 6 to 20 px."""

_TEXTURED = 0.25
"""Share of the misfit down to which texture must bring it to be believed in; in open fields it brings it nowhere."""

_FITS = 4.0
"""Misfit a bin, in squares of 3 % and chance, up to which noise alone fits and no texture is looked for."""

_UNLIKE = 40.0
"""Misfit a bin from which a spectrum is not noise: 20 % off in each. Boards whose noise is read rightly reach 10."""

_AS_GOOD = 2.0
"""Factor of misfits that tell two colours apart beside texture: below, the middle of what they say is taken."""

_TEXTURE_ERROR = 0.1
"""Relative error of the level behind texture, beside what colours that fit as well disagree by."""

_TRIAL_PX = 400
"""Side of the noise that is made to see what blocks show of a spectrum: 576 blocks, 2 % of the lowest bin."""

_GRID = np.linspace(0, 0.75, 301)
"""Frequencies of noise spectra [cycles/px]."""


@dataclass(frozen=True)
class Blocks:
    """Power spectra of blocks of one or more images.

    Parameters
    ----------
    power : (n, bins) array
        Radial power over grey, per pixel: white noise of variance v reads v.
    grey : (n,) array
        Mean grey.
    place : (n, 3) array of int
        Image, row and column [px] of the first pixel.
    """

    power: NDArray[np.float64]
    grey: NDArray[np.float64]
    place: NDArray[np.int64]


@dataclass(frozen=True)
class FlatNoise:
    """Noise at the open field (grey 1).

    Parameters
    ----------
    rms, error : float
        Standard deviation of a pixel, and the relative standard error.
    least : float
        Factor below which ``rms`` need not lie: less than 1 where the spectrum is not that of noise alone.
    frequency, power : (m,) arrays
        Measured radial spectrum: frequency [cycles/px], and the variance that white noise of this power would have.
    coloured, white : float
        Variances of the two parts.
    fine_frequency, fine_power : (n,) arrays
        The smooth spectrum that was fitted [cycles/px, and as ``power``], up to the corner of the frequency square.
    area_px : float
        Pixels of the flat parts.
    grey : float
        Their median grey.
    blocks : (n, 3) array of int
        Where they lie.
    texture : float
        Variance, as ``coloured``, of the object's own texture in the flat parts, which is no noise.
    """

    rms: float
    error: float
    least: float
    frequency: NDArray[np.float64]
    power: NDArray[np.float64]
    coloured: float
    white: float
    fine_frequency: NDArray[np.float64]
    fine_power: NDArray[np.float64]
    area_px: float
    grey: float
    blocks: NDArray[np.int64]
    texture: float


def rough_noise(image: NDArray[np.float64], usable: NDArray[np.bool_]) -> tuple[float, float]:
    """Return, roughly, the standard deviation of a pixel and of the mean of 1 x 8 pixels at grey 1."""
    grid = image[: image.shape[0] // 8 * 8, : image.shape[1] // 8 * 8]
    held = usable[: grid.shape[0], : grid.shape[1]]
    tiles = grid.reshape(grid.shape[0] // 8, 8, -1, 8)
    good = held.reshape(tiles.shape).all(axis=(1, 3))
    mean = tiles.mean(axis=(1, 3))
    good &= mean > _DARKEST
    if good.sum() < 8:
        return 1e-4, 1e-4
    # Second differences see neither level nor slope; for white noise their variance is 6 times the pixel's.
    bend = tiles[:, :, :, 2:] - 2 * tiles[:, :, :, 1:-1] + tiles[:, :, :, :-2]
    level = np.sqrt(np.clip(mean[good], _DARKEST, None))
    white = float(np.quantile(np.sqrt((bend**2).mean(axis=(1, 3))[good] / 6) / level, 0.25))
    # Strips of 1 x 8 pixels against those 8 and 16 pixels on along the strip: no grain is so coarse as to be shared.
    spread = []
    across = (tiles.mean(axis=1), good, mean)
    down = (tiles.mean(axis=3).transpose(2, 0, 1), good.T, mean.T)
    for strips, held, grey in (across, down):
        rest = np.diff(strips, axis=0, n=2)
        root = np.sqrt((rest**2).mean(axis=2) / 6 / np.clip(grey[1:-1], _DARKEST, None))
        spread.append(float(np.quantile(root[held[1:-1]], 0.25)) if held[1:-1].any() else 0.0)
    plain = tiles - mean[:, None, :, None]
    pixel = float(np.quantile(np.sqrt((plain**2).mean(axis=(1, 3))[good] * 64 / 63) / level, 0.2))
    return max(pixel, white, 1e-5), max(min(spread), white / np.sqrt(8), 1e-5)


def _radial() -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the bin of each frequency of a block, and the bins' mean frequency and number of frequencies."""
    n = BLOCK_PX
    f = np.hypot(np.fft.fftfreq(n)[:, None], np.fft.rfftfreq(n)[None, :])
    double = np.full(f.shape, 2.0)
    double[:, [0, -1]] = 1.0
    number = np.where(f < _LOWEST, 0, np.minimum((f * n - 0.5).astype(np.int64), n // 2 + 2))
    count = np.bincount(number.ravel(), double.ravel())
    mean = np.bincount(number.ravel(), (f * double).ravel()) / count
    return np.asarray(number, np.int64), mean[1:], np.asarray(count[1:], np.float64)


def flat_blocks(images: Sequence[NDArray[np.float64]], usable: Sequence[NDArray[np.bool_]]) -> Blocks:
    """Return the spectra of the half-overlapping blocks in which every pixel is usable."""
    n = BLOCK_PX
    window = np.outer(np.hanning(n + 2)[1:-1], np.hanning(n + 2)[1:-1])
    axis = np.linspace(-1, 1, n)
    terms = [np.outer(axis**a, axis**b).ravel() for a, b in product(range(3), repeat=2) if a + b <= 2]
    root = np.sqrt(window)
    trend = np.linalg.qr(np.stack(terms, axis=1) * root.reshape(-1, 1))[0]
    number, _, count = _radial()
    rows, greys, places = [], [], []
    for which, (image, good) in enumerate(zip(images, usable, strict=True)):
        if min(image.shape) < n:
            continue
        views = np.lib.stride_tricks.sliding_window_view(image, (n, n))[:: n // 2, :: n // 2]
        held = np.lib.stride_tricks.sliding_window_view(good, (n, n))[:: n // 2, :: n // 2].all(axis=(2, 3))
        mean = views.mean(axis=(2, 3))
        taken = np.argwhere(held & (mean > _DARKEST))
        for line in np.unique(taken[:, 0]):
            at = taken[taken[:, 0] == line]
            blocks = views[line, at[:, 1]].reshape(len(at), -1) * root.ravel()
            blocks = (blocks - (blocks @ trend) @ trend.T).reshape(-1, n, n) * root
            power = np.abs(np.fft.rfft2(blocks)) ** 2 / (window**2).sum()
            double = np.full(power.shape[1:], 2.0)
            double[:, [0, -1]] = 1.0
            flat = (power * double).reshape(len(at), -1)
            sums = np.stack([np.bincount(number.ravel(), one) for one in flat])[:, 1:]
            grey = mean[line, at[:, 1]]
            rows.append(sums / count / grey[:, None])
            greys.append(grey)
            places.append(np.column_stack([np.full(len(at), which), at * (n // 2)]))
    if not rows:
        return Blocks(np.zeros((0, count.size)), np.zeros(0), np.zeros((0, 3), np.int64))
    return Blocks(np.vstack(rows), np.concatenate(greys), np.vstack(places).astype(np.int64))


def flat_noise(blocks: Blocks, weights: NDArray[np.float64]) -> FlatNoise | None:
    """Return the noise that the calmest blocks have, coloured by the blur of ``weights``; None if there are too few.

    Parameters
    ----------
    blocks : Blocks
        Spectra of all of them.
    weights : (K,) array
        Of the mixture that the blur is.
    """
    if len(blocks.grey) < 6:
        return None
    _, f, count = _radial()
    # Where blocks of the open field abound the others tell nothing more about it.
    chosen = np.arange(len(blocks.grey))
    calm = _crowd(blocks.power, count, chosen)
    bright = calm[blocks.grey[calm] > 0.8]
    if len(bright) >= 24:
        calm = bright
    spectrum = blocks.power[calm].mean(axis=0)
    worth = len(calm) * _OVERLAP / 4
    relative = 1 / np.sqrt(count / 2 / 1.9 * worth)
    parts = _parts(spectrum, count, relative, weights)
    level = parts.coloured + parts.white
    if level <= 0:
        return None
    area = float(len(np.unique(_quarters(blocks.place[calm]), axis=0))) * (BLOCK_PX / 2) ** 2
    variances = (blocks.power[calm] @ count) / count.sum()
    scatter = float(np.std(variances) / np.mean(variances)) / np.sqrt(worth)
    shape = 0.5 * parts.coloured / level * 0.06
    error = float(np.sqrt((scatter / 2) ** 2 + _SYSTEMATIC**2 + shape**2 + parts.doubt**2))
    # Structure only adds to noise, and noise has no less power anywhere than where it has least.
    is_noise = parts.misfit <= _UNLIKE * len(spectrum)
    least = 1.0 if is_noise else min(float(np.sqrt(spectrum.min() / level)), 1.0)
    grey = float(np.median(blocks.grey[calm]))
    fine = parts.coloured * parts.colour + parts.white
    return FlatNoise(
        rms=float(np.sqrt(level)),
        error=error,
        least=least,
        frequency=f,
        power=spectrum,
        coloured=parts.coloured,
        white=parts.white,
        fine_frequency=_GRID,
        fine_power=fine,
        area_px=area,
        grey=grey,
        blocks=blocks.place[calm],
        texture=parts.texture,
    )


def _quarters(place: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the quarters of the blocks, so that overlaps count once."""
    half = BLOCK_PX // 2
    steps = np.array([[0, a, b] for a, b in product((0, half), repeat=2)])
    return np.asarray((place[:, None] + steps).reshape(-1, 3), np.int64)


def _crowd(power: NDArray[np.float64], count: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the blocks around the lowest crowd of power: structure only adds."""
    low = slice(0, 5)
    for bands in (slice(None), low):
        values = np.log(np.maximum((power[chosen][:, bands] @ count[bands]) / count[bands].sum(), 1e-30))
        order = np.sort(values)
        least = max(len(order) // 25, 6)
        centre = float(np.median(order[:least]))
        for _ in range(30):
            spread = _log_spread(power[chosen], count, values, centre, bands)
            near = np.abs(values - centre) < _CLOSE * spread
            moved = float(np.median(values[near])) if near.sum() >= 3 else centre
            if abs(moved - centre) < 1e-3:
                break
            centre = moved
        near = np.abs(values - centre) < _CLOSE * spread
        chosen = chosen[near] if near.sum() >= 4 else chosen[np.argsort(values)[:6]]
    return chosen


def _log_spread(
    power: NDArray[np.float64],
    count: NDArray[np.float64],
    values: NDArray[np.float64],
    centre: float,
    bands: slice,
) -> float:
    """Return the standard deviation of ln power that chance alone gives blocks with the crowd's spectrum."""
    calm = np.argsort(np.abs(values - centre))[: max(len(values) // 25, 6)]
    spectrum = power[calm].mean(axis=0)[bands]
    held = count[bands]
    # The window correlates neighbouring frequencies: 1.9 of them are worth one; half of the plane repeats the other.
    free = (spectrum @ held) ** 2 / ((spectrum**2) @ held) / 2 / 1.9
    return float(1 / np.sqrt(max(free, 2.0)))


@lru_cache(maxsize=1)
def _white_spectrum() -> NDArray[np.complex128]:
    return np.asarray(np.fft.rfft2(np.random.default_rng(0).normal(size=(_TRIAL_PX, _TRIAL_PX))))


def _plane(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return a spectrum over `_GRID` on the whole frequency plane of the noise that is made."""
    axis = np.fft.fftfreq(_TRIAL_PX)
    return np.asarray(np.interp(np.hypot(axis[:, None], axis[None, :]), _GRID, power))


def _seen(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the radial spectrum that blocks show of noise with a power over (0 .. 0.75 cycles/px), unit variance.

    Window and trend move power between the lowest bins; noise that is made shows how much.
    """
    plane = _plane(power)
    noise = np.fft.irfft2(_white_spectrum() * np.sqrt(plane[:, : _TRIAL_PX // 2 + 1] / plane.mean()))
    blocks = flat_blocks([1 + 1e-3 * noise], [np.ones(noise.shape, bool)])
    return np.asarray(blocks.power.mean(axis=0) * 1e6)


@dataclass(frozen=True)
class _Parts:
    """Variances that a spectrum is made of, and the coloured part's spectrum over `_GRID`, of unit variance."""

    coloured: float
    white: float
    texture: float
    colour: NDArray[np.float64]
    misfit: float
    doubt: float = 0.0
    """Standard error of ln rms for what texture hides."""

    @property
    def level(self) -> float:
        """Variance of the noise."""
        return self.coloured + self.white


def _parts(
    spectrum: NDArray[np.float64],
    count: NDArray[np.float64],
    relative: NDArray[np.float64],
    weights: NDArray[np.float64],
) -> _Parts:
    """Return the parts of a measured spectrum: of noise alone, or beside texture where noise alone does not fit."""
    curve = np.maximum(mtf_columns(_GRID) @ (weights / weights.sum()), 0.0)
    white = _seen(np.ones_like(_GRID))
    # Light is scattered before pixels, or pixels are mixed.
    colours = [(curve / np.sinc(_GRID) if aperture else curve) ** (2 * exponent) for exponent, aperture in _KINDS]
    noises = [[_seen(colour), white] for colour in colours]
    alone = [_fitted(spectrum, count, relative, noise, colour) for noise, colour in zip(noises, colours, strict=True)]
    plain = alone[0]
    for one in alone[1:]:
        plain = one if one.misfit < 0.8 * plain.misfit else plain
    if plain.misfit < _FITS * len(spectrum):
        return plain
    texture = [_seen(np.maximum(curve**2 * np.exp(-((_GRID / width) ** 2)), 1e-12)) for width in _TEXTURES]
    beside = [
        _fitted(spectrum, count, relative, noise + texture, colour)
        for noise, colour in zip(noises, colours, strict=True)
    ]
    least = min(one.misfit for one in beside)
    if least > _TEXTURED * plain.misfit:
        return plain
    return _middle([one for one in beside if one.misfit < _AS_GOOD * least])


def _middle(found: Sequence[_Parts]) -> _Parts:
    """Return the parts whose level lies nearest to the middle, brought to it: texture hides which of them is right."""
    rms = np.array([0.5 * np.log(max(one.level, 1e-30)) for one in found])
    middle = float(rms.min() + rms.max()) / 2
    nearest = int(np.argmin(np.abs(rms - middle)))
    scale = float(np.exp(2 * (middle - rms[nearest])))
    one = found[nearest]
    # Anywhere in between is as likely, so the standard deviation is the width over the root of 12.
    doubt = float(np.hypot(_TEXTURE_ERROR, np.ptp(rms) / np.sqrt(12)))
    return replace(one, coloured=scale * one.coloured, white=scale * one.white, doubt=doubt)


def _fitted(
    spectrum: NDArray[np.float64],
    count: NDArray[np.float64],
    relative: NDArray[np.float64],
    seen: Sequence[NDArray[np.float64]],
    colour: NDArray[np.float64],
) -> _Parts:
    """Return the best sum, none below zero, of what blocks show of a coloured part, white noise and any textures."""
    columns = np.stack(seen, axis=1)
    fitted, parts = spectrum, np.zeros(columns.shape[1])
    for _ in range(4):
        weight = 1 / np.maximum(fitted, 1e-30) / np.hypot(relative, 0.03)
        parts = nnls(columns * weight[:, None], spectrum * weight)[0]
        fitted = columns @ parts
    cost = float(np.sum(((spectrum - fitted) / np.maximum(fitted, 1e-30) / np.hypot(relative, 0.03)) ** 2))
    if columns.shape[1] == 2:
        # The measured bins give the sum of the two; the fitted shape only says how much of it window and trend hid.
        parts = parts * (float(spectrum @ count) / max(float(fitted @ count), 1e-30))
    texture = float((columns[:, 2:] @ parts[2:]) @ count / count.sum())
    return _Parts(float(parts[0]), float(parts[1]), texture, colour / _plane(colour).mean(), cost)
