"""Contrast transfer function (CTF) of bar patterns, and Coltman's relation between square and sine waves.

A group of parallel bars is fitted with the harmonics of its own period straight on the pixels. No pixel has to lie on
the crest of a wave, which near Nyquist none does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import optimize

from xsim.errors import InputError
from xsim.measure.checks import ROI, check_pitch, grey_image

__all__ = ["CTF", "BarGroup", "coltman_mtf", "ctf_from_groups", "find_wave", "fit_bar_group", "square_wave_ctf"]

# Harmonics are fitted together as long as the condition number of their design stays below this.
_CONDITION = 5.0
# The strongest of many waves tried reaches three or four standard errors in mere noise.
_SIGNIFICANT = 6.0
# Ringing of a filter may pass a little more than wide bars have, and more at a higher frequency.
_HIGHEST, _RISE = 1.15, 0.15
# A square wave of which the fundamental alone can be fitted leaves .34 of it in its profile.
_NO_WAVE = 0.6
# Parts along the bars show one wave: their amplitudes differ by less than this share of their mean, noise aside.
_PARTS, _UNLIKE, _SIGMAS = 4, 0.3, 3.0
# The steepest tilt of bars against the pixel grid that is searched, as a slope.
_STEEPEST = 0.12


@dataclass(frozen=True)
class BarGroup:
    """One group of parallel bars of one frequency.

    Parameters
    ----------
    roi : (x, y, width, height)
        Where it was read [px].
    frequency_lp_mm : float
        Line pairs per mm in the image plane, as fitted.
    modulation : float
        Level between the bars less level on the bars, from the odd harmonics [grey levels].
    fundamental : float
        Amplitude of the first harmonic [grey levels].
    standard_error : float
        Standard error of `modulation` [grey levels].
    bars : int
        How many bars there are.
    slope : float
        Tilt of the bars against the pixel axis along which they run, as a slope.
    vertical : bool
        Whether the bars run along the columns, so that the frequency is along x.
    """

    roi: ROI
    frequency_lp_mm: float
    modulation: float
    fundamental: float
    standard_error: float
    bars: int
    slope: float
    vertical: bool


def fit_bar_group(
    image: ArrayLike,
    pitch_mm: float,
    roi: ROI,
    *,
    vertical: bool | None = None,
    slope: float | None = None,
    frequency_lp_mm: float | None = None,
    bars: int | None = None,
) -> BarGroup:
    """Measure one group of parallel, equally spaced bars.

    Parameters
    ----------
    image : (H, W) array
        Grey values linear in exposure.
    pitch_mm : float
        Pixel pitch [mm].
    roi : (x, y, width, height)
        A region inside the length of the bars that holds all of one group across them [px].
    vertical : bool, optional
        Whether the bars run along the columns; found if not given.
    slope : float, optional
        Tilt of the bars as a slope; found if not given.
    frequency_lp_mm : float, optional
        About the frequency [lp/mm]; found if not given.
    bars : int, optional
        How many bars the group has; counted if not given.

    Raises
    ------
    InputError
        If no three regular bars are found, or their frequency is beyond Nyquist.
    """
    check_pitch(pitch_mm)
    pixels = grey_image(image, roi=roi, smallest_px=4)
    if np.ptp(pixels) == 0:
        raise InputError("no bars: the region is flat: give the --roi of a bar group")
    if vertical is None:
        # Along the bars little changes.
        vertical = float(np.sum(np.diff(pixels, axis=1) ** 2)) > float(np.sum(np.diff(pixels, axis=0) ** 2))
    upright = pixels.T if vertical else pixels
    grid = np.indices(upright.shape, dtype=np.float64)
    y, x, values = grid[0].ravel(), grid[1].ravel() - (upright.shape[1] - 1) / 2, upright.ravel()
    known = None if frequency_lp_mm is None else frequency_lp_mm * pitch_mm
    tilt, guess = find_wave(upright, slope=slope, cycles=known)
    position = _across(x, y, tilt)
    cycles = _refine_frequency(values, position, guess)
    first, last = _bar_span(values, position, cycles, bars)
    number = round((last - first) * cycles) + 1 if last > first else 0
    if number < 3:
        raise InputError(f"{number} bars found in region {roi}: give the --roi of a group of three bars or more")
    inner = (position >= first) & (position <= last)
    x, y, values = x[inner], y[inner], values[inner]
    if slope is None:
        reach = 0.5 / max(float(np.ptp(x)), 1.0)
        tilt = _lowest(lambda slope: _misfit(values, _across(x, y, slope), cycles), tilt - reach, tilt + reach)
    position = _across(x, y, tilt)
    cycles = _refine_frequency(values, position, cycles)
    modulation, fundamental, error = _modulation(values, position, cycles)
    if fundamental < _SIGNIFICANT * error:
        raise InputError(f"no bars found in region {roi} above its noise: give the --roi of a bar group")
    if _unlike_parts(values, position, x, cycles) > _UNLIKE:
        raise InputError(f"no bars in region {roi}: what is there changes along them: give the --roi of a bar group")
    if _left_over(values, position, cycles) > _NO_WAVE * fundamental:
        raise InputError(f"no bars in region {roi}: what is there has no one period: give the --roi of a bar group")
    return BarGroup(roi, cycles / pitch_mm, modulation, fundamental, error, number, tilt, vertical)


def _across(x: NDArray[np.float64], y: NDArray[np.float64], slope: float) -> NDArray[np.float64]:
    """Return the positions [px] across bars of this slope."""
    return np.asarray((y - slope * x) / np.hypot(1.0, slope))


def _design(position: NDArray[np.float64], cycles: float) -> tuple[NDArray[np.float64], list[int]]:
    """Return level, tilt, and cosine and sine of the harmonics that these pixels tell apart, and which these are.

    A harmonic beyond Nyquist is told apart too, if the tilt of the bars or the odd ratio of period and pitch brings
    it to another place than the harmonics below it.
    """
    design = np.stack([np.ones_like(position), position - position.mean()], axis=1)
    orders: list[int] = []
    for k in (1, 3, 2, 5):
        angle = 2 * np.pi * k * cycles * position
        wider = np.concatenate([design, np.stack([np.cos(angle), np.sin(angle)], axis=1)], axis=1)
        # The condition number of the columns, scaled to one length, from their small matrix of products.
        products = wider.T @ wider
        length = np.sqrt(np.diag(products))
        if k == 1 or np.linalg.cond(products / np.outer(length, length)) < _CONDITION**2:
            design, orders = wider, [*orders, k]
    return design, orders


def _misfit(values: NDArray[np.float64], position: NDArray[np.float64], cycles: float) -> float:
    """Return the sum of squares that the harmonics leave."""
    design, _ = _design(position, cycles)
    return float(np.sum((values - design @ np.linalg.lstsq(design, values, rcond=None)[0]) ** 2))


def _lowest(function: Callable[[float], float], low: float, high: float) -> float:
    return float(optimize.minimize_scalar(function, bounds=(low, high), method="bounded").x)


def find_wave(
    upright: NDArray[np.float64], *, slope: float | None = None, cycles: float | None = None
) -> tuple[float, float]:
    """Return slope and frequency [cycles/px] of the strongest wave across bars that run nearly along x.

    The slope may be given where it is known, the frequency where it is known to about 15 %.
    """
    height, width = upright.shape
    y, x = np.arange(height), np.arange(width) - (width - 1) / 2
    window = np.sin(np.pi * (y + 0.5) / height)[:, None] ** 2
    level = float(np.sum(window * upright) / (window.sum() * width))
    # Steps over which the phase across the region turns by an eighth.
    step = 0.125 / height
    trials = np.arange(1.5 / height, 0.5, step) if cycles is None else cycles * np.linspace(0.85, 1.15, 31)
    trials = np.minimum(trials, 0.5)  # beyond Nyquist the pixels show a wave's alias
    slopes = np.arange(-_STEEPEST, _STEEPEST, 0.25 / width) if slope is None else np.array([slope])
    best = (0.0, float(slopes[0]), float(trials[0]))
    for trial in trials:
        rows = np.exp(-2j * np.pi * trial * y) @ (window * (upright - level))
        power = np.abs(rows @ np.exp(2j * np.pi * trial * np.outer(x, slopes)))
        strongest = int(np.argmax(power))
        best = max(best, (float(power[strongest]), float(slopes[strongest]), float(trial)))
    return best[1], best[2]


def _refine_frequency(values: NDArray[np.float64], position: NDArray[np.float64], guess: float) -> float:
    reach = min(0.4 / float(np.ptp(position)), 0.2 * guess)
    return _lowest(lambda cycles: _misfit(values, position, cycles), guess - reach, min(guess + reach, 0.5))


def _bar_span(
    values: NDArray[np.float64], position: NDArray[np.float64], cycles: float, bars: int | None
) -> tuple[float, float]:
    """Return the centres [px] of the first and the last bar of a group, given its frequency; equal if there are none.

    Of all spans that begin and end with a bar, the one is taken outside which the pixels are flat and inside which
    they follow the wave. Nothing but the fundamental is used, so that it holds up to Nyquist.
    """
    wave = np.exp(2j * np.pi * cycles * position)
    level, cosine, sine = np.linalg.lstsq(
        np.stack([np.ones_like(values), wave.real, wave.imag], axis=1), values, rcond=None
    )[0]
    turn = float(np.arctan2(sine, cosine)) / (2 * np.pi)
    ends = (np.ceil((position.min() * cycles - turn) * 2), np.floor((position.max() * cycles - turn) * 2))
    centres = (np.arange(ends[0], ends[1] + 1) / 2 + turn) / cycles
    order = np.argsort(position)
    terms = np.stack([np.ones_like(values), wave.real, wave.imag, values - level])[:, order]
    # Sums of products up to each pixel: the misfit of any span is a difference of two.
    products = np.cumsum(terms[:, None] * terms[None], axis=2)
    products = np.concatenate([np.zeros((4, 4, 1)), products], axis=2)
    quarter = 0.25 / cycles
    begins = np.searchsorted(position[order], centres - quarter)
    stops = np.searchsorted(position[order], centres + quarter)
    first, last = np.triu_indices(centres.size, 2)
    allowed = (last - first) % 2 == 0 if bars is None else last - first == 2 * (bars - 1)
    first, last = first[allowed], last[allowed]
    if first.size == 0:
        return 0.0, 0.0
    inside = np.moveaxis(products[:, :, stops[last]] - products[:, :, begins[first]], 2, 0)
    outside = products[:, :, -1] - inside
    best = int(np.argmin(_span_misfits(inside, 3) + _span_misfits(outside, 1)))
    return float(centres[first[best]]), float(centres[last[best]])


def _span_misfits(products: NDArray[np.float64], terms: int) -> NDArray[np.float64]:
    """Return what the first ``terms`` of [1, cos, sin, value] leave of the sum of squares of the value, shape (n,)."""
    # The ridge keeps spans without pixels solvable; they leave nothing.
    normal = products[:, :terms, :terms] + 1e-9 * np.eye(terms)
    right = products[:, :terms, 3]
    solved = np.linalg.solve(normal, right[..., None])[..., 0]
    return np.asarray(products[:, 3, 3] - np.sum(right * solved, axis=1))


def _modulation(
    values: NDArray[np.float64], position: NDArray[np.float64], cycles: float
) -> tuple[float, float, float]:
    """Return crest-to-trough modulation, amplitude of the fundamental, and the error of the modulation."""
    design, orders = _design(position, cycles)
    coefficients = np.linalg.lstsq(design, values, rcond=None)[0]
    waves = coefficients[2:].reshape(-1, 2) @ np.array([1, -1j])
    # Turn every harmonic to the phase of the fundamental's crest; there the odd ones add with their own signs.
    turned = {k: wave * np.exp(1j * k * -np.angle(waves[0])) for k, wave in zip(orders, waves, strict=True)}
    crest = sum(float(turned[k].real) for k in orders if k % 2 == 1)
    covariance = np.linalg.inv(design.T @ design) * float((values - design @ coefficients).var())
    error = 2 * np.sqrt(float(np.mean(np.diag(covariance)[2:4])))
    return 2 * crest, float(np.abs(waves[0])), error


def _left_over(values: NDArray[np.float64], position: NDArray[np.float64], cycles: float) -> float:
    """Return the rms of what the fitted wave leaves in the profile across bars, less what noise leaves there."""
    design, _ = _design(position, cycles)
    left = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    place = np.floor(position - position.min()).astype(np.intp)
    count = np.maximum(np.bincount(place), 1)
    mean = np.bincount(place, weights=left) / count
    inside = np.sum((left - mean[place]) ** 2) / max(values.size - count.size, 1)
    return float(np.sqrt(max(np.average(mean**2, weights=count) - inside * count.size / values.size, 0.0)))


def _unlike_parts(
    values: NDArray[np.float64], position: NDArray[np.float64], along: NDArray[np.float64], cycles: float
) -> float:
    """Return by how much the fundamental of a quarter along the bars may differ from all of it, less what noise does.

    Bars are as long as their region: pads and balls in a row are not, and letters have no one wave.
    """
    wave = np.exp(2j * np.pi * cycles * position)
    terms = np.stack([np.ones_like(values), wave.real, wave.imag], axis=1)
    whole = np.linalg.lstsq(terms, values, rcond=None)[0][1:] @ np.array([1, -1j])
    edges = np.quantile(along, np.linspace(0.0, 1.0, _PARTS + 1))
    largest = 0.0
    for low, high in pairwise(edges):
        part = (along >= low) & (along <= high)
        if part.sum() < 12:
            return 0.0
        found, *_ = np.linalg.lstsq(terms[part], values[part], rcond=None)
        scatter = float((values[part] - terms[part] @ found).std()) * np.sqrt(2.0 / part.sum())
        difference = abs(found[1:] @ np.array([1, -1j]) - whole) - _SIGMAS * scatter
        largest = max(largest, difference / abs(whole))
    return largest


# The highest harmonic of both series. Low frequencies need many: f = 0.05 lp/mm passes up to its 100th.
_HARMONICS = 401


@dataclass(frozen=True)
class CTF:
    """Contrast transfer of several bar groups, and the MTF that follows.

    Parameters
    ----------
    frequency_lp_mm : (n,) array
        Frequencies of the groups, rising [lp/mm].
    ctf, standard_error : (n,) arrays
        Modulation over the modulation of very wide bars, and its standard error from the pixel noise.
    mtf : (n,) array
        By Coltman's series from `ctf`.
    mtf_fundamental : (n,) array
        From the first harmonic alone, which needs no other group: M = pi / 4 times its share of the square wave.
    contrast : float
        The modulation of very wide bars [grey levels].
    groups : tuple of BarGroup
        In the order of `frequency_lp_mm`.
    pitch_mm : float
        Pixel pitch [mm].
    warnings : tuple of str
        Caveats of the measurement.
    """

    frequency_lp_mm: NDArray[np.float64]
    ctf: NDArray[np.float64]
    standard_error: NDArray[np.float64]
    mtf: NDArray[np.float64]
    mtf_fundamental: NDArray[np.float64]
    contrast: float
    groups: tuple[BarGroup, ...]
    pitch_mm: float
    warnings: tuple[str, ...] = ()


def square_wave_ctf(
    frequency_lp_mm: ArrayLike, mtf: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the response to square waves, C(f) = 4/pi [M(f) - M(3f)/3 + M(5f)/5 - ...], at frequencies [lp/mm].

    ``mtf`` is asked for the MTF at any frequency [lp/mm]: 0 where nothing passes.
    """
    f = np.asarray(frequency_lp_mm, dtype=np.float64)
    # Averaging two neighbouring partial sums halves the ringing of the cut series where M is still 1.
    odd = np.arange(1, _HARMONICS + 1, 2)
    weights = (1.0 - (odd - 1) % 4) / odd
    weights[-1] /= 2
    terms = [weight * mtf(k * f) for weight, k in zip(weights, odd, strict=True)]
    return np.asarray(4 / np.pi * np.sum(terms, axis=0))


def coltman_mtf(
    frequency_lp_mm: ArrayLike, ctf: Callable[[NDArray[np.float64]], NDArray[np.float64]]
) -> NDArray[np.float64]:
    """Return the response to sine waves, M(f) = pi/4 [C(f) + C(3f)/3 - C(5f)/5 + C(7f)/7 + C(11f)/11 - ...].

    ``ctf`` is asked for the response to square waves at any frequency [lp/mm]: 0 where nothing passes.

    References
    ----------
    J. W. Coltman, J. Opt. Soc. Am. 44, 468 (1954), equation 4.
    """
    f = np.asarray(frequency_lp_mm, dtype=np.float64)
    terms = [_coltman_sign(k) / k * ctf(k * f) for k in range(1, _HARMONICS + 1, 2)]
    return np.asarray(np.pi / 4 * np.sum(terms, axis=0))


def _coltman_sign(k: int) -> int:
    """Return the sign of the k-th term of Coltman's series: 0 unless k is a product of different odd primes.

    The series is the Dirichlet inverse of the square wave's, whose coefficients (-1)^((k-1)/2) multiply.
    """
    sign, rest, prime = 1 - (k - 1) % 4, k, 3
    while rest > 1:
        if rest % prime == 0:
            rest //= prime
            if rest % prime == 0:
                return 0
            sign = -sign
        else:
            prime += 2
    return sign


def ctf_from_groups(groups: Sequence[BarGroup], pitch_mm: float, *, contrast: float | None = None) -> CTF:
    """Put bar groups together to a CTF and its MTF.

    Parameters
    ----------
    groups : sequence of BarGroup
        Groups of one image.
    pitch_mm : float
        Pixel pitch [mm].
    contrast : float, optional
        Level difference between wide open space and wide bar [grey levels]. Without it the widest group stands for
        it, which makes the CTF relative to that group, and that is said.

    Raises
    ------
    InputError
        If there are no groups or the contrast is not positive.
    """
    if not groups:
        raise InputError("no bar groups: give the --roi of at least one group of three bars or more")
    caveats: tuple[str, ...] = ()
    ordered = sorted(groups, key=lambda group: group.frequency_lp_mm)
    relative = contrast is None
    if contrast is None:
        contrast = ordered[0].modulation
        caveats = (f"relative to the group of {ordered[0].frequency_lp_mm:.3g} lp/mm: no level of wide bars was given",)
    if not contrast > 0:
        raise InputError(f"contrast {contrast:g} of wide bars is not positive: check the levels or the region")
    frequency = np.array([group.frequency_lp_mm for group in ordered])
    ctf = np.array([group.modulation for group in ordered]) / contrast
    fundamental = np.pi / 2 * np.array([group.fundamental for group in ordered]) / contrast
    error = np.array([group.standard_error for group in ordered]) / contrast
    # From (0, 1) through the groups to the first frequency beyond them; nothing is known above.
    if (ctf > _HIGHEST + 3.0 * error).any() and not relative:
        raise InputError(
            f"no bar pattern: {100 * ctf.max():.0f} % of the contrast of wide bars: check --contrast, or give the "
            "--roi of each group"
        )
    if (np.diff(ctf) > _RISE + 3.0 * np.hypot(error[1:], error[:-1])).any():
        raise InputError(
            "no bar pattern: the contrast rises with the frequency, as it does not through any blur: give the --roi of "
            "each group"
        )
    points, values = np.append(0.0, frequency), np.append(1.0, ctf)
    series = coltman_mtf(frequency, lambda f: np.interp(f, points, values, right=0.0))
    # Beyond the last group the series misses C(3f)/3: where that can matter, the fundamental answers instead.
    mtf = np.where(3 * frequency <= frequency[-1], series, fundamental)
    return CTF(frequency, ctf, error, mtf, fundamental, float(contrast), tuple(ordered), pitch_mm, caveats)
