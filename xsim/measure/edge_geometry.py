"""Where a slanted edge lies: found coarsely, fitted with every pixel near it, and checked to be one straight edge.

Pictures of anything but one straight edge between two plateaus are refused with the reason, never measured.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from xsim.errors import InputError

__all__ = ["Bins", "EdgeLine", "check_bad_pixels", "check_edge", "find_line", "fit_line"]

# The smallest gradient that belongs to the edge, as a share of the steepest.
_GRADIENT_SHARE = 0.3
# Smoothing [px] before the coarse search: it only has to see the edge above the noise.
_SEARCH_SIGMA_PX = 2.0
# How far from the coarse line pixels take part in its refinement [px], and the most steps of it.
_REACH_PX = 12.0
_STEPS = 20


@dataclass(frozen=True)
class EdgeLine:
    """A nearly vertical line ``x = x0 + slope (y - y0)`` in an image that was transposed if need be.

    Parameters
    ----------
    x0_px, y0_px : float
        A point of the line, in pixels of the upright image.
    slope : float
        dx/dy of the line, |slope| <= 1.
    transposed : bool
        Whether the edge was nearly horizontal, so that the image has been transposed to make it upright.
    """

    x0_px: float
    y0_px: float
    slope: float
    transposed: bool = False

    @property
    def angle_deg(self) -> float:
        """Tilt against the nearest pixel axis [deg], 0 to 45."""
        return float(np.degrees(np.arctan(abs(self.slope))))

    def distance_px(self, shape: tuple[int, ...]) -> NDArray[np.float64]:
        """Return the signed distance [px] of every pixel centre from the line, shape (H, W), along its normal."""
        y, x = np.indices(shape, dtype=np.float64)
        return np.asarray((x - self.x0_px - self.slope * (y - self.y0_px)) / np.hypot(1.0, self.slope))

    def shifted(self, offset_px: float, slope: float) -> EdgeLine:
        """Return the line moved by ``offset_px`` along x and turned by ``slope``."""
        return replace(self, x0_px=self.x0_px + offset_px, slope=self.slope + slope)


@dataclass(frozen=True)
class Bins:
    """Pixels sorted into even bins of their distance from an edge.

    Parameters
    ----------
    index : (n_pixels,) array of int
        The bin of each pixel.
    count : (n_bins,) array
        Pixels in each bin.
    lag : (n_bins,) array
        How far the mean distance of a bin's pixels lies beyond the bin's centre, in bins.
    """

    index: NDArray[np.intp]
    count: NDArray[np.float64]
    lag: NDArray[np.float64]

    @classmethod
    def of(cls, position: NDArray[np.float64]) -> Bins:
        """Sort positions >= 0, in units of a bin."""
        index = position.astype(np.intp)
        count = np.bincount(index).astype(np.float64)
        lag = np.bincount(index, weights=position - index - 0.5) / np.maximum(count, 1.0)
        return cls(index, count, lag)

    def profile(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the values at the bins' centres, shape (n_bins,).

        A bin's mean belongs to the mean position of its pixels; where the grid's phases fill a bin unevenly, as they
        do at slopes like 1/20, the profile's own gradient carries it to the centre.
        """
        total = np.bincount(self.index, weights=values, minlength=self.count.size)
        filled = self.count > 0
        bins = np.arange(self.count.size)
        mean = np.interp(bins, bins[filled], total[filled] / self.count[filled])
        return mean - self.lag * np.gradient(mean)


def find_line(image: NDArray[np.float64]) -> tuple[NDArray[np.float64], EdgeLine]:
    """Find the one strong edge of an image (H, W), coarsely.

    Returns
    -------
    upright : (H, W) or (W, H) array
        The image, transposed if its edge is nearly horizontal.
    line : EdgeLine
        The line, good to about a pixel; `fit_line` refines it.

    Raises
    ------
    InputError
        If the image is flat.
    """
    gradient_y, gradient_x = (
        ndimage.gaussian_filter(image, _SEARCH_SIGMA_PX, order=order, mode="nearest") for order in ((1, 0), (0, 1))
    )
    magnitude = np.hypot(gradient_x, gradient_y)
    steepest = float(magnitude.max())
    if steepest <= 1e-9 * float(np.abs(image).max()):
        raise InputError("no edge: the image is flat: give an image or a --roi with one slanted edge")
    strong = magnitude > _GRADIENT_SHARE * steepest
    transposed = float(np.sum(gradient_y[strong] ** 2)) > float(np.sum(gradient_x[strong] ** 2))
    upright, across, strong = (image.T, gradient_y.T, strong.T) if transposed else (image, gradient_x, strong)
    # Fit x over y by weighted least squares, dropping what lies far from the line.
    y, x = np.nonzero(strong)
    weight = np.abs(across[y, x])
    y0 = (len(upright) - 1) / 2
    keep = np.ones(x.shape, dtype=bool)
    slope, x0 = 0.0, float(np.median(x))
    for _ in range(10):
        if np.ptp(y[keep]) < 2:
            break
        slope, x0 = np.polyfit(y[keep] - y0, x[keep], 1, w=np.sqrt(weight[keep]))
        off = np.abs(x - x0 - slope * (y - y0))
        limit = max(3.0, 3.0 * float(np.median(off[keep])))
        if np.array_equal(keep, off <= limit):
            break
        keep = off <= limit
    return upright, EdgeLine(float(x0), y0, float(slope), transposed)


def fit_line(upright: NDArray[np.float64], line: EdgeLine, *, oversampling: int = 4) -> EdgeLine:
    """Refine a line by Gauss-Newton steps on every pixel near it, with the edge's own profile as the model.

    A wrong tilt leaves residuals that grow along the edge in proportion to the slope of the profile; a step removes
    what is proportional. Converges to the least-squares line without assuming a shape of the edge. The line that it
    starts with is good to a few pixels; ``oversampling`` is the number of the profile's bins per pixel.
    """
    along = np.indices(upright.shape, dtype=np.float64)[0] - line.y0_px
    for _ in range(_STEPS):
        distance = line.distance_px(upright.shape)
        near = np.abs(distance) < _REACH_PX
        position = (distance[near] + _REACH_PX) * oversampling
        profile = Bins.of(position).profile(upright[near])
        profile = ndimage.gaussian_filter1d(profile, oversampling / 2, mode="nearest")
        centres = np.arange(profile.size) + 0.5
        steepness = np.interp(position, centres, np.gradient(profile)) * oversampling
        residual = upright[near] - np.interp(position, centres, profile)
        design = np.stack([-steepness, -steepness * along[near]], axis=1)
        (offset, slope), *_ = np.linalg.lstsq(design, residual, rcond=None)
        line = line.shifted(float(np.clip(offset, -2, 2)), float(np.clip(slope, -0.05, 0.05)))
        if abs(slope) * upright.shape[0] < 1e-5 and abs(offset) < 1e-4:
            break
    return line


# A second edge: a change over _SPAN pixels that exceeds what lies nearer to the first edge by this share of it.
_SECOND_STEP = 0.04
_SPAN_PX = 6.0
# Structure left over after the edge is taken away, as a share of the step, in means over _BLOCK x _BLOCK pixels.
_LEFT_OVER = 0.04
_BLOCK = 8
# A bad pixel differs from the median along its row and its column by this share of the image's range, and this noise.
_BAD_SHARE = 0.3
_BAD_SIGMAS = 8.0
# What noise alone does to a statistic, times this, is not taken for structure.
_NOISE_SIGMAS = 6.0
# Share of the step that a uniform slope across the whole profile would make: doubtful, and no plateaus at all.
_SLOPE_WARNED = 0.02
_SLOPE_REFUSED = 0.5


def check_bad_pixels(pixels: NDArray[np.float64]) -> None:
    """Refuse dead and hot pixels, rows and columns: they would count as structure of the edge.

    A monotone profile equals its running median, however sharp, so an edge is never taken for a bad pixel.
    """
    off = np.zeros(pixels.shape, dtype=bool)
    span = float(np.subtract(*np.quantile(pixels, (0.99, 0.01))))
    for size in ((1, 5), (5, 1)):
        difference = np.abs(pixels - ndimage.median_filter(pixels, size=size, mode="nearest"))
        # The tenth largest differences: many are 0, where the pixel is the median of its neighbours itself.
        noise = float(np.quantile(difference, 0.9))
        off |= difference > max(_BAD_SHARE * span, _BAD_SIGMAS * noise)
    if off.any():
        y, x = np.argwhere(off)[0]
        count = int(off.sum())
        raise InputError(f"{count} bad pixels, the first at x={x} y={y}: correct them first, with --bad-pixels")


def check_edge(
    esf: NDArray[np.float64],
    distance_px: NDArray[np.float64],
    noise_esf: NDArray[np.float64],
    residual: NDArray[np.float64],
    inside: NDArray[np.bool_],
    *,
    step: float,
    noise: float,
) -> tuple[str, ...]:
    """Refuse what is not one straight edge between two plateaus, naming what is there instead; return caveats.

    The profile ``esf`` (n,) lies at distances [px] from the edge, ``noise_esf`` (m, n) is what noise alone gives there,
    ``residual`` the image less its edge and ``inside`` which of its pixels the profile covers, both (H, W). The height
    of the edge and the noise of the pixels on the plateaus are in grey levels.
    """
    _check_single(esf, distance_px, noise_esf)
    bad = _bad_lines(residual, inside, step)
    _check_straight(residual, inside & ~bad, step)
    if bad.any():
        raise InputError("dead pixel rows or columns across the edge: correct bad pixels first, with --bad-pixels")
    if step <= 2.0 * noise:
        raise InputError(
            f"no edge: a step of {step:.3g} in noise of {noise:.3g} grey levels: average more frames or give the "
            "--roi of an edge with contrast"
        )
    return _check_plateaus(esf, step, noise_esf)


def _check_single(esf: NDArray[np.float64], distance_px: NDArray[np.float64], noise_esf: NDArray[np.float64]) -> None:
    """Refuse a profile that steps again away from its edge.

    The changes of a blurred edge only fall with the distance, however long its tails; a second step rises again.
    """
    per_px = 1.0 / float(distance_px[1] - distance_px[0])
    span, width = int(_SPAN_PX * per_px), int(2 * per_px)
    smooth = ndimage.uniform_filter1d(esf, width, mode="nearest")
    blank = ndimage.uniform_filter1d(noise_esf, width, axis=1, mode="nearest")
    # At the very ends there is nothing to average over.
    smooth, blank, distance_px = smooth[width:-width], blank[:, width:-width], distance_px[width:-width]
    change = np.abs(smooth[span:] - smooth[:-span])
    centre = (distance_px[span:] + distance_px[:-span]) / 2
    largest = float(change.max())
    noise = _NOISE_SIGMAS * float(np.sqrt(np.mean(np.square(blank[:, span:] - blank[:, :-span]))))
    if largest <= noise:
        return
    outer = max(2, esf.size // 10)
    if float(np.ptp(smooth)) > 2.0 * abs(float(esf[:outer].mean() - esf[-outer:].mean())) + noise:
        raise InputError("two edges: the profile rises and falls again: give the --roi of one edge")
    around = (np.abs(centre) < 2 * _SPAN_PX) & (change > 0.5 * change[np.argmin(np.abs(centre))])
    reach = 2.0 * _SPAN_PX + (2.0 * float(np.ptp(centre[around])) if around.any() else 0.0)
    for side in (1.0, -1.0):
        beyond = side * centre > 0
        order = np.argsort(np.abs(centre[beyond]))
        far, changes = np.abs(centre[beyond][order]), change[beyond][order]
        rise = np.where(far > reach, changes - np.minimum.accumulate(changes), 0.0)
        if rise.size and float(rise.max()) > max(_SECOND_STEP * largest, noise):
            where = float(far[np.argmax(rise)])
            raise InputError(
                f"two edges: the profile steps again {where:.0f} pixels from the first: give the --roi of one edge"
            )


def _bad_lines(residual: NDArray[np.float64], inside: NDArray[np.bool_], step: float) -> NDArray[np.bool_]:
    """Return which pixels lie in dead rows and columns, whose single pixels differ too little to be seen one by one.

    The median along a line sees what most of its pixels share, and so not what crosses it.
    """
    bad = np.zeros(residual.shape, dtype=bool)
    seen = np.where(inside, residual, np.nan)
    for axis in (0, 1):
        whole = np.flatnonzero(inside.sum(axis=axis) > 0.5 * inside.shape[axis])
        if whole.size < 16:
            continue
        lines = np.nanmedian(np.take(seen, whole, axis=1 - axis), axis=axis)
        off = np.abs(lines - ndimage.median_filter(lines, size=5, mode="nearest"))
        limit = max(0.01 * step, _BAD_SIGMAS * float(np.quantile(off, 0.9)))
        lost = whole[off > limit]
        bad[:, lost] |= axis == 0
        bad[lost, :] |= axis == 1
    return bad


def _check_straight(residual: NDArray[np.float64], inside: NDArray[np.bool_], step: float) -> None:
    """Refuse an image in which more than one straight edge remains."""
    rows, columns = (side // _BLOCK for side in residual.shape)
    cut = (slice(0, rows * _BLOCK), slice(0, columns * _BLOCK))
    blocks = residual[cut].reshape(rows, _BLOCK, columns, _BLOCK).mean(axis=(1, 3))
    whole = inside[cut].reshape(rows, _BLOCK, columns, _BLOCK).all(axis=(1, 3))
    if not whole.any():
        return
    noise = 1.4826 * float(np.median(np.abs(blocks[whole])))
    largest = float(np.abs(blocks[whole]).max())
    if largest > max(_LEFT_OVER * step, 6.0 * noise):
        share = f"{100 * largest / step:.0f} % of the step" if step > largest else "more than the step"
        raise InputError(
            f"not one straight edge: {share} is left over after the line is fitted: give the --roi of one straight edge"
        )


def _check_plateaus(esf: NDArray[np.float64], step: float, noise_esf: NDArray[np.float64]) -> tuple[str, ...]:
    """Refuse a profile that still changes at its ends, where the MTF's zero would be anybody's guess."""
    shading = float(_end_slopes(esf[None]).max())
    noise = _NOISE_SIGMAS * float(np.sqrt(np.mean(np.square(_end_slopes(noise_esf)))))
    if shading > max(_SLOPE_REFUSED * step, noise):
        raise InputError(
            "no plateaus: the grey values still change at the ends of the profile: take a wider region or correct the "
            "flat field"
        )
    if shading > max(_SLOPE_WARNED * step, noise):
        text = f"plateaus slope: shading of {100 * shading / step:.0f} % of the step across the profile, by which the "
        return (text + "MTF may read low: correct the flat field or take a wider region",)
    return ()


def _end_slopes(profiles: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return what the slopes of both ends would add up to across the whole of each profile, shape (2, m)."""
    size = profiles.shape[1]
    outer = max(4, size // 10)
    half = outer // 2
    ends = (profiles[:, :outer], profiles[:, -outer:])
    # Between the means of a plateau's two halves lies half a plateau; a shading spans all of the profile.
    scale = size / (outer - half)
    return np.stack([scale * np.abs(end[:, :half].mean(axis=1) - end[:, -half:].mean(axis=1)) for end in ends])
