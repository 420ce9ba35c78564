"""Let a network's buffers be used again from layer to layer, instead of being given back and fetched page by page.

glibc maps blocks beyond 32 MiB from the system one by one. A network on a tile of 1500 px makes some twenty such
blocks, and the pages of each are zeroed anew: a third of its time.
"""

from __future__ import annotations

import ctypes
import platform
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["reused_memory"]

# Names and numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

_HELD_BYTES: Final = 2**30
_USUAL_MMAP_BYTES: Final = 2**25
"""Where glibc's own threshold ends up as a program frees large blocks [bytes]."""


@contextmanager
def reused_memory(*, give_back: bool) -> Iterator[None]:
    """Keep freed blocks of up to 1 GiB within the process for the time of a ``with``.

    Nothing happens where the C library is not glibc.

    Parameters
    ----------
    give_back : bool
        Give what is free at the end back to the system at once: worth its time where much else is to come. Otherwise
        glibc does so by and by.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_M_MMAP_THRESHOLD, _HELD_BYTES)
    libc.mallopt(_M_TRIM_THRESHOLD, _HELD_BYTES)
    try:
        yield
    finally:
        libc.mallopt(_M_MMAP_THRESHOLD, _USUAL_MMAP_BYTES)
        libc.mallopt(_M_TRIM_THRESHOLD, 2 * _USUAL_MMAP_BYTES)
        if give_back:
            libc.malloc_trim(0)


@cache
def _glibc() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    libc = ctypes.CDLL(None)
    libc.malloc_trim.argtypes = [ctypes.c_size_t]
    return libc
