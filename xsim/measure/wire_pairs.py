"""The pairs of a duplex wire gauge in a profile across it: found, checked to be such pairs, and their dips.

A profile of anything else is refused with the reason: dips of crests that are no wires look as plausible as real ones.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from xsim.errors import InputError

__all__ = ["read_pairs"]

# The thickest wires stand out by this many standard deviations of the profile, or there are none.
_SEEN = 12.0
# A crest stands out by this share of the deepest one, by this share of its own, and by this many deviations.
_PROMINENCE, _OWN_SHARE, _SIGMAS = 0.003, 0.03, 4.0
# The peaks of neighbouring pairs fall by less than this; what is lower still is a ripple of the open field.
_RIPPLE = 0.3
# Two crests are a pair if they lie this far apart, in wire diameters: blur draws them together, never apart.
_APART = (0.7, 2.2)
# Wires with a dip above this are drawn together by less than this share of their distance of two diameters.
_CLEAR, _DRAWN = 0.5, 0.14
# The two wires of a pair are alike; a merged pair is not higher than the one before it.
_UNLIKE = 0.25
# Wires narrower than this many pixels meet the pixels' grid unevenly: their heights may differ.
_SAMPLED = 3.0
# Dips only fall with the diameter, and are at most 1: beyond that and the noise something else is seen.
_DIP_SLACK = 0.06
# Quarters of a gauge along its wires show the same profile.
_LIKENESS = 0.7
# Smoothing of the profile [px] before crests are searched: less than a tenth of what any pixel blurs.
_SMOOTH_PX = 0.1
# Crests and hollows are read from a parabola over this share of a wire's diameter to each side.
_VERTEX = 0.2

Pair = tuple[float, float, float]
"""Diameter [mm], dip and place [mm] of a pair."""


def read_pairs(
    position: NDArray[np.float64],
    attenuation: NDArray[np.float64],
    diameters: Sequence[float],
    *,
    pitch_mm: float,
    noise: float,
    likeness: float = 1.0,
    any_shape: bool = False,
) -> tuple[list[Pair], tuple[str, ...]]:
    """Return the wire pairs in a profile, the thickest first, down to the first that has merged, and caveats.

    Parameters
    ----------
    position, attenuation : (n,) arrays
        Evenly spaced positions across the wires [mm], and attenuation relative to the open field, thick wires first.
    diameters : sequence of float
        Diameters of the gauge's pairs [mm], falling; each pair's wires lie two diameters apart.
    pitch_mm : float
        Pixel pitch [mm].
    noise : float
        Standard deviation of the profile.
    likeness : float
        Least correlation between the profile of a part along the wires and all of it.
    any_shape : bool
        Ask for pairs only, not for what a blur alone makes of them: a filter rings between wires.

    Raises
    ------
    InputError
        If crests do not lie as wire pairs do, differ in height, dip by more than wholly or the more the thinner they
        are, or if the profile is not the same along the wires.
    """
    step = float(position[1] - position[0])
    smooth = ndimage.gaussian_filter1d(attenuation, _SMOOTH_PX * pitch_mm / step)
    if float(smooth.max()) < _SEEN * noise:
        raise _refused("nothing stands out of the noise")
    if likeness < _LIKENESS:
        raise _refused("what is there changes along the supposed wires")
    crests = _crests(smooth, noise)
    pairs: list[Pair] = []
    last: tuple[int, float] | None = None
    heights: list[float] = []
    while crests.size and len(pairs) < len(diameters):
        diameter = diameters[len(pairs)]
        near, far = _APART[0] * diameter / step, _APART[1] * diameter / step
        left = _highest(smooth, crests[crests - crests[0] < near])
        if last is not None and not any_shape and float(smooth[last[0] : left].min()) > last[1] + _SIGMAS * noise:
            raise _refused("between two pairs it is darker than between the wires of one")
        others = crests[(crests - left > near) & (crests - left < far)]
        if not others.size:
            pairs.append((diameter, 0.0, float(position[left])))
            heights.append(float(smooth[left]))
            break
        right = _highest(smooth, others)
        pairs.append(
            _pair(position, attenuation, (left, right), diameter, pitch_mm=pitch_mm, noise=noise, any_shape=any_shape)
        )
        heights.append(float(np.mean(smooth[[left, right]])))
        crests = crests[crests - right > near]
        last = right, float(smooth[left:right].min()) + _DIP_SLACK * heights[-1]
    _check_sequence(pairs, heights, noise=noise, pitch_mm=pitch_mm, any_shape=any_shape)
    resolved = [pair for pair in pairs if pair[1] > 0]
    if pitch_mm > 0.5 * resolved[-1][0]:
        return pairs, ("the thinnest resolved wires are narrower than two pixels: turn the gauge by 2 to 5 deg",)
    return pairs, ()


def _refused(reason: str) -> InputError:
    return InputError(
        f"no duplex wires: {reason}: give a --roi across all pairs from 0.8 mm down, inside the length of the wires"
    )


def _highest(smooth: NDArray[np.float64], crests: NDArray[np.intp]) -> int:
    """Return the highest of some crests: the others near it are its ripples."""
    return int(crests[np.argmax(smooth[crests])])


def _crests(smooth: NDArray[np.float64], noise: float) -> NDArray[np.intp]:
    """Return where wires may be: crests from the first high one on that do not fall by much from one to the next."""
    floor = max(_PROMINENCE * float(smooth.max()), _SIGMAS * noise)
    crests, found = signal.find_peaks(smooth, prominence=floor)
    # Ripples on a thick wire are crests as well.
    crests = crests[found["prominences"] > _OWN_SHARE * smooth[crests]]
    kept: list[int] = []
    last = float(smooth.max())
    for crest in crests:
        if smooth[crest] > (_RIPPLE if kept else 0.7) * last:
            kept.append(int(crest))
            last = float(smooth[crest])
    return np.array(kept, dtype=np.intp)


def _pair(
    position: NDArray[np.float64],
    attenuation: NDArray[np.float64],
    crests: tuple[int, int],
    diameter: float,
    *,
    pitch_mm: float,
    noise: float,
    any_shape: bool,
) -> Pair:
    """Return diameter, dip and place of a pair of crests; refuse one that is no pair of equal wires."""
    left, right = crests
    step = float(position[1] - position[0])
    reach = max(2, round(_VERTEX * diameter / step))
    hollow = left + int(np.argmin(attenuation[left : right + 1]))
    first, second, between = (_vertex(attenuation, place, reach) for place in (left, right, hollow))
    height = (first + second) / 2
    if diameter > _SAMPLED * pitch_mm and not any_shape and abs(first - second) > _UNLIKE * height + _SIGMAS * noise:
        raise _refused(f"the two crests taken for the wires of {diameter:g} mm differ in height")
    dip = 1.0 - between / height
    if dip > 1.0 + _DIP_SLACK + _SIGMAS * noise / height and not any_shape:
        raise _refused(f"between the wires of {diameter:g} mm it is brighter than the open field")
    drawn = abs((right - left) * step / (2.0 * diameter) - 1.0)
    if dip > _CLEAR and drawn > _DRAWN + step / diameter:
        raise _refused(f"two crests stand {(right - left) * step:.3g} mm apart where wires of {diameter:g} mm would be")
    return diameter, min(max(dip, 0.0), 1.0), float(position[(left + right) // 2])


def _vertex(values: NDArray[np.float64], place: int, reach: int) -> float:
    """Return the extreme value near a place from a parabola through its surroundings: noise has no say in where."""
    low, high = max(place - reach, 0), min(place + reach + 1, values.size)
    x = np.arange(low, high) - place
    a, b, c = np.polyfit(x, values[low:high], 2)
    at = float(np.clip(-b / (2 * a), x[0], x[-1])) if a != 0 else 0.0
    return float(c + at * (b + a * at))


def _check_sequence(
    pairs: Sequence[Pair], heights: Sequence[float], *, noise: float, pitch_mm: float, any_shape: bool
) -> None:
    """Refuse crests that do not follow each other as the pairs of a gauge do."""
    dips = np.array([dip for _, dip, _ in pairs])
    if np.count_nonzero(dips > 0) < 2:
        raise _refused("fewer than two wire pairs were found")
    if any_shape:
        return
    slack = _DIP_SLACK + _SIGMAS * noise / np.array(heights[1:])
    if (np.diff(dips) > slack).any():
        raise _refused("the dips do not fall with the wires' diameter")
    wide = np.array([diameter for diameter, _, _ in pairs[1:]]) > _SAMPLED * pitch_mm
    if (np.diff(heights) > _UNLIKE * np.array(heights[:-1]) + _SIGMAS * noise)[wide].any():
        raise _refused("thinner wires would absorb more than thicker ones")
    if dips[0] < _DIP_SLACK:
        raise _refused("the thickest pair is not resolved")
