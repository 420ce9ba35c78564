"""Similarity of two images: RMSE, PSNR, bias, and SSIM as published by Wang et al. (2004), for a stated data range.

Images are linear with the open field at 1.0, so the data range is 1.0 unless given; nothing is clipped.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter, uniform_filter

from xsim.errors import InputError
from xsim.measure.checks import grey_image

__all__ = ["DATA_RANGE", "Comparison", "compare_images", "psnr_dB", "rmse", "ssim", "ssim_map"]

DATA_RANGE = 1.0
"""Grey level of the open field, the range that PSNR and SSIM refer to."""

# Window and constants of SSIM as published: 11 x 11 pixels, sigma 1.5, K1 = 0.01 and K2 = 0.03.
_RADIUS = 5
_SIGMA = 1.5
_C1 = (0.01 * DATA_RANGE) ** 2
_C2 = (0.03 * DATA_RANGE) ** 2
# Images of one object correlate by more than this in means over blocks of pixels, however blurred one of them is;
# those that hardly vary are flats.
_BLOCK, _COMMON, _FLAT = 8, 0.3, 0.01


def _pair(image: ArrayLike, reference: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    a, b = grey_image(image), grey_image(reference)
    if a.shape != b.shape:
        raise InputError(
            f"images of {a.shape[1]} x {a.shape[0]} and {b.shape[1]} x {b.shape[0]} pixels: give two of one size"
        )
    return a, b


def rmse(image: ArrayLike, reference: ArrayLike) -> float:
    """Return the root mean square difference of two images (H, W), in grey levels.

    Raises
    ------
    InputError
        If the shapes differ or a pixel is not finite.
    """
    a, b = _pair(image, reference)
    return float(np.sqrt(np.mean((a - b) ** 2)))


def psnr_dB(image: ArrayLike, reference: ArrayLike) -> float:
    """Return the peak signal-to-noise ratio [dB] for data range 1.0, infinite for equal images; errors as in `rmse`."""
    error = rmse(image, reference)
    return math.inf if error == 0 else 20 * math.log10(DATA_RANGE / error)


def _window_mean(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(gaussian_filter(values, _SIGMA, radius=_RADIUS, mode="reflect"))


def ssim_map(image: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """Return the structural similarity of every pixel, shape (H, W), for data range 1.0.

    Gaussian window of sigma 1.5 and 11 x 11 pixels, K1 = 0.01, K2 = 0.03, weighted (not sample) covariances:
    Wang et al., IEEE Trans. Image Process. 13 (2004) 600, equation (13). Within 5 pixels of the border the window
    reaches outside and sees a mirror image.

    Raises
    ------
    InputError
        If the shapes differ, a pixel is not finite, or the images are smaller than the window.
    """
    a, b = _pair(image, reference)
    if min(a.shape) <= 2 * _RADIUS:
        raise InputError(
            f"images of {a.shape[0]} x {a.shape[1]} px are smaller than SSIM's window: give 11 x 11 or more"
        )
    mean_a, mean_b = _window_mean(a), _window_mean(b)
    variance_a = _window_mean(a * a) - mean_a**2
    variance_b = _window_mean(b * b) - mean_b**2
    covariance = _window_mean(a * b) - mean_a * mean_b
    numerator = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2)
    denominator = (mean_a**2 + mean_b**2 + _C1) * (variance_a + variance_b + _C2)
    return np.asarray(numerator / denominator)


def ssim(image: ArrayLike, reference: ArrayLike) -> float:
    """Return the mean structural similarity of two images (H, W), without the 5 border pixels; see `ssim_map`."""
    inner = slice(_RADIUS, -_RADIUS)
    return float(ssim_map(image, reference)[inner, inner].mean())


def _unlike(a: NDArray[np.float64], b: NDArray[np.float64]) -> tuple[str, ...]:
    """Return a caveat where two images (H, W), open field 1, show different things, whatever their scores say."""
    smooth = [uniform_filter(image, _BLOCK)[::_BLOCK, ::_BLOCK].ravel() for image in (a, b)]
    # Flat fields have nothing in common but their level, and need not.
    if min(values.std() for values in smooth) < _FLAT:
        return ()
    common = float(np.corrcoef(smooth[0], smooth[1])[0, 1])
    if common > _COMMON:
        return ()
    turned = "one of them is inverted" if common < -_COMMON else "they are of different objects or not registered"
    return (f"the images have little in common (correlation {common:.2f}): {turned}",)


@dataclass(frozen=True)
class Comparison:
    """How alike two images are.

    Parameters
    ----------
    psnr_dB : float
        Peak signal-to-noise ratio [dB]; infinite for identical images.
    ssim : float
        Mean structural similarity (Wang et al. 2004).
    rmse, bias : float
        Root mean square and mean of image minus reference [grey levels].
    data_range : float
        The grey level of the open field, to which PSNR and SSIM refer.
    ssim_map : (H, W) array
        Local structural similarity.
    warnings : tuple of str
        Caveats of the comparison.
    """

    psnr_dB: float
    ssim: float
    rmse: float
    bias: float
    data_range: float
    ssim_map: NDArray[np.float64]
    warnings: tuple[str, ...] = ()

    @property
    def identical(self) -> bool:
        """Whether no pixel differs."""
        return self.rmse == 0


def compare_images(
    image: ArrayLike, reference: ArrayLike, *, data_range: float | None = None, full_scale: float | None = None
) -> Comparison:
    """Compare two images.

    Parameters
    ----------
    image, reference : (H, W) arrays
        Grey values on one scale.
    data_range : float, optional
        Grey level of the open field. Without it 1 for floating point, as everywhere in xsim, and the format's white
        level for integers, which flatters images that do not fill it.
    full_scale : float, optional
        The format's white level; that of the integer type if not given.

    Raises
    ------
    InputError
        If the shapes or kinds of number differ, the images are too small for SSIM, or the range is not positive.
    """
    kinds = [np.asarray(pixels).dtype for pixels in (image, reference)]
    a, b = _pair(image, reference)
    caveats: tuple[str, ...] = ()
    if data_range is None:
        if (kinds[0].kind == "f") != (kinds[1].kind == "f"):
            raise InputError(f"images of types {kinds[0]} and {kinds[1]}: scale one, or give --data-range")
        if kinds[1].kind == "f":
            data_range = 1.0
        else:
            data_range = float(full_scale or np.iinfo(kinds[1]).max)
            caveats = (
                f"data range {data_range:g} is the format's: give --data-range, the grey level of the open field",
            )
    if not (data_range > 0 and np.isfinite(data_range)):
        raise InputError(f"data range {data_range:g}: give the grey level of the open field, above 0")
    scaled = a / data_range, b / data_range
    caveats += _unlike(*scaled)
    error = rmse(*scaled) * data_range
    bias = float(np.mean(a - b))
    return Comparison(psnr_dB(*scaled), ssim(*scaled), error, bias, data_range, ssim_map(*scaled), caveats)
