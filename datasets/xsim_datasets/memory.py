"""Memory that is used again. The first touch of fresh pages costs a loader more time than the pixels it puts there."""

from __future__ import annotations

import math
import mmap
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

__all__ = ["Memory"]


class Memory:
    """Gives arrays whose memory comes back when nobody holds them, or a view of them, any more.

    A pickled copy starts empty.
    """

    def __init__(self) -> None:
        self._free: list[mmap.mmap] = []

    def __reduce__(self) -> tuple[type[Memory], tuple[()]]:
        return Memory, ()

    def empty(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of any content."""
        piece = self._piece(max(math.prod(shape) * np.dtype(dtype).itemsize, 1))
        # Views refer to this array and not to what is behind it, as that is none.
        array: NDArray[Any] = np.ndarray(shape, dtype, buffer=piece)
        weakref.finalize(array, self._free.append, piece).atexit = False
        return array

    def _piece(self, size: int) -> mmap.mmap:
        """Return memory of ``size`` bytes or more; a piece that is too small is let go."""
        while self._free:
            try:
                piece = self._free.pop()
            except IndexError:  # another thread took the last one
                break
            if len(piece) >= size:
                return piece
        piece = mmap.mmap(-1, size)
        if hasattr(mmap, "MADV_HUGEPAGE"):
            piece.madvise(mmap.MADV_HUGEPAGE)
        return piece
