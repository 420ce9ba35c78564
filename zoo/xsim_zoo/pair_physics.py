"""Measure on registered pairs what lies between their two detectors: the link, B_1 and Sigma_1.

The three are found in turn: the link through the blur, the blur through the link (the cross spectrum of both images
over the power of the sharp one), the noise from what neither explains.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from xsim.degradation import B_1_FLOOR, Degradation
from xsim.errors import InputError
from xsim.grids import frequency_axes, nyquist_lp_mm, radial_mean
from xsim.link import GreyLink

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

__all__ = ["measure_degradation"]

_RINGS = 40
_ROUNDS = 6
_SMALLEST_PX = 64
_TRUSTED_LP_MM = (2.0, 4.0)


def measure_degradation(
    pairs: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]], start: Degradation, pitch_mm: float
) -> Degradation:
    """Return the degradation of registered pairs.

    Parameters
    ----------
    pairs : sequence of (hr, lr)
        Registered images (H, W), open field 1.0.
    start : Degradation
        Where the search begins, e.g. that of pretrained weights.
    pitch_mm : float
        Pixel pitch of the pairs [mm].

    Raises
    ------
    InputError
        If there are no pairs, or they are smaller than 64 x 64 px.
    """
    if not pairs or min(min(hr.shape) for hr, _ in pairs) < _SMALLEST_PX:
        raise InputError(f"{len(pairs)} pairs: give at least one, of {_SMALLEST_PX} x {_SMALLEST_PX} px or more")
    found = Degradation(
        start.frequency_lp_mm, start.B_1, start.Sigma_1_mm2, pitch_mm, start.link, excess_noise=start.excess_noise
    )
    for _ in range(_ROUNDS):
        link = GreyLink.from_pairs(pairs, found.B_1_map)
        found = _blur_and_noise(pairs, link, pitch_mm, start)
    return found


def _blur_and_noise(
    pairs: Sequence[tuple[NDArray[np.floating], NDArray[np.floating]]],
    link: GreyLink,
    pitch_mm: float,
    start: Degradation,
) -> Degradation:
    """Return B_1 and Sigma_1 of pairs whose link is known, ring by ring."""
    edges = np.linspace(0.0, nyquist_lp_mm(pitch_mm) * np.sqrt(2), _RINGS + 1)
    sums, weight = np.zeros((3, _RINGS)), np.zeros(_RINGS)
    for hr, lr in pairs:
        X, Y = _edges(np.asarray(link.forward(hr))), _edges(np.asarray(lr))
        shape = (hr.shape[0] - 1, hr.shape[1] - 1)
        gain = _edge_gain(shape)
        powers = ((Y * X.conj()).real, np.abs(X) ** 2, np.abs(Y) ** 2)
        rings = [radial_mean(power.sum(0) / gain, shape, pitch_mm, edges) for power in powers]
        sums += [np.where(count > 0, mean, 0.0) * count for mean, count in rings]
        weight += rings[0][1]
    cross, sharp, blurred = sums
    centres = 0.5 * (edges[:-1] + edges[1:])
    # The blur passes less the finer the detail: a ring where noise says otherwise takes its neighbour's value.
    B_1 = np.clip(np.minimum.accumulate(cross / sharp), B_1_FLOOR, 1.0)
    # The pairs show the noise at their own grey, Sigma_1 is that of the open field.
    level = float(np.mean([start.noise_level(lr) for _, lr in pairs]))
    noise = (blurred - 2 * B_1 * cross + B_1**2 * sharp) / np.maximum(weight, 1) * pitch_mm**2 / level
    # Below 2 lp/mm the rest is not noise but what one link cannot say about many materials: there the noise
    # spectrum keeps the shape that it had.
    expected = np.interp(centres, start.frequency_lp_mm, start.Sigma_1_mm2)
    trusted = (centres > _TRUSTED_LP_MM[0]) & (centres < _TRUSTED_LP_MM[1])
    change = float(np.median(noise[trusted] / expected[trusted]))
    noise = np.where(centres < _TRUSTED_LP_MM[0], change * expected, noise)
    frequency = np.concatenate([[0.0], centres])
    return Degradation(
        frequency_lp_mm=frequency,
        B_1=np.concatenate([[1.0], B_1]),
        Sigma_1_mm2=np.concatenate([noise[:1], noise]),
        pitch_mm=pitch_mm,
        link=link,
        excess_noise=start.excess_noise,
    )


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
