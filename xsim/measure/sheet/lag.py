"""Image lag: what an exposure leaves behind in the frames after it, in the manner of ASTM E2597."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from xsim.errors import InputError
from xsim.measure.checks import grey_image

__all__ = ["Lag", "image_lag"]

# The beam is off once the signal falls below this share of the frame before.
_OFF = 0.5
# The frames before are steady to this share.
_STEADY = 0.05
# A first frame that keeps more than this was still exposed for part of its time.
_PARTLY = 0.25


@dataclass(frozen=True)
class Lag:
    """Image lag.

    Parameters
    ----------
    percent : tuple of float
        Signal left in the first, second, ... frame after the beam went off, in % of the last exposed one.
    exposed : float
        Grey value of the last exposed frame.
    first : (H, W) array
        The first frame after the beam, offset corrected.
    warnings : tuple of str
        Caveats of the measurement.
    """

    percent: tuple[float, ...]
    exposed: float
    first: NDArray[np.float64]
    warnings: tuple[str, ...] = ()

    @property
    def first_percent(self) -> float:
        """Return the lag of the first frame [%]."""
        return self.percent[0]


def image_lag(frames: Sequence[ArrayLike], dark: Sequence[ArrayLike] = ()) -> Lag:
    """Measure the lag from successive frames during which the beam goes off.

    Parameters
    ----------
    frames : sequence of (H, W) arrays
        Successive frames in their order in time: exposed ones, then one or more after the beam went off.
    dark : sequence of (H, W) arrays, optional
        Frames long after any exposure: the offset. Without them the frames are taken to be offset corrected.

    Raises
    ------
    InputError
        If the signal does not fall once, or is not steady before.
    """
    images = [grey_image(frame, smallest_px=8) for frame in frames]
    offsets = [grey_image(frame, smallest_px=8) for frame in dark]
    if len(images) < 2 or len({image.shape for image in (*images, *offsets)}) > 1:
        raise InputError("frames of the lag: give two or more of one size, exposed first, then without the beam")
    offset = np.mean(offsets, axis=0) if offsets else np.zeros(images[0].shape)
    level = np.array([float(np.median(image - offset)) for image in images])
    exposed = int(np.argmax(level[:-1] - level[1:]))
    if not (
        level[exposed] > 0
        and level[exposed + 1] < _OFF * level[exposed]
        and level[exposed + 1 :].max() < _OFF * level[exposed]
    ):
        raise InputError(
            "no lag to measure: the signal does not fall to less than half from one frame to the next and stay there: "
            "give successive frames in their order, exposed first, then without the beam"
        )
    if np.abs(level[: exposed + 1] / level[exposed] - 1).max() > _STEADY:
        raise InputError("the exposed frames are not steady: give frames from when the signal has settled")
    percent = 100 * level[exposed + 1 :] / level[exposed]
    caveats: tuple[str, ...] = ()
    if not offsets:
        caveats += ("no dark frames: the frames are taken to be offset corrected, and an offset would count as lag",)
    if percent[0] > 100 * _PARTLY:
        caveats += (f"{percent[0]:.0f} % in the first frame: the beam may have been on for part of it",)
    return Lag(tuple(percent.tolist()), float(level[exposed]), images[exposed + 1] - offset, caveats)
