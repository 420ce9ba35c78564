"""Whether a compressed image lost something: told from its code stream."""

from __future__ import annotations

__all__ = ["lossy_codestream"]

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
