"""Line-pair charts: where the groups of bars lie on a plate, and the contrast of very wide bars."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import ndimage, signal

from xsim.errors import InputError
from xsim.grids import nyquist_lp_mm
from xsim.measure.bars import CTF, BarGroup, ctf_from_groups, find_wave, fit_bar_group
from xsim.measure.checks import ROI, check_pitch, grey_image
from xsim.measure.edge_geometry import Bins

__all__ = ["Plate", "bar_ctf", "find_plate"]

# A plate is worth looking at if it covers this share of the image and has this many openings.
_PLATE_SHARE = 0.002
_OPENINGS = 3
# Grey values beyond this share of the contrast belong to bars, also where blur fills the gaps half.
_DEPTH = 0.25
# A bar stands out of its neighbours by this share of the contrast.
_PROMINENCE = 0.06
# Spacings of one group differ by less than this; neighbouring groups by more.
_EVEN = 0.15
# A chart has groups of so many frequencies, each higher by this; rows of pins and pads have one, and their double.
_DIFFERENT, _APART = 3, 1.04
# Bins per pixel of the profile across the bars.
_OVERSAMPLING = 3
# The share of a strip's width kept at each end: the ends of the bars are blurred along them.
_MARGIN = 0.12


@dataclass(frozen=True)
class Plate:
    """A plate with openings in front of a background of another grey level.

    Parameters
    ----------
    roi : (x, y, width, height)
        Its bounding box [px].
    level, background : float
        Median grey level of the plate and of the surroundings, which the openings show.
    surrounded : bool
        Whether there are surroundings. Where the plate fills the image, the deepest openings stand for them, which
        are not as deep as very wide ones.
    """

    roi: ROI
    level: float
    background: float
    surrounded: bool = True

    @property
    def contrast(self) -> float | None:
        """Modulation of an infinitely wide bar [grey levels]; None where nothing surrounds the plate."""
        return abs(self.background - self.level) if self.surrounded else None


def bar_ctf(
    image: ArrayLike,
    pitch_mm: float,
    *,
    rois: Sequence[ROI] | None = None,
    contrast: float | None = None,
) -> CTF:
    """Measure the CTF of a bar pattern.

    Parameters
    ----------
    image : (H, W) array
        Grey values linear in exposure.
    pitch_mm : float
        Pixel pitch [mm].
    rois : sequence of (x, y, width, height), optional
        One region a group. Without them the groups are found on the plate that has the most openings, and groups
        beyond Nyquist are left out.
    contrast : float, optional
        Modulation of very wide bars [grey levels]; from the plate and its surroundings if the plate is found.

    Raises
    ------
    InputError
        If no plate or no group of at least three regular bars is found, or, unless regions are given, groups of
        fewer than three frequencies.
    """
    check_pitch(pitch_mm)
    pixels = grey_image(image, smallest_px=16)
    if rois:
        return ctf_from_groups([fit_bar_group(pixels, pitch_mm, roi) for roi in rois], pitch_mm, contrast=contrast)
    plate = find_plate(pixels)
    groups = _find_groups(pixels, plate, pitch_mm)
    if not groups:
        raise InputError("no group of three regular bars on the plate: give the --roi of each group")
    frequencies = [group.frequency_lp_mm for group in groups]
    different = 1 + sum(high > _APART * low for low, high in pairwise(sorted(frequencies)))
    if different < _DIFFERENT:
        raise InputError(
            f"no line-pair chart: groups of bars of {different} frequenc{'ies' if different > 1 else 'y'}, about "
            f"{frequencies[0]:.3g} lp/mm, where charts have {_DIFFERENT} or more: give the --roi of each group"
        )
    return ctf_from_groups(groups, pitch_mm, contrast=plate.contrast if contrast is None else contrast)


def find_plate(pixels: NDArray[np.float64]) -> Plate:
    """Find the plate with the most openings, bright or dark.

    Raises
    ------
    InputError
        If there is none.
    """
    if np.ptp(pixels) == 0:
        raise InputError("no plate with bars: the image is flat: give the image of a line-pair chart")
    middle = _middle_level(pixels)
    best: tuple[int, Plate] | None = None
    for mask in (pixels > middle, pixels < middle):
        labels, _ = ndimage.label(mask)
        for index, box in enumerate(ndimage.find_objects(labels), start=1):
            part = labels[box] == index
            if part.size < _PLATE_SHARE * pixels.size:
                continue
            filled = ndimage.binary_fill_holes(part)
            openings = int(ndimage.label(filled & ~part)[1])
            # Plates are full but for their openings; rings and frames are not.
            if filled.sum() < max(_PLATE_SHARE * pixels.size, 0.7 * part.size) or openings < _OPENINGS:
                continue
            plate = _plate(pixels, box, part, filled & ~part)
            # Between equals the one with surroundings: a background with bars on it is the other's counterpart.
            if best is None or (openings, plate.surrounded) > (best[0], best[1].surrounded):
                best = openings, plate
    if best is None:
        raise InputError("no plate with bars found: give the --roi of each group of bars")
    return best[1]


def _middle_level(pixels: NDArray[np.float64]) -> float:
    """Return the threshold that separates two populations best (Otsu)."""
    counts, edges = np.histogram(pixels, bins=512)
    centres = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    sums = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    return float(centres[int(np.nanargmax(between))])


def _plate(
    pixels: NDArray[np.float64], box: tuple[slice, ...], part: NDArray[np.bool_], openings: NDArray[np.bool_]
) -> Plate:
    """Describe a plate: the background is what surrounds it, beyond the reach of its edge's blur."""
    y, x = box
    height, width = part.shape
    near, far = max(4, min(part.shape) // 16), max(12, min(part.shape) // 6)
    frame = np.zeros(pixels.shape, dtype=bool)
    frame[max(y.start - far, 0) : y.stop + far, max(x.start - far, 0) : x.stop + far] = True
    frame[max(y.start - near, 0) : y.stop + near, max(x.start - near, 0) : x.stop + near] = False
    core = ndimage.binary_erosion(part, iterations=3)
    level = float(np.median(pixels[box][core if core.any() else part]))
    roi = (x.start, y.start, width, height)
    if frame.any():
        return Plate(roi, level, float(np.median(pixels[frame])))
    seen = pixels[box][openings]
    return Plate(roi, level, float(np.quantile(seen, 0.05 if np.median(seen) < level else 0.95)), surrounded=False)


def _find_groups(pixels: NDArray[np.float64], plate: Plate, pitch_mm: float) -> list[BarGroup]:
    """Find the bar groups in a plate's openings and fit each."""
    x, y, width, height = plate.roi
    part = (pixels[y : y + height, x : x + width] - plate.level) / (plate.background - plate.level)
    rim = 3 + min(width, height) // 50
    part = np.where(ndimage.binary_erosion(np.ones(part.shape, dtype=bool), iterations=rim), part, 0.0)
    vertical = float(np.sum(np.diff(part, axis=1) ** 2)) > float(np.sum(np.diff(part, axis=0) ** 2))
    part = part.T if vertical else part
    groups = []
    for left, right in _strips(part > _DEPTH):
        for first, last, bars in _even_bars(_bar_centres(part[:, left:right])):
            period = (last - first) / (bars - 1)
            # Three quarters of a period beyond the outer bars: open space, and nothing of the next group.
            top = max(int(np.ceil(first - 0.75 * period)), 0)
            box = (left, top, right - left, min(int(last + 0.75 * period) + 1, part.shape[0]) - top)
            roi = (x + box[1], y + box[0], box[3], box[2]) if vertical else (x + box[0], y + box[1], box[2], box[3])
            group = _fit(pixels, pitch_mm, roi, vertical=vertical, guess=1.0 / (period * pitch_mm), bars=bars)
            groups += [] if group is None else [group]
    if not groups:
        return []
    # A chart has as many bars in every group; other counts are parts of groups, or aliases.
    counts, votes = np.unique([group.bars for group in groups], return_counts=True)
    groups = [group for group in groups if group.bars == counts[np.argmax(votes)]]
    # It also has one tilt, which the wide groups know better than the narrow ones.
    slope = float(np.median([group.slope for group in groups]))
    again = (
        _fit(pixels, pitch_mm, one.roi, vertical=vertical, guess=one.frequency_lp_mm, bars=one.bars, slope=slope)
        for one in groups
    )
    return [group for group in again if group is not None]


def _fit(
    pixels: NDArray[np.float64],
    pitch_mm: float,
    roi: ROI,
    *,
    vertical: bool,
    guess: float,
    bars: int,
    slope: float | None = None,
) -> BarGroup | None:
    """Fit a group whose frequency is about known; None beyond Nyquist or where no such bars stand out."""
    if guess > 0.98 * nyquist_lp_mm(pitch_mm):
        return None
    try:
        group = fit_bar_group(pixels, pitch_mm, roi, vertical=vertical, frequency_lp_mm=guess, slope=slope, bars=bars)
    except InputError:
        return None
    return group if abs(group.frequency_lp_mm / guess - 1) < _EVEN else None


def _strips(openings: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Return the column ranges in which openings lie, less a margin at their ends."""
    share = openings.mean(axis=0)
    strips = []
    for (run,) in ndimage.find_objects(ndimage.label(share > 0.3 * share.max())[0]):
        margin = int(np.ceil(_MARGIN * (run.stop - run.start)))
        if run.stop - run.start - 2 * margin >= 6:
            strips.append((run.start + margin, run.stop - margin))
    return strips


def _bar_centres(strip: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return where across a strip the bars' centres lie [px], from the crests of its profile along their tilt."""
    y, x = np.indices(strip.shape, dtype=np.float64)
    position = y - find_wave(strip)[0] * (x - x.mean())
    start = float(position.min())
    profile = Bins.of((position - start).ravel() * _OVERSAMPLING).profile(strip.ravel())
    profile = ndimage.gaussian_filter1d(profile, 0.35 * _OVERSAMPLING)
    crests, _ = signal.find_peaks(profile, prominence=_PROMINENCE)
    # The parabola through a crest and its neighbours places it between the bins.
    low, top, high = profile[crests - 1], profile[crests], profile[crests + 1]
    return np.asarray((crests + 0.5 + 0.5 * (low - high) / (low - 2 * top + high)) / _OVERSAMPLING + start)


def _even_bars(centres: NDArray[np.float64]) -> list[tuple[float, float, int]]:
    """Return (first, last, bars) of the sequences of three and more evenly spaced centres."""
    groups = []
    start = 0
    while start + 2 < centres.size:
        stop = start + 2
        while stop < centres.size:
            spacings = np.diff(centres[start : stop + 1])
            if abs(spacings[-1] / spacings[:-1].mean() - 1) > _EVEN:
                break
            stop += 1
        if stop - start >= 3:
            groups.append((float(centres[start]), float(centres[stop - 1]), stop - start))
            start = stop
        else:
            start += 1
    return groups
