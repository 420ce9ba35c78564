"""Which board families weights have seen, short enough for their card: what tells a leaked test board.

A family is kept as the first five bytes of its digest. Among 100,000 families one that was never seen is taken for
one that was with a chance of 1e-7.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable

__all__ = ["merged", "packed", "seen"]

_BYTES = 5
"""Bytes kept of each digest: with 4, one unseen family in 40,000 would be taken for a seen one."""


def packed(families: Iterable[int]) -> str:
    """Return families as one text, the same for any order and repetition."""
    return base64.b64encode(b"".join(sorted({_short(family) for family in families}))).decode()


def merged(*texts: str) -> str:
    """Return the families of several texts as one."""
    return base64.b64encode(b"".join(sorted({part for text in texts for part in _parts(text)}))).decode()


def seen(text: str, families: Iterable[int]) -> list[int]:
    """Return those of the families that a text of `packed` holds, in order."""
    known = set(_parts(text))
    return [family for family in families if _short(family) in known]


def _short(family: int) -> bytes:
    return hashlib.sha256(str(int(family)).encode()).digest()[:_BYTES]


def _parts(text: str) -> list[bytes]:
    data = base64.b64decode(text, validate=True)
    return [data[start : start + _BYTES] for start in range(0, len(data), _BYTES)]
