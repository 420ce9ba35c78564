"""A network evaluated tile by tile, so that it equals the network on the whole image.

The network sees each tile with a margin of its receptive field, and only what the margin cannot reach is kept. At the
edges of the image a tile ends where the image ends, so the network's own borders are the same too. Nothing is
blended: where tiles meet, both would have given the same numbers.

The buffers of a layer are used again by the next, see `reused_memory`.
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from functools import cache
from typing import Final

import psutil
import torch
from torch import Tensor

from xsim.errors import InputError
from xsim_zoo.network.backbone import Backbone
from xsim_zoo.network.unet import STRIDE_PX
from xsim_zoo.process.grid import Span
from xsim_zoo.process.preconditioning import Network

__all__ = ["TiledNetwork", "bytes_per_px", "fitting_tile_px", "reused_memory", "spans", "tiled"]

_MIN_TILE_PX = 128
"""Smallest tiles [px]: with less memory than they take nothing can be restored, and margins would be most of them."""

_MAX_TILE_PX = 1664
"""Largest tiles [px]: margins cost 13 % of the time here; larger ones gain little more, and take memory."""

_BYTES_PER_PX_AND_CHANNEL = 8.0
"""Peak memory of the U-Net for each input pixel and channel of its first level [bytes], measured."""

_MEMORY_SHARE = 0.25
"""Share of the free memory that a tile may take: filters and the image itself need the rest."""

# Names and numbers of glibc's malloc.h.
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3

_HELD_BYTES: Final = 2**30
"""Freed blocks of up to this size stay with the process [bytes]: more than a buffer of the largest tile."""

_USUAL_MMAP_BYTES: Final = 2**25
"""Where glibc's own threshold ends up as a program frees large blocks [bytes]."""


def spans(size: int, tile_px: int, margin_px: int) -> list[Span]:
    """Cut an axis into tiles of about equal length that start at multiples of the stride.

    Parameters
    ----------
    size : int
        Length of the axis [px].
    tile_px : int
        Longest kept part [px].
    margin_px : int
        What the network needs beyond it on each side [px].

    Raises
    ------
    InputError
        If the tile is shorter than the stride or the margin is negative.
    """
    if tile_px < STRIDE_PX or margin_px < 0:
        raise InputError(f"tiles of {tile_px} px with a margin of {margin_px} px: give {STRIDE_PX} or more, and 0 up")
    margin = -(-margin_px // STRIDE_PX) * STRIDE_PX
    count = -(-size // tile_px)
    length = -(-size // (count * STRIDE_PX)) * STRIDE_PX
    firsts = range(0, size, length)
    return [
        Span(max(first - margin, 0), min(first + length + margin, size), first, min(first + length, size))
        for first in firsts
    ]


@dataclass(frozen=True, kw_only=True)
class TiledNetwork:
    """A network that is evaluated tile by tile.

    Parameters
    ----------
    network : Network
        What maps features (B, C, H, W) to (B, 1, H, W), with a bounded receptive field.
    receptive_px : int
        Margin at which tiles are exact [px].
    tile_px : int
        Side of the kept parts [px].
    precision : torch dtype
        Type of the convolutions; the answer is float32.
    on_tile : callable, optional
        Called after each tile.
    """

    network: Network = field(kw_only=False)
    receptive_px: int
    tile_px: int
    precision: torch.dtype = torch.float32
    on_tile: Callable[[], None] | None = None

    def tiles(self, shape: tuple[int, int]) -> Iterator[tuple[Span, Span]]:
        """Yield the tiles (rows, columns) of an image of this shape."""
        for rows in spans(shape[0], self.tile_px, self.receptive_px):
            for columns in spans(shape[1], self.tile_px, self.receptive_px):
                yield rows, columns

    def __call__(self, features: Tensor, conditions: Tensor, /) -> Tensor:
        """Return one channel (B, 1, H, W) from features (B, C, H, W) and conditions (B, 3 or 6)."""
        batch, _, height, width = features.shape
        answer = torch.empty((batch, 1, height, width), dtype=torch.float32, device=features.device)
        tiles = list(self.tiles((height, width)))
        whole = self.precision == torch.float32
        precise = nullcontext() if whole else torch.autocast(features.device.type, self.precision)
        with reused_memory(give_back=len(tiles) > 1):
            for rows, columns in tiles:
                with precise:
                    tile = self.network(features[:, :, rows.seen, columns.seen], conditions)
                answer[:, :, rows.kept, columns.kept] = tile[:, :, rows.inner, columns.inner].float()
                del tile
                if self.on_tile is not None:
                    self.on_tile()
        return answer


def fitting_tile_px(channels: int, margin_px: int, free_bytes: int) -> int:
    """Return the side of the tiles that a quarter of the free memory holds [px].

    Parameters
    ----------
    channels : int
        Channels of the network's first level.
    margin_px : int
        Margin of the tiles [px].
    free_bytes : int
        Free memory [bytes].
    """
    pixels = _MEMORY_SHARE * free_bytes / (_BYTES_PER_PX_AND_CHANNEL * channels)
    side = int(pixels**0.5) - 2 * margin_px
    return max(_MIN_TILE_PX, min(side, _MAX_TILE_PX)) // STRIDE_PX * STRIDE_PX


def bytes_per_px(network: Backbone) -> float:
    """Return what a network takes for each pixel of a tile [bytes]."""
    return _BYTES_PER_PX_AND_CHANNEL * network.channels


def tiled(
    network: Backbone,
    *,
    device: torch.device,
    tile_px: int | None = None,
    precision: torch.dtype = torch.float32,
    on_tile: Callable[[], None] | None = None,
) -> TiledNetwork:
    """Return a network in tiles, whose size follows from the free memory of its device unless it is given.

    Parameters
    ----------
    network : Backbone
        The network.
    device : torch device
        Where it computes.
    tile_px, precision, on_tile
        See `TiledNetwork`.
    """
    margin = network.receptive_px
    if tile_px is None:
        tile_px = fitting_tile_px(network.channels, margin, _free_bytes(device))
    return TiledNetwork(network, receptive_px=margin, tile_px=tile_px, precision=precision, on_tile=on_tile)


def _free_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


@contextmanager
def reused_memory(*, give_back: bool) -> Iterator[None]:
    """Keep freed blocks of up to 1 GiB within the process for the time of a ``with``.

    glibc maps blocks beyond 32 MiB from the system one by one. A network on a tile of 1500 px makes some twenty such
    blocks, and the pages of each are zeroed anew: a third of its time. Nothing happens where the C library is another.

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
