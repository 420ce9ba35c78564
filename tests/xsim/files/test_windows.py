"""Files are written whole on Windows as well: no flock, no open folders, no new name for what is open.

Windows itself is not here: its refusals are put in front of this system's calls, and the modules are loaded anew.
"""

from __future__ import annotations

import fcntl
import importlib.util
import os
import sys
import types
from pathlib import Path
from typing import Any

import pytest

import xsim.files.locks
import xsim.files.whole
from xsim.errors import EnvironmentFaultError, InputError


def anew(module: types.ModuleType) -> Any:
    """Return a module executed again."""
    assert module.__spec__ is not None
    spec = importlib.util.spec_from_file_location(module.__name__, module.__spec__.origin)
    assert spec is not None
    assert spec.loader is not None
    fresh = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(fresh)
    return fresh


def is_open(path: Path) -> bool:
    """Return whether this process has a handle of a file."""
    links = [link for link in Path("/proc/self/fd").iterdir() if link.is_symlink()]
    return path in {link.readlink() for link in links if link.is_symlink()}


@pytest.fixture
def whole(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return `xsim.files.whole` as Windows would run it."""
    if sys.platform != "linux":
        pytest.skip("takes the place of Windows on Linux")
    opened, renamed, removed = os.open, Path.replace, Path.unlink

    def open_(path: Any, flags: int, mode: int = 0o777) -> int:
        if Path(path).is_dir():
            raise PermissionError(13, "Permission denied", str(path))
        return opened(path, flags, mode)

    def refused(path: Path) -> None:
        if is_open(path):
            raise PermissionError(32, "The process cannot access the file: another is using it", str(path))

    def replace(path: Path, target: Path) -> Path:
        refused(path)
        return renamed(path, target)

    def unlink(path: Path, missing_ok: bool = False) -> None:
        refused(path)
        removed(path, missing_ok=missing_ok)

    def locking(handle: int, mode: int, count: int) -> None:
        assert (mode, count) == (2, 1)
        assert os.lseek(handle, 0, os.SEEK_CUR) > 2**32, "a locked byte within the file could not be written"
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)

    msvcrt = types.ModuleType("msvcrt")
    msvcrt.locking, msvcrt.LK_NBLCK = locking, 2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "msvcrt", msvcrt)
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.delattr(os, "O_DIRECTORY")
    monkeypatch.delattr(os, "O_NOFOLLOW")
    monkeypatch.setattr(os, "open", open_)
    monkeypatch.setattr(Path, "replace", replace)
    monkeypatch.setattr(Path, "unlink", unlink)
    monkeypatch.setitem(sys.modules, "xsim.files.locks", anew(xsim.files.locks))
    return anew(xsim.files.whole)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file_appears_whole_and_nothing_else(whole: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    for text in ("old", "new"):
        with whole.whole_file(target) as partial:
            partial.write_text(text)
    assert target.read_text() == "new"
    with pytest.raises(EnvironmentFaultError), whole.whole_file(target) as partial:
        raise OSError(5, "Input/output error")
    assert names(tmp_path) == ["a.txt"]


def test_a_second_writer_is_refused(whole: Any, tmp_path: Path) -> None:
    target = tmp_path / "a.txt"
    with whole.whole_file(target) as partial:
        partial.write_text("first")
        with pytest.raises(InputError, match="another process"), whole.whole_file(target):
            pass
    assert target.read_text() == "first"


def test_folders_appear_whole(whole: Any, tmp_path: Path) -> None:
    with whole.whole_folder(tmp_path / "f") as partial:
        (partial / "in").mkdir()
        (partial / "in" / "a.txt").write_text("a")
    assert (tmp_path / "f" / "in" / "a.txt").read_text() == "a"
    assert names(tmp_path) == ["f"]


def test_a_folder_is_held_by_a_file_beside_it(whole: Any, tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with whole.locked(tmp_path / "f"):
        # What the system removes with its last handle there.
        assert names(tmp_path) == [".f.lock", "f"]
        with pytest.raises(InputError, match="in use"), whole.locked(tmp_path / "f"):
            pass
    with whole.locked(tmp_path / "f"):
        pass
