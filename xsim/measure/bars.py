"""Contrast transfer function (CTF) of bar patterns, and Coltman's relation between square and sine waves."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xsim.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import ArrayLike, NDArray

    from xsim.measure.bar_group import BarGroup

__all__ = ["CTF", "coltman_mtf", "ctf_from_groups", "square_wave_ctf"]

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
    """Return the response to square waves, C(f) = 4/pi [M(f) - M(3f)/3 + M(5f)/5 - ...].

    Parameters
    ----------
    frequency_lp_mm : array
        Frequencies [lp/mm].
    mtf : callable
        The MTF at any frequency [lp/mm], 0 where nothing passes.
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

    Parameters
    ----------
    frequency_lp_mm : array
        Frequencies [lp/mm].
    ctf : callable
        The square-wave response at any frequency [lp/mm], 0 where nothing passes.

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
    if contrast is None:
        contrast = ordered[0].modulation
        caveats = (f"relative to the group of {ordered[0].frequency_lp_mm:.3g} lp/mm: no level of wide bars was given",)
    if not contrast > 0:
        raise InputError(f"contrast {contrast:g} of wide bars is not positive: check the levels or the region")
    frequency = np.array([group.frequency_lp_mm for group in ordered])
    ctf = np.array([group.modulation for group in ordered]) / contrast

    def interpolated(f: NDArray[np.float64]) -> NDArray[np.float64]:
        # From (0, 1) through the groups to the first frequency beyond them; nothing is known above.
        points, values = np.concatenate([[0.0], frequency]), np.concatenate([[1.0], ctf])
        return np.asarray(np.interp(f, points, values, right=0.0), dtype=np.float64)

    # Beyond the last group the series misses C(3f)/3: where that can matter, the fundamental answers instead.
    mtf = np.where(3 * frequency <= frequency[-1], coltman_mtf(frequency, interpolated), np.nan)
    fundamental = np.pi / 2 * np.array([group.fundamental for group in ordered]) / contrast
    mtf = np.where(np.isnan(mtf), fundamental, mtf)
    error = np.array([group.standard_error for group in ordered]) / contrast
    return CTF(frequency, ctf, error, mtf, fundamental, float(contrast), tuple(ordered), pitch_mm, caveats)
