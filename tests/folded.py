"""A folder that takes no notice of case, as those of Windows and macOS: files are found however they are spelled.

The system's calls that take paths are wrapped, so that what stands under another spelling is what they meet.
"""

from __future__ import annotations

import builtins
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from xsim.names import name_key

if TYPE_CHECKING:
    import pytest

__all__ = ["ignore_case"]

_ONE = ("access", "chmod", "listdir", "lstat", "mkdir", "open", "remove", "rmdir", "scandir", "stat", "unlink", "utime")
_TWO = ("link", "rename", "replace")


def ignore_case(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """Let a folder take no notice of case until the test ends."""
    listdir, top = os.listdir, folder.resolve()

    def spelled(path: Any) -> Any:
        if isinstance(path, (int, bytes)) or top not in (whole := Path(os.path.abspath(path))).parents:  # noqa: PTH100
            return path
        place = str(top)
        for part in whole.relative_to(top).parts:
            try:
                there = listdir(place)
            except OSError:
                there = []
            alike = [name for name in there if name_key(name) == name_key(part)]
            place = os.path.join(place, part if part in alike or not alike else alike[0])  # noqa: PTH118
        return place

    def wrapped(original: Any, paths: int) -> Any:
        def call(*given: Any, **options: Any) -> Any:
            return original(*map(spelled, given[:paths]), *given[paths:], **options)

        return call

    for name in (*_ONE, *_TWO):
        monkeypatch.setattr(os, name, wrapped(getattr(os, name), 2 if name in _TWO else 1))
    opened = wrapped(builtins.open, 1)
    monkeypatch.setattr(builtins, "open", opened)
    monkeypatch.setattr(io, "open", opened)
