"""NPY arrays; object arrays are never unpickled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from xsim.errors import InputError
from xsim_datasets.images.radiograph import Radiograph, check_claim

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import BinaryIO

__all__ = ["read_npy", "white_of", "write_npy"]

_MAX_HEADER = 10_000
"""Longest header that is read [bytes]; that of an image has about a hundred."""


def white_of(dtype: np.dtype[Any]) -> float | None:
    """Return the highest grey level of a type; None for floating point."""
    return float(np.iinfo(dtype).max) if dtype.kind in "ui" else None


def read_npy(path: Path, *, max_pixels: int) -> Radiograph:
    """Read an array (H, W) or (pages, H, W).

    Raises
    ------
    InputError
        If it holds objects, has another number of axes, or the file is shorter or longer than its header says.
    """
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, _, dtype = np.lib.format.read_array_header_1_0(file, max_header_size=_MAX_HEADER)
        else:
            _check_header_length(file)
            shape, _, dtype = np.lib.format.read_array_header_2_0(file, max_header_size=_MAX_HEADER)
        start = file.tell()
    if dtype.hasobject or dtype.kind not in "uif":
        raise InputError(f"holds {dtype} elements: give integers or floating point (pickled objects are never read)")
    if len(shape) not in {2, 3}:
        raise InputError(f"holds an array of shape {shape}: give (H, W) or (pages, H, W)")
    if len(shape) == 3 and shape[-1] in {1, 3, 4}:
        raise InputError(f"holds an array of shape {shape}, which looks like colour: give (H, W) or (pages, H, W)")
    size = path.stat().st_size
    check_claim(shape, dtype, size, max_pixels)
    wanted = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size - start != wanted:
        raise InputError(f"holds {size - start} bytes of pixels, its header says {wanted}: copy it again")
    pixels = np.load(path, allow_pickle=False)
    header = {"dtype": dtype.str, "fortran": bool(pixels.flags.f_contiguous and not pixels.flags.c_contiguous)}
    return Radiograph(pixels, "npy", white=white_of(dtype), header=header)


def _check_header_length(file: BinaryIO) -> None:
    """Refuse a header of gigabytes, for which numpy would ask the memory before it looks at its length."""
    start = file.tell()
    length = int.from_bytes(file.read(4), "little")
    file.seek(start)
    if length > _MAX_HEADER:
        raise InputError(f"its header claims {length} bytes, of at most {_MAX_HEADER}: copy it again")


def write_npy(path: Path, radiograph: Radiograph, stamp: Mapping[str, Any]) -> None:  # noqa: ARG001
    """Write the array in the byte order and element order of the file that was read; NPY takes no stamp."""
    header = radiograph.header if radiograph.kind == "npy" else {}
    pixels = radiograph.pixels.astype(header.get("dtype", radiograph.dtype), copy=False)
    with path.open("wb") as file:
        np.save(file, np.asfortranarray(pixels) if header.get("fortran") else pixels, allow_pickle=False)
