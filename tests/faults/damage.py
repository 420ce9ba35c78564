"""Strategies for damaged files: bytes that are flipped, cut, moved or replaced; documents with wrong values."""

from __future__ import annotations

import struct
from copy import deepcopy
from typing import TYPE_CHECKING, Any

from hypothesis import strategies as st

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["damaged_bytes", "damaged_documents"]

# Counts and offsets at which arithmetic goes wrong.
NUMBERS = [0, 1, 2, 0x7F, 0xFF, 0x7FFF, 0xFFFF, 0x10000, 2**31 - 1, 2**31, 2**32 - 1, 2**63 - 1, 2**64 - 1]
FORMATS = ["<B", "<H", ">H", "<I", ">I", "<Q", ">Q"]
VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**64, -(2**70), 1e308, -1e-320, float("nan"), float("inf"), "", "x", "\x00",
    "../../etc/passwd", "<script>", "9" * 400, [], [[]], [0], [-1, 1e400], ["x"], {}, {"": {}}, {"x": [None]},
]  # fmt: skip
DEEP: Any = []
for _ in range(200):
    DEEP = [DEEP]


def _numbers() -> st.SearchStrategy[bytes]:
    def packed(number: int, kind: str) -> bytes:
        return struct.pack(kind, number % 2 ** (8 * struct.calcsize(kind)))

    return st.builds(packed, st.sampled_from(NUMBERS), st.sampled_from(FORMATS))


def _edits() -> st.SearchStrategy[list[tuple[str, int, int, bytes]]]:
    place = st.integers(0, 600) | st.integers(0, 2**20)
    what = st.sampled_from(["overwrite", "insert", "delete", "repeat", "cut", "flip"])
    return st.lists(st.tuples(what, place, st.integers(1, 64), _numbers() | st.binary(max_size=16)), max_size=6)


def _edited(data: bytes, edits: Sequence[tuple[str, int, int, bytes]]) -> bytes:
    for what, place, length, new in edits:
        at = place % (len(data) + 1)
        before, after = data[:at], data[at:]
        data = {
            "overwrite": before + new + after[len(new) :],
            "insert": before + new + after,
            "delete": before + after[length:],
            "repeat": before + after[:length] * 3 + after[length:],
            "cut": before,
            "flip": before + bytes([after[0] ^ (1 << length % 8)]) + after[1:] if after else before,
        }[what]
    return data


def damaged_bytes(sound: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Return files that were sound before up to six edits; a few are anything at all."""
    return st.builds(_edited, st.sampled_from(list(sound)), _edits()) | st.binary(max_size=200)


def _paths(document: Any, where: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the places of a document, outermost first."""
    inside: list[tuple[Any, Any]] = []
    if isinstance(document, dict):
        inside = list(document.items())
    elif isinstance(document, list):
        inside = list(enumerate(document[:3]))
    return [where, *(path for key, value in inside for path in _paths(value, (*where, key)))]


def _with(document: Any, path: tuple[Any, ...], action: str, value: Any) -> Any:
    document = deepcopy(document)
    place = document
    for key in path[:-1]:
        place = place[key]
    if not path:
        return value
    if action == "remove":
        del place[path[-1]]
    elif action == "rename" and isinstance(place, dict):
        place[str(value)[:40]] = place.pop(path[-1])
    else:
        place[path[-1]] = value
    return document


def damaged_documents(sound: Any, *, values: Sequence[Any] = (*VALUES, DEEP)) -> st.SearchStrategy[Any]:
    """Return a document in which one to three values were replaced, removed or renamed."""

    @st.composite
    def drawn(draw: st.DrawFn) -> Any:
        document = deepcopy(sound)
        for _ in range(draw(st.integers(1, 3))):
            path = draw(st.sampled_from(_paths(document)))
            action = draw(st.sampled_from(["replace", "replace", "remove", "rename"]))
            document = _with(document, path, action, draw(st.sampled_from(list(values))))
        return document

    return drawn()
