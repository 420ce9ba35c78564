"""Signal-to-noise ratio of a flat region, and normalised to the spatial resolution (ISO 17636-2)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import chi2

from xsim.errors import InputError
from xsim.measure.checks import check_not_clipped, grey_image

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from xsim.measure.edge import ROI

__all__ = ["FlatSNR", "flat_snr", "normalised_snr"]

_LINES, _LINE_PX = 55, 20
_BLOCK = 8
_REFERENCE_SRB_MM = 0.0886


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


def flat_snr(image: ArrayLike, *, roi: ROI | None = None, full_scale: float | None = None) -> FlatSNR:
    """Measure the SNR of a flat region as ISO 17636-2 does.

    Parameters
    ----------
    image : (H, W) array
        Grey values linear in exposure.
    roi : (x, y, width, height), optional
        The flat region, at least 20 x 55 pixels in either direction; the standard's own size is enough.
    full_scale : float, optional
        The largest grey value that the image format can hold.

    Raises
    ------
    InputError
        If the region is too small, saturated, constant or not positive.
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
    rows, columns = (side // _BLOCK for side in pixels.shape)
    blocks = pixels[: rows * _BLOCK, : columns * _BLOCK].reshape(rows, _BLOCK, columns, _BLOCK).mean(axis=(1, 3))
    # Differences of neighbours, so that shading does not count as noise.
    scatter = float(np.sqrt(np.mean(np.diff(blocks, axis=1) ** 2) / 2))
    return FlatSNR(mean / sigma, mean / (scatter * _BLOCK), mean, sigma, len(lines), caveats)


def normalised_snr(snr: float, srb_mm: float) -> float:
    """Return SNR_N = SNR * 0.0886 mm / SRb (ISO 17636-2), by which blur gains nothing."""
    if not (srb_mm > 0 and snr >= 0):
        raise InputError(f"SNR {snr:g} and SRb {srb_mm:g} mm: give an SNR of 0 or more and an SRb above 0")
    return snr * _REFERENCE_SRB_MM / srb_mm
