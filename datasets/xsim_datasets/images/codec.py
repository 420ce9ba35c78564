"""What a compressed image says before it is decoded: how large it is, and whether it lost something.

Decoders ask the memory for what a code stream claims, and inflate what they are given: both are checked here first,
against the size that the file around them says.
"""

from __future__ import annotations

import lzma
import struct
import zlib
from collections.abc import Callable
from typing import Any

from xsim.errors import InputError

__all__ = ["check_codestream", "check_inflation", "codestream_shape", "lossy_codestream"]

# Markers of JPEG and JPEG-LS, after which a frame is described (ISO 10918-1 table B.1, ISO 14495-1).
_SOI = b"\xff\xd8"
_LOSSLESS_FRAMES = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_LS_FRAME, _SCAN = 0xF7, 0xDA
# Markers of JPEG 2000 (ISO 15444-1 annex A): start of code stream, coding style.
_J2K, _COD = b"\xff\x4f\xff\x51", b"\xff\x52"
# Of the 5-3 wavelet, which is undone exactly.
_REVERSIBLE = 1


def lossy_codestream(head: bytes) -> bool | None:
    """Return whether the first bytes of a compressed image are of a coding that loses; None where it cannot be told."""
    if (at := head.find(_J2K, 0, 256)) >= 0:
        return _lossy_j2k(head[at:])
    if head.startswith(_SOI):
        return _lossy_jpeg(head)
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return head[12:16] != b"VP8L"
    return None


def _lossy_j2k(head: bytes) -> bool | None:
    at = head.find(_COD)
    # Marker, length, style, progression, layers, component transform, levels, block width, height, style; wavelet.
    return None if at < 0 or at + 13 >= len(head) else head[at + 13] != _REVERSIBLE


def _lossy_jpeg(head: bytes) -> bool | None:
    at, near_lossless_scan = 2, False
    while at + 4 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _FRAMES:
            return marker not in _LOSSLESS_FRAMES
        if marker == _LS_FRAME:
            near_lossless_scan = True
        if marker == _SCAN:
            # The scan of JPEG-LS ends with the error that is allowed: NEAR, interleave, transform.
            return None if not near_lossless_scan else head[at + 2 + int.from_bytes(head[at + 2 : at + 4]) - 3] > 0
        at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return None


# More scans than any program writes: progressive JPEG has about ten. Each takes the time of a whole image.
_MOST_SCANS = 100
_PNG = b"\x89PNG\r\n\x1a\n"
_LERC = b"Lerc2 "
_JXL, _JXL_BOX = b"\xff\x0a", b"JXL "
# Bits of a side of JPEG XL, by its selector (ISO 18181-1, SizeHeader); ratio of width to height, by number.
_JXL_BITS = (9, 13, 18, 30)
_JXL_RATIOS = (None, (1, 1), (12, 10), (4, 3), (3, 2), (16, 9), (5, 4), (2, 1))
# Inflated at a time [bytes].
_PIECE = 2**20


def check_codestream(data: bytes, shape: tuple[int, int]) -> None:
    """Refuse a coded image that is larger than the file around it says, or that does not say how large it is.

    Parameters
    ----------
    data : bytes
        The coded image, or its first 64 kB.
    shape : (int, int)
        Height and width that it may have at most [px].

    Raises
    ------
    InputError
        Naming both sizes.
    """
    found = codestream_shape(data)
    if found is None:
        raise InputError("its coded pixels do not say how large they are: save it anew, as LZW or deflate")
    if found[0] > shape[0] or found[1] > shape[1]:
        raise InputError(
            f"its coded pixels are {found[0]} x {found[1]}, where the file says {shape[0]} x {shape[1]}: save it anew"
        )
    if data.startswith(_SOI) and data.count(b"\xff\xda") > _MOST_SCANS:
        raise InputError(f"has more than {_MOST_SCANS} scans over its pixels, as no program writes: save it anew")


def codestream_shape(head: bytes) -> tuple[int, int] | None:
    """Return height and width [px] of a coded image, from its first bytes; None where it cannot be told."""
    try:
        for begins, shape in _SHAPES:
            if head[begins[0] :].startswith(begins[1]):
                return shape(head)
        return _shape_j2k(head)
    except struct.error:  # it was cut short
        return None


def _shape_png(head: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from(">II", head, 16)
    return height, width


def _shape_lerc(head: bytes) -> tuple[int, int]:
    version = struct.unpack_from("<i", head, 6)[0]
    rows, columns = struct.unpack_from("<ii", head, 14 if version > 2 else 10)
    return rows, columns


def _shape_j2k(head: bytes) -> tuple[int, int] | None:
    at = head.find(_J2K, 0, 256)
    if at < 0:
        return None
    # Marker, SIZ, length, capabilities; right and lower end of the grid, and where the image begins on it.
    x1, y1, x0, y0 = struct.unpack_from(">4I", head, at + 8)
    return y1 - y0, x1 - x0


def _shape_jpeg(head: bytes) -> tuple[int, int] | None:
    at = 2
    while at + 9 <= len(head) and head[at] == 0xFF:
        marker = head[at + 1]
        if marker in _FRAMES or marker == _LS_FRAME:
            height, width = struct.unpack_from(">HH", head, at + 5)
            return height, width
        at += 2 + int.from_bytes(head[at + 2 : at + 4])
    return None


def _shape_webp(head: bytes) -> tuple[int, int] | None:
    kind = head[12:16]
    if kind == b"VP8X":
        return (int.from_bytes(head[27:30], "little") + 1, int.from_bytes(head[24:27], "little") + 1)
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", head, 21)
        return ((bits >> 14) & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    if kind == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 26)
        return height & 0x3FFF, width & 0x3FFF
    return None


def _shape_jxl(head: bytes) -> tuple[int, int]:
    head = head[max(head.find(_JXL), 0) :]  # in a box or bare
    bits, at = int.from_bytes(head[2:16], "little"), 0

    def take(count: int) -> int:
        nonlocal at
        at += count
        return (bits >> (at - count)) & ((1 << count) - 1)

    small = take(1)

    def side() -> int:
        return 8 * (take(5) + 1) if small else take(_JXL_BITS[take(2)]) + 1

    height = side()
    ratio = _JXL_RATIOS[take(3)]
    return height, side() if ratio is None else height * ratio[0] // ratio[1]


# Where which letters stand, and how the size is read after them; JPEG 2000 may lie in boxes of any length.
_SHAPES: tuple[tuple[tuple[int, bytes], Callable[[bytes], tuple[int, int] | None]], ...] = (
    ((0, _SOI), _shape_jpeg),
    ((0, _PNG), _shape_png),
    ((8, b"WEBP"), _shape_webp),
    ((0, _LERC), _shape_lerc),
    ((0, _JXL), _shape_jxl),
    ((4, _JXL_BOX), _shape_jxl),
)
_INFLATERS: dict[str, Callable[[], Any]] = {
    "zlib": zlib.decompressobj,
    "deflate": lambda: zlib.decompressobj(-zlib.MAX_WBITS),
    "lzma": lzma.LZMADecompressor,
}


def check_inflation(data: bytes, coding: str, most_bytes: int) -> None:
    """Refuse bytes that inflate beyond what the file says, a piece at a time, without keeping any.

    Parameters
    ----------
    data : bytes
        As they are stored.
    coding : str
        "zlib", "deflate" (without a header) or "lzma".
    most_bytes : int
        What they may inflate to [bytes].

    Raises
    ------
    InputError
        If they inflate to more.
    """
    inflater = _INFLATERS[coding]()
    count, given = 0, data
    while not inflater.eof:
        piece = inflater.decompress(given, _PIECE)
        # zlib hands back what it has not read yet; lzma keeps it.
        given = getattr(inflater, "unconsumed_tail", b"")
        count += len(piece)
        if count > most_bytes:
            raise InputError(f"its pixels inflate beyond the {most_bytes} bytes that it says: save it anew")
        if not piece and not given:
            return
