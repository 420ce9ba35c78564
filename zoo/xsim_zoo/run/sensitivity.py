"""What hangs on an estimated blur: the restoration at both ends of its interval."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from xsim_zoo.process.grid import Pixels
from xsim_zoo.run.restore import noise_level

if TYPE_CHECKING:
    from xsim_zoo.run.restore import Restored

__all__ = ["blur_ends"]

_MARGIN_PX: Final = 96
"""What is restored around the window, so that its edges are as in the whole image [px]."""


def blur_ends(
    restored: Restored, window: tuple[slice, slice]
) -> tuple[NDArray[np.float32], NDArray[np.float32]] | None:
    """Return a window of the first page, restored as if the detector were as blurry, and as sharp, as it may be.

    Parameters
    ----------
    restored : Restored
        The restoration.
    window : (rows, columns)
        The window [px].

    Returns
    -------
    tuple of (h, w) arrays or None
        At the low and the high end of the 95 % interval; None where the detector was not estimated.
    """
    found = restored.detectors
    known, target = found.known, found.target
    if not found.estimated or known is None or target is None or known.blur_spread is None:
        return None
    page = next(restored.source.images())
    around = tuple(
        slice(max(part.start - _MARGIN_PX, 0), min(part.stop + _MARGIN_PX, side))
        for part, side in zip(window, page.shape, strict=True)
    )
    inside = tuple(
        slice(part.start - outer.start, part.stop - outer.start) for part, outer in zip(window, around, strict=True)
    )
    y = restored.scale.linear(page[around])
    whole = Pixels(page, restored.scale.linear)
    level = noise_level(whole, found.restorer, restored.first_factor)
    ends = []
    for factor in (1 / known.blur_spread, known.blur_spread):
        between = known.with_blur(factor).degradation(target)
        physics = replace(found.restorer.physics, degradation=between)
        answer = found.restorer.with_physics(physics).restore_array(y, noise_level=level)
        ends.append(answer[inside])
    return ends[0], ends[1]
