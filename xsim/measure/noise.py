"""Normalised noise power spectrum (NNPS) of flat-field images, by the method of IEC 62220-1.

    NNPS(u, v) = pitch**2 / (M N**2) * sum_m |FFT2(I_m - S_m)|**2 / mean**2

over M half-overlapping regions of N x N pixels, with S a two-dimensional second-order polynomial fitted over the
whole analysed area. The axes u = 0 and v = 0 carry row and column structure and are reported apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage

from xsim.errors import InputError
from xsim.grids import frequency_axes, half_plane_weights, radial_frequency
from xsim.measure.checks import check_not_clipped, check_pitch, grey_image

__all__ = ["NNPS", "NoiseMode", "check_flat", "flatten", "mend_outliers", "nnps"]

# Structure in means over _BLOCK x _BLOCK pixels, as a share of the mean grey: not a flat field; doubtful.
_BLOCK = 16
_STRUCTURE_REFUSED = 0.1
_STRUCTURE_WARNED = 0.02
# A trend across the image, as a share of its mean, that the heel effect and the beam's cone do not make; doubtful.
_TREND_REFUSED = 0.5
_TREND_WARNED = 0.25
# A wave of one frequency is no noise: the largest of a million bins of noise is 14 times their mean.
_WAVE = 60.0
# A wave that matters shows in so many pixels in the middle.
_WAVE_PX = 1024
# Share of the variance that the strongest wave holds: bars or stripes; a grid or interference.
_WAVE_REFUSED = 0.3
_WAVE_WARNED = 0.02
# Outliers beyond this many standard deviations; more than this share of them is not a few bad pixels.
_OUTLIER_SIGMAS = 7.0
_OUTLIER_SHARE = 0.002


def _checked_flats(
    frames: Sequence[ArrayLike], *, full_scale: float | None = None, any_shape: bool = False
) -> tuple[list[NDArray[np.float64]], tuple[str, ...]]:
    """Return the frames as finite float64 arrays of one shape, and caveats; refuse what are no flats."""
    if len(frames) == 0:
        raise InputError("no flat frames: give at least one, better 20 or more")
    flats = [grey_image(frame, smallest_px=64) for frame in frames]
    caveats: list[str] = []
    for index, flat in enumerate(flats):
        name = f"flat frame {index + 1}"
        if flat.shape != flats[0].shape:
            raise InputError(f"{name} has {flat.shape}, the first {flats[0].shape} pixels: give frames of one size")
        if flat.mean() <= 0:
            raise InputError(f"{name} has mean {flat.mean():.3g}: give flats with exposure, offset corrected")
        if np.ptp(flat) == 0:
            raise InputError(f"{name} is constant: it holds no noise to measure")
        caveats += check_not_clipped(flat, full_scale=full_scale)
        caveats += check_flat(flat, name, waves=not any_shape)
    spread = np.ptp([flat.mean() for flat in flats]) / np.mean([flat.mean() for flat in flats])
    if spread > 0.05:
        caveats.append(f"the frames' means differ by {100 * spread:.0f} %: they are not of one exposure")
    return flats, tuple(dict.fromkeys(caveats))


def check_flat(flat: NDArray[np.float64], name: str, *, block_px: int = _BLOCK, waves: bool = True) -> list[str]:
    """Refuse an image (H, W) that is no flat field, or return caveats: shading, structure, waves, dead lines.

    Structure is what lies beyond a second-order trend in the medians of blocks; ``name`` is what messages call it.
    Waves need not be asked for.

    Raises
    ------
    InputError
        If there is structure, a trend of half the mean, or a wave that holds much of the variance.
    """
    noise = flatten(flat) / flat.mean()
    caveats = _check_trend(flat / flat.mean() - noise, name) + _dead_lines(noise, name)
    caveats += _check_waves(noise, name) if waves else []
    rows, columns = (side // block_px for side in flat.shape)
    blocks = noise[: rows * block_px, : columns * block_px].reshape(rows, block_px, columns, block_px)
    # Medians, so that dead pixels and lines are not taken for structure.
    levels = np.median(blocks, axis=(1, 3))
    # Neighbouring blocks share the structure and not the noise, at least along one of the axes.
    steps = min(float(np.median(np.abs(np.diff(levels, axis=axis)))) for axis in (0, 1))
    scatter = 1.4826 * steps / np.sqrt(2.0)
    largest = float(np.abs(levels - np.median(levels)).max())
    if largest > max(_STRUCTURE_REFUSED, 8 * scatter):
        raise InputError(
            f"{name} is not flat: {100 * largest:.0f} % of structure after a second-order trend is taken away: "
            "give open-field images, gain corrected"
        )
    if largest > max(_STRUCTURE_WARNED, 8 * scatter):
        caveats.append(f"{name} holds {100 * largest:.0f} % of structure beyond a second-order trend")
    return caveats


def _check_trend(trend: NDArray[np.float64], name: str) -> list[str]:
    """Refuse a smooth trend (H, W), in units of the mean, that makes one end of the image quite unlike the other."""
    share = float(np.ptp(trend))
    if share > _TREND_REFUSED:
        raise InputError(
            f"{name} is not flat: its grey value changes by {100 * share:.0f} % of the mean across the image: "
            "give open-field images, gain corrected"
        )
    return [f"{name}: shading of {100 * share:.0f} % of the mean across the image"] if share > _TREND_WARNED else []


def _check_waves(noise: NDArray[np.float64], name: str) -> list[str]:
    """Refuse a wave of one frequency, in mean-free noise (H, W), that holds much of the variance.

    Lines that rows or columns share are waves along an axis: there the axis itself says what is usual.
    """
    noise = noise[
        tuple(slice((side - min(side, _WAVE_PX)) // 2, (side + min(side, _WAVE_PX)) // 2) for side in noise.shape)
    ]
    # Structured edges of the image leak into whole axes: a window keeps them out.
    window = np.outer(*(np.hanning(side) for side in noise.shape))
    power = np.abs(np.fft.rfft2(noise * window)) ** 2
    power[:3, :3] = power[-2:, :3] = 0.0  # what a second-order trend leaves
    total = float(power.sum())
    share = 0.0
    for part, usual in ((power[1:, 1:], _ring_levels(power)[1:, 1:]), (power[:1, 1:], None), (power[1:, :1], None)):
        excess = part / np.maximum(part.mean() if usual is None else usual, 1e-12 * total + 1e-300)
        y, x = np.unravel_index(int(np.argmax(excess)), part.shape)
        # A wave through the window covers 3 x 3 bins.
        held = float(part[max(y - 1, 0) : y + 2, max(x - 1, 0) : x + 2].sum()) / max(total, 1e-300)
        share = max(share, held if excess[y, x] > _WAVE else 0.0)
    if share > _WAVE_REFUSED:
        raise InputError(
            f"{name} is not flat: a wave of one frequency holds {100 * share:.0f} % of its variance, as bars or a grid "
            "do: give open-field images"
        )
    if share > _WAVE_WARNED:
        return [f"{name}: a wave of one frequency holds {100 * share:.0f} % of its variance, as a grid or interference"]
    return []


def _ring_levels(power: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the usual value on each ring of a power spectrum (H, W // 2 + 1), at every bin of it.

    From medians, on which a single wave has no say; those of noise power lie ln 2 times below its mean.
    """
    height, half = power.shape
    v = np.minimum(np.arange(height), height - np.arange(height)) / height
    ring = (np.hypot(v[:, None], np.arange(half)[None] / (2 * (half - 1))) * height).astype(np.intp)
    order = np.argsort(ring, axis=None, kind="stable")
    parts = np.split(power.ravel()[order], np.cumsum(np.bincount(ring.ravel()))[:-1])
    levels = np.array([np.median(part) if part.size else 0.0 for part in parts]) / np.log(2.0)
    return np.asarray(levels[ring])


def _dead_lines(noise: NDArray[np.float64], name: str) -> list[str]:
    """Report rows and columns whose median lies apart from their neighbours'."""
    texts = []
    for axis, kind, where in ((0, "column", "x"), (1, "row", "y")):
        lines = np.median(noise, axis=axis)
        off = np.abs(lines - ndimage.median_filter(lines, size=5, mode="nearest"))
        limit = max(10 * 1.4826 * float(np.median(off)), 3 * float(noise.std()) / np.sqrt(noise.shape[axis]))
        dead = np.flatnonzero(off > limit)
        if dead.size:
            places = ", ".join(str(place) for place in dead[:5]) + (", ..." if dead.size > 5 else "")
            texts.append(f"{name}: {kind}s apart from their neighbours at {where}={places}: see the axis of the NNPS")
    return texts


def flatten(image: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return an image less its least-squares polynomial of second order in x and y together, mean zero.

    The six terms 1, x, y, x2, xy, y2 are made orthonormal on the grid, so that the fit is a projection.
    """
    places = (np.linspace(-1.0, 1.0, length) for length in image.shape)
    down, across = (np.linalg.qr(np.stack([np.ones(x.size), x, x**2], axis=1))[0] for x in places)
    terms = down.T @ image @ across
    terms[np.add.outer(np.arange(3), np.arange(3)) > 2] = 0.0
    return np.asarray(image - down @ terms @ across.T)


def mend_outliers(noise: NDArray[np.float64]) -> tuple[NDArray[np.float64], int]:
    """Replace single outlying pixels by the median of their neighbours; return the image and how many.

    One dead pixel among 256 x 256 would raise the whole spectrum. Full rows and columns stay: they raise the axes
    only, which are reported apart.

    Raises
    ------
    InputError
        If more than 0.2 % of the pixels lie apart.
    """
    centre = float(np.median(noise))
    sigma = 1.4826 * float(np.median(np.abs(noise - centre)))
    off = np.abs(noise - centre) > _OUTLIER_SIGMAS * sigma
    for axis in (0, 1):
        off &= off.mean(axis=axis, keepdims=True) <= 0.5
    count = int(off.sum())
    if count > _OUTLIER_SHARE * noise.size:
        raise InputError(
            f"{100 * off.mean():.1f} % of the pixels lie more than {_OUTLIER_SIGMAS:g} standard deviations from the "
            "mean: correct bad pixels first, with --bad-pixels"
        )
    if count:
        noise = np.where(off, ndimage.median_filter(noise, size=3, mode="nearest"), noise)
    return noise, count


NoiseMode = Literal["single", "difference"]
"""``single`` keeps the fixed pattern of the detector, ``difference`` removes it."""

# IEC 62220-1 asks for this many independent pixels.
_ENOUGH_PIXELS = 4_000_000
# Lines averaged on each side of an axis for the one-dimensional cuts.
_CUT_LINES = 7
# Half overlap multiplies the regions by 4 and their information by less: 2.25 counts one region per 2/3 of a side.
_OVERLAP = 2.25
# Cuts along x and y that differ by more than this, and by five standard errors, are not isotropic.
_ANISOTROPY = 0.1


@dataclass(frozen=True)
class NNPS:
    """A measured normalised noise power spectrum.

    Parameters
    ----------
    frequency_lp_mm : (n,) array
        Ring centres [lp/mm], up to Nyquist; the zero frequency and the axes are left out.
    nnps_mm2, standard_error_mm2 : (n,) arrays
        Mean over each ring and its standard error [mm2].
    x_mm2, y_mm2 : (n,) arrays
        Mean over 7 lines on each side of the u axis (along x) and the v axis (along y) [mm2], at the same frequencies.
    axis_x_mm2, axis_y_mm2 : (n,) arrays
        The axes themselves [mm2]: what the columns (x) and rows (y) have in common.
    map_mm2 : (N, N // 2 + 1) array
        The two-dimensional spectrum [mm2], DC at [0, 0].
    pitch_mm : float
        Pixel pitch [mm].
    mean : float
        Mean grey value of the analysed area.
    relative_variance : float
        Variance of the detrended regions over mean**2; the integral of the spectrum.
    frames, regions : int
        How many images and how many regions were averaged.
    effective_regions : float
        How many independent regions they are worth.
    mode : {"single", "difference"}
        Whether the fixed pattern is in or not.
    warnings : tuple of str
        Caveats of the measurement.
    """

    frequency_lp_mm: NDArray[np.float64]
    nnps_mm2: NDArray[np.float64]
    standard_error_mm2: NDArray[np.float64]
    x_mm2: NDArray[np.float64]
    y_mm2: NDArray[np.float64]
    axis_x_mm2: NDArray[np.float64]
    axis_y_mm2: NDArray[np.float64]
    map_mm2: NDArray[np.float64]
    pitch_mm: float
    mean: float
    relative_variance: float
    frames: int
    regions: int
    effective_regions: float
    mode: NoiseMode
    warnings: tuple[str, ...] = ()


def nnps(
    frames: Sequence[ArrayLike],
    pitch_mm: float,
    *,
    mode: NoiseMode = "single",
    region_px: int = 256,
    full_scale: float | None = None,
    any_shape: bool = False,
) -> NNPS:
    """Measure the NNPS of flat-field images.

    Parameters
    ----------
    frames : sequence of (H, W) arrays
        Flat fields of one exposure, linear in exposure, offset and gain corrected.
    pitch_mm : float
        Pixel pitch [mm].
    mode : {"single", "difference"}
        ``difference`` takes the mean of all frames from each, times sqrt(M / (M - 1)): what is the same in all
        frames goes, and for two frames this is their difference over sqrt(2).
    region_px : int
        Side of the regions [px]; less where the images are smaller.
    full_scale : float, optional
        The largest grey value that the image format can hold, to name saturated images.
    any_shape : bool
        Allow waves of one frequency: for images that were restored, whose network may leave some.

    Raises
    ------
    InputError
        If the frames are none, unlike, constant, saturated, not finite, not flat or not positive, or if a single
        one is to be differenced.

    References
    ----------
    IEC 62220-1:2003, clause 6.3.3; ICRU Report 87, equation 11.1.
    """
    check_pitch(pitch_mm)
    if mode not in get_args(NoiseMode):
        raise InputError(f"noise mode '{mode}' is unknown: give {' or '.join(get_args(NoiseMode))}")
    flats, caveats = _checked_flats(frames, full_scale=full_scale, any_shape=any_shape)
    if mode == "difference" and len(flats) < 2:
        raise InputError("one flat frame has no difference: give at least two, or mode 'single'")
    side = min(region_px, *flats[0].shape)
    if side < 64:
        raise InputError(f"regions of {side} pixels are too small: give images and regions of at least 64 pixels")
    side -= side % 2
    means = [float(flat.mean()) for flat in flats]
    normalised = [flat / mean for flat, mean in zip(flats, means, strict=True)]
    common = np.mean(normalised, axis=0) if mode == "difference" else None
    power = np.zeros((side, side // 2 + 1))
    regions = mended = 0
    for frame in normalised:
        noise = flatten(frame if common is None else (frame - common) * np.sqrt(len(flats) / (len(flats) - 1)))
        noise, replaced = mend_outliers(noise)
        mended += replaced
        total, count = _region_power(noise, side)
        power += total
        regions += count
    looks = len(flats) - (mode == "difference")
    # How many independent regions the half-overlapping ones of one frame are worth, times the frames that count.
    apart, overlapping = flats[0].size / side**2, regions // len(flats)
    effective = looks * (max(1.0, (overlapping / _OVERLAP + apart) / 2.0) if overlapping > 1 else 1.0)
    caveats += _caveats(len(flats), mode, looks * flats[0].size, effective, mended)
    return _summary(
        power * pitch_mm**2 / (regions * side**2), pitch_mm, float(np.mean(means)), effective,
        frames=len(flats), regions=regions, mode=mode, caveats=caveats,
    )  # fmt: skip


def _region_power(noise: NDArray[np.float64], side: int) -> tuple[NDArray[np.float64], int]:
    """Return the summed |rfft2|^2 over half-overlapping regions, centred in the image, and their number."""
    step = side // 2
    power = np.zeros((side, side // 2 + 1))
    starts = [range((length - side) % step // 2, length - side + 1, step) for length in noise.shape]
    for top, left in product(*starts):
        power += np.abs(np.fft.rfft2(noise[top : top + side, left : left + side])) ** 2
    return power, len(starts[0]) * len(starts[1])


def _caveats(frames: int, mode: NoiseMode, pixels: int, effective: float, mended: int) -> tuple[str, ...]:
    texts = []
    if frames == 1:
        texts.append("one frame: the detector's fixed pattern cannot be told from its noise")
    elif mode == "single":
        texts.append("single mode: the detector's fixed pattern is in the spectrum; mode 'difference' takes it out")
    if pixels < _ENOUGH_PIXELS:
        texts.append(
            f"{pixels / 1e6:.2g} million pixels of the 4 that IEC 62220-1 asks for: one frequency bin is known "
            f"to {100 / np.sqrt(effective):.0f} %"
        )
    if mended:
        texts.append(f"{mended} outlying pixels were replaced by their neighbours' median")
    return tuple(texts)


def _summary(
    spectrum: NDArray[np.float64], pitch_mm: float, mean: float, effective: float, *,
    frames: int, regions: int, mode: NoiseMode, caveats: tuple[str, ...],
) -> NNPS:  # fmt: skip
    """Average the map over rings and along the axes."""
    side = spectrum.shape[0]
    df = 1.0 / (side * pitch_mm)
    count = side // 2
    frequency = np.arange(1, count + 1) * df
    v, u = frequency_axes((side, side), pitch_mm)
    radius = radial_frequency((side, side), pitch_mm)
    weights = np.broadcast_to(half_plane_weights((side, side)), spectrum.shape)
    off_axes = (u > 0) & (v != 0)
    lines = (_CUT_LINES + 0.5) * df

    def rings(where: NDArray[np.bool_]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        ring = np.floor(radius[where] / df + 0.5).astype(np.intp)
        number = np.bincount(ring, weights=weights[where], minlength=count + 1)[1 : count + 1].astype(np.float64)
        total = np.bincount(ring, weights=(weights * spectrum)[where], minlength=count + 1)[1 : count + 1]
        return np.divide(total, number, out=np.full(count, np.nan), where=number > 0), number

    value, bins = rings(off_axes)
    along_x, bins_x = rings(off_axes & (np.abs(v) < lines) & (u > np.abs(v)))
    along_y, bins_y = rings(off_axes & (u < lines) & (np.abs(v) > u))
    # A bin of the periodogram scatters as much as its mean; half of the full plane repeats the other half.
    error = value / np.sqrt(np.maximum(bins, 1) / 2 * effective)
    caveats += _isotropy(along_x, along_y, (bins_x, bins_y), effective)
    return NNPS(
        frequency, value, error, along_x, along_y,
        axis_x_mm2=spectrum[0, 1 : count + 1], axis_y_mm2=spectrum[1 : count + 1, 0], map_mm2=spectrum,
        pitch_mm=pitch_mm, mean=mean, relative_variance=float(np.sum(weights * spectrum)) * df**2,
        frames=frames, regions=regions, effective_regions=effective, mode=mode, warnings=caveats,
    )  # fmt: skip


def _isotropy(
    along_x: NDArray[np.float64],
    along_y: NDArray[np.float64],
    bins: tuple[NDArray[np.float64], NDArray[np.float64]],
    effective: float,
) -> tuple[str, ...]:
    """Say so where the spectra along x and y differ, since a ring mean then describes neither."""
    use = slice(_CUT_LINES, None)
    ratio = np.log(along_x[use] / along_y[use])
    scatter = np.sqrt(2 / effective * (1 / np.maximum(bins[0][use], 1) + 1 / np.maximum(bins[1][use], 1)))
    weight = 1 / scatter**2
    mean = float(np.nansum(weight * ratio) / np.sum(weight[np.isfinite(ratio)]))
    if abs(mean) > max(_ANISOTROPY, 5.0 / np.sqrt(float(weight.sum()))):
        share = 100 * (np.exp(mean) - 1)
        return (f"not isotropic: along x {share:+.0f} % against along y: use the cuts, not the ring means",)
    return ()
