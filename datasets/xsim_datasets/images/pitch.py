"""What a file says about its pixel pitch: believed, doubted or put aside, and why."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

from xsim.errors import InputError

__all__ = [
    "MM_PER_INCH",
    "MM_PER_UNIT",
    "Pitch",
    "check_aspect",
    "pitch_from_dpi",
    "pitch_from_metric",
    "pitch_from_spacing",
]

MM_PER_INCH: Final = 25.4

# The signs for micro in Unicode (U+00B5, U+03BC), and as ImageJ escapes the first.
_MICRO = ("u", "\u00b5", "\u03bc", "\\u00b5")
MM_PER_UNIT: Final[dict[str, float]] = {
    **dict.fromkeys(("m", "meter", "meters", "metre", "metres"), 1e3),
    **dict.fromkeys(("cm", "centimeter", "centimeters", "centimetre", "centimetres"), 10.0),
    **dict.fromkeys(("mm", "millimeter", "millimeters", "millimetre", "millimetres"), 1.0),
    **dict.fromkeys(("micron", "microns", "micrometer", "micrometers", "micrometre", "micrometres"), 1e-3),
    **dict.fromkeys((f"{sign}m" for sign in _MICRO), 1e-3),
    **dict.fromkeys(("nm", "nanometer", "nanometers", "nanometre", "nanometres"), 1e-6),
    **dict.fromkeys(("in", "inch", "inches", '"'), MM_PER_INCH),
}
"""Name of a unit of length, in lower case -> its length [mm]."""

# Of screens and of print: what Windows, macOS and photo programs write into files that they know nothing about.
_PRINTING = (72.0, 96.0, 300.0)
# Scanners and print programs step in tens of dpi, and in multiples of the screens'.
_ROUND = (10.0, 72.0, 96.0)
# Pitches of .2 mm and its whole parts are whole dpi as well: 127, 254, 508.
_METRIC_DPI = 127.0
# Files that count pixels per metre or centimetre with three digits hold 300 dpi as 299.9994 or 300.01.
_SAME = 2e-4
# From what no detector resolves to the widest pixel; the widest printed dot is no pixel either.
_SHORTEST_MM, _LONGEST_MM = 1e-4, 10.0
# Pixels whose sides differ by less count as square: files round their spacings.
_SQUARE = 1e-3


@dataclass(frozen=True)
class Pitch:
    """A pixel pitch, or why there is none.

    Parameters
    ----------
    mm : float, optional
        Pixel pitch [mm]; None where the file says none that can be used.
    notes : tuple of str
        Where it is from, where that is not plain.
    doubt : str
        Why what the file says is not used; empty where it is used, or nothing is said.
    tag : int, optional
        Private TIFF tag that said it.
    """

    mm: float | None = None
    notes: tuple[str, ...] = ()
    doubt: str = ""
    tag: int | None = None

    @property
    def said(self) -> tuple[str, ...]:
        """What people are told of it."""
        return (*self.notes, *filter(None, (self.doubt,)))


def pitch_from_spacing(x_mm: float, y_mm: float, whose: str) -> Pitch:
    """Return the pitch of pixels of ``x_mm`` x ``y_mm``; ``whose`` names what says so.

    Raises
    ------
    InputError
        If the pixels are not square, or one side is no length: nobody knows what the other is worth.
    """
    if not (math.isfinite(x_mm) and math.isfinite(y_mm)) or min(x_mm, y_mm) < 0 or (x_mm == 0) != (y_mm == 0):
        raise InputError(f"says a pixel spacing of {x_mm:g} x {y_mm:g} mm ({whose}): mend it in the file")
    if not all(_SHORTEST_MM <= side <= _LONGEST_MM for side in (x_mm, y_mm)):
        return Pitch(doubt=f"{whose} of {x_mm:g} x {y_mm:g} mm is no pixel pitch")
    if abs(x_mm / y_mm - 1) > _SQUARE:
        raise InputError(f"has pixels of {x_mm:g} x {y_mm:g} mm ({whose}): resample it to square pixels")
    return Pitch(math.sqrt(x_mm * y_mm))


def pitch_from_dpi(x_dpi: float, y_dpi: float, *, calibrated: bool = False) -> Pitch:
    """Return the pitch of a resolution in inches, which print programs write as well.

    72, 96 and 300 dpi say nothing of a detector. Other round figures may: 100 and 200 dpi are panels of 0.254 and
    0.127 mm, and scanners. They are neither believed nor dropped in silence, unless ``calibrated`` says that a program
    of measurement wrote them. What is left is nobody's default.
    """
    if not (math.isfinite(x_dpi) and math.isfinite(y_dpi) and min(x_dpi, y_dpi) > 0):
        return Pitch()
    if MM_PER_INCH / x_dpi > _LONGEST_MM:
        return Pitch()  # one pixel an inch is how "no resolution" is written
    if abs(x_dpi / y_dpi - 1) <= _SQUARE:
        if any(_same(x_dpi, common) for common in _PRINTING):
            return Pitch(doubt=f"{x_dpi:.6g} dpi is a printing default, not a pixel pitch")
        if not calibrated and _is_round(x_dpi):
            mm = MM_PER_INCH / x_dpi
            asked = f"--pitch-mm {mm:.4g} if it is the pitch"
            return Pitch(doubt=f"{x_dpi:.6g} dpi is a pixel pitch of {mm:.4g} mm or a printer's setting ({asked})")
    return pitch_from_spacing(MM_PER_INCH / x_dpi, MM_PER_INCH / y_dpi, f"{x_dpi:.6g} x {y_dpi:.6g} dpi")


def pitch_from_metric(x_mm: float, y_mm: float, whose: str) -> Pitch:
    """Return the pitch of a resolution in metric units, which few programs write by default.

    One that is also a printing default is believed, and said.
    """
    pitch = pitch_from_spacing(x_mm, y_mm, whose)
    if pitch.mm is not None:
        for common in _PRINTING:
            if _same(MM_PER_INCH / pitch.mm, common):
                said = (
                    f"pixel pitch {pitch.mm:.4g} mm, from {whose}, is {common:g} dpi too: if it is not, give --pitch-mm"
                )
                return Pitch(pitch.mm, (said,))
    return pitch


def check_aspect(x: float, y: float, whose: str) -> None:
    """Refuse pixels that are not square by a ratio without a unit; ``whose`` names what says so.

    Raises
    ------
    InputError
        If the two differ; what is no number above zero says nothing.
    """
    if math.isfinite(x) and math.isfinite(y) and min(x, y) > 0 and abs(x / y - 1) > _SQUARE:
        raise InputError(f"has pixels whose sides are as {x:g} to {y:g} ({whose}): resample it to square pixels")


def _same(dpi: float, other: float) -> bool:
    return abs(dpi / other - 1) <= _SAME


def _is_round(dpi: float) -> bool:
    whole = [step for step in _ROUND if _same(dpi, max(round(dpi / step), 1) * step)]
    metric = _same(dpi, max(round(dpi / _METRIC_DPI), 1) * _METRIC_DPI)
    return bool(whole) and not metric
