"""TIFF: 8 to 32 bit and floating point, tiled, packed, BigTIFF, many pages; its tags come back."""

from __future__ import annotations

import json
import logging
import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import tifffile
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim_datasets.images.codec import check_codestream, check_inflation, lossy_codestream
from xsim_datasets.images.radiograph import Radiograph, check_claim
from xsim_datasets.images.rescale import rescaled
from xsim_datasets.images.tiff_pitch import imagej_properties, resolution_of, tiff_pitch
from xsim_datasets.images.tiff_tags import STAMP_TAG, Tag, kept_tags

__all__ = ["STAMP_TAG", "StackWriter", "invert", "read_tiff", "write_simulated", "write_tiff"]

# tifffile tells its logger about every oddity; what matters is raised here, as one line.
logging.getLogger("tifffile").addHandler(logging.NullHandler())

# More pages than any series of frames has; a chain of pages that loops is stopped here.
_MAX_PAGES = 4096
# What the description of a simulated image says, and how its open field is found in it again.
_SIMULATED = "xsim {name}, open field {open_field}, pitch {pitch_mm:g} mm"
_OPEN_FIELD = re.compile(r"xsim [^,]*, open field (\d+(?:\.\d+)?)(?=,|$)")

_PHOTOMETRIC = {0: "white at zero", 1: "black at zero", 2: "RGB", 3: "palette", 4: "mask", 5: "CMYK", 6: "YCbCr"}
# Codecs that may lose: JPEG old and new, JPEG 2000, JPEG XR, WebP, LERC, JPEG XL.
_MAY_LOSE = frozenset({6, 7, 22610, 33003, 33004, 33005, 34712, 34887, 34892, 34927, 34934, 50001, 50002, 52546})
# Dropped tags that are named one by one.
_NAMED = 20
# From this many bytes the coding of a strip or tile is told.
_CODEC_HEAD = 2**16
# Codecs whose code streams say their own size, in place of the page's; and those that inflate.
_CODED = _MAY_LOSE | {34933}
_INFLATED = {8: "zlib", 32946: "zlib", 34925: "lzma"}
_DEFLATE_RATIO, _SMALL_BYTES = 1032, 2**26
# Tiles may reach beyond the image to a multiple of their own side, which no program makes larger than this.
_TILE_PX = 4096
_LARGE_TILE_PX = _TILE_PX**2
# More strips or tiles than any program cuts an image into: each takes a time of its own.
_MAX_SEGMENTS = 2**20
# More tags than the pages of any series hold together: of 4096 pages, sixty each.
_MAX_TAGS = 2**18
# Pixels that a classic TIFF holds beside its tags: offsets have 32 bits.
_CLASSIC_BYTES = 2**32 - 2**25
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
        description = _text(first.description)
        imagej = imagej_properties(description)
        hidden = _hidden_images(imagej, pages)
        check_claim((len(pages) + hidden, *first.shape), dtype, file.filehandle.size, max_pixels)
        for page in pages:
            _check_segments(page, file.filehandle.size)
            _check_coding(file, page)
        pixels = _hidden_stack(file, first, 1 + hidden) if hidden else _stack(pages)
        layout: dict[str, Any] = {"byteorder": file.byteorder, "bigtiff": file.is_bigtiff}
        tags, dropped = kept_tags(file, first, **layout)
        pitch = tiff_pitch(first, description)
        doubts = _lossy(file, first)
    # What a file of `xsim simulate` says in its description.
    found = _OPEN_FIELD.match(description)
    bits = int(first.bitspersample)
    white = float(2**bits - 1) if dtype.kind == "u" else float(np.iinfo(dtype).max) if dtype.kind == "i" else None
    notes = pitch.said
    if dropped:
        more = f" and {len(dropped) - _NAMED} more" if len(dropped) > _NAMED else ""
        notes += (f"tags that do not move along (dropped): {', '.join(dropped[:_NAMED])}{more}",)
    if dtype.kind == "u" and bits < dtype.itemsize * 8:
        notes += (f"{bits}-bit grey levels are written as {dtype.itemsize * 8} bit, on their own scale",)
    kept = {tag[0] for tag in tags}
    header = {
        **layout,
        "tags": tags,
        "tile": (first.tilelength, first.tilewidth) if first.is_tiled else None,
        "compressed": first.compression != 1,
        # A pitch that a dropped tag said is written as a resolution.
        "resolution": resolution_of(first) if pitch.tag is None or pitch.tag in kept else None,
    }
    inverted = first.photometric == 0
    if inverted:
        pixels = invert(pixels, white)
    radiograph = Radiograph(
        pixels,
        "tiff",
        pitch.mm,
        white,
        inverted,
        float(found[1]) if found else None,
        notes,
        header,
        doubts=doubts,
        pitch_doubt=pitch.doubt,
    )
    if found:
        radiograph = replace(radiograph, polarity="metal-dark", polarity_reason="xsim simulated it")
    return rescaled(radiograph, *_imagej_scale(imagej))


def _text(description: object) -> str:
    return description if isinstance(description, str) else ""


def _stack(pages: list[tifffile.TiffPage]) -> NDArray[Any]:
    return np.stack([page.asarray() for page in pages]) if len(pages) > 1 else np.asarray(pages[0].asarray())


def _hidden_images(imagej: Mapping[str, str], pages: list[tifffile.TiffPage]) -> int:
    """Return how many images lie behind the only page of ImageJ's large stacks, without pages of their own."""
    count = imagej.get("images", "")
    if len(pages) > 1 or not count.isdecimal() or int(count) < 2 or pages[0].compression != 1:
        return 0
    return min(int(count), _MAX_PAGES) - 1


def _hidden_stack(file: tifffile.TiffFile, first: tifffile.TiffPage, count: int) -> NDArray[Any]:
    shape = (count, *first.shape)
    dtype = np.dtype(first.dtype).newbyteorder(file.byteorder)
    start = first.dataoffsets[0]
    wanted = math.prod(shape) * dtype.itemsize
    if start + wanted > file.filehandle.size:
        raise InputError(f"is truncated: it says {count} images and holds fewer: copy it again")
    file.filehandle.seek(start)
    return np.frombuffer(file.filehandle.read(wanted), dtype).reshape(shape).astype(first.dtype)


def _lossy(file: tifffile.TiffFile, page: tifffile.TiffPage) -> tuple[str, ...]:
    """Return a doubt where the codec of a page loses, told from the first strip or tile."""
    name = getattr(page.compression, "name", str(page.compression))
    if page.compression in _MAY_LOSE:
        file.filehandle.seek(page.dataoffsets[0])
        head = file.filehandle.read(min(page.databytecounts[0], _CODEC_HEAD))
        if lossy_codestream(head) is not False:
            return (f"lossy compression ({name})",)
    return ()


def _imagej_scale(imagej: Mapping[str, str]) -> tuple[float, float, str]:
    """Return slope and intercept of ImageJ's calibration of grey levels, and its name; no change where it is none.

    ImageJ writes signed 16-bit images unsigned, with a straight line of -32768 and 1.
    """
    if imagej.get("cf") != "0":
        return 1.0, 0.0, ""
    try:
        return float(imagej.get("c1", "1")), float(imagej.get("c0", "0")), "ImageJ's calibration of grey levels"
    except ValueError:
        return 1.0, 0.0, ""


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
    tags = 0
    for page in file.pages:
        if not isinstance(page, tifffile.TiffPage):
            raise InputError("holds pages that cannot be read on their own: write it anew")
        if page.offset in seen or len(pages) >= _MAX_PAGES:
            raise InputError(f"its chain of pages loops or holds more than {_MAX_PAGES}: write it anew")
        seen.add(page.offset)
        tags += len(page.tags)
        if tags > _MAX_TAGS:
            raise InputError(f"its pages hold more than {_MAX_TAGS} tags: write it anew")
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


def _check_coding(file: tifffile.TiffFile, page: tifffile.TiffPage) -> None:
    """Refuse strips and tiles that are larger, or inflate to more, than the page says; before anything is decoded."""
    rows, columns = _segment_shape(page)
    wanted = rows * columns * max(int(page.bitspersample) // 8, 1)
    within = -(-page.shape[0] // _TILE_PX) * -(-page.shape[1] // _TILE_PX) * _TILE_PX**2
    if rows * columns > max(within, _LARGE_TILE_PX):
        raise InputError(f"has strips or tiles of {rows} x {columns} pixels for {page.shape[0]} x {page.shape[1]}")
    if len(page.dataoffsets) > _MAX_SEGMENTS:
        raise InputError(
            f"is cut into {len(page.dataoffsets)} strips or tiles, of at most {_MAX_SEGMENTS}: save it anew"
        )
    coding = _INFLATED.get(int(page.compression))
    for offset, count in zip(page.dataoffsets, page.databytecounts, strict=False):
        if int(page.compression) in _CODED:
            file.filehandle.seek(offset)
            check_codestream(file.filehandle.read(count), (rows, columns))
        # LZMA is decoded without an end where it holds more than is wanted; deflate packs 1032 times at most.
        elif coding == "lzma" or (coding is not None and count * _DEFLATE_RATIO > max(_SMALL_BYTES, wanted)):
            file.filehandle.seek(offset)
            check_inflation(file.filehandle.read(count), coding, wanted)


def _segment_shape(page: tifffile.TiffPage) -> tuple[int, int]:
    """Return height and width of a strip or tile [px]."""
    if page.is_tiled:
        return int(page.tilelength), int(page.tilewidth)
    return min(int(page.rowsperstrip or page.shape[0]), page.shape[0]), page.shape[1]


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
    tags: list[Tag] = header.get("tags", [])
    extra = [(*tag, True) for tag in tags]
    if stamp:
        extra.append((STAMP_TAG, 2, 0, json.dumps(stamp, sort_keys=True), True))
    inverted = radiograph.white_is_zero and radiograph.kind == "tiff"
    *resolution, unit = header.get("resolution") or _new_resolution(radiograph.pitch_mm)
    # Classic TIFF addresses 4 GiB; leave room for the tags.
    big = bool(header.get("bigtiff")) or radiograph.pixels.nbytes > 2**32 - 2**25
    # tifffile would write OME-XML of its own where the name says .ome.
    with tifffile.TiffWriter(path, byteorder=header.get("byteorder"), bigtiff=big, ome=False) as file:
        for number, image in enumerate(radiograph.images()):
            file.write(
                invert(image, radiograph.white) if inverted else image,
                photometric="miniswhite" if inverted else "minisblack",
                tile=header.get("tile"),
                compression="zlib" if header.get("compressed") else None,
                software=False,
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


class StackWriter:
    """Writes simulated images of one size into one TIFF, page by page; a context.

    Parameters
    ----------
    path : path
        A file to make.
    pages : int
        How many images there will be: beyond 4 GB the file is a BigTIFF.
    name : str
        Which stack it is, e.g. ``"hr"``.
    open_field : int
        Grey level of the open field.
    pitch_mm : float
        Pixel pitch [mm].
    """

    def __init__(self, path: Path, pages: int, *, name: str, open_field: int, pitch_mm: float) -> None:
        self._path, self._pages = path, pages
        self._description = _SIMULATED.format(name=name, open_field=open_field, pitch_mm=pitch_mm)
        self._resolution = _new_resolution(pitch_mm)
        self._file: tifffile.TiffWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, codes: NDArray[np.uint16]) -> None:
        """Append an image, (H, W)."""
        if self._file is None:
            self._file = tifffile.TiffWriter(self._path, bigtiff=self._pages * codes.nbytes > _CLASSIC_BYTES)
        x, y, unit = self._resolution
        self._file.write(
            codes,
            photometric="minisblack",
            resolution=(x, y),
            resolutionunit=unit,
            description=self._description,
            contiguous=True,
            metadata=None,
        )


def _new_resolution(pitch_mm: float | None) -> tuple[float, float, int]:
    return (1.0, 1.0, 1) if pitch_mm is None else (10.0 / pitch_mm, 10.0 / pitch_mm, 3)
