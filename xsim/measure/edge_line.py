"""Where a slanted edge lies: a straight line found coarsely, then fitted with every pixel near it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

from xsim.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["Bins", "EdgeLine", "find_line", "fit_line"]

# The smallest gradient that belongs to the edge, as a share of the steepest.
_GRADIENT_SHARE = 0.3
# Smoothing [px] before the coarse search: it only has to see the edge above the noise.
_SEARCH_SIGMA_PX = 2.0


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

    def distance_px(self, shape: tuple[int, int]) -> NDArray[np.float64]:
        """Return the signed distance [px] of every pixel centre from the line, shape (H, W), along its normal."""
        y, x = np.indices(shape, dtype=np.float64)
        return np.asarray((x - self.x0_px - self.slope * (y - self.y0_px)) / np.hypot(1.0, self.slope))

    def shifted(self, offset_px: float, slope: float) -> EdgeLine:
        """Return the line moved by ``offset_px`` along x and turned by ``slope``."""
        return EdgeLine(self.x0_px + offset_px, self.y0_px, self.slope + slope, self.transposed)


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
    """Find the one strong edge of an image, coarsely.

    Parameters
    ----------
    image : (H, W) array
        Linear grey values.

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
    power_x = float(np.sum(gradient_x[strong] ** 2))
    power_y = float(np.sum(gradient_y[strong] ** 2))
    transposed = power_y > power_x
    upright, across, strong = (image.T, gradient_y.T, strong.T) if transposed else (image, gradient_x, strong)
    y, x = np.nonzero(strong)
    return upright, _robust_line(x, y, np.abs(across[y, x]), upright.shape, transposed)


def _robust_line(
    x: NDArray[np.intp], y: NDArray[np.intp], weight: NDArray[np.float64], shape: tuple[int, ...], transposed: bool
) -> EdgeLine:
    """Fit x over y by weighted least squares, dropping what lies far from the line."""
    y0 = (shape[0] - 1) / 2
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
    return EdgeLine(float(x0), y0, float(slope), transposed)


def fit_line(
    upright: NDArray[np.float64], line: EdgeLine, *, oversampling: int = 4, reach_px: float = 12.0, rounds: int = 20
) -> EdgeLine:
    """Refine a line by Gauss-Newton steps on every pixel near it, with the edge's own profile as the model.

    A wrong tilt leaves residuals that grow along the edge in proportion to the slope of the profile; a step removes
    what is proportional. Converges to the least-squares line without assuming a shape of the edge.

    Parameters
    ----------
    upright : (H, W) array
        The image with the edge nearly vertical.
    line : EdgeLine
        Where to start, good to a few pixels.
    oversampling : int
        Bins per pixel of the profile.
    reach_px : float
        How far from the line pixels take part [px].
    rounds : int
        Most steps to take.
    """
    along = np.indices(upright.shape, dtype=np.float64)[0] - line.y0_px
    for _ in range(rounds):
        distance = line.distance_px((upright.shape[0], upright.shape[1]))
        near = np.abs(distance) < reach_px
        position = (distance[near] + reach_px) * oversampling
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
