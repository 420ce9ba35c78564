"""Tags of a TIFF that come back in what is written: which those are is tried out when the file is read."""

from __future__ import annotations

import io
import struct
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import tifffile

__all__ = ["STAMP_TAG", "Tag", "kept_tags"]

Tag: TypeAlias = tuple[int, int, int, Any]
"""Code, type, count and value, as tifffile takes them."""

STAMP_TAG = 65042
"""Private tag that holds, as JSON, how xsim made an image."""

# Tags that say how pixels are stored rather than what they are; the writer makes its own.
_LAYOUT = frozenset(
    {254, 255, 256, 257, 258, 259, 262, 263, 264, 265, 266, 273, 277, 278, 279, 282, 283, 284, 288, 289, 290}
    | {291, 292, 293, 296, 317, 318, 319, 320, 322, 323, 324, 325, 332, 333, 334, 338, 339, 340, 341, 342, 343, 347}
    | {32997, 32998, STAMP_TAG}
)
# Tags that point to other parts of the file, which do not move along; and the lengths of ImageJ's metadata, which
# tifffile takes apart into a dictionary.
_POINTERS = frozenset({330, 400, 34665, 34853, 37724, 40965, 50740, 50838})
# What tifffile writes of an array's shape, as a second description.
_SHAPE = '{"shape":'
_ASCII = 2
# The least image that a tile fits; what matters is whether its tags come back.
_TRIAL = np.zeros((16, 16), np.uint8)
# A value longer than this is not shown to be equal element by element, which would take longer than writing it.
_LONG = 2**20
# More tags than any program writes; a hostile file of 65535 would be tried for minutes.
_MOST_TAGS = 500
# What tags may hold together: numbers of two bytes take forty in Python, and values may lie on each other in a file.
_MOST_BYTES = 2**25


def kept_tags(
    file: tifffile.TiffFile, page: tifffile.TiffPage, *, byteorder: Any, bigtiff: bool
) -> tuple[list[Tag], list[str]]:
    """Return the tags of a page that can be written again, and the names of those that cannot.

    Each is written to a small image in memory and read again: private tags and those of other programs hold what no
    table foretells, and a file must not fail when all has been computed.
    """
    kept: list[Tag] = []
    dropped: list[str] = []
    seen: set[int] = set()
    bytes_left = _MOST_BYTES
    for tag in page.tags:
        code = int(tag.code)
        if code in _LAYOUT or (code in seen and str(tag.value).startswith(_SHAPE)):
            continue
        bytes_left -= int(tag.valuebytecount)
        found = None if code in _POINTERS or code in seen or bytes_left < 0 else _tag(file, tag)
        if found is None:
            dropped.append(f"{tag.name} ({code})")
        else:
            kept.append(found)
        seen.add(code)
    # What tifffile cannot even read it leaves out.
    dropped += [f"tag {code}" for code in _codes(file, page) if code not in page.tags and code not in _LAYOUT]
    good = _writable(kept[:_MOST_TAGS], byteorder=byteorder, bigtiff=bigtiff)
    codes = {tag[0] for tag in good}
    dropped += [f"{page.tags[tag[0]].name} ({tag[0]})" for tag in kept if tag[0] not in codes]
    return good, dropped


def _writable(tags: list[Tag], **layout: Any) -> list[Tag]:
    """Return the tags that come back; halves are tried until what does not is alone."""
    if not tags or _comes_back(tags, **layout):
        return tags
    middle = len(tags) // 2
    return _writable(tags[:middle], **layout) + _writable(tags[middle:], **layout) if middle else []


def _codes(file: tifffile.TiffFile, page: tifffile.TiffPage) -> list[int]:
    """Return the codes of all tags of a page, in its directory."""
    layout = file.tiff
    file.filehandle.seek(page.offset)
    (count,) = struct.unpack(layout.tagnoformat, file.filehandle.read(layout.tagnosize))
    entries = file.filehandle.read(count * layout.tagsize)
    order = layout.byteorder
    return [
        int.from_bytes(entries[at : at + 2], "little" if order == "<" else "big")
        for at in range(0, len(entries), layout.tagsize)
    ]


def _tag(file: tifffile.TiffFile, tag: tifffile.TiffTag) -> Tag | None:
    """Return a tag as it is written; None where tifffile has taken its value apart."""
    value = getattr(tag.value, "value", tag.value)
    if int(tag.dtype) == _ASCII and isinstance(value, str):
        # Its bytes as they are: encodings differ, and tifffile writes seven bits of text only.
        file.filehandle.seek(tag.valueoffset)
        return int(tag.code), _ASCII, 0, file.filehandle.read(tag.count).rstrip(b"\0") or b"\0"
    if isinstance(value, np.ndarray):
        value = tuple(value.ravel().tolist())
    plain = isinstance(value, (bytes, int, float)) or (isinstance(value, tuple) and all(map(_is_number, value)))
    return (int(tag.code), int(tag.dtype), int(tag.count), value) if plain else None


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float))


def _comes_back(tags: Sequence[Tag], *, byteorder: Any, bigtiff: bool) -> bool:
    """Whether tags can be written and are then read as they were."""
    memory = io.BytesIO()
    try:
        with tifffile.TiffWriter(memory, byteorder=byteorder, bigtiff=bigtiff, ome=False) as writer:
            extra = [(*tag, True) for tag in tags]
            writer.write(_TRIAL, software=False, metadata=None, photometric="minisblack", extratags=extra)
        memory.seek(0)
        with tifffile.TiffFile(memory) as again:
            written = again.pages[0].tags  # type: ignore[union-attr]
            return all(tag[0] in written and _same(tag, written[tag[0]].value) for tag in tags)
    except Exception:  # noqa: BLE001  (tifffile raises almost anything on what it cannot pack)
        return False


def _same(tag: Tag, value: Any) -> bool:
    wanted, found = tag[3], getattr(value, "value", value)
    if isinstance(wanted, bytes) and isinstance(found, str):
        return True
    if isinstance(found, np.ndarray):
        found = tuple(found.ravel().tolist())
    if isinstance(wanted, tuple) and len(wanted) > _LONG:
        return isinstance(found, tuple) and len(found) == len(wanted)
    if isinstance(wanted, float) or (isinstance(wanted, tuple) and any(isinstance(each, float) for each in wanted)):
        return bool(np.array_equal(np.asarray(wanted), np.asarray(found), equal_nan=True))
    return bool(wanted == found)
