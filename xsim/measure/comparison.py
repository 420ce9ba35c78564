"""Two images side by side: PSNR, SSIM with its map, RMSE and bias, for a data range that is stated."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from xsim.errors import InputError
from xsim.measure.checks import grey_image
from xsim.measure.similarity import psnr_dB, rmse, ssim, ssim_map

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["Comparison", "compare_images"]


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
    a, b = grey_image(image), grey_image(reference)
    if a.shape != b.shape:
        raise InputError(
            f"images of {a.shape[1]} x {a.shape[0]} and {b.shape[1]} x {b.shape[0]} pixels: give two of one size"
        )
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
    return Comparison(
        psnr_dB(*scaled),
        ssim(*scaled),
        rmse(*scaled) * data_range,
        float(np.mean(a - b)),
        data_range,
        ssim_map(*scaled),
        caveats,
    )
