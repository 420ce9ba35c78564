"""Where a TIFF says its pixel pitch: OME-XML, ImageJ, MicroManager, and the tags of its resolution."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping
from typing import Any, Final

import tifffile

from xsim_datasets.images.pitch import (
    MM_PER_UNIT,
    Pitch,
    check_aspect,
    pitch_from_dpi,
    pitch_from_metric,
    pitch_from_spacing,
)

__all__ = ["imagej_properties", "resolution_of", "tiff_pitch"]

_NO_UNIT, _INCH, _CENTIMETRE = 1, 2, 3
"""Values of the tag ResolutionUnit; programs write others, which mean nothing."""

_MICROMANAGER: Final = 51123
"""Private tag of the metadata of MicroManager, JSON."""

_UNCALIBRATED_UM: Final = (0.0, 1.0)
"""Pixel sizes that MicroManager writes where nobody calibrated it [um]."""

# The element of OME-XML that holds the pixel size. Its text is searched, not parsed: entities of XML can be hostile.
_OME_PIXELS = re.compile(r"<(?:\w+:)?Pixels\b[^>]*>")
_OME_ATTRIBUTE = re.compile(r"\b(PhysicalSize[XY](?:Unit)?)\s*=\s*[\"']([^\"']*)[\"']")
_MAX_DESCRIPTION = 2**20
"""Longest part of a description that is searched [characters]; OME-XML has its pixels at the head."""


def tiff_pitch(page: tifffile.TiffPage, description: str) -> Pitch:
    """Return the pitch of a page: what a program of measurement wrote comes before the tags for printers.

    Raises
    ------
    InputError
        If its pixels are not square.
    """
    imagej = imagej_properties(description)
    for pitch in (_of_ome(description), _of_imagej(page, imagej), _of_micromanager(page)):
        if pitch is not None:
            return pitch
    return _of_tags(page)


def imagej_properties(description: str) -> dict[str, str]:
    """Return what ImageJ wrote into a description, as its keys and values; empty if it is not ImageJ's."""
    if not description.startswith("ImageJ="):
        return {}
    lines = (line.partition("=") for line in description[:_MAX_DESCRIPTION].splitlines())
    return {key.strip(): value.strip() for key, found, value in lines if found}


def resolution_of(page: tifffile.TiffPage) -> tuple[Any, Any, int] | None:
    """Return what the tags say along x and y, and the unit: 1 none, 2 inch, 3 cm."""
    x, y = page.tags.get(282), page.tags.get(283)
    if x is None or y is None or not all(_is_ratio(tag.value) for tag in (x, y)):
        return None
    unit = int(page.resolutionunit or _NO_UNIT)
    return x.value, y.value, unit if unit in {_NO_UNIT, _INCH, _CENTIMETRE} else _NO_UNIT


def _is_ratio(value: object) -> bool:
    """Whether a resolution can be written again: a pair of whole numbers that 32 bits hold, or a finite number."""
    if isinstance(value, tuple):
        return len(value) == 2 and all(isinstance(part, int) and 0 <= part < 2**32 for part in value) and value[1] > 0
    return isinstance(value, (int, float)) and math.isfinite(value) and value >= 0


def _of_ome(description: str) -> Pitch | None:
    text = description[:_MAX_DESCRIPTION]
    pixels = _OME_PIXELS.search(text) if "<OME" in text or ":OME" in text else None
    if pixels is None:
        return None
    said = dict(_OME_ATTRIBUTE.findall(pixels[0]))
    sizes = []
    for axis in "XY":
        length = _number(said.get(f"PhysicalSize{axis}"))
        # The unit of the schema's default is the micrometre.
        unit = html.unescape(said.get(f"PhysicalSize{axis}Unit", "um"))
        sizes.append((length, MM_PER_UNIT.get(unit.lower())))
    if sizes[0][0] is None and sizes[1][0] is None:
        return None
    if any(length is None or mm is None for length, mm in sizes):
        return Pitch(doubt=f"OME PhysicalSize in {said.get('PhysicalSizeXUnit', 'no')} unit is no pixel pitch")
    (x, x_mm), (y, y_mm) = sizes
    return pitch_from_spacing(x * x_mm, y * y_mm, "OME PhysicalSize")  # type: ignore[operator]


def _of_imagej(page: tifffile.TiffPage, imagej: Mapping[str, str]) -> Pitch | None:
    """Return the pitch of ImageJ's calibration: pixels per unit in the tags, the unit in the description."""
    unit, resolution = imagej.get("unit", "").lower(), resolution_of(page)
    if not unit or unit.startswith("pixel") or resolution is None:
        return None
    mm = MM_PER_UNIT.get(unit)
    if mm is None:
        return Pitch(doubt=f"ImageJ's unit '{unit[:20]}' is no length")
    y_mm = MM_PER_UNIT.get(imagej.get("yunit", unit).lower(), mm)
    x, y = (_ratio(value) for value in resolution[:2])
    if min(x, y) <= 0:
        return Pitch(doubt="ImageJ's calibration is no pixel pitch")
    if mm == MM_PER_UNIT["inch"]:
        # ImageJ takes over the printing defaults of the files that it opens.
        return pitch_from_dpi(x, y, calibrated=True)
    return pitch_from_spacing(mm / x, y_mm / y, "ImageJ's calibration")


def _of_micromanager(page: tifffile.TiffPage) -> Pitch | None:
    tag = page.tags.get(_MICROMANAGER)
    if tag is None or not isinstance(tag.value, Mapping):
        return None
    size_um = _number(tag.value.get("PixelSizeUm"))
    if size_um is None or size_um in _UNCALIBRATED_UM:
        return None
    pitch = pitch_from_spacing(size_um * 1e-3, size_um * 1e-3, "MicroManager's PixelSizeUm")
    said = f"pixel pitch {pitch.mm:.4g} mm from MicroManager's PixelSizeUm" if pitch.mm is not None else ""
    return Pitch(pitch.mm, (said,) if said else (), pitch.doubt, _MICROMANAGER)


def _of_tags(page: tifffile.TiffPage) -> Pitch:
    resolution = resolution_of(page)
    if resolution is None:
        return Pitch()
    x, y = (_ratio(value) for value in resolution[:2])
    if resolution[2] == _INCH:
        return pitch_from_dpi(x, y)
    if resolution[2] == _CENTIMETRE and min(x, y) > 0:
        return pitch_from_metric(10.0 / x, 10.0 / y, "a resolution in cm")
    check_aspect(y, x, "its resolution, without a unit")
    return Pitch()


def _number(value: object) -> float | None:
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        return None


def _ratio(value: Any) -> float:
    numerator, denominator = value if isinstance(value, tuple) else (value, 1)
    return float(numerator) / float(denominator) if denominator else 0.0
