"""A radiograph as its file holds it: grey levels in their own type, and what the file says about them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.keywords import names_keywords
from xsim_datasets.images.scale import Polarity

__all__ = ["BOMB_BYTES", "BOMB_RATIO", "MAX_PIXELS", "Radiograph", "check_claim", "check_pixels"]

MAX_PIXELS = 2**29
"""Most pixels that a file may claim before anything is decoded (23,000 x 23,000)."""

BOMB_BYTES, BOMB_RATIO = 2**28, 200
"""What inflates beyond both is no radiograph but a bomb: their noise alone keeps them from packing 200 times."""

# Squares and sums of grey levels are computed in 32 bits of floating point, which end at 3e38 and 1e-38. No detector
# counts so many quanta, and no scale is made so fine.
_LARGEST, _SMALLEST = 1e15, 1e-15
# One part in 2^24: what 32 bits of floating point tell apart.
_FINEST = 2.0**-24
# One row or column of pixels is a line, no image.
_MIN_SIDE_PX = 2


@names_keywords
@dataclass(frozen=True)
class Radiograph:
    """Grey levels and what their file says about them.

    Parameters
    ----------
    pixels : (H, W) or (pages, H, W) array
        Grey levels in the file's own type, black at the low end: files that hold white at zero are inverted when
        they are read, and inverted back when they are written.
    kind : str
        "tiff", "png", "jpeg", "bmp", "npy", "dicom", "raw" or "array".
    pitch_mm : float, optional
        Pixel pitch [mm], where the file says it.
    white : float, optional
        Highest grey level that the file can hold; None for floating point.
    white_is_zero : bool
        Whether the file holds white at zero.
    open_field : float, optional
        Grey level of the open field, where the file says it.
    notes : tuple of str
        What the reader assumed or could not take over, for people.
    header : mapping
        What only the writer of this kind understands: tags, private elements, layout.
    polarity : str, optional
        What metal is in ``pixels``, where the file says it: "metal-dark" or "metal-bright".
    intensity : str, optional
        How grey levels follow the exposure, where the file says it: "linear" or "log".
    doubts : tuple of str
        Why its grey levels may not be what physics assumes, e.g. "lossy compression (JPEG)"; empty where nothing is
        known against them.
    pitch_doubt : str
        Why what the file says about its pitch is not used; also among ``notes``.
    polarity_reason : str
        What says ``polarity``.
    zero : float, optional
        Grey level of no signal in ``pixels``, where the file's scale says it.
    """

    pixels: NDArray[Any]
    kind: str
    pitch_mm: float | None = None
    white: float | None = None
    white_is_zero: bool = False
    open_field: float | None = None
    notes: tuple[str, ...] = ()
    header: Mapping[str, Any] = field(default_factory=dict, repr=False)
    polarity: Polarity | None = None
    intensity: Literal["linear", "log"] | None = None
    doubts: tuple[str, ...] = ()
    pitch_doubt: str = ""
    polarity_reason: str = ""
    zero: float | None = None

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of the grey levels."""
        return self.pixels.dtype

    @property
    def pages(self) -> int:
        """Number of images in the file."""
        return 1 if self.pixels.ndim == 2 else len(self.pixels)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width [px]."""
        return int(self.pixels.shape[-2]), int(self.pixels.shape[-1])

    def images(self) -> Iterator[NDArray[Any]]:
        """Yield the image (H, W) of each page."""
        yield from self.pixels.reshape(-1, *self.shape)

    def turned(self, level: float) -> float:
        """Return a grey level of ``pixels`` as it stands in the file, or one of the file as it stands in ``pixels``.

        The two differ where the file holds white at zero.
        """
        return self.white - level if self.white_is_zero and self.white is not None else level

    def with_pixels(self, pixels: NDArray[Any]) -> Radiograph:
        """Return a radiograph of the same file with other grey levels.

        Raises
        ------
        InputError
            If their shape or type differs.
        """
        if pixels.shape != self.pixels.shape or pixels.dtype != self.dtype:
            raise InputError(
                f"{pixels.dtype} pixels of shape {pixels.shape} were given: "
                f"the file holds {self.dtype} of shape {self.pixels.shape}"
            )
        return replace(self, pixels=pixels)


def check_claim(shape: tuple[int, ...], dtype: np.dtype[Any], file_bytes: int, max_pixels: int) -> None:
    """Refuse sizes that a file claims but cannot or should not hold, before anything is decoded.

    Parameters
    ----------
    shape : tuple of int
        Shape claimed, pages first.
    dtype : dtype
        Type claimed.
    file_bytes : int
        Size of the file [bytes].
    max_pixels : int
        Most pixels allowed.

    Raises
    ------
    InputError
        If it is empty, larger than allowed, or inflates beyond belief.
    """
    pixels = math.prod(int(side) for side in shape)
    size = " x ".join(str(side) for side in shape)
    if min(shape) < 1 or min(shape[-2:]) < _MIN_SIDE_PX:
        raise InputError(f"holds an image of {size} pixels: give one of at least {_MIN_SIDE_PX} x {_MIN_SIDE_PX}")
    if pixels > max_pixels:
        raise InputError(f"claims {size} pixels: at most {max_pixels} are read: cut it into parts")
    claimed = pixels * dtype.itemsize
    if claimed > BOMB_BYTES and claimed > BOMB_RATIO * file_bytes:
        raise InputError(f"claims {claimed} bytes of pixels in a file of {file_bytes}: no radiograph packs so well")


def check_pixels(pixels: NDArray[Any], *, uniform: bool = False) -> NDArray[Any]:
    """Return decoded pixels in native byte order if they can be a radiograph.

    Raises
    ------
    InputError
        If they are not real numbers, hold NaN or infinity, are too large or too small to be counted, or hold one grey
        level only and are not to be ``uniform``.
    """
    kind = pixels.dtype.kind
    if kind not in "uif" or pixels.dtype.itemsize > 8:
        raise InputError(f"holds {pixels.dtype} pixels: give integers or floating point of up to 64 bits")
    native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    # The sum of finite numbers can overflow, so minimum and maximum decide: either is NaN where any pixel is.
    low, high = native.min(), native.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        bad = int(np.count_nonzero(~np.isfinite(native)))
        raise InputError(f"holds {bad} pixels that are NaN or infinite: mask or repair them first")
    largest = max(abs(float(low)), abs(float(high)))
    if largest > _LARGEST or 0.0 < largest < _SMALLEST:
        raise InputError(f"holds grey levels of up to {largest:.3g}, which no detector counts: scale them first")
    if low == high and not uniform:
        raise InputError(f"holds one grey level only ({low:g}): there is nothing to see: check what wrote it")
    if not uniform and float(high) - float(low) < largest * _FINEST:
        raise InputError(f"holds {low!s} to {high!s}, one grey level where 32 bits compute: subtract what they share")
    return native
