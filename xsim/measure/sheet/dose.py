"""SNR of flat fields at several doses, normalised to resolution and to 1 mGy, in the manner of ASTM E2597.

Noise is taken from differences of frames, which holds neither the detector's fixed pattern nor the heel effect.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from xsim.detector.detector import KERMA_RANGE_UGY
from xsim.detector.performance import REFERENCE_SRB_MM
from xsim.errors import InputError, check_range
from xsim.measure.checks import check_not_clipped, grey_image
from xsim.measure.noise import check_flat

__all__ = ["REFERENCE_KERMA_UGY", "DoseSNR", "Efficiency", "dose_snr", "efficiency"]

REFERENCE_KERMA_UGY = 1000.0
"""The dose to which E2597 reads SNR off: 1 mGy [uGy]."""

# E2597 takes the noise in windows of 50 x 50 pixels: structure wider than that is no noise.
_WINDOW_PX = 50
# Doses that differ by less than this in all tell reading noise from quantum noise too badly.
_SPAN = 2.0
# How far beyond the doses that were shot the law is followed without a word, as a factor.
_NEAR = 1.5
# SNRs that lie farther from one law than this are not of the doses that were told.
_DEPARTURE = 0.05
# Frames of one dose do not differ by more than this.
_DRIFT = 0.05


@dataclass(frozen=True)
class DoseSNR:
    """Signal-to-noise ratio of flat fields at one dose.

    Parameters
    ----------
    kerma_uGy : float
        Air kerma of a frame at the detector [uGy].
    mean : float
        Grey value.
    dsnr : float
        Mean over standard deviation, the latter from differences of successive frames over sqrt(2), the median over
        windows of 50 x 50 pixels.
    frames, windows : int
        How many frames and windows there were.
    warnings : tuple of str
        Caveats of the measurement.
    """

    kerma_uGy: float
    mean: float
    dsnr: float
    frames: int
    windows: int
    warnings: tuple[str, ...] = ()


def dose_snr(frames: Sequence[ArrayLike], kerma_uGy: float, *, full_scale: float | None = None) -> DoseSNR:
    """Measure the SNR of flat fields of one dose.

    Parameters
    ----------
    frames : sequence of (H, W) arrays
        Two or more flats of the same exposure, offset corrected and linear, 50 pixels a side or more.
    kerma_uGy : float
        Air kerma of one frame at the detector [uGy].
    full_scale : float, optional
        The largest grey value that the image format can hold.

    Raises
    ------
    InputError
        If there is one frame, or the frames are unlike, saturated, constant, not positive or not flat.
    PhysicsRangeError
        If the kerma is out of range.
    """
    check_range("kerma", kerma_uGy, *KERMA_RANGE_UGY, "uGy")
    if len(frames) < 2:
        raise InputError(f"{len(frames)} flat at {kerma_uGy:g} uGy: give two or more, whose difference is the noise")
    images = [grey_image(frame, smallest_px=_WINDOW_PX) for frame in frames]
    if len({image.shape for image in images}) > 1:
        raise InputError(f"flats of {kerma_uGy:g} uGy differ in size: give frames of one detector")
    means = np.array([float(image.mean()) for image in images])
    if not (means > 0).all():
        raise InputError(f"mean grey {means.min():.3g} is not positive: give exposed flats, offset corrected")
    if np.ptp(means) > _DRIFT * means.mean():
        raise InputError(
            f"flats of {kerma_uGy:g} uGy differ by {100 * np.ptp(means) / means.mean():.0f} % in mean grey: "
            "give frames of one exposure"
        )
    caveats = check_not_clipped(images[0], full_scale=full_scale)
    caveats += tuple(check_flat(images[0], f"the flat of {kerma_uGy:g} uGy"))
    ratios = [_window_snr(one, other) for one, other in pairwise(images)]
    dsnr = float(np.median(ratios))
    if not np.isfinite(dsnr):
        raise InputError(f"flats of {kerma_uGy:g} uGy are equal: they hold no noise to measure")
    return DoseSNR(kerma_uGy, float(means.mean()), dsnr, len(images), int(ratios[0].size), caveats)


def _window_snr(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the SNR of every window of two frames (H, W), (n,)."""
    rows, columns = (side // _WINDOW_PX for side in one.shape)

    def windows(image: NDArray[np.float64]) -> NDArray[np.float64]:
        cut = image[: rows * _WINDOW_PX, : columns * _WINDOW_PX]
        parts = cut.reshape(rows, _WINDOW_PX, columns, _WINDOW_PX)
        return np.asarray(np.moveaxis(parts, 2, 1).reshape(rows * columns, -1))

    mean = windows((one + other) / 2).mean(axis=1)
    sigma = windows(one - other).std(axis=1, ddof=1) / np.sqrt(2.0)
    return np.asarray(np.divide(mean, sigma, out=np.full(mean.size, np.inf), where=sigma > 0))


@dataclass(frozen=True)
class Efficiency:
    """SNR over dose, and what it is at 1 mGy.

    Parameters
    ----------
    dsnr_1mGy : float
        SNR of differences at 1 mGy.
    dsnrn_1mGy : float or None
        The same normalised to the basic spatial resolution: times 88.6 um / iSRb; None without one.
    dsnrn : tuple of float or None
        dSNRn at each dose.
    read_noise_share : float or None
        Share of the noise power at the lowest dose that falls with the square of the dose (electronics); None from
        less than three doses.
    departure : float
        Largest relative departure of a dose's SNR from the law.
    extrapolated : bool
        Whether 1 mGy lies beyond the doses.
    warnings : tuple of str
        Caveats.
    """

    dsnr_1mGy: float
    dsnrn_1mGy: float | None
    dsnrn: tuple[float, ...] | None
    read_noise_share: float | None
    departure: float
    extrapolated: bool
    warnings: tuple[str, ...] = ()


def efficiency(points: Sequence[DoseSNR], isrb_mm: float | None = None) -> Efficiency:
    """Return the SNR at 1 mGy from flats of one dose or more, and its normalisation to a resolution [mm].

    The relative noise power of a detector is q / D + e / D^2 of the dose D: quanta and light, and the electronics.
    Both are fitted to three doses or more that differ at least twofold; to fewer, q alone, which is the straight line
    over sqrt(D) from which E2597 reads 1 mGy.

    Raises
    ------
    InputError
        If there are no doses, or the resolution is not positive.
    """
    if not points:
        raise InputError("no flats: give two frames of one dose at least")
    if isrb_mm is not None and not isrb_mm > 0:
        raise InputError(f"resolution {isrb_mm:g} mm is not above 0: give the iSRb")
    dose = np.array([point.kerma_uGy for point in points]) / REFERENCE_KERMA_UGY
    power = np.array([point.dsnr for point in points]) ** -2.0
    both = np.unique(dose).size >= 3 and dose.max() >= _SPAN * dose.min()
    terms = np.stack([1 / dose, 1 / dose**2], axis=1)[:, : 2 if both else 1]
    # Each SNR is known to about the same share of itself.
    coefficients, _ = nnls(terms / power[:, None], np.ones(dose.size))
    law = terms @ coefficients
    departure = float(np.abs(np.sqrt(law / power) - 1).max())
    extrapolated = not dose.min() / _NEAR <= 1.0 <= dose.max() * _NEAR
    caveats: tuple[str, ...] = ()
    if extrapolated:
        text = f"1 mGy is beyond the doses of {1000 * dose.min():.3g} to {1000 * dose.max():.3g} uGy: the SNR there "
        caveats += (text + "follows the law that they keep, saturation aside",)
    if departure > _DEPARTURE:
        text = f"the SNRs depart by {100 * departure:.0f} % from what quanta and electronics make of the doses: "
        caveats += (text + "check the kermas",)
    dsnr = float(coefficients.sum() ** -0.5)
    scale = None if isrb_mm is None else REFERENCE_SRB_MM / isrb_mm
    low = int(np.argmin(dose))
    return Efficiency(
        dsnr_1mGy=dsnr,
        dsnrn_1mGy=None if scale is None else dsnr * scale,
        dsnrn=None if scale is None else tuple(scale * point.dsnr for point in points),
        read_noise_share=float(coefficients[1] * terms[low, 1] / law[low]) if both else None,
        departure=departure, extrapolated=extrapolated, warnings=caveats,
    )  # fmt: skip
