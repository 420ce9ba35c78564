"""Files of bare pixels: NPY arrays (never unpickled), and RAW beside a TOML file that says what its pixels are."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from xsim.errors import InputError, MissingFileError
from xsim.files.documents import read_toml
from xsim_datasets.images.radiograph import Radiograph, check_claim

__all__ = ["RAW_ORDERS", "RAW_TYPES", "describe_raw", "read_npy", "read_raw", "sidecar_path", "write_npy", "write_raw"]

_MAX_HEADER = 10_000
"""Longest header of an NPY file that is read [bytes]; that of an image has about a hundred."""
RAW_TYPES = ("uint8", "uint16", "uint32", "int16", "int32", "float32", "float64")
"""Pixels that a RAW file may hold."""
RAW_ORDERS = {"little": "<", "big": ">"}
"""Orders of their bytes, as the sidecar and numpy call them."""
_KEYS = frozenset({"shape", "dtype", "byteorder", "offset", "pitch_mm"})


def _white_of(dtype: np.dtype[Any]) -> float | None:
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
    return Radiograph(pixels, "npy", white=_white_of(dtype), header=header)


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


def sidecar_path(path: Path) -> Path:
    """Return the TOML file that describes a RAW file: ``board.raw`` -> ``board.raw.toml``."""
    return path.with_name(f"{path.name}.toml")


def read_raw(path: Path, *, max_pixels: int) -> Radiograph:
    """Read headerless pixels as their sidecar says.

    The sidecar holds ``shape = [H, W]`` (or [pages, H, W]) and ``dtype``, and may hold ``byteorder`` ("little" or
    "big"), ``offset`` [bytes] and ``pitch_mm``.

    Raises
    ------
    MissingFileError
        If there is no sidecar; the message guesses one.
    InputError
        If the sidecar or the size of the file is wrong.
    """
    size = path.stat().st_size
    sidecar = sidecar_path(path)
    try:
        shape, dtype, offset, pitch_mm = _parse(sidecar)
    except MissingFileError:
        raise MissingFileError(f"is RAW without {sidecar.name}: write one, e.g. {_guess(size)}") from None
    check_claim(shape, dtype, size, max_pixels)
    wanted = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    if size != offset + wanted:
        raise InputError(f"holds {size} bytes, {sidecar.name} says {offset} + {wanted}: correct shape, dtype or offset")
    with path.open("rb") as file:
        head = file.read(offset)
        pixels = np.fromfile(file, dtype=dtype).reshape(shape)
    return Radiograph(pixels, "raw", pitch_mm, _white_of(dtype), header={"dtype": dtype.str, "head": head})


def _parse(sidecar: Path) -> tuple[tuple[int, ...], np.dtype[Any], int, float | None]:
    data = read_toml(sidecar)
    if unknown := sorted(set(data) - _KEYS):
        raise InputError(f"its {sidecar.name} has unknown keys {', '.join(unknown)}: allowed are {', '.join(_KEYS)}")
    shape, offset, pitch = data.get("shape"), data.get("offset", 0), data.get("pitch_mm")
    if not isinstance(shape, list) or len(shape) not in {2, 3} or not all(isinstance(n, int) and n > 0 for n in shape):
        raise InputError(f"its {sidecar.name} says shape {shape}: give [H, W] or [pages, H, W]")
    if data.get("dtype") not in RAW_TYPES:
        raise InputError(f"its {sidecar.name} says dtype {data.get('dtype')}: give one of {', '.join(RAW_TYPES)}")
    order = data.get("byteorder", "little")
    if order not in RAW_ORDERS or not isinstance(offset, int) or offset < 0:
        raise InputError(f"its {sidecar.name} says byteorder {order}, offset {offset}: give little or big, and bytes")
    if pitch is not None and not (isinstance(pitch, (int, float)) and 0 < pitch < 100):
        raise InputError(f"its {sidecar.name} says pitch_mm {pitch}: give a length in mm")
    dtype = np.dtype(data["dtype"]).newbyteorder(RAW_ORDERS[order])
    return tuple(shape), dtype, offset, None if pitch is None else float(pitch)


def _guess(size: int) -> str:
    """Return a sidecar that would fit a file of this size."""
    side = int(np.sqrt(size / 2))
    width = next((w for w in range(side, max(side // 2, 1), -1) if size % (2 * w) == 0), side)
    return f'shape = [{size // max(2 * width, 1)}, {width}] and dtype = "uint16"'


def write_raw(path: Path, radiograph: Radiograph, stamp: Mapping[str, Any]) -> None:  # noqa: ARG001
    """Write the pixels behind the leading bytes of the file that was read; RAW takes no stamp."""
    header = radiograph.header if radiograph.kind == "raw" else {}
    with path.open("wb") as file:
        file.write(header.get("head", b""))
        radiograph.pixels.astype(header.get("dtype", radiograph.dtype), copy=False).tofile(file)


def describe_raw(radiograph: Radiograph) -> str:
    """Return the sidecar of a RAW file that `write_raw` writes."""
    header = radiograph.header if radiograph.kind == "raw" else {}
    dtype = np.dtype(header.get("dtype", radiograph.dtype))
    lines = [
        f"shape = {list(radiograph.pixels.shape)}",
        f'dtype = "{dtype.newbyteorder("=").name}"',
        f'byteorder = "{"big" if dtype.str[0] == ">" else "little"}"',
        f"offset = {len(header.get('head', b''))}",
    ]
    if radiograph.pitch_mm is not None:
        lines.append(f"pitch_mm = {radiograph.pitch_mm:.9g}")
    return "\n".join(lines) + "\n"
