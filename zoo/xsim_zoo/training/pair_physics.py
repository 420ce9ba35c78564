"""Measure on registered pairs what lies between their two detectors: the link, B_1 and Sigma_1.

The three are found in turn: the link through the blur, the blur through the link (the cross spectrum of both images
over the power of the sharp one), the noise from what neither explains. Few pairs do not show everything: greys and
frequencies that they say little about are taken from where the search began.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from xsim.degradation.degradation import B_1_FLOOR, Degradation
from xsim.degradation.link import GreyLink
from xsim.errors import InputError
from xsim.grids import frequency_axes, nyquist_lp_mm, radial_mean

__all__ = ["measure_degradation", "measure_link"]

Pair = tuple["NDArray[np.floating]", "NDArray[np.floating]"]
"""Registered HR and LR images (H, W), open field 1.0."""

_RINGS = 40
"""Rings of |f| up to the corner: .37 lp/mm wide at 48 um. Not tuned."""

_ROUNDS = 6
"""On eight boards of 256 px each round moves B_1 by .4 of what the one before did, the sixth by 2e-4."""

_SMALLEST_PX = 64
"""Smaller images have too few bins in a ring, and a window that leaves little of them. Chosen, not measured."""

_KNOTS_LP_MM: Final = np.array([0.4, 0.8, 1.6, 4.0])
"""Between these the exponent p of the blur is linear in ln f, outside them constant.

Below .4 lp/mm every screen passes all; above 4 lp/mm sharp images hold little but noise. An octave lies between two.
"""

_TRUSTED_LP_MM: Final = (2.0, 4.0)
"""Where what the link and the blur leave is noise: below, it is also what one link cannot say about many materials."""


def measure_degradation(
    pairs: Sequence[Pair], start: Degradation, pitch_mm: float, *, link_first: bool = True
) -> Degradation:
    """Return the degradation of registered pairs.

    Parameters
    ----------
    pairs : sequence of (hr, lr)
        Registered images (H, W), open field 1.0.
    start : Degradation
        Where the search begins, e.g. that of pretrained weights; what the pairs do not show is taken from it.
    pitch_mm : float
        Pixel pitch of the pairs [mm].
    link_first : bool
        Where the link acts, see `xsim_zoo.process.physics.Physics`.

    Raises
    ------
    InputError
        If there are no pairs, or they are smaller than 64 x 64 px.
    """
    _check_size(pairs)
    found = replace(start, pitch_mm=pitch_mm, mtf_hr=start.mtf_hr if link_first else None)
    for _ in range(_ROUNDS):
        found = replace(found, link=_link_through(found, pairs, start))
        rings = _Rings.of(pairs, found)
        B_1 = _blur(rings, start)
        found = replace(found, B_1=B_1, Sigma_1_mm2=_noise(rings, B_1, pairs, start))
    return replace(found, mtf_hr=start.mtf_hr)


def measure_link(pairs: Sequence[Pair], degradation: Degradation, *, link_first: bool = True) -> GreyLink:
    """Return the grey-level link of registered pairs whose blur is known; ``link_first`` as in `measure_degradation`.

    Raises
    ------
    InputError
        If there are no pairs, or they are smaller than 64 x 64 px.
    """
    _check_size(pairs)
    known = degradation if link_first else replace(degradation, mtf_hr=None)
    return _link_through(known, pairs, known)


def _check_size(pairs: Sequence[Pair]) -> None:
    if not pairs:
        raise InputError("0 pairs to measure the detectors on: give at least one")
    side = min(min(hr.shape) for hr, _ in pairs)
    if side < _SMALLEST_PX:
        raise InputError(f"pairs with a side of {side} px do not show their detectors: give {_SMALLEST_PX} px or more")


def _link_through(blur: Degradation, pairs: Sequence[Pair], expected: Degradation) -> GreyLink:
    return GreyLink.from_pairs([*pairs, *_known_greys(expected)], blur.B_1_map, blur.mtf_hr_map)


def _known_greys(expected: Degradation) -> list[Pair]:
    """Return two small pairs for what boards may not show: the open field, which is 1 in both, and all other greys.

    The latter as the link had them: a ramp, which no blur changes away from its ends. Of few boards, some greys are
    only seen on edges, where they say more about the blur.
    """
    # A few rows, less than any image counts, within the margin that the fit leaves out. The ends of the ramp are flat,
    # as the blur wraps around.
    shape = (40, 256)
    ramp = np.broadcast_to(np.clip(np.linspace(-0.2, 1.2, shape[1]), 0.0, 1.0), shape)
    return [(np.ones(shape), np.ones(shape)), (ramp, expected.linked(ramp))]


@dataclass(frozen=True)
class _Rings:
    """Mean spectra of pairs in rings of |f|, the sharp images in LR grey.

    Parameters
    ----------
    frequency_lp_mm : (n,) array
        Centres of the rings [lp/mm].
    cross, sharp, blurred : (n,) arrays
        Cross spectrum of blurred and sharp images, and the power of each [mm2].
    bins : (n,) array
        Number of bins in each ring.
    """

    frequency_lp_mm: NDArray[np.float64]
    cross: NDArray[np.float64]
    sharp: NDArray[np.float64]
    blurred: NDArray[np.float64]
    bins: NDArray[np.float64]

    @classmethod
    def of(cls, pairs: Sequence[Pair], between: Degradation) -> _Rings:
        pitch_mm = between.pitch_mm
        edges = np.linspace(0.0, nyquist_lp_mm(pitch_mm) * np.sqrt(2), _RINGS + 1)
        sums, bins = np.zeros((3, _RINGS)), np.zeros(_RINGS)
        for hr, lr in pairs:
            X, Y = _edges(between.linked(hr)), _edges(np.asarray(lr))
            shape = (hr.shape[0] - 1, hr.shape[1] - 1)
            gain = _edge_gain(shape)
            powers = ((Y * X.conj()).real, np.abs(X) ** 2, np.abs(Y) ** 2)
            rings = [radial_mean(power.sum(0) / gain, shape, pitch_mm, edges) for power in powers]
            sums += [np.where(count > 0, mean, 0.0) * count for mean, count in rings]
            bins += rings[0][1]
        cross, sharp, blurred = sums / np.maximum(bins, 1) * pitch_mm**2
        return cls(0.5 * (edges[:-1] + edges[1:]), cross, sharp, blurred, bins)


def _blur(rings: _Rings, start: Degradation) -> NDArray[np.float64]:
    """Return B_1 = exp(-p theta) at the frequencies of ``start``, theta its own, p piecewise linear in ln f.

    Two screens differ smoothly in theta = -ln B_1; where sharp images hold little but noise of their own, the ratio
    of the spectra would be too small, and p goes on as it was.
    """
    f = rings.frequency_lp_mm
    used = (f >= _KNOTS_LP_MM[0]) & (f <= _KNOTS_LP_MM[-1]) & (rings.cross > 0)
    cross, sharp, blurred = rings.cross[used], rings.sharp[used], rings.blurred[used]
    coherence = np.clip(cross**2 / (sharp * blurred), 1e-6, 1 - 1e-6)
    theta = -np.log(np.interp(f[used], start.frequency_lp_mm, start.B_1))
    # The variance of ln(cross / sharp) is (1 - coherence) / (2 coherence bins).
    weight = np.sqrt(rings.bins[used] * coherence / (1 - coherence))
    knots = np.log(_KNOTS_LP_MM)
    hats = np.stack([np.interp(np.log(f[used]), knots, unit) for unit in np.eye(len(knots))], axis=1)
    rows = hats * (theta * weight)[:, None]
    p = np.linalg.lstsq(rows, -np.log(cross / sharp) * weight, rcond=None)[0]
    exponent = np.interp(np.log(np.maximum(start.frequency_lp_mm, _KNOTS_LP_MM[0])), knots, np.maximum(p, 0.0))
    return np.asarray(np.clip(start.B_1**exponent, B_1_FLOOR, 1.0))


def _noise(rings: _Rings, B_1: NDArray[np.float64], pairs: Sequence[Pair], start: Degradation) -> NDArray[np.float64]:
    """Return Sigma_1 [mm2] at the frequencies of ``start``: what neither blur nor link explains.

    Below 2 lp/mm that is not noise alone but what one link cannot say about many materials: there the noise spectrum
    keeps the shape that it had.
    """
    f = rings.frequency_lp_mm
    B = np.interp(f, start.frequency_lp_mm, B_1)
    # The pairs show the noise at their own grey, Sigma_1 is that of the open field.
    level = float(np.mean([start.noise_level(lr) for _, lr in pairs]))
    left = (rings.blurred - 2 * B * rings.cross + B**2 * rings.sharp) / level
    change = left / np.interp(f, start.frequency_lp_mm, start.Sigma_1_mm2)
    trusted = (f > _TRUSTED_LP_MM[0]) & (f < _TRUSTED_LP_MM[1])
    change = np.where(f < _TRUSTED_LP_MM[0], np.median(change[trusted]), change)
    return start.Sigma_1_mm2 * np.interp(start.frequency_lp_mm, f, change)


def _edges(image: NDArray[np.floating]) -> NDArray[np.complexfloating]:
    """Return the spectra (2, H - 1, W // 2) of both differences of an image, under a Hann window of unit mean square.

    Images hold most of their power near f = 0, and what leaks from there through the window would pass for detail;
    differences are nearly white.
    """
    along_y, along_x = np.diff(image, axis=0)[:, :-1], np.diff(image, axis=1)[:-1]
    window = np.hanning(along_y.shape[0])[:, None] * np.hanning(along_y.shape[1])[None]
    window /= np.sqrt(np.mean(window**2))
    return np.asarray(np.fft.rfft2(np.stack([along_y, along_x]) * window, norm="ortho"))


def _edge_gain(shape: tuple[int, int]) -> NDArray[np.float64]:
    """Return the power gain of both differences together; infinite at f = 0, of which they say nothing."""
    v, u = frequency_axes(shape, 1.0)
    gain = 4 * np.sin(np.pi * v) ** 2 + 4 * np.sin(np.pi * u) ** 2
    gain[0, 0] = np.inf
    return np.asarray(gain)
