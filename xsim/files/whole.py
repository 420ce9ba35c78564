"""Files and folders that appear whole or not at all, also through kill -9, a full disk and a power cut.

A file is written under another name beside its own, flushed to the disk, and then renamed. The writer holds a lock on
that other name, and locks die with their holders: what a killed writer left behind is simply taken over by the next.
The lock is on the very file that is written, so that no lock files stay behind; filelock cannot do that: it truncates
what it locks, and leaves it.
"""

from __future__ import annotations

import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

from xsim.errors import EnvironmentFaultError, InputError, XsimError
from xsim.files.locks import OPEN_FOLDER, RENAMES_WHAT_IS_OPEN, lock, open_folder, open_or_make

__all__ = ["disk_fault", "locked", "sync_folder", "whole_file", "whole_folder", "write_whole"]

# What the system says when there is no room: disk, quota, largest file.
_FULL = {errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC), errno.EFBIG}
# What it says when it may not be written.
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


@contextmanager
def whole_file(path: Path, *, replace: bool = True) -> Iterator[Path]:
    """Yield the path to write to; when the block ends well, what stands there gets the name ``path``.

    Parameters
    ----------
    path : Path
        The file to make, in a folder that exists.
    replace : bool
        Whether a file that exists may be replaced.

    Raises
    ------
    InputError
        If the file exists and may not be replaced, or another process is writing it.
    EnvironmentFaultError
        If the disk is full or fails, or forbids it; nothing is left behind.
    """
    partial = path.with_name(f".{path.name}.partial")
    try:
        with ExitStack() as lock_held:
            lock_held.callback(os.close, _locked(partial))
            try:
                _check_free(path, replace=replace)
                yield partial
                _sync(partial)
                if not RENAMES_WHAT_IS_OPEN:
                    lock_held.close()
                partial.replace(path)
                sync_folder(path.parent)
            except BaseException:
                if not RENAMES_WHAT_IS_OPEN:
                    lock_held.close()
                with suppress(OSError):
                    partial.unlink(missing_ok=True)
                raise
    except XsimError:
        raise
    except BlockingIOError as error:
        raise InputError(f"{path}: is being written by another process: wait, or give another output") from error
    except OSError as error:
        raise disk_fault(path, error) from error


def write_whole(path: Path, content: bytes, *, replace: bool = True) -> None:
    """Write a file of bytes; see `whole_file`."""
    with whole_file(path, replace=replace) as partial:
        partial.write_bytes(content)


@contextmanager
def whole_folder(path: Path, *, replace: bool = False) -> Iterator[Path]:
    """Yield an empty folder to fill; when the block ends well it gets the name ``path``.

    A folder that is replaced goes only when the new one stands in its place.

    Parameters and errors are those of `whole_file`; nothing locks the name.
    """
    _check_free(path, replace=replace)
    parent = path.absolute().parent
    try:
        partial = Path(tempfile.mkdtemp(prefix=f".{path.name}.partial-", dir=parent))
    except OSError as error:
        raise disk_fault(path, error) from error
    try:
        yield partial
        for file in partial.rglob("*"):
            _sync(file)
        partial.chmod(0o777 & ~_umask())  # mkdtemp's folders are the owner's only
        _publish_folder(partial, path)
        sync_folder(parent)
    except OSError as error:
        if isinstance(error, XsimError):
            raise
        raise disk_fault(path, error) from error
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish_folder(partial: Path, path: Path) -> None:
    old = partial.with_name(f"{partial.name}.old")
    if path.exists():
        path.rename(old)
    try:
        partial.rename(path)
    except OSError:
        if old.exists():
            old.rename(path)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _umask() -> int:
    # The only way to read it is to set it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


@contextmanager
def locked(folder: Path, *, by: str = "xsim") -> Iterator[None]:
    """Hold a folder that exists for one process; the lock dies with the process, so that none is ever stale.

    The folder is locked itself, and no file is made in it. ``by`` names the other holder in the message.

    Raises
    ------
    InputError
        If another process holds the folder, or has just given it another name.
    """
    busy = InputError(f"{folder}: is in use by another {by}: wait for it, or give another output")
    try:
        handle = open_folder(folder)
    except BlockingIOError as error:
        raise busy from error
    try:
        try:
            held = lock(handle, folder)
        except BlockingIOError:
            held = False
        if not held:
            raise busy
        yield
    finally:
        os.close(handle)


def disk_fault(path: Path, error: OSError, *, advice: str = "") -> EnvironmentFaultError:
    """Return the error that says what the disk refused at ``path``, what to do about it, and what afterwards."""
    if error.errno in _FULL:
        remedy = "make room"
    elif error.errno is None:  # numpy's short writes: it says how much, not why
        remedy = "make room, or see to the disk"
    elif error.errno in _FORBIDDEN:
        remedy = "change its permissions, or give another output"
    else:
        remedy = "see to the disk"
    reason = (error.strerror or str(error)).lower()
    return EnvironmentFaultError(f"{path}: {reason}: {remedy}{advice}")


def sync_folder(path: Path) -> None:
    """Flush a folder's entries to the disk; Windows does so by itself, and opens no folders."""
    if OPEN_FOLDER is not None:
        _flush(path, os.O_RDONLY | OPEN_FOLDER)


def _sync(path: Path) -> None:
    """Flush a file, or a folder's entries, to the disk."""
    if path.is_dir():
        sync_folder(path)
    else:
        # Windows flushes only what may be written.
        _flush(path, os.O_RDWR)


def _flush(path: Path, flags: int) -> None:
    handle = os.open(path, flags)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _check_free(path: Path, *, replace: bool) -> None:
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):  # renaming over /dev/null would take it from everybody
        raise InputError(f"{path}: is a pipe or a device: give another output")
    if not replace:
        raise InputError(f"{path}: exists already: give another output or --force")


def _locked(partial: Path) -> int:
    """Return a handle of the file at ``partial`` that holds its lock."""
    while True:
        handle = open_or_make(partial)
        try:
            if lock(handle, partial):
                return handle
        except OSError:
            os.close(handle)
            raise
        os.close(handle)
