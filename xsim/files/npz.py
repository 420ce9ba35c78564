"""Reading ``.npz`` archives that anybody may have written: no pickles, no more memory than allowed."""

from __future__ import annotations

import io
import math
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from xsim.errors import InputError
from xsim.files.plain import ARCHIVE, check_plain, open_plain

__all__ = ["read_npz"]

MAX_BYTES = 2**32
"""What an archive may unpack to [bytes]."""


def read_npz(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of an archive that `numpy.savez` wrote.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is no plain file, damaged, no archive, holds objects, or unpacks to more than 4 GiB.
    """
    check_plain(path, ARCHIVE)
    try:
        with open_plain(path, ARCHIVE) as file:
            return _arrays(file)
    except MemoryError:
        raise
    except Exception as error:  # a damaged archive makes zipfile and numpy raise almost anything
        what = " ".join(str(error).split())[:120] or type(error).__name__
        raise InputError(f"{path}: is not a sound archive of arrays ({what}): make it anew") from error


def _arrays(file: BinaryIO) -> dict[str, NDArray[Any]]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        claimed = sum(member.file_size for member in members)
        if claimed > MAX_BYTES:
            raise InputError(f"unpacks to {claimed / 1e9:.1f} GB, more than {MAX_BYTES / 1e9:.1f} GB")
        return {member.filename.removesuffix(".npy"): _array(archive.read(member)) for member in members}


def _array(data: bytes) -> NDArray[Any]:
    """Return the array of a ``.npy`` file; memory is taken for the bytes that are there, not for those it claims."""
    stream = io.BytesIO(data)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, fortran, dtype = read_header(stream, max_header_size=10_000)
    start = stream.tell()
    wanted = math.prod(shape) * dtype.itemsize
    if dtype.hasobject:
        raise InputError("it holds pickled objects, which are never read")
    if min(shape, default=0) < 0 or len(data) - start != wanted:
        raise InputError(f"an array has {len(data) - start} bytes, its header says {wanted}")
    flat = np.frombuffer(data, dtype, offset=start).copy()
    return flat.reshape(shape, order="F" if fortran else "C")
