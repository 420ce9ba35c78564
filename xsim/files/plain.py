"""The one door for files that a person names: plain, readable, and of a size that their kind can have.

A link to ``/dev/zero`` never ends, a pipe waits for ever, and a file of 100 GB is no table: each is refused before a
byte is read.
"""

from __future__ import annotations

import hashlib
import os
import stat
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Final

from xsim.errors import InputError, MissingFileError

__all__ = [
    "ARCHIVE",
    "CARD",
    "GERBER",
    "IMAGE",
    "JOURNAL",
    "MESH",
    "TABLE",
    "TOML",
    "WEIGHTS",
    "FileKind",
    "check_plain",
    "digest_plain",
    "open_plain",
    "read_plain",
]


@dataclass(frozen=True)
class FileKind:
    """What a file is to be, and the most that one of that kind can hold.

    Parameters
    ----------
    what : str
        For people, e.g. ``"a TOML file"``.
    most_bytes : int
        Longest file of that kind [bytes].
    """

    what: str
    most_bytes: int


# The longest that were met, times a hundred or more. A detector file with curves of 1,000 frequencies has 0.1 MB.
TOML: Final = FileKind("a TOML file", 2**24)
TABLE: Final = FileKind("a CSV file", 2**26)
# The cards of the shipped weights have up to 0.3 MB, records of a run 0.1 MB.
CARD: Final = FileKind("a JSON file", 2**26)
# One line a check or a finding: a year of an evaluation has less than 0.1 GB.
JOURNAL: Final = FileKind("a log of lines", 2**30)
# The largest image that is read has 2^29 pixels of 8 bytes; files may hold thumbnails and tags besides.
IMAGE: Final = FileKind("an image file", 2**33)
ARCHIVE: Final = FileKind("a phantom (.npz)", 2**32)
# A guard against files that are no layer: those of real boards are far smaller.
GERBER: Final = FileKind("a Gerber or Excellon file", 2**26)
# Ten million triangles as text.
MESH: Final = FileKind("a mesh", 2**32)
# The shipped networks have 10 MB; the largest that could be trained with this program fit one card.
WEIGHTS: Final = FileKind("a file of weights", 2**34)


def check_plain(path: Path, kind: FileKind) -> int:
    """Return the size of a file [bytes] that is plain, may be read, and is not too long for its kind.

    Raises
    ------
    MissingFileError
        If there is no such file.
    InputError
        If it is a folder, pipe or device, too long, or may not be read.
    """
    try:
        status = path.stat()
    except FileNotFoundError as error:
        what = "is a link to nothing" if path.is_symlink() else "no such file"
        raise MissingFileError(f"{path}: {what}: check the path") from error
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise InputError(f"{path}: cannot be reached ({reason.lower()}): check the path") from error
    _check_status(path, status, kind)
    if not os.access(path, os.R_OK):
        raise InputError(f"{path}: may not be read: change its permissions")
    return status.st_size


def _check_status(path: Path, status: os.stat_result, kind: FileKind) -> None:
    if not stat.S_ISREG(status.st_mode):
        what = "is a folder" if stat.S_ISDIR(status.st_mode) else "is not a plain file"
        raise InputError(f"{path}: {what}: give {kind.what}")
    if status.st_size > kind.most_bytes:
        raise InputError(
            f"{path}: has {status.st_size / 1e6:.0f} MB, {kind.what} at most {kind.most_bytes / 1e6:.0f} MB: "
            f"give {kind.what}"
        )


def open_plain(path: Path, kind: FileKind) -> BufferedReader:
    """Open a file for reading; what is opened is checked, also where the name changes its meaning meanwhile.

    Parameters and errors are those of `check_plain`.
    """
    check_plain(path, kind)
    file = open(path, "rb", opener=_without_waiting)  # noqa: SIM115  (the caller closes it)
    try:
        _check_status(path, os.fstat(file.fileno()), kind)
    except InputError:
        file.close()
        raise
    return file


def _without_waiting(path: str, flags: int) -> int:
    # Opening a pipe waits for its other end; Windows knows neither.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def read_plain(path: Path, kind: FileKind) -> bytes:
    """Return the bytes of a file.

    Parameters and errors are those of `check_plain`; a file that grows while it is read is refused as well.
    """
    with open_plain(path, kind) as file:
        size = os.fstat(file.fileno()).st_size
        data = file.read(size + 1)
    # Files of /proc say that they are empty, and some of them never end.
    if data is None or len(data) > size:
        raise InputError(f"{path}: grows while it is read: copy it first, and give {kind.what}")
    return data


def digest_plain(path: Path, kind: FileKind) -> str:
    """Return the SHA-256 of a file, a block at a time.

    Parameters and errors are those of `check_plain`.
    """
    with open_plain(path, kind) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
