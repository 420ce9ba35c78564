"""Locks on files and folders that die with their holder, on POSIX and on Windows.

POSIX locks the file or folder itself (flock). Windows can lock a part of a file, but opens no folders: there a folder
is held by a file beside it that the system removes when its last holder is gone, killed or not.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

__all__ = ["OPEN_FOLDER", "RENAMES_WHAT_IS_OPEN", "lock", "open_folder", "open_or_make"]

OPEN_FOLDER: int | None = getattr(os, "O_DIRECTORY", None)
"""The flag by which a folder is opened; None where none can be."""

RENAMES_WHAT_IS_OPEN = sys.platform != "win32"
"""Whether a file can get another name while a handle of it is open."""

# File systems without locks say so in one of these ways.
_LOCKLESS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS}
# What only some systems have: links are not followed, handles not inherited, a file is bytes, or dies with its handle.
_MAKE = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0) | getattr(os, "O_BINARY", 0)
_FAR_BYTE = 2**40
_DIES_WITH_ITS_HANDLE = getattr(os, "O_TEMPORARY", 0) | getattr(os, "O_NOINHERIT", 0)


def open_or_make(path: Path) -> int:
    """Return a handle of a file, made if need be."""
    return os.open(path, _MAKE, 0o666)


def open_folder(folder: Path) -> int:
    """Return a handle by which a folder can be locked.

    Raises
    ------
    BlockingIOError
        On Windows, if another process has it.
    """
    if OPEN_FOLDER is not None:
        return os.open(folder, os.O_RDONLY | OPEN_FOLDER)
    beside = folder.absolute().with_name(f".{folder.name}.lock")
    try:
        return os.open(beside, _MAKE | _DIES_WITH_ITS_HANDLE, 0o666)
    except PermissionError as error:
        raise BlockingIOError(errno.EAGAIN, "in use", str(folder)) from error


def lock(handle: int, path: Path) -> bool:
    """Lock an open file or folder and return whether ``path`` still names it: its last holder may have renamed it.

    Raises
    ------
    BlockingIOError
        If another process holds it.
    """
    if sys.platform == "win32":
        # A locked byte cannot be written by anybody: one far behind the end of any file is.
        os.lseek(handle, _FAR_BYTE, os.SEEK_SET)
        try:
            msvcrt.locking(handle, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            raise BlockingIOError(errno.EAGAIN, "in use", str(path)) from error
        # Nobody can rename or remove what is open there.
        return True
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in _LOCKLESS:
            raise
    try:
        return path.stat().st_ino == os.fstat(handle).st_ino
    except FileNotFoundError:
        return False
