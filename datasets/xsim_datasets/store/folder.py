"""Where a store's files lie: a local folder, or a bucket of an object store. Both write a file whole or not at all."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import Protocol

from xsim.errors import EnvironmentFaultError, ExtraMissingError, InputError
from xsim.files.whole import disk_fault, locked, write_whole

__all__ = ["Folder", "LocalFolder", "ObjectFolder", "check_target", "is_url", "open_folder"]

# How long a writer waits for another one of the same file [s]: a cluster may give a task to a second worker while the
# first still writes the same bytes, which takes well under a second.
_PATIENCE_S = 60.0


class Folder(Protocol):
    """A flat set of named files, ``a/b`` style."""

    name: str
    """What to call it in messages."""

    def read(self, key: str) -> bytes:
        """Return a file's bytes; FileNotFoundError if there is none."""

    def write(self, key: str, data: bytes) -> None:
        """Write a file, whole or not at all, and return when it is durable."""

    def delete(self, key: str) -> None:
        """Remove a file; nothing happens if there is none."""

    def names(self) -> list[str]:
        """Return the names of all files, sorted."""

    def strange(self) -> dict[str, str]:
        """Return what is no plain file, and what it is: links, pipes, empty folders."""


class LocalFolder:
    """A folder of a file system.

    Files are written by `xsim.files.whole`: after a power cut a name stands for the whole file or for none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = str(path)

    def read(self, key: str) -> bytes:
        """Return a file's bytes."""
        path = self.path / key
        if not path.is_file():  # a pipe would wait for ever, a folder is no file
            raise FileNotFoundError(errno.ENOENT, "no such file", str(path))
        return path.read_bytes()

    def write(self, key: str, data: bytes) -> None:
        """Write a file durably.

        Raises
        ------
        EnvironmentFaultError
            If the disk is full or fails; no part of the file is left.
        """
        final = self.path / key
        last = time.monotonic() + _PATIENCE_S
        while True:
            try:
                final.parent.mkdir(parents=True, exist_ok=True)
                return write_whole(final, data)
            except EnvironmentFaultError as error:
                raise EnvironmentFaultError(f"{error}, then run again with --resume") from error
            except InputError:
                if time.monotonic() > last:
                    raise
                time.sleep(0.05)
            except OSError as error:
                raise disk_fault(final, error, advice=", then run again with --resume") from error

    def delete(self, key: str) -> None:
        """Remove a file."""
        (self.path / key).unlink(missing_ok=True)

    def names(self) -> list[str]:
        """Return the names of all files, links and other things that are not folders, sorted."""
        found = (path for path in self.path.rglob("*") if path.is_symlink() or not path.is_dir())
        return sorted(path.relative_to(self.path).as_posix() for path in found)

    def strange(self) -> dict[str, str]:
        """Return links, pipes, devices and empty folders, by name, and what they are."""
        found: dict[str, str] = {}
        for path in sorted(self.path.rglob("*")):
            key = path.relative_to(self.path).as_posix()
            if path.is_symlink():
                found[key] = "is a link"
            elif path.is_dir():
                if not any(path.iterdir()):
                    found[key] = "is an empty folder"
            elif not path.is_file():
                found[key] = "is no plain file"
        return found

    def sweep(self) -> None:
        """Remove what killed writers left behind: the partial files of `xsim.files.whole`."""
        for key in self.names():
            if PurePosixPath(key).match(".*.partial"):
                self.delete(key)

    def free_bytes(self) -> int:
        """Return the free space of the file system [bytes]."""
        return shutil.disk_usage(self.path).free

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for one maker; the lock dies with the process, so nothing is ever stale.

        Raises
        ------
        InputError
            If another process holds it.
        """
        self.path.mkdir(parents=True, exist_ok=True)
        with locked(self.path):
            yield


class ObjectFolder:
    """A prefix of an object store that fsspec knows, e.g. ``s3://bucket/boards.zarr``; an upload is atomic there.

    Raises
    ------
    ExtraMissingError
        If the store's driver is not installed.
    """

    def __init__(self, url: str) -> None:
        try:
            import fsspec  # noqa: PLC0415 - an extra: only those who name a bucket need it

            self._fs, root = fsspec.core.url_to_fs(url)
        except ImportError as error:
            raise ExtraMissingError("s3fs", "s3") from error
        self._root = str(root).rstrip("/")
        self.name = url.rstrip("/")

    def read(self, key: str) -> bytes:
        """Return an object's bytes."""
        return bytes(self._fs.cat_file(f"{self._root}/{key}"))

    def write(self, key: str, data: bytes) -> None:
        """Upload an object; it appears whole.

        Raises
        ------
        EnvironmentFaultError
            If the store refuses.
        """
        try:
            self._fs.pipe_file(f"{self._root}/{key}", data)
        except OSError as error:
            raise EnvironmentFaultError(f"{self.name}/{key}: cannot be written: {error}") from error

    def delete(self, key: str) -> None:
        """Remove an object."""
        with suppress(FileNotFoundError):
            self._fs.rm_file(f"{self._root}/{key}")

    def names(self) -> list[str]:
        """Return the names of all objects, sorted."""
        self._fs.invalidate_cache()
        return sorted(str(item)[len(self._root) + 1 :] for item in self._fs.find(self._root))

    def strange(self) -> dict[str, str]:
        """Return nothing: a bucket holds objects only."""
        return {}


def is_url(target: str) -> bool:
    """Return whether a target names an object store rather than a path."""
    return "://" in target


def check_target(target: Path, index: str, what: str, *, force: bool) -> None:
    """Refuse a folder that must not be written; what xsim did not make is never replaced.

    Parameters
    ----------
    target : Path
        The folder.
    index : str
        Name of the file by which xsim knows a folder that it made.
    what : str
        What the folder is to be, for messages.
    force : bool
        Whether one that xsim made is replaced.

    Raises
    ------
    InputError
        If it is a link, its parent does not exist, or there is something that may not be replaced.
    """
    if target.is_symlink():
        raise InputError(f"{target}: is a link: give the path of the {what} itself")
    if target.exists() and not force:
        raise InputError(f"{target}: exists already: give another output or --force")
    if target.exists() and not (target / index).is_file():
        raise InputError(f"{target}: is no {what} that xsim wrote: it is never replaced, give another output")
    if not target.absolute().parent.is_dir():
        raise InputError(f"{target}: its folder does not exist: make {target.absolute().parent} first")


def open_folder(target: str) -> Folder:
    """Return the folder of a path or an object store's URL."""
    return ObjectFolder(target) if is_url(target) else LocalFolder(Path(target))
