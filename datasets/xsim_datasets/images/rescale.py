"""Linear scales that a file puts over its stored grey levels: where no signal lies, and which way signal counts."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from xsim_datasets.images.radiograph import Radiograph

__all__ = ["rescaled"]

# Noise around no signal makes some values negative; more of them are no exposures.
_MOST_NEGATIVE = 0.01


def rescaled(radiograph: Radiograph, slope: float, intercept: float, whose: str) -> Radiograph:
    """Return a radiograph that knows what its file's scale, ``slope`` x stored + ``intercept``, says.

    The pixels stay as they are stored, so that what is written has the file's own scale without any rounding: of a
    straight line only its zero and the sign of its slope matter to a transmission.

    Parameters
    ----------
    radiograph : Radiograph
        As stored, black low.
    slope, intercept : float
        The scale, of the levels in the file.
    whose : str
        What the scale is called, for people.
    """
    if slope == 1.0 and intercept == 0.0:
        return radiograph
    said = f"{whose} ({slope:g} x stored {'-' if intercept < 0 else '+'} {abs(intercept):g})"
    if not (math.isfinite(slope) and math.isfinite(intercept)) or slope == 0.0:
        return replace(radiograph, doubts=(*radiograph.doubts, f"{said} is no scale: not applied"))
    stored_zero = -intercept / slope
    zero = radiograph.turned(stored_zero)
    dark = (slope > 0) != radiograph.white_is_zero
    negative = float(np.mean(radiograph.pixels < zero if dark else radiograph.pixels > zero))
    if negative > _MOST_NEGATIVE:
        doubt = f"{said} makes {negative:.0%} of the grey levels negative, which no exposure is: not applied"
        return replace(radiograph, doubts=(*radiograph.doubts, doubt))
    if radiograph.polarity not in {None, "metal-dark" if dark else "metal-bright"}:
        doubt = f"{said} counts the other way than {radiograph.polarity_reason} says: not applied"
        return replace(radiograph, doubts=(*radiograph.doubts, doubt))
    note = f"{said} applied: grey level {stored_zero:.6g} is no signal; levels are given as they are stored"
    found = replace(radiograph, zero=zero, notes=(*radiograph.notes, note))
    if slope < 0 and radiograph.polarity is None:
        return replace(found, polarity="metal-dark" if dark else "metal-bright", polarity_reason="its negative slope")
    return found
