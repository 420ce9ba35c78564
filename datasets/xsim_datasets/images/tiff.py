"""TIFF: 8 to 32 bit and floating point, tiled, packed, BigTIFF, many pages; its tags come back."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim_datasets.images.radiograph import PRINT_DPI, Radiograph, check_claim, pitch_from_spacing

__all__ = ["STAMP_TAG", "read_tiff", "write_simulated", "write_tiff"]

# tifffile tells its logger about every oddity; what matters is raised here, as one line.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

STAMP_TAG = 65042
"""Private tag that holds, as JSON, how xsim made an image."""

# Resolution units: inch, centimetre.
_MM_PER_UNIT = {2: 25.4, 3: 10.0}
# More pages than any series of frames has; a chain of pages that loops is stopped here.
_MAX_PAGES = 4096
# What the description of a simulated image says, and how its open field is found in it again.
_SIMULATED = "xsim {name}, open field {open_field}, pitch {pitch_mm:g} mm"
_OPEN_FIELD = re.compile(r"xsim [^,]*, open field (\d+(?:\.\d+)?)(?=,|$)")

# Tags that say how pixels are stored rather than what they are; the writer makes its own.
_LAYOUT_TAGS = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 273, 277, 278, 279, 282, 283, 284, 288, 289, 290, 291, 292}
    | {293, 296, 317, 318, 319, 320, 322, 323, 324, 325, 332, 333, 334, 338, 339, 340, 341, 342, 343, 347, STAMP_TAG}
)
# Tags that tifffile writes from arguments of its own.
_NAMED_TAGS = frozenset({270, 305, 306})
# Tags that point to other parts of the file, which do not move along.
_POINTER_TAGS = frozenset({330, 400, 34665, 34853, 37724, 40965, 50740})
_PHOTOMETRIC = {0: "white at zero", 1: "black at zero", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr"}
# Unsigned, signed, floating point; not complex or undefined.
_SAMPLE_FORMATS = frozenset({1, 2, 3})


def read_tiff(path: Path, *, max_pixels: int) -> Radiograph:
    """Read all pages of a TIFF.

    Raises
    ------
    InputError
        If it is not one grey channel, its pages differ, it is truncated or its size is beyond belief.
    """
    with tifffile.TiffFile(path) as file:
        pages = _pages(file)
        first = pages[0]
        for page in pages:
            _check_page(page, first)
        dtype = np.dtype(first.dtype)
        check_claim((len(pages), *first.shape), dtype, file.filehandle.size, max_pixels)
        for page in pages:
            _check_segments(page, file.filehandle.size)
        pixels = np.stack([page.asarray() for page in pages]) if len(pages) > 1 else first.asarray()
        tags, dropped = _tags(first)
        # What a file of `xsim simulate` says in its description.
        found = _OPEN_FIELD.match(first.description)
        open_field = float(found[1]) if found else None
        pitch_mm, notes = _pitch(first)
    bits = int(first.bitspersample)
    white = float(2**bits - 1) if dtype.kind == "u" else float(np.iinfo(dtype).max) if dtype.kind == "i" else None
    if dropped:
        notes += (f"tags that do not move along: {', '.join(dropped)}",)
    if dtype.kind == "u" and bits < dtype.itemsize * 8:
        notes += (f"{bits}-bit grey levels are written as {dtype.itemsize * 8} bit, on their own scale",)
    header = {
        "tags": tags,
        "tile": (first.tilelength, first.tilewidth) if first.is_tiled else None,
        "compressed": first.compression != 1,
        "byteorder": file.byteorder,
        "bigtiff": file.is_bigtiff,
        "resolution": _resolution(first),
    }
    inverted = first.photometric == 0
    if inverted:
        pixels = invert(pixels, white)
    return Radiograph(pixels, "tiff", pitch_mm, white, inverted, open_field, notes, header)


def invert(pixels: NDArray[Any], white: float | None) -> NDArray[Any]:
    """Turn white at zero into black at zero, or back; exact on integers.

    Raises
    ------
    InputError
        If the type has no white level.
    """
    if white is None or pixels.dtype.kind != "u":
        raise InputError(f"holds white at zero in {pixels.dtype}, which has no white level: convert it first")
    return np.asarray(pixels.dtype.type(white) - pixels)


def _pages(file: tifffile.TiffFile) -> list[tifffile.TiffPage]:
    pages: list[tifffile.TiffPage] = []
    seen: set[int] = set()
    for page in file.pages:
        if not isinstance(page, tifffile.TiffPage):
            raise InputError("holds pages that cannot be read on their own: write it anew")
        if page.offset in seen or len(pages) >= _MAX_PAGES:
            raise InputError(f"its chain of pages loops or holds more than {_MAX_PAGES}: write it anew")
        seen.add(page.offset)
        # Reduced copies (thumbnails, pyramids) are no images of their own.
        if not page.is_reduced:
            pages.append(page)
    if not pages:
        raise InputError("holds no image: check how it was written")
    return pages


def _check_page(page: tifffile.TiffPage, first: tifffile.TiffPage) -> None:
    photometric = int(page.photometric) if page.photometric is not None else -1
    if page.samplesperpixel != 1 or photometric not in {0, 1}:
        what = _PHOTOMETRIC.get(photometric, f"photometric {photometric}")
        raise InputError(f"holds {page.samplesperpixel} channel(s), {what}: give one grey channel")
    if page.dtype is None or int(page.sampleformat) not in _SAMPLE_FORMATS or page.bitspersample < 8:
        raise InputError(f"holds {page.bitspersample}-bit pixels of an unusable format: give 8 to 64 bits")
    if page.shape != first.shape or page.dtype != first.dtype or page.photometric != first.photometric:
        raise InputError("its pages differ in size or type: split it into files")
    if len(page.shape) != 2:
        raise InputError(f"holds an image of shape {page.shape}: give (H, W) on each page")


def _check_segments(page: tifffile.TiffPage, file_bytes: int) -> None:
    """Refuse missing or cut strips and tiles, which decoders fill with zeros in silence."""
    pairs = list(zip(page.dataoffsets, page.databytecounts, strict=False))
    if not pairs or any(offset <= 0 or count <= 0 or offset + count > file_bytes for offset, count in pairs):
        raise InputError("is truncated: strips or tiles of pixels are missing: copy it again")
    stored = sum(count for _, count in pairs)
    wanted = (page.shape[0] * page.shape[1] * int(page.bitspersample)) // 8
    if page.compression == 1 and stored < wanted:
        raise InputError(f"is truncated: {stored} of {wanted} bytes of pixels are there: copy it again")


def _tags(page: tifffile.TiffPage) -> tuple[list[tuple[int, int, int, Any]], list[str]]:
    """Return the tags to write back as (code, type, count, value), and the names of those that cannot be."""
    kept = [
        (int(tag.code), int(tag.dtype), int(tag.count), getattr(tag.value, "value", tag.value))
        for tag in page.tags
        if tag.code not in _POINTER_TAGS | _LAYOUT_TAGS
    ]
    return kept, [tag.name for tag in page.tags if tag.code in _POINTER_TAGS]


def _pitch(page: tifffile.TiffPage) -> tuple[float | None, tuple[str, ...]]:
    resolution = _resolution(page)
    if resolution is None or resolution[2] not in _MM_PER_UNIT:
        return None, ()
    unit = _MM_PER_UNIT[resolution[2]]
    per_unit = [_ratio(value) for value in resolution[:2]]
    if min(per_unit) <= 0:
        return None, ()
    dpi = 25.4 / unit * per_unit[0]
    if any(abs(dpi - common) < 1e-3 for common in PRINT_DPI):
        return None, (f"{dpi:g} dpi is a printing default, not a pixel pitch",)
    return pitch_from_spacing(unit / per_unit[0], unit / per_unit[1]), ()


def _resolution(page: tifffile.TiffPage) -> tuple[Any, Any, int] | None:
    """Return what the file says along x and y, and the unit: 1 none, 2 inch, 3 cm."""
    x, y = page.tags.get(282), page.tags.get(283)
    return None if x is None or y is None else (x.value, y.value, int(page.resolutionunit or 1))


def _ratio(value: Any) -> float:
    numerator, denominator = value if isinstance(value, tuple) else (value, 1)
    return float(numerator) / float(denominator) if denominator else 0.0


def write_tiff(path: Path, radiograph: Radiograph, stamp: Mapping[str, Any]) -> None:
    """Write all pages with the tags, the pitch and the layout of the file that was read.

    Parameters
    ----------
    path : path
        A file to make.
    radiograph : Radiograph
        What to write; the header of another kind is ignored.
    stamp : mapping
        How the image was made, for the private tag `STAMP_TAG`.
    """
    header = radiograph.header if radiograph.kind == "tiff" else {}
    tags: list[tuple[int, int, int, Any]] = header.get("tags", [])
    named = {code: value for code, _, _, value in tags if code in _NAMED_TAGS}
    extra = [(*tag, True) for tag in tags if tag[0] not in _NAMED_TAGS]
    if stamp:
        extra.append((STAMP_TAG, 2, 0, json.dumps(stamp, sort_keys=True), True))
    inverted = radiograph.white_is_zero and radiograph.kind == "tiff"
    *resolution, unit = header.get("resolution") or _new_resolution(radiograph.pitch_mm)
    # Classic TIFF addresses 4 GiB; leave room for the tags.
    big = bool(header.get("bigtiff")) or radiograph.pixels.nbytes > 2**32 - 2**25
    with tifffile.TiffWriter(path, byteorder=header.get("byteorder"), bigtiff=big) as file:
        for number, image in enumerate(radiograph.images()):
            file.write(
                invert(image, radiograph.white) if inverted else image,
                photometric="miniswhite" if inverted else "minisblack",
                tile=header.get("tile"),
                compression="zlib" if header.get("compressed") else None,
                description=named.get(270),
                software=named.get(305, False),
                datetime=named.get(306),
                resolution=tuple(resolution),
                resolutionunit=unit,
                metadata=None,
                extratags=extra if number == 0 else None,
            )


def write_simulated(path: Path, codes: NDArray[np.uint16], *, name: str, open_field: int, pitch_mm: float) -> None:
    """Write a simulated image, whose description says its open field: `read_tiff` finds it there.

    Parameters
    ----------
    path : path
        A file to make.
    codes : (H, W) uint16 array
        Grey levels.
    name : str
        Which image it is, e.g. ``"hr"``.
    open_field : int
        Grey level of the open field.
    pitch_mm : float
        Pixel pitch [mm].
    """
    x, y, unit = _new_resolution(pitch_mm)
    tifffile.imwrite(
        path,
        codes,
        photometric="minisblack",
        resolution=(x, y),
        resolutionunit=unit,
        description=_SIMULATED.format(name=name, open_field=open_field, pitch_mm=pitch_mm),
    )


def _new_resolution(pitch_mm: float | None) -> tuple[float, float, int]:
    return (1.0, 1.0, 1) if pitch_mm is None else (10.0 / pitch_mm, 10.0 / pitch_mm, 3)
