"""One group of parallel bars, fitted with the harmonics of its own period straight on the pixels.

No pixel has to lie on the crest of a wave, which near Nyquist none does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import optimize

from xsim.errors import InputError
from xsim.measure.checks import check_pitch, grey_image

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from xsim.measure.edge import ROI

__all__ = ["BarGroup", "find_wave", "fit_bar_group"]

# Harmonics are fitted together as long as the condition number of their design stays below this.
_CONDITION = 5.0
# The strongest of many waves tried reaches three or four standard errors in mere noise.
_SIGNIFICANT = 6.0
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
    if slope is None:
        tilt = _refine_slope(values[inner], x[inner], y[inner], tilt, cycles)
    inside = _across(x, y, tilt)[inner]
    cycles = _refine_frequency(values[inner], inside, cycles)
    modulation, fundamental, error = _modulation(values[inner], inside, cycles)
    if fundamental < _SIGNIFICANT * error:
        raise InputError(f"no bars found in region {roi} above its noise: give the --roi of a bar group")
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


def _fitted(
    values: NDArray[np.float64], position: NDArray[np.float64], cycles: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the coefficients of the harmonics and what they leave."""
    design, _ = _design(position, cycles)
    coefficients, *_ = np.linalg.lstsq(design, values, rcond=None)
    return np.asarray(coefficients, dtype=np.float64), np.asarray(values - design @ coefficients)


def _misfit(values: NDArray[np.float64], position: NDArray[np.float64], cycles: float) -> float:
    return float(np.sum(_fitted(values, position, cycles)[1] ** 2))


def find_wave(
    upright: NDArray[np.float64], *, slope: float | None = None, cycles: float | None = None
) -> tuple[float, float]:
    """Return slope and frequency [cycles/px] of the strongest wave across nearly horizontal bars.

    Parameters
    ----------
    upright : (H, W) array
        The region, bars running along x.
    slope : float, optional
        The tilt, if it is known.
    cycles : float, optional
        The frequency, if it is known to about 15 %.
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


def _refine_slope(
    values: NDArray[np.float64], x: NDArray[np.float64], y: NDArray[np.float64], guess: float, cycles: float
) -> float:
    """Return the tilt near ``guess`` at which the harmonics fit best."""
    reach = 0.5 / max(float(np.ptp(x)), 1.0)
    found = optimize.minimize_scalar(
        lambda slope: _misfit(values, _across(x, y, slope), cycles),
        bounds=(guess - reach, guess + reach),
        method="bounded",
    )
    return float(found.x)


def _refine_frequency(values: NDArray[np.float64], position: NDArray[np.float64], guess: float) -> float:
    reach = min(0.4 / float(np.ptp(position)), 0.2 * guess)
    high = min(guess + reach, 0.5)
    found = optimize.minimize_scalar(
        lambda cycles: _misfit(values, position, cycles), bounds=(guess - reach, high), method="bounded"
    )
    return float(found.x)


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
    coefficients, residual = _fitted(values, position, cycles)
    waves = coefficients[2:].reshape(-1, 2) @ np.array([1, -1j])
    # Turn every harmonic to the phase of the fundamental's crest; there the odd ones add with their own signs.
    turned = {k: wave * np.exp(1j * k * -np.angle(waves[0])) for k, wave in zip(orders, waves, strict=True)}
    crest = sum(float(turned[k].real) for k in orders if k % 2 == 1)
    covariance = np.linalg.inv(design.T @ design) * float(residual.var())
    error = 2 * np.sqrt(float(np.mean(np.diag(covariance)[2:4])))
    return 2 * crest, float(np.abs(waves[0])), error
