"""Rows of measuring."""

from __future__ import annotations

from typing import TYPE_CHECKING

import measuring

from suite.rows import Row

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["measuring_rows"]


def measuring_rows() -> Iterator[Row]:
    """Time MTF, NNPS and calibration on small images."""
    for one in measuring.timings(512, 8):
        yield Row(one.what, one.ms, "ms CPU", one.floor, one.floor_ms, note=one.accuracy)
