"""The layout of a store: which arrays it holds, how grey levels become codes, how a shard becomes bytes.

`datasets/FORMAT.md` says the same in words. Every file of a store is made here, in memory, from the same settings
and always with the same bytes; `xsim_datasets.store.folder` is what puts bytes on a disk or into a bucket.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import BloscCodec, Crc32cCodec
from zarr.storage import MemoryStore

from xsim.errors import InputError

__all__ = ["FILL_VALUE", "FORMAT", "SPLITS", "Encoding", "ShardLayout", "encode_group"]

FORMAT = "xsim-pairs/1"
SPLITS = ("train", "validation", "test")
# Never the code of a pixel: a chunk that is missing reads as this, and is noticed.
FILL_VALUE = 65535
_TABLE_CHUNK = 65536
# What the axes of a group's arrays are called, from the last one: xarray opens no array of zarr 3 without names.
_DIMENSIONS = {"table": ("sample",), "defects": ("defect",), "physics": ("frequency", "setup")}
_KEY_ENCODING = {"name": "default", "separator": "."}


@dataclass(frozen=True)
class Encoding:
    """The line between grey levels (open field = 1) and codes: ``grey = code * scale + offset``.

    Codes run from 0 to 65534; 65535 is the fill value of the array and marks what was never written.
    """

    scale: float
    offset: float

    def encode(self, grey: NDArray[np.floating]) -> tuple[NDArray[np.uint16], int]:
        """Return the codes of an image and how many of its pixels lay outside the line's range and were clipped.

        Raises
        ------
        InputError
            If a pixel is NaN or infinite.
        """
        # float32 holds every code and its neighbours' halves exactly.
        levels = np.asarray(grey, np.float32) - np.float32(self.offset)
        levels *= np.float32(1.0 / self.scale)
        np.rint(levels, out=levels)
        low, high = float(levels.min()), float(levels.max())  # NaN where any pixel is
        if not (np.isfinite(low) and np.isfinite(high)):
            raise InputError("an image to be stored holds NaN or infinite pixels: mend its source")
        clipped = 0
        if low < 0 or high >= FILL_VALUE:
            clipped = int(np.count_nonzero((levels < 0) | (levels >= FILL_VALUE)))
            np.clip(levels, 0, FILL_VALUE - 1, out=levels)
        return levels.astype(np.uint16), clipped

    @property
    def attributes(self) -> dict[str, float | int]:
        """The line in the words of the CF conventions, by which xarray decodes codes."""
        return {"scale_factor": self.scale, "add_offset": self.offset, "_FillValue": FILL_VALUE}

    def decode(self, codes: NDArray[np.uint16], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return the grey levels of codes, float32, in ``out`` if it is given."""
        grey: NDArray[np.float32] = np.multiply(codes, np.float32(self.scale), out=out, dtype=np.float32)
        grey += np.float32(self.offset)
        return grey


@dataclass(frozen=True)
class ShardLayout:
    """The array ``pairs`` of a store, uint16 (n, 2, H, W): HR at ``[:, 0]``, LR at ``[:, 1]``.

    One chunk is one pair, one shard is one file of ``pairs_per_shard`` chunks, each closed by its CRC-32C.
    """

    n: int
    height: int
    width: int
    pairs_per_shard: int = 64
    zstd_level: int = 3

    @property
    def shards(self) -> int:
        """How many shards hold the ``n`` pairs."""
        return -(-self.n // self.pairs_per_shard)

    @property
    def raw_bytes(self) -> int:
        """Size of all codes before compression [bytes]."""
        return self.n * 4 * self.height * self.width

    def samples(self, shard: int) -> range:
        """Return the samples that stand in a shard."""
        first = shard * self.pairs_per_shard
        return range(first, min(first + self.pairs_per_shard, self.n))

    def key(self, shard: int) -> str:
        """Return the name of a shard's file in the store."""
        return f"pairs/c.{shard}.0.0.0"

    def documents(
        self,
        shard: int | None = None,
        codes: NDArray[np.uint16] | None = None,
        *,
        encoding: Encoding | None = None,
    ) -> dict[str, bytes]:
        """Return the array's metadata document and, where codes are given, the file of their shard, by key.

        The document says the ``encoding`` where it is given; stores of before 0.2 say it in the plan only.
        """
        store: dict[str, Any] = {}
        array = zarr.create_array(
            MemoryStore(store),
            name="pairs",
            shape=(self.n, 2, self.height, self.width),
            chunks=(1, 2, self.height, self.width),
            shards=(self.pairs_per_shard, 2, self.height, self.width),
            dtype="uint16",
            # Shuffling bits rather than bytes writes at almost twice the speed for 5 % larger files.
            compressors=[BloscCodec(cname="zstd", clevel=self.zstd_level, shuffle="bitshuffle"), Crc32cCodec()],
            fill_value=FILL_VALUE,
            chunk_key_encoding=_KEY_ENCODING,  # type: ignore[arg-type]
            dimension_names=["sample", "screen", "y", "x"],
            attributes=None if encoding is None else dict(encoding.attributes),
        )
        if shard is not None and codes is not None:
            span = self.samples(shard)
            array[span.start : span.stop] = codes
        return {key: value.to_bytes() for key, value in store.items() if key.startswith("pairs/")}


def encode_group(path: str, arrays: Mapping[str, NDArray[Any]], attributes: Mapping[str, Any]) -> dict[str, bytes]:
    """Return the files of a group of small arrays, by key.

    Parameters
    ----------
    path : str
        Name of the group in the store; "" is the root.
    arrays : mapping
        One-dimensional columns or small tables, by name.
    attributes : mapping
        The group's attributes, JSON types.
    """
    store: dict[str, Any] = {}
    prefix = f"{path}/" if path else ""
    names = _DIMENSIONS.get(path, ())
    zarr.create_group(MemoryStore(store), path=path, attributes=dict(attributes))
    for name, values in arrays.items():
        chunks = (min(len(values), _TABLE_CHUNK) or 1, *values.shape[1:])
        array = zarr.create_array(
            MemoryStore(store),
            name=f"{prefix}{name}",
            shape=values.shape,
            chunks=chunks,
            dtype=values.dtype,
            compressors=[BloscCodec(cname="zstd", clevel=3, shuffle="shuffle"), Crc32cCodec()],
            fill_value=0,
            chunk_key_encoding=_KEY_ENCODING,  # type: ignore[arg-type]
            dimension_names=names[: values.ndim][::-1] if values.ndim <= len(names) else None,
            config={"write_empty_chunks": True},
        )
        if values.size:
            array[...] = values
    return {key: store[key].to_bytes() for key in sorted(store) if key.startswith(prefix)}
