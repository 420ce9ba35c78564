"""Kinds of image files that other packages add (entry points of the group ``xsim.formats``, named by their suffix)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from xsim.plugins import Plugin, plugins
from xsim_datasets.images.radiograph import Radiograph

__all__ = ["FileFormat", "format_of", "format_suffixes"]


@dataclass(frozen=True)
class FileFormat:
    """A reader and a writer of one kind of file.

    Parameters
    ----------
    read : callable
        ``read(path, *, max_pixels)`` returns a `Radiograph`; what a header claims it checks before it decodes.
    write : callable, optional
        ``write(path, radiograph, stamp)``; None where the kind is only read.
    magic : bytes
        With what a file begins; empty where the name alone decides.
    """

    read: Callable[..., Radiograph]
    write: Callable[[Path, Radiograph, Mapping[str, Any]], None] | None = None
    magic: bytes = b""


def format_suffixes(builtin: Collection[str]) -> tuple[str, ...]:
    """Return the suffixes, with their dots, that other packages read; nothing of theirs is imported."""
    return tuple(f".{name}" for name in _by_suffix(builtin))


def _by_suffix(builtin: Collection[str]) -> dict[str, Plugin]:
    """Return the plugins by suffix without its dot, which is lower case however a package writes it."""
    found = plugins("xsim.formats", [suffix[1:] for suffix in builtin])
    return {name.lower(): plugin for name, plugin in found.items()}


def format_of(suffix: str, builtin: Collection[str]) -> FileFormat | None:
    """Return what reads and writes files of a suffix, None where no other package does.

    Raises
    ------
    InputError
        If the package cannot be used.
    """
    plugin = _by_suffix(builtin).get(suffix.lower().removeprefix("."))
    if plugin is None:
        return None
    found = plugin.load()
    if not isinstance(found, FileFormat):
        raise plugin.broken(f"{plugin.value} is no xsim_datasets.images.FileFormat")
    return found
