"""Numbers as people read them."""

from __future__ import annotations

import math

__all__ = ["tick_label", "written"]

_SUPERSCRIPTS = str.maketrans("0123456789-", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻")


def written(value: float, spec: str) -> str:
    """Return ``value`` in the format ``spec``, with a true minus, and no sign before what is rounded to zero."""
    text = format(value, spec)
    if not any(digit in text for digit in "123456789"):
        text = text.lstrip("+-")
    return text.replace("-", "\N{MINUS SIGN}")


def tick_label(value: float) -> str:
    """Return a round number in full, or as a multiple of a power of ten where that would be long."""
    if value == 0 or 1e-3 <= abs(value) < 1e5:
        return written(value, ".6g")
    power = math.floor(math.log10(abs(value)) + 1e-9)
    factor = written(value / 10.0**power, ".3g")
    ten = "10" + str(power).translate(_SUPERSCRIPTS)
    return ten if factor == "1" else f"{factor}\N{MIDDLE DOT}{ten}"
