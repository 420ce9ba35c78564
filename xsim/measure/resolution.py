"""Basic spatial resolution SRb from duplex wire gauges (ISO 19232-5), and the SNR normalised to it (ISO 17636-2)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, optimize
from scipy.stats import chi2

from xsim.detector.performance import REFERENCE_SRB_MM
from xsim.errors import InputError
from xsim.measure.checks import ROI, check_not_clipped, check_pitch, grey_image
from xsim.measure.edge_geometry import Bins
from xsim.measure.noise import check_flat
from xsim.measure.wire_pairs import read_pairs

__all__ = ["WIRE_DIAMETERS_MM", "DuplexWire", "FlatSNR", "duplex_wire", "flat_snr", "normalised_snr", "srb_from_dips"]

# ISO 17636-2: 55 lines of 20 pixels.
_LINES, _LINE_PX = 55, 20
# Regions below this are too small to tell structure from noise.
_FLAT_PX = 32
# Side of the blocks that tell smoothing from true low noise.
_BLOCK = 8


@dataclass(frozen=True)
class FlatSNR:
    """Signal-to-noise ratio of a flat region.

    Parameters
    ----------
    snr : float
        Mean over standard deviation, each the median over lines of 20 pixels (ISO 17636-2).
    snr_blocks : float
        The same ratio from means over 8 x 8 pixels, divided by 8. Equal to `snr` for white noise; lower where
        smoothing made the noise small in a pixel without making it small over an area.
    mean, sigma : float
        Median grey level and standard deviation of a line.
    lines : int
        How many lines of 20 pixels there were; the standard asks for 55.
    warnings : tuple of str
        Caveats of the measurement.
    """

    snr: float
    snr_blocks: float
    mean: float
    sigma: float
    lines: int
    warnings: tuple[str, ...] = ()


def flat_snr(
    image: ArrayLike, *, roi: ROI | None = None, full_scale: float | None = None, any_shape: bool = False
) -> FlatSNR:
    """Measure the SNR of a flat region as ISO 17636-2 does.

    Parameters
    ----------
    image : (H, W) array
        Grey values linear in exposure.
    roi : (x, y, width, height), optional
        The flat region, at least 20 x 55 pixels in either direction; the standard's own size is enough.
    full_scale : float, optional
        The largest grey value that the image format can hold.
    any_shape : bool
        Do not ask whether the region is flat: for images that were restored or filtered.

    Raises
    ------
    InputError
        If the region is too small, saturated, constant, not positive or not flat.
    """
    pixels = grey_image(image, roi=roi, smallest_px=_LINE_PX)
    caveats = check_not_clipped(pixels, full_scale=full_scale)
    count = pixels.shape[1] // _LINE_PX
    lines = pixels[:, : count * _LINE_PX].reshape(-1, _LINE_PX)
    if len(lines) < _LINES:
        caveats += (f"{len(lines)} lines of 20 pixels of the 55 that ISO 17636-2 asks for",)
    # The median standard deviation of 20 normal numbers lies 1.8 % below the true one.
    bias = np.sqrt(chi2.median(_LINE_PX - 1) / (_LINE_PX - 1))
    mean, sigma = float(np.median(lines.mean(axis=1))), float(np.median(lines.std(axis=1, ddof=1)) / bias)
    if not mean > 0:
        raise InputError(f"mean grey {mean:.3g} is not positive: give an exposed region, offset corrected")
    if sigma == 0:
        raise InputError("the region is constant: it holds no noise to measure")
    if min(pixels.shape) >= _FLAT_PX and not any_shape:
        caveats += tuple(check_flat(pixels, "the region", block_px=_BLOCK))
    rows, columns = (side // _BLOCK for side in pixels.shape)
    blocks = pixels[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK).mean(axis=(1, 3))
    # Differences of neighbours, so that shading does not count as noise.
    scatter = float(np.sqrt(np.mean(np.diff(blocks, axis=1) ** 2) / 2))
    return FlatSNR(mean / sigma, mean / (scatter * _BLOCK), mean, sigma, len(lines), caveats)


def normalised_snr(snr: float, srb_mm: float) -> float:
    """Return SNR_N = SNR * 0.0886 mm / SRb (ISO 17636-2), by which blur gains nothing."""
    if not (srb_mm > 0 and snr >= 0):
        raise InputError(f"SNR {snr:g} and SRb {srb_mm:g} mm: give an SNR of 0 or more and an SRb above 0")
    return snr * REFERENCE_SRB_MM / srb_mm


WIRE_DIAMETERS_MM = (0.8, 0.63, 0.5, 0.4, 0.32, 0.25, 0.2, 0.16, 0.13, 0.1, 0.08, 0.063, 0.05, 0.04, 0.032)
"""Wires of the pairs D1 to D15 of ISO 19232-5; the gap between the wires of a pair is as wide as a wire."""

# ISO 19232-5: a pair whose dip is below 20 % is not resolved.
_DIP = 0.2
# How far beyond the pairs on both sides of 20 % the interpolated SRb may lie, as a share of their diameters.
_BESIDE = 0.05
# The steepest tilt of the wires that is searched, as a slope.
_STEEPEST = 0.12
# Bins of the profile to a pixel: the thinnest wires that pixels resolve are two pixels wide.
_OVERSAMPLING = 6
# The share of the wires' length that is left out at each end.
_MARGIN = 4
# How far from the slope of the pixels' own profile the fine one is searched, and the steps to the open field.
_NEAR_SLOPE = 0.004
_STEPS = 20
# What lies less than this share of it below the open field belongs to it.
_LEVEL = 0.001
# Width of the bands of pixels whose profiles are compared for the noise.
_BAND_PX = 12


@dataclass(frozen=True)
class DuplexWire:
    """A duplex wire gauge as it was read.

    Parameters
    ----------
    diameter_mm, dip : (n,) arrays
        Wire diameters of the pairs found [mm], falling, and their dips, 0 to 1.
    srb_mm : float
        Diameter of the first pair whose dip is below 20 % [mm]; NaN if all are resolved.
    isrb_mm : float
        Diameter at which a second-order polynomial through the dips crosses 20 % [mm]; NaN if it cannot be drawn.
    position_mm, profile : (m,) arrays
        Profile across the wires: attenuation relative to the open field.
    pair_mm : (n,) array
        Where the pairs lie along the profile [mm].
    warnings : tuple of str
        Caveats of the measurement.
    """

    diameter_mm: NDArray[np.float64]
    dip: NDArray[np.float64]
    srb_mm: float
    isrb_mm: float
    position_mm: NDArray[np.float64]
    profile: NDArray[np.float64]
    pair_mm: NDArray[np.float64]
    warnings: tuple[str, ...] = ()


def srb_from_dips(diameter_mm: ArrayLike, dip: ArrayLike) -> tuple[float, float]:
    """Return SRb and interpolated SRb [mm] from falling wire diameters [mm] and the dips of their pairs, each (n,).

    SRb is the diameter of the first pair below 20 %. The interpolated one is where a second-order polynomial crosses
    20 %: through the last two pairs above it and the first two below that still dip, or the first that does not if
    none does; NaN where there are not two above and one below.

    Raises
    ------
    InputError
        If there are not as many falling diameters as dips.

    References
    ----------
    ISO 19232-5; ASTM E2002; the rule for iSRb as the public X-ray forum for NDT quotes it (x-ray-forum.net, "Spatial
    resolution of detector and system").
    """
    diameter, dips = np.asarray(diameter_mm, dtype=np.float64), np.asarray(dip, dtype=np.float64)
    if diameter.shape != dips.shape or diameter.ndim != 1 or diameter.size == 0 or (np.diff(diameter) >= 0).any():
        raise InputError("dips of wire pairs: give as many falling diameters as dips")
    unresolved = np.flatnonzero(dips < _DIP)
    if unresolved.size == 0:
        return float("nan"), float("nan")
    first = int(unresolved[0])
    srb = float(diameter[first])
    # A pair that has merged says where the dips end and not how they fall.
    two = dips.size > first + 1 and bool(dips[first] > 0 and dips[first + 1] > 0)
    below = [first, first + 1] if two else [first]
    if first < 2:
        return srb, float("nan")
    near = np.array([first - 2, first - 1, *below])
    a, b, c = np.polyfit(diameter[near], dips[near] - _DIP, 2)
    roots = np.roots([a, b, c]) if abs(a) > 0 else np.array([-c / b])
    real = roots[np.isreal(roots)].real
    # A parabola that is fitted to four pairs passes them closely: it may cross 20 % a little beyond the two between.
    low, high = diameter[first] * (1.0 - _BESIDE), diameter[first - 1] * (1.0 + _BESIDE)
    rising = real[(2.0 * a * real + b > 0) & (real >= low) & (real <= high)]
    return srb, float(rising[0]) if rising.size else float("nan")


def duplex_wire(image: ArrayLike, pitch_mm: float, *, roi: ROI | None = None, any_shape: bool = False) -> DuplexWire:
    """Read a duplex wire gauge (ISO 19232-5).

    Parameters
    ----------
    image : (H, W) array
        Grey values linear in exposure; wires nearly along rows or columns.
    pitch_mm : float
        Pixel pitch [mm].
    roi : (x, y, width, height), optional
        The region across all pairs and inside the length of the wires.
    any_shape : bool
        Allow what a filter does to wires (ringing, unlike heights): for images that were restored.

    Raises
    ------
    InputError
        If the region holds anything but the pairs of a gauge: see `xsim.measure.wire_pairs.read_pairs`.
    """
    check_pitch(pitch_mm)
    pixels = grey_image(image, roi=roi, smallest_px=16)
    if np.ptp(pixels) == 0:
        raise InputError("no wires: the region is flat: give the --roi of a duplex wire gauge")
    vertical = float(np.sum(np.diff(pixels, axis=1) ** 2)) > float(np.sum(np.diff(pixels, axis=0) ** 2))
    upright = _along_wires(pixels.T if vertical else pixels)
    position, attenuation, noise, likeness = _wire_profile(upright, pitch_mm)
    pairs, caveats = read_pairs(
        position, attenuation, WIRE_DIAMETERS_MM, pitch_mm=pitch_mm, noise=noise, likeness=likeness, any_shape=any_shape
    )
    diameter, dips, centres = (np.array(column) for column in zip(*pairs, strict=True))
    srb, isrb = srb_from_dips(diameter, dips)
    if np.isnan(srb):
        caveats += ("every pair found is resolved: SRb is smaller than the thinnest wire",)
    return DuplexWire(diameter, dips, srb, isrb, position, attenuation, centres, caveats)


def _along_wires(upright: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the columns in the middle of the wires' length.

    Beyond their ends a profile would hold the open field as well, and near them what blur brings of it; the ends of a
    tilted gauge do not even lie in one column.
    """
    contrast = ndimage.uniform_filter1d(upright.std(axis=0), 5, mode="nearest")
    seen, _ = ndimage.label(contrast > 0.8 * float(np.quantile(contrast, 0.9)))
    longest = int(np.argmax(np.bincount(seen)[1:])) + 1
    columns = np.flatnonzero(seen == longest)
    margin = columns.size // _MARGIN
    return upright[:, columns[margin : columns.size - margin]]


def _wire_profile(
    upright: NDArray[np.float64], pitch_mm: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], float, float]:
    """Return positions [mm] and attenuation 1 - I / I_open across the wires, thick wires first, noise and likeness.

    The likeness is how well the profiles of quarters along the wires correlate with all of it, at the least.
    """

    def unsharpness(slope: float) -> float:
        # Bins of a pixel, all filled at any slope: finer ones would reward the slopes that leave some empty.
        return -float(np.sum(np.diff(_projected(upright, slope, 1)) ** 2))

    slopes = np.linspace(-_STEEPEST, _STEEPEST, 61)
    best = int(np.argmin([unsharpness(slope) for slope in slopes]))
    bounds = (slopes[max(best - 1, 0)], slopes[min(best + 1, slopes.size - 1)])
    slope = float(optimize.minimize_scalar(unsharpness, bounds=bounds, method="bounded").x)
    # Finer than a pixel the slope shows in how well pixels of one place agree.
    near = (slope - _NEAR_SLOPE, slope + _NEAR_SLOPE)
    slope = float(
        optimize.minimize_scalar(lambda trial: _disagreement(upright, trial), bounds=near, method="bounded").x
    )
    profile = _projected(upright, slope, _OVERSAMPLING)
    position = np.arange(profile.size) / _OVERSAMPLING * pitch_mm
    noise = _profile_noise(upright, slope)
    opened = _open_field(profile, noise)
    attenuation = 1.0 - profile / opened
    half = attenuation.size // 2
    if attenuation[half:].max() > attenuation[:half].max():
        attenuation = attenuation[::-1]
    return position, attenuation, noise / float(np.median(opened)), _likeness(upright, slope)


def _disagreement(upright: NDArray[np.float64], slope: float) -> float:
    """Return the sum of squares that the profile across lines of this slope leaves."""
    place = _across(upright.shape, slope) * _OVERSAMPLING
    profile = Bins.of(place).profile(upright.ravel())
    return float(np.sum((upright.ravel() - np.interp(place, np.arange(profile.size) + 0.5, profile)) ** 2))


def _open_field(profile: NDArray[np.float64], noise: float) -> NDArray[np.float64]:
    """Return the open field under a profile of this noise: a straight line along its upper side, as shading is."""
    x = np.linspace(-1.0, 1.0, profile.size)
    # The brightest part of each fifth; then what does not lie below their line, which is a wire or its tail.
    parts = np.array_split(np.arange(profile.size), 5)
    use = np.concatenate([part[profile[part] >= np.quantile(profile[part], 0.8)] for part in parts])
    line = np.polyfit(x[use], profile[use], 1)
    for _ in range(_STEPS):
        above = profile - np.polyval(line, x) > -max(2.0 * noise, _LEVEL * float(profile.max()))
        # Both halves have a say, or the line would turn about one end.
        if min(above[: x.size // 2].sum(), above[x.size // 2 :].sum()) < _OVERSAMPLING:
            break
        line = np.polyfit(x[above], profile[above], 1)
    return np.asarray(np.polyval(line, x))


def _projected(upright: NDArray[np.float64], slope: float, oversampling: int) -> NDArray[np.float64]:
    """Return the profile across lines of this slope, where at least half as many pixels as usual see it."""
    bins = Bins.of(_across(upright.shape, slope) * oversampling)
    seen = np.flatnonzero(bins.count > 0.5 * np.median(bins.count[bins.count > 0]))
    return bins.profile(upright.ravel())[seen[0] : seen[-1] + 1]


def _across(shape: tuple[int, ...], slope: float) -> NDArray[np.float64]:
    """Return how far [px] every pixel (H W,) lies across lines of this slope from the first."""
    y, x = np.indices(shape, dtype=np.float64)
    across = (y - slope * (x - (shape[1] - 1) / 2)) / np.hypot(1.0, slope)
    return np.asarray(across - across.min()).ravel()


def _likeness(upright: NDArray[np.float64], slope: float) -> float:
    """Return the least correlation of a quarter's profile with the whole profile: near 1 where wires cross them all."""
    index = _across(upright.shape, slope).astype(np.intp)
    quarter = np.tile(np.arange(upright.shape[1]) * 4 // upright.shape[1], upright.shape[0])
    size = int(index.max()) + 1
    values = upright.ravel()
    count = np.bincount(quarter * size + index, minlength=4 * size).reshape(4, size)
    total = np.bincount(quarter * size + index, weights=values, minlength=4 * size).reshape(4, size)
    seen = (count > 0).all(axis=0)
    parts = total[:, seen] / count[:, seen]
    whole = total[:, seen].sum(axis=0) / count[:, seen].sum(axis=0)
    if seen.sum() < 8 or np.ptp(whole) == 0:
        return 0.0
    # Shading along the wires is no matter of theirs.
    return float(min(np.corrcoef(part, whole)[0, 1] if np.ptp(part) > 0 else 0.0 for part in parts))


def _profile_noise(upright: NDArray[np.float64], slope: float) -> float:
    """Return the standard deviation of the profile, from two halves of the image that share the wires only.

    Halves of alternating bands, so that noise that is correlated between pixels counts in full.
    """
    index = _across(upright.shape, slope).astype(np.intp)
    half = np.tile(np.arange(upright.shape[1]) // _BAND_PX % 2 == 0, upright.shape[0])
    count, first = np.bincount(index), np.bincount(index, weights=half)
    both = (first >= 0.25 * np.median(count)) & (count - first >= 0.25 * np.median(count))
    if not both.any():
        return float("inf")  # nothing to compare: no profile can be told from noise
    values = upright.ravel()
    total, part = np.bincount(index, weights=values)[both], np.bincount(index, weights=values * half)[both]
    count, first = count[both], first[both]
    difference = (part / first - (total - part) / (count - first)) / 2
    # Bins of a pixel hold as many values as all finer bins inside them together.
    return float(1.4826 * np.median(np.abs(difference)) * np.sqrt(_OVERSAMPLING))
