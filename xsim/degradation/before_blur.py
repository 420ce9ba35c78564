"""The grey-level link where physics has it: before the blur of the HR detector.

The two screens differ in grey where the object is, before either of them blurs: LR is a blur of h(x), HR a blur of x.
So what an HR image becomes in LR grey is M h(x) with x = M^-1 HR, M the MTF of the HR detector, and not h(HR), as h and
M do not commute. M^-1 does not exist where M is small; with a regularised inverse M+ the part of the image that it
cannot bring back goes past the curve unchanged:

    L(HR) = HR + M (h(M+ HR) - M+ HR),    M+ = M (1 + eps) / (M^2 + eps).

L is the identity where h is, and h itself where the image is flat. Its inverse is the same with the inverse of h.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["before_blur", "sharpening"]

_EPS: Final = 0.01
"""Regularisation of M+: it gains 5 at most, where M is 0.1, so that the noise of HR images stays small beside the greys
that the link tells apart."""

Map = TypeVar("Map")


def sharpening(mtf: Map) -> Map:
    """Return M+ for an MTF M, array or tensor: 1 where M is 1, close to 1 / M down to M of about 0.2, then to 0."""
    # Arrays and tensors have no common type; both know these operators.
    answer: Map = mtf * (1.0 + _EPS) / (mtf * mtf + _EPS)  # type: ignore[operator]
    return answer


def before_blur(
    image: NDArray[np.floating],
    curve: Callable[[NDArray[np.float64]], NDArray[np.floating]],
    mtf_hr: NDArray[np.floating] | None,
) -> NDArray[np.float64]:
    """Return L(image) on the image's own periodic grid; with the inverse curve, the inverse of L.

    Parameters
    ----------
    image : (H, W) array
        Grey levels, open field 1.0.
    curve : callable
        Takes grey levels to grey levels.
    mtf_hr : (H, W // 2 + 1) array, optional
        MTF of the HR detector; where it is not known (None) the curve acts on the image as it is.
    """
    grey = np.asarray(image, dtype=np.float64)
    if mtf_hr is None:
        return np.asarray(curve(grey), dtype=np.float64)
    sharp = np.fft.irfft2(sharpening(mtf_hr) * np.fft.rfft2(grey), s=grey.shape)
    return np.asarray(grey + np.fft.irfft2(mtf_hr * np.fft.rfft2(curve(sharp) - sharp), s=grey.shape))
