"""Why a result cannot be judged: what of an image's scale is only guessed, or is no measurement of transmission."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from xsim_zoo.process.conditions import open_field_rms

if TYPE_CHECKING:
    from xsim.degradation.degradation import Degradation
    from xsim_datasets.images import Radiograph, Scale

__all__ = ["bounded", "doubts_of", "thinned"]

_SIGMAS: Final = 6.0
"""Standard deviations of noise that no pixel of an image exceeds by chance."""

_MARGIN: Final = 0.05
"""How far beyond the open field grey levels may lie for other reasons than noise: the beam is not even, scatter adds to
it, and edges that are restored overshoot a little."""

_TOO_BRIGHT: Final = 1e-3
"""Share of pixels beyond the open field from which on it is wrong: fewer may be specks."""

_COUNTED_PX: Final = 1_000_000
"""Pixels that are looked at of a large image: a share of .1 % is then known to a few percent."""

_ROWS: Final = 512
"""Rows that are held at a time, as images may be large."""


def doubts_of(source: Radiograph, scale: Scale, between: Degradation, factor: float | None) -> tuple[str, ...]:
    """Return why a result cannot be judged, whatever it looks like; nothing where there is no reason.

    Parameters
    ----------
    source : Radiograph
        The image.
    scale : Scale
        What its grey levels were taken to mean.
    between : Degradation
        What lies between its detectors.
    factor : float, optional
        Noise power of the image in units of what these let expect.
    """
    doubts = scale.doubts
    if not scale.polarity_seen:
        doubts += ("the polarity is a guess (--polarity)",)
    if not scale.open_field_seen:
        # What is brighter than a guess says nothing.
        return (*doubts, "the open field is a guess (--open-field)")
    most = 1 + _MARGIN + _SIGMAS * open_field_rms(between) * float(np.sqrt(factor or 1.0))
    share = max(float(np.mean(scale.linear(thinned(page)) > most)) for page in source.images())
    if share > _TOO_BRIGHT:
        level = source.turned(scale.open_field)
        doubts += (f"{share:.1%} of the pixels are brighter than the open field, grey level {level:.6g}",)
    return doubts


def thinned(page: NDArray[Any]) -> NDArray[Any]:
    """Return every n-th row and column of a page, so many that quantiles hold to a tenth of a percent."""
    stride = max(1, int(np.sqrt(page.size / _COUNTED_PX)))
    return page[::stride, ::stride]


def bounded(
    image: NDArray[np.float32],
    y: NDArray[np.floating],
    between: Degradation,
    level: float,
    *,
    open_field_seen: bool = True,
) -> int:
    """Hold an image (H, W) to what transmission allows, in place, and return how many pixels were beyond.

    That is 0 to the open field, and where the measurement itself goes beyond it, what that shows; by a margin of 5 % of
    the open field and six standard deviations of its noise.

    Parameters
    ----------
    image : (H, W) array
        Restored, open field 1.0.
    y : (h, w) array
        The measurement, or some of its rows and columns.
    between : Degradation
        What lies between its detectors.
    level : float
        Noise power of the image relative to their open field.
    open_field_seen : bool
        Whether the open field is known; a guess bounds nothing above.
    """
    margin = _MARGIN + _SIGMAS * open_field_rms(between) * float(np.sqrt(max(level, 1.0)))
    shown = np.quantile(y, [_TOO_BRIGHT, 1 - _TOO_BRIGHT])
    low = min(0.0, float(shown[0])) - margin
    high = max(1.0, float(shown[1])) + margin if open_field_seen else np.inf
    beyond = 0
    for first in range(0, len(image), _ROWS):
        rows = image[first : first + _ROWS]
        outside = int(np.count_nonzero(rows < low)) + int(np.count_nonzero(rows > high))
        if outside:
            np.clip(rows, low, high, out=rows)
        beyond += outside
    return beyond
